"""Fits of calibrators by maximum likelihood (log-loss); pure functions on rows or on cells.

A weight is the number of samples a row stands for (default 1); groups may enter with 1/m per member.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, isotonic_regression, minimize_scalar

from monitor.recalibration.calibrators import Isotonic, Temperature
from monitor.statistics.cells import Cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_SAMPLES = 50  # at 50 the relative standard error of T is 30 % (logit p ~ N(0.5, 1.5²)); below, T is mostly noise
MIN_EACH_OUTCOME = 5  # of one class alone the likelihood has no maximum
TEMPERATURE_RANGE = (0.05, 20.0)  # a fit that ends here says "no best temperature", e.g. for separable scores
_LOG_BETA_RANGE = (-float(np.log(TEMPERATURE_RANGE[1])), -float(np.log(TEMPERATURE_RANGE[0])))
_BLOCK_VALUES = 1 << 21  # logits worked on at a time: 16 MB of temporaries instead of several copies of all


def _require_enough(happened: float, failed: float, what: str, events: tuple[str, str]) -> None:
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


def fit_temperature(score: Floats, outcome: Floats, weight: Floats | None = None) -> Temperature:
    """The T that minimises the mean log-loss of sigmoid(logit(p) / T): bounded search on log β, β = 1/T.

    ``outcome`` may be a rate in [0, 1] where a row stands for several samples. Scores of exactly 0 and 1 are left out:
    no temperature moves them. Raises ValueError for fewer than 50 samples or 5 of an outcome among the rest.
    """
    score, outcome, weight = _checked(score, outcome, weight)
    movable = (score > 0) & (score < 1)
    score, outcome, weight = score[movable], outcome[movable], weight[movable]
    happened = float(weight @ outcome)
    _require_enough(happened, float(weight.sum()) - happened, "temperature", ("positives", "negatives"))
    logit = np.log(score) - np.log1p(-score)
    pull = float(weight @ (outcome * logit))
    total = float(weight.sum())

    def mean_log_loss(log_beta: float) -> float:
        beta = np.exp(log_beta)
        # −y·log σ(βs) − (1 − y)·log(1 − σ(βs)) = log(1 + e^{βs}) − y·βs
        return float((weight @ np.logaddexp(0.0, beta * logit) - beta * pull) / total)

    found = minimize_scalar(mean_log_loss, bounds=_LOG_BETA_RANGE, method="bounded", options={"xatol": 1e-9})
    return Temperature(float(np.exp(-found.x)))


def fit_temperature_cells(cells: Cells) -> Temperature:
    """As ``fit_temperature``, from cells of any units, pooled: within 0.2 % of the fit on rows.

    A cell counts as two rows: its positives at their mean score, its negatives at theirs. The mean score of both
    together would lose how score and outcome go together inside a fine bin (up to 0.9 % of T at 500 samples).
    """
    failed = cells.n - cells.outcome
    count = np.concatenate([cells.outcome, failed])
    total = np.concatenate([cells.score_outcome, cells.score - cells.score_outcome])
    happened = np.concatenate([np.ones(len(cells)), np.zeros(len(cells))])
    filled = count > 0
    score = np.clip(total[filled] / count[filled], 0.0, 1.0)  # a mean of equal scores can pass 1 by rounding
    return fit_temperature(score, happened[filled], count[filled])


def fit_temperature_multiclass(logits: Floats, label_index: Ints, weight: Floats | None = None) -> Temperature:
    """The T that minimises the mean of −log softmax(z / T)[label], from logits or log-probabilities z (N, C).

    The loss is convex in β = 1/T; its derivative Σ w·(E_softmax(βz)[z] − z_label) is brought to 0 by a bracketed search
    on log β. An entry may be −∞ (a probability of exactly 0); a row whose own label has −∞ is left out, since no
    temperature helps it. Raises ValueError for rows without logits, labels outside 0..C−1, and fewer than 50 rows or 5
    each with the top class right and wrong.
    """
    logits = np.asarray(logits)
    labels = np.asarray(label_index)
    weights = np.ones(len(logits)) if weight is None else np.asarray(weight, dtype=np.float64)
    if logits.ndim != 2 or labels.shape != (len(logits),) or weights.shape != labels.shape:
        raise ValueError(
            "logits must be (N, C), label_index and weight (N,) "
            f"(got {logits.shape}, {labels.shape} and {weights.shape})"
        )
    if len(labels) and not bool(np.all((labels >= 0) & (labels < logits.shape[1]))):
        raise ValueError(f"label_index must lie in 0..{logits.shape[1] - 1} (got {labels.min()}..{labels.max()})")
    if not np.all((weights > 0) & np.isfinite(weights)):
        raise ValueError("weight must be finite and above 0")
    missing = int(np.count_nonzero(~np.isfinite(logits.max(axis=1)))) if logits.size else 0
    if missing:
        raise ValueError(f"multi-class temperature needs logits in every row ({missing} of {len(logits)} have none)")
    helped = np.isfinite(logits[np.arange(len(labels)), labels])
    logits, labels, weights = logits[helped], labels[helped], weights[helped]
    right = logits.argmax(axis=1) == labels
    _require_enough(
        float(weights[right].sum()),
        float(weights[~right].sum()),
        "multi-class temperature",
        ("rows with the top class right", "rows with it wrong"),
    )

    def slope(log_beta: float) -> float:
        beta = float(np.exp(log_beta))
        return sum(_slope_of(beta, z, y, w) for z, y, w in _blocks(logits, labels, weights))

    low, high = _LOG_BETA_RANGE
    if slope(low) >= 0:
        return Temperature(TEMPERATURE_RANGE[1], multiclass=True)
    if slope(high) <= 0:
        return Temperature(TEMPERATURE_RANGE[0], multiclass=True)
    return Temperature(float(np.exp(-brentq(slope, low, high, xtol=1e-10))), multiclass=True)


def _blocks(logits: Floats, labels: Ints, weights: Floats) -> Iterator[tuple[Floats, Ints, Floats]]:
    rows = max(1, _BLOCK_VALUES // logits.shape[1])
    for start in range(0, len(logits), rows):
        block = slice(start, start + rows)
        yield logits[block].astype(np.float64), labels[block], weights[block]


def _slope_of(beta: float, logits: Floats, labels: Ints, weights: Floats) -> float:
    """Σ w·(E_softmax(βz)[z] − z_label) of one block; z is shifted by its row's maximum so that nothing overflows."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.maximum(shifted, -1e300, out=shifted)  # −∞·0 would be NaN; the class still gets probability 0
    odds = np.exp(beta * shifted)
    expected = np.einsum("ij,ij->i", odds, shifted) / odds.sum(axis=1)
    return float(weights @ (expected - shifted[np.arange(len(labels)), labels]))


def fit_isotonic(score: Floats, outcome: Floats, weight: Floats | None = None) -> Isotonic:
    """Isotonic regression of outcome on score, equal scores pooled first; knots at both ends of each level piece.

    One imagined event at the lowest score and one imagined non-event at the highest take part in the fit, each with
    weight 1. So a first piece of n failures says 1/(n + 1) instead of 0, a last one of n successes n/(n + 1) instead of
    1: log-loss stays finite, by as much as the piece's own size can support, and the fit decides itself how far the
    correction reaches. Raises ValueError for fewer than 50 samples or 5 of an outcome.
    """
    score, outcome, weight = _checked(score, outcome, weight)
    happened = float(weight @ outcome)
    _require_enough(happened, float(weight.sum()) - happened, "isotonic", ("positives", "negatives"))
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
