"""How far groups (group_id) reach: which share of rows lies in groups that span buckets, and days."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from math import ceil

import duckdb

from monitor.model import GroupSpans, Straddling
from monitor.store.connection import delete_rows, fetch_row, insert_row, make_naive, quote_name, utc_day
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

BACK = timedelta(days=30)
EXAMINED = 2_000_000  # rows with a group, about, beyond which groups are chosen by a hash of their id
_MICROSECOND = timedelta(microseconds=1)


def measure_straddling(
    connection: duckdb.DuckDBPyConnection, table: str, bucket: timedelta, *, where: str = "reason IS NULL",
    rows: int | None = None, every: int = 1,
) -> Straddling:  # fmt: skip
    """Of a table's rows (columns group_id and observed_at, those that ``where`` holds for) the share in groups that span
    buckets and days.

    ``rows``: how many there are, where that is known. Of the groups each ``every``-th is looked at, by the hash of its
    id; shares and counts are then estimates.
    """
    chosen = f" AND hash(group_id) % {every}::UBIGINT = 0" if every > 1 else ""
    source = f"SELECT group_id, observed_at FROM {quote_name(table)} WHERE ({where})"
    if rows is None:
        rows = int(fetch_row(connection, f"SELECT count(*) FROM ({source})")[0])
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW grouped_rows AS SELECT * FROM ({source}) WHERE group_id IS NOT NULL{chosen}"
    )
    try:
        lengths = {"bucket": bucket // _MICROSECOND, "day": timedelta(days=1) // _MICROSECOND}
        *counts, longest = fetch_row(connection, statement("group_spans"), lengths)
    finally:
        connection.execute("DROP VIEW grouped_rows")
    grouped, groups, over_buckets, over_days = (int(each) * every for each in counts)
    examples = [each for each in longest or [] if each["seconds"] > 0]
    of = max(rows, 1)
    return Straddling(
        rows, min(grouped, rows), groups, min(over_buckets / of, 1.0), min(over_days / of, 1.0),
        tuple(each["group_id"] for each in examples), tuple(each["rows"] for each in examples),
        tuple(timedelta(seconds=each["seconds"]) for each in examples),
    )  # fmt: skip


def load_spans(store: ModelStore, now: datetime) -> GroupSpans | None:
    """What the rows of the last 30 days say, fewer where retention is shorter; None where none of them has a group."""
    since = utc_day(now - min(BACK, store.model.retention))
    where = f"model_id = {store.model_id} AND observed_at >= TIMESTAMP '{make_naive(since)}'"
    rows, grouped = store.fetch_row(f"SELECT count(*), count(group_id) FROM samples WHERE {where}")
    if not grouped:
        return None
    found = measure_straddling(
        store.connection, "samples", store.model.bucket, where=where, rows=rows, every=ceil(grouped / EXAMINED)
    )
    # how many rows have a group is known exactly, however few groups were looked at
    return GroupSpans(store.model.name, now, since, store.model.bucket, replace(found, grouped=int(grouped)))


def store_spans(connection: duckdb.DuckDBPyConnection, model: str, found: GroupSpans | None, finding: str) -> None:
    """Replace what was found of the model before; ``finding`` says it in words. None: it has no groups any more."""
    delete_rows(connection, "group_spans", {"model": model})
    if found is None:
        return
    held = found.straddling
    values = {
        "model": model, "checked_at": found.checked_at, "since": found.since,
        "bucket_seconds": int(found.bucket.total_seconds()), **asdict(held), "examples": list(held.examples),
        "example_rows": list(held.example_rows),
        "example_seconds": [each.total_seconds() for each in held.example_lengths], "suspicious": found.suspicious,
        "finding": finding,
    }  # fmt: skip
    del values["example_lengths"]
    insert_row(connection, "group_spans", values)
