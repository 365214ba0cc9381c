"""Makes the databases beside it, each as the code of one commit left it: run with that code.

    git worktree add OLD COMMIT && PYTHONPATH=OLD python tests/data/levels/make.py

Each is of the newest migration that commit had, by its number; 0003 to 0008 came together, so nothing was ever written in
between. 0001: 8c68c19, 0002: 18d0596, 0008: 844ada0, 0009: 539853d, 0010: c125040, 0011: 0d406d9. What a person had are the
files in in/ and calwatch.toml, at /srv/line; state/ is what five cycles left there, with a promoted calibrator and alerts.
"""

import gzip
import math
import os
import random
import shutil
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live

HERE = Path(__file__).parent
LINE = Path("/srv/line")
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
CHANGED = 1_773_100_000  # when the files were written, in Unix time
CONFIG = """\
[monitor]
state_dir = "state"

[[model]]
name = "m"
task = "binary"
slices = ["camera"]
windows = ["24h", "7d"]
rules = ["own.toml"]

[[model.source]]
path = "in/*.csv"

[model.recalibration]
method = "temperature"
min_samples = 300
"""
RULES = """\
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
window = "7d"
min_samples = 150
severity = "ticket"
actions = ["recalibrate"]
cooldown = "12h"
"""
DRIFT = """
[[rule]]
name = "drift"
kind = "drift"
severity = "ticket"
"""


def write_files(folder: Path) -> None:
    """Four files of one day each: scores that are too sure on one of two cameras."""
    r = random.Random(8)
    (folder / "in").mkdir(parents=True)
    for day in range(4):
        began = NOW - timedelta(days=4 - day)
        lines = ["sample_id,observed_at,labelled_at,score,outcome,camera"]
        for i in range(400):
            at = began + timedelta(seconds=i * 215)
            logit = r.gauss(0.3, 1.8)
            camera = f"c{i % 2}"
            truth = 1 / (1 + math.exp(-logit / (4 if camera == "c1" else 1)))
            moment, told = at.strftime("%Y-%m-%d %H:%M:%S"), (at + timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S")
            lines.append(
                f"d{day}-{i},{moment},{told},{1 / (1 + math.exp(-logit)):.4f},{int(r.random() < truth)},{camera}"
            )
        path = folder / "in" / f"day{day}.csv"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        os.utime(path, (CHANGED, CHANGED))
    (folder / "calwatch.toml").write_text(CONFIG, "utf-8")


def main() -> None:
    names = sorted(each.name for each in files("monitor.store.migrations").iterdir() if each.name.endswith(".sql"))
    level = names[-1][:4]
    shutil.rmtree(LINE, ignore_errors=True)
    write_files(LINE)
    (LINE / "own.toml").write_text(RULES + (DRIFT if level > "0001" else ""), "utf-8")
    held = {path.name: path.read_bytes() for path in (LINE / "in").iterdir()}
    for path in (LINE / "in").iterdir():
        path.unlink()
    config = load_config(LINE / "calwatch.toml")
    connection = open_live(LINE / "state", now=NOW - timedelta(days=3))
    cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
    for day, name in enumerate(sorted(held)):
        (LINE / "in" / name).write_bytes(held[name])
        os.utime(LINE / "in" / name, (CHANGED, CHANGED))
        assert not cycle.tick(NOW - timedelta(days=3 - day), publish=False).failed
    assert not cycle.tick(NOW + timedelta(minutes=1), publish=False).failed
    assert connection.execute("SELECT count(*) FROM serving").fetchone() == (1,)
    connection.close()
    target = HERE / level
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(LINE / "state" / "calibrators", target / "calibrators")
    packed = gzip.compress((LINE / "state" / "live.duckdb").read_bytes(), 9, mtime=0)
    (target / "live.duckdb.gz").write_bytes(packed)
    shutil.copy(LINE / "own.toml", target)
    shutil.rmtree(HERE / "line", ignore_errors=True)
    shutil.copytree(LINE / "in", HERE / "line" / "in")
    shutil.copy(LINE / "calwatch.toml", HERE / "line")


if __name__ == "__main__":
    main()
