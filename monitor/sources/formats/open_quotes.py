"""Quotes of CSV files that are opened and not closed: all that follows would be one row, and of long files partly dropped."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.long_lines import chunks_of
from monitor.sources.formats.zstd_lines import texts_of, unpacked_at_most

_CHUNK = 1024 * 1024  # bytes


def demand_quotes_closed(
    path: str, longest: int, delimiter: str, connection: duckdb.DuckDBPyConnection | None = None
) -> None:
    """Raises SourceError with its line where a field opens a quote, and lines follow but no quote within ``longest`` bytes;
    OSError. Files packed with zstd are only looked at where there is a ``connection``, and may raise duckdb.Error."""
    mark = delimiter.encode()
    before, after = (b"", b"\n", b"\r", mark), (b"", b"\n", b"\r", mark, b'"')
    at, number, last = 0, 1, b""  # of the chunk: its first byte and line; the byte before it
    opened, line, text, has_lines = -1, 0, b"", False  # the last quote: where, its line, what follows, whether lines do
    with ExitStack() as open_files:
        for chunk in _each(path, longest, connection, open_files):
            if opened >= 0 and not text:  # it was the last byte of its chunk
                text = chunk[:20]
                opened = -1 if text[:1] in after else opened
            place = chunk.rfind(b'"')
            if place >= 0:
                if opened >= 0 and has_lines and at + chunk.find(b'"') - opened > longest:
                    break
                previous, text = chunk[place - 1 : place] if place else last, chunk[place + 1 : place + 21]
                is_opening = previous in before and (text[:1] not in after or (not text and place + 1 == len(chunk)))
                opened, line = at + place if is_opening else -1, number + chunk.count(b"\n", 0, place)
            has_lines = chunk.find(b"\n", max(place, 0)) >= 0 or (has_lines and place < 0)
            at, number, last = at + len(chunk), number + chunk.count(b"\n"), chunk[-1:]
            if opened >= 0 and has_lines and place < 0 and at - opened > longest:
                break
        else:
            return
    raise SourceError(
        f"line {line:,} opens a quote that is not closed within {longest:,} bytes, which would hide all rows "
        f"behind it ({text.decode('utf-8', 'replace')!r}); close it, or write it twice where it is part of a text"
    )


def _each(
    path: str, longest: int, connection: duckdb.DuckDBPyConnection | None, open_files: ExitStack
) -> Iterator[bytes]:
    size = min(_CHUNK, longest // 2)
    if not path.lower().endswith(".zst"):
        return chunks_of(path, size, open_files)
    if connection is None or unpacked_at_most(path) <= longest:
        return iter(())
    return open_files.enter_context(closing(texts_of(connection, path, longest, size)))
