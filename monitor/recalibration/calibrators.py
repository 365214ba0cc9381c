"""Calibrators: frozen functions from a score to a better calibrated score, and their form as plain values.

Each never reverses the order of two scores. Formulas: temperature, Guo et al. 2017, "On Calibration of Modern Neural
Networks", §4.2; isotonic, Zadrozny & Elkan 2002.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Calibrator(Protocol):
    """What every method offers; ``method`` and ``parameters()`` (JSON values) are all that rebuilding it needs."""

    @property
    def method(self) -> str: ...

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

    def parameters(self) -> dict[str, object]:
        return {"temperature": self.temperature, "multiclass": self.multiclass}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Scores 0 and 1 stay what they are, NaN stays NaN; nothing is clipped.

        Raises ValueError if ``multiclass`` and a row has no logits (None, or a NaN row): whether the score may be used
        in their place is for the caller to decide.
        """
        if not self.multiclass:
            return _sharpen(np.asarray(score, dtype=np.float64), 1 / self.temperature)
        if logits is None:
            raise ValueError("multi-class temperature needs logits of shape (N, C) (got none)")
        top = np.max(logits, axis=1, keepdims=True)
        missing = int(np.count_nonzero(~np.isfinite(top)))
        if missing:
            raise ValueError(f"multi-class temperature needs logits in every row ({missing} of {len(top)} have none)")
        scaled = np.subtract(logits, top, dtype=np.float64)
        scaled /= self.temperature
        np.exp(scaled, out=scaled)
        total: Floats = scaled.sum(axis=1)
        return np.reciprocal(total)


def _sharpen(score: Floats, beta: float) -> Floats:
    """sigmoid(β·logit(p)) as 1 / (1 + ((1 − p)/p)^β): one power instead of two logarithms and an exponential."""
    with np.errstate(divide="ignore", over="ignore", under="ignore"):  # p = 0 → 1/(1 + ∞) = 0, p = 1 → 1/(1 + 0) = 1
        out = np.subtract(1.0, score)
        np.divide(out, score, out=out)
        np.power(out, beta, out=out)
        np.add(out, 1.0, out=out)
        return np.reciprocal(out, out=out)


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

    def parameters(self) -> dict[str, object]:
        return {"x": list(self.x), "y": list(self.y)}

    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Calibrated scores (N,); NaN stays NaN. Logits are not used."""
        return np.interp(score, self.x, self.y)


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
