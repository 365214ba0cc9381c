"""A configured model with an inbox, one database, and the application in front of both, as the daemon puts them together."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from monitor.config.settings import Config, load_config
from monitor.config.tokens import hash_of, new_token
from monitor.engine.control import DaemonControl, load_all
from monitor.engine.cycle import Cycle, Tick, build_watched
from monitor.model import Published
from monitor.model.errors import CalwatchError
from monitor.publish.metrics.instruments import Instruments
from monitor.publish.web.app import create_app
from monitor.store.published.history import History
from tests.worlds.base import open_blank
from tests.worlds.line import BEGAN, DAY, write_config

TOKENS = {role: new_token() for role in ("read", "write", "admin")}
PUSHED = """
[[model]]
name = "m"
task = "binary"
slices = ["camera"]
windows = ["24h"]
min_samples = 5
rules = []
{extra}
[[model.source]]
name = "pushed"
kind = "http"
"""


def token_sections(tokens: dict[str, str] = TOKENS) -> str:
    """A ``[[server.token]]`` for each role."""
    return "\n".join(
        f'[[server.token]]\nname = "{role}r"\nrole = "{role}"\nhash = "{hash_of(token)}"'
        for role, token in tokens.items()
    )


@dataclass
class World:
    """What the daemon is, without its threads: ``now`` is set by tests."""

    path: Path
    config: Config
    connection: duckdb.DuckDBPyConnection
    cycle: Cycle
    now: datetime = BEGAN + DAY
    published: Published | None = None
    stale_after: timedelta = timedelta(hours=1)
    reloads: int = 0
    levers: DaemonControl = field(init=False)

    def __post_init__(self) -> None:
        self.levers = DaemonControl(self._reload, lambda: self.now, self.config, load_all(self.path).access)

    def _reload(self) -> list[str]:
        try:
            load_all(self.path)
        except CalwatchError as error:
            return error.mistakes
        self.reloads += 1
        return []

    def exposition(self) -> bytes:
        return b"calwatch_up 1\n"

    def history(self) -> AbstractContextManager[History]:
        @contextmanager
        def opened() -> Iterator[History]:
            with self.connection.cursor() as cursor:
                yield History(cursor, live=True)

        return opened()

    def tick(self) -> Tick:
        """One cycle, a minute later than the last."""
        self.now += timedelta(minutes=1)
        tick = self.cycle.tick(self.now)
        assert not tick.failed
        self.published = tick.published
        return tick

    def client(self, role: str | None = None, base_url: str = "http://127.0.0.1:9464") -> TestClient:
        """A client with the role's token; None: without a token."""
        app = create_app(self, now=lambda: self.now, access=self.levers.access, control=self.levers)
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        return TestClient(app, base_url=base_url, headers=headers, follow_redirects=False)


@contextmanager
def api_world(base: Path, *sections: str, server: str = "", monitor: str = "", extra: str = "") -> Iterator[World]:
    """Without sections one model ``m`` that takes pushes."""
    models = sections or (PUSHED.format(extra=extra),)
    path = write_config(base, *models, f"[server]\n{server}", token_sections(), monitor=monitor)
    config = load_config(path)
    connection = open_blank(config.state_dir, BEGAN)
    try:
        cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
        yield World(path, config, connection, cycle)
    finally:
        connection.close()
