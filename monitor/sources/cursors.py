"""What a source has had read: item → fingerprint, committed with its rows."""

from collections.abc import Mapping
from datetime import datetime

import duckdb
import numpy as np

from monitor.store.connection import load_table, make_naive


def write_cursor(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, cursor: Mapping[str, str | None], now: datetime
) -> None:
    """Remember what has been read (None: forget it); to be called inside the transaction that took its rows."""
    if not cursor:
        return
    items = {"item": np.array(list(cursor), dtype=object), "fingerprint": np.array(list(cursor.values()), dtype=object)}
    load_table(connection, "items", items)
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
