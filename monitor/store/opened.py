"""metrics.duckdb opened by another process than the daemon's: read-only, and only in a version that is understood."""

from pathlib import Path

import duckdb

from monitor import __version__
from monitor.errors import StoreError
from monitor.store.snapshot import SCHEMA_VERSION, SNAPSHOT

_ANEW = "move it away and publish it anew: calwatch snapshot (a running daemon does in its next cycle)"


def open_snapshot(state_dir: Path) -> duckdb.DuckDBPyConnection:
    """Raises StoreError when there is none yet, when it cannot be read or is of another version."""
    path = state_dir / SNAPSHOT
    if not path.exists():
        raise StoreError(f"{path}: there is no snapshot yet", "start the daemon with: calwatch run (or: calwatch once)")
    connection = None
    try:
        connection = duckdb.connect(str(path), read_only=True)
        row = connection.execute("SELECT * FROM snapshot").fetchone()
        names = [column[0] for column in connection.description or ()]
    except duckdb.Error as error:
        if connection is not None:
            connection.close()
        raise unreadable(state_dir, error) from error
    held = dict(zip(names, row or (), strict=False))
    version = held.get("schema_version")
    if version != SCHEMA_VERSION:
        connection.close()
        writer = held.get("calwatch_version") or "of a version that was not kept"
        raise StoreError(
            f"{path}: was written by calwatch {writer} (schema {version}); this is calwatch {__version__}, which reads schema "
            f"{SCHEMA_VERSION}",
            "restart the daemon with this version, or publish it anew: calwatch snapshot",
        )
    return connection


def unreadable(state_dir: Path, error: duckdb.Error) -> StoreError:
    """What to tell a person of an error met when the snapshot was opened, or asked."""
    path = state_dir / SNAPSHOT
    what = "is a directory" if path.is_dir() else f"cannot be read: {str(error).splitlines()[0]}"
    return StoreError(f"{path}: {what}", _ANEW)
