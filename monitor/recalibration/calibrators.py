"""Calibrators: frozen functions from a score to a better calibrated score, each with its form as an ONNX graph.

Those on scores never reverse the order of two scores. Those on logits turn the logits of all classes into the
probability that the predicted class is right; no order of the scores that came with them is kept or meant to be.

Formulas: temperature and vector scaling, Guo et al. 2017, "On Calibration of Modern Neural Networks", §4.2; Platt 1999,
"Probabilistic Outputs for Support Vector Machines"; beta, Kull et al. 2017, "Beta calibration"; isotonic, Zadrozny &
Elkan 2002.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.recalibration.methods import Calibrator as Calibrator
from monitor.statistics.arrays import Floats

if TYPE_CHECKING:
    from monitor.recalibration.onnx import Graph


MAX_EXPONENT = 1000.0  # 0.5^1000 is still a normal number, so p^a and (1 − p)^b are never both rounded to 0
MAX_INTERCEPT = 700.0  # e^700 is finite, so that it times 0 is 0
_EXPONENT = {"type": "number", "minimum": 0, "maximum": MAX_EXPONENT}
_INTERCEPT = {"type": "number", "minimum": -MAX_INTERCEPT, "maximum": MAX_INTERCEPT}
_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2}
_BLOCK = 1 << 14  # scores at a time: three arrays of 128 kB stay in a core's cache from one operation to the next


def power_curve(score: NDArray[np.floating], a: float, b: float, c: float) -> Floats:
    """sigmoid(a·ln p − b·ln(1 − p) + c) of scores p in [0, 1], any shape, as float64.

    Calculated as 1 / (1 + e^(−c)·(1 − p)^b / p^a): powers instead of two logarithms and an exponential; one power where
    a = b. Scores 0 (and subnormal ones) and 1 become 0 and 1 where a, b > 0; NaN stays NaN. Scores in float32 are read
    as they are, block by block, and calculated with in float64. Expects 0 ≤ a, b ≤ ``MAX_EXPONENT`` (a = b: any size)
    and |c| ≤ ``MAX_INTERCEPT``.
    """
    flat = np.asarray(score).reshape(-1)
    out = np.empty(flat.shape)
    work = np.empty(min(_BLOCK, flat.size))
    factor = float(np.exp(-c))
    with np.errstate(divide="ignore", over="ignore", under="ignore"):  # p = 0 → 1/(1 + ∞) = 0, p = 1 → 1/(1 + 0) = 1
        for start in range(0, flat.size, _BLOCK):
            _one_block(flat[start : start + _BLOCK], a, b, factor, out[start : start + _BLOCK], work)
    return out.reshape(np.shape(score))


def _one_block(score: NDArray[np.floating], a: float, b: float, factor: float, out: Floats, work: Floats) -> None:
    p = work[: score.size]
    np.copyto(p, score)
    np.subtract(1.0, p, out=out)
    if a == b == 0:
        out *= 0.0  # 0 everywhere, but NaN stays NaN: any number, NaN too, to the power 0 is 1
        out += 1.0
    elif a == b:
        out /= p
        np.power(out, a, out=out)
    else:
        np.power(out, b, out=out)
        np.power(p, a, out=p)
        out /= p
    if factor != 1.0:
        out *= factor
    out += 1.0
    np.reciprocal(out, out=out)


@dataclass(frozen=True, slots=True)
class Identity(Calibrator):
    """Leaves scores as they are: the calibrator of a model that needs none."""

    name = "identity"
    formula = "p"
    schema_version = 1

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        return score

    def class_logits(self, logits: Floats) -> Floats | None:
        return logits

    def draw(self, graph: "Graph", source: str) -> str:
        return source


@dataclass(frozen=True, slots=True)
class Temperature(Calibrator):
    """Divides logits by ``temperature`` T > 0; T > 1 softens an over-confident model.

    ``multiclass=False``: sigmoid(logit(p) / T), for binary scores and for top-label scores without logit vectors.
    ``multiclass=True``: max over classes of softmax(z / T), from logits or log-probabilities z of shape (N, C).
    """

    name = "temperature"
    formula = "sigmoid(logit(p) / temperature); multiclass: max over classes of softmax(z / temperature)"
    schema: ClassVar = {"temperature": {"type": "number", "exclusiveMinimum": 0}, "multiclass": {"type": "boolean"}}
    schema_version = 1

    temperature: float
    multiclass: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be a finite number above 0 (got {self.temperature!r})")

    @property
    def needs_logits(self) -> bool:
        return self.multiclass

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Scores 0 and 1 stay what they are, NaN stays NaN; nothing is clipped.

        Raises ValueError if ``multiclass`` and a row has no logits (None, or a NaN row): whether the score may be used
        in their place is for the caller to decide.
        """
        if not self.multiclass:
            return power_curve(score, 1 / self.temperature, 1 / self.temperature, 0.0)
        z, top = _checked_logits(logits, "multi-class temperature")
        scaled = np.subtract(z, top, dtype=np.float64)
        scaled /= self.temperature
        np.exp(scaled, out=scaled)
        total: Floats = scaled.sum(axis=1)
        return np.reciprocal(total)

    def class_logits(self, logits: Floats) -> Floats | None:
        return logits / self.temperature if self.multiclass else None

    def draw(self, graph: "Graph", source: str) -> str:
        if not self.multiclass:
            return graph.power_curve(source, 1 / self.temperature, 1 / self.temperature, 0.0)
        shifted = graph.add("Sub", source, graph.row_maximum(source))
        odds = graph.add("Exp", graph.add("Div", shifted, graph.constant(self.temperature)))
        return graph.add("Reciprocal", graph.row_sum(odds))


def _checked_logits(logits: Floats | None, method: str) -> tuple[Floats, Floats]:
    """The logits (N, C) and each row's maximum (N, 1), which is finite; ValueError where a row has none."""
    if logits is None:
        raise ValueError(f"{method} needs logits of shape (N, C) (got none)")
    top = np.max(logits, axis=1, keepdims=True)
    missing = int(np.count_nonzero(~np.isfinite(top)))
    if missing:
        raise ValueError(f"{method} needs logits in every row ({missing} of {len(top)} have none)")
    return logits, top


@dataclass(frozen=True, slots=True)
class Platt(Calibrator):
    """sigmoid(``slope``·logit(p) + ``intercept``): temperature with a shift. Slope in 0..1000, so order is kept.

    On logits and not, as often seen, on probabilities: so the identity (1, 0) is among its curves.
    """

    name = "platt"
    formula = "sigmoid(slope * logit(p) + intercept)"
    schema: ClassVar = {"slope": _EXPONENT, "intercept": _INTERCEPT}

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        _require_within("slope", self.slope, 0.0, MAX_EXPONENT)
        _require_within("intercept", self.intercept, -MAX_INTERCEPT, MAX_INTERCEPT)

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Scores 0 and 1 stay what they are unless the slope is 0; NaN stays NaN. Logits are not used."""
        return power_curve(score, self.slope, self.slope, self.intercept)

    def draw(self, graph: "Graph", source: str) -> str:
        return graph.power_curve(source, self.slope, self.slope, self.intercept)


@dataclass(frozen=True, slots=True)
class Beta(Calibrator):
    """sigmoid(``a``·ln p − ``b``·ln(1 − p) + ``c``) with a, b in 0..1000, so order is kept; a = b is Platt's curve."""

    name = "beta"
    formula = "sigmoid(a * ln(p) - b * ln(1 - p) + c)"
    schema: ClassVar = {"a": _EXPONENT, "b": _EXPONENT, "c": _INTERCEPT}

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        _require_within("a", self.a, 0.0, MAX_EXPONENT)
        _require_within("b", self.b, 0.0, MAX_EXPONENT)
        _require_within("c", self.c, -MAX_INTERCEPT, MAX_INTERCEPT)

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Score 0 stays 0 unless a = 0, score 1 stays 1 unless b = 0; NaN stays NaN. Logits are not used."""
        return power_curve(score, self.a, self.b, self.c)

    def draw(self, graph: "Graph", source: str) -> str:
        return graph.power_curve(source, self.a, self.b, self.c)


@dataclass(frozen=True, slots=True)
class Vector(Calibrator):
    """softmax(w∘z + b) of logits z (N, C), read at the class production predicted: the first maximum of z.

    The event is "the predicted class is right", and production predicts by z; the greatest of the new probabilities may
    be that of another class, whose event nobody reports. So the score can fall below 1/C, which says "the prediction is
    probably wrong". It is monotone in nothing one-dimensional. Unlike temperature it changes when a constant is added
    to a row: z must be of the kind it was fitted on (logits, or log-probabilities). A logit of −∞ (probability 0)
    stays −∞ whatever its weight.
    """

    name = "vector"
    formula = "softmax(weights * z + biases) at the first maximum of z; a z of minus infinity stays so"
    schema: ClassVar = {"weights": _NUMBERS, "biases": _NUMBERS}

    weights: tuple[float, ...]
    biases: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.biases) or len(self.weights) < 2:
            raise ValueError(
                "vector scaling needs one weight and one bias per class, at least two "
                f"(got {len(self.weights)} and {len(self.biases)})"
            )
        if not np.all(np.isfinite([*self.weights, *self.biases])):
            raise ValueError("weights and biases of vector scaling must be finite")

    @property
    def classes(self) -> int | None:
        return len(self.weights)

    @property
    def needs_logits(self) -> bool:
        return True

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """(N,) probabilities that the predicted class is right. Raises ValueError without logits of C classes per row."""
        z, _ = _checked_logits(logits, "vector scaling")
        if z.shape[1] != len(self.weights):
            raise ValueError(f"vector scaling was fitted on {len(self.weights)} classes (got {z.shape[1]} logits)")
        scaled = self._scaled(z)
        scaled -= scaled.max(axis=1, keepdims=True)
        np.exp(scaled, out=scaled)
        calibrated: Floats = scaled[np.arange(len(z)), z.argmax(axis=1)] / scaled.sum(axis=1)
        return calibrated

    def class_logits(self, logits: Floats) -> Floats | None:
        return self._scaled(logits)

    def _scaled(self, logits: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # −∞·0, put right in the next line
            scaled: Floats = logits * np.array(self.weights) + np.array(self.biases)
        scaled[np.isneginf(logits)] = -np.inf
        return scaled

    def draw(self, graph: "Graph", source: str) -> str:
        scaled = graph.add("Mul", source, graph.constant(self.weights))
        scaled = graph.add("Add", scaled, graph.constant(self.biases))
        impossible = graph.add("IsInf", source, detect_positive=0)
        scaled = graph.add("Where", impossible, source, scaled)
        odds = graph.add("Exp", graph.add("Sub", scaled, graph.row_maximum(scaled)))
        predicted = graph.add("ArgMax", source, axis=1, keepdims=1)
        own = graph.add("Squeeze", graph.add("GatherElements", odds, predicted, axis=1), graph.constant([1], np.int64))
        return graph.add("Div", own, graph.row_sum(odds))


@dataclass(frozen=True, slots=True)
class Isotonic(Calibrator):
    """Piecewise-linear through knots (x, y), constant outside them.

    Linear rather than a step: continuous, so that two scores which differ by rounding do not land 0.2 apart. x strictly
    rising in [0, 1]; y never falling, strictly inside (0, 1): an event that a calibrator calls impossible costs an
    infinite log-loss when it happens. ``fit_isotonic`` keeps y inside.
    """

    name = "isotonic"
    formula = "linear between the knots (x, y), constant outside; x rises strictly, y never falls, as many y as x"
    schema: ClassVar = {
        "x": {"type": "array", "minItems": 1, "items": {"type": "number", "minimum": 0, "maximum": 1}},
        "y": {
            "type": "array", "minItems": 1, "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        },
    }  # fmt: skip
    schema_version = 1

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x, dtype=np.float64), np.asarray(self.y, dtype=np.float64)
        if x.ndim != 1 or x.shape != y.shape or x.size == 0:
            raise ValueError(f"isotonic needs as many y as x, at least one (got {len(self.x)} x and {len(self.y)} y)")
        if not (np.all(np.diff(x) > 0) and np.all((x >= 0) & (x <= 1))):
            raise ValueError("isotonic knots x must rise strictly within [0, 1]")
        if not (np.all(np.diff(y) >= 0) and np.all((y > 0) & (y < 1))):
            raise ValueError("isotonic knots y must not fall and must lie strictly between 0 and 1")

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Calibrated scores (N,); NaN stays NaN. Logits are not used."""
        return np.interp(score, self.x, self.y)

    def draw(self, graph: "Graph", source: str) -> str:
        """The knot at or left of each score is found by bisection, one Gather per binary digit."""
        x, y = np.array(self.x), np.array(self.y)
        digits = max(len(x) - 1, 1).bit_length()
        padded = np.full(1 << digits, np.inf)
        padded[: len(x)] = x
        knots = graph.constant(padded)
        inside = graph.add("Max", source, graph.constant(x[0]))
        inside = graph.add("Min", inside, graph.constant(x[-1]))
        unknown = graph.add("IsNaN", source)
        left = graph.add("Mul", graph.whole(unknown), graph.constant(0, np.int64))
        for digit in reversed(range(digits)):
            right = graph.add("Add", left, graph.constant(1 << digit, np.int64))
            reached = graph.add("LessOrEqual", graph.add("Gather", knots, right), inside)
            left = graph.add("Where", reached, right, left)
        slope = np.zeros(len(x))
        slope[:-1] = np.diff(y) / np.diff(x)
        beyond = graph.add("Sub", inside, graph.add("Gather", knots, left))
        rise = graph.add("Mul", beyond, graph.add("Gather", graph.constant(slope), left))
        level = graph.add("Add", graph.add("Gather", graph.constant(y), left), rise)
        return graph.add("Where", unknown, source, level)


@dataclass(frozen=True, slots=True)
class OnProbabilities(Calibrator):
    """A calibrator on logits that was fitted on probabilities taken for logits, applied to the logarithm of such.

    Nobody knew them apart then, and production goes on feeding such a calibrator what it was fitted on.
    """

    fitted: Calibrator

    @property
    def method(self) -> str:
        return self.fitted.method

    @property
    def needs_logits(self) -> bool:
        return True

    def parameters(self) -> dict[str, object]:
        return self.fitted.parameters()

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Calibrated scores (N,) of log-probabilities (N, C). Raises ValueError as the fitted one."""
        return self.fitted.apply(score, None if logits is None else np.exp(logits))


def _require_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # false for NaN
        raise ValueError(f"{name} must lie in {low:g}..{high:g} (got {value!r})")
