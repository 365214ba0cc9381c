"""What the first databases of migration 0009 lack: it was changed twice before it was left as it is."""

import duckdb

_PULLS = ("changed_predictions", "clipped", "ambiguous_times")


def mend_early_meaning(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring tables of an early 0009 to those that later migrations expect; to be called inside a transaction."""
    found = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database() "
        "AND table_name IN ('pulls', 'repeated_rows')"
    ).fetchall()
    columns = set(found)
    for name in _PULLS:
        if ("pulls", name) not in columns:
            connection.execute(f"ALTER TABLE pulls ADD COLUMN {name} BIGINT DEFAULT 0")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS source_notes (model VARCHAR NOT NULL, source VARCHAR NOT NULL, reason VARCHAR NOT NULL, "
        "item VARCHAR NOT NULL, message VARCHAR NOT NULL, noted_at TIMESTAMP NOT NULL)"
    )
    # it was said in other words at first: as if it had not been kept, it is found anew
    connection.execute("UPDATE models SET label_basis = NULL WHERE NOT contains(label_basis, '\"labels\"')")
    if ("repeated_rows", "labels") not in columns:
        _renew_repeated(connection, dated=("repeated_rows", "day") in columns)


def _renew_repeated(connection: duckdb.DuckDBPyConnection, *, dated: bool) -> None:
    """Then a row stood for prediction and label alike. A day that was not kept is the newest there is: it goes last."""
    day = "day" if dated else "(SELECT coalesce(max(observed_at), TIMESTAMP 'epoch')::DATE FROM samples)"
    connection.execute("ALTER TABLE repeated_rows RENAME TO repeated_before")
    connection.execute(
        "CREATE TABLE repeated_rows (model_id USMALLINT NOT NULL, file_id INTEGER NOT NULL, identity UBIGINT NOT NULL, "
        "labels BOOLEAN NOT NULL, day DATE NOT NULL)"
    )
    connection.execute(
        f"INSERT INTO repeated_rows SELECT f.model_id, r.file_id, r.identity, l.labels, {day} FROM repeated_before AS r "
        "JOIN files AS f USING (file_id) CROSS JOIN (VALUES (false), (true)) AS l(labels)"
    )
    connection.execute("DROP TABLE repeated_before")
