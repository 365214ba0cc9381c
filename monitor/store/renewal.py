"""Stored rows understood anew: once after an upgrade, and when the configuration of what labels and times mean changes.

Values come into the one form they have since (``values.py``), outcomes that followed from labels follow from them by the
rules as they are now, and identities that become one are one row. What was derived by is kept with the model; where it is the
same as before nothing is done. Drift evidence that rests on what changed starts afresh.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import duckdb
import numpy as np

from monitor.config import Model
from monitor.model import Slice, Task
from monitor.sources.base import Problem
from monitor.store.cells import shown_slices
from monitor.store.connection import atomic, load_table
from monitor.store.label_rules import load_rules
from monitor.store.registry import Registry
from monitor.store.rewriting import rewrite_samples
from monitor.store.sql import statement
from monitor.store.values import LabelRules, normalize_word, normalized_text
from monitor.wording import counted

_DAY = timedelta(days=1)
_VALUES = 1  # the form that values have; grows when it changes
_TEXTS = ("sample_id", "group_id", "predicted_class", "label")


def renew_meaning(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, now: datetime
) -> list[Problem]:
    """Bring what is stored of the model up to what its rows mean now; what changed, told once. One transaction."""
    where = {"model_id": registry.model_id}
    row = connection.execute("SELECT label_basis FROM models WHERE model_id = $model_id", where).fetchone()
    assert row is not None
    before = json.loads(row[0]) if row[0] else None
    basis = _basis(model)
    if before == basis:
        return []
    told: list[Problem] = []
    with atomic(connection):
        if connection.execute("SELECT 1 FROM samples WHERE model_id = $model_id LIMIT 1", where).fetchone():
            told = _renew(connection, registry, model, before, now)
        connection.execute(
            "UPDATE models SET label_basis = $basis WHERE model_id = $model_id", {**where, "basis": json.dumps(basis)}
        )
    return told


def _basis(model: Model) -> dict[str, object]:
    """What outcomes and identities are derived by."""
    precisions = sorted(
        {source.time_precision.total_seconds() if source.time_precision else 0.0 for source in model.source}
    )
    return {
        "values": _VALUES, "task": model.task.value, "positive": model.positive, "classes": list(model.classes),
        "outcomes": [
            [list(source.outcomes.true), list(source.outcomes.false)] if source.outcomes else None
            for source in model.source
        ],
        "missing": [None if source.missing_labels is None else list(source.missing_labels) for source in model.source],
        "precision": precisions[0] if len(precisions) == 1 else 0.0,
    }  # fmt: skip


def _renew(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    model: Model,
    before: dict[str, object] | None,
    now: datetime,
) -> list[Problem]:
    slices = _renew_slices(connection, registry, model) if before is None else 0
    rules = load_rules(connection, registry.model_id, model, model.source[0], now)
    derived = _follow_from_labels(connection, registry, before)
    span = connection.execute(
        "SELECT min(observed_at), max(observed_at) FROM samples WHERE model_id = $model_id",
        {"model_id": registry.model_id},
    ).fetchone()
    assert span is not None
    changed = judged = doubled = 0
    day = span[0].replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= span[1]:  # a day at a time: memory stays small
        rewritten, outcomes, merged = _renew_day(connection, registry, model, rules, day, derived=derived)
        changed, judged, doubled = changed + rewritten, judged + outcomes, doubled + merged
        day += _DAY
    if judged or slices or doubled:
        connection.execute("DELETE FROM evidence_reach WHERE model = $model", {"model": model.name})
    return _told(model, rules, judged, doubled, slices)


def _told(model: Model, rules: LabelRules, judged: int, doubled: int, slices: int) -> list[Problem]:
    said = []
    if judged:
        how = (
            "the label names the predicted class" if rules.from_names
            else f'the label is positive = "{rules.positive}"' if rules.positive is not None
            else "the label is 1 or true; labels that are names wait for positive in [[model]], without an outcome"
        )  # fmt: skip
        said.append(f"outcomes of {counted(judged, 'stored sample')} follow from their labels anew: {how}")
    if doubled:
        said.append(f"{counted(doubled, 'stored row')} that said the same as another became one with it")
    if slices:
        said.append(f"{counted(slices, 'slice')} whose values were written in two ways became one with another")
    if not said:
        return []
    text = f'model "{model.name}": {"; ".join(said)}. Drift evidence starts afresh'
    return [Problem(model.name, "labels_judged_anew", text)]


def _follow_from_labels(
    connection: duckdb.DuckDBPyConnection, registry: Registry, before: dict[str, object] | None
) -> bool:
    """Whether all stored outcomes beside a label are those that followed from it: else the source gave outcomes itself."""
    old = LabelRules(
        Task(str(before["task"])) if before else Task.MULTICLASS,  # before this was kept, labels were compared as texts
        str(before["positive"]) if before and before["positive"] is not None else None,
        *_old_words(before),
        missing=() if before is None else LabelRules(Task.BINARY).missing,
    )
    outcome = old.label_sql("label", "predicted_class")
    odd = connection.execute(
        "SELECT 1 FROM samples WHERE model_id = $model_id AND label IS NOT NULL AND positives IS NOT NULL "
        f"AND ({outcome}) IN (0, 1) AND n = 1 AND positives <> ({outcome}) LIMIT 1",
        {"model_id": registry.model_id},
    ).fetchone()
    return odd is None


def _old_words(before: dict[str, object] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    outcomes = before["outcomes"] if before else None
    first = outcomes[0] if isinstance(outcomes, list) and outcomes else None
    true, false = first if first else ((), ())
    return tuple(word.strip().lower() for word in true), tuple(word.strip().lower() for word in false)


def _renew_day(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    model: Model,
    rules: LabelRules,
    day: datetime,
    *,
    derived: bool,
) -> tuple[int, int, int]:
    """(rows that changed, outcomes among them, rows that became one with another) of one day."""
    texts = ", ".join(f"{normalized_text(f's.{name}')} AS new_{name}" for name in _TEXTS)
    outcome = rules.label_sql("new_label", "new_predicted_class") if derived else "NULL::INTEGER"
    precisions = {source.time_precision for source in model.source}
    cut = precisions.pop() if len(precisions) == 1 else None
    micros = int(cut.total_seconds() * 1_000_000) if cut else 1
    values = {"model_id": registry.model_id, "first": day, "beyond": day + _DAY}
    connection.execute(
        statement("renewal_day").replace("/*texts*/", texts).replace("/*outcome*/", f"({outcome})").replace(
            "/*derived*/", "true" if derived else "false"
        ),
        {**values, "micros": micros},
    )  # fmt: skip
    connection.execute(statement("renewal_rows"))
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM incoming), (SELECT count(*) FROM incoming WHERE judged), "
        "(SELECT count(*) FROM replaced) - (SELECT count(*) FROM incoming)"
    ).fetchone()
    assert counts is not None
    if counts[0] or counts[2]:
        rewrite_samples(connection, registry, model)
    return int(counts[0]), int(counts[1]), int(counts[2])


def _renew_slices(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> int:
    """Slices whose values are the same now become one; their samples and cells move to it. How many went."""
    goal: dict[Slice, int] = {}
    moved: list[tuple[int, int]] = []
    renamed: list[Slice] = []
    for slice_, number in sorted(registry.slices.items(), key=lambda pair: pair[1]):
        plain = _plain(slice_)
        renamed += [slice_] if plain != slice_ else []
        if plain in goal:
            moved.append((number, goal[plain]))
        else:
            goal[plain] = number
    if not renamed:
        return 0
    _move_slices(connection, registry.model_id, moved, goal)
    texts = {
        shown.text: _plain(shown).text
        for shown in shown_slices(renamed, model.slices, model.max_order)
        if _plain(shown) != shown
    }
    _rename_slices(connection, registry.model_id, model.name, texts)
    registry.slices = goal
    registry.values = {name: {normalize_word(value) for value in known} for name, known in registry.values.items()}
    return len(moved)


def _plain(slice_: Slice) -> Slice:
    return Slice.of({name: normalize_word(value) for name, value in slice_.labels})


def _move_slices(
    connection: duckdb.DuckDBPyConnection, model_id: int, moved: Sequence[tuple[int, int]], goal: Mapping[Slice, int]
) -> None:
    where = {"model_id": model_id}
    for number, target in moved:
        for table in ("samples", "cells"):
            connection.execute(
                f"UPDATE {table} SET slice_id = $target WHERE model_id = $model_id AND slice_id = $number",
                {**where, "target": target, "number": number},
            )
        connection.execute(
            "DELETE FROM slices WHERE model_id = $model_id AND slice_id = $number", {**where, "number": number}
        )
    for plain, number in goal.items():
        names, texts = [name for name, _ in plain.labels], [text for _, text in plain.labels]
        connection.execute(
            "UPDATE slices SET labels = map($names::VARCHAR[], $texts::VARCHAR[]) WHERE model_id = $model_id "
            "AND slice_id = $number",
            {**where, "number": number, "names": names, "texts": texts},
        )


_NAMED = (  # tables that name slices of a model in text, and the column that does
    ("readings", "slice"), ("alerts", "slice"), ("alert_events", "slice"), ("jobs", "scope"), ("calibrators", "scope"),
    ("serving", "scope"), ("thresholds", "scope"), ("threshold_curves", "scope"), ("guards", "scope"),
)  # fmt: skip
_NEWEST = ("newest_readings", "reliability", "disparities")  # made anew by the next cycle


def _rename_slices(connection: duckdb.DuckDBPyConnection, model_id: int, model: str, texts: Mapping[str, str]) -> None:
    """What was known of a slice goes on under its new text, unless something is known under that already."""
    for old, new in texts.items():
        words = {"model": model, "old": old, "new": new}
        for table, column in _NAMED:
            connection.execute(
                f"UPDATE {table} SET {column} = $new WHERE model = $model AND {column} = $old "
                f"AND NOT EXISTS (SELECT 1 FROM {table} WHERE model = $model AND {column} = $new)",
                words,
            )
        connection.execute("DELETE FROM alerts WHERE model = $model AND slice = $old", {"model": model, "old": old})
        connection.execute(
            "UPDATE group_cells SET slice = $new WHERE model_id = $model_id AND slice = $old",
            {"model_id": model_id, "old": old, "new": new},
        )
    for table in _NEWEST:
        connection.execute(f"DELETE FROM {table} WHERE model = $model", {"model": model})
    values = connection.execute(
        "SELECT dimension, value FROM slice_values WHERE model_id = $model_id", {"model_id": model_id}
    ).fetchall()
    pairs = sorted({(dimension, normalize_word(value)) for dimension, value in values})
    connection.execute("DELETE FROM slice_values WHERE model_id = $model_id", {"model_id": model_id})
    columns = {
        "dimension": np.array([name for name, _ in pairs], dtype=object),
        "value": np.array([text for _, text in pairs], dtype=object),
    }
    load_table(connection, "plain_values", columns)
    connection.execute(
        "INSERT INTO slice_values SELECT $model_id, dimension, value FROM plain_values", {"model_id": model_id}
    )
