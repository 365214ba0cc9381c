"""Fits of calibrators on scores by maximum likelihood (log-loss); pure functions on rows.

A weight is the number of samples a row stands for (default 1); groups may enter with 1/m per member. An outcome may be a
rate in [0, 1] where a row stands for several samples: so cells are fitted too (``fit_cells``).
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from monitor.recalibration.calibrators import Beta, Calibrator, Identity, Isotonic, Platt, Temperature
from monitor.statistics.arrays import Floats

RIDGE = 2e-6  # per sample: moves a coefficient of real samples by about 1e-5, and bounds those of separable ones
REACH = 589.0  # no coefficient ends further from its origin: RIDGE·‖θ − θ₀‖² ≤ ln 2 + 2·RIDGE, the loss of θ = 0
_STEPS = 200
Evaluated = TypeVar("Evaluated", bound=tuple[Any, ...])
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
    faces = [face for size in range(len(nonnegative) + 1) for face in combinations(nonnegative, size)]
    for at_zero in (own, *(face for face in faces if face != own)):
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
        whole = np.zeros(len(theta))
        whole[free] = step
        theta, (loss, rate) = search_line(
            lambda trial: _loss(trial, features, outcome, weight, origin), theta, whole, loss, decrement, 1e-14
        )
    return theta, loss, slopes


def search_line(
    evaluate: Callable[[Floats], Evaluated],
    theta: Floats,
    step: NDArray[np.floating],
    loss: float,
    decrement: float,
    least: float,
) -> tuple[Floats, Evaluated]:
    """Return θ less the step, or the first of its halves that lowers the loss by enough of the Newton ``decrement``, and what
    ``evaluate``, its loss first, says there. What would change the loss by less than ``least`` is taken as it is."""
    size = 1.0
    while True:
        trial = theta - size * step
        new = evaluate(trial)
        if new[0] <= loss - 0.25 * size * decrement or size * decrement < least:
            return trial, new
        size /= 2


def _loss(theta: Floats, features: Floats, outcome: Floats, weight: Floats, origin: Floats) -> tuple[float, Floats]:
    """The regularised mean log-loss, and the rates (N,) that θ predicts."""
    eta = theta @ features
    small = np.exp(-np.abs(eta))
    softplus = np.maximum(eta, 0.0) + np.log1p(small)
    loss = float(weight @ (softplus - outcome * eta)) + RIDGE * float((theta - origin) @ (theta - origin))
    rate = np.where(eta >= 0, 1.0, small) / (1.0 + small)
    return loss, rate


_LAST_STEP = 1e-6  # Newton's error after it is its square


def find_root(function: Callable[[float], tuple[float, float]], start: float, low: float, high: float) -> float:
    """Where a rising function (value, derivative) is 0, or the bound beyond which it would be: Newton, else bisection."""
    bounds = (low, high)
    unseen = set(bounds)
    at = min(max(start, low), high)
    for _ in range(_STEPS):
        value, rise = function(at)
        unseen.discard(at)
        if value == 0 or (value > 0 and at == bounds[0]) or (value < 0 and at == bounds[1]):
            return at
        low, high = (low, at) if value > 0 else (at, high)
        new = at - value / rise if rise > 0 else float("nan")
        if not low < new < high:  # the bound itself first, if nobody has looked there
            toward = low if value > 0 else high
            new = toward if toward in unseen else (low + high) / 2
        if abs(new - at) < _LAST_STEP:
            return new
        at = new
    return at


MIN_SAMPLES = 50  # at 50 the relative standard error of T is 30 % (logit p ~ N(0.5, 1.5²)); below, T is mostly noise
MIN_EACH_OUTCOME = 5  # of one class alone the likelihood has no maximum
TEMPERATURE_RANGE = (0.05, 20.0)  # a fit that ends here says "no best temperature", e.g. for separable scores
_LOG_BETA_RANGE = (-float(np.log(TEMPERATURE_RANGE[1])), -float(np.log(TEMPERATURE_RANGE[0])))


def require_enough(happened: float, failed: float, what: str, events: tuple[str, str]) -> None:
    """Raises ValueError below ``MIN_SAMPLES`` samples or ``MIN_EACH_OUTCOME`` of either event, naming both counts."""
    if happened + failed < MIN_SAMPLES or min(happened, failed) < MIN_EACH_OUTCOME:
        raise ValueError(
            f"{what} needs at least {MIN_SAMPLES:,} samples with {MIN_EACH_OUTCOME} {events[0]} and {MIN_EACH_OUTCOME} "
            f"{events[1]} among them (got {happened:,.0f} {events[0]} and {failed:,.0f} {events[1]})"
        )


def _checked(score: Floats, outcome: Floats, weight: Floats | None) -> tuple[Floats, Floats, Floats]:
    score = np.asarray(score, dtype=np.float64)
    outcome = np.asarray(outcome, dtype=np.float64)
    weight = np.ones(score.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    if not (score.ndim == 1 and score.shape == outcome.shape == weight.shape):
        raise ValueError(
            f"score, outcome and weight must have one shape (N,) (got {score.shape}, {outcome.shape}, {weight.shape})"
        )
    for name, values in (("score", score), ("outcome", outcome)):
        if not np.all((values >= 0) & (values <= 1)):
            raise ValueError(f"{name} must lie in [0, 1] (got values outside, or NaN)")
    if not np.all((weight > 0) & np.isfinite(weight)):
        raise ValueError("weight must be finite and above 0")
    return score, outcome, weight


def _movable(score: Floats, outcome: Floats, weight: Floats | None, what: str) -> tuple[Floats, Floats, Floats]:
    """The checked rows with a score that is neither 0 nor 1, whose logit is finite."""
    score, outcome, weight = _checked(score, outcome, weight)
    inside = (score > 0) & (score < 1)
    score, outcome, weight = score[inside], outcome[inside], weight[inside]
    happened = float(weight @ outcome)
    require_enough(happened, float(weight.sum()) - happened, what, ("positives", "negatives"))
    return score, outcome, weight


def fit_identity(*rows: object, start: Calibrator | None = None) -> Identity:
    """The calibrator that changes nothing, whatever the rows say."""
    return Identity()


def fit_temperature(
    score: Floats, outcome: Floats, weight: Floats | None = None, *, start: Calibrator | None = None
) -> Temperature:
    """The T that minimises the mean log-loss of sigmoid(logit(p) / T): convex in β = 1/T, Newton's method on log β.

    ``outcome`` may be a rate in [0, 1] where a row stands for several samples. ``start`` may be nearly right and only
    saves time. Scores of exactly 0 and 1 are left out: no temperature moves them. Raises ValueError for fewer than 50
    samples or 5 of an outcome among the rest.
    """
    score, outcome, weight = _movable(score, outcome, weight, "temperature")
    logit = np.log(score) - np.log1p(-score)
    scaled = weight * logit / weight.sum()
    happened, squared = float(scaled @ outcome), scaled * logit

    def slope(log_beta: float) -> tuple[float, float]:
        beta = float(np.exp(log_beta))
        rate = expit(beta * logit)
        return float(scaled @ rate) - happened, beta * float(squared @ (rate * (1 - rate)))

    return find_temperature(slope, start)


def find_temperature(
    slope: Callable[[float], tuple[float, float]], start: Calibrator | None, *, multiclass: bool = False
) -> Temperature:
    """Return the temperature at which ``slope``, rising in log β = −log T, is 0, or the end of ``TEMPERATURE_RANGE`` beyond
    which it would be; see ``find_root``. ``start`` may be nearly right and only saves time."""
    near = start.temperature if isinstance(start, Temperature) else 1.0
    found = find_root(slope, -float(np.log(near)), *_LOG_BETA_RANGE)
    ends = dict(zip(_LOG_BETA_RANGE, reversed(TEMPERATURE_RANGE), strict=True))
    return Temperature(ends.get(found, float(np.exp(-found))), multiclass)


def fit_platt(
    score: Floats, outcome: Floats, weight: Floats | None = None, *, start: Calibrator | None = None
) -> Platt:
    """Logistic regression on logit(p) with Platt's target smoothing: (N₊ + 1)/(N₊ + 2) for 1 and 1/(N₋ + 2) for 0.

    The slope is kept at 0 or above: where higher scores go with fewer events, the best is a constant. Smoothed targets
    keep the fit finite where the scores separate the outcomes. Scores of exactly 0 and 1 are left out: no slope above 0
    moves them. Raises ValueError for fewer than 50 samples or 5 of an outcome among the rest.
    """
    score, outcome, weight = _movable(score, outcome, weight, "platt")
    happened = float(weight @ outcome)
    high = (happened + 1) / (happened + 2)
    low = 1 / (float(weight.sum()) - happened + 2)
    logit = np.log(score) - np.log1p(-score)
    features = np.stack([logit, np.ones(len(score))])
    near = (start.slope, start.intercept) if isinstance(start, Platt) else None
    slope, intercept = fit_logistic(
        features, low + (high - low) * outcome, weight, (1.0, 0.0), nonnegative=(0,), start=near
    )
    return Platt(float(slope), float(intercept))


def fit_beta(score: Floats, outcome: Floats, weight: Floats | None = None, *, start: Calibrator | None = None) -> Beta:
    """Logistic regression on [ln p, −ln(1 − p)] with a, b ≥ 0 (Kull et al. 2017, §3.3).

    A ridge of 2e-6 per sample towards the identity (1, 1, 0) keeps it finite where the scores separate the outcomes.
    Scores of exactly 0 and 1 are left out. Raises ValueError for fewer than 50 samples or 5 of an outcome among the rest.
    """
    score, outcome, weight = _movable(score, outcome, weight, "beta")
    features = np.stack([np.log(score), -np.log1p(-score), np.ones(len(score))])
    near = (start.a, start.b, start.c) if isinstance(start, Beta) else None
    a, b, c = fit_logistic(features, outcome, weight, (1.0, 1.0, 0.0), nonnegative=(0, 1), start=near)
    return Beta(float(a), float(b), float(c))


def fit_isotonic(
    score: Floats, outcome: Floats, weight: Floats | None = None, *, start: Calibrator | None = None
) -> Isotonic:
    """Isotonic regression of outcome on score, equal scores pooled first; knots at both ends of each level piece.

    One imagined event at the lowest score and one imagined non-event at the highest take part in the fit, each with
    weight 1. So a first piece of n failures says 1/(n + 1) instead of 0, a last one of n successes n/(n + 1) instead of
    1: log-loss stays finite, by as much as the piece's own size can support, and the fit decides itself how far the
    correction reaches. No ``start`` saves time. Raises ValueError for fewer than 50 samples or 5 of an outcome.
    """
    # here, since every command would wait for it else
    from scipy.optimize import isotonic_regression

    score, outcome, weight = _checked(score, outcome, weight)
    happened = float(weight @ outcome)
    require_enough(happened, float(weight.sum()) - happened, "isotonic", ("positives", "negatives"))
    levels, row_level = np.unique(score, return_inverse=True)
    n = np.bincount(row_level, weights=weight)
    events = np.bincount(row_level, weights=weight * outcome)
    n[0] += 1.0
    events[0] += 1.0
    n[-1] += 1.0
    fitted = isotonic_regression(events / n, weights=n)
    first = fitted.blocks[:-1]
    last = fitted.blocks[1:] - 1
    ends = np.unique(np.concatenate([first, last]))
    rates = np.maximum.accumulate(fitted.x[ends])  # pooled means of one piece may differ by rounding
    return Isotonic(tuple(levels[ends].tolist()), tuple(rates.tolist()))
