"""Ctrl-C while a statement runs, in commands that work in the foreground."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from monitor.store.connection import is_ctrl_c

AGAIN = 0.2  # seconds; an interrupt that comes between two statements is lost


@contextmanager
def ctrl_c_interrupts(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within the block Ctrl-C ends the statement that runs on the connection, and KeyboardInterrupt is raised, also where
    DuckDB raises something else in its place. Nothing outside the main thread.

    Python runs its signal handlers in the main thread alone, and DuckDB 2 lets that one wait, deaf, while another of its
    threads works. So a thread reads the signal from a wakeup descriptor, to which it is written at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, written = socket.socketpair()
    written.setblocking(False)
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(connection, ours, over), name="ctrl-c", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if isinstance(error, duckdb.InterruptException) or is_ctrl_c(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        written.close()
        watcher.join()
        ours.close()


def _watch(connection: duckdb.DuckDBPyConnection, ours: socket.socket, over: threading.Event) -> None:
    while number := ours.recv(1):
        while number[0] == signal.SIGINT and not over.is_set():
            connection.interrupt()
            over.wait(AGAIN)
