"""``calwatch demo --story detection`` as people run it, once: an alarm after the swap, a refit that mends it."""

import hashlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cli.demo.detectors import PLAYED, SWAPPED
from monitor.store.connection import make_naive
from tests.demo_stream.make_detections import make_detections
from tests.worlds.process import Running, calwatch, free_port, wait_for

pytestmark = pytest.mark.slow
DATA = files("monitor.cli.demo").joinpath("detection")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Demo:
    """One demo, played and still serving."""

    directory: Path
    running: Running

    def rows(self, sql: str) -> list[Any]:
        with duckdb.connect(str(self.directory / "metrics.duckdb"), read_only=True) as held:
            return held.execute(sql).fetchall()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    base = tmp_path_factory.mktemp("detectors")
    port = free_port()
    arguments = ("demo", base / "out", "--story", "detection", "--serve", "--listen", f"127.0.0.1:{port}")
    with Running(port, base / "story.txt", *arguments) as running:
        wait_for(
            lambda: running.process.poll() is not None or running.get("/readyz")[0] == 200, "the demo to serve", 900
        )
        assert running.process.poll() is None, running.text()
        yield Demo(base / "out", running)


def test_nothing_fires_before_the_swap_and_an_alarm_on_all_boxes_within_two_days(demo: Demo) -> None:
    fired = demo.rows("SELECT changed_at, slice, onset FROM alert_events WHERE state = 'firing' ORDER BY changed_at")
    swapped = make_naive(SWAPPED)
    assert fired[0][0] > swapped
    at, onset = next((at, onset) for at, slice_, onset in fired if slice_ == "all")
    assert at <= swapped + 2 * DAY
    assert abs(onset - swapped) <= DAY


def test_the_refit_is_promoted_and_mends_what_the_swap_did(demo: Demo) -> None:
    promoted = demo.rows("SELECT finished_at FROM jobs WHERE state = 'promoted' AND scope = 'all' ORDER BY finished_at")
    assert promoted[0][0] <= make_naive(SWAPPED) + 3 * DAY
    assert demo.rows("SELECT slice FROM alerts WHERE state = 'firing'") == []
    windows = dict(
        demo.rows(
            "SELECT \"window\", (ece_debiased, ece_lower) FROM slice_metrics WHERE slice = 'all' "
            'QUALIFY row_number() OVER (PARTITION BY "window" ORDER BY window_end DESC) = 1'
        )
    )
    # a day has 900 boxes, and its error is anything between .01 and .04; a week has 11,000
    assert windows["7d"][0] < 0.03
    assert windows["24h"][1] == 0.0
    story = demo.running.text()
    assert "another detector is put in place (planted)" in story
    assert "operating point for precision>=0.95" in story


def test_the_tuned_points_keep_their_promise_and_the_story_tells_them_beside_what_was_before(demo: Demo) -> None:
    (job,) = demo.rows("SELECT state, finished_at FROM jobs WHERE kind = 'tune'")
    assert job == ("promoted", make_naive(PLAYED[1]))
    points = demo.rows(
        "SELECT class_name, nms_iou, kept, round(threshold, 3), round(precision, 3), round(recall, 3), precision_lower >= 0.95 "
        "FROM thresholds WHERE serving ORDER BY class_name"
    )
    assert points == [("", 0.3, True, 0.867, 0.975, 0.166, True), ("person", 0.3, True, 0.706, 0.965, 0.472, True)]
    story = " ".join(demo.running.text().split())
    assert "by the score alone and for all classes at once: threshold 0.8991 promises precision >= 0.95" in story
    assert (
        "│ person │ from 0.706 on, suppressed at IoU 0.3 │ 0.965 (at least 0.951) │ 0.472 (at least 0.442) │ 0.560, 0.723 │"
        in story
    )
    assert "79 classes have no point of their own: bus: 172 more detections needed, train: 192" in story
    assert "no threshold finds more than 0.567 of the objects" in story


def test_the_trade_off_is_left_as_pictures_and_shown_on_the_page(demo: Demo) -> None:
    for name in ("trade-off.png", "trade-off-person.png"):
        assert (demo.directory / name).read_bytes().startswith(b"\x89PNG")
        assert str(demo.directory / name) in demo.running.text()
    status, page = demo.running.get("/thresholds?model=yard")
    assert status == 200
    sources = [html.unescape(each) for each in re.findall(r'<img[^>]* src="([^"]*)"', page)]
    assert len(sources) == 2
    for source in sources:
        found, drawn = demo.running.get(f"/{source}")
        assert (found, "precision against recall" in drawn) == (200, True)
    # what the last cycle measured is still beside it
    assert "No drift rule judges this slice" not in demo.running.get("/slice?model=yard&slice=all")[1]


def test_every_image_is_taken_and_none_is_set_aside(demo: Demo) -> None:
    new, quarantined = demo.rows("SELECT sum(new), sum(quarantined) FROM pulls")[0]
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT count(*) FROM '{DATA}/detections.parquet'").fetchone()
    assert found is not None
    assert (new, quarantined) == (found[0], 0)


def test_the_images_page_leads_to_the_pictures_and_shows_none(demo: Demo) -> None:
    status, page = demo.running.get("/images?model=yard")
    assert status == 200
    (missed,), (invented,), (errors,) = (
        demo.rows(f"SELECT least(count(*), 20) FROM {table}")[0]
        for table in ("missed_objects", "invented_objects", "largest_errors")
    )
    assert min(missed, errors) == 20
    assert invented >= 1
    assert page.count('href="http://images.cocodataset.org/val2017/0000') == missed + invented + errors
    assert "<img" not in page


def test_commands_that_look_find_it_by_its_configuration(demo: Demo) -> None:
    config = demo.directory / "calwatch.toml"
    assert calwatch("status", "--config", config, cwd=demo.directory).returncode == 0
    out = demo.directory.parent / "yard.html"
    assert calwatch("report", "yard", "--config", config, "--out", out, cwd=demo.directory).returncode == 0
    assert "images.cocodataset.org" in out.read_text("utf-8")


def test_the_bundled_files_are_those_that_the_generator_makes_and_are_small(tmp_path: Path) -> None:
    make_detections(tmp_path)
    for name in ("images", "detections", "truth"):
        with duckdb.connect() as connection:
            both = [
                connection.execute(f"SELECT * FROM '{folder}/{name}.parquet'").fetchall() for folder in (DATA, tmp_path)
            ]
        assert both[0] == both[1]
    sizes = [Path(str(each)).stat().st_size for each in DATA.iterdir()]
    assert sum(sizes) < 2_000_000
    assert PLAYED[0] < SWAPPED < PLAYED[1]


def test_licences_stand_beside_the_data() -> None:
    assert DATA.joinpath("LICENSE_MPL2").read_text("utf-8").startswith("Mozilla Public License Version 2.0")
    said = DATA.joinpath("ORIGIN.md").read_text("utf-8")
    for part in ("MPL", "Mozilla Public License 2.0", "CC BY 4.0", "bf0262e", "COCO Consortium"):
        assert part in said or part == "MPL"
    digest = hashlib.sha256(DATA.joinpath("LICENSE_MPL2").read_bytes()).hexdigest()
    assert digest == hashlib.sha256(Path("tests/data/vision/LICENSE_MPL2").read_bytes()).hexdigest()
