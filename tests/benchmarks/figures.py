"""Measured figures with their targets, the clock and the memory they are read from, and the table that shows them."""

import multiprocessing
import os
import platform
import resource
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import ParamSpec, TypeVar

import duckdb
import structlog
from rich.console import Console
from rich.table import Table

MEMORY_LIMIT = "1GB"  # of DuckDB, ours and the baseline's: the default of [monitor] memory_limit

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: ``value`` in ``unit``; it must not exceed ``limit``; None where it only informs."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""


@dataclass(slots=True)
class Lap:
    """Seconds that a block took; 0 until it has ended."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Lap]:
    lap = Lap()
    began = perf_counter()
    yield lap
    lap.seconds = perf_counter() - began


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def spread(seconds: Sequence[float]) -> str:
    """The least, the greatest and the number of repeats, for a note."""
    return f"{min(seconds):.3f}–{max(seconds):.3f} s, {len(seconds)} runs"


def apart(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call in a fresh process, so that neither caches nor peak memory carry over."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_without_log) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _without_log() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def peak_megabytes() -> float:
    """Peak resident memory of this process. Linux carries getrusage's figure over exec, VmHWM starts anew."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if platform.system() == "Darwin" else peak / 1024


def machine() -> str:
    """Cores, memory, versions, and how busy the machine is with other work."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}; load average {load}"
    )


def table(figures: Sequence[Figure], title: str) -> Table:
    """``ratio`` is measured / target: at most 1 where the target is met."""
    shown = Table("figure", "target", "measured", "ratio", "note", title=title, title_justify="left")
    for column in shown.columns[1:4]:
        column.justify = "right"
    for figure in figures:
        target = ratio = ""
        if figure.limit is not None:
            target = f"≤ {figure.limit:g} {figure.unit}"
            met = figure.value <= figure.limit
            share = f"{figure.value / figure.limit:.2f}" if figure.limit else ""  # of a limit of 0 there is none
            ratio = f"{share}{'' if met else ' ✗'}"
        shown.add_row(figure.name, target, _amount(figure), ratio, figure.note)
    return shown


def _amount(figure: Figure) -> str:
    digits = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:.3g}"
    return f"{digits} {figure.unit}"


def console() -> Console:
    """Wide enough in a pipe, where rich would assume 80 columns."""
    found = Console()
    return found if found.is_terminal else Console(width=180)
