"""The work that other monitors were timed at: 1 million rows, 20 slices, 60 daily windows, Parquet to metrics."""

from datetime import timedelta
from pathlib import Path

from monitor.engine.stages.measure import readings_of
from monitor.model import METRICS
from monitor.sources.pull import file_sources, pull_sources
from monitor.store.cells import load_window_cells
from monitor.store.connection import open_live
from monitor.store.model_store import ModelStore

from .figures import MEMORY_LIMIT, Figure, apart, median, spread, timed
from .scale import Scale
from .traffic import BEGAN, DAYS, ENDED, configuration, write_files

_DAY = timedelta(days=1)
_NOW = ENDED + timedelta(hours=3)


def measure(scale: Scale, room: Path) -> list[Figure]:
    rows = write_files(room / "files", scale.same_work_rows)
    runs = [apart(daily_metrics, room, turn) for turn in range(scale.repeats)]
    totals = [ingest + metrics for ingest, metrics, _ in runs]
    return [
        Figure(
            f"{rows:,} rows → {runs[0][2]:,} readings of {len(METRICS)} metrics (20 slices, 60 days)", median(totals),
            "s", None, spread(totals),
        ),
        Figure("  Parquet → samples and cells", median([ingest for ingest, _, _ in runs]), "s"),
        Figure("  cells → readings", median([metrics for _, metrics, _ in runs]), "s"),
        Figure("  quoted, not measured here: NannyML 0.13, 3 metrics of 1 million rows", 55, "s"),
        Figure("  quoted, not measured here: Evidently 0.7, 3 metrics of 1 million rows", 125, "s"),
    ]  # fmt: skip


def daily_metrics(room: Path, turn: int) -> tuple[float, float, int]:
    """Seconds for samples and cells, seconds for all readings, and how many readings."""
    base = room / f"run-{turn}"
    base.mkdir()
    (base / "files").symlink_to(room / "files")
    config = configuration(base)
    model = config.model[0]
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=BEGAN)
    store = ModelStore.load(connection, model, _NOW)
    with timed() as ingesting:
        pull_sources(store, file_sources(model, base), (), _NOW)
    readings = 0
    with timed() as measuring:
        for day in range(DAYS):
            start = BEGAN + day * _DAY
            held = load_window_cells(store, start, start + _DAY)
            readings += len(readings_of(model, "24h", start, start + _DAY, held, _NOW))
    connection.close()
    return ingesting.seconds, measuring.seconds, readings
