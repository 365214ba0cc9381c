"""The server of one published state that does not change: that of a demo."""

import signal
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import duckdb
import structlog
from prometheus_client import CollectorRegistry

from monitor.config.server import Server
from monitor.config.settings import Config
from monitor.engine.http import HttpServer
from monitor.engine.published_state import PublishedState
from monitor.model import Published
from monitor.model.errors import UsageError
from monitor.publish.web.access import Access
from monitor.publish.web.app import create_app
from monitor.store.connection import LIVE
from monitor.store.published.reader_pool import Archive

log = structlog.get_logger("calwatch")


def serve_published(published: Published, listen: str, state_dir: Path, config: Config | None = None) -> None:
    """Keep /metrics and the page of one published state, and of the snapshot beside it, up until SIGINT or SIGTERM.

    Raises UsageError when the address can be reached from elsewhere.
    """
    server_settings = Server.model_validate({})
    if list(server_settings.mistakes(listen)):
        raise UsageError(f"--listen {listen} can be reached from elsewhere", "name a loopback address: 127.0.0.1:9464")
    access = Access.from_server(server_settings, listen, Path())
    shown = PublishedState(CollectorRegistry(), timedelta(days=1), 50_000)
    shown.config = config
    shown.archive = Archive(duckdb.connect(str(state_dir / LIVE), read_only=True))
    shown.swap_published(published)
    server = HttpServer(create_app(shown, now=lambda: published.at, access=lambda: access), listen)
    log.info("serving", page=f"http://{listen}/", metrics=f"http://{listen}/metrics", stop="Ctrl-C")
    # put() takes no lock, which an Event does that this thread may hold when the signal comes
    signals = SimpleQueue[int]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.put(number))
    signals.get()
    server.stop()
