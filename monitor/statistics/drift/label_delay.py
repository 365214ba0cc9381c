"""Does the delay of a label depend on the outcome? Then early labels mislead, and no false-alarm budget holds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from monitor.statistics.arrays import Floats
from monitor.statistics.cells import bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, detector_bin_of

LEAST_OF_EACH = 20  # labels of either outcome below which nothing can be said


@dataclass(frozen=True, slots=True)
class DelayComparison:
    """``earlier`` is the probability that, of two samples of one score bin, the one with outcome 1 gets its label first
    (1/2 = no dependence), averaged over bins; ``p_value`` of 1/2, two-sided. ``median_true``, ``median_false``: median
    delays by outcome, all strata together, in the unit given. All None with too few labels of either outcome.
    """

    earlier: float | None
    p_value: float | None
    median_true: float | None
    median_false: float | None

    def depends(self, level: float = 0.01, least: float = 0.05) -> bool:
        """Whether to warn: clear at ``level``, and ``earlier`` is off one half by more than ``least``."""
        if self.earlier is None or self.p_value is None:
            return False
        return self.p_value <= level and abs(self.earlier - 0.5) > least


def compare_delays(
    score: ArrayLike, outcome: ArrayLike, delay: ArrayLike, stratum: ArrayLike | None = None
) -> DelayComparison:
    """Van Elteren's stratified rank test of delay against outcome within detector bins, since delay may follow score.

    ``stratum``: integer codes of further strata, such as versions and times: labels that are slow in a week in which
    much goes wrong are no dependence. Pass samples from buckets old enough that every label has arrived (older than the
    label horizon): among younger ones only quick labels are there, which hides what is asked. Grouped samples make p too
    small; pass one per group. Raises ValueError when lengths differ or delays are negative or not finite.

    >>> outcome = np.arange(400) % 2
    >>> found = compare_delays(np.full(400, 0.7), outcome, np.where(outcome > 0, 1.0, 9.0) + np.arange(400) % 7)
    >>> round(found.earlier, 2), found.median_true, found.median_false, found.depends()
    (1.0, 4.0, 12.0, True)
    """
    scores, outcomes, delays = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (score, outcome, delay))
    strata = np.zeros(scores.shape, dtype=np.int64) if stratum is None else np.atleast_1d(np.asarray(stratum))
    equal = scores.shape == outcomes.shape == delays.shape == strata.shape
    if not equal or not (np.isfinite(delays) & (delays >= 0)).all():
        raise ValueError("score, outcome, delay, stratum must be equally long, delays finite and not negative")
    true = outcomes > 0
    if min(int(true.sum()), int((~true).sum())) < LEAST_OF_EACH:
        return DelayComparison(None, None, None, None)
    _, code = np.unique(strata, return_inverse=True)
    code = code.reshape(-1) * DETECTOR_BINS + detector_bin_of(bin_of(scores))
    order = np.argsort(code, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(code[order])) + 1)
    parts = [_ranked(delays[rows], true[rows]) for rows in members]
    lead, variance, pairs = np.sum([part for part in parts if part is not None] or [np.zeros(3)], axis=0)
    if variance <= 0:
        return DelayComparison(None, None, None, None)
    p_value = float(2 * ndtr(-abs(lead) / np.sqrt(variance)))
    medians = float(np.median(delays[true])), float(np.median(delays[~true]))
    return DelayComparison(float(0.5 + lead / pairs), p_value, *medians)


def _ranked(delay: Floats, true: NDArray[np.bool_]) -> Floats | None:
    """(lead, its variance, weight) of one bin: Mann–Whitney's U less its mean, weighted by 1/(n + 1); None if unusable.

    Variance with ties: n₁n₀/12·[(n + 1) − Σ(t³ − t)/(n(n − 1))].
    """
    ones, n = float(np.count_nonzero(true)), float(delay.size)
    zeros = n - ones
    if min(ones, zeros) < 1:
        return None
    _, place, ties = np.unique(delay, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    later = float(ranks[true].sum()) - ones * (ones + 1) / 2  # pairs in which the true one comes later
    spread = ones * zeros / 12 * ((n + 1) - float((ties.astype(np.float64) ** 3 - ties).sum()) / (n * (n - 1)))
    weight = 1 / (n + 1)
    return np.array([weight * (ones * zeros / 2 - later), weight**2 * spread, weight * ones * zeros])
