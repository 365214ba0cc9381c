"""What a model predicts, and the parts of its traffic."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from monitor.model.nouns import GROUP


class Task(StrEnum):
    """What the model does, and therefore which event its score is the probability of."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"

    @property
    def event(self) -> str:
        """The event in words; shown wherever a calibration number is shown, because users confuse these."""
        return _EVENTS[self]

    def event_at(self, iou: str) -> str:
        """The event with the IoU that decides it; "" where none does, or nobody knows which.

        >>> Task.DETECTION.event_at("0.5")
        'the box matches a ground-truth box of its class at IoU 0.5'
        """
        return f"{self.event} at IoU {iou}" if iou else self.event

    @property
    def counts_missed(self) -> bool:
        """Whether each positive is a sample, so that those not predicted are counted: a missed object has no detection."""
        return self is not Task.DETECTION

    @property
    def group_noun(self) -> str:
        """What a group of samples is called where nobody says."""
        return "image" if self in (Task.DETECTION, Task.SEGMENTATION) else GROUP

    @property
    def has_negatives(self) -> bool:
        """Whether what is neither there nor predicted is a sample: nobody counts the places without an object."""
        return self is not Task.DETECTION


_EVENTS = {
    Task.BINARY: "the positive class is true",
    Task.MULTICLASS: "the predicted class is right (top-label)",
    Task.DETECTION: "the box matches a ground-truth box of its class",
    Task.SEGMENTATION: "the pixel belongs to the class",
}

MISSING = "__missing__"  # slice value of a sample that has none
OTHER = "__other__"  # slice value that stands for all beyond max_slice_values
# labels that no slice dimension may be called by: those of every reading, and those that Prometheus sets
NO_DIMENSIONS = ("model", "version", "window", "rule", "state", "severity", "le", "quantile", "job", "instance")
# labels that some series have of their own: a slice dimension of that name gets another label there
RESERVED_LABELS = frozenset({
    *NO_DIMENSIONS, "health", "calibrator", "method", "policy", "per", "class", "bound", "stage", "task", "event", "source",
    "reason", "kind", "outcome",
})  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=").replace("\n", "\\n")


# what stands between signs that no backslash is before
_PAIRS, _FIELDS = (re.compile(rf"(?:^|{sign})((?:\\.|[^\\{sign}])*)", re.DOTALL) for sign in ",=")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """A part of the traffic, named by label values: ``camera=c3,lighting=night``; no labels is the whole, ``all``."""

    labels: tuple[tuple[str, str], ...] = ()  # sorted by dimension name

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Slice":
        return cls(tuple(sorted(labels.items())))

    @property
    def text(self) -> str:
        """Canonical text; backslash, comma, equals sign and newline inside names and values are escaped with ``\\``."""
        return ",".join(f"{_escaped(name)}={_escaped(value)}" for name, value in self.labels) or "all"

    @property
    def order(self) -> int:
        """0 for the whole, 1 for a marginal (one dimension), 2 and more for a cross."""
        return len(self.labels)

    def as_dict(self) -> dict[str, str]:
        return dict(self.labels)

    def contains(self, other: "Slice") -> bool:
        """Whether every sample of ``other`` is one of this slice, by the labels they name."""
        return set(self.labels) <= set(other.labels)

    def wider_slices(self, most: int | None = None) -> Iterator["Slice"]:
        """Yield every slice named by some of these labels, by at most ``most`` of them, itself included but not the whole."""
        for order in range(1, min(self.order, self.order if most is None else most) + 1):
            yield from map(Slice, combinations(self.labels, order))

    @classmethod
    def parse(cls, text: str) -> "Slice":
        """The slice a canonical text names. Raises ValueError with the part that is not ``name=value``."""
        if text == "all":
            return cls()
        pairs = [[_unescaped(field) for field in _FIELDS.findall(pair)] for pair in _PAIRS.findall(text)]
        for pair in pairs:
            if len(pair) != 2 or not pair[0]:
                raise ValueError(f'slice must be "all" or "name=value,…" (got {"=".join(pair)!r} in {text!r})')
        return cls.of({pair[0]: pair[1] for pair in pairs})


def finest_scope(slice_: Slice, scopes: Iterable[Slice]) -> Slice | None:
    """The scope in charge of a slice: the one naming most labels; among equals the first in canonical order."""
    fitting = [scope for scope in scopes if scope.contains(slice_)]
    return min(fitting, key=lambda scope: (-scope.order, scope.labels), default=None)
