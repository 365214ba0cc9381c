"""Ids of detections that people give never meet those that calwatch makes of class and rank, nor each other."""

import itertools
from pathlib import Path

import pytest

from tests.sources.boxes.detector import Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

TRICKY = ("cat#0", "cat#1", "cat#0#", "cat#0##", "dog#0", "#0", "0", "cat#", "cat#x", "cat#00", "#", "a#cat#0")
SAMPLES = "SELECT sample_id, score, positives, slice_id, stream_id, observed_at, labelled_at FROM samples ORDER BY ALL"


def _rows(names: tuple[str, ...]) -> list[Row]:
    """One detection without an id, which is cat#0, and others far from it that have one."""
    return [a_box(score=0.9)] + [
        a_box(score=0.5 - place / 100, x=40 + 3 * place, detection_id=name) for place, name in enumerate(names)
    ]


@pytest.mark.parametrize("way", ["one file", "two files", "two pulls", "two pulls, ids first"])
def test_ids_that_look_like_class_and_rank_are_detections_of_their_own(way: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image(width=1000))
    detector.send("truth", a_box())
    rows = _rows(TRICKY)
    parts = [rows] if way == "one file" else [rows[1:], rows[:1]] if way.endswith("first") else [rows[:1], rows[1:]]
    for number, part in enumerate(parts):
        detector.send("detections", *part)
        if way.startswith("two pulls"):
            detector.pull(NOW + number * HOUR)
    detector.pull(NOW + 9 * HOUR)
    assert detector.one("SELECT count(*), count(DISTINCT sample_id), sum(positives) FROM samples") == (13, 13, 1)
    assert detector.one("SELECT score FROM samples WHERE sample_id = 'a#cat#0'") == 0.9
    assert detector.one("SELECT count(*) FROM detections") == 13


def test_a_later_file_corrects_the_detection_of_its_id_alone(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.9), a_box(score=0.5, x=60, detection_id="cat#0"))
    detector.pull()
    detector.send("detections", a_box(score=0.6, x=70, detection_id="cat#0"))
    detector.pull(NOW + HOUR)
    assert detector.connection.execute("SELECT score FROM samples ORDER BY score").fetchall() == [(0.6,), (0.9,)]


def _as_earlier_releases_stored_it(detector: Detector) -> None:
    """Ids as they were given, in all tables; the file is to be read again."""
    for table, column, group in (("detections", "detection", "image_id"), ("placements", "detection", "image_id"),
                                 ("samples", "sample_id", "group_id")):  # fmt: skip
        detector.connection.execute(
            f"UPDATE {table} SET {column} = {column}[:-2] WHERE {group} IS NOT NULL AND regexp_matches({column}, '#[0-9]+#+$')"
        )
    detector.connection.execute("DELETE FROM cursors WHERE source = 'detections'")


@pytest.mark.parametrize("names", [("cat#0",), ("dog#7", "3#1"), ("cat#1", "x#cat#1", "2#0")])
@pytest.mark.parametrize("labelled", [False, True])
def test_what_an_earlier_release_stored_is_not_doubled_when_its_file_is_read_again(
    names: tuple[str, ...], labelled: bool, tmp_path: Path
) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image("a#1", width=1000))
    if labelled:
        detector.send("truth", a_box("a#1", x=40))
    detector.send("detections", *({**row, "image_id": "a#1"} for row in _rows(names)[1:]))
    detector.pull()
    before = detector.connection.execute(SAMPLES).fetchall()
    held = detector.connection.execute("SELECT * FROM placements ORDER BY ALL").fetchall()
    _as_earlier_releases_stored_it(detector)
    assert detector.connection.execute(SAMPLES).fetchall() != before
    brought = detector.pull(NOW + HOUR)["detections"]
    assert (brought.new, brought.corrected, brought.removed, brought.changed_predictions) == (0, 0, 0, 0)
    assert detector.connection.execute(SAMPLES).fetchall() == before
    assert detector.connection.execute("SELECT * FROM placements ORDER BY ALL").fetchall() == held


def test_ranks_that_an_earlier_release_stored_stay_whoever_gives_their_name_as_an_id(tmp_path: Path) -> None:
    detector = Detector(tmp_path)
    detector.send("images", an_image())
    path = detector.send("detections", a_box(score=0.9), a_box(score=0.8, x=60))
    detector.pull()
    detector.send("detections", a_box(score=0.3, x=30, detection_id="cat#0"), a_box(score=0.2, detection_id="cat#1"))
    detector.pull(NOW + HOUR)
    path.touch()
    detector.connection.execute("DELETE FROM cursors")
    detector.pull(NOW + 2 * HOUR)
    assert detector.outcomes() == dict.fromkeys(("a#cat#0", "a#cat#0#", "a#cat#1", "a#cat#1#"))


def test_no_two_of_many_odd_ids_meet(tmp_path: Path) -> None:
    names = sorted({"".join(some) for size in range(1, 5) for some in itertools.product("#0c", repeat=size)})
    detector = Detector(tmp_path, matching="max_detections = 1000")
    detector.send("images", an_image(width=10_000))
    detector.send(
        "detections",
        *(a_box(class_="c", score=0.5, x=place * 21, detection_id=name) for place, name in enumerate(names)),
        *(a_box(class_=name, score=0.5, y=60) for name in ("c", "c#0", "c#", "#")),
    )
    detector.pull()
    assert detector.one("SELECT count(*), count(DISTINCT sample_id) FROM samples") == (len(names) + 4, len(names) + 4)
