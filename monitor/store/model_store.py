"""One model's part of the store: what nearly everything that reads or changes it needs."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from monitor.config.settings import Model
from monitor.store.connection import fetch_row, make_aware, make_naive
from monitor.store.dictionaries import Registry


@dataclass(frozen=True, slots=True)
class ModelStore:
    """A model as configured, the connection to the store that holds it, and its numbers there."""

    connection: duckdb.DuckDBPyConnection
    registry: Registry
    model: Model

    @classmethod
    def load(cls, connection: duckdb.DuckDBPyConnection, model: Model, now: datetime) -> "ModelStore":
        """Look the model's numbers up; a model that the store does not know is entered."""
        return cls(connection, Registry.load(connection, model, now), model)

    @property
    def model_id(self) -> int:
        return self.registry.model_id

    def execute(self, query: str, values: Mapping[str, object] | None = None) -> duckdb.DuckDBPyConnection:
        """Run one statement. Raises duckdb.Error."""
        return self.connection.execute(query, values)

    def fetch_row(self, query: str, values: Mapping[str, object] | None = None) -> tuple[Any, ...]:
        """Return the row of a statement that always gives one. Raises duckdb.Error."""
        return fetch_row(self.connection, query, values)

    def load_versions(self) -> dict[int, str]:
        """Return the version of each stream, by its number."""
        query = "SELECT stream_id, version FROM streams WHERE model_id = $model_id"
        return dict(self.execute(query, {"model_id": self.model_id}).fetchall())

    def load_first_seen(self) -> datetime | None:
        """Return when calwatch first looked at the model."""
        own = {"model_id": self.model_id}
        row = self.execute("SELECT first_seen_at FROM models WHERE model_id = $model_id", own).fetchone()
        return make_aware(row[0]) if row else None

    def span(self, version: str, covered: Sequence[int], start: datetime, end: datetime) -> dict[str, object]:
        """Return the values of a statement on a version's rows in the finest slices ``covered``, observed in [start, end)."""
        times = {"start": make_naive(start), "end": make_naive(end)}
        return {"model_id": self.model_id, "version": version, "covered": list(covered), **times}

    def transaction(self) -> AbstractContextManager[None]:
        """Return one transaction, which the numbers follow (see ``Registry.transaction``)."""
        return self.registry.transaction(self.connection)
