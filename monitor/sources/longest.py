"""The longest line of a text file: of one that takes more memory to read than there is, mostly the reason."""

import gzip
import zlib
from contextlib import ExitStack, suppress
from typing import IO, cast

LONG = 1_000_000  # bytes of a line that are worth a word
_AT_ONCE = 1 << 20
_MOST = 1 << 30  # bytes that are looked at


def told_longest_line(path: str) -> str:
    """``its line 51 has 8.4 MB``, counted from 1, in bytes; "" where no line is long, or it is no local text file."""
    if "://" in path or path.lower().endswith((".parquet", ".zst")):
        return ""
    number, size = 0, 0
    with suppress(OSError, EOFError, zlib.error):
        number, size = _longest(path)
    return f"its line {number:,} has {size / 1e6:,.1f} MB" if size >= LONG else ""


def _longest(path: str) -> tuple[int, int]:
    """The number of the longest line, from 1, and its bytes."""
    longest = (0, 0)
    number, held, seen = 1, 0, 0
    with ExitStack() as files:
        file: IO[bytes] = files.enter_context(open(path, "rb"))  # noqa: PTH123  # a plain string is what DuckDB is given too
        if path.lower().endswith(".gz"):
            file = cast(IO[bytes], files.enter_context(gzip.GzipFile(fileobj=file)))
        while seen < _MOST and (content := file.read(_AT_ONCE)):
            seen += len(content)
            at = 0
            while (end := content.find(b"\n", at)) >= 0:
                if held + end - at > longest[1]:
                    longest = number, held + end - at
                number, held, at = number + 1, 0, end + 1
            held += len(content) - at
    return (number, held) if held > longest[1] else longest
