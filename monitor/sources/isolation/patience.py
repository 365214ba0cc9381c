"""Ends a statement that runs far longer than a file of its size can take."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

AGAIN = 0.5  # seconds; an interrupt that comes between two statements is lost
LEAST = 120.0  # seconds that reading may take, however small the file
BYTES_A_SECOND = 1_000_000  # that reading takes in at least


class OverdueError(Exception):
    """A file, or several, took longer to read than files of their size can."""


class Patience:
    """Watches what runs on a connection, from a thread of its own that ends with ``close``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._left: float | None = None  # seconds of what runs now
        self._overdue = False

    @contextmanager
    def limit_time(self, seconds: float) -> Iterator[None]:
        """Raises OverdueError when the block takes longer and a statement of it can be interrupted."""
        with self._lock:
            self._left, self._overdue = seconds, False
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="patience", daemon=True)
            self._thread.start()
        try:
            yield
        except duckdb.InterruptException as error:
            if self._overdue:
                raise OverdueError(f"was not read within {seconds:,.0f} seconds") from error
            raise
        finally:
            with self._lock:
                self._left = None

    def _watch(self) -> None:
        while not self._over.wait(AGAIN):
            with self._lock:
                if self._left is None:
                    continue
                self._left -= AGAIN
                if self._left <= 0:
                    self._overdue = True
                    self._connection.interrupt()

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()


def seconds_for(size: int) -> float:
    """How long reading so many bytes may take."""
    return LEAST + size / BYTES_A_SECOND
