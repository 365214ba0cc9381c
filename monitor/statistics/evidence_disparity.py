"""Is a slice served worse than the rest of its model? Differences with family-wise control over all slices."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from monitor.statistics._arrays import Floats, Ints, ratio
from monitor.statistics.binned import ResidualVariance, ScoreBins
from monitor.statistics.calibration_error import debiased_ece, ece_interval
from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.intervals import gap_interval

Z_TWO_SIDED_95 = 1.959963984540054
Measure = Literal["gap", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Disparities:
    """Per slice (slices,): ``difference`` = slice − rest, its interval, and the adjusted ``p_value``; NaN = unknown.

    ``p_value`` is that of "no worse than the rest": for "gap" that the slice's gap is no larger in size than the
    rest's (one bad slice makes the others differ from their rest, which holds it, but not worse), for "error" that its
    error is no larger. The probability that any slice is wrongly named is at most the level, at one evaluation: on
    windows that overlap, or are read again and again, it holds for each reading, not for all of them together.
    ``lower`` and ``upper`` hold the true differences of all slices at once with probability 1 − level; for "error"
    the interval is one-sided, with upper infinite.
    """

    difference: Floats
    lower: Floats
    upper: Floats
    p_value: Floats

    def named(self, level: float = 0.05) -> NDArray[np.bool_]:
        """(slices,): which slices are worse than the rest at ``level``."""
        return self.p_value <= level


def rest_pairs(inside: NDArray[np.bool_]) -> Ints:
    """(from, to) pairs for ``Cells.regrouped``: each finest slice (column) to each slice (row) it lies outside of."""
    row, column = np.nonzero(~inside)
    return np.stack([column, row], axis=1).astype(np.int64)


def compare_with_rest(
    cells: Cells,
    clusters: Clusters | None,
    inside: NDArray[np.bool_],
    measure: Measure,
    *,
    level: float = 0.05,
    least_samples: int = 100,
) -> Disparities:
    """Each slice against all samples outside it. ``cells.unit`` is the finest slice; ``inside`` (slices, finest).

    "gap": the slice has the larger calibration gap in size, of either sign. "error": its debiased ECE is higher. A
    slice with fewer than ``least_samples`` inside or outside is unknown and not one of the family.
    """
    row, column = np.nonzero(inside)
    within = np.stack([column, row], axis=1).astype(np.int64)
    slices = inside.shape[0]
    own, own_n = _measured(cells, clusters, within, slices, measure)
    rest, rest_n = _measured(cells, clusters, rest_pairs(inside), slices, measure)
    few = np.minimum(own_n, rest_n) < least_samples
    own[:, few] = np.nan
    return disparities(own, rest, level=level, worse_only=measure == "error")


def disparities(own: Floats, rest: Floats, *, level: float, worse_only: bool) -> Disparities:
    """From (3, slices) estimates with their 95 % bounds (estimate, lower, upper) of independent samples.

    The deviations of both towards each other add in squares (MOVER, Zou & Donner 2008), so bounds that are not
    symmetric serve too; p from the multiple of them that the difference is; Holm's adjustment over known slices.
    """
    difference = own[0] - rest[0]
    down = np.sqrt((own[0] - own[1]) ** 2 + (rest[2] - rest[0]) ** 2) / Z_TWO_SIDED_95
    up = np.sqrt((own[2] - own[0]) ** 2 + (rest[0] - rest[1]) ** 2) / Z_TWO_SIDED_95
    known = np.isfinite(difference) & np.isfinite(down) & np.isfinite(up)
    family = max(int(known.sum()), 1)
    if worse_only:
        single, reach = _tail(difference, down), -ndtri(level / family)
        upper = np.where(known, np.inf, np.nan)
    else:
        single, reach = _larger_in_size(own, rest), -ndtri(level / (2 * family))
        upper = np.where(known, difference + reach * up, np.nan)
    adjusted = np.full(difference.shape, np.nan)
    adjusted[known] = holm(single[known])
    lower = np.where(known, difference - reach * down, np.nan)
    return Disparities(np.where(known, difference, np.nan), lower, upper, adjusted)


def _tail(difference: Floats, deviation: Floats) -> Floats:
    """One-sided normal p-value; 1/2 where the deviation is 0 or unknown."""
    p_value: Floats = ndtr(-ratio(difference, deviation, 0.0))
    return p_value


def _larger_in_size(own: Floats, rest: Floats) -> Floats:
    """p-value of |own| ≤ |rest|: own − rest and own + rest must both be beyond 0 on the side of own.

    An intersection–union test: each at its own level, doubled for the two sides.
    """
    flip = own[0] < 0
    own, rest = (np.where(flip, -side[[0, 2, 1]], side) for side in (own, rest))
    down = own[0] - own[1]
    apart = _tail(own[0] - rest[0], np.sqrt(down**2 + (rest[2] - rest[0]) ** 2) / Z_TWO_SIDED_95)
    beyond = _tail(own[0] + rest[0], np.sqrt(down**2 + (rest[0] - rest[1]) ** 2) / Z_TWO_SIDED_95)
    p_value: Floats = np.minimum(2 * np.maximum(apart, beyond), 1.0)
    return p_value


def holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values: naming those ≤ level keeps the family-wise error at level under any dependence."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(p_values.size, 0, -1)
    adjusted = np.empty(p_values.shape)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _measured(
    cells: Cells, clusters: Clusters | None, pairs: Ints, slices: int, measure: Measure
) -> tuple[Floats, Floats]:
    """((estimate, lower, upper), samples) per slice: (3, slices) and (slices,)."""
    bins = ScoreBins.from_cells(cells.regrouped(pairs), slices)
    variance = ResidualVariance.estimate(bins, None if clusters is None else clusters.regrouped(pairs))
    total = bins.n.sum(axis=1)
    if measure == "gap":
        estimate = ratio(bins.residual.sum(axis=1), total)
        lower, upper = gap_interval(bins, variance)
    else:
        estimate = debiased_ece(bins, variance)
        lower, upper = ece_interval(bins, variance)
    return np.stack([estimate, np.minimum(lower, estimate), np.maximum(upper, estimate)]), total
