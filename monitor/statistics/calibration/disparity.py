"""Is a slice served worse than the rest of its model? Excess error of each slice, bounded for all slices at once."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from monitor.statistics.arrays import Floats, Ints, ratio, totals
from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins, sum_levels
from monitor.statistics.calibration.ece import debiased_ece, ece_interval
from monitor.statistics.cells import ALL_BINS, Cells, Clusters
from monitor.statistics.intervals import gap_interval

Measure = Literal["gap", "error"]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Each unit (a slice of a model version) against the rest of that version; arrays of shape (units,) and (k, units).

    ``own`` and ``rest`` are the calibration gap or the debiased ECE of either side, ``difference`` how much worse the
    slice is: |own| − |rest| for the gap, whichever signs they have, own − rest for the error. All are NaN where one side
    has no samples. ``contrasts`` (k, units) are the k differences that are all above x exactly if the slice is worse by
    more than x: own − rest, and for the gap own + rest too, both with the sign of own; ``deviations`` their standard
    deviations towards 0, with ``freedom`` degrees of freedom.
    """

    measure: Measure
    own: Floats
    rest: Floats
    difference: Floats
    contrasts: Floats
    deviations: Floats
    freedom: Floats
    samples: Floats
    rest_samples: Floats

    @property
    def sides(self) -> int:
        """Two where the sign of own decides which contrasts are looked at, so that each has half of the level."""
        return len(self.contrasts)


@dataclass(frozen=True, slots=True, eq=False)
class Disparities:
    """What ``assess_disparities`` says of each unit, shape (units,); NaN where it is unknown or was not to be judged.

    With probability 1 − level at least, *all* slices are worse than their rest by ``lower`` or more: naming those with
    lower ≥ above names any slice wrongly with probability ≤ level. ``p_value`` is Holm's adjusted one of "worse by no
    more than above", at most level exactly where lower ≥ above. ``lower_alone`` is the bound of one slice looked at
    alone, at twice the level. ``family`` is the number of slices judged.

    This holds at one evaluation. Windows overlap and are read again and again: over many evaluations together a slice
    is wrongly named more often.
    """

    lower: Floats
    lower_alone: Floats
    p_value: Floats
    family: int


def compare_with_rest(cells: Cells, clusters: Clusters | None, whole: Ints, kin: Ints, measure: Measure) -> Comparison:
    """Compare each unit of ``cells`` with its whole less itself.

    ``whole`` (units,): the unit that holds all samples of the same version. ``kin`` (units,): a number below units that
    a unit shares with those that make up the same whole together without overlap (``camera=…`` of a version); it serves
    to see whether groups span slices. A unit that is its own whole has no rest and is unknown.

    The rest is exact by subtraction, as all sums are additive. So is C_rest = C_whole − C_slice where every group lies
    in one slice of its kin, which is so where their numbers of groups add up to the whole's. Where groups span slices
    (an image whose boxes are of several classes) the sums do not tell the covariance of the slice with its rest, so the
    worst is assumed: √V_rest ≤ √V_whole + √V_slice (Minkowski), and the deviations of both sides add up in full.
    Elsewhere both sides are independent and their deviations add in squares, each towards the other (MOVER, Zou &
    Donner 2008), so bounds that are not symmetric serve too.

    >>> score, unit = np.full(600, 0.8), np.repeat([1, 2], 300)
    >>> outcome = np.concatenate([np.arange(300) % 5 > 0, np.arange(300) % 2 > 0]).astype(float)
    >>> parts = Cells.from_samples(score, outcome, unit=unit)
    >>> cells = parts.regroup(np.array([[1, 0], [2, 0], [1, 1], [2, 2]]))
    >>> found = compare_with_rest(cells, None, np.zeros(3, np.int64), np.array([0, 1, 1]), "gap")
    >>> found.own.round(2).tolist(), found.rest.round(2).tolist()
    ([0.15, 0.0, 0.3], [nan, 0.3, 0.0])
    """
    units = whole.size
    bins = ScoreBins.from_cells(cells, units)
    variance = ResidualVariance.estimate(bins, clusters)
    rest, rest_variance, spanning = _rest(bins, variance, clusters, whole, kin)
    own, other = _estimated(bins, variance, measure), _estimated(rest, rest_variance, measure)
    samples, rest_samples = bins.n.sum(axis=1), rest.n.sum(axis=1)
    own[:, samples == 0], other[:, rest_samples == 0] = np.nan, np.nan
    flip = (own[0] < 0) & (measure == "gap")
    towards, away = (np.where(flip, -side[[0, 2, 1]], side) for side in (own, other))
    sides = [away, -away[[0, 2, 1]]] if measure == "gap" else [away]
    contrasts = np.stack([towards[0] - side[0] for side in sides])
    near = towards[0] - towards[1]
    far = np.stack([side[2] - side[0] for side in sides])
    deviations = np.where(spanning, near + far, np.sqrt(near**2 + far**2))
    return Comparison(
        measure=measure,
        own=own[0],
        rest=other[0],
        difference=contrasts.min(axis=0),
        contrasts=contrasts,
        deviations=deviations,
        freedom=np.maximum(np.minimum(variance.groups, rest_variance.groups) - 1, 1.0),
        samples=samples,
        rest_samples=rest_samples,
    )


def assess_disparities(found: Comparison, chosen: Flags, *, level: float, above: float = 0.0) -> Disparities:
    """Which of the ``chosen`` (units,) are worse than their rest by more than ``above``, all at once at ``level``.

    For the gap an intersection–union test: both contrasts beyond ``above``, doubled for the two signs own can have.
    Bounds are Bonferroni's; Holm names a few more slices, for which ``above`` itself is the bound, and the others then
    share the level among themselves (Strassburger & Bretz 2008).

    >>> score, unit = np.full(600, 0.8), np.repeat([1, 2], 300)
    >>> outcome = np.concatenate([np.arange(300) % 5 > 0, np.arange(300) % 2 > 0]).astype(float)
    >>> parts = Cells.from_samples(score, outcome, unit=unit)
    >>> cells = parts.regroup(np.array([[1, 0], [2, 0], [1, 1], [2, 2]]))
    >>> found = compare_with_rest(cells, None, np.zeros(3, np.int64), np.array([0, 1, 1]), "gap")
    >>> named = assess_disparities(found, np.array([False, True, True]), level=0.05)
    >>> named.family, (named.lower > 0).tolist()
    (2, [False, False, True])
    """
    known = chosen & np.isfinite(found.difference) & (found.deviations > 0).all(axis=0)
    single = np.minimum(found.sides * _tail(found, above).max(axis=0), 1.0)
    adjusted = np.full(single.shape, np.nan)
    adjusted[known] = holm(single[known])
    named = known & (adjusted <= level)
    family, others = int(known.sum()), int((known & ~named).sum())
    first, last = _bound(found, level / max(family, 1)), _bound(found, level / max(others, 1))
    lower = np.where(named, np.maximum(first, above), last)
    alone = _bound(found, 2 * level)
    return Disparities(np.where(known, lower, np.nan), np.where(known, alone, np.nan), adjusted, family)


def holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values: naming those ≤ level keeps the family-wise error at level under any dependence.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(p_values.size, 0, -1)
    adjusted = np.empty(p_values.shape)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _tail(found: Comparison, above: float) -> Floats:
    """(k, units): one-sided Student p-values of "the contrast is at most above"."""
    p_values: Floats = stdtr(found.freedom, -ratio(found.contrasts - above, found.deviations, 0.0))
    return p_values


def _bound(found: Comparison, level: float) -> Floats:
    """(units,): what the difference is at least, one slice looked at alone, with probability 1 − level."""
    reach = stdtrit(found.freedom, 1 - level / found.sides)
    lower: Floats = (found.contrasts - reach * found.deviations).min(axis=0)
    return lower


def _estimated(bins: ScoreBins, variance: ResidualVariance, measure: Measure) -> Floats:
    """(3, units): the estimate, and one standard deviation below and above it, as its 95 % interval has them."""
    if measure == "gap":
        estimate = ratio(bins.residual.sum(axis=1), bins.n.sum(axis=1))
        (lower, upper), reach = gap_interval(bins, variance), variance.total_quantile(0.95)
    else:
        estimate = debiased_ece(bins, variance)
        (lower, upper), reach = ece_interval(bins, variance), variance.quantile(0.95)
    below, above = np.maximum(estimate - lower, 0.0) / reach, np.maximum(upper - estimate, 0.0) / reach
    return np.stack([estimate, estimate - below, estimate + above])


def _rest(
    bins: ScoreBins, variance: ResidualVariance, clusters: Clusters | None, whole: Ints, kin: Ints
) -> tuple[ScoreBins, ResidualVariance, Flags]:
    """All samples of a unit's whole outside it, how much they vary, and where groups span slices."""
    left = bins.n[whole] - bins.n > 0.5  # counts are exact; what rounding leaves in an empty bin is none
    columns = (getattr(bins, field.name) for field in fields(ScoreBins))
    rest = ScoreBins(*(np.where(left, column[whole] - column, 0.0) for column in columns))
    if clusters is None:
        return rest, ResidualVariance.estimate(rest, None), np.zeros(whole.size, dtype=np.bool_)
    groups, squares = sum_levels(clusters, whole.size)
    counted = groups[:, 0]
    together = totals(kin, counted, whole.size)[kin]
    spanning = np.abs(together - counted[whole]) > 0.5
    outside, outside_squares = groups[whole] - groups, np.maximum(squares[whole] - squares, 0.0)
    unit, level = np.nonzero(outside > 0.5)
    inside_one = Clusters(
        unit.astype(np.int64), (level + ALL_BINS).astype(np.int16), outside_squares[unit, level], outside[unit, level]
    )
    exact = ResidualVariance.estimate(rest, inside_one)
    others = totals(kin, np.ones(whole.size), whole.size)[kin] - 1
    # groups in the rest: those with no sample in the slice, and no fewer than an average slice of the others has
    at_least = np.maximum(counted[whole] - counted, ratio(together - counted, others, 0.0))
    return rest, _where(spanning, _widest(bins, rest, variance, whole, at_least), exact), spanning


def _widest(
    bins: ScoreBins, rest: ScoreBins, variance: ResidualVariance, whole: Ints, groups: Floats
) -> ResidualVariance:
    """The most that the rest can vary where its covariance with the slice is not known."""
    implied = variance.if_calibrated(bins)
    per_bin = np.where(rest.n > 0, _at_most(variance.per_bin, whole), 0.0)
    return ResidualVariance(
        per_bin=per_bin,
        total=_at_most(variance.total, whole),
        squares=variance.squares[whole],
        groups=groups,
        grouped=variance.grouped,
        between_bins=np.maximum(variance.between_bins[whole], variance.between_bins),
        design=ratio(_at_most(implied, whole), rest.score_variance, 1.0),
        freedom=np.minimum(variance.freedom[whole], variance.freedom),
        total_freedom=np.minimum(variance.total_freedom[whole], variance.total_freedom),
    )


def _at_most(variance: Floats, whole: Ints) -> Floats:
    """Of the difference between the whole and a unit: (√V_whole + √V)²."""
    most: Floats = (np.sqrt(variance[whole]) + np.sqrt(variance)) ** 2
    return most


def _where(chosen: Flags, one: ResidualVariance, other: ResidualVariance) -> ResidualVariance:
    """``one`` for the chosen units, ``other`` for the rest of them."""
    picked = {}
    for field in fields(ResidualVariance):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if first is not None and second is not None:
            picked[field.name] = np.where(chosen if second.ndim == 1 else chosen[:, None], first, second)
    return ResidualVariance(**picked)
