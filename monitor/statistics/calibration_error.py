"""Binned calibration error: L1 (ECE) and squared L2, debiased, with intervals and the value luck alone would give.

Per bin R = Σ(p − y), n samples, m = R/n; N = Σn; V the variance of R (see ``binned.ResidualVariance``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import erf, stdtrit

from monitor.statistics._arrays import Floats, ratio
from monitor.statistics.binned import ResidualVariance, ScoreBins

Z_UPPER_95 = 1.6448536269514722  # 95 % quantile of the normal
_NOISE_SHARE = 2.0  # of V in the rays of the interval: 0 covers 88 to 92 % where one bin alone is off, 2 covers 95 %
_BISECTIONS = 24  # narrows [0, 1] to 6e-8


def plug_in_ece(bins: ScoreBins) -> Floats:
    """Σ|R_k|/N, shape (units,); NaN without samples. Biased up: it is positive even under perfect calibration."""
    return ratio(np.abs(bins.residual).sum(axis=1), bins.n.sum(axis=1))


def maximum_calibration_error(bins: ScoreBins) -> Floats:
    """max over occupied bins of |R_k/n_k|, shape (units,); NaN without samples."""
    worst = np.abs(ratio(bins.residual, bins.n))
    return np.where(bins.n.any(axis=1), np.nanmax(np.where(bins.n > 0, worst, 0.0), axis=1), np.nan)


def ece_null_quantile(bins: ScoreBins, variance: ResidualVariance) -> Floats:
    """95 % quantile of Σ|N(0, v_k)|/N: the plug-in ECE that luck alone exceeds once in 20 times. Shape (units,).

    v_k = S_k − P2_k, or V_k where samples come in groups. Exact cumulants of the half-normal sum and the fourth-order
    Cornish–Fisher expansion: no random draws; 1.1 % low when one bin dominates, within 0.1 % for five bins alike.
    """
    deviation = np.sqrt(np.where(variance.grouped[:, None], variance.per_bin, bins.score_variance))
    k1 = np.sqrt(2 / np.pi) * deviation.sum(axis=1)
    k2 = (1 - 2 / np.pi) * (deviation**2).sum(axis=1) * variance.between_bins
    k3 = np.sqrt(2 / np.pi) * (4 / np.pi - 1) * (deviation**3).sum(axis=1) * variance.between_bins**1.5
    k4 = 8 * (np.pi - 3) / np.pi**2 * (deviation**4).sum(axis=1) * variance.between_bins**2
    spread = np.sqrt(k2)
    skew, kurtosis = ratio(k3, spread**3, 0.0), ratio(k4, spread**4, 0.0)
    z = Z_UPPER_95
    quantile = z + (z**2 - 1) * skew / 6 + (z**3 - 3 * z) * kurtosis / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
    return ratio(k1 + spread * quantile, bins.n.sum(axis=1))


def debiased_ece(bins: ScoreBins, variance: ResidualVariance) -> Floats:
    """2·plug-in − Σ w_k·E|Normal(m_k, V_k/n_k²)|, shape (units,): plug-in minus its bias, estimated at itself.

    May be slightly negative. The expectation is the mean of the folded normal, in closed form.
    """
    total = bins.n.sum(axis=1)
    mean, _, _ = _folded(np.abs(bins.residual), np.sqrt(variance.per_bin))
    return ratio(2 * np.abs(bins.residual).sum(axis=1) - mean.sum(axis=1), total)


def squared_error(bins: ScoreBins, variance: ResidualVariance) -> tuple[Floats, Floats, Floats]:
    """Debiased squared L2 calibration error and its 95 % interval: (estimate, lower, upper), each (units,).

    Without groups Σ (n_k/N)[m_k² − ȳ_k(1−ȳ_k)/(n_k−1)] over bins with n_k ≥ 2 (Kumar, Liang & Ma 2019); with groups
    Σ (R_k² − C_k)/(n_k·N). Its mean is 0 when calibrated, so it may be negative. Its variance, with s² = V/n, is
    [Σ 2s⁴·n/(n−1) + 4·n·μ²·s²]/N² + Var_k(μ²)/G. The interval holds every θ ≥ 0 from which the estimate is at most z
    deviations away, with that variance taken at μ² ∝ (debiased m²), Σ wμ² = θ: a quadratic in θ. (At the estimate
    itself, as in a Wald interval, the lower end would leave 0 far too late; ȳ(1−ȳ) for s² is 0 in bins where a rare
    outcome was not seen, and covered 80 to 91 %.)
    """
    n, total = bins.n, bins.n.sum(axis=1)
    usable = n >= 2
    safe = np.where(usable, n, 2.0)
    mean, rate = bins.residual / safe, bins.outcome / safe
    grouped = variance.grouped[:, None]
    scatter = np.where(usable, np.where(grouped, variance.squares / safe, rate * (1 - rate)), 0.0)
    shift = np.where(usable, mean**2 - scatter / np.where(grouped, safe, safe - 1), 0.0)
    weight = ratio(n, total[:, None], 0.0)
    estimate = np.where(total > 0, (weight * shift).sum(axis=1), np.nan)

    shape = np.maximum(shift, 0.0)
    shape = np.where(shape.any(axis=1, keepdims=True), shape, scatter / safe)
    shape = ratio(shape, (weight * shape).sum(axis=1)[:, None], 0.0)  # μ² at θ = 1
    noise = ratio(variance.between_bins, total**2, 0.0)
    spread = np.where(usable, variance.per_bin / safe, 0.0)
    constant = noise * (2 * spread**2 * safe / (safe - 1)).sum(axis=1)
    linear = noise * (4 * n * shape * spread).sum(axis=1)
    quadratic = ratio(np.maximum((weight * shape**2).sum(axis=1) - 1, 0.0), variance.groups, 0.0)
    lower, upper = _within(np.maximum(estimate, 0.0), _student(bins, variance), constant, linear, quadratic)
    return estimate, lower, upper


def _student(bins: ScoreBins, variance: ResidualVariance) -> Floats:
    """The two-sided 95 % Student quantile for variances estimated from G groups in the occupied bins, (units,)."""
    freedom = np.maximum(variance.groups - (bins.n > 0).sum(axis=1), 3.0)
    quantile: Floats = stdtrit(freedom, 0.975)
    return quantile


def _within(estimate: Floats, z: Floats, constant: Floats, linear: Floats, quadratic: Floats) -> tuple[Floats, Floats]:
    """The θ in [0, 1] with (estimate − θ)² ≤ z²·(constant + linear·θ + quadratic·θ²), as (lower, upper)."""
    a, b, c = 1 - z**2 * quadratic, 2 * estimate + z**2 * linear, estimate**2 - z**2 * constant
    root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
    lower = np.where(c > 0, ratio(2 * c, b + root, 0.0), 0.0)
    upper = np.where(a > 0, ratio(b + root, 2 * a, 1.0), 1.0)
    unknown = np.isnan(estimate)
    return np.where(unknown, np.nan, np.clip(lower, 0, 1)), np.where(unknown, np.nan, np.clip(upper, 0, 1))


def ece_interval(bins: ScoreBins, variance: ResidualVariance) -> tuple[Floats, Floats]:
    """95 % interval (lower, upper) of the true binned ECE Σ w_k|μ_k|, each (units,), by inverting a test.

    Along a ray of true errors μ with Σ w|μ| = θ the plug-in ECE is a sum of folded normals, whose mean, variance and
    third moment have closed forms; to the variance comes Var_k(|μ|)/G for random bin weights. Lower is the θ at which a
    plug-in as high as the observed has probability 2.5 % (0 if θ = 0 cannot be excluded), upper the θ at which one as
    low has 2.5 %. Quantiles by a third-order Cornish–Fisher expansion, θ by bisection.

    The ray matters: for a given θ the plug-in is smallest when the error spreads over the bins as noise does, and
    largest when few bins hold it and noise alone fills the others. So the upper end takes the ray through
    √(m̂² + 2V/n²), the lower end the one through √(m̂² − 2V/n²), 0 where negative. For the upper end the observed value
    is not taken below the median under calibration, so that luck cannot promise too much. A ±z·sd around the debiased
    value fails near 0, and a percentile bootstrap covers almost never.
    """
    total = bins.n.sum(axis=1)
    deviation = ratio(np.sqrt(variance.per_bin), total[:, None], 0.0)
    error = ratio(np.abs(bins.residual), total[:, None], 0.0)
    observed, z = error.sum(axis=1), _student(bins, variance)
    noise = _NOISE_SHARE * deviation**2
    narrow = np.sqrt(np.maximum(error**2 - noise, 0.0))
    # With all bins inside the noise there is no direction left; the lower end is then 0 along any.
    narrow = np.where(narrow.any(axis=1, keepdims=True), narrow, error)
    low = _PlugIn.along(narrow, deviation, bins, variance)
    high = _PlugIn.along(np.sqrt(error**2 + noise), deviation, bins, variance)
    floor = np.maximum(observed, high.quantile(np.zeros(total.size), np.zeros(total.size)))
    lower = _solve(lambda theta: low.quantile(theta, z), observed)
    upper = _solve(lambda theta: high.quantile(theta, -z), floor)
    known = total > 0
    return np.where(known, lower, np.nan), np.where(known, upper, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class _PlugIn:
    """The distribution of the plug-in ECE when the true errors are θ times a fixed direction."""

    direction: Floats  # (units, 15): w|μ| at θ = 1, adds up to 1 (or 0 where there is none)
    deviation: Floats  # (units, 15): √V/N
    between_groups: Floats  # (units,): Var_k(|μ|)/G at θ = 1
    between_bins: Floats  # (units,): inflation of the variance for groups that straddle bins

    @classmethod
    def along(cls, ray: Floats, deviation: Floats, bins: ScoreBins, variance: ResidualVariance) -> "_PlugIn":
        direction = ratio(ray, ray.sum(axis=1)[:, None], 0.0)
        weight = ratio(bins.n, bins.n.sum(axis=1)[:, None], 0.0)
        scatter = np.maximum(ratio(direction**2, weight, 0.0).sum(axis=1) - 1, 0.0)
        return cls(direction, deviation, ratio(scatter, variance.groups, 0.0), variance.between_bins)

    def quantile(self, theta: Floats, z: Floats) -> Floats:
        """The quantile at normal deviate ``z``, per unit, for the true ECE ``theta``."""
        mean, variance, third = _folded(self.direction * theta[:, None], self.deviation)
        spread = np.sqrt(variance.sum(axis=1) * self.between_bins + self.between_groups * theta**2)
        skew = ratio(third.sum(axis=1) * self.between_bins**1.5, spread**3, 0.0)
        quantile: Floats = mean.sum(axis=1) + spread * (z + (z**2 - 1) * skew / 6)
        return quantile


def _folded(center: Floats, deviation: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, variance and third central moment of |Normal(center, deviation²)|, center ≥ 0; elementwise."""
    noisy = deviation > 0
    x = ratio(center, deviation, 0.0)
    bell = np.sqrt(2 / np.pi) * np.exp(-(x**2) / 2)
    inside = erf(x / np.sqrt(2))
    mean = np.where(noisy, deviation * (bell + x * inside), center)
    second = center**2 + deviation**2
    third = deviation**3 * ((x**3 + 3 * x) * inside + (x**2 + 2) * bell)
    variance = np.where(noisy, np.maximum(second - mean**2, 0.0), 0.0)
    return mean, variance, np.where(noisy, np.maximum(third - 3 * mean * second + 2 * mean**3, 0.0), 0.0)


def _solve(increasing: Callable[[Floats], Floats], target: Floats) -> Floats:
    """θ in [0, 1] with increasing(θ) = target, per unit; 0 or 1 where the target lies beyond."""
    low, high = np.zeros(target.size), np.ones(target.size)
    reached = increasing(low) >= target
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = increasing(middle) >= target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(reached, 0.0, high)
