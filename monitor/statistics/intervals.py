"""Exact bounds of rates, and what is left of a sample's size when its members come in groups."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, gammaincinv, stdtrit

from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.calibration.bins import PRIOR_SAMPLES, ResidualVariance, ScoreBins

Z_95 = 1.959963984540054


def wilson(successes: Floats, trials: Floats, z: Floats | float = Z_95) -> tuple[Floats, Floats]:
    """Wilson's score interval of a rate, elementwise; NaN where there are no trials. Counts may be fractions.

    (r + z²/2n ± z·√(r(1−r)/n + z²/4n²)) / (1 + z²/n) with r = successes/trials (Wilson 1927). It stays within [0, 1]
    and stays wide when every outcome was alike.

    >>> [bound.round(3).tolist() for bound in wilson(np.array([0.0, 5.0]), np.array([10.0, 10.0]))]
    [[0.0, 0.237], [0.278, 0.763]]
    """
    rate, pull = ratio(successes, trials), ratio(np.broadcast_to(np.square(z), np.shape(trials)), trials)
    center = rate + pull / 2
    half = np.sqrt(np.maximum(rate * (1 - rate), 0.0) * pull + pull**2 / 4)
    lower = np.where(rate <= 0, 0.0, np.clip((center - half) / (1 + pull), 0.0, 1.0))
    return lower, np.where(rate >= 1, 1.0, np.clip((center + half) / (1 + pull), 0.0, 1.0))


def gap_interval(bins: ScoreBins, variance: ResidualVariance, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Interval (lower, upper) of the calibration gap E[p − y], each (units,); gap > 0 is over-confidence.

    Mean score minus Wilson's interval of the outcome rate, taken at n_eff = N·ȳ(1−ȳ)/(V/N), so that it has the width
    1.96·√V/N in the middle and does not collapse to a point when nearly all outcomes are alike. V and ȳ(1−ȳ) are both
    shrunk a little towards what the scores imply, by as much as five groups (or samples, without groups) tell. With
    groups the quantile is Student's (``dependence``).

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> [bound.round(3).tolist() for bound in gap_interval(bins, ResidualVariance.estimate(bins, None))]
    [[0.004], [0.513]]
    """
    total, outcomes = bins.n.sum(axis=1), bins.outcome.sum(axis=1)
    mean_score, rate = ratio(bins.score.sum(axis=1), total, 0.0), ratio(outcomes, total, 0.0)
    spread = variance.groups * rate * (1 - rate) + PRIOR_SAMPLES * mean_score * (1 - mean_score)
    per_sample = np.maximum(spread, 0.0) / (variance.groups + PRIOR_SAMPLES)
    dispersion = ratio(ratio(variance.total, total, 0.0), per_sample, 1.0)  # 1 = binomial
    effective = ratio(total, dispersion, 0.0)
    effective = np.where(effective > 0, effective, total)
    low, high = wilson(rate * effective, effective, variance.total_quantile(confidence))
    return np.where(total > 0, mean_score - high, np.nan), np.where(total > 0, mean_score - low, np.nan)


_BISECTIONS = 24  # narrows [0, 1] to 6e-8


def solve(increasing: Callable[[Floats], Floats], target: Floats) -> Floats:
    """θ in [0, 1] with increasing(θ) = target, per unit; 0 or 1 where the target lies beyond.

    >>> solve(lambda theta: theta**2, np.array([0.25, 4.0])).round(6).tolist()
    [0.5, 1.0]
    """
    low, high = np.zeros(target.size), np.ones(target.size)
    reached = increasing(low) >= target
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = increasing(middle) >= target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(reached, 0.0, high)


def gamma_quantile(mean: Floats, variance: Floats, third: Floats, z: Floats) -> Floats:
    """Quantile at normal deviate ``z`` of the gamma with these moments (third central), by Wilson & Hilferty (1931).

    Within 7 % of a standard deviation for a χ² of one degree, where a third-order expansion in z is off by 30 %.

    >>> one = np.ones(1)
    >>> gamma_quantile(one, one, 2 * one, 1.645 * one).round(2).tolist()  # exponential: −ln 0.05 = 3.00
    [2.97]
    """
    deviation = np.sqrt(variance)
    skew = np.maximum(ratio(third, deviation**3, 0.0), 1e-6)
    cube = np.maximum(1 + skew * z / 6 - skew**2 / 36, 0.0) ** 3
    quantile: Floats = mean + deviation * 2 / skew * (cube - 1)
    return quantile


def clopper_pearson(successes: Floats, trials: Floats, confidence: float) -> tuple[Floats, Floats]:
    """(lower, upper) bounds of a rate, each one-sided at ``confidence`` (Clopper & Pearson 1934), elementwise.

    Exact for whole numbers of independent trials; with fractions (an effective sample size) the same formula is meant
    as an approximation (Korn & Graubard 1998). NaN where there are no trials; lower is 0 without a success, upper 1
    without a failure.

    >>> [bound.round(4).tolist() for bound in clopper_pearson(np.array([0.0, 9.0]), np.array([10.0, 10.0]), 0.975)]
    [[0.0, 0.555], [0.3085, 0.9975]]
    """
    hits, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    misses = np.maximum(n - hits, 0.0)
    with np.errstate(invalid="ignore"):
        lower = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-300), misses + 1, 1 - confidence), 0.0)
        upper = np.where(misses > 0, betaincinv(hits + 1, np.maximum(misses, 1e-300), confidence), 1.0)
    known = n > 0
    return np.where(known, lower, np.nan), np.where(known, upper, np.nan)


def poisson_bounds(events: Floats, exposure: Floats, confidence: float) -> tuple[Floats, Floats]:
    """(lower, upper) bounds of events per unit of exposure, each one-sided (Garwood 1936): exact for Poisson counts; lower is
    0 without an event.

    >>> [bound.round(3).tolist() for bound in poisson_bounds(np.array([0.0, 3.0]), np.array([1.0, 1.0]), 0.95)]
    [[0.0, 0.818], [2.996, 7.754]]
    """
    least = np.where(events > 0, gammaincinv(np.maximum(events, 1e-300), 1 - confidence), 0.0)
    return ratio(least, exposure), ratio(gammaincinv(events + 1, confidence), exposure)


@dataclass(frozen=True, slots=True, eq=False)
class GroupSums:
    """Sums over groups i of a numerator a_i (successes) out of m_i (trials), one entry per rate.

    With every sample a group of its own, a² = a·m = a and m² = m.
    """

    successes: Floats  # Σa
    trials: Floats  # Σm
    squared_successes: Floats  # Σa²
    product: Floats  # Σa·m
    squared_trials: Floats  # Σm²
    groups: Floats  # groups with a trial

    @property
    def rate(self) -> Floats:
        """Σa / Σm; NaN without trials."""
        return ratio(self.successes, self.trials)

    def count_effective(self, confidence: float) -> Floats:
        """The number of independent trials that tell as much about the rate: Σm over the design effect, at most Σm.

        The design effect is the variance of Σa/Σm between groups over that of independent trials (Kish 1965), at
        least 1. It is taken with one group more, of average size and without a success: failures that cluster are few
        and seen late, and no failure at all would say that groups do not matter. Times (z/t)² of so many groups, since
        the variance is itself estimated (Korn & Graubard 1998).
        """
        size = ratio(self.squared_trials, self.trials, 1.0)  # of the group that the average trial is in
        n, squares = self.trials + size, self.squared_trials + size**2
        rate = ratio(self.successes, n, 0.0)
        between = self.squared_successes - 2 * rate * self.product + rate**2 * squares
        groups = self.groups + 1
        within = n * rate * (1 - rate)
        spread = np.maximum(ratio(between * ratio(groups, groups - 1, 1.0), within, np.nan), 1.0)
        design = np.where(np.isnan(spread), size, spread)
        normal = stdtrit(np.maximum(self.trials - 1, 1), confidence)
        student = stdtrit(np.maximum(self.groups - 1, 1), confidence)
        size_left: Floats = np.minimum(self.trials / design * (normal / student) ** 2, self.trials)
        return size_left

    def bounds(self, confidence: float, *, grouped: bool) -> tuple[Floats, Floats]:
        """(lower, upper) of the rate, each one-sided: Clopper–Pearson, at the effective size where ``grouped``."""
        n = self.count_effective(confidence) if grouped else self.trials
        return clopper_pearson(ratio(self.successes, self.trials, 0.0) * n, n, confidence)
