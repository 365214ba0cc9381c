"""A cycle that brings 10,000 new rows, with few and with many samples behind it."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

import duckdb
from prometheus_client import CollectorRegistry

from monitor.cycle import Cycle, watch
from monitor.publish.instruments import Instruments
from monitor.store.connection import LIVE, literal, naive, open_live

from .figures import Figure, apart, median, peak_megabytes, spread, timed
from .scale import Scale
from .traffic import DAYS, ENDED, configuration, connection_with_traffic, rows_between, write_history

LATE_DAYS = 20
_STEP = timedelta(hours=1)
_WARM_UP = 2  # first cycles measure everything and publish both snapshot files for the first time
_NUMBER = 1_000_000_000_000  # of the first new row: far from those of the history
_TIMED = ("newest hours only", "half late labels and corrections")
STAGES = ("pull", "measure", "judge", "fold", "publish")


class Stopwatch(Instruments):
    """Instruments that also keep the seconds of each stage."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry())
        self.seconds: dict[str, float] = defaultdict(float)

    def stage(self, model: str, stage: str) -> AbstractContextManager[object]:
        return self._kept(stage, super().stage(model, stage))

    @contextmanager
    def _kept(self, stage: str, inner: AbstractContextManager[object]) -> Iterator[None]:
        began = perf_counter()
        try:
            with inner:
                yield
        finally:
            self.seconds[stage] += perf_counter() - began


@dataclass(frozen=True, slots=True)
class Cycles:
    """What the timed cycles of one variant took, whole and by stage."""

    seconds: tuple[float, ...]
    stages: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Behind:
    """All about one size of history; ``cycles`` by variant."""

    cycles: dict[str, Cycles]
    build_seconds: float
    file_bytes: int
    peak_megabytes: float


def measure(scale: Scale, room: Path) -> list[Figure]:
    few, many = (_behind(scale, room / str(rows), rows) for rows in scale.history_rows)
    names = [f"{rows:,} behind" for rows in scale.history_rows]
    figures = []
    for variant in _TIMED:
        one, other = few.cycles[variant], many.cycles[variant]
        figures.append(
            Figure(
                f"cycle of {scale.cycle_rows:,} rows, {variant}: {names[1]} against {names[0]}",
                median(other.seconds) / median(one.seconds), "×", 1.3, "medians, the snapshot published each time",
            )
        )  # fmt: skip
        figures += [
            Figure(f"  {name}", median(cycles.seconds), "s", None, spread(cycles.seconds))
            for name, cycles in zip(names, (one, other), strict=True)
        ]
        figures += [
            Figure(f"    {stage}, {names[1]}", median(other.stages[stage]), "s", None,
                   f"{median(one.stages[stage]):.3f} s with {names[0]}")
            for stage in STAGES
        ]  # fmt: skip
    return [
        *figures,
        Figure("  peak memory of these cycles", many.peak_megabytes, "MB", None,
               f"{few.peak_megabytes:,.0f} MB with {names[0]}"),
        Figure("  database per million samples", many.file_bytes / scale.history_rows[1], "MB", None,
               f"{many.file_bytes / 1e9:.2f} GB in all; history built in {many.build_seconds:.0f} s"),
    ]  # fmt: skip


def _behind(scale: Scale, base: Path, rows: int) -> Behind:
    base.mkdir()
    (base / "files").mkdir()
    now = ENDED + timedelta(minutes=5)
    with timed() as lap:
        apart(write_history, base, rows, now)
    file_bytes = (base / "state" / LIVE).stat().st_size
    cycles, peak = apart(run_cycles, base, scale.cycle_rows, scale.cycles, now)
    for path in (base / "state").iterdir():  # gigabytes: gone before the next history is built
        if path.is_file():
            path.unlink()
    return Behind(cycles, lap.seconds, file_bytes, peak)


def run_cycles(base: Path, rows: int, count: int, now: datetime) -> tuple[dict[str, Cycles], float]:
    """Cycles by variant and the peak memory of the process that did them; the variants take turns, an hour a cycle."""
    config = configuration(base)
    instruments = Stopwatch()
    connection = connection_with_traffic(open_live(config.state_dir, memory_limit=config.monitor.memory_limit, now=now))
    cycle = Cycle(config, watch(config), connection, instruments)
    turns = [*[_TIMED[0]] * _WARM_UP, *_TIMED * count]
    _pick_late(connection, rows // 2 * count, now)
    seconds: dict[str, list[float]] = defaultdict(list)
    stages: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    late = 0
    for turn, variant in enumerate(turns):
        moment = now + turn * _STEP
        path = base / "files" / f"cycle-{turn:03}.parquet"
        if variant == _TIMED[0]:
            _write_rows(connection, path, turn, rows, moment, None)
        else:
            _write_rows(connection, path, turn, rows // 2, moment, (late, late + rows // 2))
            late += rows // 2
        instruments.seconds.clear()
        with timed() as lap:
            tick = cycle.tick(moment)
        _check(
            tick.failed,
            sum(brought.new + brought.labelled + brought.corrected for brought in tick.pulled["line"].values()),
            rows,
        )
        if turn >= _WARM_UP:
            seconds[variant].append(lap.seconds)
            for stage in STAGES:
                stages[variant][stage].append(instruments.seconds[stage])
    connection.close()
    found = {
        variant: Cycles(tuple(seconds[variant]), {stage: tuple(values) for stage, values in stages[variant].items()})
        for variant in _TIMED
    }
    return found, peak_megabytes()


def _check(failed: dict[str, str], taken: int, rows: int) -> None:
    if failed or taken != rows // 2 * 2:
        raise AssertionError(f"a cycle took {taken} rows of {rows}: {failed or 'no failure told'}")


def _pick_late(connection: duckdb.DuckDBPyConnection, rows: int, now: datetime) -> None:
    """Rows of the last 20 days: half of them to be labelled late, the others to be labelled otherwise."""
    since = naive(now - timedelta(days=min(LATE_DAYS, DAYS)))
    for name, condition in (("unlabelled", "IS NULL"), ("labelled", "IS NOT NULL")):
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT sample_id, observed_at, score, positives, slice_id FROM samples "
            f"WHERE positives {condition} AND observed_at >= $since ORDER BY hash(sample_id) LIMIT {rows - rows // 2}",
            {"since": since},
        )
    connection.execute("""
CREATE TEMP TABLE late AS
SELECT row_number() OVER (ORDER BY hash(sample_id, 1)) - 1 AS number, p.* EXCLUDE (slice_id, positives),
       coalesce(1 - p.positives, 1) AS outcome, s.labels['camera'] AS camera, s.labels['lighting'] AS lighting
FROM (FROM unlabelled UNION ALL FROM labelled) AS p JOIN slices AS s USING (slice_id)""")


def _write_rows(
    connection: duckdb.DuckDBPyConnection, path: Path, turn: int, rows: int, now: datetime, late: tuple[int, int] | None
) -> None:
    """New rows of the last two hours, labelled up to now, and the given late ones, as one Parquet file."""
    arrived = f"TIMESTAMP {literal(str(naive(now)))}"
    new = rows_between(_NUMBER + turn * rows * 2, rows, now - 2 * _STEP, 2 * _STEP)
    select = f"SELECT * REPLACE (least(labelled_at, {arrived}) AS labelled_at) FROM ({new})"
    if late:
        select += (
            f" UNION ALL BY NAME SELECT * EXCLUDE (number), {arrived} AS labelled_at FROM late "
            f"WHERE number >= {late[0]} AND number < {late[1]}"
        )
    connection.execute(f"COPY ({select}) TO {literal(str(path))} (FORMAT parquet)")
