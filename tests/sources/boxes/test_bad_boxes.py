"""Rows of boxes that cannot be taken, and files that make no sense as a whole."""

from pathlib import Path

import pytest

from tests.sources.boxes.detector import TAKEN, Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

LATER = NOW + HOUR


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    made = Detector(tmp_path)
    made.send("images", *(an_image(name) for name in "abc"))
    return made


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (a_box("", score=0.5), "missing_image_id"), (a_box(class_="", score=0.5), "missing_class"),
        (a_box(class_="", score="", w=5), "missing_class"), (a_box(score=None), "missing_score"),
        (a_box(score="high"), "score_not_a_number"), (a_box(score=1.2), "score_outside_0_1"),
        (a_box(score=-0.1), "score_outside_0_1"), (a_box(score=0.5, w=0), "bad_box"), (a_box(score=0.5, h=-3), "bad_box"),
        (a_box(score=0.5, x="left"), "bad_box"), (a_box(score=0.5, x=None), "bad_box"), (a_box(score=0.5, y="nan"), "bad_box"),
        (a_box(score=0.5, w="inf"), "bad_box"), (a_box(score=0.5, x=91), "box_outside_image"),
        (a_box(score=0.5, x=-11), "box_outside_image"), (a_box("i" * 501, score=0.5), "too_long"),
        (a_box(class_="c" * 121, score=0.5), "too_long"), (a_box(score=0.5, observed_at="yesterday"), "unreadable_time"),
        (a_box(score=0.5, observed_at="2027-01-01"), "time_in_future"),
        (a_box(score=0.5, observed_at="2025-01-01"), "older_than_retention"),
    ],
)  # fmt: skip
def test_a_detection_that_cannot_be_taken_is_set_aside_alone(
    row: Row, reason: str, ending: str, detector: Detector
) -> None:
    detector.send("detections", row, a_box("b", score=0.5), ending=ending)
    brought = detector.pull()["detections"]
    assert (brought.rows, brought.quarantined) == (2, {reason: 1})
    assert detector.outcomes() == {"b#cat#0": None}
    assert detector.one("SELECT row, record IS NOT NULL FROM quarantine") == (0, True)


@pytest.mark.parametrize("size", [{"width": "wide"}, {"height": -100}, {"width": "inf"}, {"height": "100px"}])
def test_an_image_whose_size_is_no_number_is_set_aside(size: Row, detector: Detector) -> None:
    detector.send("images", an_image("d", **size), an_image("e"))
    assert detector.pull()["images"].quarantined == {"bad_image_size": 1}


@pytest.mark.parametrize("size", [{"width": 0, "height": 0}, {"width": "", "height": None}, {"width": "NaN"}])
def test_an_image_whose_size_is_not_said_is_taken(size: Row, detector: Detector) -> None:
    detector.send("images", an_image("d", **size))
    detector.send("detections", a_box("d", score=0.5, x=900))
    brought = detector.pull()
    assert (brought["images"].quarantined, detector.outcomes()) == ({}, {"d#cat#0": None})


@pytest.mark.parametrize("word", ["maybe", "x", "2", "-1"])
def test_truth_of_which_nobody_knows_whether_it_is_a_crowd_is_set_aside(word: str, detector: Detector) -> None:
    detector.send("truth", a_box(crowd=word), a_box("b", crowd="no"))
    assert detector.pull()["truth"].quarantined == {"unknown_crowd": 1}


def test_percentages_in_many_small_files_are_refused_and_what_was_taken_of_them_is_taken_back(
    detector: Detector,
) -> None:
    for number, image in enumerate("abc"):
        rows = [a_box(image, class_=f"c{place}", score=0.6 if place == 5 else 50 + place) for place in range(8)]
        detector.send("detections", *rows, name=f"f{number}")
    brought = detector.pull()["detections"]
    assert "percentages" in [problem.reason for problem in brought.problems]
    detector.pull(LATER)
    assert (detector.outcomes(), detector.one("SELECT count(*) FROM detections")) == ({}, 0)
    assert detector.aside()["taken_back"] == 2


def test_probabilities_of_detections_said_to_be_percentages_are_refused(tmp_path: Path) -> None:
    made = Detector(tmp_path, extra={"detections": 'score_unit = "percent"'})
    made.send("images", *(an_image(name) for name in "abcd"))
    for image in "abc":
        made.send("detections", *(a_box(image, class_=f"c{place}", score=0.1 * place) for place in range(8)))
    reasons = [problem.reason for problem in made.pull()["detections"].problems]
    assert "no_percentages" in reasons
    made.pull(LATER)
    assert made.outcomes() == {}
    made.send("detections", a_box("d", score=42))
    made.pull(LATER)
    made.pull(LATER + HOUR)
    assert len(made.outcomes()) == 25


def test_rounding_beyond_the_edge_and_beyond_one_is_taken(detector: Detector) -> None:
    detector.send("detections", a_box(score=1.000001, x=81), a_box(score=0.5, x=-0.5))
    assert detector.pull()["detections"].clipped == 1
    assert detector.one("SELECT max(score), count(*) FROM samples") == (1, 2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [(a_box(class_=""), "missing_class"), (a_box(w=0), "bad_box"), (a_box(x=95), "box_outside_image"),
     ({"image_id": "a", "class": "cat"}, "bad_box"), (a_box(labelled_at="soon"), "unreadable_time")],
)  # fmt: skip
def test_one_bad_object_keeps_its_image_s_truth_back_whole(row: Row, reason: str, detector: Detector) -> None:
    detector.send("detections", a_box(score=0.9), a_box("b", score=0.9))
    detector.send("truth", row, a_box(), a_box("b"), name="t")
    detector.pull()
    assert detector.aside() == {reason: 1, "incomplete_truth": 1}
    assert detector.outcomes() == {"a#cat#0": None, "b#cat#0": 1}
    detector.send("truth", a_box(x=12), a_box(), a_box("b"), name="t")
    detector.pull(LATER)
    assert detector.outcomes() == {"a#cat#0": 1, "b#cat#0": 1}


def test_words_of_missing_values_say_that_nothing_is_there(detector: Detector) -> None:
    detector.send("detections", a_box(score=0.9), a_box("b", score=0.5))
    detector.send(
        "truth",
        {"image_id": "a", "class": "nan", "x": "nan", "y": "", "w": "None", "h": "NULL"},
        a_box("b"),
        a_box("c"),
    )
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 0, "b#cat#0": 1}
    assert detector.aside() == {}


def test_an_image_at_two_times_is_set_aside(tmp_path: Path) -> None:
    detector = Detector(tmp_path, holds=("detections", "truth"))
    one, other = {"observed_at": TAKEN}, {"observed_at": "2026-03-10 11:00:00"}
    detector.send("detections", a_box(score=0.9) | one, a_box(score=0.8) | other, a_box("b", score=0.7) | one)
    detector.pull()
    assert detector.aside() == {"conflicting_time": 2}
    detector.send("detections", a_box("b", score=0.6) | other, a_box("d", score=0.6) | other, name="next")
    assert detector.pull(LATER)["detections"].quarantined == {"conflicting_time": 1}
    assert detector.outcomes() == {"b#cat#0": None, "d#cat#0": None}


def test_a_file_that_is_written_anew_may_move_its_images(tmp_path: Path) -> None:
    detector = Detector(tmp_path, holds=("detections",))
    detector.send("detections", a_box(score=0.9, observed_at=TAKEN), name="d")
    detector.pull()
    detector.send("detections", a_box(score=0.9, observed_at="2026-03-10 08:00:00"), name="d")
    detector.pull(LATER)
    assert detector.aside() == {}
    assert detector.one("SELECT count(*), min(observed_at)::VARCHAR FROM samples") == (1, "2026-03-10 08:00:00")
    assert detector.one("SELECT sum(unlabelled) FROM cells") == 1


def test_one_id_with_two_boxes_is_believed_in_neither(detector: Detector) -> None:
    detector.send(
        "detections", a_box(score=0.9, detection_id=1), a_box(score=0.8, detection_id=1), a_box(score=0.7, detection_id=2),
        a_box(score=0.7, detection_id=2),
    )  # fmt: skip
    assert detector.pull()["detections"].quarantined == {"conflicting_identity": 2}
    assert detector.outcomes() == {"a#2": None}


def _many(count: int) -> list[Row]:
    return [a_box("abc"[n % 3], score=n / count, x=n % 50 + 20, y=n % 40 + 20) for n in range(count)]


def test_boxes_beyond_their_image_by_its_later_size_are_set_aside(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image(width=None, height=None), an_image("b", width=None, height=None))
    detector.send("detections", a_box(score=0.9), a_box(score=0.8, x=95), a_box("b", score=0.9))
    detector.send("truth", a_box(), a_box("b"), a_box("b", x=95))
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 0, "b#cat#0": 1}
    detector.send("images", an_image(), an_image("b"))
    brought = detector.pull(LATER)
    assert detector.aside() == {"box_outside_image": 3}
    assert (brought["detections"].quarantined.total(), brought["truth"].quarantined.total()) == (1, 2)
    assert detector.outcomes() == {"a#cat#0": 1, "b#cat#0": None}


@pytest.mark.parametrize(
    ("rows", "reason", "remedy"),
    [
        ([*_many(30), *({**row, "x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2} for row in _many(30))], "mixed_boxes", "files apart"),
        ([{**row, "score": 50 + n} for n, row in enumerate(_many(30))], "percentages", 'score_unit = "percent"'),
        # two corners that are called corner and size
        ([{**row, "w": row["x"] + 20, "h": row["y"] + 20} for row in _many(60)], "box_layout", "x1, y1, x2, y2"),
        # corner and size that are called two corners
        ([{"x1": row["x"], "y1": row["y"], "x2": 15, "y2": 15} | {name: row[name] for name in ("image_id", "class", "score")}
          for row in _many(30)], "box_layout", "x, y, w, h"),
        # centre and size, in shares, that are called corner and size
        ([{**row, "x": 0.8, "y": 0.5, "w": 0.3, "h": 0.2} for row in _many(30)], "box_layout", "cx, cy, w, h"),
    ],
    ids=["mixed", "percent", "corners", "sizes", "centres"],
)  # fmt: skip
def test_a_file_that_makes_no_sense_as_a_whole_is_refused(
    rows: list[Row], reason: str, remedy: str, detector: Detector
) -> None:
    detector.send("detections", *rows)
    detector.send("detections", a_box("c", score=0.5))
    brought = detector.pull()["detections"]
    (told,) = brought.problems
    assert told.reason == reason
    assert remedy in told.message
    assert detector.outcomes() == {"c#cat#0": None}


def test_a_list_of_two_corners_is_refused_with_the_setting(detector: Detector) -> None:
    rows = [
        {"image_id": row["image_id"], "class": "cat", "score": row["score"],
         "box": [row["x"], row["y"], row["x"] + 25, row["y"] + 25]} for row in _many(60)
    ]  # fmt: skip
    detector.send("detections", *rows, ending="jsonl")
    (told,) = detector.pull()["detections"].problems
    assert 'boxes = "xyxy"' in told.message
    detector.matching = 'boxes = "xyxy"'
    detector.pull(LATER)
    assert detector.one("SELECT count(*) FROM samples") == 60


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"image": "a", "category": "cat", "confidence": 0.5, "bbox": "[1, 1, 5, 5]"},
         'columns = { image_id = "image", class = "category", score = "confidence", box = "bbox" }'),
        ({"image_id": "a", "class": "cat", "score": 0.5, "x": 1, "y": 1, "width": 5, "height": 5},
         'columns = { w = "width", h = "height" }'),
        ({"image_id": "a", "class": "cat", "score": 0.5}, "box (or x, y, w, h; x1, y1, x2, y2; cx, cy, w, h)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_columns_that_are_missing_are_told_with_those_that_may_be_meant(
    row: Row, told: str, ending: str, detector: Detector
) -> None:
    detector.send("detections", row, ending=ending)
    (problem,) = detector.pull()["detections"].problems
    assert problem.reason == "missing_column"
    assert told in problem.message
