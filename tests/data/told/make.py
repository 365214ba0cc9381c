"""Makes stored.sql beside it: what the release of commit 335d3fe, the last one without codes, left in live.duckdb.

    git worktree add OLD 335d3fe && PYTHONPATH=OLD python tests/data/told/make.py

Run it there, where these modules have other names. Refits that were promoted, rejected and refused, rollbacks by a person and
by a guard, alerts of all four kinds and their ends, and messages about them all, which wait: nobody listens at 127.0.0.1:9.
"""

import math
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.jobs.requests import leave_request
from monitor.model import Slice
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live
from tests.data.upgrade.make import literal

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = BEGAN + DAY
KEPT = ("jobs", "job_log", "alerts", "alert_events", "thresholds", "problems")
CONFIG = """\
[monitor]
state_dir = "state"

[[model]]
name = "m"
task = "binary"
slices = ["camera", "lighting"]
windows = ["24h", "7d"]
rules = ["own.toml"]

[model.threshold]
policy = "precision>=0.8"

[model.source]
path = "in/*"

[model.recalibration]
min_samples = 400
method = "temperature"
schedule = "0 2 * * *"

[[action]]
name = "tell"
kind = "email"
smtp = "127.0.0.1:9"
sender = "calwatch@example.org"
to = ["oncall@example.org"]
on = ["firing", "resolved", "promoted", "rejected", "failed", "rolled_back"]
"""
RULES = """\
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
clear_below = 0.03
window = "24h"
min_samples = 150
severity = "ticket"
actions = ["recalibrate"]
cooldown = "12h"

[[rule]]
name = "drift"
kind = "drift"
false_alarms = "1/month"
severity = "page"
slices = ["all", "marginals"]
actions = ["tell"]

[[rule]]
name = "silent"
kind = "absence"
of = "samples"
longer_than = "6h"
severity = "page"
actions = ["tell"]

[[rule]]
name = "unfair"
kind = "disparity"
measure = "gap"
above = 0.02
level = 0.05
window = "24h"
min_samples = 100
for = "2h"
severity = "ticket"
"""


def arrive(
    folder: Path, r: random.Random, began: datetime, ended: datetime, n: int, too_sure: float, night: float
) -> None:
    """A file of labelled samples; logits are ``too_sure`` times what they should be, ``night`` times on camera c3 by night."""
    name = f"{began:%m%dT%H}"
    lines = ["sample_id,observed_at,labelled_at,score,outcome,camera,lighting"]
    for i in range(n):
        at = began + (ended - began - timedelta(minutes=1)) * i / n
        camera, lighting, logit = r.choice(["c1", "c2", "c3"]), r.choice(["day", "night"]), r.gauss(0.5, 1.5)
        soft = night if (camera, lighting) == ("c3", "night") else too_sure
        outcome = int(r.random() < 1 / (1 + math.exp(-logit / soft)))
        times = f"{at:%Y-%m-%d %H:%M:%S},{at + timedelta(minutes=1):%Y-%m-%d %H:%M:%S}"
        lines.append(f"{name}-{i},{times},{1 / (1 + math.exp(-logit)):.4f},{outcome},{camera},{lighting}")
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def play(base: Path) -> str:
    (base / "in").mkdir()
    (base / "calwatch.toml").write_text(CONFIG)
    (base / "own.toml").write_text(RULES)
    config = load_config(base / "calwatch.toml")
    connection = open_live(base / "state", now=BEGAN)
    cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
    r = random.Random(5)

    def tick(now: datetime) -> None:
        assert not cycle.tick(now, publish=False).failed

    leave_request(config.state_dir, "m", "recalibrate", Slice(), BEGAN + HOUR)
    tick(BEGAN + HOUR)  # too few samples
    arrive(base / "in", r, BEGAN, NOW, 3000, 3.0, 3.0)
    tick(NOW)
    leave_request(config.state_dir, "m", "recalibrate", Slice(), NOW + HOUR)
    tick(NOW + HOUR)  # nothing left to mend
    for hour in range(6, 25, 6):  # the drift is gone, but for one corner: what was promoted does worse
        arrive(base / "in", r, NOW + (hour - 6) * HOUR, NOW + hour * HOUR, 600, 1.0, 0.2)
        tick(NOW + hour * HOUR)
    tick(NOW + 2 * DAY)  # silence
    leave_request(config.state_dir, "m", "rollback", Slice(), NOW + 2 * DAY)
    tick(NOW + 2 * DAY + HOUR)  # nothing to roll back
    parts = []
    for table in KEPT:
        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL").fetchall()
        if rows:
            values = ",\n".join("(" + ", ".join(map(literal, row)) + ")" for row in rows)
            parts.append(f"INSERT INTO {table} ({', '.join(columns)}) VALUES\n{values};\n")
    connection.close()
    return "\n".join(parts).replace(str(base), "/srv/line")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as held:
        Path(__file__).with_name("stored.sql").write_text(play(Path(held)))
