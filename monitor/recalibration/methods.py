"""What every calibrator offers, and the calibrator that a method's name and parameters describe."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from monitor.model.methods import method_named
from monitor.statistics.arrays import Floats

if TYPE_CHECKING:
    from monitor.recalibration.onnx import Graph


class Calibrator(ABC):
    """What every method offers; ``method`` and ``parameters()`` (JSON values) are all that rebuilding it needs.

    A method is a frozen dataclass of its parameters: numbers, lists of numbers (as tuples) or true and false.
    """

    __slots__ = ()

    name: ClassVar[str]
    formula: ClassVar[str]  # in the schema of artefacts: p is the score, z the logits
    schema: ClassVar[Mapping[str, Mapping[str, object]]] = {}  # JSON Schema of each parameter
    schema_version: ClassVar[int] = 2  # of artefacts: the oldest that can say it

    @property
    def method(self) -> str:
        return self.name

    @property
    def needs_logits(self) -> bool:
        """Whether it works on logit vectors; if not, it reads scores alone."""
        return False

    @property
    def classes(self) -> int | None:
        """How many logits it takes; None: any number, or none."""
        return None

    def parameters(self) -> dict[str, object]:
        """The parameters by name, as JSON values."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]  # a dataclass
        return {name: list(value) if isinstance(value, tuple) else value for name, value in held.items()}

    @abstractmethod
    def apply(self, score: Floats, logits: Floats | None = None) -> Floats:
        """Calibrated scores (N,) of scores (N,) in [0, 1], or of logits (N, C) where the method works on those."""

    def class_logits(self, logits: Floats) -> Floats | None:
        """Logits (N, C) whose softmax are the calibrated probabilities of all classes; None: it knows of scores only."""
        return None

    def draw(self, graph: "Graph", source: str) -> str:
        """Draw ``apply`` as nodes of an ONNX graph and return the name of what they yield. Raises ValueError where it
        has no such form."""
        raise ValueError(f"{self.method} has no ONNX form")


def _read(value: object, kind: object, name: str) -> object:
    """A parameter as its field holds it, from JSON. Raises ValueError where it is of another kind."""
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false (got {value!r})")
        return value
    if kind is not float:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be a list of numbers (got {value!r})")
        return tuple(_read(item, float, name) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number (got {value!r})")
    return float(value)


def part_of(place: str) -> Any:
    """Return what stands in a place of ``monitor.recalibration``, such as "fit_scores.fit_platt": a class or a fit."""
    module, _, name = place.rpartition(".")
    return getattr(import_module(f"monitor.recalibration.{module}"), name)


def calibrator_class(method: str) -> type[Calibrator]:
    """Return the class of a method's calibrators. Raises ValueError on an unknown method."""
    found: type[Calibrator] = part_of(method_named(method).calibrator)
    return found


def calibrator_from(method: str, parameters: Mapping[str, object]) -> Calibrator:
    """The calibrator that ``method`` and ``parameters()`` describe; the exact inverse, through JSON too.

    Raises ValueError on an unknown method, on missing or unknown parameters, and on values the method refuses.
    """
    made = calibrator_class(method)
    kinds = {field.name: field.type for field in fields(made)}  # type: ignore[arg-type]  # a dataclass
    if parameters.keys() != kinds.keys():
        wanted = ", ".join(sorted(kinds)) or "none"
        raise ValueError(f"{method} takes the parameters {wanted} (got {', '.join(sorted(parameters)) or 'none'})")
    return made(*(_read(parameters[name], kind, name) for name, kind in kinds.items()))
