"""Reliability bars of the gate's samples, under the calibrators in charge and under the candidate: the same samples twice."""

import math

import numpy as np
from numpy.typing import NDArray

from monitor.recalibration.samples import Samples
from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.reliability import reliability

COLUMNS = ("samples", "mean_score", "outcome_rate", "rate_lower", "rate_upper")  # of a bar, after the number of its bin


def bars(score: NDArray[np.float64], samples: Samples) -> tuple[tuple[float | None, ...], ...]:
    """For each of the 15 bins that holds samples its number (from 0) and COLUMNS, rounded to six digits; None = unknown.

    ``score`` (N,): what a calibrator makes of the samples' own.
    """
    held = reliability(*counted(score, samples))
    return tuple(
        (float(place), *(_known(float(held[name][0, place])) for name in COLUMNS))
        for place in np.flatnonzero(held["samples"][0]).tolist()
    )


def counted(score: NDArray[np.float64], samples: Samples) -> tuple[Cells, int, Clusters | None]:
    """Cells of the samples under other scores (N,), that it is one unit, and clusters where samples may depend."""
    n, positives = samples.n, samples.positives
    clusters = None
    if samples.depends:
        clusters = Clusters.from_samples(score, None, samples.units(), n=n, positives=positives)
    return Cells.from_samples(score, n=n, positives=positives), 1, clusters


def _known(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
