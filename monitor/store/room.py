"""How much memory and disk reading a file may take."""

import shutil
from pathlib import Path

TIMES_MEMORY = 16  # that rows may spill to the disk
SHARE_OF_FREE = 0.8  # of the disk, which others need too


def parse_bytes(text: str) -> int:
    """A size as DuckDB writes it, in bytes.

    >>> parse_bytes("953.6 MiB")
    999922073
    """
    number, unit = text.split()
    powers = {"bytes": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5}
    return int(float(number) * 1024 ** powers[unit])


def spill_limit(directory: Path, memory_limit: str) -> str:
    """What DuckDB may write to a directory when memory is full: a small file can unpack to more than a disk holds, and a full
    disk is no file's fault. ``directory`` or one above it is there."""
    there = next((each for each in (directory, *directory.parents) if each.exists()), Path())
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        free = 0
    most = TIMES_MEMORY * parse_bytes(memory_limit)
    return f"{int(min(most, SHARE_OF_FREE * free) if free else most)} bytes"
