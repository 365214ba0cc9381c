"""What the first databases of migration 0009 lack: it was changed twice before it was left as it is."""

import duckdb

from monitor.store.sql import statement

_PULLS = ("changed_predictions", "clipped", "ambiguous_times")


def mend_early_meaning(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring tables of an early 0009 to those that later migrations expect; to be called inside a transaction."""
    found = connection.execute(statement("early_columns")).fetchall()
    columns = set(found)
    for name in _PULLS:
        if ("pulls", name) not in columns:
            connection.execute(f"ALTER TABLE pulls ADD COLUMN {name} BIGINT DEFAULT 0")
    connection.execute(statement("early_source_notes"))
    # it was said in other words at first: as if it had not been kept, it is found anew
    connection.execute("UPDATE models SET label_basis = NULL WHERE NOT contains(label_basis, '\"labels\"')")
    if ("repeated_rows", "labels") not in columns:
        _renew_repeated(connection, dated=("repeated_rows", "day") in columns)


def _renew_repeated(connection: duckdb.DuckDBPyConnection, *, dated: bool) -> None:
    """Then a row stood for prediction and label alike. A day that was not kept is the newest there is: it goes last."""
    day = "day" if dated else "(SELECT coalesce(max(observed_at), TIMESTAMP 'epoch')::DATE FROM samples)"
    connection.execute("ALTER TABLE repeated_rows RENAME TO repeated_before")
    connection.execute(statement("early_repeated_rows"))
    connection.execute(
        f"INSERT INTO repeated_rows SELECT f.model_id, r.file_id, r.identity, l.labels, {day} FROM repeated_before AS r "
        "JOIN files AS f USING (file_id) CROSS JOIN (VALUES (false), (true)) AS l(labels)"
    )
    connection.execute("DROP TABLE repeated_before")
