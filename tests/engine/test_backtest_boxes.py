"""A detector's past, played: images as they were taken, truth as it came, the same as a live run over the same arrivals."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.backtest import Playback, play_history
from monitor.engine.cycle import Cycle, build_watched
from monitor.model import AlertState
from monitor.model.errors import UsageError
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live
from tests.sources.boxes.detector import ALL, DATA, a_box, an_image, source
from tests.worlds.process import calwatch
from tests.worlds.store import write_csv, write_json_lines, write_parquet

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDED = BEGAN + 10 * HOUR
Row = dict[str, Any]
SAMPLES = "SELECT sample_id, score, observed_at, labelled_at, positives, group_id FROM samples ORDER BY ALL"


def at(hours: float) -> str:
    return (BEGAN + hours * HOUR).strftime("%Y-%m-%d %H:%M:%S")


def write_config(base: Path, settings: str = "", holds: tuple[str, ...] = ALL, extra: str = "") -> Path:
    base.mkdir(parents=True, exist_ok=True)
    head = f'[[model]]\nname = "m"\ntask = "detection"\nmin_samples = 1\nwindows = ["24h"]\nrules = []\n{settings}\n'
    path = base / "calwatch.toml"
    path.write_text(head + "".join(source(each, extra if each == "truth" else "") for each in holds), "utf-8")
    for each in holds:
        (base / each).mkdir(exist_ok=True)
    return path


def play(base: Path, ended: datetime = ENDED, state: str = "state") -> Playback:
    return play_history(load_config(base / "calwatch.toml"), base / state, BEGAN, ended, HOUR)


def samples(state: Path) -> list[Any]:
    with open_live(state, now=ENDED) as connection:
        return connection.execute(SAMPLES).fetchall()


def past(base: Path) -> dict[str, list[Row]]:
    """Ten images, one an hour; their truth three hours later, of two objects each; rows in no order of time."""
    write_config(base)
    names = [f"i{number}" for number in range(10)]
    return {
        "images": [an_image(name, observed_at=at(hour)) for hour, name in enumerate(names)][::-1],
        "detections": [a_box(name, score=score) for name in names for score in (0.9, 0.4)],
        "truth": [a_box(name, x=x, labelled_at=at(hour + 2.5)) for hour, name in enumerate(names) for x in (10, 60)],
    }


@pytest.mark.parametrize("ended", [1, 2, 3, 4, 7, 10])
def test_nothing_is_seen_before_its_time(ended: int, tmp_path: Path) -> None:
    for holds, rows in past(tmp_path).items():
        write_csv(tmp_path / holds / "all.csv", rows)
    played = play(tmp_path, BEGAN + ended * HOUR)
    assert not played.failures
    assert not played.problems
    found = samples(tmp_path / "state")
    there = min(ended + 1, 10)
    assert len(found) == 2 * there
    assert sum(row[4] is not None for row in found) == 2 * max(min(ended - 2, 10), 0)
    assert sum(row[4] or 0 for row in found) == max(min(ended - 2, 10), 0)


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_json_lines])
def test_a_backtest_of_boxes_equals_a_live_run_over_the_same_arrivals(write: Any, tmp_path: Path) -> None:
    rows = past(tmp_path / "past")
    ending = {"write_csv": "csv", "write_parquet": "parquet", "write_json_lines": "jsonl"}[write.__name__]
    for holds, held in rows.items():
        write(tmp_path / "past" / holds / f"all.{ending}", held)
    play(tmp_path / "past")
    live = tmp_path / "live"
    config = load_config(write_config(live))
    connection = open_live(live / "state", now=BEGAN)
    cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
    times = {row["image_id"]: row["observed_at"] for row in rows["images"]}
    seen = {"images": lambda row: row["observed_at"], "detections": lambda row: times[row["image_id"]],
            "truth": lambda row: row["labelled_at"]}  # fmt: skip
    for hour in range(11):
        for holds, held in rows.items():
            own = [row for row in held if at(hour - 1) < seen[holds](row) <= at(hour)]
            if own:
                write(live / holds / f"{hour:02}.{ending}", own)
        assert not cycle.tick(BEGAN + hour * HOUR).failed
    connection.close()
    assert samples(tmp_path / "past" / "state") == samples(live / "state") != []


def test_what_a_file_says_of_an_image_is_seen_as_one(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_csv(tmp_path / "images" / "1.csv", [an_image("a", observed_at=at(0))])
    write_csv(tmp_path / "detections" / "1.csv", [a_box("a", score=0.9), a_box("a", score=0.8, x=60)])
    write_csv(
        tmp_path / "truth" / "1.csv", [a_box("a", labelled_at=at(2)), a_box("a", x=60, labelled_at=at(5))]
    )  # half of it by then
    assert play(tmp_path, BEGAN + 4 * HOUR).problems == ()
    assert [row[4] for row in samples(tmp_path / "state")] == [None, None]
    play(tmp_path, ENDED, "later")
    assert [row[4] for row in samples(tmp_path / "later")] == [1, 1]


def test_a_later_file_corrects_truth_when_it_came(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_csv(tmp_path / "images" / "1.csv", [an_image("a", observed_at=at(0))])
    write_csv(tmp_path / "detections" / "1.csv", [a_box("a", score=0.9)])
    write_csv(tmp_path / "truth" / "1.csv", [a_box("a", labelled_at=at(1))])
    write_csv(tmp_path / "truth" / "2.csv", [a_box("a", class_="dog", labelled_at=at(6))])
    play(tmp_path, BEGAN + 5 * HOUR)
    assert [row[4] for row in samples(tmp_path / "state")] == [1]
    play(tmp_path, ENDED, "later")
    assert [row[4] for row in samples(tmp_path / "later")] == [0]


@pytest.mark.parametrize("dated", ["detections", "truth"])
def test_times_may_stand_with_detections_or_truth(dated: str, tmp_path: Path) -> None:
    write_config(
        tmp_path, holds=("detections", "truth"), extra='columns = { observed_at = "taken" }' if dated == "truth" else ""
    )
    time = {"observed_at": at(3)} if dated == "detections" else {}
    write_csv(tmp_path / "detections" / "1.csv", [a_box("a", score=0.9, **time)])
    write_csv(tmp_path / "truth" / "1.csv", [a_box("a", **({} if time else {"taken": at(3)}))])
    play(tmp_path, BEGAN + 2 * HOUR)
    assert samples(tmp_path / "state") == []
    play(tmp_path, BEGAN + 4 * HOUR, "later")
    assert [row[4] for row in samples(tmp_path / "later")] == [1]


def test_coco_is_played_with_its_names_and_dates(tmp_path: Path) -> None:
    write_config(tmp_path, holds=("detections", "truth"))
    text = (tmp_path / "calwatch.toml").read_text("utf-8").replace('/*"\n', '/*.json"\nformat = "coco"\n')
    (tmp_path / "calwatch.toml").write_text(text, "utf-8")
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100, "date_captured": at(3)},
                   {"id": 2, "file_name": "b.jpg", "width": 100, "height": 100, "date_captured": at(6)}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 18, "bbox": [10, 10, 20, 20], "iscrowd": 0}],
        "categories": [{"id": 18, "name": "dog"}],
    }  # fmt: skip
    (tmp_path / "truth" / "1.json").write_text(json.dumps(document), "utf-8")
    found = [{"image_id": image, "category_id": 18, "bbox": [10, 10, 20, 20], "score": 0.9} for image in (1, 2)]
    (tmp_path / "detections" / "1.json").write_text(json.dumps(found), "utf-8")
    play(tmp_path, BEGAN + 4 * HOUR)
    assert [(row[5], row[4]) for row in samples(tmp_path / "state")] == [("1", 1)]
    play(tmp_path, ENDED, "later")
    assert [(row[5], row[4]) for row in samples(tmp_path / "later")] == [("1", 1), ("2", 0)]


def test_a_file_that_is_refused_is_told_and_the_others_are_played(tmp_path: Path) -> None:
    for holds, rows in past(tmp_path).items():
        write_csv(tmp_path / holds / "all.csv", rows)
    pixels = [a_box("x", score=0.5, x=10 + place, y=50) for place in range(30)]
    shares = [a_box("x", score=0.4, x=place / 100, y=0.1, w=0.2, h=0.2) for place in range(30)]
    write_csv(tmp_path / "detections" / "other.csv", [*pixels, *shares])
    played = play(tmp_path)
    assert [each.reason for each in played.problems if each.item.endswith("other.csv")] == ["mixed_boxes"]
    assert len(samples(tmp_path / "state")) == 20


def test_where_there_is_nothing_to_play_it_says_from_when_to_when_images_were_taken(tmp_path: Path) -> None:
    for holds, rows in past(tmp_path).items():
        write_csv(tmp_path / holds / "all.csv", rows)
    later = BEGAN + timedelta(days=200)
    played = play_history(load_config(tmp_path / "calwatch.toml"), tmp_path / "state", later, later + HOUR, HOUR)
    assert "rows came from 2026-03-01 00:00 to 2026-03-01 09:00 UTC" in played.absent


def test_a_detector_that_is_only_pushed_has_nothing_to_replay(tmp_path: Path) -> None:
    text = (
        '[[model]]\nname = "m"\ntask = "detection"\n[[model.source]]\nname = "d"\nholds = "detections"\nkind = "http"\n'
    )
    token = '[[server.token]]\nname = "w"\nrole = "write"\nhash = "sha256:' + "0" * 64 + '"\n'
    (tmp_path / "calwatch.toml").write_text(text + token, "utf-8")
    with pytest.raises(UsageError, match="has only detections that are pushed"):
        play(tmp_path)


@pytest.mark.slow
def test_the_command_tells_what_would_have_happened_to_a_real_detector(tmp_path: Path) -> None:
    rule = (
        '[[rule]]\nname = "ece-high"\nkind = "threshold"\nmetric = "ece_lower"\nabove = 0.05\nwindow = "24h"\n'
        'severity = "ticket"\n'
        'actions = ["recalibrate"]\n'
    )
    settings = 'recalibration = { apply = "monitor", min_samples = 400, method = "isotonic" }\nmatching = { iou = 0.5 }'
    write_config(tmp_path, settings)
    text = (tmp_path / "calwatch.toml").read_text("utf-8").replace("rules = []", 'rules = ["own.toml"]')
    mapped = 'columns = { x1 = "xmin", y1 = "ymin", x2 = "xmax", y2 = "ymax" }\n'
    for holds in ("detections", "truth"):
        text = text.replace(f'path = "{holds}/*"\n', f'path = "{holds}/*"\n{mapped}')
    (tmp_path / "calwatch.toml").write_text(text, "utf-8")
    (tmp_path / "own.toml").write_text(rule, "utf-8")
    some = "(SELECT DISTINCT image_id FROM '{}/images.parquet' ORDER BY hash(image_id) LIMIT 500)"
    some = some.format(DATA)
    times = f"TIMESTAMP '{at(0)}' + INTERVAL 5 MINUTE * row_number() OVER (ORDER BY hash(image_id))"
    duckdb.sql(f"COPY (SELECT image_id, {times} AS observed_at FROM {some}) TO '{tmp_path}/images/1.parquet'")
    for holds, name in (("detections", "faster-rcnn-resnet-50"), ("truth", "coco_val2017_gt")):
        duckdb.sql(f"COPY (FROM '{DATA}/{name}.parquet' WHERE image_id IN {some}) TO '{tmp_path}/{holds}/1.parquet'")
    done = calwatch(
        "backtest", "--from", "2026-03-01", "--to", "2026-03-03", "--step", "6h", "--config", str(tmp_path / "calwatch.toml"),
        "--state-dir", str(tmp_path / "state"), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ece-high" in done.stdout
    assert "promoted" in done.stdout
    assert AlertState.FIRING.value in done.stdout
