"""Ctrl-C reaches a statement whichever of DuckDB's threads runs it, and nothing of the watching stays behind."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import cast

import duckdb
import pytest

from monitor.store.connection import ctrl_c_interrupts


class Watched:
    """Stands for a connection; counts its interrupts."""

    def __init__(self) -> None:
        self.count = 0
        self.twice = threading.Event()

    def interrupt(self) -> None:
        self.count += 1
        if self.count == 2:
            self.twice.set()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        return cast(duckdb.DuckDBPyConnection, self)


@pytest.fixture
def deaf() -> Iterator[None]:
    """The main thread does nothing about SIGINT, as while it waits for DuckDB."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("deaf")
def test_ctrl_c_interrupts_again_and_again_until_the_block_ends() -> None:
    watched = Watched()
    with ctrl_c_interrupts(watched.connection):
        os.kill(os.getpid(), signal.SIGINT)
        assert watched.twice.wait(60), "one that comes between two statements is lost"
    count = watched.count
    assert not [each for each in threading.enumerate() if each.name == "ctrl-c"]
    assert watched.count == count


@pytest.mark.parametrize(
    "raised", [duckdb.InterruptException("INTERRUPT Error: Interrupted!"), RuntimeError("Query interrupted")]
)
def test_whatever_duckdb_raises_in_its_place_comes_out_as_ctrl_c(raised: Exception) -> None:
    with pytest.raises(KeyboardInterrupt), ctrl_c_interrupts(Watched().connection):
        raise raised


def test_another_error_comes_out_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="something else"), ctrl_c_interrupts(Watched().connection):
        raise RuntimeError("something else")


@pytest.mark.usefixtures("deaf")
def test_another_signal_interrupts_nothing() -> None:
    watched = Watched()
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with ctrl_c_interrupts(watched.connection):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert watched.count == 0
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_wakeup_descriptor_of_before_is_put_back_also_after_an_error() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)

    def fail() -> None:
        with ctrl_c_interrupts(Watched().connection):
            raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        fail()
    assert signal.set_wakeup_fd(before) == before


def test_outside_the_main_thread_nothing_is_watched() -> None:
    seen: list[list[str]] = []

    def run() -> None:
        with ctrl_c_interrupts(Watched().connection):
            seen.append([each.name for each in threading.enumerate()])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    (names,) = seen
    assert "ctrl-c" not in names
