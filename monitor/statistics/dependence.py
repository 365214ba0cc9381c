"""How alike the members of a group are (frames of a clip, boxes of an image), when the groups are few.

Of samples that come in groups of m, a sum varies d = 1 + ρ·(m − 1) times as much as of independent ones: d is the design
effect, ρ how much of its outcome a sample shares with its group (Kish 1965). Few groups tell ρ badly, and worst where
outcomes are rare: while no clip has shown the event, nothing tells that its frames would show it together. So ρ is drawn
towards 1 as long as groups that share one outcome could have hidden it, and intervals take a Student quantile with as
many degrees of freedom as the groups leave.
"""

import numpy as np
from scipy.special import stdtrit

from monitor.statistics._arrays import Floats, ratio

_FULL_SHARING = (
    2.0  # degrees of freedom that the belief in groups of one outcome weighs while none has shown the rarer one
)
_GRANTED_FREEDOM = 5.0  # degrees of freedom that the variance within groups is worth, however few they are
_LARGEST_SHARING = 3.0  # above 1 where groups differ in size, as m is their mean and not that of the average sample
ENDLESS = 1e9


def group_freedom(groups: Floats, variance: Floats) -> Floats:
    """Degrees of freedom, 2/(relative variance), of a variance between groups that share one outcome; elementwise.

    ``variance`` v = p(1 − p) is that of one sample's residual. From the variance of a sample variance with kurtosis κ,
    2G/(κ − 3 + 2G/(G − 1)), where κ = 1/v − 1 is a Bernoulli's and 2 more: even odds leave G − 1, as normal residuals
    do, instead of near certainty; a rare event leaves about 2Gp. 0 below 2 groups.
    """
    several = np.maximum(groups, 2.0)
    excess = 1 / np.clip(variance, 1e-9, 0.25) - 4
    return np.where(groups >= 2, 2 * several / (excess + 2 * several / (several - 1)), 0.0)


def belief_weight(groups: Floats, variance: Floats) -> Floats:
    """Weight, in degrees of freedom, of ρ = 1 beside what the groups show; arguments as in ``group_freedom``.

    2·exp(−G·v): were outcomes shared, exp(−G·v) would be the probability that no group has shown the rarer outcome yet.
    The weight is gone where groups would long have shown it, so many pixels of few images keep the ρ they show.
    """
    weight: Floats = _FULL_SHARING * np.exp(-groups * variance)
    return weight


def sharing(
    observed: Floats, possible: Floats, freedom: Floats, belief: Floats | float, weight: Floats | float
) -> Floats:
    """ρ: observed/possible (0 where nothing is possible) with ``freedom``, mixed with ``belief`` of ``weight``."""
    found = np.clip(ratio(observed, possible, 0.0), 0.0, _LARGEST_SHARING)
    mixed: Floats = (freedom * found + weight * belief) / (freedom + weight)
    return mixed


def effect_freedom(freedom: Floats, effect: Floats) -> Floats:
    """Degrees of freedom of a variance whose design ``effect`` alone is uncertain: endless where the effect is 1."""
    uncertain = np.maximum(1 - 1 / np.maximum(effect, 1.0), 0.0) ** 2
    return np.minimum(ratio(freedom + _GRANTED_FREEDOM, uncertain, ENDLESS), ENDLESS)


def student(freedom: Floats, confidence: float) -> Floats:
    """Two-sided Student quantile: 1.96 for 0.95 with endless degrees of freedom."""
    quantile: Floats = stdtrit(freedom, (1 + confidence) / 2)
    return quantile
