"""Whether one threshold is better than another by what a policy optimises, on samples that chose neither."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.paired_loss import Improvement
from monitor.statistics.thresholds.choice import ScoredSamples
from monitor.statistics.thresholds.policies import Policy

_NOTHING = 1e-300  # in place of a sum that is 0, whose numerator then is 0 too


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Of each group: what a threshold gives, and what there is."""

    tp: Floats
    fp: Floats
    positives: Floats
    negatives: Floats


def compare_thresholds(
    policy: Policy, samples: ScoredSamples, new: float, current: float, confidence: float
) -> Improvement:
    """Return by how much ``new`` betters ``current``, in Fβ, in Youden's index or in cost per sample, paired by group.

    Each is a ratio of sums over groups, or two of them; the variance is that of the linearised ratios (Cochran 1977, §6.4). The
    quantile is Student's with one degree of freedom for each group in which the two differ: the others tell nothing of the
    difference. ``groups`` is their number; bounds are NaN below two of them. Raises ValueError for a promise, and where the
    samples do not hold what the policy is about.

    >>> from monitor.statistics.thresholds.policies import parse_policy
    >>> samples = ScoredSamples(np.array([0.2, 0.4, 0.6, 0.9] * 50), np.array([0.0, 0.0, 1.0, 1.0] * 50))
    >>> found = compare_thresholds(parse_policy("f1"), samples, 0.5, 0.3, 0.95)
    >>> round(found.mean, 3), bool(found.lower > 0), found.groups
    (0.2, True, 50)
    """
    if policy.is_promise:
        raise ValueError(f"{policy.text} is a promise: it is kept or not, and no threshold is better by it")
    if samples.missed is None and policy.needs_recall:
        raise ValueError(f"{policy.text} cannot be told where nobody knows what was missed")
    units = _units(samples.group, len(samples))
    sums = [_sum_groups(samples, units, threshold) for threshold in (new, current)]
    values, residuals = zip(*(_utility(policy, one) for one in sums), strict=True)
    differing = int(np.count_nonzero((sums[0].tp != sums[1].tp) | (sums[0].fp != sums[1].fp)))
    residual = residuals[0] - residuals[1]
    mean, reach = values[0] - values[1], float("nan")
    if differing > 1:
        deviation = float(np.sqrt(differing / (differing - 1) * (residual @ residual)))
        reach = float(stdtrit(differing - 1, confidence)) * deviation
    return Improvement(mean, mean - reach, mean + reach, confidence, len(samples), differing)


def _units(group: Ints | None, count: int) -> Ints:
    """The number of each sample's group from 0 on; samples of none are alone."""
    if group is None:
        return np.arange(count, dtype=np.int64)
    alone = group < 0
    codes = np.where(alone, group.max(initial=0) + 1 + np.arange(count), group)
    return np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _sum_groups(samples: ScoredSamples, units: Ints, threshold: float) -> _Sums:
    n = np.ones(len(samples)) if samples.n is None else samples.n
    count = int(units.max(initial=-1)) + 1
    right, shown = n * samples.outcome, samples.score >= threshold
    sums = [
        totals(units, column, count)
        for column in (np.where(shown, right, 0.0), np.where(shown, n - right, 0.0), right, n - right)
    ]
    # what was missed is found by neither threshold: each by itself
    missed = 0 if samples.missed is None else len(samples.missed)
    more = (0.0, 0.0, 1.0, 0.0)
    return _Sums(*(np.append(one, np.full(missed, each)) for one, each in zip(sums, more, strict=True)))


def _utility(policy: Policy, sums: _Sums) -> tuple[float, Floats]:
    """(the utility, what each group adds to its error)."""
    positives, negatives = float(sums.positives.sum()), float(sums.negatives.sum())
    if policy.kind == "fbeta":
        below = sums.tp + sums.fp + policy.beta**2 * sums.positives
        return _ratio((1 + policy.beta**2) * sums.tp, below)
    if policy.kind == "youden":
        hit, alarm = _ratio(sums.tp, sums.positives), _ratio(sums.fp, sums.negatives)
        return hit[0] - alarm[0], hit[1] - alarm[1]
    fp, fn, rate = policy.fp, policy.fn, positives / max(positives + negatives, _NOTHING)
    if policy.prior is not None and 0 < rate < 1:
        fp, fn = fp * (1 - policy.prior) / (1 - rate), fn * policy.prior / rate
    value, parts = _ratio(fp * sums.fp + fn * (sums.positives - sums.tp), sums.positives + sums.negatives)
    return -value, -parts


def _ratio(top: Floats, below: Floats) -> tuple[float, Floats]:
    total = max(float(below.sum()), _NOTHING)
    value = float(top.sum()) / total
    return value, (top - value * below) / total
