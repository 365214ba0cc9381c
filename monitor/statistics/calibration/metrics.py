"""All metrics of many slices at once: cells in, one array per metric out."""

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import ratio, totals
from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins
from monitor.statistics.calibration.ece import (
    debiased_ece,
    ece_interval,
    ece_null_quantile,
    maximum_calibration_error,
    plug_in_ece,
)
from monitor.statistics.calibration.l2 import squared_error
from monitor.statistics.calibration.reliability import reliability
from monitor.statistics.calibration.scores import auroc, brier_parts
from monitor.statistics.calibration.smooth import smooth_ece
from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.intervals import gap_interval

__all__ = ["measure_calibration", "reliability"]


def measure_calibration(
    cells: Cells, units: int, clusters: Clusters | None = None, *, min_samples: int = 1
) -> dict[str, NDArray[np.float64]]:
    """``samples`` and every metric of ``monitor.model.CALIBRATION_METRICS``, each an array of shape (units,).

    ``cells`` need not be merged; their units lie in 0..units−1. With ``clusters``, the squared error, every interval
    and the null quantile allow for samples that come in groups; a unit without cluster rows is taken sample by sample.
    A metric is NaN where it is unknown: all of them where a unit has fewer than ``min_samples`` samples (or none),
    ``auroc`` where one outcome is missing. Raises ValueError when a cell's unit is not below ``units``.

    The ECE is at least the absolute gap, so its upper bound is never below what the gap's interval still allows, and its
    lower bound never below what the gap's 99 % interval excludes. The squared error is at most the ECE, and so is its
    upper bound.

    >>> found = measure_calibration(Cells.from_samples([0.9] * 10, [1] * 7 + [0] * 3), units=1)
    >>> float(found["samples"][0]), round(float(found["ece"][0]), 3), round(float(found["brier_score"][0]), 3)
    (10.0, 0.2, 0.25)
    """
    merged = cells.merge()
    bins = ScoreBins.from_cells(merged, units)
    variance = ResidualVariance.estimate(bins, clusters)
    samples = bins.n.sum(axis=1)
    ece_lower, ece_upper = ece_interval(bins, variance)
    squared, squared_lower, squared_upper = squared_error(bins, variance)
    gap_lower, gap_upper = gap_interval(bins, variance)
    surely_above, surely_below = gap_interval(bins, variance, 0.99)
    ece_lower = np.maximum(ece_lower, np.maximum(surely_above, -surely_below))
    ece_upper = np.maximum(ece_upper, np.maximum(np.abs(gap_lower), np.abs(gap_upper)))
    brier, brier_reliability, brier_resolution, brier_uncertainty = brier_parts(bins)
    metrics = {
        "ece": plug_in_ece(bins),
        "ece_debiased": debiased_ece(bins, variance),
        "ece_lower": ece_lower,
        "ece_upper": ece_upper,
        "ece_null_quantile": ece_null_quantile(bins, variance),
        "ece_squared_debiased": squared,
        "ece_squared_lower": squared_lower,
        "ece_squared_upper": np.minimum(squared_upper, ece_upper),
        "mce": maximum_calibration_error(bins),
        "smooth_ece": smooth_ece(merged, units),
        "calibration_gap": ratio(bins.residual.sum(axis=1), samples),
        "gap_lower": gap_lower,
        "gap_upper": gap_upper,
        "brier_score": brier,
        "brier_reliability": brier_reliability,
        "brier_resolution": brier_resolution,
        "brier_uncertainty": brier_uncertainty,
        "log_loss": ratio(totals(merged.unit, merged.log_loss, units), samples),
        "auroc": auroc(merged, units),
        "outcome_rate": ratio(bins.outcome.sum(axis=1), samples),
        "mean_score": ratio(bins.score.sum(axis=1), samples),
    }
    enough = samples >= max(min_samples, 1)
    return {"samples": samples} | {name: np.where(enough, values, np.nan) for name, values in metrics.items()}
