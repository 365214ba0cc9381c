"""Exact bounds of rates, and what is left of a sample's size when its members come in groups."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, gamma, t

from monitor.statistics._arrays import Floats, ratio


def clopper_pearson(successes: Floats, trials: Floats, confidence: float) -> tuple[Floats, Floats]:
    """(lower, upper) bounds of a rate, each one-sided at ``confidence`` (Clopper & Pearson 1934), elementwise.

    Exact for whole numbers of independent trials; with fractions (an effective sample size) the same formula is meant
    as an approximation (Korn & Graubard 1998). NaN where there are no trials; lower is 0 without a success, upper 1
    without a failure.
    """
    hits, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    misses = np.maximum(n - hits, 0.0)
    with np.errstate(invalid="ignore"):
        lower = np.where(hits > 0, beta.ppf(1 - confidence, np.maximum(hits, 1e-300), misses + 1), 0.0)
        upper = np.where(misses > 0, beta.ppf(confidence, hits + 1, np.maximum(misses, 1e-300)), 1.0)
    known = n > 0
    return np.where(known, lower, np.nan), np.where(known, upper, np.nan)


def poisson_upper(events: Floats, exposure: Floats, confidence: float) -> Floats:
    """Upper bound of events per unit of exposure, one-sided (Garwood 1936): exact for Poisson counts."""
    bound: Floats = ratio(gamma.ppf(confidence, np.asarray(events, np.float64) + 1), np.asarray(exposure, np.float64))
    return bound


def poisson_lower(events: Floats, exposure: Floats, confidence: float) -> Floats:
    """Lower bound of events per unit of exposure, one-sided (Garwood 1936); 0 without an event."""
    count = np.asarray(events, np.float64)
    least = np.where(count > 0, gamma.ppf(1 - confidence, np.maximum(count, 1e-300)), 0.0)
    bound: Floats = ratio(least, np.asarray(exposure, np.float64))
    return bound


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

    def effective(self, confidence: float) -> Floats:
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
        normal = t.ppf(confidence, np.maximum(self.trials - 1, 1))
        student = t.ppf(confidence, np.maximum(self.groups - 1, 1))
        size_left: Floats = np.minimum(self.trials / design * (normal / student) ** 2, self.trials)
        return size_left

    def bounds(self, confidence: float, *, grouped: bool) -> tuple[Floats, Floats]:
        """(lower, upper) of the rate, each one-sided: Clopper–Pearson, at the effective size where ``grouped``."""
        n = self.effective(confidence) if grouped else self.trials
        return clopper_pearson(ratio(self.successes, self.trials, 0.0) * n, n, confidence)
