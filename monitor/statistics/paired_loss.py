"""By how much one set of scores beats another in log-loss, and how sure that is when samples come in groups."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.cells import LOG_LOSS_CLIP


def log_losses(score: Floats, outcome: Floats) -> Floats:
    """−ln of the probability given to what happened, per sample, in nats; scores clipped to [1e-12, 1 − 1e-12].

    Where an outcome is a share, as of pre-counted rows, the mean over the row's samples.

    >>> log_losses(np.array([0.5, 0.9]), np.array([1.0, 0.0])).round(4).tolist()
    [0.6931, 2.3026]
    """
    clipped = np.clip(score, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    losses: Floats = -(outcome * np.log(clipped) + (1 - outcome) * np.log1p(-clipped))
    return losses


@dataclass(frozen=True, slots=True)
class Improvement:
    """Mean gain per sample in nats; above 0 is better. Each bound is one-sided at ``confidence``, NaN for one group."""

    mean: float
    lower: float
    upper: float
    confidence: float
    n: int  # rows; each is a sample, or a pre-counted number of them
    groups: int  # independent ones: images, clips, or single samples


def improvement(gain: Floats, units: Ints, confidence: float, weight: Floats | None = None) -> Improvement:
    """The mean of ``gain`` (N,), at least one, with bounds that hold when samples of one unit depend on each other.

    ``weight`` (N,) is the number of samples each stands for, with ``gain`` their mean; None: one each. The variance is
    that of cluster sums around the mean, G/(G−1)·Σ_g(Σ_{i∈g} w_i·(d_i − d̄))²/(Σw)², and the quantile
    Student's t with G − 1 degrees of freedom (Cameron & Miller 2015, "A Practitioner's Guide to Cluster-Robust
    Inference", §II, VI). Units are any non-negative codes (N,).

    >>> found = improvement(np.array([0.1, 0.3, 0.2, 0.2]), np.arange(4), 0.975)
    >>> round(found.mean, 3), round(found.lower, 3), round(found.upper, 3)
    (0.2, 0.07, 0.33)
    """
    n = len(gain)
    total = float(n if weight is None else weight.sum())
    mean = float(gain.mean() if weight is None else gain @ weight / total)
    _, codes = np.unique(units, return_inverse=True)
    sums = np.bincount(codes, weights=gain - mean if weight is None else weight * (gain - mean))
    return bound_improvement(mean, sums.astype(np.float64), total, confidence, n)


def bound_improvement(mean: float, residual: Floats, total: float, confidence: float, n: int) -> Improvement:
    """Return the improvement with a ``mean`` over ``total`` samples, given each group's sum of deviations from it (G,).

    >>> bound_improvement(0.2, np.array([-0.1, 0.1, 0.0, 0.0]), 4, 0.975, 4).groups
    4
    """
    groups = len(residual)
    if groups < 2:
        return Improvement(mean, float("nan"), float("nan"), confidence, n, groups)
    standard_error = float(np.sqrt(groups / (groups - 1) * (residual @ residual))) / total
    reach = float(stdtrit(groups - 1, confidence)) * standard_error
    return Improvement(mean, mean - reach, mean + reach, confidence, n, groups)
