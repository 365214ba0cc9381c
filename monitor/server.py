"""The HTTP server in a thread of its own, beside whatever ticks."""

import asyncio
import threading
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.errors import CalwatchError
from monitor.tls import serving_context

HEAD_PATIENCE = 5.0  # seconds until a request that began must have come up to its body
CONNECTIONS = 200  # at once; beyond it new ones are answered 503


class Patient(H11Protocol):
    """HTTP/1.1 with bounded headers (64 KiB), whose patience with a request's head ends: or a few silent connections would
    keep everybody out."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection: its first request must come."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn says which transports it takes
        self._look_again()

    def _look_again(self) -> None:
        self.loop.call_later(HEAD_PATIENCE, self._demand_progress, self.cycle)

    def _demand_progress(self, before: object) -> None:
        """Close when the same head is waited for as the last time."""
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and self.cycle is before:
            self.transport.close()
        else:
            self._look_again()


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
            self._server.run()
        except SystemExit:  # uvicorn's way to say that it could not bind; __init__ says it better
            return

    def stop(self) -> None:
        """Ask the server to close; requests under way are answered."""
        self._server.should_exit = True
        self._thread.join(1.0)
