"""Reliability bars of the gate's samples, under the calibrators in charge and under the candidate: the same samples twice."""

import math

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.reliability import reliability

COLUMNS = ("samples", "mean_score", "outcome_rate", "rate_lower", "rate_upper")  # of a bar, after the number of its bin


def bars(
    score: NDArray[np.float64], outcome: NDArray[np.float64], units: NDArray[np.int64]
) -> tuple[tuple[float | None, ...], ...]:
    """For each of the 15 bins that holds samples its number (from 0) and COLUMNS, rounded to six digits; None = unknown.

    ``units`` (N,) tells which samples belong together.
    """
    clusters = Clusters.from_samples(score, outcome, units) if len(np.unique(units)) < len(score) else None
    held = reliability(Cells.from_samples(score, outcome), 1, clusters)
    return tuple(
        (float(place), *(_known(float(held[name][0, place])) for name in COLUMNS))
        for place in np.flatnonzero(held["samples"][0]).tolist()
    )


def _known(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
