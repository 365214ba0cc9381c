"""Images, detections and truth into samples: whichever comes first, and whatever comes again."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from monitor.model import Slice
from monitor.store.cells import fold_and_drop
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import rewrite_samples
from monitor.store.scores.served import Serving
from tests.sources.boxes.detector import TAKEN, Detector, a_box, an_image
from tests.worlds.store import DAY, HOUR, NOW, at

LATER = NOW + HOUR


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    return Detector(tmp_path)


def _right() -> tuple[dict[str, object], ...]:
    return a_box(score=0.9), a_box(x=60, score=0.4)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_boxes_are_matched_whichever_table_comes_first(order: tuple[int, ...], ending: str, detector: Detector) -> None:
    tables = [("images", [an_image()]), ("detections", [*_right()]), ("truth", [a_box(x=11)])]
    for number in order:
        holds, rows = tables[number]
        detector.send(holds, *rows, ending=ending)
        detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 0}
    assert detector.one("SELECT score, group_id, predicted_class, observed_at FROM samples ORDER BY 1 DESC LIMIT 1") == (
        0.9, "a", "cat", at(TAKEN),
    )  # fmt: skip
    assert detector.one("SELECT list([matched, ignored::INTEGER] ORDER BY score) FROM detections") == [[-1, 0], [0, 0]]
    assert detector.one("SELECT count(*) FROM truths WHERE found") == 1
    assert detector.one("SELECT sum(n), sum(outcome) FROM cells") == (2, 1)
    assert detector.aside() == {}


def test_an_image_whose_truth_has_not_come_is_not_all_wrong(detector: Detector) -> None:
    detector.send("images", an_image())
    detector.send("detections", *_right())
    assert detector.pull()["detections"].new == 2
    assert detector.outcomes() == {"a#cat#0": None, "a#cat#1": None}
    assert detector.one("SELECT count(matched) FROM detections") == 0
    detector.send("truth", a_box())
    brought = detector.pull(LATER)
    assert (brought["truth"].labelled, brought["detections"].corrected) == (2, 0)
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 0}


def test_an_image_that_was_looked_at_and_holds_nothing_makes_all_wrong(detector: Detector) -> None:
    detector.send("images", an_image(), an_image("b"))
    detector.send("detections", *_right(), a_box("b", score=0.3))
    detector.send("truth", a_box("b"), {"image_id": "a"})
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 0, "a#cat#1": 0, "b#cat#0": 1}


def test_later_truth_takes_the_place_of_all_of_an_image_s_truth(detector: Detector) -> None:
    detector.send("images", an_image())
    detector.send("detections", *_right())
    detector.send("truth", a_box(), labelled_at := a_box(x=60) | {"labelled_at": "2026-03-10 10:30:00"})
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 1}
    detector.send("truth", a_box(x=60, labelled_at="2026-03-10 11:00:00"))
    brought = detector.pull(LATER)
    assert detector.outcomes() == {"a#cat#0": 0, "a#cat#1": 1}
    assert brought["detections"].corrected == 1
    assert labelled_at
    detector.send("truth", a_box(labelled_at="2026-03-10 10:00:00"))  # from before: an old file sent again
    detector.pull(LATER)
    assert detector.outcomes() == {"a#cat#0": 0, "a#cat#1": 1}


def test_truth_that_says_the_same_again_is_a_duplicate(detector: Detector) -> None:
    detector.send("images", an_image())
    detector.send("detections", *_right())
    detector.send("truth", a_box(), a_box(x=60))
    detector.pull()
    revision = detector.one("SELECT revision FROM models")
    detector.send("truth", a_box(x=60), a_box())
    assert detector.pull(LATER)["truth"].duplicates == 2
    assert detector.one("SELECT revision FROM models") == revision


def test_files_that_take_each_other_s_truth_are_told(detector: Detector) -> None:
    detector.send("images", an_image())
    detector.send("truth", a_box())
    detector.send("truth", a_box(class_="dog"))
    told = [each for each in detector.pull()["truth"].problems if each.reason == "replaced_truth"]
    assert len(told) == 1
    assert "put them into one" in told[0].message
    assert detector.one("SELECT list(class) FROM truths") == ["dog"]


def test_a_later_detection_corrects_by_class_and_rank_or_by_its_id(detector: Detector) -> None:
    detector.send("images", an_image(), an_image("b"))
    detector.send("detections", *_right(), a_box("b", score=0.5, detection_id="7"))
    detector.send("truth", a_box(), a_box("b"))
    detector.pull()
    detector.send("detections", a_box(score=0.8), a_box("b", x=50, score=0.6, detection_id=7))
    brought = detector.pull(LATER)["detections"]
    assert (brought.changed_predictions, brought.corrected, brought.new) == (2, 2, 0)
    assert detector.outcomes() == {"a#cat#0": 1, "b#7": 0}
    assert detector.one("SELECT score FROM samples WHERE sample_id = 'a#cat#0'") == 0.8
    assert [each.reason for each in brought.problems] == ["changed_predictions"]


@pytest.mark.parametrize("withdrawn", ["keep", "remove"])
def test_detections_that_are_gone_from_a_file_are_kept_or_taken_out(withdrawn: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path, extra={"detections": f'withdrawn = "{withdrawn}"'})
    detector.send("images", an_image())
    detector.send("truth", a_box())
    detector.send("detections", *_right(), name="d")
    detector.pull()
    detector.send("detections", a_box(score=0.9), name="d")
    brought = detector.pull(LATER)["detections"]
    assert [each.reason for each in brought.problems] == ["withdrawn_rows"]
    gone = withdrawn == "remove"
    assert detector.outcomes() == ({"a#cat#0": 1} if gone else {"a#cat#0": 1, "a#cat#1": 0})
    assert brought.removed == int(gone)
    assert detector.one("SELECT sum(n) FROM cells") == 2 - gone
    assert not detector.pull(LATER)["detections"].problems


@pytest.mark.parametrize("withdrawn", ["keep", "remove"])
def test_truth_that_is_gone_from_a_file_is_kept_or_taken_out(withdrawn: str, tmp_path: Path) -> None:
    detector = Detector(tmp_path, extra={"truth": f'withdrawn = "{withdrawn}"'})
    detector.send("images", an_image(), an_image("b"))
    detector.send("detections", a_box(score=0.9), a_box("b", score=0.9))
    detector.send("truth", a_box(), a_box("b"), name="t")
    detector.pull()
    detector.send("truth", a_box(), name="t")
    assert [each.reason for each in detector.pull(LATER)["truth"].problems] == ["withdrawn_labels"]
    assert detector.outcomes() == {"a#cat#0": 1, "b#cat#0": None if withdrawn == "remove" else 1}


def test_slices_are_of_the_image_of_the_box_its_class_and_its_size(tmp_path: Path) -> None:
    detector = Detector(
        tmp_path, settings='slices = ["camera", "class", "shift"]\nmax_order = 0', matching="size = [32, 96]"
    )
    detector.send("images", an_image(camera="c1", shift="early", width=1000, height=1000))
    detector.send(
        "detections", a_box(score=0.9, camera="", w=31, h=33), a_box(class_="dog", score=0.8, camera="c2", w=32, h=32),
        a_box(class_="cow", score=0.7, camera="", w=96, h=96),
    )  # fmt: skip
    detector.pull()
    found = detector.connection.execute(
        "SELECT predicted_class, labels['camera'], labels['class'], labels['shift'], labels['size'] "
        "FROM samples JOIN slices USING (slice_id) ORDER BY score DESC"
    ).fetchall()
    assert found == [
        ("cat", "c1", "cat", "early", "small"), ("dog", "c2", "dog", "early", "medium"), ("cow", "c1", "cow", "early", "large"),
    ]  # fmt: skip


def test_crowds_and_boxes_beyond_the_most_are_no_samples(tmp_path: Path) -> None:
    detector = Detector(tmp_path, matching="max_detections = 2")
    detector.send("images", an_image())
    detector.send("truth", a_box(w=80, h=80, crowd=1), a_box(class_="dog", crowd=0))
    detector.send(
        "detections", *(a_box(x=20, score=score) for score in (0.9, 0.8, 0.7)), a_box(class_="dog", score=0.5),
    )  # fmt: skip
    detector.pull()
    assert detector.outcomes() == {"a#dog#0": 1}
    assert detector.one("SELECT count(*) FILTER (ignored) FROM detections") == 3


def test_the_iou_may_differ_by_class_and_a_change_matches_everything_again(tmp_path: Path) -> None:
    detector = Detector(tmp_path, matching="iou = 0.5")
    detector.send("images", an_image())
    detector.send("truth", a_box(), a_box(class_="dog"))
    detector.send("detections", a_box(x=14, score=0.9), a_box(class_="dog", x=14, score=0.9))
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1, "a#dog#0": 1}
    detector.matching = "iou = { dog = 0.9 }"
    told = [each.reason for pulled in detector.pull(LATER).values() for each in pulled.problems]
    assert told == ["boxes_matched_anew"]
    assert detector.outcomes() == {"a#cat#0": 1, "a#dog#0": 0}
    assert not any(pulled.problems for pulled in detector.pull(LATER + HOUR).values())


def test_another_layout_of_lists_reads_files_again(tmp_path: Path) -> None:
    detector = Detector(tmp_path, matching='boxes = "xywh"')
    detector.send("images", an_image())
    detector.send("truth", a_box(w=30, h=30))
    detector.send("detections", {"image_id": "a", "class": "cat", "score": 0.9, "box": "[10, 10, 40, 40]"})
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 0 if 900 / 1600 < 0.5 else 1}
    detector.matching = 'boxes = "xyxy"\niou = 0.99'
    detector.pull(LATER)
    assert detector.one("SELECT [x1, y1, x2, y2] FROM detections") == [10, 10, 40, 40]
    assert detector.outcomes() == {"a#cat#0": 1}


@pytest.mark.parametrize("numbers", ["[10,10,20,20]", "(10, 10, 20, 20)", "10 10 20 20", "10;10;20;20"])
def test_a_list_of_four_may_be_text(numbers: str, detector: Detector) -> None:
    detector.send("images", an_image())
    detector.send("detections", {"image_id": "a", "class": "cat", "score": 0.9, "box": numbers})
    detector.send("truth", a_box())
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1}


def test_lists_of_parquet_and_json_are_boxes(detector: Detector) -> None:
    detector.send("images", an_image(), an_image("b"))
    detector.copy("detections", "SELECT 'a' AS image_id, 3 AS class, 0.9 AS score, [10, 10, 20, 20] AS box")
    detector.send("detections", {"image_id": "b", "class": 3, "score": 0.8, "box": [10, 10, 20, 20]}, ending="jsonl")
    detector.send("truth", a_box(class_="3"), a_box("b", class_="3.0"))
    detector.pull()
    assert detector.outcomes() == {"a#3#0": 1, "b#3#0": 1}


def test_shares_of_the_image_and_pixels_meet_where_its_size_is_known(detector: Detector) -> None:
    detector.send("images", an_image(width=200, height=50))
    detector.send(
        "detections", {"image_id": "a", "class": "cat", "score": 0.9, "cx": 0.1, "cy": 0.4, "w": 0.1, "h": 0.4}
    )
    detector.send("truth", a_box())
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1}


def test_shares_alone_need_no_size(detector: Detector) -> None:
    share = {"image_id": "a", "class": "cat", "x1": 0.1, "y1": 0.1, "x2": 0.3, "y2": 0.4}
    detector.send("images", an_image(width=None, height=None))
    detector.send("detections", share | {"score": 0.9})
    detector.send("truth", share)
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1}


def test_shares_beside_pixels_wait_for_the_size(detector: Detector) -> None:
    detector.send("images", an_image(width=None, height=None))
    detector.send("detections", {"image_id": "a", "class": "cat", "score": 0.9, "x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2})
    detector.send("truth", a_box())
    brought = detector.pull()
    assert detector.outcomes() == {}
    (told,) = brought["detections"].problems
    assert told.reason == "boxes_waiting"
    assert "no width and height" in told.message
    detector.send("images", an_image())
    assert not detector.pull(LATER)["detections"].problems
    assert detector.outcomes() == {"a#cat#0": 1}


def test_without_a_table_of_images_detections_say_when(tmp_path: Path) -> None:
    detector = Detector(tmp_path, holds=("detections", "truth"))
    detector.send("detections", *(each | {"observed_at": TAKEN} for each in _right()))
    detector.send("truth", a_box())
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 0}
    assert detector.one("SELECT value FROM source_facts WHERE fact = 'images_known'") == "0"


def test_detections_without_a_time_anywhere_are_refused_with_what_to_do(tmp_path: Path) -> None:
    detector = Detector(tmp_path, holds=("detections", "truth"))
    detector.send("detections", *_right())
    (told,) = detector.pull()["detections"].problems
    assert told.reason == "missing_column"
    assert 'holds = "images"' in told.message


def test_boxes_of_unknown_images_wait_are_told_and_in_the_end_set_aside(detector: Detector) -> None:
    detector.send("images", an_image())
    detector.send("detections", a_box("x", score=0.5))
    detector.send("truth", a_box("y"))
    assert not any(pulled.problems for pulled in detector.pull().values())
    (told,) = detector.pull(NOW + 2 * HOUR)["detections"].problems
    assert told.message.startswith("2 images (such as x, y) are in no table of images")
    assert detector.outcomes() == {}
    gone = NOW + timedelta(days=31)
    brought = detector.pull(gone)
    assert detector.aside() == {"no_image": 2}
    assert (brought["detections"].quarantined, brought["truth"].quarantined) == ({"no_image": 1}, {"no_image": 1})
    assert detector.one("SELECT (SELECT count(*) FROM detections) + (SELECT count(*) FROM reviews)") == 0
    assert not detector.pull(gone + HOUR)["detections"].problems


def test_truth_that_comes_too_late_is_set_aside_and_leaves_its_image_unlabelled(detector: Detector) -> None:
    detector.send("images", an_image(observed_at="2026-01-20 10:00:00"))
    detector.send("detections", *_right())
    detector.send("truth", a_box(labelled_at="2026-03-01 10:00:00"))
    detector.pull()
    assert detector.outcomes() == {"a#cat#0": None, "a#cat#1": None}
    assert detector.aside() == {"label_too_late": 1}


def test_a_kill_between_reading_and_matching_loses_nothing(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    detector.send("images", an_image())
    detector.send("detections", *_right())
    detector.send("truth", a_box())

    def stop(store: ModelStore) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("monitor.sources.boxes.rematch._match_boxes", stop)
        with pytest.raises(KeyboardInterrupt):
            detector.pull()
    assert detector.outcomes() == {}
    assert detector.one("SELECT count(DISTINCT image_id) FROM images_touched") == 1
    detector.pull(LATER)
    assert detector.outcomes() == {"a#cat#0": 1, "a#cat#1": 0}
    assert detector.one("SELECT count(*) FROM images_touched") == 0


def test_what_is_older_than_retention_goes(detector: Detector) -> None:
    detector.send("images", an_image(), an_image("b", observed_at="2026-02-01 10:00:00"))
    detector.send("detections", a_box(score=0.9), a_box("b", score=0.9))
    detector.send("truth", a_box(), a_box("b", labelled_at="2026-02-02 10:00:00"))
    detector.pull()
    late = NOW + 60 * DAY
    fold_and_drop(ModelStore.load(detector.connection, detector.model, late), late)
    for table in ("images", "detections", "truths", "reviews", "images_matched"):
        assert detector.one(f"SELECT list(image_id) FROM {table}") == ["a"], table


def test_a_score_that_calwatch_calibrates_is_kept_as_the_raw_one(tmp_path: Path) -> None:
    serving = Serving(Slice(), "cal", datetime(2026, 1, 1, tzinfo=UTC), None, lambda raw, logits: raw / 2)
    detector = Detector(tmp_path, settings='recalibration.apply = "monitor"', serving=[serving])
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.8))
    detector.send("truth", a_box())
    detector.pull()
    assert detector.one("SELECT score, raw_score, positives FROM samples") == (0.4, 0.8, 1)


def test_many_images_are_matched_in_lots_that_a_stop_leaves_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = Detector(tmp_path)
    names = [f"i{number:02d}" for number in range(10)]
    detector.send("images", *map(an_image, names))
    detector.send("detections", *(a_box(name, score=0.9) for name in names))
    detector.send("truth", *map(a_box, names))
    monkeypatch.setattr("monitor.sources.boxes.rematch.LOT", 3)
    done = []

    def stop(store: ModelStore) -> None:
        done.append(store)
        if len(done) == 3:
            raise KeyboardInterrupt
        rewrite_samples(store)

    with monkeypatch.context() as patched:
        patched.setattr("monitor.sources.boxes.rematch.rewrite_samples", stop)
        with pytest.raises(KeyboardInterrupt):
            detector.pull()
    assert list(detector.outcomes()) == [f"{name}#cat#0" for name in names[:6]]
    assert detector.pull(LATER)["detections"].new == 4
    assert detector.outcomes() == {f"{name}#cat#0": 1 for name in names}
    assert detector.one("SELECT sum(n), sum(outcome) FROM cells") == (10, 10)


def test_a_slice_that_neither_images_nor_detections_have_is_told(tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings='slices = ["camera", "shift", "class"]')
    detector.send("images", an_image())
    detector.send("detections", a_box(score=0.9, camera="c1"))
    (told,) = [problem for pulled in detector.pull().values() for problem in pulled.problems]
    assert told.reason == "missing_slice_column"
    assert told.message.startswith("no image and no detection that came says shift, so")
    detector.send("images", an_image("b", shift="early", camera="c1"))
    detector.send("detections", a_box("b", score=0.9))
    assert not any(pulled.problems for pulled in detector.pull(LATER).values())
    assert not any(pulled.problems for pulled in detector.pull(LATER + HOUR).values())


def test_a_slice_column_that_is_mapped_is_missed_in_the_file(tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings='slices = ["camera"]', extra={"images": 'columns = { camera = "cam" }'})
    detector.send("images", an_image(kamera="c1"))
    (told,) = detector.pull()["images"].problems
    assert told.reason == "missing_slice_column"
    assert 'looked for as "cam"' in told.message
