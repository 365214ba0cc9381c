"""Times of a history that clocks showed twice, settled once while the order of its files is at hand.

A replay hands rows out as they arrived, so that neither neighbours nor now could tell later which time is meant.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import duckdb

from monitor.sources.batch import Batch
from monitor.sources.times.expressions import other_expression, time_expression
from monitor.sources.times.folds import settle_folds, settle_labels
from monitor.store.connection import quote_name

_NEVER = "NULL::TIMESTAMP"


def settle_history(connection: duckdb.DuckDBPyConnection, table: str, batch: Batch, holds: str) -> Batch:
    """Write the one reading of such times into ``table``, which holds the batch's rows beside their _arrival; gives the batch
    with the types of the columns as they then are. Labels without a prediction beside them keep both readings, and arrive at
    the later."""
    others = {name: other_expression(name, batch) for name in ("observed_at", "labelled_at")}
    shown_twice = " OR ".join(f"{other} IS NOT NULL" for other in others.values() if other != _NEVER)
    if not shown_twice or not connection.execute(f"SELECT 1 FROM {table} WHERE {shown_twice} LIMIT 1").fetchone():
        return batch
    times = {name: time_expression(name, batch) for name in others}
    connection.execute(f"""
CREATE OR REPLACE TEMP TABLE staged AS
SELECT rowid AS position, _file AS file, _row AS row, sample_id::VARCHAR AS sample_id, '' AS slice_key,
    {times["observed_at"]} AS observed_at, {others["observed_at"]} AS observed_other,
    {times["labelled_at"]} AS labelled_at, {others["labelled_at"]} AS labelled_other, NULL::VARCHAR AS reason
FROM {table}""")
    settle_folds(connection, None, datetime.max.replace(tzinfo=UTC))
    if holds == "labels":
        arrival = "greatest(labelled_at, labelled_other)"
        settled = ["observed_at"]
    else:
        settle_labels(connection)
        arrival = "coalesce(labelled_at, observed_at)"
        settled = ["observed_at", "labelled_at"]
    connection.execute("DELETE FROM staged WHERE observed_other IS NULL AND labelled_other IS NULL")
    types: Mapping[str, str] = batch.types
    for name in (name for name in settled if others[name] != _NEVER):
        column, other = quote_name(name), "observed_other" if name == "observed_at" else "labelled_other"
        reading = f"s.{name} AT TIME ZONE 'UTC'"
        if types[name] == "VARCHAR":
            reading = f"strftime(s.{name}, '%Y-%m-%d %H:%M:%S.%fZ')"
        else:
            # an infinite time has to stay unreadable
            utc = f"coalesce({times[name]} AT TIME ZONE 'UTC', 'infinity'::TIMESTAMPTZ)"
            connection.execute(
                f"ALTER TABLE {table} ALTER {column} TYPE TIMESTAMPTZ USING (CASE WHEN {column} IS NOT NULL THEN {utc} END)"
            )
            types = {**types, name: "TIMESTAMP WITH TIME ZONE"}
        connection.execute(
            f"UPDATE {table} SET {column} = {reading} FROM staged AS s "
            f"WHERE {table}.rowid = s.position AND s.{other} IS NOT NULL"
        )
    connection.execute(
        f"UPDATE {table} SET _arrival = coalesce(s.arrival, _arrival) "
        f"FROM (SELECT position, {arrival} AS arrival FROM staged) AS s WHERE {table}.rowid = s.position"
    )
    return replace(batch, types=types)
