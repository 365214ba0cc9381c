"""Rows of `samples` changed together with their cells, from two temporary tables: `incoming` and `replaced`."""

from collections.abc import Mapping
from datetime import timedelta

import duckdb

from monitor.config.settings import Model
from monitor.store.cells import renew_cells
from monitor.store.dictionaries import LostNumberError, Registry
from monitor.store.sql import statement

_MICROSECOND = timedelta(microseconds=1)


def rewrite_samples(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> None:
    """Put the rows of `incoming` in, take those of `replaced` out (by row_key), and bring their cells up to date.

    To be called inside a transaction. Nothing happens when both are empty. Raises LostNumberError where a row to come in has
    a slice or stream that is not stored.
    """
    span = connection.execute(statement("ingest_span")).fetchone()
    assert span is not None  # an aggregate always gives a row
    if span[0] is None:
        return
    lost = connection.execute(statement("ingest_lost"), {"model_id": registry.model_id}).fetchone()
    if lost is not None:
        raise LostNumberError(f"sample {lost[0]} has slice {lost[1]} and stream {lost[2]}, of which one is not stored")
    first, beyond = span[0], span[1] + _MICROSECOND
    if span[2]:
        connection.execute(statement("ingest_delete_replaced"), {"first": first, "beyond": beyond})
    connection.execute(statement("ingest_insert"))
    connection.execute(statement("ingest_last_seen"), {"model_id": registry.model_id})
    renew_cells(connection, registry, model, first, beyond)


def take_out(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, chosen: str, values: Mapping[str, object]
) -> int:
    """Remove the samples that ``chosen`` (SQL over the columns of `samples`, called s) names, with their sums; how many."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE replaced AS SELECT s.rowid AS row_key, s.* FROM samples AS s WHERE {chosen}",
        values,
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM replaced LIMIT 0")
    rewrite_samples(connection, registry, model)
    gone = connection.execute("SELECT count(*) FROM replaced").fetchone()
    return int(gone[0]) if gone else 0
