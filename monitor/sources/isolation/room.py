"""How much memory and disk reading a file may take."""

import shutil
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Room:
    """What DuckDB may write to a disk when memory is full, in bytes; ``is_short``: less than it would get on an empty one."""

    size: int
    is_short: bool

    @property
    def limit(self) -> str:
        """As ``max_temp_directory_size`` takes it."""
        return f"{self.size} bytes"


def spill_room(directory: Path, memory_limit: str) -> Room:
    """How much a small file may unpack to: more than a disk holds it could, and a full disk is no file's fault.
    ``directory`` or one above it is there."""
    there = next((each for each in (directory, *directory.parents) if each.exists()), Path())
    most = TIMES_MEMORY * parse_bytes(memory_limit)
    try:
        size = int(SHARE_OF_FREE * shutil.disk_usage(there).free)
    except OSError:
        size = most
    return Room(min(most, size), size < most)
