"""What a detection is known by and what it scored stays, whatever is learnt of its image later."""

from pathlib import Path
from typing import Any

import pytest

from monitor.model import Slice
from monitor.store.scores.served import Serving
from tests.sources.boxes.detector import Detector, a_box, an_image
from tests.worlds.store import HOUR, NOW

DAY = 24 * HOUR
COUNTS = "SELECT sum(n), sum(unlabelled), sum(outcome) FROM cells"
SCORES = "SELECT score, raw_score, calibrator FROM samples JOIN streams USING (stream_id)"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "cat", {"detection_id": "b#c"}), ("a#b", "cat", {"detection_id": "c"})),
        (("f", "1#cat", {}), ("f#1", "cat", {})),
        (("a#b", "cat", {"detection_id": 1}), ("a%23b", "cat", {"detection_id": 1})),
        (("a%23b", "cat", {"detection_id": 1}), ("a%2523b", "cat", {"detection_id": 1})),
    ],
)
def test_images_whose_ids_have_a_mark_of_their_own_are_not_mixed_up(
    one: tuple[str, str, dict[str, Any]], other: tuple[str, str, dict[str, Any]], tmp_path: Path
) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image(one[0]), an_image(other[0]))
    detector.send("detections", a_box(*one[:2], score=0.9, **one[2]), a_box(*other[:2], score=0.3, **other[2]))
    detector.pull()
    detector.send("truth", a_box(*one[:2]), {"image_id": other[0]})
    detector.pull(NOW + HOUR)
    rows = detector.connection.execute("SELECT group_id, score, positives FROM samples ORDER BY score DESC").fetchall()
    assert rows == [(one[0], 0.9, 1), (other[0], 0.3, 0)]
    assert detector.one("SELECT count(DISTINCT sample_id) FROM samples") == 2
    assert detector.one(COUNTS) == (2, 0, 1)


def test_ids_of_ordinary_names_are_image_and_detection(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("a%20b/c.jpg"))
    detector.send("detections", a_box("a%20b/c.jpg", score=0.9))
    detector.pull()
    assert detector.outcomes() == {"a%20b/c.jpg#cat#0": None}


@pytest.mark.parametrize("change", ["matching", "truth"])
def test_images_older_than_retention_are_left_as_they_are(change: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings='retention = "40d"\nlabel_horizon = "35d"')
    detector.send("images", an_image(observed_at="2026-03-10 00:00:00"))
    detector.send("detections", a_box(score=0.9))
    detector.send("truth", a_box(labelled_at="2026-03-10 06:00:00"))
    detector.pull()
    before = detector.outcomes(), detector.one(COUNTS)
    if change == "matching":
        detector.matching = "iou = 0.6"
    else:
        detector.send("truth", a_box(x=70, labelled_at="2026-03-10 07:00:00"))
    detector.pull(NOW + 40 * DAY)
    assert (detector.outcomes(), detector.one(COUNTS)) == before
    assert before == ({"a#cat#0": 1}, (1, 0, 1))
    assert detector.one("SELECT count(*) FROM images_touched") == 0


@pytest.mark.parametrize("matching", ["", "iou = 0.6"])
@pytest.mark.parametrize(("first", "then"), [("monitor", "serving"), ("serving", "monitor")])
def test_truth_changes_no_score_whoever_calibrates_by_now(first: str, then: str, matching: str, tmp_path: Path) -> None:
    serving = [Serving(Slice(), "k1", NOW - 3 * HOUR, None, lambda scores, _: scores * 0.5)]
    detector = Detector(tmp_path, settings=_calibrated_by(first), serving=serving)
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.8, raw_score=0.8))
    detector.pull()
    before = detector.one(SCORES)
    assert before == ((0.4, 0.8, "k1") if first == "monitor" else (0.8, 0.8, ""))
    detector.settings, detector.matching = _calibrated_by(then), matching
    detector.send("truth", a_box())
    detector.pull(NOW + HOUR)
    assert detector.one(SCORES) == before
    assert detector.outcomes() == {"a#cat#0": 1}
    assert detector.one("SELECT score FROM objects") == before[0]


def test_a_detection_that_is_sent_anew_scores_as_it_says(tmp_path: Path) -> None:
    serving = [Serving(Slice(), "k1", NOW - 3 * HOUR, None, lambda scores, _: scores * 0.5)]
    detector = Detector(tmp_path, settings=_calibrated_by("monitor"), serving=serving)
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.8))
    detector.pull()
    detector.settings = _calibrated_by("serving")
    detector.send("detections", a_box(score=0.7, raw_score=0.8, calibrator="own"))
    detector.pull(NOW + HOUR)
    assert detector.one(SCORES) == (0.7, 0.8, "own")


def _calibrated_by(whom: str) -> str:
    return f'[model.recalibration]\napply = "{whom}"'
