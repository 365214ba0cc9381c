"""All metrics of 1,000 slices × 3 windows from cells: what the measure stage calculates."""

from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import duckdb

from monitor.config.settings import Model
from monitor.engine.stages.measure import readings_of
from monitor.model import Reading
from monitor.sources.pull import file_sources, pull_sources
from monitor.statistics.calibration.metrics import measure_calibration as all_metrics
from monitor.statistics.calibration.reliability import reliability
from monitor.store.cells import load_window_cells
from monitor.store.connection import make_naive, open_live
from monitor.store.dictionaries import Registry
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

from .figures import MEMORY_LIMIT, Figure, apart, median, spread, timed
from .scale import Scale
from .traffic import BEGAN, configuration, write_files

_DAYS = 7
_END = BEGAN + timedelta(days=_DAYS)
_NOW = _END + timedelta(hours=3)


def measure(scale: Scale, room: Path) -> list[Figure]:
    cameras, lightings = scale.grid
    write_files(room / "files", scale.week_samples, _DAYS, cameras=cameras, lightings=lightings)
    seconds, counts = apart(take_readings, room, scale.cycles)
    slices = (1 + cameras) * (1 + lightings)
    whole = seconds.pop("whole")
    return [
        Figure(
            f"all metrics of {slices:,} slices × 3 windows", median(whole), "s", 1,
            f"{spread(whole)}; {scale.week_samples:,} samples in {counts['cells']:,} cells, "
            f"{counts['readings']:,} readings",
        ),
        *(Figure(f"  {part}", median(values), "s", None, spread(values)) for part, values in seconds.items()),
    ]  # fmt: skip


def take_readings(room: Path, runs: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds of the whole and of its parts, each taken ``runs`` times, and what there was to work on."""
    config = configuration(room)
    model = config.model[0]
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=BEGAN)
    registry = Registry.load(connection, model, _NOW)
    pull_sources(ModelStore(connection, registry, model), file_sources(model, room), (), _NOW)
    seconds: dict[str, list[float]] = defaultdict(list)
    found: list[Reading] = []
    for _ in range(runs):
        with timed() as lap:
            found = _readings(connection, registry, model)
        seconds["whole"].append(lap.seconds)
        for part, spent in _parts(connection, registry, model).items():
            seconds[part].append(spent)
    cells = connection.execute("SELECT count(*) FROM cells").fetchone()
    connection.close()
    assert cells is not None
    return dict(seconds), {"cells": cells[0], "readings": len(found)}


def _readings(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> list[Reading]:
    found: list[Reading] = []
    for name, width in model.window_names.items():
        held = load_window_cells(ModelStore(connection, registry, model), _END - width, _END)
        found += readings_of(model, name, _END - width, _END, held, _NOW)
    return found


def _parts(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> dict[str, float]:
    """The same work step by step; what a step does beyond the steps inside it is a difference of two times."""
    spent: dict[str, float] = defaultdict(float)
    for name, width in model.window_names.items():
        start = _END - width
        span = {"model_id": registry.model_id, "start": make_naive(start), "end": make_naive(_END)}
        with timed() as sql:
            connection.execute(statement("window_cells"), span).fetchnumpy()
        with timed() as cells:
            held = load_window_cells(ModelStore(connection, registry, model), start, _END)
        with timed() as numbers:
            all_metrics(held.cells, len(held.slices), held.clusters, min_samples=model.min_samples)
            reliability(held.cells, len(held.slices), held.clusters)
        with timed() as readings:
            readings_of(model, name, start, _END, held, _NOW)
        spent["SQL"] += sql.seconds
        spent["from finest to shown slices (numpy, Python)"] += max(cells.seconds - sql.seconds, 0.0)
        spent["metrics (numpy, scipy)"] += numbers.seconds
        spent["Reading objects"] += max(readings.seconds - numbers.seconds, 0.0)
    return spent
