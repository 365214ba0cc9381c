"""Intervals of rates and of the calibration gap: Wilson's score interval, with an effective sample size for groups."""

import numpy as np

from monitor.statistics._arrays import Floats, ratio
from monitor.statistics.binned import PRIOR_SAMPLES, ResidualVariance, ScoreBins

Z_95 = 1.959963984540054


def wilson(successes: Floats, trials: Floats, z: Floats | float = Z_95) -> tuple[Floats, Floats]:
    """Wilson's score interval of a rate, elementwise; NaN where there are no trials. Counts may be fractions.

    (r + z²/2n ± z·√(r(1−r)/n + z²/4n²)) / (1 + z²/n) with r = successes/trials (Wilson 1927). It stays within [0, 1]
    and stays wide when every outcome was alike.
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
