"""A calwatch that takes mutants, in a process of its own: cycles on command, the server beside them, the checks after.

python -m tests.mutants.child DIRECTORY      reads a command a line, answers a line
"""

import json
import resource
import sys
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.control import DaemonControl, load_all
from monitor.engine.cycle import Cycle, build_watched
from monitor.engine.http import HttpServer
from monitor.model import Published
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments
from monitor.publish.web.app import create_app
from monitor.store.connection import open_live
from monitor.store.published.history import History
from monitor.store.published.reader_pool import Archive
from monitor.store.published.snapshot import SNAPSHOT

from .checks import broken_cells, broken_samples, broken_snapshot, miscounted, missing_honest
from .worlds import NOW


class Child:
    """What the daemon is, with cycles on command."""

    def __init__(self, base: Path) -> None:
        self.config = load_config(base / "calwatch.toml")
        self.now = NOW
        self.published: Published | None = None
        self.stale_after = timedelta(days=1)
        self.connection = open_live(self.config.state_dir, memory_limit=self.config.monitor.memory_limit, now=NOW)
        self.archive = Archive(self.connection)
        self.registry = CollectorRegistry()
        self.collector = MetricsCollector(self.registry)
        self.cycle = Cycle(self.config, build_watched(self.config), self.connection, Instruments(self.registry))
        self.levers = DaemonControl(list, self._clock, self.config, load_all(base / "calwatch.toml").access)
        app = create_app(self, now=self._clock, access=self.levers.access, control=self.levers)
        self.server = HttpServer(app, self.config.monitor.listen)

    def _clock(self) -> datetime:
        return self.now

    def exposition(self) -> bytes:
        return exposition(self.registry)

    def history(self) -> AbstractContextManager[History]:
        return self.archive.history()

    def tick(self, minute: int) -> dict[str, Any]:
        """One cycle, so many minutes after the beginning."""
        self.now = NOW + timedelta(minutes=minute)
        began = perf_counter()
        tick = self.cycle.tick(self.now)
        self.collector.swap_snapshot(tick.published)
        self.published = tick.published
        self.exposition()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "failed": tick.failed,
            "seconds": perf_counter() - began,
            "peak": peak,
            "snapshot": tick.published.problem,
        }

    def check(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What does not hold, in words."""
        found = broken_samples(self.connection, self.now, self.config.model[0].retention)
        found += broken_cells(self.connection)
        found += broken_snapshot(self.config.state_dir / SNAPSHOT)
        found += missing_honest(self.connection, asked["honest"])
        for file, rows, values, prefix in asked["told"]:
            found += miscounted(self.connection, file, rows, values, prefix)
        return {"broken": found}


def main(base: Path) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    answers, sys.stdout = sys.stdout, sys.stderr
    child = Child(base)
    for line in sys.stdin:
        command, asked = json.loads(line)
        print(json.dumps(child.tick(asked) if command == "tick" else child.check(asked)), file=answers, flush=True)
    child.server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
