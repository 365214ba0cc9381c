-- Tables as the first databases of migration 0009 had them.

-- name: early_source_notes
CREATE TABLE IF NOT EXISTS source_notes (model VARCHAR NOT NULL, source VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    item VARCHAR NOT NULL, message VARCHAR NOT NULL, noted_at TIMESTAMP NOT NULL);

-- name: early_repeated_rows
CREATE TABLE repeated_rows (model_id USMALLINT NOT NULL, file_id INTEGER NOT NULL, identity UBIGINT NOT NULL,
    labels BOOLEAN NOT NULL, day DATE NOT NULL);

-- name: early_columns
SELECT table_name, column_name
FROM duckdb_columns()
WHERE database_name = current_database() AND table_name IN ('pulls', 'repeated_rows');
