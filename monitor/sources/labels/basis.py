"""What stored outcomes and identities were derived by: kept with the model, so that a change of it can be told.

Of the configuration only what matters is kept: another order of ``classes``, or one more source without settings of its own,
changes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from monitor.config.settings import Model
from monitor.model import Task
from monitor.sources.times.expressions import cut_time
from monitor.store.connection import quote_text
from monitor.store.values import MISSING_WORDS, LabelRules

_VALUES = 1  # the form that values have; grows when it changes


@dataclass(frozen=True, slots=True)
class Basis:
    """How labels are understood, and what times are cut to, by source. ``other``: labels of rows whose source is not known."""

    other: LabelRules
    labels: Mapping[str, LabelRules] = field(default_factory=dict)
    precision: Mapping[str, timedelta] = field(default_factory=dict)  # of sources that have one
    shared_precision: timedelta | None = None  # that of all predictions, where all have the same

    @classmethod
    def of(cls, model: Model, rules: Mapping[str, LabelRules]) -> "Basis":
        """``rules``: of each of the model's sources."""
        precision = {each.name: each.time_precision for each in model.source if each.time_precision is not None}
        shared = {each.time_precision for each in model.source if each.holds == "samples"}
        return cls(_union(list(rules.values())), rules, precision, shared.pop() if len(shared) == 1 else None)

    @classmethod
    def before_any(cls) -> "Basis":
        """Of rows that were stored before a basis was kept: labels were compared with predicted classes, letter by letter."""
        return cls(LabelRules(Task.MULTICLASS, missing=()))

    def to_json(self) -> str:
        other = _plain(self.other)
        own = {name: _plain(rules) for name, rules in sorted(self.labels.items())}
        return json.dumps(
            {
                "values": _VALUES,
                "labels": other,
                "labels_of": {name: plain for name, plain in own.items() if plain != other},
                "precision": {name: cut.total_seconds() for name, cut in sorted(self.precision.items())},
                "shared_precision": self.shared_precision.total_seconds() if self.shared_precision else None,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Basis":
        """Labels only: what times were cut to is seen on them."""
        held = json.loads(text)
        return cls(_rules(held["labels"]), {name: _rules(plain) for name, plain in held["labels_of"].items()})

    def outcome_sql(self, source: str, label: str, predicted: str) -> str:
        """As ``LabelRules.label_sql``; ``source`` is SQL, and NULL where it is not known."""
        own = {name: rules.label_sql(label, predicted) for name, rules in self.labels.items()}
        return by_source(source, own, self.other.label_sql(label, predicted))

    def time_sql(self, source: str, time: str) -> str:
        """A time (SQL) as it is cut; ``source`` is that of the prediction."""
        own = {name: cut_time(time, self.precision.get(name)) for name in self.labels}
        return by_source(source, own, cut_time(time, self.shared_precision))


def by_source(source: str, values: Mapping[str, str], other: str) -> str:
    """An SQL expression that depends on the source of a row (SQL, NULL = not known)."""
    cases = [f"WHEN {quote_text(name)} THEN {value}" for name, value in values.items() if value != other]
    return f"CASE {source} {' '.join(cases)} ELSE {other} END" if cases else other


def _union(rules: list[LabelRules]) -> LabelRules:
    """Of rows that may be of any of several sources: words that one of them knows, unless another one knows better."""
    true = {word for each in rules for word in each.true}
    false = {word for each in rules for word in each.false}
    return replace(
        rules[0],
        true=tuple(sorted(true - false)),
        false=tuple(sorted(false - true)),
        missing=tuple(dict.fromkeys(word for each in rules for word in each.missing)),
        classes=frozenset(word for each in rules for word in each.classes),
    )


def _plain(rules: LabelRules) -> dict[str, Any]:
    """What decides on outcomes, and nothing else."""
    missing = [word for word in rules.missing if word not in rules.true and word not in rules.false]
    plain: dict[str, Any] = {
        "missing": None if tuple(missing) == MISSING_WORDS else missing,
        "classes": sorted(word for word in rules.classes if word.lower() in missing),
    }
    if rules.from_names:
        return plain
    return plain | {"positive": rules.positive, "true": list(rules.true), "false": list(rules.false)}


def _rules(plain: Mapping[str, Any]) -> LabelRules:
    missing = MISSING_WORDS if plain["missing"] is None else tuple(plain["missing"])
    classes = frozenset(plain["classes"])
    if "positive" not in plain:
        return LabelRules(Task.MULTICLASS, missing=missing, classes=classes)
    return LabelRules(Task.BINARY, plain["positive"], tuple(plain["true"]), tuple(plain["false"]), missing, classes)
