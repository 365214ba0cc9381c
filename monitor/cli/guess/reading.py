"""Files that a person points at, and some of their rows: the head of a file, and rows from all over it."""

import glob
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import duckdb

from monitor.cli.guess.columns import Table, table_of
from monitor.config.sources import SourceSettings
from monitor.model.errors import SourceError, UsageError
from monitor.sources.formats import relations as formats
from monitor.sources.formats.layout import Needs
from monitor.store.blame import first_line
from monitor.store.connection import quote_name, quote_text

MEMORY_LIMIT = "1GB"  # of reading one file
ROWS, FILES = 10_000, 5  # tried: so many rows of so many files at most
_SPAN = 5_000_000  # first rows of a file that the tried ones come from
_LINE_BYTES = 16 * 1024 * 1024
_ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
_SMALLER = (
    "leave out long lists, deep nesting and long texts that calwatch does not need, write it in several smaller files, or "
    "name another file"
)
_OURS = ("_file", "_row", "_position", "_unreadable")
Format = Literal["parquet", "csv", "json"]


@dataclass(frozen=True, slots=True)
class Found:
    """Alike files: ``pattern`` is the glob that names them, absolute; ``format`` where their names do not tell it."""

    pattern: str
    files: tuple[Path, ...]
    format: Format | None = None


def find_files(asked: str) -> list[Found]:
    """Return what a file, a glob or a directory names: one Found, of a directory one for each folder and kind of file.

    Raises UsageError when there is nothing to read, or it is somewhere else than on this machine.
    """
    if "://" in asked:
        raise UsageError(
            f"--from {asked}: is not on this machine", "copy one file here, then change path in calwatch.toml"
        )
    path = Path(asked)
    if path.is_file():
        return [Found(glob.escape(str(path.resolve())), (path.resolve(),), format_of(path))]
    if path.is_dir():
        found = list(_in_directory(path.resolve()))
        if not found:
            raise UsageError(
                f"--from {asked}: holds no Parquet, CSV or JSON Lines file", "name a file, or a glob in quotes"
            )
        return found
    if glob.has_magic(asked):
        files = sorted(Path(one) for one in glob.glob(str(path.absolute()), recursive=True) if Path(one).is_file())  # noqa: PTH207  # takes absolute patterns too
        if files:
            return [Found(str(path.absolute()), tuple(files), format_of(files[0]))]
    raise UsageError(f"--from {asked}: no such file", "name a file, a glob in quotes or a directory")


def read_table(found: Found, most: int = ROWS) -> Table:
    """Return some of the rows, at most so many. Raises UsageError when a file cannot be read, CalwatchError when DuckDB
    cannot be used."""
    step = max(1, (len(found.files) - 1) // (FILES - 1))
    chosen = found.files[::step][:FILES]
    records: list[dict[str, object]] = []
    files: list[int] = []
    times: set[str] = set()
    for number, path in enumerate(chosen):
        with duckdb.connect() as connection:
            spill = quote_text(str(Path(tempfile.gettempdir()) / f"calwatch-init-{os.getpid()}"))
            connection.execute(
                f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY_LIMIT}'; SET temp_directory = {spill}; "
                f"SET max_temp_directory_size = '{MEMORY_LIMIT}'"
            )
            try:
                rows, of_time = _rows(connection, path, found, most // len(chosen))
            except (duckdb.OutOfMemoryException, MemoryError) as error:
                told = f"{path}: takes more memory to read than there is for a guess ({first_line(error)})"
                raise UsageError(told, _SMALLER) from error
            except duckdb.Error as error:
                raise UsageError(
                    f"{path}: cannot be read: {str(error).splitlines()[0]}", "name another file"
                ) from error
            except SourceError as error:
                raise UsageError(f"{path}: {error.message}", error.hint or "mend the file, or name another") from error
        records += rows
        files += [number] * len(rows)
        times |= of_time
    return table_of(records, files, times)


def _rows(
    connection: duckdb.DuckDBPyConnection, path: Path, found: Found, most: int
) -> tuple[list[dict[str, object]], set[str]]:
    """Rows of one file, and which of their columns are times by type."""
    config = SourceSettings.model_validate({"path": found.pattern, "format": found.format or "auto"})
    layout = formats.layout_of(connection, str(path), config, Needs())
    if layout.format == "json":
        return list(_json_rows(connection, path, most)), set()
    own = [name for name in layout.found if name not in _OURS]
    layout = formats.layout_of(connection, str(path), config, Needs(slices=tuple(own)))
    relation, _ = formats.relation_of([str(path)], layout)
    own = [name for name in own if name in layout.types]
    picked = ", ".join(f"{_readable(name, layout.types[name])} AS {quote_name(name)}" for name in own)
    rows = _sampled(connection, f"SELECT _row, {picked} FROM ({relation})", most)
    nested = [name for name in own if _is_nested(layout.types[name])]
    records: list[dict[str, object]] = [dict(zip(own, row[1:], strict=True)) for row in rows]
    for record in records:
        record |= {name: json.loads(str(record[name])) for name in nested if record[name] is not None}
    return records, {name for name in own if layout.types[name].startswith(("TIMESTAMP", "DATE"))}


def _readable(name: str, type_: str) -> str:
    """A column as something that Python takes without further packages."""
    if _is_nested(type_):
        return f"to_json({quote_name(name)})::VARCHAR"
    plain = type_.split("(")[0] in ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BLOB")
    return quote_name(name) if plain else f"{quote_name(name)}::VARCHAR"


def _is_nested(type_: str) -> bool:
    return type_.endswith("]") or type_.startswith(("STRUCT", "MAP"))


def _sampled(connection: duckdb.DuckDBPyConnection, select: str, most: int) -> list[tuple[Any, ...]]:
    """The head, where ids that come twice stand together, and as many rows from all over the first ones: files are often
    sorted, by camera or by day."""
    counted = connection.execute(f"SELECT count(*) FROM (SELECT _row FROM ({select}) LIMIT {_SPAN})").fetchone()
    step = max(1, -(-(counted[0] if counted else 0) * 2 // most))
    return connection.execute(
        f"SELECT * FROM ({select} LIMIT {_SPAN}) WHERE _row < {most // 2} OR _row % {step} = 0 ORDER BY _row LIMIT {most}"
    ).fetchall()


def _json_rows(connection: duckdb.DuckDBPyConnection, path: Path, most: int) -> Iterator[dict[str, object]]:
    lines = (
        f"SELECT row_number() OVER () - 1 AS _row, line FROM read_csv({quote_text(str(path))}, "
        f"columns = {{'line': 'VARCHAR'}}, delim = chr(1), quote = '', escape = '', header = false, auto_detect = false, "
        f"max_line_size = {_LINE_BYTES}, ignore_errors = true)"
    )
    folders: dict[str, object] = {
        unquote(key): unquote(value) for key, mark, value in (part.partition("=") for part in path.parts[:-1]) if mark
    }
    bad = 0
    for number, (_, line) in enumerate(_sampled(connection, lines, most)):
        try:
            record = json.loads(line) if line else None
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            yield folders | record
        elif line:
            bad += 1
        if number == 20 and bad > 10:
            raise UsageError(
                f'{path}: holds no JSON Lines: one object a line, such as {{"sample_id": 1, …}}',
                "of one list make lines with: jq -c '.[]' a.json > a.jsonl",
            )


def format_of(path: Path) -> Format | None:
    """Return what the first bytes of a file say where its name does not tell; None where it does."""
    if _ending(path):
        return None
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \r\n")
    return "parquet" if head.startswith(b"PAR1") else "json" if head.startswith(b"{") else "csv"


def _ending(path: Path) -> str:
    """``.csv`` or ``.csv.gz``; "" where the name does not tell the format."""
    name = path.name.lower()
    packed = next((end for end in (".gz", ".zst", ".bz2") if name.endswith(end)), "")
    bare = next((end for end in _ENDINGS if name.removesuffix(packed).endswith(end)), "")
    return f"{bare}{packed}" if bare else ""


def _in_directory(root: Path) -> Iterator[Found]:
    """One Found a folder and ending; folders named key=value are one with what is in them."""
    groups: dict[tuple[Path, bool, str], list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root).parts
        if path.is_file() and _ending(path) and not any(part.startswith((".", "_")) for part in inner):
            plain = next((place for place, part in enumerate(inner[:-1]) if "=" in part), len(inner) - 1)
            key = root.joinpath(*inner[:plain]), plain < len(inner) - 1, path.name[-len(_ending(path)) :]
            groups.setdefault(key, []).append(path)
    for (folder, is_deep, ending), files in groups.items():
        inside = "**/*" if is_deep else "*"
        yield Found(f"{glob.escape(str(folder))}/{inside}{ending}", tuple(files))


def merge_folders(founds: list[Found], root: str) -> Found:
    """Return the files of several folders below ``root`` as one."""
    ending = _ending(founds[0].files[0])
    return Found(f"{glob.escape(root)}/**/*{ending}", tuple(path for found in founds for path in found.files))
