"""Precision and recall of thresholds in use, from cells: exact but for the one bin that a threshold lies inside."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from monitor.statistics.arrays import Floats, Ints, expand_units, ratio, totals
from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins
from monitor.statistics.cells import (
    FINE_PER_LOGIT,
    LOGIT_LIMIT,
    SCORE_BINS,
    Cells,
    Clusters,
    fine_bin_of,
    fine_edges,
    score_bin_of,
)
from monitor.statistics.intervals import Z_95, clopper_pearson

CONFIDENCE = 0.975  # of each bound, as of all intervals of readings: 95 % between lower and upper
_ROUNDING = 1e-9  # in logit: a threshold this near an edge is the edge


def part_above(bin: Ints, threshold: Floats) -> Floats:  # noqa: A002 - the column is called bin
    """The part of each bin at or above the threshold, as a share of the bin's width in logit: 0 below, 1 above.

    >>> from monitor.statistics.cells import bin_of
    >>> part_above(bin_of([0.2, 0.7, 0.99]), np.full(3, 0.7)).round(3).tolist()
    [0.0, 0.222, 1.0]
    """
    low, high = _edges(bin)
    inner, outer = _logit(low), _logit(high)
    at = _logit(threshold)
    at = np.where(np.abs(at - inner) < _ROUNDING, inner, np.where(np.abs(at - outer) < _ROUNDING, outer, at))
    part: Floats = np.clip((outer - at) / (outer - inner), 0.0, 1.0)
    return part


def _edges(bin: Ints) -> tuple[Floats, Floats]:  # noqa: A002 - the column is called bin
    coarse, fine = score_bin_of(bin), fine_bin_of(bin)
    edges = fine_edges()
    low = np.maximum(coarse / SCORE_BINS, edges[fine])
    return low, np.minimum((coarse + 1) / SCORE_BINS, edges[fine + 1])


def _logit(score: Floats) -> Floats:
    """Logits; the outermost bins, open to infinity, end one bin's width beyond the limit."""
    end = LOGIT_LIMIT + 1 / FINE_PER_LOGIT
    clipped: Floats = np.clip(logit(score), -end, end)
    return clipped


def design_effects(cells: Cells, clusters: Clusters | None, units: int) -> Floats:
    """(2, units): by how much likeness inside groups widens the variance of precision, and of recall; at least 1.

    For precision that of the sum of residuals, with the quantile that few groups call for. Recall also moves with which
    scores a group has, and how alike those are cells do not tell: there a group counts at most once.

    >>> design_effects(Cells.from_samples([0.9, 0.2], [1, 0]), None, 1).tolist()
    [[1.0], [1.0]]
    """
    bins = ScoreBins.from_cells(cells, units)
    if clusters is None:
        return np.ones((2, units))
    variance = ResidualVariance.estimate(bins, clusters)
    design = np.ones(units) if variance.total_design is None else variance.total_design
    precision = np.maximum(design * (variance.total_quantile(0.95) / Z_95) ** 2, 1.0)
    alike = np.where(variance.grouped, ratio(bins.n.sum(axis=1), variance.groups, 1.0), 1.0)
    return np.stack([precision, np.maximum(precision, alike)])


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The slices that rates are asked of. ``mapping`` (pairs, 2): which units a part of the samples belongs to.

    ``effects`` (2, units) are their design effects, ``missed`` (units,) the positives that no row stands for, such as objects
    without a detection; NaN: nobody knows how many.
    """

    mapping: Ints
    effects: Floats
    missed: Floats | float = 0.0


def live_rates(
    part: Ints, bin: Ints, n: Floats, outcome: Floats, threshold: Floats, slices: Units,  # noqa: A002
) -> dict[str, Floats]:  # fmt: skip
    """The six THRESHOLD_METRICS, each (units,), of rows of labelled sums.

    ``part`` (rows,) says which samples a row is of, ``threshold`` (parts,) what decides on those. Parts that no pair of
    ``slices`` names are left out. Recall is tp / (positives + missed), unknown where the missed are.
    A bin that a threshold lies inside is counted from both sides, all in and all out: bounds are the wider ones, and the
    estimate splits the bin by its width in logit. Recall lies between the two; precision does too unless outcomes inside
    1/8 of a logit sort themselves. Bounds are Clopper–Pearson, with counts over the design effect. NaN without predicted
    positives, or positives.

    >>> from monitor.statistics.cells import bin_of
    >>> score, n, outcome = np.array([0.2, 0.9]), np.array([10.0, 20.0]), np.array([1.0, 16.0])
    >>> rates = live_rates(
    ...     np.zeros(2, np.int64), bin_of(score), n, outcome, np.array([0.5]),
    ...     Units(np.array([[0, 0]]), np.ones((2, 1))),
    ... )
    >>> rates["threshold_precision"].tolist(), rates["threshold_recall"].round(3).tolist()
    ([0.8], [0.941])
    """
    rows, unit = expand_units(part, slices.mapping)
    above = part_above(bin[rows], threshold[part[rows]])
    n, outcome = n[rows], outcome[rows]
    units = slices.effects.shape[1]
    truths = totals(unit, outcome, units) + slices.missed
    found = [
        (totals(unit, outcome * inside, units), totals(unit, n * inside, units))
        for inside in (above, np.ceil(above), np.floor(above))
    ]
    metrics: dict[str, Floats] = {}
    for (name, over), effect in zip((("precision", None), ("recall", truths)), slices.effects, strict=True):
        rates = [(tp, predicted if over is None else over) for tp, predicted in found]
        bounds = [clopper_pearson(tp / effect, trials / effect, CONFIDENCE) for tp, trials in rates[1:]]
        metrics[f"threshold_{name}"] = ratio(*rates[0])
        metrics[f"threshold_{name}_lower"] = np.fmin(bounds[0][0], bounds[1][0])
        metrics[f"threshold_{name}_upper"] = np.fmax(bounds[0][1], bounds[1][1])
    return metrics
