"""The reliability curve: what the scores of each bin said, and what happened."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.model import ReliabilityBin
from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins
from monitor.statistics.cells import SCORE_BINS, Cells, Clusters
from monitor.statistics.intervals import Z_95, clopper_pearson


def reliability(cells: Cells, units: int, clusters: Clusters | None = None) -> dict[str, NDArray[np.float64]]:
    """Per unit and equal-width score bin, each of shape (units, 15): ``samples``, ``mean_score``, ``outcome_rate``, and
    ``rate_lower``, ``rate_upper``, the 95 % interval of the outcome rate.

    The interval is Clopper and Pearson's (1934), never below 95 % for independent samples: Wilson's covers 95 % on
    average over bins, but 85 % in some that hold few samples of a rare outcome. With ``clusters`` it is taken at
    n/d·(z/t)² samples (Korn & Graubard 1998), d the bin's design effect and t Student's quantile (``dependence``).
    Empty bins have samples 0 and NaN elsewhere. Raises ValueError when a cell's unit is not below ``units``.

    >>> found = reliability(Cells.from_samples([0.9] * 10, [1] * 7 + [0] * 3), units=1)
    >>> [round(float(found[name][0, 13]), 3) for name in ("samples", "mean_score", "outcome_rate", "rate_lower", "rate_upper")]
    [10.0, 0.9, 0.7, 0.348, 0.933]
    """
    bins = ScoreBins.from_cells(cells, units)
    rate = ratio(bins.outcome, bins.n)
    effective = bins.n if clusters is None else _effective(bins, clusters)
    lower, upper = clopper_pearson(np.nan_to_num(rate) * effective, effective, 0.975)
    return {
        "samples": bins.n,
        "mean_score": ratio(bins.score, bins.n),
        "outcome_rate": rate,
        "rate_lower": lower,
        "rate_upper": upper,
    }


def list_bars(curves: Mapping[str, NDArray[np.float64]], unit: int) -> tuple[ReliabilityBin, ...]:
    """Return the bins of one unit that hold samples, of the curves that ``reliability`` gives.

    >>> curves = reliability(Cells.from_samples([0.9] * 10, [1] * 7 + [0] * 3), units=1)
    >>> [(round(bar.low, 2), bar.samples) for bar in list_bars(curves, 0)]
    [(0.87, 10.0)]
    """
    rows: dict[str, list[float]] = {name: values[unit].tolist() for name, values in curves.items()}
    rest = ("mean_score", "outcome_rate", "rate_lower", "rate_upper")
    return tuple(
        ReliabilityBin(
            place / SCORE_BINS, (place + 1) / SCORE_BINS, samples,
            *(value if math.isfinite(value := rows[name][place]) else None for name in rest),
        )
        for place, samples in enumerate(rows["samples"]) if samples > 0
    )  # fmt: skip


def _effective(bins: ScoreBins, clusters: Clusters) -> Floats:
    """The independent samples that tell as much as those of each bin, (units, 15)."""
    variance = ResidualVariance.estimate(bins, clusters)
    left: Floats = bins.n / variance.design * np.minimum((Z_95 / variance.quantile(0.95)) ** 2, 1.0)[:, None]
    return left
