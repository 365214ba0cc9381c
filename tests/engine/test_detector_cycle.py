"""A detector through whole cycles: its refit chooses by f1 over all objects, and a camera that goes blind is alarmed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from monitor.config.settings import load_config
from monitor.engine.cycle import Tick
from monitor.model import AlertState, JobState, Reading
from monitor.store.cells import fold_and_drop
from monitor.store.connection import open_live, quote_text
from monitor.store.model_store import ModelStore
from tests.sources.boxes.detector import ALL, source
from tests.worlds.levels import run_cycle

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OBJECTS = 3  # an image
RULE = """
[[rule]]
name = "blind"
kind = "threshold"
metric = "threshold_recall_upper"
below = 0.3
window = "24h"
severity = "page"
min_samples = 30
"""


def _config(base: Path, policy: str, retention: str = "") -> None:
    sources = "".join(map(source, ALL))
    (base / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "detection"\nslices = ["camera"]\nmin_samples = 30\nrules = ["own.toml"]\n'
        f'label_horizon = "3d"\n{retention}{sources}[model.threshold]\npolicy = "{policy}"\n[model.recalibration]\n'
        'apply = "monitor"\nschedule = "0 2 * * *"\nmethod = "temperature"\nmin_samples = 200\n',
        "utf-8",
    )
    (base / "own.toml").write_text(RULE, "utf-8")
    for holds in ALL:
        (base / holds).mkdir(exist_ok=True)


def _arrive(base: Path, start: datetime, images: int, rng: np.random.Generator, blind: tuple[str, ...] = ()) -> None:
    """Images ten minutes apart by turns of two cameras: a fifth of the objects is never found, scores are over-confident."""
    stamp = f"TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}' + to_minutes(10 * i)"
    names = f"'{start:%m%d%H}-' || i"
    n = images * OBJECTS
    camera = np.where(np.arange(images) % 2, "c1", "c0")
    missed = (rng.random(n) < 0.2) | np.isin(np.repeat(camera, OBJECTS), blind)
    score = rng.uniform(0.05, 0.95, n)
    right = rng.random(n) < 1 / (1 + np.exp(-0.25 * np.log(score / (1 - score))))
    rows = {"i": np.repeat(np.arange(images), OBJECTS), "x": 40 + 60 * (np.arange(n) % OBJECTS), "score": score,
            "missed": missed, "is_right": right, "camera": np.repeat(camera, OBJECTS)}  # fmt: skip
    with duckdb.connect() as connection:
        import pyarrow as pa

        connection.register("rows", pa.table(rows))
        box = "'cat' AS class, x, 20 AS w, 20 AS h, 0"
        queries = {
            "images": f"SELECT DISTINCT {names} AS image_id, {stamp} AS observed_at, camera FROM rows",
            # what is wrong lies elsewhere, and its object is missed as well
            "detections": f"SELECT {names} AS image_id, {box} + CASE WHEN is_right THEN 0 ELSE 300 END AS y, "
                          "score FROM rows WHERE NOT missed",
            "truth": f"SELECT {names} AS image_id, {box} AS y FROM rows",
        }  # fmt: skip
        for holds, query in queries.items():
            path = quote_text(str(base / holds / f"{start:%m%d%H}.parquet"))
            connection.execute(f"COPY ({query}) TO {path} (FORMAT parquet)")


def _whole(tick: Tick, text: str = "all", window: str = "24h") -> Reading:
    (status,) = tick.published.models
    return next(each for each in status.readings if each.slice.text == text and each.window == window)


def _refit(base: Path) -> Tick:
    """The cycles around the nightly refit of the third day."""
    for moment in (timedelta(0), *(3 * HOUR + after * timedelta(minutes=1) for after in range(3))):
        tick = run_cycle(base, BEGAN + 3 * DAY + moment)
        assert not tick.failed
    return tick


@pytest.fixture
def line(tmp_path: Path) -> Path:
    _config(tmp_path, "f1")
    _arrive(tmp_path, BEGAN, 432, np.random.default_rng(5))
    return tmp_path


def test_a_refit_chooses_by_f1_over_all_objects_and_production_is_held_against_them(line: Path) -> None:
    tick = _refit(line)
    (status,) = tick.published.models
    (job,) = (each for each in status.jobs if each.kind == "recalibrate" and each.state is JobState.PROMOTED)
    (threshold,) = status.thresholds
    assert threshold.policy == "f1"
    assert threshold.threshold is not None
    assert threshold.recall is not None
    assert threshold.recall < 0.75  # a fifth is never found, and of those found some are wrong
    assert job.why[-1].values["figures"]["recall"][0] == pytest.approx(threshold.recall)
    _arrive(line, BEGAN + 3 * DAY + 4 * HOUR, 132, np.random.default_rng(6))
    tick = run_cycle(line, BEGAN + 4 * DAY + 3 * HOUR)
    whole = _whole(tick)
    assert whole.metrics["truths"] is not None
    assert whole.metrics["truths"] > 300
    low, high = (whole.metrics[f"threshold_recall_{end}"] for end in ("lower", "upper"))
    assert low is not None
    assert high is not None
    assert low < threshold.recall < high
    assert whole.metrics["fp_per_image"] is not None


def test_a_camera_that_goes_blind_is_alarmed_though_it_has_no_detection(line: Path) -> None:
    _refit(line)
    _arrive(line, BEGAN + 3 * DAY + 4 * HOUR, 200, np.random.default_rng(7), blind=("c1",))
    tick = run_cycle(line, BEGAN + 5 * DAY)
    reading = _whole(tick, "camera=c1")
    assert (reading.samples, reading.metrics["threshold_recall"]) == (0, 0)
    alerts = {each.slice.text: each for each in tick.published.models[0].alerts if each.rule == "blind"}
    assert alerts["camera=c1"].state is AlertState.FIRING
    assert "camera=c0" not in alerts or alerts["camera=c0"].state is not AlertState.FIRING


def test_what_is_older_than_retention_goes_with_its_boxes(tmp_path: Path) -> None:
    _config(tmp_path, "f1", 'retention = "5d"\nfold_after = "3d"\nwindows = ["24h"]\n')
    _arrive(tmp_path, BEGAN, 20, np.random.default_rng(8))
    assert not run_cycle(tmp_path, BEGAN + DAY).failed
    _arrive(tmp_path, BEGAN + 4 * DAY, 20, np.random.default_rng(9))
    assert not run_cycle(tmp_path, BEGAN + 4 * DAY + 12 * HOUR).failed
    config = load_config(tmp_path / "calwatch.toml")
    connection = open_live(config.state_dir, now=BEGAN)
    tables = ("labelled_images", "objects", "placements", "samples")

    def count() -> list[int]:
        rows = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables]
        return [row[0] for row in rows if row]

    before = count()
    later = BEGAN + 7 * DAY
    fold_and_drop(ModelStore.load(connection, config.model[0], later), later)
    after = count()
    assert after[:2] == [20, 60]
    assert all(0 < some < every for some, every in zip(after, before, strict=True))
    fold_and_drop(ModelStore.load(connection, config.model[0], later + 30 * DAY), later + 30 * DAY)
    assert count() == [0, 0, 0, 0]
    connection.close()
