"""The reference "deployment": outcome rates as they were when a version went live, known up to a confidence band.

Drift is then judged against that curve rather than against perfect calibration. The curve is estimated, and betting
against the estimate itself raises several times the promised alarms; betting against a band that holds the whole true
curve with probability ``confidence`` keeps the promise on that event. The samples of the reference must not be judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betainccinv, betaincinv, chdtrc, expit, gammaincinv, logit

from monitor.statistics.arrays import Floats, Ints, mark_starts, totals
from monitor.statistics.cells import FINE_BINS, LOGIT_LIMIT, Cells, fine_bin_middle, fine_bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, Tolerance, detector_bin_of
from monitor.statistics.drift.groups import GroupRows, GroupSums

LEAST_FIT_P = 0.1  # a logistic curve that fits worse than this gives way to bins
_LEAST_VARIANCE = 3.0  # a bin with less residual variance joins its neighbour in the test of fit
_LEAST_OUTCOMES = 10.0  # of either kind, below which normal approximations of the fit are not trusted


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Bounds of logit(outcome rate) − logit(score) per fine bin, each (192,), −inf and inf where nothing is known.

    ``kind`` says which band it is, ``fit_p`` how well a curve fits (None where it was not fitted), ``samples``
    how many samples it rests on, each group counting as one.
    """

    kind: Literal["logistic", "quadratic", "bins"]
    lower: Floats
    upper: Floats
    samples: float
    fit_p: float | None


def reference_bands(
    references: Sequence[Reference | None], cells: Cells, buckets: int, tolerance: Tolerance
) -> tuple[Floats, Floats]:
    """(lower, upper) tolerated rates (slices, buckets, 12) of slices with a reference each, for ``Block``.

    ``cells.unit`` is ``slice · buckets + bucket``. The band is taken at each cell's mean score, averaged by weight
    over the cells of a bin, and widened by the tolerance. Bins without samples, and slices without a reference, get 0
    and 1: nothing is drift there.

    >>> from monitor.statistics.cells import Cells
    >>> cells = Cells.from_samples([0.7] * 10, [1] * 10)
    >>> lower, upper = reference_bands([None], cells, 1, Tolerance())
    >>> lower.shape, float(lower.max()), float(upper.min())
    ((1, 1, 12), 0.0, 1.0)
    """
    present = cells.weight > 0
    unit, weights = cells.unit[present], cells.weight[present]
    centre = clipped_logit(cells.weight_score[present], weights)
    fine, size = fine_bin_of(cells.bin[present]), len(references) * buckets * DETECTOR_BINS
    slot = unit * DETECTOR_BINS + detector_bin_of(cells.bin[present])
    weight = totals(slot, weights, size)
    sides = []
    for bound, otherwise in zip(_bounds(references), (0.0, 1.0), strict=True):
        rate = totals(slot, weights * expit(centre + bound[unit // max(buckets, 1), fine]), size)
        mean = np.divide(rate, weight, out=np.full(size, otherwise), where=weight > 0)
        sides.append(np.clip(mean, 0.0, 1.0).reshape(len(references), buckets, DETECTOR_BINS))
    return tolerance.lower_rate(sides[0]), tolerance.upper_rate(sides[1])


def _bounds(references: Sequence[Reference | None]) -> tuple[Floats, Floats]:
    unknown = np.full(FINE_BINS, np.inf)
    return (
        np.array([-unknown if one is None else one.lower for one in references]).reshape(-1, FINE_BINS),
        np.array([unknown if one is None else one.upper for one in references]).reshape(-1, FINE_BINS),
    )


def judge_groups(references: Sequence[Reference | None], fine: GroupSums, tolerance: Tolerance) -> GroupRows:
    """What is judged of groups, by detector bin, from their sums by fine bin.

    What is tolerated is the mean of the band over a group's fine bins, then widened: the band at a mean score may be another,
    since that of a fitted curve need not be concave.

    >>> sums = GroupSums.of([0, 0], [0, 0], [4, 4], [104, 105], [1, 1], [0.74, 0.76], [0, 1])
    >>> rows = judge_groups([None], sums, Tolerance())
    >>> rows.n.tolist(), rows.lower.tolist(), rows.upper.tolist()
    ([2.0], [0.0], [1.0])
    """
    part = detector_bin_of(fine.bin.astype(np.int16))
    starts = mark_starts(fine.position, fine.row, fine.group, part)
    first = np.flatnonzero(starts)

    def summed(column: Floats) -> Floats:
        return np.add.reduceat(column, first) if first.size else column

    centre = clipped_logit(fine.score, fine.n)
    n = summed(fine.n)
    lower, upper = (
        np.clip(summed(fine.n * expit(centre + bound[fine.row, fine.bin])) / n, 0.0, 1.0)
        for bound in _bounds(references)
    )
    return GroupRows(
        fine.row[first], fine.position[first], fine.group[first], part[first], n, summed(fine.outcome),
        tolerance.lower_rate(lower), tolerance.upper_rate(upper),
    )  # fmt: skip


def fit_fine_sums(weight: Floats, score: Floats, outcome: Floats, confidence: float = 0.99) -> Reference:
    """Return the band of one slice's curve from its first matured samples, as the sums Σw, Σwp and Σwy per fine bin (192,).

    Logistic band: logit(rate) = α + β·logit(p) by weighted maximum likelihood, ± √(χ²_{2, confidence})·sd, which holds
    at all scores at once (Scheffé). Used when a χ² test over detector bins does not find it lacking (p ≥ 0.1) and
    each outcome was seen ten times. Otherwise bins: Clopper–Pearson per detector bin with the error split over 12 bins,
    taken as an offset from the bin's mean score. For samples without groups: ``fit_groups``.
    Raises ValueError without samples, or unless confidence lies in (0, 1).

    >>> weight = np.zeros(FINE_BINS)
    >>> weight[96] = 100.0
    >>> fit_fine_sums(weight, weight / 2, weight / 2).kind
    'bins'
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1) (got {confidence})")
    fine = np.flatnonzero(weight > 0)
    weight, score, outcome = weight[fine], score[fine], outcome[fine]
    if not weight.size:
        raise ValueError("a reference needs labelled samples (got none)")
    centre = clipped_logit(score, weight)
    column, total = detector_bin_of(fine.astype(np.int16)), float(weight.sum())
    fit_p = None
    if min(outcome.sum(), total - outcome.sum()) >= _LEAST_OUTCOMES:
        design = np.stack([np.ones(centre.size), centre], axis=1)
        fitted = fit_curve(design, weight, outcome, np.array([0.0, 1.0]))
        if fitted is not None:
            fit_p = _fit_p(fitted[0], centre, weight, outcome, column)
            if fit_p >= LEAST_FIT_P:
                lower, upper = _scheffe(*fitted, confidence)
                return Reference("logistic", lower, upper, total, fit_p)
    mean = totals(column, weight * expit(centre), DETECTOR_BINS)
    seen = totals(column, weight, DETECTOR_BINS)
    lower, upper = band_of_bins(seen, totals(column, outcome, DETECTOR_BINS), mean, confidence)
    return Reference("bins", lower, upper, total, fit_p)


def clipped_logit(score: Floats, weight: Floats) -> Floats:
    """The logit of mean scores Σwp/Σw, within ±12.

    >>> clipped_logit(np.array([0.5, 2.0]), np.array([1.0, 2.0])).tolist()
    [0.0, 12.0]
    """
    with np.errstate(divide="ignore"):
        clipped: Floats = np.clip(logit(np.clip(score / weight, 0.0, 1.0)), -LOGIT_LIMIT, LOGIT_LIMIT)
    return clipped


def fit_curve(design: Floats, weight: Floats, outcome: Floats, start: Floats) -> tuple[Floats, Floats] | None:
    """θ of logit(rate) = ``design``·θ, (rows, k), and the inverse of its information (k, k), by Newton's method from ``start``
    (k,); None when it does not settle (separable samples).

    >>> design = np.array([[1.0, -1.0], [1.0, 1.0]])
    >>> found = fit_curve(design, np.array([100.0, 100.0]), np.array([50.0, 50.0]), np.array([0.0, 1.0]))
    >>> found is not None and (found[0].round(6) + 0.0).tolist()
    [0.0, 0.0]
    """
    found = start
    for _ in range(50):
        rate = expit(design @ found)
        information = design.T @ (design * (weight * rate * (1 - rate))[:, None])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1e10:
            return None
        step = np.linalg.solve(information, design.T @ (outcome - weight * rate))
        found = found + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            return found, np.linalg.inv(information)
    return None


def _fit_p(coefficient: Floats, centre: Floats, weight: Floats, outcome: Floats, column: Ints) -> float:
    """p-value of Σ (observed − expected)²/variance over detector bins, small bins joined; 1 with no bins to spare."""
    rate = expit(coefficient[0] + coefficient[1] * centre)
    residual = totals(column, outcome - weight * rate, DETECTOR_BINS)
    variance = totals(column, weight * rate * (1 - rate), DETECTOR_BINS)
    joined, kept = [], np.zeros(2)
    for pair in zip(residual, variance, strict=True):
        kept = kept + np.array(pair)
        if kept[1] >= _LEAST_VARIANCE:
            joined.append(kept[0] ** 2 / kept[1])
            kept = np.zeros(2)
    freedom = len(joined) - 2
    return float(chdtrc(freedom, sum(joined))) if freedom > 0 else 1.0


def _scheffe(coefficient: Floats, covariance: Floats, confidence: float) -> tuple[Floats, Floats]:
    x = logit(fine_bin_middle())
    design = np.stack([np.ones(FINE_BINS), x], axis=1)
    spread = np.sqrt(np.einsum("fi,ij,fj->f", design, covariance, design) * 2 * gammaincinv(1.0, confidence))
    offset = design @ coefficient - x
    return offset - spread, offset + spread


def band_of_bins(n: Floats, outcome: Floats, score: Floats, confidence: float) -> tuple[Floats, Floats]:
    """(lower, upper) offsets (192,) per fine bin: logit of the Clopper–Pearson bounds of its detector bin, which hold for all
    twelve at once with ``confidence``, less logit of the bin's mean score; from sums (12,) Σw, Σwy and Σwp.

    >>> lower, upper = band_of_bins(np.full(12, 100.0), np.full(12, 50.0), np.full(12, 50.0), 0.99)
    >>> lower.shape, round(float(upper[0]), 2)
    ((192,), 0.69)
    """
    tail = (1 - confidence) / (2 * DETECTOR_BINS)
    misses = np.maximum(n - outcome, 0.0)
    low = np.where(outcome > 0, betaincinv(np.maximum(outcome, 1e-9), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betainccinv(outcome + 1, np.maximum(misses, 1e-9), tail), 1.0)
    mean = np.divide(score, n, out=np.full(n.size, 0.5), where=n > 0)
    by_fine = detector_bin_of(np.arange(FINE_BINS).astype(np.int16))
    with np.errstate(divide="ignore"):
        return (logit(low) - logit(mean))[by_fine], (logit(high) - logit(mean))[by_fine]
