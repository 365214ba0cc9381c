"""What a COCO file holds: a list of results, which DuckDB reads as it is, or a document of images, annotations and categories,
which is read in parts, and kept as rows of JSON."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats import long_lines
from monitor.sources.formats.boxes.elements import Elements, ElementWriter, scan_array, spill_directory
from monitor.sources.formats.boxes.json_parts import Part, parts_of
from monitor.sources.formats.heads import pipe_command
from monitor.sources.formats.layout import lines_of, read_path
from monitor.sources.formats.paths import parse_json
from monitor.store.connection import fetch_row

LOOKED = 500  # rows whose keys are looked at; where they lack something, all are
_CHUNK = 1024 * 1024  # bytes
_MOST_CATEGORIES = 100_000
_PARTS = ("images", "annotations", "categories")


@dataclass(slots=True)
class CocoDocument:
    """What a file holds; ``rows``: annotations, or results, that lie under ``key``."""

    rows: str = ""  # SQL giving each as v, and its number
    images: Elements | None = None
    categories: dict[str, str] = field(default_factory=dict)
    has_categories: bool = False
    key: str = ""
    count: int | None = None  # of rows; None: not known
    keeps: tuple[Elements, ...] = ()
    first: list[Mapping[str, Any]] = field(default_factory=list)
    first_images: list[Mapping[str, Any]] = field(default_factory=list)


def look_at_results(connection: duckdb.DuckDBPyConnection, path: str, holds: str, known: Any = None) -> CocoDocument:
    """A list, as far as its first elements tell; ``known``: all of it, where it is short. Raises SourceError where it is
    none of results."""
    rows = scan_array(read_path(path))
    count = len(known) if isinstance(known, list) and len(known) < LOOKED else None
    some: list[Any] = (
        known
        if count is not None
        else [parse_json(v) for (v,) in connection.execute(f"SELECT v FROM {rows} LIMIT {LOOKED}").fetchall()]
    )
    first: list[Mapping[str, Any]] = [each for each in some if isinstance(each, dict)]
    if some and not first:
        raise SourceError(
            f"is a JSON list, but not of objects: its first element is {str(some[0])[:40]!r}; COCO results are objects with "
            "image_id, category_id, bbox and score",
        )
    if holds != "detections":
        raise SourceError(
            f"is a list without images, as COCO results are; of a source that holds {holds} COCO is an object with "
            '"images"'
            + (', "annotations" and "categories"' if holds == "truth" else "")
            + (
                '; with these scores it seems to be of holds = "detections"'
                if any("score" in each for each in first)
                else ""
            ),
        )
    return CocoDocument(rows, first=first, count=count)


def read_document(connection: duckdb.DuckDBPyConnection, path: str, holds: str) -> CocoDocument:
    """Read an object to its end, keeping what rows are made of."""
    directory = spill_directory(connection)
    images, rows = ElementWriter(directory), ElementWriter(directory)
    found, keys = CocoDocument(), dict[str, None]()
    empty: list[str] = []  # keys of empty lists
    with ExitStack() as open_files:
        for part in parts_of(path, _chunks(connection, path, open_files)):
            keys[part.key] = None
            if part.key == "images" and part.index >= 0:
                images.add(part.text)
                _look(found.first_images, part.value)
            elif part.key == "categories" and part.index >= 0:
                _take_category(path, found.categories, part)
            elif part.index >= 0 and part.key in (found.key, "annotations"):
                if part.key != found.key and rows.count:
                    raise SourceError(f'has rows under "{found.key}" and under "{part.key}": keep those that are meant')
                found.key = part.key
                rows.add(part.text)
                _look(found.first, part.value)
            elif part.index == 0 and not found.key and _is_row(part.value):
                found.key = part.key
                rows.add(part.text)
                _look(found.first, part.value)
            elif part.value == []:
                empty.append(part.key)
            elif part.index < 0 and part.key in _PARTS and part.value is not None:
                raise SourceError(f'"{part.key}" is {_kind(part.value)}, where COCO has a list of objects')
    found.has_categories = "categories" in keys
    if holds == "detections" and not found.key:  # nothing was found in any image
        found.key = next((key for key in empty if key not in ("images", "categories", "licenses")), "")
    if "annotations" in keys:
        found.key = found.key or "annotations"
    _demand_parts(path, found, keys, holds, rows.count, images.count)
    held, held_images = rows.finish(), images.finish()
    found.rows, found.count, found.images = held.scan, held.count, held_images if "images" in keys else None
    found.keeps = (held, held_images)
    return found


def _demand_parts(path: str, found: CocoDocument, keys: Collection[str], holds: str, rows: int, images: int) -> None:
    """Raises SourceError when the object lacks what a source of this kind is made of."""
    has = ", ".join(f'"{key[:40]}"' for key in list(keys)[:12]) or "none"
    if "image_id" in keys:
        raise SourceError(
            'seems to be JSON Lines, or columns in one object (it has the key "image_id"): COCO is one list of results, or an '
            'object with "images" and "annotations"; one object a line is format = "json"',
        )
    if holds == "images":
        if "images" not in keys:
            raise SourceError(f'has no "images" (its keys: {has})')
        return
    if not found.key:
        command = pipe_command("jq '.path.to.list'", path)
        raise SourceError(
            f'has no "annotations", and no list of objects with image_id (its keys: {has}); where results lie deeper, take '
            f"them out: {command} > results.json",
        )
    if holds == "truth" and "images" not in keys:
        raise SourceError(
            'has no "images", so that nobody can tell an image without objects from one that nobody looked at: write the '
            'reviewed images into "images", with their id',
        )
    if holds == "truth" and rows and not images:
        raise SourceError(
            f'lists {rows:,} annotations and no image in "images": write the reviewed images into it, with their id',
        )


def _take_category(path: str, categories: dict[str, str], part: Part) -> None:
    value = part.value
    if not isinstance(value, dict) or "id" not in value or not isinstance(value.get("name"), str | int):
        raise SourceError(f'element {part.index} of "categories" (the first is 0) has no id and name: {part.text[:60]}')
    id_, name = plain_id(value["id"]), str(value["name"]).strip()
    if categories.setdefault(id_, name) != name:
        raise SourceError(
            f'"categories" gives the id {id_} to "{categories[id_]}" and to "{name}": which is meant nobody can tell',
        )
    if len(categories) > _MOST_CATEGORIES:
        raise SourceError(f'"categories" has more than {_MOST_CATEGORIES:,} elements')


def plain_id(value: object) -> str:
    """An id as text: 3, 3.0 and " 3 " are one.

    >>> plain_id(3.0), plain_id(" 3 "), plain_id("003")
    ('3', '3', '003')
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _look(first: list[Mapping[str, Any]], value: object) -> None:
    if len(first) < LOOKED and isinstance(value, dict):
        first.append(value)


def _is_row(value: object) -> bool:
    return isinstance(value, dict) and "image_id" in value and not {"file_name", "width"} <= value.keys()


def _kind(value: object) -> str:
    return "an object" if isinstance(value, dict) else f"{str(value)[:40]!r}"


def _chunks(connection: duckdb.DuckDBPyConnection, path: str, open_files: ExitStack) -> Iterator[bytes]:
    if not path.lower().endswith(".zst"):
        yield from long_lines.chunks_of(path, _CHUNK, open_files)
        return
    own = ", rejects_table = 'coco_rejects', rejects_scan = 'coco_scans', compression = 'zstd'"
    try:
        scan = connection.execute(f"SELECT coalesce(line, '') FROM {lines_of([path], options=own)}")
        while lines := scan.fetchmany(1000):
            yield ("\n".join(line for (line,) in lines) + "\n").encode()
        (lost,) = fetch_row(connection, "SELECT count(*) FROM coco_rejects")
    finally:
        for table in ("coco_rejects", "coco_scans"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
    if lost:
        raise SourceError(
            f"has {lost:,} line(s) of more than {long_lines.JSON_LINE / 1024**2:.0f} MiB, or not in UTF-8, which are not read "
            f"of a file packed with zstd; pack it with gzip: {pipe_command('gzip', path)} > other-name.json.gz",
        )
