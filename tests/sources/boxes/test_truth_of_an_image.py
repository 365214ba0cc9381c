"""Of several files that say the truth of an image one is believed, whichever way they come."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.sources.boxes.detector import TAKEN, Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

DAY = 24 * HOUR
HERE, THERE = {"a#cat#0": 1}, {"a#cat#0": 0}


def _here(at: str | None = None, image: str = "a") -> Row:
    return a_box(image, labelled_at=at) if at else a_box(image)


def _there(at: str | None = None, image: str = "a") -> Row:
    return {**_here(at, image), "x": 60}


def _detector(base: Path, settings: str = "") -> Detector:
    base.mkdir(exist_ok=True)
    detector = Detector(base, settings=settings)
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.9))
    detector.pull(NOW)
    return detector


def _give(detector: Detector, rows: Sequence[Row], *, together: bool, start: int = 5) -> None:
    for number, row in enumerate(rows):
        detector.send("truth", row)
        if not together:
            detector.pull(NOW + (start + number) * HOUR)
    detector.pull(NOW + (start + len(rows)) * HOUR)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_latest_time_at_which_a_truth_was_said_counts(
    order: tuple[int, ...], together: bool, tmp_path: Path
) -> None:
    rows = [_here("2026-03-10 11:00:00"), _here("2026-03-10 13:00:00"), _there("2026-03-10 12:00:00")]
    detector = _detector(tmp_path)
    _give(detector, [rows[place] for place in order], together=together)
    assert detector.outcomes() == HERE
    assert detector.one("SELECT labelled_at::VARCHAR FROM samples") == "2026-03-10 13:00:00"


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("is_dated_first", [False, True])
def test_truth_that_has_a_time_beats_truth_that_has_none(is_dated_first: bool, together: bool, tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    rows = [_here(), _there("2026-03-10 12:00:00")]
    _give(detector, rows[::-1] if is_dated_first else rows, together=together)
    assert detector.outcomes() == THERE
    assert detector.one("SELECT labelled_at::VARCHAR FROM samples") == "2026-03-10 12:00:00"


def test_a_correction_without_a_time_that_is_not_believed_is_told(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _give(detector, [_there("2026-03-10 12:00:00")], together=True)
    detector.send("truth", _here())
    (told,) = detector.pull(NOW + 9 * HOUR)["truth"].problems
    assert (told.reason, "give it labelled_at" in told.message) == ("replaced_truth", True)


def test_a_file_replaces_what_it_said_itself_whatever_time_it_gives(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    for hour, row, outcomes in [(5, _here("2026-03-10 12:00:00"), HERE), (6, _there("2026-03-10 11:00:00"), THERE),
                                (7, _here(), HERE), (8, _there(), THERE)]:  # fmt: skip
        detector.send("truth", row, name="t")
        detector.pull(NOW + hour * HOUR)
        assert detector.outcomes() == outcomes


@pytest.mark.parametrize("order", ["good late", "late good", "together"])
def test_a_correction_that_comes_too_late_leaves_the_truth_that_is_there(order: str, tmp_path: Path) -> None:
    detector = _detector(tmp_path, 'label_horizon = "2d"')
    rows = [_here("2026-03-10 12:00:00"), _there("2026-03-14 12:00:00")]
    _give(detector, rows[::-1] if order == "late good" else rows, together=order == "together", start=5 * 24)
    assert detector.outcomes() == HERE
    assert detector.aside() == {"label_too_late": 1}


def test_truth_without_a_time_that_is_read_again_after_the_horizon_stays(tmp_path: Path) -> None:
    detector = _detector(tmp_path, 'label_horizon = "2d"')
    detector.send("truth", _here(), name="t")
    detector.pull(NOW + HOUR)
    detector.send("truth", _here(), _here(image="b"), name="t")
    detector.pull(NOW + 9 * DAY)
    assert (detector.outcomes(), detector.aside()) == (HERE, {})
    assert detector.one("SELECT labelled_at < observed_at + INTERVAL 1 DAY FROM samples")


def test_the_same_truth_given_again_too_late_is_no_news(tmp_path: Path) -> None:
    detector = _detector(tmp_path, 'label_horizon = "2d"')
    _give(detector, [_here("2026-03-10 12:00:00"), _here("2026-03-14 12:00:00")], together=False, start=5 * 24)
    assert (detector.outcomes(), detector.aside()) == (HERE, {})
    assert detector.one("SELECT labelled_at::VARCHAR FROM samples") == "2026-03-10 12:00:00"


def test_truth_that_its_file_no_longer_says_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("truth", _here("2026-03-10 11:00:00"), name="old")
    detector.send("truth", _there("2026-03-10 11:30:00"), _there("2026-03-10 11:30:00", "b"), name="z")
    detector.pull(NOW + HOUR)
    detector.send("truth", _there("2026-03-10 11:30:00", "b"), name="z")
    detector.pull(NOW + 2 * HOUR)
    assert detector.outcomes() == THERE
    detector.send("truth", _here("2026-03-10 11:00:00"), _here("2026-03-10 11:00:00", "c"), name="old")
    detector.pull(NOW + 3 * HOUR)
    assert detector.outcomes() == THERE
    detector.send("truth", _here("2026-03-10 11:45:00"))
    detector.pull(NOW + 4 * HOUR)
    assert detector.outcomes() == HERE


@pytest.mark.parametrize("first", ["images", "truth"])
@pytest.mark.parametrize("said", ["2013-11-15 11:55:43", "2026-03-10 10:30:00", "2031-01-01"])
def test_beside_a_table_of_images_nothing_hangs_on_when_truth_says_they_were_taken(
    said: str, first: str, tmp_path: Path
) -> None:
    """As of COCO, whose date_captured may be of years before, of an export, or in another zone."""
    detector = Detector(tmp_path)
    rows = {"images": [an_image("a")], "truth": [a_box("a", observed_at=said), a_box("a", x=60, observed_at=said)]}
    detector.send("detections", a_box("a", score=0.9))
    for holds in sorted(rows, key=lambda holds: holds != first):
        detector.send(holds, *rows[holds])
        detector.pull()
    assert (detector.outcomes(), detector.aside()) == ({"a#cat#0": 1}, {})
    assert detector.one("SELECT count(*), count(score) FROM objects") == (2, 1)
    assert detector.one("SELECT observed_at::VARCHAR FROM samples") == TAKEN


@pytest.mark.parametrize(("said", "reason"), [("2013-11-15", "older_than_retention"), ("2031-01-01", "time_in_future")])
def test_without_one_truth_of_another_age_is_set_aside(said: str, reason: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path, holds=("detections", "truth"))
    detector.send("truth", a_box("a", observed_at=said))
    detector.pull()
    assert detector.aside() == {reason: 1}
