"""The first lines of a text file, and what keeps it from being read as UTF-8."""

import gzip
import os
import re
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.layout import lines_of
from monitor.sources.formats.long_lines import open_file, unpack_gzip

HEAD_BYTES = 64 * 1024
_HEAD_LINES = 1_000  # of a file packed with zstd, which DuckDB unpacks
_FEW_BAD_LINES = 5  # lines of a damaged file are set aside one by one; of one in another encoding there are more
_LINE_END = re.compile(r"\r\n|\n|\r")
_REPACK = "is packed with {}, which is not read; pack it with gzip: {} {{name}} | gzip > {{plain}}.gz"
_PACKED = (  # first bytes → what it is, and what to do
    (b"BZh", _REPACK.format("bzip2", "bzcat")),
    (b"\xfd7zXZ\0", _REPACK.format("xz", "xzcat")),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook; save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "is packed with gzip; let its name end in .gz"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd; let its name end in .zst"),
    (b"\x04\x22\x4d\x18", _REPACK.format("lz4", "lz4cat")),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it"),
    (b"PAR1", 'is Parquet; let its name end in .parquet, or set format = "parquet"'),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file: git lfs pull"),
    (b"SQLite format 3\0", "is a SQLite database; export the table as CSV"),
)
_BEGINNINGS = {  # of names: what writes such files, and the first bytes they may have
    ".gz": ("gzip", (b"\x1f\x8b",)),
    ".zst": ("zstd", (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + kind, 0x2A, 0x4D, 0x18)) for kind in range(16)))),
}
_UNPACK = {".gz": "zcat", ".zst": "zstdcat"}
_LOOKED_AT = 4096  # bytes
_ENDINGS = {
    ".bz2": _PACKED[0][1],
    ".xz": _PACKED[1][1],
    ".zip": "is a zip archive; unpack it",
    ".lz4": _PACKED[6][1],
    ".7z": _PACKED[7][1],
}


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file, as text without its byte order mark. A last line that was cut short is not in ``lines``."""

    content: bytes
    text: str
    lines: tuple[str, ...]
    whole: bool  # it is the whole file


def demand_readable_packing(path: str) -> None:
    """Raises SourceError with what to do when the name tells a packing that is not read."""
    stem, ending = os.path.splitext(path)  # noqa: PTH122  # may be an URL
    if remedy := _ENDINGS.get(ending.lower()):
        raise SourceError(_told(remedy, path, stem))


def demand_packed(path: str) -> None:
    """Raises SourceError with what to do when a name that ends in .gz or .zst says so of what is no such thing; OSError."""
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122  # may be an URL
    if ending not in _BEGINNINGS:
        return
    tool, beginnings = _BEGINNINGS[ending]
    with open_file(path) as file:
        content = file.read(_LOOKED_AT)
    if not content or any(content.startswith(each) or each.startswith(content) for each in beginnings):
        return  # or the beginning of one
    if not content.strip(b"\0"):
        what = "begins with zero bytes only: a copy that broke off, or a disk that lost it; write it again"
    else:
        stem = path[: -len(ending)]
        is_text = b"\0" not in content and content.decode("utf-8", "replace").count("\ufffd") <= 1  # cut in a letter
        known = (_told(remedy, path, stem) for mark, remedy in _PACKED if content.startswith(mark))
        what = next(known, "pack it, or let its name end as what it is" if is_text else "write it again")
    raise SourceError(f"is not what {tool} writes, as its name says (it begins {content[:12]!r}); {what}")


def pipe_command(command: str, path: str) -> str:
    """The command with what the file holds, unpacked, as its input: for messages."""
    packed = next((tool for ending, tool in _UNPACK.items() if path.lower().endswith(ending)), "")
    return f"{packed} {_base(path)} | {command}" if packed else f"{command} {_base(path)}"


def read_head(connection: duckdb.DuckDBPyConnection, path: str) -> Head:
    """The first 64 KB, unpacked; bytes that are no UTF-8 are replaced. Raises OSError and duckdb.Error when they cannot be
    read, SourceError when they are not packed as the name says."""
    demand_packed(path)
    content, whole = _first_bytes(connection, path)
    if not whole:  # the cut may go through a letter
        content = content[: max(content.rfind(b"\n"), content.rfind(b"\r")) + 1] or content
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    lines = _LINE_END.split(text)
    return Head(content, text, tuple(lines if whole else lines[:-1]), whole)


def demand_utf8(path: str, head: Head, *, header: bool) -> None:
    """Raises SourceError with what to do when the file is no UTF-8 text. Lines here and there that are not are no matter: they
    are set aside one by one; but for the ``header``, where there is one."""
    demand_readable_packing(path)
    for mark, remedy in _PACKED:
        if head.content.startswith(mark):
            raise SourceError(_told(remedy, path, path))
    if head.content and not head.content.strip(b"\0"):
        raise SourceError(
            "begins with zero bytes only: a copy that broke off, or a disk that lost it; write it again from "
            "where it comes"
        )
    encoding = _wide_encoding(head.content)
    if encoding:
        raise SourceError(
            f"is {encoding.upper()}; save as UTF-8 (in Excel: CSV UTF-8; elsewhere: "
            f"{pipe_command(f'iconv -f {encoding} -t utf-8', path)} > other-name)"
        )
    if not head.content.isascii():
        _demand_utf8_lines(path, head.content.removeprefix(b"\xef\xbb\xbf").splitlines(), header=header)


def _first_bytes(connection: duckdb.DuckDBPyConnection, path: str) -> tuple[bytes, bool]:
    if path.lower().endswith(".zst"):
        rows = connection.execute(f"SELECT line FROM {lines_of([path])} LIMIT {_HEAD_LINES}").fetchall()
        return "".join(f"{line or ''}\n" for (line,) in rows).encode(), len(rows) < _HEAD_LINES
    with ExitStack() as open_files:
        file = open_files.enter_context(open_file(path))
        if path.lower().endswith(".gz"):
            file = unpack_gzip(file, open_files)
        content = b""
        try:
            while len(content) <= HEAD_BYTES and (more := file.read(HEAD_BYTES // 4)):
                content += more
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:  # half written: what came is good
            if not content:
                raise OSError(f"is not what gzip writes, or only the beginning of it: {error}") from None
    return content[:HEAD_BYTES], len(content) <= HEAD_BYTES


def _wide_encoding(content: bytes) -> str:
    """utf-16 or utf-32 where each letter takes so many bytes; "" where it takes one."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = content[:400]
    if not start.count(0):
        return ""
    for encoding, zeros, letters in (
        ("utf-16le", start[1::2], start[::2]),
        ("utf-16be", start[::2], start[1::2]),
    ):
        if zeros.count(0) > 0.7 * len(zeros) and letters.count(0) < 0.3 * len(letters):
            return encoding
    return ""


def _demand_utf8_lines(path: str, lines: Sequence[bytes], *, header: bool) -> None:
    bad = []
    for number, line in enumerate(lines, 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            bad.append((number, line))
    first = next((number for number, line in enumerate(lines, 1) if line.strip()), 0)
    if bad and ((header and bad[0][0] == first) or len(bad) >= max(_FEW_BAD_LINES, len(lines) / 20)):
        number, line = bad[0]
        raise SourceError(
            f"is not UTF-8 (line {number}: {line[:60]!r}); save as UTF-8 (in Excel: CSV UTF-8; elsewhere, "
            f"where it is Western European: {pipe_command('iconv -f windows-1252 -t utf-8', path)} > other-name)"
        )


def _told(remedy: str, path: str, stem: str) -> str:
    return remedy.format(name=_base(path), plain=_base(stem))


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]
