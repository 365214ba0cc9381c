"""Fits of calibrators on logit vectors by maximum likelihood of the true class: temperature and vector scaling.

Both losses are convex; Newton's method needs a few passes over the rows, fewer from a start that is nearly right. A
pass works block by block, so that its temporaries stay small beside the logits themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.recalibration.calibrators import Calibrator, Temperature, Vector
from monitor.recalibration.fit_scores import find_temperature, require_enough, search_line
from monitor.statistics.arrays import Floats, Ints

Block = tuple[Floats, Ints, Floats]

MIN_ROWS_PER_CLASS = 10  # of a class never seen, bias and weight are the ridge's alone
RIDGE = 2e-6  # per row, towards weights 1 and biases 0: settles what the likelihood leaves open (Σ of the biases)
_BLOCK_VALUES = 1 << 16  # logits worked on at a time: temporaries of half a megabyte
_STEPS = 200
_LAST_DECREMENT = 1e-9  # of the mean loss: after that step nothing is left of it in float64


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    logits: Floats  # (N, C); −∞ where a class has probability 0, but never in a row's own label
    labels: Ints
    weights: Floats

    def blocks(self) -> Iterator[Block]:
        """Copies, classes first, (C, rows): numpy adds up over few classes much faster along the first axis."""
        rows = max(1, _BLOCK_VALUES // self.logits.shape[1])
        for start in range(0, len(self.logits), rows):
            part = slice(start, start + rows)
            yield np.array(self.logits[part].T, dtype=np.float64, order="C"), self.labels[part], self.weights[part]


def _checked(logits: Floats, label_index: Ints, weight: Floats | None, what: str) -> _Rows:
    """The rows whose label has a probability above 0, once all is in order; ValueError says what is not."""
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
    row = np.arange(len(labels))
    top = logits.argmax(axis=1) if logits.size else labels
    missing = int(np.count_nonzero(~np.isfinite(logits[row, top])))  # argmax names a NaN first
    if missing:
        raise ValueError(f"{what} needs logits in every row ({missing} of {len(logits)} have none)")
    right = top == labels
    helped = np.isfinite(logits[row, labels])
    if not helped.all():
        logits, labels, weights, right = logits[helped], labels[helped], weights[helped], right[helped]
    require_enough(
        float(weights[right].sum()),
        float(weights[~right].sum()),
        what,
        ("rows with the top class right", "rows with it wrong"),
    )
    return _Rows(logits, labels, weights)


def fit_temperature_multiclass(
    logits: Floats, label_index: Ints, weight: Floats | None = None, *, start: Calibrator | None = None
) -> Temperature:
    """The T that minimises the mean of −log softmax(z / T)[label], from logits or log-probabilities z (N, C).

    The loss is convex in β = 1/T; its derivative Σ w·(E_softmax(βz)[z] − z_label) is brought to 0 by Newton's method on
    log β from ``start``, kept inside a bracket. An entry may be −∞ (a probability of exactly 0); a row whose own label
    has −∞ is left out, since no temperature helps it. Raises ValueError for rows without logits, labels outside 0..C−1,
    and fewer than 50 rows or 5 each with the top class right and wrong.
    """
    rows = _checked(logits, label_index, weight, "multi-class temperature")

    def slope(log_beta: float) -> tuple[float, float]:
        beta = float(np.exp(log_beta))
        first = second = 0.0
        for block in rows.blocks():
            d, dd = _slopes_of(beta, *block)
            first += d
            second += dd
        return first, beta * second

    return find_temperature(slope, start, multiclass=True)


def _slopes_of(beta: float, logits: Floats, labels: Ints, weights: Floats) -> tuple[float, float]:
    """Σ w·(E[z] − z_label) and Σ w·Var[z] under softmax(βz) of one block; z shifted by its row's maximum."""
    logits -= logits.max(axis=0)
    np.maximum(logits, -1e150, out=logits)  # −∞·0 would be NaN, and so would 1e300²·0; the class keeps probability 0
    own = logits[labels, np.arange(len(labels))]
    odds = np.exp(beta * logits)
    total = odds.sum(axis=0)
    odds *= logits
    mean = odds.sum(axis=0) / total
    odds *= logits
    square = odds.sum(axis=0) / total
    return float(weights @ (mean - own)), float(weights @ (square - mean * mean))


def fit_vector(
    logits: Floats, label_index: Ints, weight: Floats | None = None, *, start: Calibrator | None = None
) -> Vector:
    """The w, b (C,) that minimise the mean of −log softmax(w∘z + b)[label] + RIDGE·(‖w − 1‖² + ‖b‖²).

    Newton's method from ``start``, or from no change at all; a pass costs N·C² multiplications. The ridge keeps the fit
    finite where classes separate, and picks the biases that sum to 0. The weights of two classes may differ in sign.
    Raises ValueError as ``fit_temperature_multiclass``, and for a class that is the label of fewer than 10 rows.
    """
    rows = _checked(logits, label_index, weight, "vector scaling")
    classes = rows.logits.shape[1]
    count = np.bincount(rows.labels, weights=rows.weights, minlength=classes)
    if count.min() < MIN_ROWS_PER_CLASS:
        raise ValueError(
            f"vector scaling needs {MIN_ROWS_PER_CLASS} rows of each class (class {int(count.argmin())} has "
            f"{count.min():,.0f})"
        )
    origin = np.concatenate([np.ones(classes), np.zeros(classes)])
    theta = origin.copy()
    if isinstance(start, Vector):
        theta = np.array([*start.weights, *start.biases])
    elif isinstance(start, Temperature):
        theta[:classes] /= start.temperature
    found = _newton(rows, theta, origin)
    return Vector(tuple(found[:classes].tolist()), tuple(found[classes:].tolist()))


def _newton(rows: _Rows, theta: Floats, origin: Floats) -> Floats:
    total = float(rows.weights.sum())
    loss, gradient, curvature = _likelihood(rows, theta, origin, total)
    for _ in range(_STEPS):
        step = np.linalg.solve(curvature, gradient)
        decrement = float(step @ gradient)
        if decrement < _LAST_DECREMENT:
            return theta - step
        theta, (loss, gradient, curvature) = search_line(
            lambda trial: _likelihood(rows, trial, origin, total), theta, step, loss, decrement, _LAST_DECREMENT
        )
    return theta


def _likelihood(rows: _Rows, theta: Floats, origin: Floats, total: float) -> tuple[float, Floats, Floats]:
    """Regularised mean loss at θ = (w, b), its gradient (2C,) and Hessian (2C, 2C), summed over blocks."""
    away = theta - origin
    loss = RIDGE * float(away @ away)
    gradient = 2 * RIDGE * away
    curvature = 2 * RIDGE * np.eye(len(theta))
    for block in rows.blocks():
        one = _likelihood_of(theta, *block)
        loss += one[0] / total
        gradient += one[1] / total
        curvature += one[2] / total
    return loss, gradient, curvature


def _likelihood_of(theta: Floats, logits: Floats, labels: Ints, weights: Floats) -> tuple[float, Floats, Floats]:
    """One block's sums. With P = softmax and F = [P∘z, P], the Hessian is [diag ΣPz², diag ΣPz; diag ΣPz, diag ΣP] − FFᵀ."""
    classes, rows = logits.shape
    row = np.arange(rows)
    impossible = np.isneginf(logits)
    logits[impossible] = 0.0
    eta = logits * theta[:classes, None] + theta[classes:, None]
    eta[impossible] = -np.inf
    eta -= eta.max(axis=0)
    own = eta[labels, row]
    probability = np.exp(eta, out=eta)
    normaliser = probability.sum(axis=0)
    loss = float(weights @ (np.log(normaliser) - own))
    probability /= normaliser
    features = np.empty((2 * classes, rows))
    np.multiply(probability, logits, out=features[:classes])
    features[classes:] = probability
    weighted = features * weights
    gradient = weighted.sum(axis=1)
    gradient[:classes] -= np.bincount(labels, weights=weights * logits[labels, row], minlength=classes)
    gradient[classes:] -= np.bincount(labels, weights=weights, minlength=classes)
    curvature = -(features @ weighted.T)
    each, both = np.arange(classes), np.arange(classes) + classes
    curvature[each, each] += np.einsum("ij,ij->i", weighted[:classes], logits)
    cross = weighted[:classes].sum(axis=1)
    curvature[each, both] += cross
    curvature[both, each] += cross
    curvature[both, both] += weighted[classes:].sum(axis=1)
    return loss, gradient, curvature
