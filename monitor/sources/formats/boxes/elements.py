"""Rows that were taken out of a file before DuckDB reads them: the elements of a JSON document, or what a small file says, as
JSON objects that lie in the query itself, or, where they are many, in a temporary file."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb

from monitor.store.connection import fetch_row, quote_text

NUMBER, UNREADABLE = "_number", "_unreadable"  # keys of rows that were taken from small files
ELEMENT_BYTES = 16_000_000  # of one element, as many as of a line of JSON
_IN_QUERY = 32 * 1024  # characters of elements that a query may carry itself
_OPEN_FILES = Path("/proc/self/fd")


def scan_array(file: str, options: str = "") -> str:
    """SQL giving the elements of a JSON array as ``v``, with their ``number`` from 0. ``file``: a literal."""
    return (
        "(SELECT v, row_number() OVER () - 1 AS number FROM "
        f"read_json({file}, format = 'array', records = false, columns = {{v: 'JSON'}}, hive_partitioning = false{options}))"
    )


def source_relation(path: str, source: str, columns: str) -> str:
    """The SELECT over one file whose rows a ``source`` gives."""
    return (
        f"SELECT {quote_text(path)} AS _file, number::BIGINT AS _row, (1::BIGINT << 40) + number AS _position, "
        f"unreadable AS _unreadable{columns} FROM ({source})"
    )


def texts_relation(files: Sequence[tuple[str, str]], columns: str) -> str:
    """The SELECT over files, each with the rows that were written of it."""
    paths = ", ".join(quote_text(path) for path, _ in files)
    texts = quote_text(f"[{','.join(text for _, text in files)}]")
    return (
        f"SELECT list_extract([{paths}], place) AS _file, number AS _row, (place::BIGINT << 40) + number AS _position, "
        f"_unreadable{columns} FROM (SELECT v, place, json_extract(v, '$.{NUMBER}')::BIGINT AS number, "
        f"json_extract_string(v, '$.{UNREADABLE}') AS _unreadable FROM (SELECT unnest(held) AS v, place FROM (SELECT "
        "unnest(files) AS held, generate_subscripts(files, 1) AS place FROM (SELECT "
        f"""from_json({texts}, '[["JSON"]]') AS files))))"""
    )


def write_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of a small file as a query carries them: a JSON list. Each has its place in the file as ``NUMBER``; where none could
    be made of it, its text as ``UNREADABLE``."""
    return json.dumps(rows, ensure_ascii=False).replace("\0", "")


@dataclass(frozen=True, slots=True)
class Elements:
    """JSON values in their order. A ``file`` of them is gone once nobody holds it any more."""

    count: int
    text: str = "[]"
    file: "_Held | None" = None

    @property
    def scan(self) -> str:
        """SQL giving each as ``v``, with its ``number`` from 0."""
        if self.file is not None:
            return scan_array(quote_text(self.file.path))
        listed = f"""from_json({quote_text(self.text)}, '["JSON"]')"""
        return f"(SELECT unnest(held) AS v, generate_subscripts(held, 1) - 1 AS number FROM (SELECT {listed} AS held))"


def elements_of(values: Sequence[Mapping[str, Any]]) -> Elements:
    """These few values as elements."""
    return Elements(len(values), json.dumps(list(values), ensure_ascii=False))


class ElementWriter:
    """Collects texts of JSON values; those that are many go to a file in ``directory``. Raises OSError where it is full."""

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._parts: list[str] = []
        self._size = 0
        self._held: _Held | None = None
        self.count = 0

    def add(self, text: str) -> None:
        """One more value."""
        self._parts.append(text)
        self._size += len(text)
        self.count += 1
        if self._size > _IN_QUERY:
            self._flush()

    def finish(self) -> Elements:
        """All of them."""
        if self._held is None:
            return Elements(self.count, f"[{','.join(self._parts)}]")
        self._flush()
        self._held.file.write("]")
        self._held.file.flush()
        return Elements(self.count, file=self._held)

    def _flush(self) -> None:
        if self._held is None:
            self._held = _Held(self._directory)
            self._held.file.write("[")
        elif self._parts:
            self._held.file.write(",")
        self._held.file.write(",\n".join(self._parts))
        self._parts, self._size = [], 0


class _Held:
    """A temporary file that DuckDB can open. Where open files have names it has no other, and no crash leaves it behind."""

    def __init__(self, directory: str | None) -> None:
        self.file: IO[str]
        if _OPEN_FILES.is_dir():
            self.file = tempfile.TemporaryFile("w", encoding="utf-8", dir=directory)  # noqa: SIM115  # held
            self.path = str(_OPEN_FILES / str(self.file.fileno()))
        else:
            self.file = tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=directory)  # noqa: SIM115  # held
            self.path = self.file.name

    def __del__(self) -> None:
        self.file.close()


def spill_directory(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Where DuckDB puts what memory does not hold, made if need be; None: the machine's own place, where it has none."""
    (directory,) = fetch_row(connection, "SELECT current_setting('temp_directory')")
    if not directory or not os.path.isabs(directory):  # noqa: PTH117  # a plain string, as DuckDB gives it
        return None
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103  # see above
    return str(directory)
