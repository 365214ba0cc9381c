"""Debiased squared L2 calibration error with its interval.

Per bin R = Σ(p − y), n samples, m = R/n; N = Σn; V the variance of R (see ``binned.ResidualVariance``).
"""

from dataclasses import dataclass

import numpy as np

from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins
from monitor.statistics.intervals import gamma_quantile, solve


def squared_error(bins: ScoreBins, variance: ResidualVariance) -> tuple[Floats, Floats, Floats]:
    """Debiased squared L2 calibration error and its 95 % interval: (estimate, lower, upper), each (units,).

    Without groups Σ (n_k/N)[m_k² − ȳ_k(1−ȳ_k)/(n_k−1)] over bins with n_k ≥ 2 (Kumar, Liang & Ma 2019); with groups
    Σ (R_k² − C_k)/(n_k·N). Its mean is 0 when calibrated, so it may be negative.

    The interval inverts a test: it holds every θ in [0, 1] at which the estimate lies between the 2.5 % and 97.5 %
    quantiles of a gamma with its first three moments, those of a weighted sum of noncentral χ² with μ² ∝ (debiased m²),
    Σ wμ² = θ. With a = V/(nN) and w = n/N the variance is Σ [2a²·n/(n−1) + 4a·wμ²] + q·θ², q·θ² = Var_k(μ²)/G for
    random bin weights, and the third moment Σ [8a³ + 24a²·wμ²] + 2q²θ³. (Taken at the estimate, as in a Wald interval,
    the lower end would leave 0 far too late; normal quantiles leave it too early, 92 % for a rare event; ȳ(1−ȳ) for V is
    0 in bins where a rare outcome was not seen, and covered 80 to 91 %.)

    >>> from monitor.statistics.cells import Cells
    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1.0] * 7 + [0.0] * 3), units=1)
    >>> [value.round(4).tolist() for value in squared_error(bins, ResidualVariance.estimate(bins, None))]
    [[0.0167], [0.0], [0.2137]]
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
    noise = ratio(np.where(usable, variance.per_bin / safe, 0.0), total[:, None], 0.0)
    between = variance.between_bins
    moments = _Moments(
        constant=between * (2 * noise**2 * safe / (safe - 1)).sum(axis=1),
        linear=between * (4 * noise * weight * shape).sum(axis=1),
        quadratic=ratio(np.maximum((weight * shape**2).sum(axis=1) - 1, 0.0), variance.groups, 0.0),
        third_constant=between**1.5 * (8 * noise**3).sum(axis=1),
        third_linear=between**1.5 * (24 * noise**2 * weight * shape).sum(axis=1),
    )
    z, observed = variance.quantile(0.95), np.maximum(estimate, 0.0)
    lower = solve(lambda theta: moments.quantile(theta, z), observed)
    upper = solve(lambda theta: moments.quantile(theta, -z), observed)
    known = total > 0
    return estimate, np.where(known, lower, np.nan), np.where(known, upper, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Of the estimate when the true error is θ; each (units,)."""

    constant: Floats
    linear: Floats
    quadratic: Floats
    third_constant: Floats
    third_linear: Floats

    def quantile(self, theta: Floats, z: Floats) -> Floats:
        variance = self.constant + self.linear * theta + self.quadratic * theta**2
        third = self.third_constant + self.third_linear * theta + 2 * self.quadratic**2 * theta**3
        return gamma_quantile(theta, variance, third, z)
