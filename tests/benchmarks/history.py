"""A cycle that brings 10,000 new rows, with few and with many samples behind it."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

from prometheus_client import CollectorRegistry

from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import LIVE, make_naive, open_live, quote_text

from .figures import Figure, apart, median, peak_megabytes, spread, timed
from .scale import Scale
from .traffic import DAYS, ENDED, configuration, connection_with_traffic, rows_between, write_history

LATE_DAYS = 20
_STEP = timedelta(hours=1)
_WARM_UP = 2  # first cycles measure everything and publish both snapshot files for the first time
_NUMBER = 1_000_000_000_000  # of the first new row: far from those of the history
_NEWEST, _HALF_LATE = _VARIANTS = ("newest hours only", "half late labels and corrections")
STAGES = ("pull", "measure", "weigh", "judge", "fold", "publish")


class Stopwatch(Instruments):
    """Instruments that also keep the seconds of each stage."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry())
        self.seconds: dict[str, float] = defaultdict(float)

    def time_stage(self, stage: str) -> AbstractContextManager[object]:
        return self._kept(stage, super().time_stage(stage))

    @contextmanager
    def _kept(self, stage: str, inner: AbstractContextManager[object]) -> Iterator[None]:
        began = perf_counter()
        try:
            with inner:
                yield
        finally:
            self.seconds[stage] += perf_counter() - began


Seconds = dict[str, list[float]]  # of each cycle: whole, and by stage


@dataclass(frozen=True, slots=True)
class Behind:
    """All about one size of history; ``seconds`` by variant."""

    seconds: dict[str, Seconds]
    build_seconds: float
    file_bytes: int
    peak_megabytes: float


def measure(scale: Scale, room: Path) -> list[Figure]:
    few, many = (_behind(scale, room / str(rows), rows) for rows in scale.history_rows)
    names = [f"{rows:,} behind" for rows in scale.history_rows]
    figures = []
    for variant in _VARIANTS:
        one, other = few.seconds[variant], many.seconds[variant]
        figures.append(
            Figure(
                f"cycle of {scale.cycle_rows:,} rows, {variant}: {names[1]} against {names[0]}",
                median(other["whole"]) / median(one["whole"]), "×", 1.3,
                f"medians, publishing included; least against least: {min(other['whole']) / min(one['whole']):.2f}",
            )
        )  # fmt: skip
        figures += [
            Figure(f"  {name}", median(seconds["whole"]), "s", None, spread(seconds["whole"]))
            for name, seconds in zip(names, (one, other), strict=True)
        ]
        figures += [
            Figure(f"    {stage}, {names[1]}", median(other[stage]), "s", None,
                   f"{median(one[stage]):.3f} s with {names[0]}")
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
    (base / "files").mkdir(parents=True)
    now = ENDED + timedelta(minutes=5)
    with timed() as building:
        apart(prepare, base, rows, scale.cycle_rows // 2 * scale.cycles, now)
    file_bytes = (base / "state" / LIVE).stat().st_size
    seconds, peak = apart(run_cycles, base, scale.cycle_rows, scale.cycles, now)
    for path in (base / "state").iterdir():  # gigabytes: gone before the next history is built
        if path.is_file():
            path.unlink()
    return Behind(seconds, building.seconds, file_bytes, peak)


def prepare(base: Path, rows: int, late_rows: int, now: datetime) -> None:
    """Build the history, and pick the rows of its last 20 days that will be sent again, as ``base``/late.parquet."""
    write_history(base, rows, now)
    connection = connection_with_traffic(open_live(base / "state", memory_limit="4GB", now=now))
    since = make_naive(now - timedelta(days=min(LATE_DAYS, DAYS)))
    for name, condition in (("unlabelled", "IS NULL"), ("labelled", "IS NOT NULL")):
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT sample_id, observed_at, score, positives, slice_id FROM samples "
            f"WHERE positives {condition} AND observed_at >= $since ORDER BY hash(sample_id) LIMIT {late_rows // 2}",
            {"since": since},
        )
    connection.execute(f"""
COPY (
    SELECT row_number() OVER (ORDER BY hash(sample_id, 1)) - 1 AS number, p.* EXCLUDE (slice_id, positives),
           coalesce(1 - p.positives, 1) AS outcome, s.labels['camera'] AS camera, s.labels['lighting'] AS lighting
    FROM (FROM unlabelled UNION ALL FROM labelled) AS p JOIN slices AS s USING (slice_id)
) TO {quote_text(str(base / "late.parquet"))} (FORMAT parquet)""")
    connection.close()


def run_cycles(base: Path, rows: int, count: int, now: datetime) -> tuple[dict[str, Seconds], float]:
    """Seconds by variant, and the peak memory of the process; the variants take turns, a simulated hour a cycle."""
    config = configuration(base)
    instruments = Stopwatch()
    connection = connection_with_traffic(open_live(config.state_dir, memory_limit=config.monitor.memory_limit, now=now))
    cycle = Cycle(config, build_watched(config), connection, instruments)
    found: dict[str, Seconds] = {variant: defaultdict(list) for variant in _VARIANTS}
    for turn, variant in enumerate([_NEWEST] * _WARM_UP + list(_VARIANTS) * count):
        moment = now + turn * _STEP
        sent_again = len(found[_HALF_LATE]["whole"]) * (rows // 2)
        late = (sent_again, sent_again + rows // 2) if variant == _HALF_LATE else None
        _write_rows(base, turn, rows // 2 if late else rows, moment, late)
        instruments.seconds.clear()
        with timed() as lap:
            tick = cycle.tick(moment)
        brought = tick.pulled["line"]["samples"]
        if tick.failed or brought.new + brought.labelled + brought.corrected != rows:
            raise AssertionError(f"a cycle took {brought} of {rows} rows: {tick.failed}")
        if turn >= _WARM_UP:
            found[variant]["whole"].append(lap.seconds)
            for stage in STAGES:
                found[variant][stage].append(instruments.seconds[stage])
    connection.close()
    return {variant: dict(seconds) for variant, seconds in found.items()}, peak_megabytes()


def _write_rows(base: Path, turn: int, rows: int, now: datetime, late: tuple[int, int] | None) -> None:
    """New rows of the last two hours, labelled up to now, and the given late ones, as one Parquet file."""
    arrived = f"TIMESTAMP {quote_text(str(make_naive(now)))}"
    new = rows_between(_NUMBER + turn * 1_000_000, rows, now - 2 * _STEP, 2 * _STEP)
    select = f"SELECT * REPLACE (least(labelled_at, {arrived}) AS labelled_at) FROM ({new})"
    if late:
        select += (
            f" UNION ALL BY NAME SELECT * EXCLUDE (number), {arrived} AS labelled_at "
            f"FROM {quote_text(str(base / 'late.parquet'))} WHERE number >= {late[0]} AND number < {late[1]}"
        )
    connection = connection_with_traffic()
    path = base / "files" / f"cycle-{turn:03}.parquet"
    connection.execute(f"COPY ({select}) TO {quote_text(str(path))} (FORMAT parquet)")
    connection.close()
