"""Boxes that look odd and are honest are taken: large ones, those over the edge, rows that came twice; what they are read as
follows the setting, also where no file says them any more."""

from pathlib import Path
from typing import Any

import pytest

from tests.sources.boxes.detector import Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

IDS = [f"i{number}" for number in range(60)]
SIZED = [an_image(name, width=640, height=480) for name in IDS]
UNSIZED = [an_image(name, width=None, height=None) for name in IDS]


def _reasons(brought: dict[str, Any]) -> list[str]:
    return [problem.reason for each in brought.values() for problem in each.problems]


def _large(name: str, way: str) -> Row:
    boxes: dict[str, Row] = {
        "named": {"x": 20, "y": 20, "w": 600, "h": 440},
        "over the edge": {"x": 20, "y": 20, "w": 630, "h": 450},
        "shares": {"cx": 0.5, "cy": 0.5, "w": 0.9, "h": 0.9},
        "list": {"box": [20, 20, 600, 440]},
    }
    return {"image_id": name, "class": "cat", **boxes[way]}


@pytest.mark.parametrize(
    ("way", "images"),
    [("named", SIZED), ("named", UNSIZED), ("over the edge", SIZED), ("shares", SIZED), ("shares", UNSIZED), ("list", SIZED)],
)  # fmt: skip
def test_large_objects_are_no_corners(way: str, images: list[Row], tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", *images)
    detector.send("detections", *({**_large(name, way), "score": 0.9} for name in IDS), ending="jsonl")
    detector.send("truth", *(_large(name, way) for name in IDS), ending="jsonl")
    detector.pull()
    assert detector.one("SELECT count(*), sum(positives) FROM samples") == (60, 60)


def test_lists_that_could_be_corners_are_refused_where_no_size_says_otherwise(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", *UNSIZED)
    detector.send("detections", *({**_large(name, "list"), "score": 0.9} for name in IDS), ending="jsonl")
    assert _reasons(detector.pull()) == ["box_layout"]


@pytest.mark.parametrize("unit", ["pixels", "shares"])
@pytest.mark.parametrize("is_early", [False, True])
def test_a_detector_that_does_not_clip_is_taken_and_told_once(unit: str, is_early: bool, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    sides = (640, 480) if unit == "shares" else (1, 1)
    if not is_early:
        detector.send("images", *SIZED)
    detected = [
        a_box(name, score=0.9, x=-8 if number % 3 == 0 else 30, w=100, h=100) for number, name in enumerate(IDS)
    ]
    seen = [{**row, "x": max(row["x"], 0), "w": row["w"] + min(row["x"], 0)} for row in detected]
    for holds, rows in (("detections", detected), ("truth", seen)):
        scaled = [{**row, "x": row["x"] / sides[0], "w": row["w"] / sides[0], "y": row["y"] / sides[1],
                   "h": row["h"] / sides[1]} for row in rows]  # fmt: skip
        detector.send(
            holds, *({key: row[key] for key in row if holds == "detections" or key != "score"} for row in scaled)
        )
    if is_early:
        detector.pull()
        detector.send("images", *SIZED)
    # as COCO has it: 92 of 100 pixels of those over the edge lie on their object
    detector.matching = "iou = 0.95"
    told = _reasons(detector.pull(NOW + HOUR))
    assert told.count("boxes_over_edge") == (not is_early)
    assert detector.one("SELECT count(*), sum(positives) FROM samples") == (60, 40)
    assert detector.aside() == {}
    detector.matching = "iou = 0.9"
    detector.pull(NOW + HOUR)
    assert detector.one("SELECT sum(positives) FROM samples") == 60
    detector.send("detections", a_box("i1", "dog", score=0.3, x=-5))
    assert "boxes_over_edge" not in _reasons(detector.pull(NOW + 2 * HOUR)) or is_early


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_equal_rows_of_an_image_count_once(ending: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.9), a_box(score=0.9), a_box(score=0.4, x=60), ending=ending)
    detector.send("truth", a_box(), a_box(), a_box(), a_box("a", "dog"), ending=ending)
    brought = detector.pull()
    assert _reasons(brought) == ["repeated_boxes", "repeated_boxes"]
    assert (brought["detections"].duplicates, brought["truth"].duplicates) == (1, 2)
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 0}
    assert detector.one("SELECT count(*) FROM objects") == 2


@pytest.mark.parametrize("is_one_file", [False, True])
def test_two_versions_on_one_image_are_told(is_one_file: bool, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image(), an_image("b"))
    rows = [
        a_box(score=0.9, version="v1"),
        a_box(score=0.8, x=11, version="v2", detection_id="o"),
        a_box("b", score=0.7, version="v2"),
    ]
    for part in [rows] if is_one_file else [rows[:1], rows[1:]]:
        detector.send("detections", *part)
    told = [each for each in detector.pull()["detections"].problems if each.reason == "several_versions"]
    assert [("v1, v2" in each.message, "1 image (such as a)" in each.message) for each in told] == [(True, True)]


@pytest.mark.parametrize("named", [False, True])
def test_a_version_whose_detections_replace_those_of_another_is_told(named: bool, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image(), an_image("b"))
    ids = {"detection_id": "o1"} if named else {}
    for version, told in (("v1", []), ("v2", ["a"]), ("v2", [])):
        detector.send("detections", a_box(score=0.9 if version == "v1" else 0.8, version=version, **ids))
        problems = detector.pull()["detections"].problems
        messages = [each.message for each in problems if each.reason == "several_versions"]
        assert len(messages) == len(told)
        for message in messages:
            assert "of 1 image (such as a) detections of version v2 took the place of those of version v1" in message


def test_a_file_that_is_written_anew_may_say_another_version(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image())
    for version in ("v1", "v2"):
        detector.send("detections", a_box(score=0.9, version=version), name="d")
        assert "several_versions" not in _reasons(detector.pull())


@pytest.mark.parametrize("first", ["images", "detections"])
def test_a_table_of_images_that_says_another_version_than_its_detections_is_told(first: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    rows = {
        "images": [an_image(version="v1"), an_image("b", version="v2"), an_image("c", version="v1")],
        "detections": [a_box(score=0.9, version="v2"), a_box("b", score=0.9, version="v2"), a_box("c", score=0.9)],
    }
    told = []
    for number, holds in enumerate(sorted(rows, key=lambda holds: holds != first)):
        detector.send(holds, *rows[holds])
        brought = detector.pull(NOW + number * HOUR)
        told += [each for pulled in brought.values() for each in pulled.problems if each.reason == "several_versions"]
    (one,) = told
    assert "of 1 image (such as a) the table of images says version v1, and the detections v2" in one.message


@pytest.mark.parametrize("leaves", ["gone", "withdrawn"])
def test_boxes_that_no_file_says_any_more_are_read_as_the_setting_says(leaves: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path, matching='boxes = "xywh"')
    detector.send("images", an_image())
    cat = {"image_id": "a", "class": "cat", "score": 0.9, "box": [10, 10, 30, 30]}
    path = detector.send("detections", cat, {**cat, "class": "dog"}, ending="jsonl", name="x")
    detector.send(
        "truth", *({"image_id": "a", "class": name, "box": [10, 10, 30, 30]} for name in ("cat", "dog")), ending="jsonl"
    )
    detector.pull()
    if leaves == "gone":
        path.unlink()
    else:
        detector.send("detections", cat, ending="jsonl", name="x")
    detector.pull(NOW + HOUR)
    for number, (boxes, far) in enumerate([("xyxy", 30), ("xywh", 40), ("cxcywh", 25), ("xyxy", 30)]):
        detector.matching = f'boxes = "{boxes}"'
        detector.pull(NOW + (2 + number) * HOUR)
        assert detector.one("SELECT min(x2), max(x2) FROM detections") == (far, far)
        assert detector.outcomes() == {"a#cat#0": 1, "a#dog#0": 1}
