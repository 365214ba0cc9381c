"""Detections without ids of their own: what a file says of an image takes the place of all that files before it said."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from monitor.model.problems import Problem
from monitor.sources.pulled import Pulled
from monitor.store.connection import open_live
from tests.sources.boxes.detector import Detector, Row, a_box, an_image
from tests.sources.boxes.test_any_order import QUERIES
from tests.sources.boxes.test_pushed_boxes import _Pushed
from tests.worlds.store import HOUR, NOW

NOTHING: Row = {**dict.fromkeys(a_box(score=0.5)), "image_id": "a"}  # found in the image
OLD = (a_box(score=0.9), a_box(score=0.8, x=60), a_box(class_="dog", score=0.7, y=60))


def _detector(base: Path, **settings: object) -> Detector:
    base.mkdir(exist_ok=True)
    detector = Detector(base, **settings)  # type: ignore[arg-type]
    detector.send("images", an_image(), an_image("b"))
    detector.send("truth", a_box(), a_box(class_="dog", y=60), a_box("b"))
    return detector


def _told(brought: dict[str, Pulled]) -> list[Problem]:
    return [problem for pulled in brought.values() for problem in pulled.problems]


def _restart(detector: Detector) -> None:
    detector.connection.close()
    detector.connection = open_live(detector.base / "state", now=NOW)


@pytest.mark.parametrize("way", ["together", "one by one", "with restarts"])
@pytest.mark.parametrize(
    ("later", "outcomes", "gone"),
    [
        ((a_box(score=0.6),), {"a#cat#0": 1}, 2),
        ((a_box(score=0.6, x=60), a_box(score=0.5, x=30)), {"a#cat#0": 0, "a#cat#1": 0}, 1),
        ((a_box(class_="dog", score=0.7, y=60),), {"a#dog#0": 1}, 2),
        ((a_box(class_="cow", score=0.2),), {"a#cow#0": 0}, 3),
        ((NOTHING,), {}, 3),
    ],
)
def test_a_later_inference_of_an_image_leaves_nothing_of_the_one_before(
    later: Sequence[Row], outcomes: dict[str, int], gone: int, way: str, tmp_path: Path
) -> None:
    detector = _detector(tmp_path)
    told = []
    for number, rows in enumerate((OLD, later)):
        detector.send("detections", *rows)
        if way != "together" or number:
            told += _told(detector.pull(NOW + number * HOUR))
        if way == "with restarts":
            _restart(detector)
    assert detector.outcomes() == outcomes
    assert detector.one("SELECT coalesce(sum(n), 0) FROM cells") == len(outcomes)
    assert detector.one("SELECT count(*) FROM detections") == len(outcomes)
    (one,) = told
    assert one.reason == "changed_predictions"
    assert f"and {gone} are no longer there" in one.message
    assert not _told(detector.pull(NOW + 9 * HOUR))


def test_an_object_that_the_later_inference_no_longer_finds_is_missed(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", *OLD)
    detector.pull()
    assert detector.one("SELECT count(*), count(score) FROM objects WHERE image_id = 'a'") == (2, 2)
    detector.send("detections", NOTHING)
    brought = detector.pull(NOW + HOUR)["detections"]
    assert brought.removed == 3
    assert detector.one("SELECT count(*), count(score) FROM objects WHERE image_id = 'a'") == (2, 0)
    assert detector.one("SELECT count(*) FROM images_refused") == 0


@pytest.mark.parametrize("seed", range(4))
def test_any_cut_of_files_into_pulls_gives_what_the_last_file_says_of_each_image(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng([3, seed])
    names = [f"i{number}" for number in range(6)]
    files: list[list[Row]] = []
    newest: dict[str, list[Row]] = {}
    for _ in range(8):
        said = {
            name: [
                a_box(name, ("cat", "dog")[generator.integers(2)], x=int(generator.integers(60)), score=round(float(score), 3))
                for score in generator.uniform(0.01, 0.99, generator.integers(0, 4))
            ] or [{**NOTHING, "image_id": name}]
            for name in generator.choice(names, size=3, replace=False).tolist()
        }  # fmt: skip
        newest |= said
        rows = [row for image in said.values() for row in image]
        generator.shuffle(rows)
        files.append(rows)
    whole, parted, last = (Detector(tmp_path / name) for name in ("whole", "parted", "last"))
    for detector in (whole, parted, last):
        detector.send("images", *map(an_image, names))
        detector.send("truth", *map(a_box, names))
    for number, rows in enumerate(files):
        whole.send("detections", *rows)
        parted.send("detections", *rows)
        if generator.random() < 0.5:
            parted.pull(NOW + number * HOUR)
        if generator.random() < 0.3:
            _restart(parted)
    last.send("detections", *(row for rows in newest.values() for row in rows))
    for detector in (whole, parted, last):
        detector.pull(NOW + 9 * HOUR)
    for query in QUERIES:
        expected = last.connection.execute(query).fetchall()
        assert expected
        assert whole.connection.execute(query).fetchall() == expected
        assert parted.connection.execute(query).fetchall() == expected


@pytest.mark.parametrize("way", ["touched", "copied", "copied, other order", "read again"])
def test_the_same_detections_sent_again_change_nothing(way: str, tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", a_box(score=0.4), a_box("b", score=0.3))
    detector.send("detections", *OLD, name="d")
    detector.pull()
    before = [detector.connection.execute(query).fetchall() for query in QUERIES]
    if way == "read again":
        detector.connection.execute("DELETE FROM cursors")
    else:
        detector.send("detections", *(OLD[::-1] if "other" in way else OLD), name="d" if way == "touched" else "e")
    brought = detector.pull(NOW + HOUR)
    counts = brought["detections"]
    assert (counts.new, counts.removed, counts.corrected) == (0, 0, 0)
    assert [detector.connection.execute(query).fetchall() for query in QUERIES] == before
    if way != "read again":
        assert (counts.changed_predictions, _told(brought)) == (0, [])


@pytest.mark.parametrize("first", ["with", "without"])
def test_detections_with_ids_stay_as_they_are_which_is_told(first: str, tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    files = [[a_box(score=0.6, x=30, detection_id="7")], list(OLD)]
    told = []
    for rows in files if first == "with" else files[::-1]:
        detector.send("detections", *rows)
        told.append([each.reason for each in _told(detector.pull())])
    assert told == [[], ["repeated_boxes"]]
    assert not _told(detector.pull())
    assert list(detector.outcomes()) == ["a#7", "a#cat#0", "a#cat#1", "a#dog#0"]
    detector.send("detections", a_box(score=0.5))
    detector.pull(NOW + HOUR)
    assert list(detector.outcomes()) == ["a#7", "a#cat#0"]


def test_detections_with_and_without_ids_in_one_file_are_no_news(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", a_box(score=0.6, x=30, detection_id="7"), *OLD)
    assert not _told(detector.pull())


def test_detections_without_ids_come_out_where_a_file_names_the_image_alone(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    for rows in (OLD, [a_box(score=0.6, detection_id="7")], [NOTHING]):
        detector.send("detections", *rows)
        detector.pull()
    assert detector.outcomes() == {"a#7": 1}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("parts", [(OLD[:1], OLD[1:]), (OLD[:2], OLD[2:]), (OLD[1:2], (OLD[0], a_box(score=0.1, x=5)))])
def test_an_image_whose_detections_are_in_two_files_is_told_among_however_many(
    parts: Sequence[Sequence[Row]], together: bool, tmp_path: Path
) -> None:
    detector = _detector(tmp_path)
    others = [a_box(f"i{number}", score=0.5) for number in range(300)]
    told = []
    for number, part in enumerate(parts):
        detector.send("detections", *others[number::2], *part)
        told += [] if together else _told(detector.pull())
    told += _told(detector.pull())
    (one,) = (each for each in told if each.reason == "changed_predictions")
    assert one.item.endswith("004.csv")
    assert "of 1 image it says other detections than another file said" in one.message
    assert "put them into one, or give each a detection_id" in one.message
    assert detector.one("SELECT count(*) FROM detections WHERE image_id = 'a'") == len(parts[1])


def test_what_a_file_no_longer_says_and_was_kept_stays_until_another_file_speaks_of_the_image(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", *OLD, name="d")
    detector.pull()
    detector.send("detections", OLD[0], name="d")
    assert [each.reason for each in _told(detector.pull(NOW + HOUR))] == ["withdrawn_rows"]
    for number in range(2):
        detector.send("detections", OLD[0], *[a_box("b", score=0.5)] * number, name="d")
        assert not _told(detector.pull(NOW + (2 + number) * HOUR))
        assert len(detector.outcomes()) == 3 + number
    detector.send("detections", OLD[0])
    (told,) = _told(detector.pull(NOW + 5 * HOUR))
    assert "0 are other than before, and 2 are no longer there" in told.message
    assert detector.outcomes() == {"a#cat#0": 1, "b#cat#0": 1}


def test_detections_that_another_file_says_too_stay_when_the_first_no_longer_does(tmp_path: Path) -> None:
    detector = _detector(tmp_path, extra={"detections": 'withdrawn = "remove"'})
    detector.send("detections", *OLD, a_box("b", score=0.5), name="d")
    detector.pull()
    detector.send("detections", *OLD, name="e")
    detector.pull(NOW + HOUR)
    detector.send("detections", a_box("b", score=0.5), name="d")
    assert not _told(detector.pull(NOW + 2 * HOUR))
    assert len(detector.outcomes()) == 4


@pytest.mark.parametrize("together", [False, True])
def test_a_version_whose_detections_give_way_to_anothers_is_told(together: bool, tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    told = []
    for version, rows in (("v1", OLD), ("v2", (a_box(class_="cow", score=0.5),))):
        detector.send("detections", *({**row, "version": version} for row in rows))
        told += [] if together else _told(detector.pull())
    told += _told(detector.pull())
    assert sorted(each.reason for each in told) == ["changed_predictions", "several_versions"]
    (said,) = (each.message for each in told if each.reason == "several_versions")
    assert "detections of version v2 took the place of those of version v1" in said
    assert detector.one("SELECT list(version) FROM detections") == ["v2"]


def test_rows_that_cannot_be_taken_say_nothing_of_their_image(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", *OLD)
    detector.pull()
    detector.send("detections", a_box(score=7), {"image_id": "a"})
    detector.pull(NOW + HOUR)
    assert len(detector.outcomes()) == 3
    assert detector.aside() == {"score_outside_0_1": 1}


def test_a_kill_before_images_are_matched_loses_nothing_of_what_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", *OLD)
    detector.pull()
    detector.send("detections", OLD[0])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("monitor.sources.boxes.rematch._match_boxes", stop)
        with pytest.raises(KeyboardInterrupt):
            detector.pull(NOW + HOUR)
    _restart(detector)
    assert detector.pull(NOW + 2 * HOUR)["detections"].removed == 2
    assert detector.outcomes() == {"a#cat#0": 1}
    assert detector.one("SELECT sum(n) FROM cells") == 1


def test_pushes_of_one_image_have_receipts_as_if_they_came_one_by_one(tmp_path: Path) -> None:
    world = _Pushed(tmp_path)
    world.push("images", an_image())
    names = [world.push("detections", *rows) for rows in (OLD, OLD[:1], OLD)]
    world.pull()
    receipts = [world.receipt("detections", name) for name in names]
    assert [(one.rows, one.new, one.duplicates, one.corrected) for one in receipts] == [
        (3, 3, 0, 0),
        (1, 0, 1, 0),
        (3, 2, 1, 0),
    ]
    assert list(world.outcomes()) == ["a#cat#0", "a#cat#1", "a#dog#0"]


def test_an_image_that_a_file_of_detections_names_alone_is_one_in_which_nothing_was_found(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", a_box("b", score=0.9), NOTHING)
    detector.pull()
    assert detector.one("SELECT count(*), count(score) FROM objects WHERE image_id = 'a'") == (2, 0)


def test_an_image_that_is_named_alone_beside_detections_that_were_set_aside_is_unknown_until_a_file_says_more(
    tmp_path: Path,
) -> None:
    detector = _detector(tmp_path)
    detector.send("detections", a_box("b", score=0.9), NOTHING, a_box(score=7))
    detector.pull()
    assert detector.one("SELECT list(image_id) FROM images_refused") == ["a"]
    assert detector.one("SELECT count(*) FROM objects WHERE image_id = 'a'") == 0
    detector.send("detections", NOTHING)
    detector.pull(NOW + HOUR)
    assert detector.one("SELECT count(*), count(score) FROM objects WHERE image_id = 'a'") == (2, 0)


@pytest.mark.parametrize(("later", "left"), [("", {}), ("1 .2 .2 .2 .2 .9\n", {"a#1#0": None})])
def test_of_yolo_another_file_of_the_same_name_takes_the_place_of_an_images_detections(
    later: str, left: dict[str, int | None], tmp_path: Path
) -> None:
    detector = Detector(tmp_path, ("images", "detections"), extra={"detections": 'format = "yolo"'})
    detector.send("images", an_image())
    (tmp_path / "detections" / "a.txt").write_text("1 .2 .2 .2 .2 .9\n2 .5 .5 .2 .2 .8\n")
    detector.pull()
    (tmp_path / "detections" / "a.txt.gz").write_bytes(gzip.compress(later.encode()))
    brought = detector.pull(NOW + HOUR)
    assert detector.outcomes() == left
    assert [each.reason for each in _told(brought)] == ["changed_predictions"]
