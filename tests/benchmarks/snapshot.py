"""Publishing the snapshot for ops with 1,000 slices × 3 windows × 90 days of hourly readings behind it."""

import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from monitor.model import METRICS, Reading, ReadingState, ReliabilityBin, Slice
from monitor.store import readings as rows
from monitor.store.connection import LIVE, open_live, transaction
from monitor.store.published.snapshot import SNAPSHOT, Publisher

from .figures import MEMORY_LIMIT, Figure, apart, median, peak_megabytes, spread, timed
from .scale import Scale
from .traffic import ENDED

_HOUR = timedelta(hours=1)
_STAYS = 4  # cycles that a reader keeps the file it opened
_WARM_UP = 3  # both files are built once
_WINDOWS = {"1h": _HOUR, "24h": 24 * _HOUR, "7d": 168 * _HOUR}
_READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.execute("SELECT count(*) FROM slice_metrics").fetchone()[0], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Published:
    """Seconds of each publication, warm ones and those after a reader opened the published file and kept it."""

    first: float
    warm: tuple[float, ...]
    stored: tuple[float, ...]
    held: tuple[float, ...]
    history_rows: int
    live_bytes: int
    snapshot_bytes: int
    peak_megabytes: float


def measure(scale: Scale, room: Path) -> list[Figure]:
    found = apart(publish_cycles, room, scale.grid, scale.snapshot_days, scale.cycles)
    slices = (1 + scale.grid[0]) * (1 + scale.grid[1])
    behind = f"{slices:,} slices × 3 windows, {scale.snapshot_days} days of hours behind"
    return [
        Figure(
            f"publish, {behind}", median(found.warm), "s", 1, f"{spread(found.warm)}; {found.history_rows:,} readings"
        ),
        Figure("publish while a reader keeps the file it opened", median(found.held), "s", 1, spread(found.held)),
        Figure("  slowest of these", max(found.held), "s", 1, "the file in its hands cannot be written: built afresh"),
        Figure("  first publication ever", found.first, "s"),
        Figure(
            "  storing the readings of a cycle (measure stage)", median(found.stored), "s", None, spread(found.stored)
        ),
        Figure("  peak memory", found.peak_megabytes, "MB"),
        Figure("  snapshot", found.snapshot_bytes / 1e6, "MB", None, f"live database {found.live_bytes / 1e6:,.0f} MB"),
    ]


def publish_cycles(state: Path, grid: tuple[int, int], days: int, cycles: int) -> Published:
    connection = open_live(state, memory_limit=MEMORY_LIMIT, now=ENDED)
    readings = _readings(grid)
    _store(connection, readings, ENDED)
    _write_history(connection, days)
    publisher = Publisher(state)
    first = 0.0
    warm, stored, held = [], [], []
    reader: subprocess.Popen[str] | None = None
    for turn in range(1, 1 + _WARM_UP + 2 * cycles):
        now = ENDED + turn * _HOUR
        with timed() as storing:
            _store(connection, readings, now)
        with timed() as publishing:
            publisher.publish(connection, now)
        if turn <= _WARM_UP:
            first = first or publishing.seconds
        elif turn <= _WARM_UP + cycles:
            warm.append(publishing.seconds)
            stored.append(storing.seconds)
        else:
            held.append(publishing.seconds)
        if turn >= _WARM_UP + cycles and (turn - _WARM_UP - cycles) % _STAYS == 0:
            _leave(reader)
            reader = _open_reader(state / SNAPSHOT)
    _leave(reader)
    count = connection.execute("SELECT count(*) FROM readings").fetchone()
    connection.close()
    assert count is not None
    return Published(
        first, tuple(warm), tuple(stored), tuple(held), count[0], (state / LIVE).stat().st_size,
        (state / SNAPSHOT).stat().st_size, peak_megabytes(),
    )  # fmt: skip


def _open_reader(path: Path) -> subprocess.Popen[str]:
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    if not reader.stdout.readline().strip():
        raise AssertionError(f"{path}: a reader could not open the snapshot")
    return reader


def _leave(reader: subprocess.Popen[str] | None) -> None:
    if reader is not None:
        reader.communicate()


def _store(connection: duckdb.DuckDBPyConnection, readings: list[Reading], now: datetime) -> None:
    """What the measure stage does when an hour has passed: the newest readings become history."""
    moved = [
        replace(reading, window_start=now - _WINDOWS[reading.window], window_end=now, computed_at=now)
        for reading in readings
    ]
    with transaction(connection):
        rows.store_readings(connection, "line", moved)


def _readings(grid: tuple[int, int]) -> list[Reading]:
    """A reading with 15 bars for each slice of the grid and each window; its numbers do not matter here."""
    cameras = [{}, *({"camera": f"c{index}"} for index in range(grid[0]))]
    lightings = [{}, *({"lighting": f"l{index}"} for index in range(grid[1]))]
    slices = [Slice.of({**camera, **lighting}) for camera in cameras for lighting in lightings]
    bars = tuple(
        ReliabilityBin(i / 15, (i + 1) / 15, 70.0, i / 15 + 0.03, i / 15 + 0.04, i / 15, 1.0) for i in range(15)
    )
    return [
        Reading(
            "line", "", slice_, window, ENDED - width, ENDED, ENDED, ReadingState.OK, 1000 + index, 10, 3600.0,
            {name: (index * 31 + place) % 997 / 997 for place, name in enumerate(METRICS)}, bars,
        )
        for index, slice_ in enumerate(slices)
        for window, width in _WINDOWS.items()
    ]  # fmt: skip


def _write_history(connection: duckdb.DuckDBPyConnection, days: int) -> None:
    """The newest readings once for each hour of the past, with numbers that do not compress away."""
    metrics = ", ".join(
        f'(hash(slice, h, {place}) % 1000003) / 1000003.0 AS "{name}"' for place, name in enumerate(METRICS)
    )
    for day in range(days, 0, -1):
        connection.execute(
            f"""
INSERT INTO readings BY NAME
SELECT * EXCLUDE (sequence, h) REPLACE (
           window_end - to_hours(h) AS window_end, window_start - to_hours(h) AS window_start,
           computed_at - to_hours(h) AS computed_at,
           {metrics})
FROM newest_readings, range($until, $since, -1) AS past(h) ORDER BY h DESC, slice""",
            {"until": day * 24, "since": (day - 1) * 24},
        )
    connection.execute("CHECKPOINT")
