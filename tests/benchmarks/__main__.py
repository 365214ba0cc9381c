"""The command: runs benchmarks one after another and prints one table."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter

from .figures import Figure, console, machine, table
from .scale import SCALES, Scale

Measure = Callable[[Scale, Path], list[Figure]]
NAMES = (
    "ingest",
    "small_inputs",
    "history",
    "snapshot",
    "metrics",
    "evidence",
    "gate",
    "scrape",
    "page",
    "same_work",
    "footprint",
    "endurance",
    "calibrators",
    "refit",
    "badly",
    "mutants",
    "kills",
    "pushes",
)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when every target was met, 1 when one was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none: all")
    parser.add_argument("--scale", choices=SCALES, default="small", help="full is what the targets speak of")
    parser.add_argument("--room", type=Path, help="directory for temporary files (full: 12 GB); default: the system's")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.name if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    screen = console()
    screen.print(machine(), highlight=False)
    missed = 0
    for name in chosen.name or NAMES:
        measure: Measure = import_module(f"{__package__}.{name}").measure
        room = Path(tempfile.mkdtemp(prefix=f"calwatch-{name}-", dir=chosen.room))
        began = perf_counter()
        try:
            figures = measure(SCALES[chosen.scale], room)
        finally:
            shutil.rmtree(room, ignore_errors=True)
        title = f"{name} ({chosen.scale}, {perf_counter() - began:.0f} s in all; {machine().rpartition('; ')[2]})"
        screen.print(table(figures, title))
        missed += sum(figure.limit is not None and figure.value > figure.limit for figure in figures)
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
