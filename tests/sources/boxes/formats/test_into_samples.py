"""COCO, YOLO and VOC through sources and store: what a detector logs and what there was, in the formats that tools write."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.sources.boxes.detector import DATA, TAKEN, Detector
from tests.worlds.store import HOUR, NOW

COCO = {"detections": 'format = "coco"', "truth": 'format = "coco"'}
NAMES = [{"id": 1, "name": "cat"}, {"id": 18, "name": "dog"}]


def _image(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number:04d}.jpg", "width": 100, "height": 100, "date_captured": TAKEN, **more}


def _annotation(image: int, category: int, box: Sequence[float], **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": image, "category_id": category, "bbox": list(box), "iscrowd": 0, **more}


def _result(image: int, category: int, box: Sequence[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def _send(detector: Detector, holds: str, value: object, name: str = "a") -> None:
    (detector.base / holds / f"{name}.json").write_text(json.dumps(value))


BOX, OTHER = (10, 10, 20, 20), (60, 60, 20, 20)
TRUTH = {"images": [_image(1), _image(2), _image(3)], "annotations": [_annotation(1, 18, BOX)], "categories": NAMES}
RESULTS = [_result(1, 18, BOX, 0.9), _result(1, 1, OTHER, 0.8), _result(2, 1, BOX, 0.7), _result(4, 1, BOX, 0.6)]


@pytest.mark.parametrize("order", [("detections", "truth"), ("truth", "detections")], ids="-".join)
def test_results_by_number_find_truth_by_name_whichever_comes_first(tmp_path: Path, order: tuple[str, ...]) -> None:
    detector = Detector(tmp_path, ("detections", "truth"), extra=COCO)
    for number, holds in enumerate(order):
        _send(detector, holds, TRUTH if holds == "truth" else RESULTS)
        detector.pull(NOW + number * HOUR)
    # image 4 is not in the truth, and nobody says when it was taken: it waits
    assert detector.outcomes() == {"1#18#0": 1, "1#1#0": 0, "2#1#0": 0}
    assert detector.one("SELECT list(predicted_class ORDER BY sample_id) FROM samples") == ["cat", "dog", "cat"]
    assert detector.one("SELECT count(*) FROM reviews") == 3
    assert detector.aside() == {}


def test_names_that_come_later_are_those_of_images_matched_before(tmp_path: Path) -> None:
    extra = {**COCO, "images": 'format = "coco"'}
    detector = Detector(tmp_path, extra=extra, settings='slices = ["class"]')
    _send(detector, "images", {"images": [_image(1), _image(2)]})
    _send(detector, "detections", RESULTS[:3])
    detector.pull()
    assert detector.one("SELECT list(predicted_class ORDER BY sample_id) FROM samples") == ["1", "18", "1"]
    _send(detector, "truth", {**TRUTH, "images": [_image(1)]})
    detector.pull(NOW + HOUR)
    assert detector.one("SELECT list(predicted_class ORDER BY sample_id) FROM samples") == ["cat", "dog", "cat"]
    assert detector.outcomes() == {"1#1#0": 0, "1#18#0": 1, "2#1#0": None}


def test_a_number_of_two_names_is_told(tmp_path: Path) -> None:
    detector = Detector(tmp_path, ("detections", "truth"), extra=COCO)
    _send(detector, "truth", TRUTH)
    _send(detector, "truth", {"images": [_image(9)], "annotations": [], "categories": [{"id": 18, "name": "cow"}]}, "b")
    _send(detector, "detections", RESULTS)
    pulled = detector.pull()
    assert "several_names" in [problem.reason for problem in pulled["truth"].problems]
    assert detector.outcomes()["1#18#0"] == 0


def test_images_named_by_their_files_meet_detections_in_yolo(tmp_path: Path) -> None:
    extra = {"detections": 'format = "yolo"', "truth": 'format = "coco"\ncolumns = { image_id = "file_stem" }'}
    detector = Detector(tmp_path, ("detections", "truth"), extra=extra, settings='classes = ["cat", "dog"]')
    _send(detector, "truth", TRUTH)
    (tmp_path / "detections" / "0001.txt").write_text("1 .2 .2 .2 .2 .9\n0 .7 .7 .2 .2 .8\n")
    (tmp_path / "detections" / "0002.txt").write_text("")
    (tmp_path / "detections" / "0003.txt").write_text("0 .5 .5 .1 .1 .3\n")
    detector.pull()
    assert detector.outcomes() == {"0001#cat#0": 0, "0001#dog#0": 1, "0003#cat#0": 0}
    assert detector.aside() == {}


def test_truth_in_yolo_and_in_voc_is_of_images_by_their_name(tmp_path: Path) -> None:
    for format_, name, full, empty in (
        ("yolo", "a.txt", "1 .2 .2 .2 .2\n", ""),
        (
            "voc", "a.xml",
            "<annotation><filename>a.jpg</filename><object><name>dog</name><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>30</xmax>"
            "<ymax>30</ymax></bndbox></object></annotation>", "<annotation><filename>b.jpg</filename></annotation>",
        ),
    ):  # fmt: skip
        columns = "" if format_ == "yolo" else '\ncolumns = { image_id = "file_stem" }'
        extra = {"truth": f'format = "{format_}"{columns}'}
        detector = Detector(tmp_path / format_, extra=extra, settings='classes = ["cat", "dog"]')
        detector.send("images", *({"image_id": i, "observed_at": TAKEN, "width": 100, "height": 100} for i in "abc"))
        detector.send("detections", *(
            {"image_id": i, "class": "dog", "score": 0.9, "x": 10, "y": 10, "w": 20, "h": 20} for i in "abc"
        ))  # fmt: skip
        (detector.base / "truth" / name).write_text(full)
        (detector.base / "truth" / name.replace("a", "b")).write_text(empty)
        detector.pull()
        assert detector.outcomes() == {"a#dog#0": 1, "b#dog#0": 0, "c#dog#0": None}
        assert detector.one("SELECT list((x1, y1, x2, y2, normalised)) FROM truths WHERE class = 'dog'") == [
            (10.0, 10.0, 30.0, 30.0, False) if format_ == "voc" else pytest.approx((0.1, 0.1, 0.3, 0.3, True))
        ]


def test_a_line_of_truth_that_is_no_box_keeps_its_image_back(tmp_path: Path) -> None:
    detector = Detector(tmp_path, extra={"truth": 'format = "yolo"'})
    detector.send("images", {"image_id": "a", "observed_at": TAKEN, "width": 100, "height": 100})
    (tmp_path / "truth" / "a.txt").write_text("1 .2 .2 .2 .2\n1 .2 .2\n1 .5 .5 .2 .2\n")
    detector.pull()
    assert detector.aside() == {"incomplete_truth": 2, "unreadable_line": 1}
    assert detector.one("SELECT file, row FROM quarantine WHERE reason = 'unreadable_line'") == (
        str(tmp_path / "truth" / "a.txt"), 1,
    )  # fmt: skip


def test_a_file_that_becomes_empty_takes_its_detections_away_where_that_is_said(tmp_path: Path) -> None:
    detector = Detector(
        tmp_path, ("images", "detections"), extra={"detections": 'format = "yolo"\nwithdrawn = "remove"'}
    )
    detector.send("images", {"image_id": "a", "observed_at": TAKEN, "width": 100, "height": 100})
    path = tmp_path / "detections" / "a.txt"
    path.write_text("1 .2 .2 .2 .2 .9\n")
    detector.pull()
    assert detector.outcomes() == {"a#1#0": None}
    path.write_text("")
    detector.pull(NOW + HOUR)
    assert detector.outcomes() == {}


def test_a_thousand_small_files_come_in_few_transactions(tmp_path: Path) -> None:
    detector = Detector(tmp_path, extra={"truth": 'format = "yolo"'})
    for number in range(1_000):
        (tmp_path / "truth" / f"{number}.txt").write_text("0 .2 .2 .2 .2\n" * (number % 2))
    brought = detector.pull()["truth"]
    assert brought.files == 1_000
    assert detector.one("SELECT count(*) FROM reviews") == 1_000
    assert detector.one("SELECT count(*) FROM truths") == 500


def test_one_bad_file_of_many_is_named_and_stops_no_other(tmp_path: Path) -> None:
    detector = Detector(tmp_path, extra={"truth": 'format = "voc"'})
    for name in "abc":
        (tmp_path / "truth" / f"{name}.xml").write_text(f"<annotation><filename>{name}</filename></annotation>")
    (tmp_path / "truth" / "b.xml").write_text("<annotation><filename>b</fi")
    problems = detector.pull()["truth"].problems
    assert [(problem.reason, problem.item.endswith("b.xml")) for problem in problems] == [("unreadable_file", True)]
    assert "still being written" in problems[0].message
    assert detector.one("SELECT list(image_id ORDER BY image_id) FROM reviews") == ["a", "c"]
    (tmp_path / "truth" / "b.xml").write_text("<annotation><filename>b</filename></annotation>")
    detector.pull(NOW + HOUR)
    assert detector.one("SELECT count(*) FROM reviews") == 3


def test_results_that_break_off_are_taken_once_they_are_whole(tmp_path: Path) -> None:
    detector = Detector(tmp_path, ("detections", "truth"), extra=COCO)
    _send(detector, "truth", TRUTH)
    text = json.dumps([{**row, "score": 0.1 + number / 10_000} for number in range(2_000) for row in RESULTS])
    path = tmp_path / "detections" / "a.json"
    path.write_text(text[:-100])
    assert [problem.reason for problem in detector.pull()["detections"].problems] == ["unreadable_file"]
    assert detector.one("SELECT count(*) FROM detections") == 0
    path.write_text(text)
    detector.pull(NOW + HOUR)
    assert detector.one("SELECT count(*) FROM detections") == 8_000


def test_a_long_document_survives_the_reading_of_its_rows(tmp_path: Path) -> None:
    detector = Detector(tmp_path, ("detections", "truth"), extra=COCO)
    images = [_image(number) for number in range(3_000)]
    annotations = [
        _annotation(number, 1, (BOX, OTHER)[number % 2], segmentation=[[1.5] * 30]) for number in range(2_000)
    ]
    for name in ("a", "b"):  # two, so that what one reads is not what the other does
        moved = [{**image, "id": f"{name}{image['id']}"} for image in images]
        said = [{**each, "image_id": f"{name}{each['image_id']}"} for each in annotations]
        _send(detector, "truth", {"annotations": said, "images": moved, "categories": NAMES}, name)
    detector.pull()
    assert detector.one("SELECT count(*) FROM reviews") == 6_000
    assert detector.one("SELECT count(*), count(DISTINCT image_id), min(class) FROM truths") == (4_000, 4_000, "cat")


def test_corners_in_bbox_are_taken_where_it_is_said(tmp_path: Path) -> None:
    as_corners = 'format = "coco"\ncolumns = { box = "bbox" }'
    detector = Detector(
        tmp_path,
        ("detections", "truth"),
        extra={"detections": as_corners, "truth": 'format = "coco"'},
        matching='boxes = "xyxy"',
    )
    _send(detector, "truth", TRUTH)
    _send(detector, "detections", [_result(1, 18, (10, 10, 30, 30), 0.9)])
    detector.pull()
    assert detector.outcomes() == {"1#18#0": 1}


def test_a_real_file_of_ground_truth_gives_what_pycocotools_counts(tmp_path: Path) -> None:
    detector = Detector(tmp_path, ("detections", "truth"), extra=COCO)
    truth = json.loads((DATA / "coco_val2014_100.json").read_text())
    _send(detector, "truth", {**truth, "images": [{**image, "date_captured": TAKEN} for image in truth["images"]]})
    _send(detector, "detections", json.loads((DATA / "coco_val2014_100_fakebbox.json").read_text()))
    detector.pull()
    assert detector.aside() == {}
    assert detector.one("SELECT count(*), sum(positives) FROM samples") == (734, 649)
    assert detector.one("SELECT count(*) FILTER (found), count(*) FILTER (NOT found AND NOT crowd) FROM truths") == (
        649,
        181,
    )
    assert detector.one("SELECT count(*) FROM reviews") == 100


@pytest.mark.parametrize(
    ("name", "said"), [("a.txt", 'of YOLO set format = "yolo"'), ("a.xml", 'of Pascal VOC set format = "voc"')]
)
def test_files_whose_format_is_not_set_are_told_which_it_is(name: str, said: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    (tmp_path / "truth" / name).write_text("0 .5 .5 .2 .2\n")
    (problem,) = detector.pull()["truth"].problems
    assert problem.reason == "unreadable_file"
    assert said in problem.message


@pytest.mark.parametrize("value", [TRUTH, RESULTS], ids=["document", "list"])
def test_coco_whose_format_is_not_set_is_told(value: object, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    _send(detector, "truth", value)
    (problem,) = detector.pull()["truth"].problems
    assert 'format = "coco"' in problem.message
