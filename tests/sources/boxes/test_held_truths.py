"""Truth that comes before its image: which of several counts shows once the image's time is known, whichever came first."""

import itertools
from pathlib import Path

import pytest

from tests.sources.boxes.detector import ALL, Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

DAY = 24 * HOUR
LATE_NOW = NOW + 6 * DAY
IMAGE = an_image()
FIRST, SECOND, LATE = "2026-03-10 12:00:00", "2026-03-11 12:00:00", "2026-03-14 12:00:00"
# which of the three detections of `_detector` the truth of that time makes right
PLACES = {FIRST: 10, SECOND: 40, LATE: 70}
RIGHT = {FIRST: (1, 0, 0), SECOND: (0, 1, 0), LATE: (0, 0, 1)}


def _said(at: str, image: str = "a") -> Row:
    return a_box(image, labelled_at=at, x=PLACES[at])


def _detector(base: Path, **settings: object) -> Detector:
    base.mkdir(exist_ok=True)
    detector = Detector(base, settings='label_horizon = "2d"', **settings)  # type: ignore[arg-type]
    detector.send("detections", *(a_box(score=0.9 - x / 1000, x=x) for x in PLACES.values()))
    return detector


def _right(detector: Detector) -> tuple[int | None, ...]:
    return tuple(detector.outcomes().values())


@pytest.mark.parametrize("places", list(itertools.permutations((FIRST, SECOND, LATE, "image"))))
def test_whatever_comes_first_the_newest_truth_within_the_horizon_counts(
    places: tuple[str, ...], tmp_path: Path
) -> None:
    for number, together in enumerate((False, True)):
        detector = _detector(tmp_path / str(number))
        for place in places:
            if place == "image":
                detector.send("images", IMAGE)
            else:
                detector.send("truth", _said(place))
            if not together:
                detector.pull(LATE_NOW)
        detector.pull(LATE_NOW)
        assert _right(detector) == RIGHT[SECOND], together
        assert detector.aside() == {"label_too_late": 1}
        assert detector.one("SELECT labelled_at::VARCHAR FROM reviews") == SECOND
        assert detector.one("SELECT count(*) FROM held_truths") == 0


@pytest.mark.parametrize("order", [(LATE, FIRST), (FIRST, LATE)])
def test_the_time_that_detections_say_does_not_settle_what_a_table_of_images_will_say(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    # by the detections' time both are within the horizon, by that of the table of images one is not
    detector = _detector(tmp_path)
    detector.send(
        "detections",
        *(a_box(score=0.5, x=x, observed_at="2026-03-13 12:00:00", detection_id=f"dog{x}") for x in PLACES.values()),
    )
    for at in order:
        detector.send("truth", _said(at))
        detector.pull(LATE_NOW)
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW)
    assert _right(detector)[:3] == RIGHT[FIRST]


def test_without_a_table_of_images_the_time_of_the_detections_settles_it(tmp_path: Path) -> None:
    detector = Detector(tmp_path, holds=ALL[1:], settings='label_horizon = "2d"')
    for at in (FIRST, LATE):
        detector.send("truth", _said(at))
        detector.pull(LATE_NOW)
    taken = "2026-03-10 10:00:00"
    detector.send("detections", *(a_box(score=0.9 - x / 1000, x=x, observed_at=taken) for x in PLACES.values()))
    detector.pull(LATE_NOW)
    assert _right(detector) == RIGHT[FIRST]


def test_the_same_objects_said_again_too_late_leave_the_time_at_which_they_were_said(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    for at in (FIRST, LATE):
        detector.send("truth", {**_said(FIRST), "labelled_at": at})
        detector.pull(LATE_NOW)
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW)
    assert _right(detector) == RIGHT[FIRST]
    assert detector.one("SELECT labelled_at::VARCHAR FROM reviews") == FIRST


def test_an_image_that_was_found_empty_in_time_is_empty_though_late_truth_says_otherwise(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("truth", {"image_id": "a", "labelled_at": FIRST}, a_box("b", labelled_at=FIRST))
    detector.pull(LATE_NOW)
    detector.send("truth", _said(LATE))
    detector.pull(LATE_NOW)
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW)
    assert _right(detector) == (0, 0, 0)
    assert detector.one("SELECT count(*) FROM truths WHERE image_id = 'a'") == 0


def test_a_file_that_is_written_anew_holds_what_it_says_now_alone(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("truth", _said(LATE), name="late")
    detector.pull(LATE_NOW)
    detector.send("truth", {**_said(FIRST), "x": 70}, name="good")
    detector.pull(LATE_NOW)
    detector.send("truth", _said(FIRST), _said(FIRST, image="b"), name="good")
    detector.pull(LATE_NOW + HOUR)
    assert detector.one("SELECT count(*) FROM held_truths") == 1
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW + HOUR)
    assert _right(detector) == RIGHT[FIRST]


@pytest.mark.parametrize(("withdrawn", "right"), [("keep", RIGHT[FIRST]), ("remove", (None, None, None))])
def test_held_truth_that_its_file_no_longer_says_is_kept_or_removed(
    withdrawn: str, right: tuple[int | None, ...], tmp_path: Path
) -> None:
    detector = _detector(tmp_path, extra={"truth": f'withdrawn = "{withdrawn}"'})
    detector.send("truth", _said(FIRST), name="good")
    detector.pull(LATE_NOW)
    detector.send("truth", _said(LATE), name="late")
    detector.pull(LATE_NOW)
    detector.send("truth", _said(FIRST, image="b"), name="good")
    detector.pull(LATE_NOW + HOUR)
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW + HOUR)
    assert _right(detector) == right


def test_truth_that_was_removed_makes_room_for_what_another_file_says(tmp_path: Path) -> None:
    detector = _detector(tmp_path, extra={"truth": 'withdrawn = "remove"'})
    for at in (FIRST, SECOND):
        detector.send("truth", _said(at), name=at[:10])
        detector.pull(LATE_NOW)
    detector.send("truth", _said(SECOND, image="b"), name=SECOND[:10])
    detector.pull(LATE_NOW + HOUR)
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW + HOUR)
    assert _right(detector) == RIGHT[FIRST]


def test_truth_without_a_time_that_is_held_keeps_that_at_which_it_came(tmp_path: Path) -> None:
    detector, undated = _detector(tmp_path), a_box(x=PLACES[FIRST])
    detector.send("truth", undated, name="good")
    detector.pull(NOW + HOUR)
    detector.send("truth", {**_said(LATE), "labelled_at": "2026-03-12 10:30:00"}, name="late")
    detector.pull(NOW + 47 * HOUR)
    # within the horizon of when it came first, not of when it is read again
    detector.send("truth", undated, a_box("b"), name="good")
    detector.pull(NOW + 48 * HOUR)
    detector.send("images", IMAGE)
    detector.pull(NOW + 48 * HOUR)
    assert _right(detector) == RIGHT[FIRST]


def test_held_boxes_follow_another_meaning_of_lists(tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings='label_horizon = "2d"', matching='boxes = "xywh"')
    detector.send("detections", a_box(score=0.9))
    for at, box in ((FIRST, [10, 10, 30, 30]), (LATE, [60, 60, 90, 90])):
        path = detector.send(
            "truth", {"image_id": "a", "class": "cat", "box": box, "labelled_at": at}, ending="jsonl", name=at[:10]
        )
        detector.pull(LATE_NOW)
        path.unlink()
    detector.matching = 'boxes = "xyxy"'
    detector.pull(LATE_NOW + HOUR)
    detector.send("images", IMAGE)
    detector.pull(LATE_NOW + 2 * HOUR)
    assert detector.outcomes() == {"a#cat#0": 1}


def test_what_is_held_of_an_image_that_never_comes_goes_with_its_truth(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    for at in (FIRST, LATE):
        detector.send("truth", _said(at))
        detector.pull(LATE_NOW)
    assert detector.one("SELECT count(*) FROM held_truths") == 1
    detector.send("images", an_image("b"))
    detector.pull(LATE_NOW + 3 * DAY)
    assert detector.one("SELECT (SELECT count(*) FROM held_truths) + (SELECT count(*) FROM reviews)") == 0
