"""What a pull leaves for the next: what a source has had read (item → fingerprint, committed with its rows), and troubles that
are told once, kept for a while: files that changed what they said, rows that came twice."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import duckdb

from monitor.model.problems import NOTED_REASONS, Problem
from monitor.store.connection import delete_rows, insert_row, load_table, make_naive
from monitor.store.sql import statement

NOTED_FOR = timedelta(days=7)
MOST_NOTES = 20  # of one source, the newest


def store_notes(
    connection: duckdb.DuckDBPyConnection, model: str, source: str, problems: Iterable[Problem], now: datetime
) -> None:
    """Keep those of the problems that the next pull would forget, and let go of old ones."""
    where = {"model": model, "source": source}
    told = {(problem.reason, problem.item): problem.message for problem in problems if problem.reason in NOTED_REASONS}
    for (reason, item), message in list(told.items())[-MOST_NOTES:]:
        note = {**where, "reason": reason, "item": item}
        delete_rows(connection, "source_notes", note)
        insert_row(connection, "source_notes", {**note, "message": message, "noted_at": now})
    connection.execute(
        statement("source_notes_prune"), {**where, "oldest": make_naive(now - NOTED_FOR), "most": MOST_NOTES}
    )


def write_cursor(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, cursor: Mapping[str, str | None], now: datetime
) -> None:
    """Remember what has been read (None: forget it); to be called inside the transaction that took its rows."""
    if not cursor:
        return
    load_table(connection, "items", {"item": cursor.keys(), "fingerprint": cursor.values()})
    where = {"model_id": model_id, "source": source}
    connection.execute(
        "DELETE FROM cursors WHERE model_id = $model_id AND source = $source AND item IN (SELECT item FROM items)",
        where,
    )
    connection.execute(
        "INSERT INTO cursors SELECT $model_id, $source, item, fingerprint, $now FROM items WHERE fingerprint IS NOT NULL",
        {**where, "now": make_naive(now)},
    )


def read_cursor(connection: duckdb.DuckDBPyConnection, model_id: int, source: str) -> dict[str, str]:
    """Item → fingerprint of what this source has had read."""
    return dict(
        connection.execute(
            "SELECT item, fingerprint FROM cursors WHERE model_id = $model_id AND source = $source",
            {"model_id": model_id, "source": source},
        ).fetchall()
    )
