"""The HTTP server in a thread of its own, beside whatever ticks."""

import asyncio
import math
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import Any

import h11
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.model.errors import CalwatchError

log = structlog.get_logger("calwatch")


def serving_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer. A renewed certificate is served from the next connection on; while the changed files are no pair,
    the one before is. Raises CalwatchError as ``load_certificate`` does."""
    stamp = _stamp(certificate, key)
    current = load_certificate(certificate, key)

    def renew(connection: ssl.SSLObject, name: str | None, asked: ssl.SSLContext) -> None:
        nonlocal stamp, current
        found = _stamp(certificate, key)
        if found != stamp:
            stamp = found
            try:
                current = load_certificate(certificate, key)
                log.info("certificate renewed", certificate=str(certificate))
            except CalwatchError as error:
                log.error("certificate not renewed, the one before stays", problem=error.message, hint=error.hint)
        connection.context = current

    listening = load_certificate(certificate, key)
    listening.sni_callback = renew  # called with each handshake, also where no name is sent
    return listening


def _stamp(*paths: Path) -> tuple[tuple[int, int] | None, ...]:
    """Tells whether a file is another one than before; None: it cannot be looked at."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_ino))
    return tuple(found)


def load_certificate(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what serves TLS with two files. Raises CalwatchError when they cannot: missing, unreadable, no pair, or behind a
    passphrase."""
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise CalwatchError(
                f"{path}: cannot be read: {error.strerror}",
                "let the daemon's user read it, see [server] tls_certificate",
            ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # without a password of ours, OpenSSL would ask for one on the terminal
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "is no PEM file, or the key has a passphrase"
        raise CalwatchError(
            f"{certificate} and {key} cannot serve TLS: {reason}",
            "name the PEM file of the certificate chain, and that of its key without a passphrase",
        ) from None
    return context


HEAD_PATIENCE = 5.0  # seconds until a request that began must have come up to its body
READ_PATIENCE = 10.0  # seconds after which a client must have taken what SLOWEST amounts to
SLOWEST = 4096  # bytes a second of an answer, or the client is cut off
TLS_PATIENCE = 10.0  # seconds for a handshake, and again for the goodbye with what is still to be read
CONNECTIONS = 200  # at once; for one more, whoever has kept us waiting longest goes
_QUIET = 60.0  # seconds between two lines of the log about clients that were cut off


class Patient(H11Protocol):
    """HTTP/1.1 with bounded headers (64 KiB) whose patience ends: with a request's head, with the rest of a body that is
    answered already, and with a client that does not take its answer. A few of them would keep everybody out otherwise.
    Bodies that are waited for have limits where they are read.
    """

    _told_at = -math.inf  # of all connections, on the loop's clock

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection: its first request must come. Beyond CONNECTIONS it takes the place of another one."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn says which transports it takes
        self._since = self.loop.time()  # the client's turn began, or it was last seen to do something
        self._resumed = 0
        self._ended = False
        if len(self.connections) >= CONNECTIONS:
            self._make_room()
        self.loop.call_later(HEAD_PATIENCE, self._demand_request, None)
        self.loop.call_later(READ_PATIENCE, self._demand_reading, self._reading())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is asked of it."""
        self._ended = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Whoever sends a body is seen to do something; a head must come as a whole."""
        if self.conn.their_state is h11.SEND_BODY:
            self._since = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """It is the client's turn again."""
        self._since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """It is the client's turn to read."""
        self._since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads."""
        self._resumed += 1
        super().resume_writing()

    def _demand_request(self, before: object) -> None:
        """Close when the same head is waited for as the last time, or the rest of a body that nobody reads."""
        if self._ended or self.transport.is_closing():
            return
        answered = self.cycle is not None and self.cycle.response_complete
        waits = self.conn.their_state is h11.IDLE or (answered and self.conn.their_state is h11.SEND_BODY)
        if waits and self.cycle is before:
            self.transport.close()
        else:
            self.loop.call_later(HEAD_PATIENCE, self._demand_request, self.cycle)

    def _reading(self) -> tuple[object, int, int]:
        """What changes while a client reads: the answer it is at, how often room was made, the bytes it has not taken."""
        return self.cycle, self._resumed, self.transport.get_write_buffer_size()

    def _demand_reading(self, before: tuple[object, int, int]) -> None:
        """Cut off when too little of the same answer was taken since the last time; also where all else is done."""
        if self._ended:
            return
        now = self._reading()
        stuck = before[2] > 0 and now[2] > before[2] - SLOWEST * READ_PATIENCE
        if now[:2] == before[:2] and now[2] > 0 and stuck:
            self._cut_off("it does not read what it asked for")
        else:
            self.loop.call_later(READ_PATIENCE, self._demand_reading, now)

    def _client_at_turn(self) -> bool:
        """Whether nothing can be done here until the client does something."""
        at_work = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        return not at_work or self.flow.write_paused

    def _make_room(self) -> None:
        waiting = [each for each in self.connections if isinstance(each, Patient) and each._client_at_turn()]
        longest = min(waiting, key=lambda each: each._since)
        if longest is not self:  # else all others are at work, and it will be told 503
            longest._cut_off("all connections are taken, and it kept us waiting longest")

    def _cut_off(self, reason: str) -> None:
        """At once, with what the system still holds for the client."""
        held = self.transport.get_extra_info("socket")
        if held is not None:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connections.discard(self)
        self.transport.abort()
        if self.loop.time() - Patient._told_at >= _QUIET:
            Patient._told_at = self.loop.time()
            log.warning("client cut off", reason=reason, client=self.client[0] if self.client else "unknown")


class _Loop(asyncio.SelectorEventLoop):
    """Its servers lose their patience with TLS as well."""

    async def create_server(self, *arguments: Any, **named: Any) -> asyncio.Server:
        """As of the base class, whose signature is not repeated here."""
        if named.get("ssl"):
            named |= {"ssl_handshake_timeout": TLS_PATIENCE, "ssl_shutdown_timeout": TLS_PATIENCE}
        found: asyncio.Server = await super().create_server(*arguments, **named)
        return found


class HttpServer:
    """Serves one app on ``host:port`` until stopped, with TLS where certificate and key are given.

    Raises CalwatchError when it cannot listen there, or the two files are no pair.
    """

    def __init__(self, app: ASGIApp, listen: str, tls: tuple[Path, Path] | None = None) -> None:
        context = serving_context(*tls) if tls is not None else None
        host, _, port = listen.rpartition(":")
        # Nothing is taken from X-Forwarded-…: anybody can send them.
        config = uvicorn.Config(
            app, host=host.strip("[]"), port=int(port), log_config=None, log_level="error", access_log=False,
            lifespan="off", http=Patient, ws="none", proxy_headers=False, server_header=False,
            limit_concurrency=CONNECTIONS,
        )  # fmt: skip
        config.load()
        config.ssl = context
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            self._thread.join(0.01)
        if not self._server.started:
            raise CalwatchError(
                f"{listen}: cannot listen there",
                "another process has the port, or the host is none of ours: see [monitor] listen",
            )

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._server.serve())
        except SystemExit:  # uvicorn's way to say that it could not bind; __init__ says it better
            return

    def stop(self) -> None:
        """Ask the server to close; requests under way are answered."""
        self._server.should_exit = True
        self._thread.join(1.0)
