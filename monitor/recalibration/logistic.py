"""Logistic regression with few coefficients, some of which may not be negative: what Platt and beta are fitted with."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIDGE = 2e-6  # per sample: moves a coefficient of real samples by about 1e-5, and bounds those of separable ones
REACH = 589.0  # no coefficient ends further from its origin: RIDGE·‖θ − θ₀‖² ≤ ln 2 + 2·RIDGE, the loss of θ = 0
_STEPS = 200
_ENOUGH = 1e-17  # Newton decrement at which the mean loss cannot be told from its minimum in float64


def fit_logistic(
    features: Floats, outcome: Floats, weight: Floats, origin: Sequence[float], nonnegative: Sequence[int],
    start: Sequence[float] | None = None,
) -> Floats:  # fmt: skip
    """The θ (K,) that minimises Σ w·[log(1 + e^η) − y·η]/Σw + RIDGE·‖θ − origin‖², η = θ·features.

    features: (K, N), finite; outcome: (N,) rates in [0, 1]; weight: (N,) above 0; θ_k ≥ 0 for k in ``nonnegative``.
    The problem is strictly convex, so the optimum is that of the one face of the feasible region where it obeys the bounds
    and no coefficient held at 0 would better rise: the first such face is taken, looking first where ``start``, which may
    be nearly right and only saves time, lies. Cost: about 10 passes, fewer from there.
    """
    scaled = weight / weight.sum()
    middle = np.asarray(origin, dtype=np.float64)
    near = middle if start is None else np.asarray(start, dtype=np.float64)
    own = tuple(k for k in nonnegative if near[k] == 0)
    best: tuple[float, Floats] | None = None
    for at_zero in (own, *(face for face in _faces(nonnegative) if face != own)):
        free = np.ones(len(features), dtype=np.bool_)
        free[list(at_zero)] = False
        theta, loss, gradient = _newton(features, outcome, scaled, middle, free, near)
        if np.all(theta[list(nonnegative)] >= 0):
            if np.all(gradient[list(at_zero)] >= 0):
                return theta
            if best is None or loss < best[0]:
                best = (loss, theta)
    assert best is not None  # the last face has every bounded coefficient at 0, which is feasible
    return best[1]


def _faces(nonnegative: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for size in range(len(nonnegative) + 1):
        yield from combinations(nonnegative, size)


def _newton(
    features: Floats, outcome: Floats, weight: Floats, origin: Floats, free: NDArray[np.bool_], near: Floats
) -> tuple[Floats, float, Floats]:
    """Damped Newton steps from ``near`` over the free coefficients (at least one), the others 0.

    Returns θ, its loss, and the slopes of the loss at about θ in all K directions. Σ ``weight`` = 1.
    """
    theta = np.where(free, near, 0.0)
    loss, rate = _loss(theta, features, outcome, weight, origin)
    for _ in range(_STEPS):
        slopes = features @ (weight * (rate - outcome)) + 2 * RIDGE * (theta - origin)
        gradient = slopes[free]
        part = features[free]
        curvature = (part * (weight * rate * (1 - rate))) @ part.T + 2 * RIDGE * np.eye(len(part))
        step = np.linalg.solve(curvature, gradient)
        decrement = float(step @ gradient)
        if decrement < _ENOUGH:
            break
        size = 1.0
        while True:
            trial = theta.copy()
            trial[free] -= size * step
            new_loss, new_rate = _loss(trial, features, outcome, weight, origin)
            if new_loss <= loss - 0.25 * size * decrement or size * decrement < 1e-14:
                break
            size /= 2
        theta, loss, rate = trial, new_loss, new_rate
    return theta, loss, slopes


def _loss(theta: Floats, features: Floats, outcome: Floats, weight: Floats, origin: Floats) -> tuple[float, Floats]:
    """The regularised mean log-loss, and the rates (N,) that θ predicts."""
    eta = theta @ features
    small = np.exp(-np.abs(eta))
    softplus = np.maximum(eta, 0.0) + np.log1p(small)
    loss = float(weight @ (softplus - outcome * eta)) + RIDGE * float((theta - origin) @ (theta - origin))
    rate = np.where(eta >= 0, 1.0, small) / (1.0 + small)
    return loss, rate
