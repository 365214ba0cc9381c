"""The HTTP server in a thread of its own, beside whatever ticks."""

import threading

import uvicorn
from fastapi import FastAPI

from monitor.errors import CalwatchError


class HttpServer:
    """Serves one app on ``host:port`` until stopped. Raises CalwatchError when it cannot listen there."""

    def __init__(self, app: FastAPI, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, host=host.strip("[]"), port=int(port), log_config=None, access_log=False, lifespan="off"
            )
        )
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
