"""Lines of text files that are longer than what DuckDB reads of one, of which it tells some and drops the others."""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, cast

LONG = 1_000_000  # bytes of a line that are worth a word
_MOST = 1 << 30  # bytes that are looked at


def describe_longest_line(path: str) -> str:
    """``its line 51 has 8.4 MB``, counted from 1, in bytes; "" where no line is long, or it is no local text file."""
    if "://" in path or path.lower().endswith((".parquet", ".zst")):
        return ""
    with suppress(OSError), ExitStack() as open_files:
        chunks = islice(chunks_of(path, LONG // 2, open_files), 2 * _MOST // LONG)
        longest = max(_long_lines(chunks, LONG), key=lambda line: line.size, default=None)
        if longest is not None:
            return f"its line {longest.number:,} has {longest.size / 1e6:,.1f} MB"
    return ""


def open_file(path: str) -> IO[bytes]:
    """The bytes of a file here or at an URL, as they are stored. Raises OSError."""
    if "://" not in path:
        return open(path, "rb")  # noqa: PTH123  # a plain string is what DuckDB is given; closed by the caller
    from fsspec.core import url_to_fs

    filesystem, inside = url_to_fs(path)
    opened: Any = filesystem.open(inside, "rb")
    return cast(IO[bytes], opened)


def unpack_gzip(file: IO[bytes], open_files: ExitStack) -> IO[bytes]:
    """Return the text of a file packed with gzip, to be closed by ``open_files``."""
    return cast(IO[bytes], open_files.enter_context(gzip.GzipFile(fileobj=file)))


# DuckDB reads text in buffers of so many of its longest lines. A longer line is among its rejects while it lies in one buffer;
# across two, or longer than one, it is gone without a word, so files that fill a buffer are looked at here.
BUFFER_LINES = 16
JSON_LINE = 16 * 1024 * 1024  # bytes that are read of a line: it may carry long logit vectors
CSV_LINE = 2 * 1024 * 1024  # bytes, of a row and its quoted line breaks
_LEAST_PACKED = 1032  # gzip makes nothing smaller than by this
_CHUNK = 1024 * 1024  # bytes
_PROBE = 4096  # bytes: nearly all lines end within
_TOLD = 1000  # bytes of a line
_END = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class LongLine:
    """Line ``number`` (from 1), which begins at byte ``start`` (from 0) of the unpacked text and has so many bytes."""

    number: int
    start: int
    size: int
    beginning: str

    @property
    def description(self) -> str:
        """What is kept of it."""
        return f"a line of {self.size:,} bytes, which begins {self.beginning}"


def line_limits(longest: int) -> str:
    """The options of read_csv by which lines of more than ``longest`` bytes are not read."""
    return f"max_line_size = {longest}, buffer_size = {BUFFER_LINES * longest}"


def find_long_lines(path: str, longest: int) -> tuple[LongLine, ...]:
    """All lines of more than ``longest`` bytes, of a file that may fill a buffer; none of smaller files, in which DuckDB tells
    them, nor of those packed with zstd (``zstd_lines`` looks at these). Raises OSError."""
    name, buffer = path.lower(), BUFFER_LINES * longest
    if name.endswith(".zst"):
        return ()
    with ExitStack() as open_files:
        file = open_files.enter_context(open_file(path))
        size = file.seek(0, 2)
        file.seek(0)
        if name.endswith(".gz"):
            if size * _LEAST_PACKED < buffer:
                return ()
            file = unpack_gzip(file, open_files)
        elif size < buffer or not _may_have(file, size, longest):
            return ()
        return tuple(_long_lines(_chunks(file, min(_CHUNK, longest // 2)), longest))


def _may_have(file: IO[bytes], size: int, longest: int) -> bool:
    """Whether some block of the file has no line end; each longer line goes over one. Reads little of other files."""
    block = max(longest // 2, 1)
    for start in range(0, size - block, block):
        file.seek(start)
        left, ended = block, False
        while left and not ended and (part := file.read(min(left, _PROBE if left == block else _CHUNK))):
            left -= len(part)
            ended = _END.search(part) is not None
        if not ended:
            file.seek(0)
            return True
    return False


def _long_lines(chunks: Iterable[bytes], longest: int) -> Iterator[LongLine]:
    number, start, at = 1, 0, 0  # of the line under way; of the chunk
    beginning = b""
    for chunk in chunks:
        end = b"\n" if b"\n" in chunk else b"\r"
        first, last = chunk.find(end), chunk.rfind(end)
        beginning += chunk[: max(0, _TOLD - len(beginning))]
        if first >= 0:
            if at + first - start > longest:
                yield _line(number, start, at + first - start, beginning)
            number += chunk.count(end)
            start, beginning = at + last + 1, chunk[last + 1 :][:_TOLD]
        at += len(chunk)
    if at - start > longest:
        yield _line(number, start, at - start, beginning)


def _line(number: int, start: int, size: int, beginning: bytes) -> LongLine:
    return LongLine(number, start, size, beginning.decode("utf-8", "replace").replace("\0", ""))


def chunks_of(path: str, size: int, open_files: ExitStack) -> Iterator[bytes]:
    """The text of a file, unpacked where it is packed with gzip, in parts of at most ``size`` bytes. Raises OSError."""
    file = open_files.enter_context(open_file(path))
    if path.lower().endswith(".gz"):
        file = unpack_gzip(file, open_files)
    return _chunks(file, size)


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """What of it comes: DuckDB tells of an end that is missing."""
    try:
        while chunk := file.read(size):
            yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return
