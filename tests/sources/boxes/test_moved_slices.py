"""An image whose slice is corrected takes its objects along, found and missed, and is counted nowhere twice."""

from pathlib import Path

import pytest

from monitor.model import Slice, ThresholdInUse
from monitor.store.model_store import ModelStore
from monitor.store.seen.lists import list_objects
from tests.sources.boxes.detector import Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

OBJECTS = (
    "SELECT image_id, class, labels['camera'], score IS NULL FROM objects JOIN slices USING (slice_id) ORDER BY ALL"
)
IMAGES = "SELECT image_id, labels['camera'] FROM labelled_images JOIN slices USING (slice_id) ORDER BY ALL"
MISSED = "SELECT image_id, labels['camera'] FROM missed_objects ORDER BY ALL"
CELLS = (
    "SELECT labels['camera'], sum(n)::BIGINT, sum(outcome)::BIGINT FROM cells JOIN slices USING (slice_id) GROUP BY ALL "
    "HAVING sum(n) > 0 ORDER BY ALL"
)


def _images(camera: str) -> list[Row]:
    return [an_image("a", camera=camera), an_image("b", camera="c1"), an_image("blank", camera=camera)]


def _detector(base: Path, settings: str = 'slices = ["camera", "class"]', matching: str = "", **said: str) -> Detector:
    detector = Detector(base, settings=settings, matching=matching)
    detector.send(
        "images", *(_images("c1") if not said else [an_image(name) for name in ("a", "b", "blank")]), name="i"
    )
    detector.send("detections", a_box(score=0.9, **said), a_box("b", score=0.8, **said), name="d")
    detector.send("truth", a_box(), a_box("a", "dog", x=60), a_box("b"), a_box("blank", "dog"))
    detector.pull()
    return detector


def _rows(detector: Detector, query: str) -> list[tuple[object, ...]]:
    return detector.connection.execute(query).fetchall()


def _list(detector: Detector) -> None:
    used = ThresholdInUse("m", Slice(), "f1", 0.5, None, None, "", NOW)
    list_objects(ModelStore.load(detector.connection, detector.model, NOW), [used])


def test_missed_and_found_objects_move_with_their_image(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _list(detector)
    assert _rows(detector, MISSED) == [("a", "c1"), ("blank", "c1")]
    assert _rows(detector, CELLS) == [("c1", 2, 2)]
    detector.send("images", *_images("c2"), name="i")
    detector.pull(NOW + HOUR)
    assert _rows(detector, OBJECTS) == [
        ("a", "cat", "c2", False), ("a", "dog", "c2", True), ("b", "cat", "c1", False), ("blank", "dog", "c2", True),
    ]  # fmt: skip
    assert _rows(detector, IMAGES) == [("a", "c2"), ("b", "c1"), ("blank", "c2")]
    assert _rows(detector, CELLS) == [("c1", 1, 1), ("c2", 1, 1)]
    _list(detector)
    assert _rows(detector, MISSED) == [("a", "c2"), ("blank", "c2")]


def test_they_move_too_where_the_detections_say_the_slice(tmp_path: Path) -> None:
    detector = _detector(tmp_path, camera="c1")
    assert [row[2] for row in _rows(detector, OBJECTS)] == ["c1", "c1", "c1", "__missing__"]
    detector.send("detections", a_box(score=0.9, camera="c2"), a_box("b", score=0.8, camera="c1"), name="d")
    detector.pull(NOW + HOUR)
    assert [row[2] for row in _rows(detector, OBJECTS)] == ["c2", "c2", "c1", "__missing__"]
    assert _rows(detector, IMAGES) == [("a", "c2"), ("b", "c1"), ("blank", "__missing__")]


@pytest.mark.parametrize("times", [1, 3])
def test_moving_there_and_back_leaves_all_as_it_was(times: int, tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    before = [_rows(detector, query) for query in (OBJECTS, IMAGES, CELLS)]
    for number in range(times):
        for place, camera in enumerate(("c2", "c1")):
            detector.send("images", *_images(camera), name="i")
            detector.pull(NOW + (2 * number + place + 1) * HOUR)
    assert [_rows(detector, query) for query in (OBJECTS, IMAGES, CELLS)] == before


def test_slices_that_an_upgrade_makes_one_take_all_along(tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings='slices = ["camera"]')
    detector.send("images", an_image("a", camera="7"), an_image("b", camera="8"))
    for name in "ab":
        detector.send("detections", a_box(name, score=0.9), a_box(name, score=0.7, x=60))
        detector.send("truth", a_box(name), a_box(name, "dog"))
    detector.pull()
    # as an earlier release wrote values
    detector.connection.execute("UPDATE slices SET labels = map(['camera'], ['7.0']) WHERE labels['camera'] = '8'")
    detector.connection.execute("UPDATE models SET label_basis = NULL")
    detector.pull(NOW + HOUR)
    assert [row[2] for row in _rows(detector, OBJECTS)] == ["7"] * 4
    assert _rows(detector, IMAGES) == [("a", "7"), ("b", "7")]
    assert _rows(detector, CELLS) == [("7", 4, 2)]
    _list(detector)
    for table in ("missed_objects", "invented_objects"):
        listed = _rows(detector, f"SELECT image_id, labels['camera'] FROM {table} ORDER BY ALL")
        assert listed == [("a", "7"), ("b", "7")], table


def test_an_object_that_is_corrected_moves_by_its_own_class_and_size(tmp_path: Path) -> None:
    detector = _detector(tmp_path, 'slices = ["class", "size"]', "size = [32, 96]")
    cuts = "SELECT image_id, labels['class'], labels['size'] FROM objects JOIN slices USING (slice_id) ORDER BY ALL"
    assert ("blank", "dog", "small") in _rows(detector, cuts)
    detector.send("truth", {**a_box("blank", "cow"), "w": 60, "h": 60})
    detector.pull(NOW + 2 * HOUR)
    assert [row for row in _rows(detector, cuts) if row[0] == "blank"] == [("blank", "cow", "medium")]
