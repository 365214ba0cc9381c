"""A cycle over 10,000 new detections of 500 images, on 100,000 that are known, beside DuckDB reading the same files."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import duckdb
import numpy as np
from prometheus_client import CollectorRegistry

from monitor.config.settings import parse_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live, quote_text
from tests.benchmarks.figures import Figure, apart, median, spread, timed
from tests.worlds.boxes_line import NOW, Habits, detector_section, make_images
from tests.worlds.line import DAY, write_file

EACH = 20  # detections of an image, about
KNOWN = 10  # times as many images are known as are new
HABITS = Habits(sureness=2.0, false=17.0)
_HOUR = timedelta(hours=1)
_RULES = Path("rules") / "default.toml"
_ASKS = re.compile(r"^(actions|cooldown) = .*\n", re.MULTILINE)
_TABLES = ("images", "detections", "truth")


@dataclass(frozen=True, slots=True)
class Run:
    """One cycle over new files, beside DuckDB's scan of them in the same process."""

    seconds: float
    cpu: float
    scan: float
    detections: int
    stages: dict[str, float]


def measure_cycle(images: int, repeats: int) -> list[Figure]:
    """Seconds of a whole cycle, the median of ``repeats`` in processes of their own; the limit is that of 500 images."""
    with TemporaryDirectory() as room:
        runs = [apart(run_cycle, Path(room) / str(turn), images) for turn in range(repeats)]
    seconds = [run.seconds for run in runs]
    told = f"{spread(seconds)}; {runs[0].detections:,} new detections on {KNOWN} times as many"
    return [
        Figure(f"a cycle over {images:,} new labelled images", median(seconds), "s", 1.0, told),
        Figure("  CPU time of it", median([run.cpu for run in runs]), "s"),
        Figure("  DuckDB's own scan of the same files", median([run.scan for run in runs]), "s"),
        Figure("  the cycle over that", median([run.seconds / run.scan for run in runs]), "×"),
        *(Figure(f"  {name}", median([run.stages[name] for run in runs]), "s") for name in runs[0].stages),
    ]


def run_cycle(base: Path, images: int) -> Run:
    """Two cycles: what is known comes with the first, ``images`` more with the second, which is the one that counts. Rules ask
    for no refit: the daemon has these done by another process."""
    rng = np.random.default_rng(5)
    text = detector_section('policy = "precision>=0.9"').replace("rules = []", 'rules = ["quiet.toml"]')
    for name in _TABLES:
        (base / name).mkdir(parents=True)
    (base / "quiet.toml").write_text(_ASKS.sub("", _RULES.read_text("utf-8")), "utf-8")
    _write(base, "known", make_images(rng, "k", KNOWN * images, (NOW - 4 * DAY, NOW - _HOUR), HABITS))
    config = parse_config(text, "calwatch.toml", base)
    connection = open_live(base / "state", now=NOW)
    instruments = Instruments(CollectorRegistry())
    cycle = Cycle(
        config.model_copy(update={"base": base, "monitor": config.monitor.model_copy(update={"state_dir": Path("state")})}),
        build_watched(config), connection, instruments,
    )  # fmt: skip
    cycle.tick(NOW)
    new = make_images(rng, "n", images, (NOW - _HOUR, NOW), HABITS)
    _write(base, "new", new)
    before = dict(_stages(instruments))
    began = process_time()
    with timed() as lap:
        tick = cycle.tick(NOW + _HOUR)
    cpu = process_time() - began
    count = len(new["detections"]["score"])
    assert not tick.failed
    assert not tick.jobs["m"]
    assert tick.pulled["m"]["detections"].new == count, tick.pulled
    connection.close()
    stages = {name: seconds - before.get(name, 0.0) for name, seconds in _stages(instruments).items()}
    return Run(lap.seconds, cpu, _scan(base), count, stages)


def _write(base: Path, name: str, tables: dict[str, dict[str, np.ndarray]]) -> None:
    for table, columns in tables.items():
        write_file(base / table / f"{name}.parquet", columns)


def _scan(base: Path) -> float:
    """Seconds DuckDB takes to load the new files into tables, in an empty database."""
    with duckdb.connect() as connection, timed() as lap:
        for table in _TABLES:
            path = quote_text(str(base / table / "new.parquet"))
            connection.execute(f"CREATE TABLE {table} AS FROM read_parquet({path})")
    return lap.seconds


def _stages(instruments: Instruments) -> dict[str, float]:
    """Seconds by stage so far."""
    return {
        str(sample.labels["stage"]): sample.value
        for family in instruments.collect()
        for sample in family.samples
        if sample.name.endswith("_sum") and "stage" in sample.labels
    }
