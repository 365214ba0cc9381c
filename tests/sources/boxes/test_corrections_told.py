"""Corrections that do not do what they were meant to are told, with what to do."""

from pathlib import Path

import pytest

from monitor.model.problems import Problem
from tests.sources.boxes.detector import Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW


def _told(detector: Detector, hour: int, reason: str) -> list[Problem]:
    brought = detector.pull(NOW + hour * HOUR)
    return [each for pulled in brought.values() for each in pulled.problems if each.reason == reason]


def _size(holds: str, image: str, size: int) -> Row:
    if holds == "images":
        return an_image(image, width=size, height=size)
    row = a_box(image, x=1, image_width=size, image_height=size)
    return {**row, "score": 0.5} if holds == "detections" else row


@pytest.mark.parametrize("way", ["written anew", "under another name"])
@pytest.mark.parametrize("outside", ["detections", "truth"])
@pytest.mark.parametrize("resized", ["images", "detections", "truth"])
def test_a_size_that_is_corrected_after_boxes_were_set_aside_is_told_and_its_remedy_brings_them_back(
    outside: str, resized: str, way: str, tmp_path: Path
) -> None:
    detector = Detector(tmp_path, settings='label_horizon = "9d"')
    size = {} if resized == "images" else {"width": None, "height": None}
    detector.send("images", *(an_image(name, **size) for name in "ab"))
    detector.send(resized, _size(resized, "a", 40), _size(resized, "b", 400), name="sizes")
    detector.pull()
    rows = [{**a_box(name, x=60), **({"score": 0.9} if outside == "detections" else {})} for name in "ab"]
    detector.send(outside, *rows, name="far")
    detector.pull(NOW + HOUR)
    assert detector.aside() == {"box_outside_image": 1}
    detector.send(resized, _size(resized, "a", 400), _size(resized, "b", 400), name="sizes")
    (told,) = _told(detector, 2, "rows_set_aside")
    assert "1 image (such as a, 40 × 40 and now 400 × 400) had 1 row set aside as box_outside_image" in told.message
    assert "far.csv" in told.message
    assert not _told(detector, 3, "rows_set_aside")
    detector.send(
        outside, *rows, an_image("c") if way == "written anew" else rows[0], name="far" if way == "written anew" else ""
    )
    detector.pull(NOW + 4 * HOUR)
    table = {"detections": "detections", "truth": "truths"}[outside]
    assert detector.one(f"SELECT count(*) FROM {table} WHERE image_id = 'a' AND x1 = 60") == 1


def test_a_size_that_is_corrected_where_nothing_was_set_aside_is_no_news(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("a", width=400), an_image("b", width=30))
    detector.send("detections", a_box("a", x=60, score=0.9), a_box("b", x=60, score=0.9))
    detector.pull()
    assert detector.aside() == {"box_outside_image": 1}
    detector.send("images", an_image("a", width=500))
    assert not _told(detector, 1, "rows_set_aside")


def test_rows_of_which_no_text_was_kept_are_told_as_perhaps(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("a", width=30))
    detector.send("detections", a_box("a", x=60, score=0.9))
    detector.pull()
    detector.connection.execute("UPDATE quarantine SET record = NULL")
    detector.send("images", an_image("a", width=100))
    (told,) = _told(detector, 1, "rows_set_aside")
    assert "1 image (such as a) may have some of 1 row that were set aside" in told.message


CAT = a_box("a", labelled_at="2026-03-10 11:00:00")


@pytest.mark.parametrize(
    "correction",
    [
        {"x": 11, "labelled_at": "2026-03-10 11:30:00"},
        {"x": 11, "w": 19, "labelled_at": None},
        {"class": "dog", "labelled_at": "2026-03-10 11:30:00"},
        {"x": 9, "h": 21, "labelled_at": "2026-03-09 12:00:00"},
    ],
)
def test_corrections_that_were_appended_to_truth_are_told(correction: Row, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("a"))
    detector.send("truth", CAT, a_box("a", x=70, labelled_at="2026-03-10 11:00:00"), {**CAT, **correction}, name="t")
    (told,) = _told(detector, 0, "repeated_boxes")
    assert "t.csv: 1 object of 1 image (such as a) lies where another one of the same file lies" in told.message
    assert "leave out the rows that were corrected" in told.message
    assert detector.one("SELECT count(*) FROM truths") == 3


@pytest.mark.parametrize(
    "other",
    [
        {"x": 11},
        {"x": 16, "labelled_at": "2026-03-10 11:30:00"},
        {"x": 11, "image_id": "b", "labelled_at": "2026-03-10 11:30:00"},
    ],
)
def test_objects_that_merely_lie_close_or_were_labelled_one_by_one_are_not_told(other: Row, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("a"))
    detector.send("truth", CAT, a_box("a", x=70, labelled_at="2026-03-10 11:45:00"), {**CAT, **other})
    assert not _told(detector, 0, "repeated_boxes")


@pytest.mark.parametrize("holds", ["detections", "truth", "images"])
def test_that_what_other_files_say_does_not_come_back_is_told_with_the_removal(holds: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path, extra={holds: 'withdrawn = "remove"'})
    rows = {"images": an_image("a"), "detections": a_box("a", score=0.9), "truth": a_box("a")}
    for name, row in rows.items():
        detector.send(name, row, name="old")
    detector.pull()
    other = {"images": an_image("a", width=99), "detections": a_box("a", x=12, score=0.8), "truth": a_box("a", x=12)}[
        holds
    ]
    detector.send(holds, other, {**other, "image_id": "b"}, name="young")
    detector.pull(NOW + HOUR)
    detector.send(holds, {**other, "image_id": "b"}, name="young")
    (told,) = _told(detector, 2, "withdrawn_labels" if holds == "truth" else "withdrawn_rows")
    assert "taken out; what other files say of the same images does not come back by itself" in told.message
    detector.send(holds, rows[holds], {**rows[holds], "image_id": "c"}, name="old")
    detector.pull(NOW + 3 * HOUR)
    assert detector.outcomes()["a#cat#0"] == 1
