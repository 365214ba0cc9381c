"""What processes do first that were started to read files: they end with who started them, and give way."""

import os
import resource
import threading
from contextlib import suppress
from pathlib import Path

from monitor.sources.isolation.room import parse_bytes

_BEYOND = 2 * 1024**3  # bytes of address space beyond what is asked for: threads, libraries, what is not counted


def end_with_stdin() -> None:
    """End this process once its stdin ends, because nobody waits for it any more."""
    threading.Thread(target=_hold_on, daemon=True).start()


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


def _hold_on() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)
