"""Pushed bodies as files that a source reads, with bounded memory however well they were packed."""

import json
import struct
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
from fastapi import HTTPException

from monitor.sources.formats.relations import Layout
from monitor.sources.inbox import MAX_ROWS
from monitor.sources.inspect import hide_path
from monitor.store.connection import quote_text

_HEADER_TYPE, _HEADER = 1, 2  # fields of Message
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # types of header
_BATCH_OF_DICTIONARY = 1  # field of DictionaryBatch
_BUFFERS, _COMPRESSION = 2, 3  # fields of RecordBatch


class FrameError(Exception):
    """The frame is not one."""


def unpacked_size(metadata: object, body: object) -> int:
    """Bytes of the message's body once unpacked; its own length where nothing is compressed. Both arguments are buffers.

    Raises FrameError when the metadata points outside of it or of the body.
    """
    frame = memoryview(metadata)  # type: ignore[arg-type]  # pyarrow's buffers are buffers
    held = memoryview(body) if body is not None else memoryview(b"")  # type: ignore[arg-type]  # as above
    try:
        return _unpacked(frame, held)
    except struct.error as error:
        raise FrameError(f"its frame points outside: {error}") from error


def _unpacked(frame: memoryview, body: memoryview) -> int:
    message = _follow(frame, 0)
    at = _field(frame, message, _HEADER_TYPE)
    kind = _read("<B", frame, at)[0] if at else 0
    header = _table(frame, message, _HEADER)
    if kind == _DICTIONARY_BATCH and header:
        header = _table(frame, header, _BATCH_OF_DICTIONARY)
    elif kind != _RECORD_BATCH:
        return len(body)
    listed = _table(frame, header, _BUFFERS) if header else 0
    if not listed or not _field(frame, header, _COMPRESSION):
        return len(body)
    (count,) = _read("<I", frame, listed)
    if count > len(frame) // 16:
        raise FrameError("it lists more buffers than it can hold")
    size = 0
    for place in range(count):
        offset, length = _read("<qq", frame, listed + 4 + 16 * place)
        if offset < 0 or length < 0 or offset + length > len(body):
            raise FrameError("a buffer lies outside of it")
        unpacked = _read("<q", body, offset)[0] if length >= 8 else length
        size += length if unpacked < 0 else unpacked
    return size


def _read(form: str, held: memoryview, at: int) -> tuple[int, ...]:
    if at < 0:
        raise FrameError("an offset is negative")
    return struct.unpack_from(form, held, at)


def _follow(frame: memoryview, at: int) -> int:
    return at + _read("<I", frame, at)[0]


def _field(frame: memoryview, table: int, number: int) -> int:
    """Where a table's field stands; 0 when it has none."""
    listing = table - _read("<i", frame, table)[0]
    (size,) = _read("<H", frame, listing)
    place = 4 + 2 * number
    offset = _read("<H", frame, listing + place)[0] if place + 2 <= size else 0
    return table + offset if offset else 0


def _table(frame: memoryview, table: int, number: int) -> int:
    """Where what a table's field points to stands; 0 when it has none."""
    at = _field(frame, table, number)
    return _follow(frame, at) if at else 0


PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
JSON, LINES = "application/json", "application/x-ndjson"
MEDIA = (JSON, LINES, PARQUET, ARROW)
MEGABYTE = 1024 * 1024
UNPACKED = 256 * MEGABYTE  # a packed body may hold so much
_LENGTHS = {"VARCHAR": "strlen({})", "BLOB": "octet_length({}::BLOB)"}  # by type, in bytes
_DECODER = json.JSONDecoder()
_BLANK = " \t\n\r"


def write_rows(media: str, body: bytes, path: Path) -> None:
    """The body as JSON Lines or Parquet. Raises HTTPException 413, 415 or 422."""
    if media == JSON:
        _write_json(body, path)
    elif media == ARROW:
        _write_arrow(body, path)
    else:
        if media == LINES and body.count(b"\n") > MAX_ROWS:
            raise _too_many()
        path.write_bytes(body)


def _too_many() -> HTTPException:
    return HTTPException(413, f"a push takes {MAX_ROWS:,} rows: send it in parts")


def _write_json(body: bytes, path: Path) -> None:
    """One row after the other, so that no more than one is held as objects."""
    try:
        text = body.decode("utf-8").strip(_BLANK)
    except UnicodeDecodeError as error:
        raise HTTPException(422, f"is not JSON: {error}") from None
    if not text.startswith("["):
        raise HTTPException(
            422, f'must be a list of rows, such as [{{"sample_id": "a1", "score": 0.8, …}}]{_hint(text)}'
        )
    with path.open("w", encoding="ascii") as sink:
        at, place = _past_blank(text, 1), 0
        if text[at : at + 1] == "]":
            raise HTTPException(422, "must be a list of rows, and not an empty one")
        while True:
            try:
                row, at = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                raise HTTPException(
                    422, f"row {place} is not JSON: {_told(error)}; nothing of the push was taken"
                ) from None
            if not isinstance(row, dict):
                raise HTTPException(422, f"row {place} is no object; nothing of the push was taken")
            if place == MAX_ROWS:
                raise _too_many()
            sink.write(json.dumps(row) + "\n")
            place += 1
            at = _past_blank(text, at)
            mark = text[at : at + 1]
            if mark == "]" and at == len(text) - 1:
                return
            if mark != ",":
                raise HTTPException(422, f"is not JSON after row {place - 1}: no comma, and not its end")
            at = _past_blank(text, at + 1)


def _hint(text: str) -> str:
    return f"; rows of their own go as {LINES}" if text.startswith("{") and "\n{" in text else ""


def _told(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) if isinstance(error, json.JSONDecodeError) else "a number has too many digits"


def _past_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _write_arrow(body: bytes, path: Path) -> None:
    try:
        arrow: Any = import_module("pyarrow")
        ipc: Any = import_module("pyarrow.ipc")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise HTTPException(
            415, f"{ARROW} needs pyarrow beside calwatch: pip install pyarrow; Parquet and JSON need nothing"
        ) from None
    try:
        messages = ipc.MessageReader.open_stream(arrow.BufferReader(body))
        size = sum(unpacked_size(message.metadata, message.body) for message in messages)
        if size > max(UNPACKED, len(body)):
            raise HTTPException(413, f"holds {size:,} bytes once unpacked, a push {UNPACKED:,}: send it in parts")
        rows = 0
        stream = ipc.open_stream(arrow.BufferReader(body))
        with parquet.ParquetWriter(path, stream.schema) as writer:
            for batch in stream:
                batch.validate(full=True)  # offsets that point outside would be followed
                rows += batch.num_rows
                if rows > MAX_ROWS:
                    raise _too_many()
                writer.write_batch(batch)
    except (arrow.ArrowException, ValueError, OSError, EOFError, FrameError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk
        raise HTTPException(422, f"is no Arrow stream: {(str(error).splitlines() or [''])[0][:300]}") from None


def demand_modest(connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout) -> None:
    """Raises HTTPException 413 when the texts and lists of a Parquet file are too large once unpacked; a few bytes of it can
    stand for a long text in each row. DuckDB reads them as they are packed to tell their lengths."""
    forms = {name: "4 * len({})" if kind.endswith("[]") else _LENGTHS.get(kind) for name, kind in layout.types.items()}
    lengths = [form.format(layout.expressions[name]) for name, form in forms.items() if form]
    if not lengths:
        return
    total = " + ".join(f"coalesce(sum({length}), 0)" for length in lengths)
    try:
        found = connection.execute(f"SELECT {total} FROM read_parquet({quote_text(str(path))})").fetchone()
    except duckdb.OutOfMemoryException:
        raise HTTPException(413, "takes too much memory once unpacked: send it in parts") from None
    except duckdb.Error as error:
        first_line = hide_path(str(error).splitlines()[0], path)
        raise HTTPException(422, f"cannot be read ({first_line}); nothing of the push was taken") from None
    size = int(found[0]) if found else 0
    if size > UNPACKED:
        raise HTTPException(413, f"holds {size:,} bytes once unpacked, a push {UNPACKED:,}: send it in parts")
