"""Calibrators: frozen functions from a score to a better calibrated score, and their form as plain values.

Those on scores never reverse the order of two scores. Those on logits turn the logits of all classes into the
probability that the predicted class is right; no order of the scores that came with them is kept or meant to be.

Formulas: temperature and vector scaling, Guo et al. 2017, "On Calibration of Modern Neural Networks", §4.2; Platt 1999,
"Probabilistic Outputs for Support Vector Machines"; beta, Kull et al. 2017, "Beta calibration"; isotonic, Zadrozny &
Elkan 2002.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_EXPONENT = 1000.0  # 0.5^1000 is still a normal number, so p^a and (1 − p)^b are never both rounded to 0
MAX_INTERCEPT = 700.0  # e^700 is finite, so that it times 0 is 0
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


class Calibrator(Protocol):
    """What every method offers; ``method`` and ``parameters()`` (JSON values) are all that rebuilding it needs."""

    @property
    def method(self) -> str: ...

    @property
    def needs_logits(self) -> bool:
        """Whether it works on logit vectors; if not, it reads scores alone."""
        ...

    def parameters(self) -> dict[str, object]: ...

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Calibrated scores (N,) of scores (N,) in [0, 1], or of logits (N, C) where the method works on those."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Leaves scores as they are: the calibrator of a model that needs none."""

    @property
    def method(self) -> str:
        return "identity"

    @property
    def needs_logits(self) -> bool:
        return False

    def parameters(self) -> dict[str, object]:
        return {}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        return score


@dataclass(frozen=True, slots=True)
class Temperature:
    """Divides logits by ``temperature`` T > 0; T > 1 softens an over-confident model.

    ``multiclass=False``: sigmoid(logit(p) / T), for binary scores and for top-label scores without logit vectors.
    ``multiclass=True``: max over classes of softmax(z / T), from logits or log-probabilities z of shape (N, C).
    """

    temperature: float
    multiclass: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be a finite number above 0 (got {self.temperature!r})")

    @property
    def method(self) -> str:
        return "temperature"

    @property
    def needs_logits(self) -> bool:
        return self.multiclass

    def parameters(self) -> dict[str, object]:
        return {"temperature": self.temperature, "multiclass": self.multiclass}

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
class Platt:
    """sigmoid(``slope``·logit(p) + ``intercept``): temperature with a shift. Slope in 0..1000, so order is kept.

    On logits and not, as often seen, on probabilities: so the identity (1, 0) is among its curves.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        _require_within("slope", self.slope, 0.0, MAX_EXPONENT)
        _require_within("intercept", self.intercept, -MAX_INTERCEPT, MAX_INTERCEPT)

    @property
    def method(self) -> str:
        return "platt"

    @property
    def needs_logits(self) -> bool:
        return False

    def parameters(self) -> dict[str, object]:
        return {"slope": self.slope, "intercept": self.intercept}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Scores 0 and 1 stay what they are unless the slope is 0; NaN stays NaN. Logits are not used."""
        return power_curve(score, self.slope, self.slope, self.intercept)


@dataclass(frozen=True, slots=True)
class Beta:
    """sigmoid(``a``·ln p − ``b``·ln(1 − p) + ``c``) with a, b in 0..1000, so order is kept; a = b is Platt's curve."""

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        _require_within("a", self.a, 0.0, MAX_EXPONENT)
        _require_within("b", self.b, 0.0, MAX_EXPONENT)
        _require_within("c", self.c, -MAX_INTERCEPT, MAX_INTERCEPT)

    @property
    def method(self) -> str:
        return "beta"

    @property
    def needs_logits(self) -> bool:
        return False

    def parameters(self) -> dict[str, object]:
        return {"a": self.a, "b": self.b, "c": self.c}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Score 0 stays 0 unless a = 0, score 1 stays 1 unless b = 0; NaN stays NaN. Logits are not used."""
        return power_curve(score, self.a, self.b, self.c)


@dataclass(frozen=True, slots=True)
class Vector:
    """softmax(w∘z + b) of logits z (N, C), read at the class production predicted: the first maximum of z.

    The event is "the predicted class is right", and production predicts by z; the greatest of the new probabilities may
    be that of another class, whose event nobody reports. So the score can fall below 1/C, which says "the prediction is
    probably wrong". It is monotone in nothing one-dimensional. Unlike temperature it changes when a constant is added
    to a row: z must be of the kind it was fitted on (logits, or log-probabilities). A logit of −∞ (probability 0)
    stays −∞ whatever its weight.
    """

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
    def method(self) -> str:
        return "vector"

    @property
    def needs_logits(self) -> bool:
        return True

    def parameters(self) -> dict[str, object]:
        return {"weights": list(self.weights), "biases": list(self.biases)}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """(N,) probabilities that the predicted class is right. Raises ValueError without logits of C classes per row."""
        z, _ = _checked_logits(logits, "vector scaling")
        if z.shape[1] != len(self.weights):
            raise ValueError(f"vector scaling was fitted on {len(self.weights)} classes (got {z.shape[1]} logits)")
        with np.errstate(invalid="ignore"):  # −∞·0, put right in the next line
            scaled = z * np.array(self.weights) + np.array(self.biases)
        scaled[np.isneginf(z)] = -np.inf
        scaled -= scaled.max(axis=1, keepdims=True)
        np.exp(scaled, out=scaled)
        calibrated: Floats = scaled[np.arange(len(z)), z.argmax(axis=1)] / scaled.sum(axis=1)
        return calibrated


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Piecewise-linear through knots (x, y), constant outside them.

    Linear rather than a step: continuous, so that two scores which differ by rounding do not land 0.2 apart. x strictly
    rising in [0, 1]; y never falling, strictly inside (0, 1): an event that a calibrator calls impossible costs an
    infinite log-loss when it happens. ``fit_isotonic`` keeps y inside.
    """

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

    @property
    def method(self) -> str:
        return "isotonic"

    @property
    def needs_logits(self) -> bool:
        return False

    def parameters(self) -> dict[str, object]:
        return {"x": list(self.x), "y": list(self.y)}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Calibrated scores (N,); NaN stays NaN. Logits are not used."""
        return np.interp(score, self.x, self.y)


@dataclass(frozen=True, slots=True)
class OnProbabilities:
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


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number (got {value!r})")
    return float(value)


def _numbers(value: object, name: str) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list of numbers (got {value!r})")
    return tuple(_number(item, name) for item in value)


def _temperature(parameters: Mapping[str, object]) -> Temperature:
    multiclass = parameters["multiclass"]
    if not isinstance(multiclass, bool):
        raise ValueError(f"multiclass must be true or false (got {multiclass!r})")
    return Temperature(_number(parameters["temperature"], "temperature"), multiclass)


# method → (names of its parameters, how to build it); a new method is one more line
_METHODS: dict[str, tuple[frozenset[str], Callable[[Mapping[str, object]], Calibrator]]] = {
    "identity": (frozenset(), lambda parameters: Identity()),
    "temperature": (frozenset({"temperature", "multiclass"}), _temperature),
    "platt": (
        frozenset({"slope", "intercept"}),
        lambda parameters: Platt(*(_number(parameters[name], name) for name in ("slope", "intercept"))),
    ),
    "beta": (
        frozenset({"a", "b", "c"}),
        lambda parameters: Beta(*(_number(parameters[name], name) for name in ("a", "b", "c"))),
    ),
    "vector": (
        frozenset({"weights", "biases"}),
        lambda parameters: Vector(*(_numbers(parameters[name], name) for name in ("weights", "biases"))),
    ),
    "isotonic": (
        frozenset({"x", "y"}),
        lambda parameters: Isotonic(_numbers(parameters["x"], "x"), _numbers(parameters["y"], "y")),
    ),
}


def calibrator_from(method: str, parameters: Mapping[str, object]) -> Calibrator:
    """The calibrator that ``method`` and ``parameters()`` describe; the exact inverse, through JSON too.

    Raises ValueError on an unknown method, on missing or unknown parameters, and on values the method refuses.
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)} (got {method!r})")
    names, build = _METHODS[method]
    if set(parameters) != names:
        wanted = ", ".join(sorted(names)) or "none"
        raise ValueError(f"{method} takes the parameters {wanted} (got {', '.join(sorted(parameters)) or 'none'})")
    return build(parameters)
