"""Small numbers for models, streams and slices: the columns of samples and cells hold these, not texts."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import numpy as np

from monitor.config.settings import Model
from monitor.model import MISSING, OTHER, Slice, finest_scope
from monitor.store.connection import fetch_row, insert_row, load_table, make_naive, transaction
from monitor.store.sql import statement
from monitor.store.values import normalize_word

LONGEST_SLICE_VALUE = 120  # characters of a slice value that are kept; a longer one ends in its hash

_STUMP = re.compile(rf".{{{LONGEST_SLICE_VALUE}}}…[0-9a-f]{{8}}", re.DOTALL)  # of a value that was cut as it came in


class LostNumberError(Exception):
    """Rows were about to be stored under a number that stands for nothing, or for something else."""


def plain_value(value: str) -> str:
    """The one form of a slice value: normalised, its hashed stump, ``__missing__`` or ``__other__``."""
    value = normalize_word(value)
    if value in ("", MISSING):
        return MISSING
    if len(value) > LONGEST_SLICE_VALUE and value != OTHER and not _STUMP.fullmatch(value):
        return f"{value[:LONGEST_SLICE_VALUE]}…{hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return value


@dataclass(slots=True)
class Registry:
    """The numbers of one model, as the open transaction sees them: what changes them does so inside ``transaction``."""

    model_id: int
    slices: dict[Slice, int] = field(default_factory=dict)  # finest slices
    values: dict[str, set[str]] = field(default_factory=dict)  # dimension → values with a slice of their own
    # dimension → rows of the batch that fold, and some of their values
    folded: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    _is_open: bool = False
    _is_doubtful: bool = False  # a transaction was rolled back, or its end is not known

    @classmethod
    def load(cls, connection: duckdb.DuckDBPyConnection, model: Model, now: datetime) -> "Registry":
        """Look the model up, or enter it."""
        row = connection.execute("SELECT model_id FROM models WHERE name = $name", {"name": model.name}).fetchone()
        if row is None:
            row = fetch_row(connection, statement("model_insert"), {"name": model.name, "now": make_naive(now)})
        registry = cls(row[0])
        registry._load_all(connection)
        return registry

    def _load_all(self, connection: duckdb.DuckDBPyConnection) -> None:
        rows = connection.execute(
            "SELECT labels, slice_id FROM slices WHERE model_id = $model_id", {"model_id": self.model_id}
        ).fetchall()
        self.slices = {Slice.of(labels): slice_id for labels, slice_id in rows}
        self.load_values(connection)

    @contextmanager
    def transaction(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """One transaction (see ``transaction``) which the registry follows: rolled back, it knows what it knew before.

        A number kept of a rolled-back transaction would stand in samples without a row of its own, and be given out again.
        """
        slices, values = dict(self.slices), {name: set(known) for name, known in self.values.items()}
        try:
            with transaction(connection):
                if self._is_doubtful:
                    self._load_all(connection)
                self._is_open = True
                yield
        # whatever it is, Ctrl-C too: numbers that were rolled back must not be given again
        except BaseException:
            self.slices, self.values, self.folded = slices, values, {}
            # a stop may come once the commit is done: what is stored is looked up before anything is entered
            self._is_doubtful = True
            raise
        else:
            self._is_doubtful = False
        finally:
            self._is_open = False

    def load_values(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Look up which values have a place."""
        self.values = {}
        for dimension, value in connection.execute(
            "SELECT dimension, value FROM slice_values WHERE model_id = $model_id", {"model_id": self.model_id}
        ).fetchall():
            self.values.setdefault(dimension, set()).add(value)

    def has_place(self, slice_: Slice) -> bool:
        """Whether each value that the slice names has a place, or needs none."""
        return all(value in (MISSING, OTHER) or value in self.values.get(name, ()) for name, value in slice_.labels)

    def slices_inside(self, scope: Slice) -> list[int]:
        return [slice_id for own, slice_id in self.slices.items() if scope.contains(own)]

    def slices_in_charge_of(self, scope: Slice, scopes: Sequence[Slice]) -> list[int]:
        """Ids of the finest slices that ``scope`` is in charge of, among ``scopes``."""
        return [
            number for own, number in self.slices.items() if scope.contains(own) and finest_scope(own, scopes) == scope
        ]

    def map_slices(
        self, connection: duckdb.DuckDBPyConnection, model: Model, counted_by: str = "slice_keys_staged"
    ) -> None:
        """Fill the temporary table slice_keys (slice_key → slice_id) for all keys in `staged`, or those that another statement
        counts, entering new slices.

        To be called inside ``transaction``. Raises LostNumberError where numbers are not those of the store.
        """
        counted = connection.execute(statement(counted_by)).fetchall()
        keys, ids = [], []
        wanted: dict[int, Slice] = {}
        self.folded = {}
        for key, rows in counted:  # frequent values first, so that those get the slices when there are too many
            raw = key.split("\x1f") if model.slices else []
            labels = {}
            for dimension, value in zip(model.slices, raw, strict=True):
                labels[dimension] = self._value(connection, dimension, value, model.max_slice_values)
                if labels[dimension] == OTHER != value:
                    count, examples = self.folded.get(dimension, (0, []))
                    self.folded[dimension] = count + rows, [*examples[:2], value[:LONGEST_SLICE_VALUE]]
            keys.append(key)
            slice_ = Slice.of(labels)
            ids.append(self.number_slice(connection, slice_))
            wanted[ids[-1]] = slice_
        if keys:
            columns = {"slice_key": np.array(keys, dtype=object), "slice_id": np.array(ids, dtype=np.int32)}
            load_table(connection, "slice_keys", columns)
            self._demand_stored(connection, wanted)
        else:
            connection.execute("CREATE OR REPLACE TEMP TABLE slice_keys (slice_key VARCHAR, slice_id INTEGER)")

    def _demand_stored(self, connection: duckdb.DuckDBPyConnection, wanted: Mapping[int, Slice]) -> None:
        """Raises LostNumberError unless each number is, in the store, that of its slice: rows would be counted as others'."""
        stored = connection.execute(statement("slices_met"), {"model_id": self.model_id}).fetchall()
        held = [(number, Slice.of(labels)) for number, labels in stored]
        if len(held) != len(wanted) or dict(held) != wanted:
            lost = next(own for number, own in wanted.items() if held.count((number, own)) != 1)
            raise LostNumberError(f"slice {lost.text} is not stored under its number; nothing was taken")

    def _value(self, connection: duckdb.DuckDBPyConnection, dimension: str, value: str, limit: int) -> str:
        """The label value that stands for a raw one: itself, its hashed stump, __missing__ or __other__."""
        value = plain_value(value)
        if value in (MISSING, OTHER):
            return value
        known = self.values.setdefault(dimension, set())
        if value in known:
            return value
        if len(known) >= limit:
            return OTHER
        self._demand_open()
        known.add(value)
        insert_row(connection, "slice_values", {"model_id": self.model_id, "dimension": dimension, "value": value})
        return value

    def number_slice(self, connection: duckdb.DuckDBPyConnection, wanted: Slice) -> int:
        """Its number; a new slice is entered, inside ``transaction``."""
        known = self.slices.get(wanted)
        if known is not None:
            return known
        self._demand_open()
        labels = {"names": [name for name, _ in wanted.labels], "texts": [text for _, text in wanted.labels]}
        (number,) = fetch_row(connection, statement("slice_insert"), {"model_id": self.model_id, **labels})
        self.slices[wanted] = int(number)
        return int(number)

    def _demand_open(self) -> None:
        if not self._is_open:
            raise LostNumberError(
                "something is entered outside Registry.transaction: rolled back, its number would be lost"
            )
