"""Lines that DuckDB drops without a word out of text packed with zstd, which only it unpacks (see ``long_lines``).

It reads such a file in two ways: as CSV, which drops a line that lies across two buffers, and as JSON Lines, which fails at one
that fills a buffer and counts all others. What the first lacks of the second is lost (where CR alone ends lines, only what
fills a buffer is found). Both are cheap beside the reading of rows, and only files that may fill a buffer are read so.
"""

from collections.abc import Generator

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.heads import pipe_command
from monitor.sources.formats.layout import lines_of, read_path
from monitor.sources.formats.long_lines import BUFFER_LINES, open_file
from monitor.store.connection import fetch_row

_FRAME = b"\x28\xb5\x2f\xfd"
_SKIPPED = b"\x2a\x4d\x18"  # behind a byte from 0x50 to 0x5f: a frame that is no text
_BLOCK = 128 * 1024  # bytes: the most that a block unpacks to, unless it repeats one byte
_RAW, _REPEATED = 0, 1
_SEEN = r"[^ \t\r\v\f]"
_EXCEEDED = "maximum_object_size"
_AT_ONCE = 1000  # lines


def demand_no_lost_lines(connection: duckdb.DuckDBPyConnection, path: str, longest: int) -> None:
    """Raises SourceError with the remedy where a file packed with zstd has lines that are longer than ``longest`` bytes and not
    told; OSError and duckdb.Error."""
    if not path.lower().endswith(".zst") or unpacked_at_most(path) < BUFFER_LINES * longest:
        return
    try:
        # of the lines that are not blank, JSON or not
        objects = f"read_ndjson_objects({read_path(path)}, ignore_errors = true, compression = 'zstd')"
        lost = fetch_row(connection, f"SELECT count(*) FROM {objects}")[0] - _count_read(connection, path, longest)
    except duckdb.InvalidInputException as error:
        if _EXCEEDED not in str(error):
            raise
        lost = 1
    if lost > 0:
        raise SourceError(
            f"has at least {lost:,} line(s) of more than {longest:,} bytes, which cannot be told apart in a file "
            "packed with zstd; leave out what calwatch does not need, or pack it with gzip, of which only such lines are set "
            "aside: "
            f"{pipe_command('gzip', path)} > other-name.gz"
        )


def unpacked_at_most(path: str) -> int:
    """Bytes that a file packed with zstd unpacks to at most, by the heads of its blocks; what follows a damaged one is not
    counted. Raises OSError."""
    most = 0
    with open_file(path) as file:
        while len(head := file.read(5)) > len(_FRAME):
            if head[1:4] == _SKIPPED and head[0] >> 4 == 5:
                size = head[4:] + file.read(3)
                file.seek(int.from_bytes(size, "little"), 1)
                continue
            if head[:4] != _FRAME:
                break
            described = head[4]
            is_single = described >> 5 & 1
            content_size = (is_single, 2, 4, 8)[described >> 6]
            file.seek((1 - is_single) + (0, 1, 2, 4)[described & 3] + content_size, 1)
            is_last = False
            while not is_last and len(block := file.read(3)) == 3:
                number = int.from_bytes(block, "little")
                is_last, kind, size_ = bool(number & 1), number >> 1 & 3, number >> 3
                most += size_ if kind in (_RAW, _REPEATED) else _BLOCK
                file.seek(1 if kind == _REPEATED else size_, 1)
            file.seek(4 * (described >> 2 & 1), 1)
    return most


def _count_read(connection: duckdb.DuckDBPyConnection, path: str, longest: int) -> int:
    """As they are read: those that come, and those that are told as rejects."""
    try:
        # all of it is fetched: the rejects are there once the scan has ended
        ((read,),) = connection.execute(
            f"SELECT count(*) FILTER (regexp_matches(line, '{_SEEN}')) FROM {_lines_of(path, longest)}"
        ).fetchall()
        ((told,),) = connection.execute("SELECT count(DISTINCT line) FROM zstd_rejects").fetchall()
    finally:
        _forget_rejects(connection)
    return int(read) + int(told)


def texts_of(connection: duckdb.DuckDBPyConnection, path: str, longest: int, size: int) -> Generator[bytes, None, None]:
    """The text of a file packed with zstd, in parts of at most ``size`` bytes; without lines that are no UTF-8 or longer than
    ``longest``. Raises duckdb.Error."""
    try:
        scan = connection.execute(f"SELECT coalesce(line, '') FROM {_lines_of(path, longest)}")
        while lines := scan.fetchmany(_AT_ONCE):
            text = ("\n".join(line for (line,) in lines) + "\n").encode()
            yield from (text[start : start + size] for start in range(0, len(text), size))
    finally:
        _forget_rejects(connection)


def _lines_of(path: str, longest: int) -> str:
    """As ``layout.lines_of``, with rejects of its own: those of the rows are counted."""
    own = ", rejects_table = 'zstd_rejects', rejects_scan = 'zstd_scans', compression = 'zstd'"
    return lines_of([path], longest, own)


def _forget_rejects(connection: duckdb.DuckDBPyConnection) -> None:
    for table in ("zstd_rejects", "zstd_scans"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
