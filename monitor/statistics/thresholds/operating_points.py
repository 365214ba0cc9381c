"""Decision thresholds: how each candidate does, and which is best by one measure. Predict positive when p ≥ t."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from monitor.statistics.arrays import Floats, ratio, totals

NEVER = float(np.nextafter(1.0, 2.0))  # the threshold no score reaches


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and the confusion counts it gives; counts may be fractions where samples are weighted.

    ``fn`` counts positives that no sample stands for, too; NaN where nobody knows how many these are.
    """

    threshold: float
    tp: float
    fp: float
    fn: float
    tn: float


@dataclass(frozen=True, slots=True, eq=False)
class OperatingPoints:
    """All candidates, thresholds descending: the first predicts nothing positive (``NEVER``), the last everything."""

    threshold: Floats
    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats

    def __len__(self) -> int:
        return int(self.threshold.size)

    def __getitem__(self, index: int) -> OperatingPoint:
        columns = (self.threshold, self.tp, self.fp, self.fn, self.tn)
        return OperatingPoint(*(float(column[index]) for column in columns))

    def at(self, threshold: float) -> OperatingPoint:
        """The counts at any threshold: those of the smallest candidate not below it.

        Exact, as candidates are all observed scores.
        """
        index = max(int(np.searchsorted(-self.threshold, -threshold, side="right")) - 1, 0)
        return replace(self[index], threshold=threshold)


def operating_points(
    score: ArrayLike, outcome: ArrayLike, *, n: ArrayLike | None = None, missed: float = 0.0
) -> OperatingPoints:
    """Candidates at each distinct observed score. With ``n`` rows are pre-counted, and outcomes shares.

    ``missed``: positives that no sample stands for, which are false negatives at each threshold; NaN: unknown how many.

    Raises ValueError when a score is not in [0, 1] or lengths differ.

    >>> points = operating_points([0.2, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    >>> points.threshold[1:].tolist(), points.tp.tolist()
    ([0.9, 0.6, 0.4, 0.2], [0.0, 1.0, 1.0, 2.0, 2.0])
    """
    scores = np.atleast_1d(np.asarray(score, dtype=np.float64))
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must lie in [0, 1] (got one outside, or NaN)")
    count = np.ones(scores.shape) if n is None else np.atleast_1d(np.asarray(n, dtype=np.float64))
    hits = count * np.asarray(outcome, dtype=np.float64)
    if not scores.shape == count.shape == np.atleast_1d(hits).shape:
        raise ValueError(f"score, outcome and n must have equal length ({scores.size} scores)")
    distinct, code = np.unique(scores, return_inverse=True)
    per_score = totals(code, count, distinct.size)
    true = totals(code, np.atleast_1d(hits), distinct.size)
    tp = np.concatenate([[0.0], np.cumsum(true[::-1])])
    fp = np.concatenate([[0.0], np.cumsum((per_score - true)[::-1])])
    return OperatingPoints(np.concatenate([[NEVER], distinct[::-1]]), tp, fp, tp[-1] - tp + missed, fp[-1] - fp)


def _best(points: OperatingPoints, value: Floats) -> OperatingPoint | None:
    """The candidate with the largest value, the higher threshold on a tie; None when no value is known."""
    return None if np.isnan(value).all() else points[int(np.nanargmax(value))]


def best_fbeta(points: OperatingPoints, beta: float) -> OperatingPoint | None:
    """Largest Fβ = (1 + β²)tp / ((1 + β²)tp + β²fn + fp), with fn of all truths: tp + fn = positives + missed.

    None without positives, or where the missed are unknown; ties go to the higher threshold.

    >>> points = operating_points([0.2, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    >>> best_fbeta(points, 0.5).threshold, best_fbeta(points, 2.0).threshold
    (0.9, 0.4)
    """
    if points.tp[-1] == 0:
        return None
    weighted = (1 + beta**2) * points.tp
    return _best(points, ratio(weighted, weighted + beta**2 * points.fn + points.fp))


def youden(points: OperatingPoints) -> OperatingPoint | None:
    """Largest true positive rate − false positive rate (Youden 1950). None unless both outcomes were seen.

    >>> points = operating_points([0.2, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    >>> youden(points).threshold
    0.9
    """
    return _best(points, ratio(points.tp, points.tp + points.fn) - ratio(points.fp, points.fp + points.tn))


def _check_costs(fp: float, fn: float) -> None:
    if not (0 < fp < np.inf and 0 < fn < np.inf):
        raise ValueError(f"costs must be positive numbers (got fp={fp:g}, fn={fn:g})")


def cost_threshold(fp: float, fn: float, *, rate: float | None = None, prior: float | None = None) -> float:
    """C_FP / (C_FP + C_FN): where a calibrated score makes both decisions cost the same (Elkan 2001).

    With ``rate``, the rate of positives the scores are calibrated on, and ``prior``, that where the threshold will be
    used, the threshold on the scores as they are: odds(t) = C_FP/C_FN · odds(rate)/odds(prior), which is the same as
    shifting each score's odds by odds(prior)/odds(rate) (Saerens et al. 2002). Raises ValueError on costs that are not
    positive, and on rates outside (0, 1).

    >>> cost_threshold(1, 4), round(cost_threshold(1, 1, rate=0.5, prior=0.1), 3)
    (0.2, 0.9)
    """
    _check_costs(fp, fn)
    if rate is None or prior is None:
        return fp / (fp + fn)
    if not (0 < rate < 1 and 0 < prior < 1):
        raise ValueError(f"rate and prior must lie between 0 and 1 (got {rate:g} and {prior:g})")
    log_odds = math.log(fp / fn) + math.log(rate / (1 - rate)) - math.log(prior / (1 - prior))
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0


def minimum_cost(points: OperatingPoints, fp: float, fn: float) -> OperatingPoint | None:
    """The candidate with the least C_FP·fp + C_FN·fn in the samples, which need no calibrated scores; it may be
    ``NEVER``. Positives that no sample stands for are missed at every threshold: they add the same to the cost of each,
    so the choice is the same however many they are, and where nobody knows. None without samples; ties go to the higher
    threshold. Raises ValueError on costs that are not positive.

    >>> points = operating_points([0.2, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    >>> minimum_cost(points, 1, 4).threshold
    0.4
    """
    _check_costs(fp, fn)
    return _best(points, -(fp * points.fp + fn * (points.tp[-1] - points.tp))) if len(points) > 1 else None
