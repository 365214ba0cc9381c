"""Pulls that did not come to their end: rows are committed batch by batch, and what follows on all of them was not done."""

import duckdb

from monitor.config import Model
from monitor.store.registry import Registry


def was_cut_short(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> bool:
    """Whether something was taken since the last pull on record: calwatch was killed, or a later source failed, before parked
    labels could be tried on the new rows. Nothing else would try them until more rows come."""
    row = connection.execute(
        "SELECT (SELECT max(read_at) FROM cursors WHERE model_id = $model_id) > "
        "coalesce((SELECT max(pulled_at) FROM pulls WHERE model = $model), TIMESTAMP '1970-01-01')",
        {"model_id": registry.model_id, "model": model.name},
    ).fetchone()
    return bool(row and row[0])
