"""Slices whose values are the same now become one, and everything that names them in text follows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import numpy as np

from monitor.model import MISSING, Slice
from monitor.store.connection import fetch_column, load_table, make_naive
from monitor.store.dictionaries import Registry
from monitor.store.model_store import ModelStore
from monitor.store.sql import run_script, statement
from monitor.store.values import normalize_word

# Tables that name slices of a model in text, the column that does, and what else makes a row of it one of its kind.
# Histories have no key: they keep all their rows.
_NAMING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("alert_events", "slice", ()),
    ("jobs", "scope", ()),
    ("calibrators", "scope", ()),
    ("serving", "scope", ()),
    ("guards", "scope", ()),
    ("readings", "slice", ("version", '"window"', "window_end")),
    ("alerts", "slice", ("version", "rule")),
    ("thresholds", "scope", ("policy", "per", "class_name", "calibrator")),
    ("threshold_curves", "scope", ("policy", "per", "class_name", "calibrator")),
)
IN_CHARGE = "SELECT scope FROM serving WHERE model = $model AND until IS NULL AND calibrator <> '' ORDER BY scope"
_NEWEST = ("newest_readings", "reliability", "disparities")  # made anew by the next cycle


@dataclass(frozen=True, slots=True)
class SlicesRenewed:
    """``moved``: numbers of slices that become one with another, and of that; ``renamed``: whether any is written otherwise.

    ``scopes``: old → new text of scopes that a calibrator is in charge of; filled by ``finish_slices``.
    """

    moved: Mapping[int, int] = field(default_factory=dict)
    renamed: bool = False
    scopes: dict[str, str] = field(default_factory=dict)


def plan_slices(registry: Registry) -> SlicesRenewed:
    """Decide which slices go on, and let the registry know only those; samples and cells have yet to move."""
    goal: dict[Slice, int] = {}
    moved: dict[int, int] = {}
    renamed = False
    for slice_, number in sorted(registry.slices.items(), key=lambda pair: pair[1]):
        plain = _plain(slice_)
        renamed |= plain != slice_
        if plain in goal:
            moved[number] = goal[plain]
        else:
            goal[plain] = number
    registry.slices = goal
    registry.values = {name: {_value(value) for value in known} - {MISSING} for name, known in registry.values.items()}
    return SlicesRenewed(moved, renamed)


def _plain(slice_: Slice) -> Slice:
    return Slice.of({name: _value(value) for name, value in slice_.labels})


def _value(value: str) -> str:
    return normalize_word(value) or MISSING


def load_moved(connection: duckdb.DuckDBPyConnection, slices: SlicesRenewed) -> None:
    """Make them the temporary table `moved_slices`."""
    columns = {
        "slice_id": np.array(list(slices.moved), dtype=np.int32),
        "target": np.array(list(slices.moved.values()), dtype=np.int32),
    }
    load_table(connection, "moved_slices", columns)


def finish_slices(store: ModelStore, slices: SlicesRenewed, now: datetime) -> None:
    """After the samples: cells that have outlived theirs, the slices themselves, and all that names them."""
    connection, model = store.connection, store.model
    if not slices.renamed:
        return
    where = {"model_id": store.model_id}
    if slices.moved:
        run_script(connection, "renewal_cells", where)
        store.execute(
            "DELETE FROM slices WHERE model_id = $model_id AND slice_id IN (SELECT slice_id FROM moved_slices)", where
        )
    for plain, number in store.registry.slices.items():
        store.execute(
            statement("renewal_slice_labels"),
            {**where, "number": number, "names": list(dict(plain.labels)), "texts": list(dict(plain.labels).values())},
        )
    _renew_values(store)
    _rename_groups(connection, store.model_id)
    for table in _NEWEST:
        store.execute(f"DELETE FROM {table} WHERE model = $model", {"model": model.name})
    slices.scopes.update(_new_texts(fetch_column(connection, IN_CHARGE, {"model": model.name})))
    for table, column, key in _NAMING:
        same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM {table}.{name}" for name in key)
        known = (
            f"EXISTS (FROM {table} AS t WHERE t.model = $model AND t.{column} = $new AND {same})" if key else "false"
        )
        query = f"SELECT DISTINCT {column} FROM {table} WHERE model = $model"
        for old, new in _new_texts(fetch_column(connection, query, {"model": model.name})).items():
            which = {"model": model.name, "old": old}
            renamed = f"UPDATE {table} SET {column} = $new WHERE model = $model AND {column} = $old AND NOT {known}"
            store.execute(renamed, {**which, "new": new})
            # what is known under the new text too stays there; an alert goes on until its slice is found to be gone
            if key and table != "alerts":
                store.execute(f"DELETE FROM {table} WHERE model = $model AND {column} = $old", which)
    # of two calibrators in charge of what is one scope now, the newer
    store.execute(statement("renewal_serving_end"), {"model": model.name, "now": make_naive(now)})


def _new_texts(texts: Iterable[str]) -> dict[str, str]:
    """Old → new text, of slices that are written otherwise now."""
    return {text: plain for text in texts if (plain := _plain(Slice.parse(text)).text) != text}


def _rename_groups(connection: duckdb.DuckDBPyConnection, model_id: int) -> None:
    """Sums of groups have been made anew where there are samples; of older buckets they add up, as near as can be."""
    query = "SELECT DISTINCT slice FROM group_cells WHERE model_id = $model_id"
    texts = _new_texts(fetch_column(connection, query, {"model_id": model_id}))
    if not texts:
        return
    load_table(connection, "renamed_slices", {"old": texts.keys(), "new": texts.values()})
    run_script(connection, "renewal_groups", {"model_id": model_id})


def _renew_values(store: ModelStore) -> None:
    pairs = sorted((name, value) for name, known in store.registry.values.items() for value in known)
    store.execute("DELETE FROM slice_values WHERE model_id = $model_id", {"model_id": store.model_id})
    names, values = [name for name, _ in pairs], [value for _, value in pairs]
    load_table(store.connection, "plain_values", {"dimension": names, "value": values})
    store.execute(
        "INSERT INTO slice_values SELECT $model_id, dimension::VARCHAR, value::VARCHAR FROM plain_values",
        {"model_id": store.model_id},
    )
