"""Cells of a window → readings: the metrics of every shown slice, with their state. Calculates only."""

import math
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitor.config import Model
from monitor.model import METRICS, Reading, ReadingState, ReliabilityBin
from monitor.statistics.cells import SCORE_BINS
from monitor.statistics.metrics import measure
from monitor.statistics.reliability import reliability
from monitor.store.cells import WindowCells


def window_end(now: datetime, model: Model) -> datetime:
    """Windows end with the last bucket that is closed and mature: the start of the bucket holding now − label_maturity."""
    mature = now - model.label_maturity
    midnight = mature.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (mature - midnight) // model.bucket * model.bucket


def readings_of(
    model: Model, window: str, start: datetime, end: datetime, held: WindowCells, now: datetime
) -> tuple[Reading, ...]:
    """One reading for each version and shown slice that had a prediction in the window."""
    units = len(held.slices)
    if not units:
        return ()
    metrics = measure(held.cells, units, held.clusters, min_samples=model.min_samples)
    bars = reliability(held.cells, units)
    columns = {name: _known(metrics[name]) for name in METRICS}
    samples = metrics["samples"]
    readings = []
    for unit in range(units):
        enough = samples[unit] >= model.min_samples
        readings.append(
            Reading(
                model=model.name, version=held.versions[unit], slice=held.slices[unit],
                window=window, window_start=start, window_end=end, computed_at=now,
                state=ReadingState.OK if enough else ReadingState.INSUFFICIENT,
                samples=int(samples[unit]), unlabelled=int(held.unlabelled[unit]),
                label_lag_seconds=float(held.lag[unit] / samples[unit]) if samples[unit] else None,
                metrics={name: column[unit] for name, column in columns.items()},
                reliability=_bars(bars, unit) if enough else (),
            )
        )  # fmt: skip
    return tuple(readings)


def _known(column: NDArray[np.float64]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in column.tolist()]


def _bars(bars: Mapping[str, NDArray[np.float64]], unit: int) -> tuple[ReliabilityBin, ...]:
    rows = {name: _known(values[unit]) for name, values in bars.items()}
    return tuple(
        ReliabilityBin(
            low=index / SCORE_BINS, high=(index + 1) / SCORE_BINS, samples=rows["samples"][index] or 0.0,
            mean_score=rows["mean_score"][index], outcome_rate=rows["outcome_rate"][index],
            rate_lower=rows["rate_lower"][index], rate_upper=rows["rate_upper"][index],
        )
        for index in range(SCORE_BINS)
        if rows["samples"][index]
    )  # fmt: skip
