"""What a detector found of what there was: objects and labelled images of a window, through the store, into readings."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.engine.stages.live import measure_live
from monitor.engine.stages.measure import readings_of
from monitor.model import Reading, ReadingState, Slice, ThresholdInUse
from monitor.store.cells import load_window_cells
from monitor.store.model_store import ModelStore
from monitor.store.seen.objects import hold_objects
from tests.sources.boxes.detector import ALL, DATA, Detector, Row, a_box, an_image
from tests.sources.boxes.test_real_boxes import CORNERS
from tests.worlds.store import NOW

USED = ThresholdInUse("m", Slice(), "f1", 0.5, None, None, "", NOW)
START, END = NOW - timedelta(days=3), NOW + timedelta(days=1)
CAMERAS = 'slices = ["camera", "class"]\nmin_samples = 1'


def measured(detector: Detector, *thresholds: ThresholdInUse) -> dict[tuple[str, str], Reading]:
    """Of each version and slice, over all there is."""
    store = ModelStore.load(detector.connection, detector.model, NOW)
    held = hold_objects(store, load_window_cells(store, START, END), START, END)
    live = measure_live(store, thresholds or (USED,), held, START, END)
    found = readings_of(detector.model, "24h", START, END, held, NOW, live)
    return {(each.version, each.slice.text): each for each in found}


def _detector(base: Path, settings: str = CAMERAS, holds: Sequence[str] = ALL, **more: str) -> Detector:
    return Detector(base, settings=settings, holds=holds, **more)  # type: ignore[arg-type]


def _send(detector: Detector, **rows: list[Row]) -> None:
    for holds, held in rows.items():
        detector.send(holds, *held)
    detector.pull()


def _own(reading: Reading, *names: str) -> tuple[Any, ...]:
    return tuple(reading.metrics[name] for name in names)


FOUND = ("threshold_recall", "threshold_precision", "fp_per_image", "truths", "labelled_images")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "threshold", "expected", "laece", "half", "empty"),
    [
        ("ssd-inception-v2", 0.7249, (0.262, 0.9234, 0.1598), 0.1177, 0.4001, 88),
        ("faster-rcnn-resnet-50", 0.25, (0.5722, 0.5253, 3.8034), 0.2848, 0.4890, 28),
    ],
)
def test_real_detectors_have_the_known_recall_over_all_objects(
    name: str, threshold: float, expected: tuple[float, ...], laece: float, half: float, empty: int, tmp_path: Path
) -> None:
    detector = Detector(tmp_path, extra={"detections": CORNERS, "truth": CORNERS})
    truth = f"SELECT * FROM '{DATA}/coco_val2017_gt.parquet'"
    images = f"FROM '{DATA}/images.parquet'"
    detector.copy("images", f"SELECT image_id, TIMESTAMP '2026-03-10 10:00:00' AS observed_at {images}")
    detector.copy("detections", f"SELECT * FROM '{DATA}/{name}.parquet'")
    detector.copy(
        "truth",
        f"{truth} UNION ALL BY NAME SELECT image_id {images} WHERE image_id NOT IN (SELECT image_id FROM ({truth}))",
    )
    detector.pull()
    (reading,) = measured(detector, replace(USED, threshold=threshold)).values()
    assert _own(reading, "threshold_recall", "threshold_precision", "fp_per_image") == pytest.approx(expected, abs=5e-4)
    assert _own(reading, "truths", "labelled_images") == (36_781, 5_000)
    assert _own(reading, "laece", "average_precision_50", "average_precision") == pytest.approx(
        (laece, half, half), abs=6e-5
    )
    assert reading.metrics["recall_ceiling"] == pytest.approx({88: 15_332, 28: 21_045}[empty] / 36_781)
    assert detector.one("SELECT count(*) FROM labelled_images WHERE NOT predicted") == empty


def test_recall_counts_all_objects_and_false_positives_all_labelled_images(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector,
        images=[an_image(name, camera="c1") for name in "abcd"],
        detections=[a_box("a", score=0.9), a_box("a", score=0.8, x=60), a_box("b", score=0.4), a_box("d", score=0.9)],
        truth=[a_box("a"), a_box("b"), a_box("b", x=60), a_box("b", "dog"), {"image_id": "c"}],
    )
    found = measured(detector)
    # of four objects one is found at .5 and one below; d is not labelled
    assert _own(found["", "all"], *FOUND) == (0.25, 0.5, pytest.approx(1 / 3), 4, 3)
    assert _own(found["", "class=cat"], *FOUND) == (pytest.approx(1 / 3), 0.5, pytest.approx(1 / 3), 3, 3)
    assert found["", "all"].metrics["recall_ceiling"] == 0.5
    assert found["", "all"].metrics["threshold_f1"] == pytest.approx(2 * 0.25 * 0.5 / 0.75)
    assert found["", "all"].metrics["iou"] == 0.5


def test_what_is_never_found_keeps_a_reading_with_recall_zero_and_calibration_unknown(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    blind = [f"b{number}" for number in range(20)]
    _send(
        detector,
        images=[an_image("a", camera="c1"), *(an_image(name, camera="c2") for name in blind)],
        detections=[a_box("a", score=0.9)],
        truth=[a_box("a"), a_box("a", "dog"), *(a_box(name) for name in blind)],
    )
    found = measured(detector)
    for text, objects in (("camera=c2", 20), ("class=dog", 1), ("camera=c2,class=cat", 20), ("camera=c1,class=dog", 1)):
        reading = found["", text]
        assert (reading.state, reading.samples) == (ReadingState.INSUFFICIENT, 0)
        assert _own(reading, "threshold_recall", "recall_ceiling", "truths") == (0, 0, objects)
        assert _own(reading, "ece", "ece_upper", "threshold_precision") == (None, None, None)
    assert found["", "camera=c2"].metrics["threshold_recall_upper"] == pytest.approx(0.176, abs=0.02)
    assert _own(found["", "all"], *FOUND[:2]) == (pytest.approx(1 / 22), 1)


def test_a_version_that_finds_nothing_has_a_reading_of_its_own(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector,
        images=[an_image("a", version="v1"), an_image("b", version="v2", observed_at="2026-03-10 11:00:00")],
        detections=[a_box("a", score=0.9)],
        truth=[a_box("a"), a_box("b")],
    )
    found = measured(detector)
    assert _own(found["v1", "all"], *FOUND) == (1, 1, 0, 1, 1)
    assert _own(found["v2", "all"], *FOUND) == (0, None, 0, 1, 1)


@pytest.mark.parametrize("minute", [15, 45, 5])
def test_an_image_of_which_nobody_says_a_version_counts_with_the_one_before_it(minute: int, tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector,
        images=[
            an_image("a", observed_at="2026-03-10 10:10:00"), an_image("b", observed_at="2026-03-10 10:40:00"),
            an_image("c", observed_at=f"2026-03-10 10:{minute:02d}:00"),
        ],
        detections=[a_box("a", score=0.9, version="v1"), a_box("b", score=0.9, version="v2")],
        truth=[a_box("a"), a_box("b"), a_box("c")],
    )  # fmt: skip
    found = measured(detector)
    own, other = ("v2", "v1") if minute == 45 else ("v1", "v2")
    assert {version for version, _ in found} == {"v1", "v2"}
    assert _own(found[own, "all"], "threshold_recall", "labelled_images") == (0.5, 2)
    assert _own(found[other, "all"], "threshold_recall", "labelled_images") == (1, 1)


def test_without_a_table_of_images_recall_is_known_and_false_positives_per_image_are_not(tmp_path: Path) -> None:
    detector = _detector(tmp_path, holds=("detections", "truth"))
    time = {"observed_at": "2026-03-10 10:00:00"}
    _send(
        detector,
        detections=[a_box("a", score=0.9, camera="c1", **time), a_box("a", score=0.9, x=60, camera="c1", **time)],
        truth=[a_box("a", **time), a_box("b", **time)],
    )
    found = measured(detector)
    assert _own(found["", "all"], *FOUND) == (0.5, 0.5, None, 2, 2)
    # the image is of the camera that all its detections name; of the other nobody says one
    assert _own(found["", "camera=c1"], "threshold_recall", "truths") == (1, 1)
    assert _own(found["", "camera=__missing__"], "threshold_recall", "truths") == (0, 1)


def test_by_what_boxes_of_one_image_differ_in_there_is_no_recall(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector,
        images=[an_image(name) for name in "ab"],
        detections=[
            a_box("a", score=0.9, camera="left"), a_box("a", score=0.9, x=60, camera="right"),
            a_box("b", score=0.9, camera="left"),
        ],
        truth=[a_box("a"), a_box("b"), a_box("b", x=60)],
    )  # fmt: skip
    found = measured(detector)
    assert _own(found["", "all"], "threshold_recall", "truths") == (pytest.approx(2 / 3), 3)
    assert _own(found["", "camera=left"], "threshold_recall", "truths", "threshold_precision") == (None, None, 1)
    assert _own(found["", "camera=right"], "fp_per_image", "labelled_images") == (0.5, 2)


def test_recall_is_of_slices_of_objects_and_precision_of_slices_of_detections(tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings="min_samples = 1", matching="size = [21, 60]\niou = 0.4")
    _send(
        detector,
        images=[an_image()],
        detections=[a_box(score=0.9, w=24, h=24)],
        truth=[a_box(), a_box(x=60, w=30, h=30)],
    )
    found = measured(detector)
    assert _own(found["", "size=small"], "threshold_recall", "threshold_precision") == (1, None)
    assert _own(found["", "size=medium"], "threshold_recall", "threshold_precision") == (0, 1)


@pytest.mark.parametrize("dimension", ["class", "predicted_class"])
def test_an_object_is_found_at_the_threshold_of_its_class(dimension: str, tmp_path: Path) -> None:
    detector = _detector(tmp_path, f'slices = ["{dimension}"]\nmin_samples = 1')
    names = [f"i{number}" for number in range(10)]
    _send(
        detector, images=[an_image(name) for name in names],
        detections=[a_box(name, class_, score=0.6) for name in names for class_ in ("cat", "dog")],
        truth=[a_box(name, class_) for name in names for class_ in ("cat", "dog")],
    )  # fmt: skip
    found = measured(detector, USED, replace(USED, per="predicted_class", class_name="dog", threshold=0.7))
    assert _own(found["", f"{dimension}=cat"], "threshold_recall") == (1,)
    assert _own(found["", f"{dimension}=dog"], "threshold_recall") == (0,)
    assert _own(found["", "all"], "threshold_recall") == (0.5,)


@pytest.mark.parametrize(("blank_at", "recall", "images"), [("10:30", 0.5, 2), ("10:05", 1.0, 1), ("09:00", 1.0, 1)])
def test_objects_of_images_that_another_calibrator_scored_are_left_out(
    blank_at: str, recall: float, images: int, tmp_path: Path
) -> None:
    """Of an image without a detection it is the calibrator of the image before it that would have scored it."""
    detector = _detector(tmp_path)
    times = {"a": "10:00", "b": "10:10", "c": blank_at, "d": "10:00"}
    _send(
        detector, images=[an_image(name, observed_at=f"2026-03-10 {at}:00") for name, at in times.items()],
        detections=[
            a_box("a", score=0.9, calibrator="old"), a_box("b", score=0.9, calibrator="new"),
            a_box("b", score=0.8, x=60, calibrator="new"), a_box("d", score=0.9, calibrator="old"),
        ],
        truth=[a_box("a"), a_box("a", x=60), a_box("b"), a_box("c"), a_box("d")],
    )  # fmt: skip
    reading = measured(detector, replace(USED, calibrator="new"))["", "all"]
    assert _own(reading, "threshold_recall", "fp_per_image") == (recall, 1 / images)
    assert _own(reading, "truths", "labelled_images") == (5, 4)


def test_with_no_image_scored_by_a_calibrator_in_charge_nothing_is_known_at_its_threshold(tmp_path: Path) -> None:
    """As right after a promotion: images without a detection are not all there is."""
    detector = _detector(tmp_path)
    _send(
        detector, images=[an_image(name) for name in "abc"], detections=[a_box("a", score=0.9), a_box("b", score=0.9)],
        truth=[a_box("a"), a_box("b"), a_box("c")],
    )  # fmt: skip
    reading = measured(detector, replace(USED, calibrator="new"))["", "all"]
    assert _own(reading, *FOUND) == (None, None, None, 3, 3)
    assert reading.metrics["threshold_recall_upper"] is None


def test_images_without_a_detection_under_several_calibrators_are_all_counted(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    scored = {"a": "old", "c": "new", "e": "old"}
    _send(
        detector, images=[an_image(name, observed_at=f"2026-03-10 10:{place}0:00") for place, name in enumerate("abcdef")],
        detections=[a_box(name, score=0.9, calibrator=calibrator) for name, calibrator in scored.items()],
        truth=[a_box(name) for name in "abcdef"],
    )  # fmt: skip
    assert _own(measured(detector)["", "all"], "truths", "labelled_images") == (6, 6)


@pytest.mark.parametrize(("blank_at", "recall"), [("10:20", 1.0), ("10:40", 0.5), ("09:00", 1.0)])
def test_of_images_that_say_their_version_it_is_the_calibrator_before_them_of_that_version(
    blank_at: str, recall: float, tmp_path: Path
) -> None:
    detector = _detector(tmp_path)
    times = {"a": "10:00", "b": "10:30", "c": "10:10", "d": "10:35", "e": blank_at}
    _send(
        detector,
        images=[
            an_image(name, observed_at=f"2026-03-10 {at}:00", version="v2" if name in "cd" else "v1")
            for name, at in times.items()
        ],
        detections=[
            a_box(name, score=0.9, calibrator=calibrator)
            for name, calibrator in {"a": "old", "b": "new", "c": "new", "d": "old"}.items()
        ],
        truth=[a_box(name) for name in times],
    )
    found = measured(detector, replace(USED, calibrator="new"))
    assert _own(found["v1", "all"], "threshold_recall", "fp_per_image") == (recall, 0)
    assert _own(found["v1", "all"], "truths", "labelled_images") == (3, 3)
    assert _own(found["v2", "all"], "threshold_recall", "labelled_images") == (1, 2)


def test_labelled_images_of_slices_that_are_no_longer_told_apart_are_all_counted(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector,
        images=[an_image(name, camera=f"c{place}") for place, name in enumerate("abcd")],
        detections=[a_box(name, score=0.9) for name in "ab"] + [a_box("b", score=0.8, x=60)],
        truth=[a_box(name) for name in "abcd"],
    )
    assert _own(measured(detector)["", "camera=c1"], *FOUND) == (1, 0.5, 1, 1, 1)
    detector.settings = "min_samples = 1"
    assert _own(measured(detector)["", "all"], *FOUND) == (0.5, 2 / 3, 0.25, 4, 4)


def test_a_slice_with_a_calibrator_of_its_own_is_blind_at_its_own_threshold(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector,
        images=[an_image("a", camera="c1"), an_image("b", camera="c2", observed_at="2026-03-10 11:00:00")],
        detections=[a_box("a", score=0.9, calibrator="one")],
        truth=[a_box("a"), a_box("b")],
    )
    scopes = {name: Slice.of({"camera": camera}) for name, camera in (("one", "c1"), ("two", "c2"))}
    found = measured(detector, *(replace(USED, calibrator=name, scope=scope) for name, scope in scopes.items()))
    assert _own(found["", "camera=c2"], "threshold_recall") == (0,)


def test_crowds_are_no_objects_to_be_found(tmp_path: Path) -> None:
    detector = _detector(tmp_path)
    _send(
        detector, images=[an_image()], detections=[a_box(score=0.9)],
        truth=[a_box(), a_box(x=60, crowd=1), a_box("dog", x=60, crowd=1)],
    )  # fmt: skip
    assert _own(measured(detector)["", "all"], "threshold_recall", "truths") == (1, 1)


def test_too_few_objects_make_recall_unknown_and_too_few_samples_do_not(tmp_path: Path) -> None:
    detector = _detector(tmp_path, "min_samples = 3")
    _send(detector, images=[an_image()], detections=[a_box(score=0.9)], truth=[a_box(), a_box(x=60)])
    assert _own(measured(detector)["", "all"], "threshold_recall", "truths") == (None, 2)
    detector.send("truth", a_box(), a_box(x=60), a_box(y=60), name="001")
    detector.send("truth", a_box(), a_box(x=60), a_box(y=60))
    detector.pull()
    reading = measured(detector)["", "all"]
    assert reading.state is ReadingState.INSUFFICIENT
    assert _own(reading, "threshold_recall", "threshold_precision") == (pytest.approx(1 / 3), None)


@pytest.mark.slow
def test_the_interval_of_recall_covers_where_objects_of_an_image_are_missed_together(tmp_path: Path) -> None:
    """400 cameras are 400 draws of 40 images: the share of intervals that hold the truth, give or take 2 standard errors."""
    rng = np.random.default_rng(20)
    cameras, images = 400, 40
    detector = _detector(tmp_path, 'slices = ["camera"]\nmin_samples = 1\nmax_slice_values = 500\nmax_order = 1')
    image = np.arange(cameras * images)
    objects = rng.poisson(3.0, len(image)) + 1
    chance = rng.beta(1.2, 0.8, len(image))  # of an object to be found, alike within an image
    of_image = np.repeat(image, objects)
    found = rng.random(len(of_image)) < chance[of_image]
    score = np.where(rng.random(len(of_image)) < 0.75, 0.8, 0.3)
    place = np.arange(len(of_image)) - np.repeat(np.cumsum(objects) - objects, objects)
    frame = {"image_id": of_image, "found": found, "score": score, "x": 30 * place}
    detector.connection.register("frame", _table(frame))
    rows = "image_id, 'cat' AS class, x, 10 AS y, 20 AS w, 20 AS h"
    _copy(detector, "images", f"SELECT i AS image_id, TIMESTAMP '2026-03-10 10:00:00' AS observed_at, 'c' || (i // {images}) "
          f"AS camera FROM range({len(image)}) AS r(i)")  # fmt: skip
    _copy(detector, "detections", f"SELECT {rows}, score FROM frame WHERE found")
    _copy(detector, "truth", f"SELECT {rows} FROM frame")
    detector.pull()
    truth = 0.6 * 0.75
    held = [each for (_, text), each in measured(detector).items() if text.startswith("camera=")]
    assert len(held) == cameras
    low, high = (
        np.array([each.metrics[f"threshold_recall_{end}"] for each in held], float) for end in ("lower", "upper")
    )
    covered = np.mean((low <= truth) & (truth <= high))
    assert covered >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / cameras)
    # as if objects were independent they would be narrower by a half, and not cover
    recall = np.array([each.metrics["threshold_recall"] for each in held], float)
    count = np.array([each.metrics["truths"] for each in held], float)
    narrow = 1.96 * np.sqrt(recall * (1 - recall) / count)
    assert np.mean(np.abs(recall - truth) <= narrow) < 0.9
    assert np.median((high - low) / (2 * narrow)) < 2.2


def _table(columns: dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]) -> object:
    import pyarrow as pa

    return pa.table(columns)


def _copy(detector: Detector, holds: str, query: str) -> None:
    path = detector.base / holds / "all.parquet"
    detector.connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
