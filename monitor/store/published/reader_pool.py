"""The door to the past for the web server's threads: who is inside is known, and closing waits for them.

The daemon's connection must not be closed while one of its cursors runs, and DuckDB lets go of a file only when every
cursor is closed. So cursors are handed out here, and taken back before the connection closes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from monitor.model.errors import StoreError
from monitor.store.published.history import History

_CLOSED = "the database cannot be asked now: calwatch is stopping, or opens it anew"


class Archive:
    """Hands out ``History`` objects on cursors of one connection until it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, live: bool = True) -> None:
        """``live``: the daemon's own database; else an opened snapshot."""
        self._live = live
        self._connection: duckdb.DuckDBPyConnection | None = connection
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._changed = threading.Condition()

    @contextmanager
    def history(self) -> Iterator[History]:
        """The past, for one request, on a cursor of its own. Raises StoreError when closed, or when the database fails."""
        with self._changed:
            if self._connection is None:
                raise StoreError(_CLOSED, "reload in a moment")
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
        try:
            yield History(cursor, live=self._live)
        except (duckdb.InterruptException, duckdb.FatalException, duckdb.ConnectionException) as error:
            raise StoreError(_CLOSED, "reload in a moment") from error
        except duckdb.Error as error:
            raise StoreError(
                f"the database cannot be read: {str(error).splitlines()[0]}", "see the daemon's log; reload in a moment"
            ) from error
        finally:
            cursor.close()
            with self._changed:
                self._cursors.discard(cursor)
                self._changed.notify_all()

    def close(self, *, patience: float = 2.0) -> bool:
        """Hand out no more, interrupt what runs, and wait up to ``patience`` seconds for it to end. Whether all ended."""
        with self._changed:
            self._connection = None
            for _ in range(int(patience / 0.1) + 1):
                for cursor in self._cursors:
                    cursor.interrupt()
                if self._changed.wait_for(lambda: not self._cursors, timeout=0.1):
                    return True
            return False
