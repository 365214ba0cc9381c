"""How much memory and disk reading a file may take; and what processes do first that were started to read files: they end with
who started them, and give way."""

import os
import resource
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TIMES_MEMORY = 16  # that rows may spill to the disk
SHARE_OF_FREE = 0.8  # of the disk, which others need too
_BEYOND = 2 * 1024**3  # bytes of address space beyond what is asked for: threads, libraries, what is not counted


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


def end_with_stdin() -> None:
    """End this process once its stdin ends, because nobody waits for it any more."""
    threading.Thread(target=_wait_for_end, daemon=True).start()


def give_way() -> None:
    """No core file; the first to go where the machine has no memory left."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def limit_memory(memory_limit: str) -> None:
    """Not much more memory than DuckDB may take."""
    with suppress(OSError, ValueError):  # where there is no /proc, or a stricter limit holds already
        held = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        limit = held + 2 * parse_bytes(memory_limit) + _BEYOND
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _wait_for_end() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)
