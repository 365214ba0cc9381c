"""What the pages show, in front of them: a snapshot set by tests, or a played line with drift, its database and all."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from monitor.config.settings import Config
from monitor.model import Published
from monitor.model.errors import StoreError
from monitor.publish.web.app import create_app
from monitor.store.published.history import History
from monitor.store.published.reader_pool import Archive
from tests.worlds.line import BEGAN, HOUR, line, model_section, traffic, write_config, write_file

DRIFT = """
[[rule]]
name = "drift"
kind = "drift"
severity = "page"
[[rule]]
name = "slice-worse"
kind = "disparity"
measure = "error"
above = 0.02
window = "24h"
min_samples = 100
severity = "ticket"
"""
HAZED = "camera=c1,lighting=night"
EVIL = "<img src=x onerror=alert(1)>"


@dataclass
class Site:
    """What a process shows; ``archive`` None: there is no database to ask."""

    published: Published | None
    now: datetime
    config: Config | None = None
    archive: Archive | None = None
    stale_after: timedelta = timedelta(hours=1)

    def exposition(self) -> bytes:
        return b"calwatch_up 1\n"

    def history(self) -> AbstractContextManager[History]:
        if self.archive is None:
            raise StoreError("there is no database to ask for the past")
        return self.archive.history()

    @property
    def client(self) -> TestClient:
        return TestClient(create_app(self, now=lambda: self.now), follow_redirects=False)


@contextmanager
def played(base: Path) -> Iterator[Site]:
    """Four quiet days, then one slice drifts, is refitted and recovers; some rows are bad, one of them hostile."""
    section = model_section(
        extra='label_horizon = "1d"\n[model.threshold]\npolicy = "precision>=0.8"',
        recalibration='apply = "monitor"\nmethod = "temperature"',
    )
    other = model_section("quiet", path="none/*", rules="")
    write_config(base, section, other)
    with (base / "own.toml").open("a", encoding="utf-8") as rules:
        rules.write(DRIFT)
    planted = {("c1", "night"): 3.0}
    rng = np.random.default_rng(7)
    with line(base) as here:
        for half in range(16):
            began = BEGAN + half * 12 * HOUR
            columns = traffic(rng, f"h{half}", began, began + 12 * HOUR, 1500, planted=planted if half >= 6 else None)
            if half == 15:
                columns["camera"][:12] = EVIL
                columns["score"][:4] = 1.5
            write_file(base / "in" / f"{half:02}.parquet", columns)
            tick = here.tick(began + 12 * HOUR, publish=half == 15)
            assert not tick.failed
        archive = Archive(here.connection)
        yield Site(tick.published, tick.published.at, here.cycle.config, archive)
        assert archive.close()
