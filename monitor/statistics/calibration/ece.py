"""Binned calibration error in L1 (ECE): plug-in and debiased, its interval, and the value luck alone would give.

Per bin R = Σ(p − y), n samples, m = R/n; N = Σn; V the variance of R (see ``binned.ResidualVariance``).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins
from monitor.statistics.intervals import gamma_quantile, solve

Z_UPPER_95 = 1.6448536269514722  # 95 % quantile of the normal
# Of V, in the rays of the interval. Lower: a bin within two deviations counts as noise; 2 instead of 4 covers 92 % where
# one bin alone is off.
_LOWER_NOISE, _UPPER_NOISE = 4.0, 2.0


def plug_in_ece(bins: ScoreBins) -> Floats:
    """Σ|R_k|/N, shape (units,); NaN without samples. Biased up: it is positive even under perfect calibration.

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> plug_in_ece(bins).round(3).tolist()
    [0.2]
    """
    return ratio(np.abs(bins.residual).sum(axis=1), bins.n.sum(axis=1))


def maximum_calibration_error(bins: ScoreBins) -> Floats:
    """max over occupied bins of |R_k/n_k|, shape (units,); NaN without samples.

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> maximum_calibration_error(bins).round(3).tolist()
    [0.2]
    """
    worst = np.abs(ratio(bins.residual, bins.n))
    return np.where(bins.n.any(axis=1), np.nanmax(np.where(bins.n > 0, worst, 0.0), axis=1), np.nan)


def ece_null_quantile(bins: ScoreBins, variance: ResidualVariance) -> Floats:
    """95 % quantile of Σ|N(0, v_k)|/N: the plug-in ECE that luck alone exceeds once in 20 times. Shape (units,).

    v_k = S_k − P2_k, times the design effect where samples come in groups. Exact cumulants of the half-normal sum and
    the fourth-order Cornish–Fisher expansion: no random draws; 1.1 % low when one bin dominates, within 0.1 % for five
    bins alike. Of calibrated slices 0.5 to 8 % exceed it: fewer with few groups, more where scores crowd at 0 and 1.

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> ece_null_quantile(bins, ResidualVariance.estimate(bins, None)).round(3).tolist()
    [0.184]
    """
    deviation = np.sqrt(variance.if_calibrated(bins))
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

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> debiased_ece(bins, ResidualVariance.estimate(bins, None)).round(3).tolist()
    [0.192]
    """
    total = bins.n.sum(axis=1)
    mean, _, _ = _folded(np.abs(bins.residual), np.sqrt(variance.per_bin))
    return ratio(2 * np.abs(bins.residual).sum(axis=1) - mean.sum(axis=1), total)


def ece_interval(bins: ScoreBins, variance: ResidualVariance) -> tuple[Floats, Floats]:
    """95 % interval (lower, upper) of the true binned ECE Σ w_k|μ_k|, each (units,), by inverting a test.

    Along a ray of true errors μ with Σ w|μ| = θ the plug-in ECE is a sum of folded normals, whose mean, variance and
    third moment have closed forms; to the variance comes Var_k(|μ|)/G for random bin weights. Lower is the θ at which a
    plug-in as high as the observed has probability 2.5 % (0 if θ = 0 cannot be excluded), upper the θ at which one as
    low has 2.5 %. Quantiles by a third-order Cornish–Fisher expansion, θ by bisection.

    The ray matters: for a given θ the plug-in is smallest when the error spreads over the bins as noise does, and
    largest when few bins hold it and noise alone fills the others. So the upper end takes the ray through
    √(m̂² + 2V/n²), the lower end the one through √(m̂² − 4V/n²), 0 where negative. For the upper end the observed value
    is not taken below the median under calibration, so that luck cannot promise too much. The lower end leaves 0 only if
    the variance that the scores imply excludes 0 as well: where outcomes are rare, an excess of them and the variance
    seen go together. With groups the deviates are Student's (``dependence``).

    Measured coverage: ``python -m tests.benchmarks.coverage``. It is above 97 % where the error is spread over bins and
    small beside the noise, as no ray is known then; near 100 % where fewer than about two groups with a surprising
    outcome were to be expected (20 clips of a 3 % event), as the groups then do not tell how alike their members are.
    A ±z·sd around the debiased value fails near 0, and a percentile bootstrap covers almost never.

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> [bound.round(3).tolist() for bound in ece_interval(bins, ResidualVariance.estimate(bins, None))]
    [[0.0], [0.464]]
    """
    total = bins.n.sum(axis=1)
    deviation = ratio(np.sqrt(variance.per_bin), total[:, None], 0.0)
    implied = ratio(np.sqrt(variance.if_calibrated(bins)), total[:, None], 0.0)
    error = ratio(np.abs(bins.residual), total[:, None], 0.0)
    observed, z, none = error.sum(axis=1), variance.quantile(0.95), np.zeros(total.size)
    narrow = np.sqrt(np.maximum(error**2 - _LOWER_NOISE * deviation**2, 0.0))
    # With all bins inside the noise there is no direction left; the lower end is then 0 along any.
    narrow = np.where(narrow.any(axis=1, keepdims=True), narrow, error)
    low = _PlugIn.along(narrow, deviation, bins, variance)
    high = _PlugIn.along(np.sqrt(error**2 + _UPPER_NOISE * deviation**2), deviation, bins, variance)
    floor = np.maximum(observed, high.quantile(none, none))
    lower = solve(lambda theta: low.quantile(theta, z), observed)
    lucky = observed <= _PlugIn.along(narrow, implied, bins, variance).quantile(none, z)
    upper = solve(lambda theta: high.quantile(theta, -z), floor)
    known = total > 0
    return np.where(known, np.where(lucky, 0.0, lower), np.nan), np.where(known, upper, np.nan)


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
        skewed = third.sum(axis=1) * self.between_bins**1.5 + 2 * self.between_groups**2 * theta**3
        return gamma_quantile(mean.sum(axis=1), spread**2, skewed, z)


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
