"""Clients that are slow on purpose, on real sockets: they are cut off, and nobody else waits for them."""

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.protocols.http.flow_control import FlowControl

from monitor.engine import http as served_by
from monitor.engine.http import HttpServer, Patient
from tests.engine.test_server import ask, make, needs_openssl
from tests.worlds.process import free_port, wait_for

LARGE = b"a" * 30_000_000  # more than the system keeps of it for a client
PATIENCE = 0.05
GET = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once, whatever the body."""
    answer = PlainTextResponse(LARGE if scope["path"] == "/large" else b"{}")
    await answer(scope, receive, send)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_PATIENCE", "READ_PATIENCE"):
        monkeypatch.setattr(served_by, name, PATIENCE)
    monkeypatch.setattr(Patient, "_told_at", float("-inf"))


@contextmanager
def listening(tls: tuple[Path, Path] | None = None) -> Iterator[tuple[int, HttpServer]]:
    port = free_port()
    server = HttpServer(app, f"127.0.0.1:{port}", tls)
    try:
        yield port, server
    finally:
        server.stop()


@contextmanager
def serving() -> Iterator[int]:
    with listening() as (port, _):
        yield port


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        yield client


def was_reset(client: socket.socket, patience: float = 30.0) -> bool:
    """Whether the connection is broken, without reading from it."""
    watched = select.poll()
    watched.register(client, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(patience * 1000))


def trickle(client: socket.socket, byte: bytes) -> None:
    """One byte after the other until the other side has had enough."""
    with suppress(OSError):
        for _ in range(3000):
            client.send(byte)
            if select.select([client], [], [], PATIENCE / 5)[0] and not client.recv(100_000):
                return
        pytest.fail("the connection was never closed")


def test_one_that_never_reads_its_answer_is_cut_off_and_it_is_told() -> None:
    with capture_logs() as logs, serving() as port, connected(port) as deaf:
        deaf.sendall(GET)
        assert was_reset(deaf)
        assert ask(f"http://127.0.0.1:{port}/") == {}
    assert logs == [
        {"event": "client cut off", "log_level": "warning", "client": "127.0.0.1",
         "reason": "it does not read what it asked for"}
    ]  # fmt: skip


def test_one_that_asks_again_and_again_and_never_reads_is_cut_off() -> None:
    with serving() as port, connected(port) as deaf:
        deaf.settimeout(0.1)
        with suppress(OSError):
            deaf.sendall(GET * 100_000)
        assert was_reset(deaf)


@needs_openssl
def test_over_tls_too_and_a_handshake_must_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_by, "TLS_PATIENCE", PATIENCE * 10)
    pair = make(tmp_path, "own")
    with listening(pair) as (port, server):
        with connected(port) as silent:
            assert silent.recv(100) == b""
        trusting = ssl.create_default_context(cafile=str(pair[0]))
        with connected(port) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as deaf:
            deaf.sendall(GET)
            held = server._server.server_state
            wait_for(lambda: held.total_requests == 1, "the answer to be on its way")
            wait_for(lambda: not held.connections, "the client to be cut off")


def test_headers_a_byte_at_a_time_are_not_waited_for() -> None:
    with serving() as port, connected(port) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        trickle(slow, b"a")


@pytest.mark.parametrize(
    "begun", [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
              b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"],
)  # fmt: skip
def test_the_rest_of_a_body_that_is_answered_already_is_not_waited_for(begun: bytes) -> None:
    with serving() as port, connected(port) as slow:
        slow.sendall(begun)
        trickle(slow, b"a")


# Each is a beginning that is waited for. One without a Host is answered 400 and closed: where that came before the last
# were let in, those found room, and fewer were cut off than the test waits for.
@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", GET]
)
def test_however_many_are_silent_the_next_one_is_served(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_by, "CONNECTIONS", 8)
    for name in ("HEAD_PATIENCE", "READ_PATIENCE"):
        monkeypatch.setattr(served_by, name, 600.0)
    with capture_logs() as logs, serving() as port:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(20)]
        try:
            for each in silent[-6:]:  # those before may have been closed already
                each.sendall(begun)
            for _ in range(3):
                assert ask(f"http://127.0.0.1:{port}/") == {}
            wait_for(lambda: sum(was_reset(each, 0) for each in silent) >= 12, "the oldest to be cut off")
            assert not all(was_reset(each, 0) for each in silent), "no more of them than there must be"
        finally:
            for each in silent:
                each.close()
    assert [entry["event"] for entry in logs] == ["client cut off"], "told once, however many they are"


class Held:
    """A connection in the middle of an answer, with a clock that tests move."""

    def __init__(self, left: int) -> None:
        self.left, self.aborted = left, False
        self.calls: list[tuple[Any, ...]] = []
        self.patient = Patient.__new__(Patient)
        self.patient.transport = self.patient.loop = cast(Any, self)
        self.patient.connections, self.patient.client = set(), None
        self.patient.cycle = cast(Any, object())
        self.patient._resumed, self.patient._ended = 0, False
        self.look = self.patient._reading()

    def time(self) -> float:
        return 0.0

    def get_write_buffer_size(self) -> int:
        return self.left

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True

    def call_later(self, delay: float, what: Any, *arguments: Any) -> None:
        (self.look,) = arguments

    def passes(self) -> None:
        """READ_PATIENCE goes by."""
        self.patient._demand_reading(self.look)


def test_a_slow_reader_has_its_answer_as_long_as_it_takes_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_by, "READ_PATIENCE", 10.0)
    enough = int(served_by.SLOWEST * 10)
    held = Held(3_000_000)
    while held.left > enough:
        held.left -= enough
        held.passes()
        assert not held.aborted
    held.left = 0  # a pause without anything to read is none
    held.passes()
    held.passes()
    held.left = 50_000  # the next answer
    held.passes()
    assert not held.aborted
    held.left -= enough - 1
    held.passes()
    assert held.aborted


def test_an_answer_in_parts_or_another_one_of_the_same_size_is_progress() -> None:
    held = Held(60_000)
    held.patient.flow = FlowControl(cast(Any, held))
    held.patient.resume_writing()
    held.passes()
    held.patient.cycle = cast(Any, object())
    held.passes()
    assert not held.aborted
    held.passes()
    assert held.aborted
