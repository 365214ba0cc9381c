"""The tables of objects missed and invented: the newest, by the thresholds in use, in the snapshot and on the page."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from prometheus_client import CollectorRegistry, generate_latest

import monitor.store.seen.lists
from monitor.model import Slice, ThresholdInUse
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.report.collect import collect_report
from monitor.publish.report.page import report_page
from monitor.store.model_store import ModelStore
from monitor.store.published.queries import Snapshot
from monitor.store.seen.lists import INVENTED, LISTED, MISSED, list_objects, load_objects
from tests.publish.pages import page
from tests.sources.boxes.detector import Detector, a_box, an_image, source
from tests.worlds.levels import run_cycle
from tests.worlds.store import NOW, write_csv

USED = ThresholdInUse("m", Slice(), "f1", 0.5, None, None, "", NOW)


def _store(base: Path) -> ModelStore:
    detector = Detector(base, settings='slices = ["camera"]')
    times = {name: f"2026-03-10 0{hour}:00:00" for hour, name in enumerate("abcd")}
    detector.send("images", *(an_image(name, camera="c1", observed_at=time) for name, time in times.items()))
    detector.send(
        "detections", a_box("a", score=0.4), a_box("a", score=0.7, x=60), a_box("b", score=0.6, x=60),
        a_box("b", score=0.2, x=40), a_box("c", "dog", score=0.6), a_box("c", score=0.9), a_box("d", score=0.99),
    )  # fmt: skip
    detector.send("truth", a_box("a"), a_box("b"), a_box("b", x=20, y=60, crowd=1), a_box("c"), a_box("c", "dog", x=60))
    detector.pull()
    return ModelStore.load(detector.connection, detector.model, NOW)


def _listed(store: ModelStore, table: str) -> list[tuple[str, str, float | None]]:
    return [(each.image_id, each.class_name, each.score) for each in load_objects(store, table, 100)]


def test_missed_is_what_nothing_found_at_the_threshold_and_invented_what_is_of_no_object(tmp_path: Path) -> None:
    store = _store(tmp_path)
    list_objects(store, [USED])
    assert _listed(store, MISSED) == [("c", "dog", None), ("b", "cat", None), ("a", "cat", 0.4)]
    assert _listed(store, INVENTED) == [("c", "dog", 0.6), ("b", "cat", 0.6), ("a", "cat", 0.7)]
    first = load_objects(store, MISSED, 1)[0]
    assert (first.box, first.slice.text) == ((60, 10, 80, 30), "camera=c1")


def test_a_class_with_a_threshold_of_its_own_is_judged_by_that(tmp_path: Path) -> None:
    store = _store(tmp_path)
    list_objects(store, [USED, replace(USED, per="predicted_class", class_name="cat", threshold=0.65)])
    assert _listed(store, INVENTED) == [("c", "dog", 0.6), ("a", "cat", 0.7)]
    list_objects(store, [USED, replace(USED, per="predicted_class", class_name="cat", threshold=0.3)])
    assert _listed(store, MISSED) == [("c", "dog", None), ("b", "cat", None)]


def test_without_a_threshold_missed_is_what_was_never_found_and_invented_all_that_is_wrong(tmp_path: Path) -> None:
    store = _store(tmp_path)
    list_objects(store, [])
    assert _listed(store, MISSED) == [("c", "dog", None), ("b", "cat", None)]
    assert len(_listed(store, INVENTED)) == 4


def test_the_newest_are_listed_and_older_ones_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store(tmp_path)
    monkeypatch.setattr(monitor.store.seen.lists, "LISTED", 1)
    list_objects(store, [USED])
    assert (_listed(store, MISSED), _listed(store, INVENTED)) == ([("c", "dog", None)], [("c", "dog", 0.6)])


def test_the_snapshot_the_page_the_report_and_the_metrics_have_them(tmp_path: Path) -> None:
    sources = "".join(map(source, ("images", "detections", "truth")))
    (tmp_path / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "detection"\nslices = ["camera"]\nmin_samples = 1\n{sources}[model.matching]\n'
        "iou = { default = 0.5, dog = 0.6 }\n",
        "utf-8",
    )
    rows = {
        "images": [an_image(name, camera=f"c-{name}") for name in "ab"], "detections": [a_box("a", score=0.9, x=60)],
        "truth": [a_box("a"), a_box("b", "dog")],
    }  # fmt: skip
    for holds, held in rows.items():
        (tmp_path / holds).mkdir()
        write_csv(tmp_path / holds / "1.csv", held)
    published = run_cycle(tmp_path, NOW).published
    with duckdb.connect(str(tmp_path / "calwatch-state" / "metrics.duckdb"), read_only=True) as snapshot:
        missed = snapshot.execute(
            "SELECT image_id, class, labels['camera'] FROM missed_objects ORDER BY ALL"
        ).fetchall()
        invented = snapshot.execute("SELECT image_id, class, score, x1, y2 FROM invented_objects").fetchall()
        of_dogs = snapshot.execute(
            "SELECT truths, iou FROM slice_newest WHERE slice = 'camera=c-b' AND \"window\" = '24h'"
        )
        assert of_dogs.fetchall() == [(1, 0.5)]
    assert missed == [("a", "cat", "c-a"), ("b", "dog", "c-b")]
    assert invented == [("a", "cat", 0.9, 60, 30)]
    html = page(published, "/model?model=m", now=NOW)
    for told in ("at IoU 0.5, dog 0.6", "Missed, the newest", "Invented, the newest", "Slices of which least is found"):
        assert told in html
    registry = CollectorRegistry()
    MetricsCollector(registry, version="1").swap_snapshot(published)
    text = generate_latest(registry).decode()
    assert 'iou="0.5, dog 0.6"' in text
    assert 'calwatch_objects{camera="c-b",model="m",version="",window="24h"} 1.0' in text
    assert 'calwatch_recall_ceiling{camera="c-b",model="m",version="",window="24h"} 0.0' in text
    with Snapshot(tmp_path / "calwatch-state") as snapshot_:
        report = report_page(collect_report(snapshot_, "m"), published.models[0].event)
    assert "Objects found and missed" in report
    assert "at IoU 0.5, dog 0.6" in report


def test_no_more_are_listed_than_may_be_where_no_threshold_is_in_use(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    names = [f"i{number:04d}" for number in range(1500)]
    times = [f"2026-03-10 {8 + number // 600:02}:{number // 10 % 60:02}:{number % 10:02}" for number in range(1500)]
    detector.send("images", *(an_image(name, observed_at=time) for name, time in zip(names, times, strict=True)))
    detector.send("detections", *(a_box(name, x=40, score=0.5) for name in names))
    detector.send("truth", *(a_box(name, x=70) for name in names))
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    with store.transaction():
        list_objects(store, ())
    for table in (MISSED, INVENTED):
        listed = detector.connection.execute(f"SELECT image_id FROM {table} ORDER BY image_id").fetchall()
        assert [name for (name,) in listed] == names[-LISTED:], "the newest"


def _threshold(store: ModelStore, image: str) -> tuple[str, float | None]:
    row = store.connection.execute(
        f"SELECT version, threshold FROM missed_objects WHERE image_id = '{image}'"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("says", [False, True])
def test_an_image_without_a_detection_is_listed_with_the_threshold_in_use_when_it_was_taken(
    says: bool, tmp_path: Path
) -> None:
    detector = Detector(tmp_path)
    hours = {"a": "08", "blank1": "09", "b": "10", "blank2": "11"}
    version = {"a": "v1", "blank1": "v1", "b": "v2", "blank2": "v2"}
    detector.send(
        "images",
        *(an_image(name, observed_at=f"2026-03-10 {hour}:00:00", **({"version": version[name]} if says else {}))
          for name, hour in hours.items()),
    )  # fmt: skip
    detector.send(
        "detections",
        *(a_box(name, score=0.9, calibrator=f"cal-{name}", raw_score=0.8, version=version[name]) for name in "ab"),
    )
    detector.send("truth", *(a_box(name) for name in ("blank1", "blank2")), a_box("a"), a_box("b"))
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    used = [replace(USED, calibrator=f"cal-{name}", threshold=at) for name, at in (("a", 0.3), ("b", 0.6))]
    list_objects(store, used)
    assert (_threshold(store, "blank1"), _threshold(store, "blank2")) == (("v1", 0.3), ("v2", 0.6))
    list_objects(store, [replace(used[1], per="predicted_class", class_name="cat"), used[0]])
    assert _threshold(store, "blank2") == ("v2", 0.6)
    list_objects(store, [])
    assert _threshold(store, "blank2") == ("v2", None)


def test_before_any_detection_the_threshold_is_that_of_the_first_one(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("early", observed_at="2026-03-10 08:00:00"), an_image())
    detector.send("detections", a_box(score=0.9))
    detector.send("truth", a_box("early"), a_box())
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    list_objects(store, [USED])
    assert _threshold(store, "early") == ("", 0.5)


def test_where_no_detection_ever_came_nothing_is_listed_as_missed(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image())
    detector.send("truth", a_box())
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    list_objects(store, [USED])
    assert (_listed(store, MISSED), _listed(store, INVENTED)) == ([], [])
