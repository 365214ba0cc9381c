"""When did it begin? The time bucket from which scores and outcomes most likely disagree in a new way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.statistics.arrays import Floats, totals
from monitor.statistics.cells import Cells

COARSE_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Onset:
    """``bucket`` is the index of the first bucket of the new state; ``statistic`` how much evidence there is for it.

    The statistic is a log Bayes factor against "calibrated throughout": below 0 nothing happened, above 3 is strong. On
    quiet streams of 60 buckets it was above 0 in 0.5 to 0.8 % and above 3 in 0.1 %, mostly where few errors were
    expected in a bin, since counts of them are Poisson rather than normal. It dates an alarm; it is not one.
    """

    bucket: int
    statistic: float


def bucket_residuals(cells: Cells, buckets: int, edges: ArrayLike = COARSE_EDGES) -> tuple[Floats, Floats]:
    """R = S − Y and V = S − P2 per time bucket and coarse score bin, each (buckets, len(edges) − 1).

    ``cells.unit`` is the index of the time bucket; a cell belongs to the coarse bin that holds its mean score.
    Raises ValueError when a unit is not below ``buckets``.

    >>> from monitor.statistics.cells import Cells
    >>> residual, variance = bucket_residuals(Cells.from_samples([0.9, 0.9], [0, 1], unit=[0, 1]), 2)
    >>> residual.sum(axis=1).round(2).tolist(), variance.sum(axis=1).round(2).tolist()
    ([0.9, -0.1], [0.09, 0.09])
    """
    if len(cells) and int(cells.unit.max()) >= buckets:
        raise ValueError(f"cells have buckets up to {int(cells.unit.max())}, but only {buckets} were announced")
    inner = np.asarray(edges, dtype=np.float64)[1:-1]
    present = cells.n > 0
    mean = cells.score[present] / cells.n[present]
    slot = cells.unit[present] * (inner.size + 1) + np.searchsorted(inner, mean, side="right")
    size = buckets * (inner.size + 1)
    residual = totals(slot, (cells.score - cells.outcome)[present], size)
    variance = totals(slot, (cells.score - cells.score_squared)[present], size)
    return residual.reshape(buckets, -1), np.maximum(variance, 0.0).reshape(buckets, -1)


def estimate_onset(residual: NDArray[np.float64], variance: NDArray[np.float64]) -> Onset:
    """The most likely onset, given R and V per time bucket in time order and coarse score bin, each of shape (T, K).

    Model: up to bucket t0 calibrated, or off by a constant shift per bin; from t0 on off by another constant shift per
    bin. A shift δ of the log-odds moves outcomes by δ·p(1 − p) each, so R ~ Normal(−δ_k·V, V) per bucket and bin. With
    the prior δ_k ~ Normal(0, 1) a segment with sums R_k, V_k has the log Bayes factor against "calibrated"

        B = Σ_k R_k² / (2(V_k + 1)) − ½·log(1 + V_k)

    which charges each segment for its free shifts, so neither many bins nor many buckets win by themselves. Then

        t0 = argmax [ B(from t0 on) + max(B(before t0), 0) ],    statistic = its value − log T

    For grouped samples with design effect d pass R/d and V/d.
    log T pays for the choice among T buckets. t0 = 0 means off since the first bucket, or before it. Cost O(T·K).
    Raises ValueError on shapes that differ, on no buckets, or on values that are not finite or a negative variance.

    >>> found = estimate_onset(np.array([[0.0], [0.0], [6.0], [6.0]]), np.ones((4, 1)))
    >>> found.bucket, found.statistic > 3
    (2, True)
    """
    shifts, variances = np.asarray(residual, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    if shifts.ndim != 2 or shifts.shape != variances.shape or not shifts.shape[0]:
        raise ValueError(
            f"residual and variance must both be (T, K) with T >= 1 (got {shifts.shape}, {variances.shape})"
        )
    if not (np.isfinite(shifts).all() and np.isfinite(variances).all() and (variances >= 0).all()):
        raise ValueError("residuals must be finite, and variances finite and not negative")

    def evidence(sums: Floats, spread: Floats) -> Floats:
        factor: Floats = (sums**2 / (2 * (spread + 1)) - np.log1p(spread) / 2).sum(axis=1)
        return factor

    sums, spread = np.cumsum(shifts, axis=0), np.cumsum(variances, axis=0)
    before_sums = np.concatenate([np.zeros((1, shifts.shape[1])), sums[:-1]])
    before_spread = np.concatenate([np.zeros((1, shifts.shape[1])), spread[:-1]])
    after = evidence(sums[-1] - before_sums, np.maximum(spread[-1] - before_spread, 0.0))
    total = after + np.maximum(evidence(before_sums, before_spread), 0.0)
    best = int(np.argmax(total))
    return Onset(best, float(total[best] - np.log(shifts.shape[0])))
