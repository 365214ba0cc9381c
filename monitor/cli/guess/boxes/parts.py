"""The files of a detector below what a person points at: each group of alike files with what it holds and in which format."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from monitor.cli.guess.boxes.columns import BoxColumns, BoxHolds, find_box_columns
from monitor.cli.guess.boxes.nested import describe_nested
from monitor.cli.guess.reading import Found, format_of, read_table
from monitor.config.boxes import BoxLayout
from monitor.config.sources import SourceSettings
from monitor.model.errors import SourceError, UsageError
from monitor.sources.formats.boxes.small_files import stem_of, text_of
from monitor.sources.formats.layout import Needs
from monitor.sources.formats.relations import layout_of
from monitor.store.blame import first_line

_OPENED = 200  # packed files of a folder, that are looked into whether anything stands in them
_TRIED = 12  # small files of a folder, that its format is told by
_MOST_GROUPS = 24  # of files that are looked into
_ROWS = 4_000  # of each table
_NO_BOXES = ("classes", "obj", "names", "train", "val", "test", "valid", "predefined_classes")
_ENDINGS = {".json": "coco", ".txt": "yolo", ".xml": "voc"}
_TABLES = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", "")
_KINDS: tuple[BoxHolds, ...] = ("detections", "truth", "images")
_PACKED = (".gz", ".zst")


@dataclass(slots=True)
class BoxPart:
    """One source to be: alike files (``pattern``: the glob that names them, absolute) and what they hold. ``read``: of a table
    its columns; ``layout``: what its boxes are, as far as that is settled; ``image_key``: what names images, None: the
    usual."""

    holds: BoxHolds
    format: str
    pattern: str
    files: tuple[Path, ...]
    read: BoxColumns | None = None
    layout: BoxLayout | None = None
    image_key: str | None = None
    is_zoneless: bool = False  # times in its documents say no zone
    why: dict[str, str] = field(default_factory=dict)  # what was told by other things than names, and how
    depth: int = 2  # of the parts of a file's path, how many tell it from those of other sources

    @property
    def named(self) -> str:
        """How a person would call it."""
        if not self.files:
            return Path(self.pattern).name
        more = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        return f"{'/'.join(self.files[0].parts[-self.depth :])}{more}"


def find_parts(asked: str) -> tuple[list[BoxPart], dict[Path, str]]:
    """Return the groups of files that hold boxes, or images; and the tables that cannot be read, each with why."""
    paths, failed = list(_paths(asked)), dict[Path, str]()
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        # as it is written: patterns tell large letters from small ones
        groups.setdefault((path.parent, path.name[len(path.name) - len(_ending(path)) :]), []).append(path)
    found: list[BoxPart] = []
    tables: list[Path] = []
    for (_, ending), files in groups.items():
        parts = list(_special(files, ending, paths, failed)) if _bare(ending) in _ENDINGS else []
        found += parts
        told = {path for part in parts for path in part.files}
        tables += [path for path in files if path not in told and _bare(ending) in _TABLES and not _is_list(path)]
    found += _tables(tables, paths, failed)
    _tell_apart(found)
    return found, failed


def _tell_apart(parts: Sequence[BoxPart]) -> None:
    """Call files by so much of their paths that no two are called alike."""
    for part in parts:
        others = [other for other in parts if other is not part and other.files]
        while part.files and part.depth < len(part.files[0].parts):
            own = part.files[0].parts[-part.depth :]
            if all(other.files[0].parts[-part.depth :] != own for other in others):
                break
            part.depth += 1


def _paths(asked: str) -> Iterator[Path]:
    path = Path(asked)
    if path.is_dir():
        for each in sorted(path.resolve().rglob("*")):
            inner = each.relative_to(path.resolve()).parts
            is_hidden = any(part.startswith((".", "_")) for part in inner[:-1]) or each.name.startswith(".")
            # what starts so is a tool's own, such as _SUCCESS; but for documents, such as _annotations.coco.json
            is_hidden |= each.name.startswith("_") and _bare(_ending(each)) != ".json"
            if each.is_file() and not is_hidden:
                yield each
    elif path.is_file():
        yield path.resolve()
    elif glob.has_magic(asked) and "://" not in asked:
        names = sorted(glob.glob(str(path.absolute()), recursive=True))  # noqa: PTH207  # takes absolute patterns too
        yield from (Path(each) for each in names if Path(each).is_file())


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] if suffixes[-1:] and suffixes[-1] in _PACKED else []
    return "".join(suffixes[-1 - len(packed) :]) if packed else (suffixes[-1] if suffixes else "")


def _bare(ending: str) -> str:
    """Without what says how it is packed."""
    lower = ending.lower()
    return next((lower.removesuffix(packed) for packed in _PACKED if lower.endswith(packed)), lower)


def _is_list(path: Path) -> bool:
    """Whether it names classes or files, as annotation tools put such lists beside the boxes."""
    return stem_of(path.name).lower() in _NO_BOXES and _bare(_ending(path)) == ".txt"


def _special(files: Sequence[Path], ending: str, among: Sequence[Path], failed: dict[Path, str]) -> Iterator[BoxPart]:
    """The files of one folder and ending that are COCO, YOLO or Pascal VOC, by what they hold. ``failed``: grows by files of
    COCO that hold something else."""
    format_ = _ENDINGS[_bare(ending)]
    own = [path for path in files if not (format_ == "yolo" and _is_list(path))]
    if format_ == "coco":
        held: dict[BoxHolds, list[Path]] = {}
        for path in own[:_MOST_GROUPS]:
            if (kind := _kind_of(path, format_)) is not None:
                held.setdefault(kind, []).append(path)
            elif (told := _layout(path, format_, "detections", {})) and isinstance(told, str):
                failed[path] = told
        for kind, alike in held.items():
            for pattern, some in _patterns(alike, among):
                yield BoxPart(kind, format_, pattern, some)
        return
    step = max(1, len(own) // _TRIED)
    filled = _filled(own)
    looked_at = filled or own
    kinds = [_kind_of(path, format_) for path in (looked_at[::step] or looked_at)[:_TRIED]]
    seen = [kind for kind in kinds if kind is not None]
    if not seen or len(seen) < len(kinds) / 2:
        return
    holds = max(_KINDS, key=seen.count)
    if format_ == "yolo" and not filled:
        holds = "truth"
    name = f"{glob.escape(str(own[0].parent))}/*{ending}"
    image_key = "xml_stem" if format_ == "voc" and not _is_read(own[0], format_, "truth") else None
    yield BoxPart(holds, format_, name, tuple(own), image_key=image_key)


def _filled(files: Sequence[Path]) -> list[Path]:
    """Those that something stands in; of many that are packed, of some from all over them."""
    if not files or not _ending(files[0]).endswith(_PACKED):
        return [path for path in files if path.stat().st_size]
    return [path for path in files[:: max(1, len(files) // _OPENED)] if _text(path).strip()]


def _text(path: Path) -> str:
    """What stands in a small file, unpacked; "" where that cannot be told."""
    try:
        with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
            return text_of(connection, str(path))
    except (SourceError, OSError, duckdb.Error):
        return ""


def _kind_of(path: Path, format_: str) -> BoxHolds | None:
    """What a file of the format holds; None where it is none of it."""
    if format_ == "voc":
        return "truth" if _is_read(path, format_, "truth") or _is_read(path, format_, "truth", "xml_stem") else None
    if format_ == "yolo" and not _has_shares(path):
        return None
    for holds in _KINDS if format_ == "coco" else _KINDS[:2]:
        has = _layout(path, format_, holds, {})
        if not isinstance(has, str) and (holds != "detections" or "score" in has or not has):
            return holds
    return None


def _has_shares(path: Path) -> bool:
    """Whether its first lines are a class and shares of an image; none is fine too."""
    lines = [line.split() for line in _text(path)[:4096].splitlines()[:20] if line.split()]
    numbers = [[re.fullmatch(r"-?[\d.]+(e-?\d+)?", value, re.IGNORECASE) for value in line[1:5]] for line in lines]
    return sum(len(line) == 4 and all(line) for line in numbers) >= len(numbers) / 2


def _is_read(path: Path, format_: str, holds: BoxHolds, image_key: str = "") -> bool:
    columns = {"image_id": image_key} if image_key else {}
    return not isinstance(_layout(path, format_, holds, columns), str)


def _layout(path: Path, format_: str, holds: BoxHolds, columns: dict[str, str]) -> frozenset[str] | str:
    """The columns that a file has, read as the format; or why it cannot be."""
    config = SourceSettings.model_validate(
        {"path": glob.escape(str(path)), "format": format_, "holds": holds, "columns": columns}
    )
    try:
        with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
            return layout_of(connection, str(path), config, Needs()).present
    except SourceError as error:
        return error.message
    except (OSError, duckdb.Error) as error:
        return first_line(error)


def _tables(paths: Sequence[Path], among: Sequence[Path], failed: dict[Path, str]) -> Iterator[BoxPart]:
    """Tables of boxes and of images; alike ones of a folder are one. ``failed``: grows by those that cannot be read."""
    folders: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        folders.setdefault((path.parent, _ending(path)), []).append(path)
    for files in folders.values():
        groups: dict[tuple[object, ...], list[tuple[Path, BoxColumns]]] = {}
        few = {files[0], files[len(files) // 2], files[-1]}
        some = {path: _read(path, failed) for path in files if path in few}
        if any(some.values()):
            some |= {path: _read(path, failed) for path in files[:_MOST_GROUPS] if path not in some}
        for path in files:
            if (read := some.get(path)) is not None:
                groups.setdefault((read.holds, *_names(read)), []).append((path, read))
        more = [path for path in files if path not in some] if len(groups) == 1 else []  # they are alike
        for group in groups.values():
            for several in _same_images(group):
                own = dict(several)
                for pattern, alike in _patterns([*own, *more], among):
                    first = next((own[path] for path in alike if path in own), several[0][1])
                    yield BoxPart(_held(first), format_of(alike[0]) or "auto", pattern, alike, first, first.layout)


def _read(path: Path, failed: dict[Path, str]) -> BoxColumns | None:
    """The columns of a table of boxes or images; None where it is none of these."""
    try:
        table = read_table(Found(glob.escape(str(path)), (path,), format_of(path)), _ROWS)
        if (nested := describe_nested(table)) is not None:
            raise UsageError(f"{path}: {nested}")
        found = find_box_columns(table)
    except UsageError as error:
        failed.setdefault(path, error.message)
        return None
    return found if found.table.rows and found.holds is not None else None


def _held(read: BoxColumns) -> BoxHolds:
    return read.holds or "images"


def _names(read: BoxColumns) -> tuple[str, ...]:
    return tuple(sorted(column.name for column in read.table.columns))


def _same_images(group: list[tuple[Path, BoxColumns]]) -> list[list[tuple[Path, BoxColumns]]]:
    """Files of detections that speak of the same images apart: other detectors, most likely. Others are one."""
    if group[0][1].holds != "detections" or len(group) < 2:
        return [group]
    apart: list[list[tuple[Path, BoxColumns]]] = []
    for each in group:
        mine = set(each[1].columns["image_id"].values)
        for other in apart:
            theirs = {value for _, read in other for value in read.columns["image_id"].values}
            if len(mine & theirs) <= 0.2 * min(len(mine), len(theirs)):
                other.append(each)
                break
        else:
            apart.append([each])
    return apart


def _patterns(files: Sequence[Path], among: Sequence[Path]) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Globs that name these files of one folder and no other: one where that can be, else the files by themselves."""
    if len(files) == 1:
        yield glob.escape(str(files[0])), (files[0],)
        return
    folder, mine = files[0].parent, set(files)
    others = [path.name for path in among if path.parent == folder and path not in mine]
    head = re.sub(r"\d+$", "", _common([path.name for path in files]))
    tail = _common([path.name[::-1] for path in files])[::-1]
    tail = tail[tail.find(".") :] if "." in tail else tail
    for start in ("", head):
        if not any(name.startswith(start) and name.endswith(tail) for name in others):
            yield f"{glob.escape(str(folder))}/{glob.escape(start)}*{glob.escape(tail)}", tuple(files)
            return
    yield from ((glob.escape(str(path)), (path,)) for path in files)


def _common(names: Sequence[str]) -> str:
    """What all begin with."""
    first, last = min(names), max(names)
    return first[
        : next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    ]
