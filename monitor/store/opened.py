"""metrics.duckdb opened by another process than the daemon's: read-only, and only in a version that is understood."""

from pathlib import Path

import duckdb

from monitor.errors import StoreError
from monitor.store.snapshot import SCHEMA_VERSION, SNAPSHOT


def open_snapshot(state_dir: Path) -> duckdb.DuckDBPyConnection:
    """Raises StoreError when there is none yet, when it cannot be read or is of another version."""
    path = state_dir / SNAPSHOT
    if not path.exists():
        raise StoreError(f"{path}: there is no snapshot yet", "start the daemon with: calwatch run (or: calwatch once)")
    try:
        connection = duckdb.connect(str(path), read_only=True)
        row = connection.execute("SELECT schema_version FROM snapshot").fetchone()
    except duckdb.Error as error:
        raise StoreError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    version = row[0] if row else None
    if version != SCHEMA_VERSION:
        connection.close()
        raise StoreError(
            f"{path}: was written by another version of calwatch (schema {version}, this one reads {SCHEMA_VERSION})",
            "restart the daemon with this version, or run: calwatch once",
        )
    return connection
