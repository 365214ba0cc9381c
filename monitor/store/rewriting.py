"""Rows of `samples` changed together with their cells, from two temporary tables: `incoming` and `replaced`."""

from collections.abc import Mapping
from datetime import timedelta

from monitor.store.cells import renew_cells
from monitor.store.dictionaries import LostNumberError
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

_MICROSECOND = timedelta(microseconds=1)


def rewrite_samples(store: ModelStore) -> None:
    """Put the rows of `incoming` in, take those of `replaced` out (by row_key), and bring their cells up to date.

    To be called inside a transaction. Nothing happens when both are empty. Raises LostNumberError where a row to come in has
    a slice or stream that is not stored.
    """
    first, last, is_replacing = store.fetch_row(statement("ingest_span"))
    if first is None:
        return
    lost = store.execute(statement("ingest_lost"), {"model_id": store.model_id}).fetchone()
    if lost is not None:
        raise LostNumberError(f"sample {lost[0]} has slice {lost[1]} and stream {lost[2]}, of which one is not stored")
    beyond = last + _MICROSECOND
    if is_replacing:
        store.execute(statement("ingest_delete_replaced"), {"first": first, "beyond": beyond})
    store.execute(statement("ingest_insert"))
    store.execute(statement("ingest_last_seen"), {"model_id": store.model_id})
    renew_cells(store, first, beyond)


def remove_samples(store: ModelStore, chosen: str, values: Mapping[str, object]) -> int:
    """Remove the samples that ``chosen`` (SQL over the columns of `samples`, called s) names, with their sums; how many."""
    store.execute(
        f"CREATE OR REPLACE TEMP TABLE replaced AS SELECT s.rowid AS row_key, s.* FROM samples AS s WHERE {chosen}",
        values,
    )
    store.execute("CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM replaced LIMIT 0")
    rewrite_samples(store)
    return int(store.fetch_row("SELECT count(*) FROM replaced")[0])
