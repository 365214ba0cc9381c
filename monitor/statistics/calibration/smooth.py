"""Smooth calibration error (smECE): no bins, no bin edges, a consistent measure of the distance from calibration."""

import numpy as np
from scipy.fft import dct, idct

from monitor.statistics.arrays import Floats, ratio, totals
from monitor.statistics.cells import Cells

_GRID = 256  # midpoints on [0, 1]
_WIDTH = 1 / _GRID
_ITERATIONS = 7
_CHUNK = 256  # units at a time, so that the work stays in cache


def smooth_ece(cells: Cells, units: int) -> Floats:
    """smECE of Błasiok & Nakkiran (2023), shape (units,), in [0, 1]; NaN without samples.

    smECE_σ = ∫₀¹ |(1/N) Σ_i K_σ(t, p_i)(p_i − y_i)| dt with the Gaussian kernel reflected at 0 and 1, which falls in σ;
    the value is the fixed point smECE_σ = σ. Reflection makes smoothing diagonal in the cosine basis (heat flow between
    walls: mode j shrinks by exp(−σ²π²j²/2)), so each step costs one cosine transform.

    Each cell's residual sits at its mean score: features narrower than a fine bin (1/8 in logit, at most 0.031) cannot
    be seen. σ is not taken below the grid's width 1/256.

    >>> smooth_ece(Cells.from_samples([0.9] * 1000, [1] * 700 + [0] * 300).merge(), units=1).round(2).tolist()
    [0.2]
    """
    residual = _on_grid(cells, units) / _WIDTH
    total = totals(cells.unit, cells.n, units)
    density = ratio(residual, total[:, None], 0.0)
    result = np.empty(units)
    for start in range(0, units, _CHUNK):
        result[start : start + _CHUNK] = _fixed_point(density[start : start + _CHUNK])
    return np.where(total > 0, result, np.nan)


def _on_grid(cells: Cells, units: int) -> Floats:
    """Residual mass per grid midpoint (units, 256), each cell's split linearly between its two neighbours."""
    place = np.clip(ratio(cells.score, cells.n, 0.0) * _GRID - 0.5, 0.0, _GRID - 1.0)
    left = np.minimum(place.astype(np.int64), _GRID - 2)
    right_share = place - left
    residual = cells.score - cells.outcome
    slot = cells.unit * _GRID + left
    mass = totals(slot, residual * (1 - right_share), units * _GRID)
    mass = mass + totals(slot + 1, residual * right_share, units * _GRID)
    grid: Floats = mass.reshape(units, _GRID)
    return grid


def _fixed_point(density: Floats) -> Floats:
    """σ* with smECE_σ* = σ* per row, by false position with Illinois damping, which needs no derivative."""
    modes: Floats = dct(density, type=2, axis=1)
    decay = -0.5 * (np.pi * np.arange(_GRID)) ** 2

    def smoothed(sigma: Floats) -> Floats:
        # Splitting mass between midpoints already smoothed by width²/6 on average: take it off.
        variance = sigma**2 - _WIDTH**2 / 6
        curve: Floats = idct(modes * np.exp(variance[:, None] * decay), type=2, axis=1)
        size: Floats = np.abs(curve).mean(axis=1)
        return size

    low = np.full(density.shape[0], _WIDTH)
    at_low = smoothed(low)
    high = np.maximum(at_low, low)  # smECE falls in σ, so the fixed point is not above any of its values
    above, below = at_low - low, smoothed(high) - high  # the difference at both ends: ≥ 0 and ≤ 0
    side = np.zeros(low.size)
    for _ in range(_ITERATIONS):
        step = ratio(above, above - below, 0.0)
        sigma = low + (high - low) * np.clip(step, 0.0, 1.0)
        error = smoothed(sigma) - sigma
        rising = error > 0
        below = np.where(rising & (side > 0), below / 2, np.where(rising, below, error))
        above = np.where(~rising & (side < 0), above / 2, np.where(rising, error, above))
        low, high = np.where(rising, sigma, low), np.where(rising, high, sigma)
        side = np.where(rising, 1.0, -1.0)
    return np.where(at_low <= _WIDTH, at_low, sigma)
