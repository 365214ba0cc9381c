"""Whether the predicted class is that of the largest logit; where it is not, in which order the classes probably stand."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model.wording import first_few
from monitor.store.sql import statement

ENOUGH = 0.99  # of the rows, below which logits are not used
_LISTED = 20  # classes that a sentence names in full
_UNKNOWN = "?"  # stands for a logit that is never the largest


@dataclass(frozen=True, slots=True)
class Agreement:
    """Rows with a predicted class and logits, by (predicted class, index of the largest logit).

    ``agreeing``: those where no logit is larger than the predicted class's own; ``width``: logits of the longest row.
    """

    pairs: Mapping[tuple[str, int], int] = field(default_factory=dict)
    agreeing: int = 0
    width: int = 0

    @property
    def rows(self) -> int:
        return sum(self.pairs.values())

    @property
    def share(self) -> float | None:
        """Of rows that agree, 0 to 1; None without rows."""
        return self.agreeing / self.rows if self.rows else None

    @property
    def is_broken(self) -> bool:
        """Whether fewer than 99 % agree; one row alone says nothing."""
        return self.rows - self.agreeing > max(1.0, (1 - ENOUGH) * self.rows)

    def __add__(self, other: "Agreement") -> "Agreement":
        pairs = dict(Counter(self.pairs) + Counter(other.pairs))
        return Agreement(pairs, self.agreeing + other.agreeing, max(self.width, other.width))


def count_agreement(connection: duckdb.DuckDBPyConnection, classes: Sequence[str]) -> Agreement:
    """Of the good rows of `staged`, whether their logits are as they came or settled. Not for binary tasks, whose
    predicted class goes by a threshold."""
    index = "list_position($classes, predicted_class)" if classes else "TRY_CAST(predicted_class AS INTEGER) + 1"
    query = statement("logits_agreement", place=index)
    found = connection.execute(query, {"classes": list(classes)} if classes else {}).fetchall()
    parts = (Agreement({(name, top): n}, n if agrees else 0, width) for name, top, agrees, width, n in found)
    return sum(parts, Agreement())


def compare_classes(predicted: NDArray[np.str_], logits: NDArray[np.floating], classes: Sequence[str]) -> Agreement:
    """The same of predicted classes (N,), "" where a row has none, and logits (N, C)."""
    named = predicted != ""
    predicted, logits = predicted[named], logits[named]
    if not len(predicted):
        return Agreement()
    names, codes = name_codes(predicted)
    known = {name: place for place, name in enumerate(class_names(classes, logits.shape[1]))}
    own = np.array([known.get(name, -1) for name in names])[codes]
    rows = np.flatnonzero((own >= 0) & (own < logits.shape[1]))
    agreeing = int(np.count_nonzero(logits[rows, own[rows]] >= logits[rows].max(axis=1)))
    width = logits.shape[1]
    both, counts = np.unique(codes * width + logits.argmax(axis=1), return_counts=True)
    pairs = {
        (names[pair // width], pair % width): count for pair, count in zip(both.tolist(), counts.tolist(), strict=True)
    }
    return Agreement(pairs, agreeing, width)


def name_codes(names: NDArray[np.str_]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct names as they come, and the place of each of the N among them; np.unique would sort N texts."""
    places: dict[str, int] = {}
    codes = np.fromiter((places.setdefault(name, len(places)) for name in names.tolist()), np.int64, len(names))
    return list(places), codes


def class_names(classes: Sequence[str], width: int) -> Sequence[str]:
    """``classes`` as configured, or else those that are called by their number: 0, 1, 2 …"""
    return classes or [str(place) for place in range(width)]


def describe_agreement(found: Agreement, classes: Sequence[str], noun: str = "row") -> str:
    """How many agree, and if that is too few what is probably the matter, as a sentence without its stop."""
    if found.share is None:
        return ""
    # rounded down: what is not all must not read as all
    share = f"{np.floor(1000 * found.share) / 10:.1f}".removesuffix(".0")
    said = f"predicted_class is the class of the largest logit in {share} % of {found.rows:,} {noun}s"
    return f"{said}: {_cause(found, classes)}" if found.is_broken else said


def _cause(found: Agreement, classes: Sequence[str]) -> str:
    names = sorted({name for name, _ in found.pairs})
    first = sum(count for (_, top), count in found.pairs.items() if top == 0)
    if len(names) > 1 and first >= ENOUGH * found.rows:
        return (
            "the first logit is always the largest, so the vectors seem to be sorted; each needs the logits of all classes, "
            "in one and the same order"
        )
    guess, how = _guess(found, classes, names)
    if guess is not None:
        listed = ", ".join(f'"{name}"' for name in guess)
        whole = f"classes = [{listed}]" if len(guess) <= _LISTED else f"classes that begin with {first_few(guess)}"
        unknown = f' ("{_UNKNOWN}": never the largest)' if _UNKNOWN in guess else ""
        return f"the logits seem to stand in another order than classes: set {whole}{unknown}, {how}"
    foreign = sorted(name for name in names if name not in class_names(classes, found.width))
    if foreign:
        numbered = "" if classes else ", and without classes they are called 0, 1, 2 …"
        return (
            f"predicted_class says {first_few(foreign)}, which is none of the classes{numbered}: set classes = [...], one name "
            "for each logit, in order"
        )
    return "classes = [...] has to name the class of each logit in order, and both have to come from the same model"


def _guess(found: Agreement, classes: Sequence[str], names: Sequence[str]) -> tuple[list[str] | None, str]:
    """An order of classes under which at least 99 % would agree, and what it is; (None, "") if there is none."""
    numbers = [str(place) for place in range(found.width)]
    for order, how in (
        (sorted(class_names(classes, found.width)), "which is sorted alphabetically"),
        (
            sorted(classes, key=int) if all(name.isascii() and name.isdigit() for name in classes) else [],
            "which is sorted by number",
        ),
        ([str(int(number) + 1) for number in numbers] if not classes else [], "which counts from 1"),
        (list(names) if len(names) == found.width else [], "which is sorted alphabetically"),
        (_by_majority(found, classes, names), "the order that most of them show"),
    ):
        if order and _hits(found, order) >= ENOUGH * found.rows:
            return order, how
    return None, ""


def _hits(found: Agreement, order: Sequence[str]) -> int:
    return sum(count for (name, top), count in found.pairs.items() if top < len(order) and order[top] == name)


def _by_majority(found: Agreement, classes: Sequence[str], names: Iterable[str]) -> list[str]:
    """For each logit the class most often predicted where it is the largest; empty where two logits share one."""
    most: dict[int, tuple[int, str]] = {}
    for (name, top), count in sorted(found.pairs.items()):
        most[top] = max(most.get(top, (0, "")), (count, name))
    order = [most[place][1] if place in most else _UNKNOWN for place in range(found.width)]
    seen = [name for name in order if name != _UNKNOWN]
    if len(set(seen)) < len(seen):
        return []
    left = [name for name in (classes or names) if name not in seen]
    if order.count(_UNKNOWN) == 1 and len(left) == 1:
        order[order.index(_UNKNOWN)] = left[0]
    return order
