"""The HTTP server in a thread of its own, beside whatever ticks."""

import threading
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from monitor.errors import CalwatchError
from monitor.tls import demand_usable

CONNECTIONS = 200  # at once; beyond it new ones are answered 503


class HttpServer:
    """Serves one app on ``host:port`` until stopped, with TLS where certificate and key are given.

    Raises CalwatchError when it cannot listen there, or the two files are no pair.
    """

    def __init__(self, app: ASGIApp, listen: str, tls: tuple[Path, Path] | None = None) -> None:
        if tls is not None:
            demand_usable(*tls)
        host, _, port = listen.rpartition(":")
        # Nothing is taken from X-Forwarded-…: anybody can send them.
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, host=host.strip("[]"), port=int(port), log_config=None, access_log=False, lifespan="off",
                ssl_certfile=tls[0] if tls else None, ssl_keyfile=str(tls[1]) if tls else None, ws="none",
                proxy_headers=False, server_header=False, limit_concurrency=CONNECTIONS,
            )
        )  # fmt: skip
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
