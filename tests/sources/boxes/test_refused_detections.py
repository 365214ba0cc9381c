"""Images whose detections could not be taken are not images without detections: what was found on them is unknown."""

from pathlib import Path

import duckdb
import pytest

from tests.sources.boxes.detector import Detector, Row, a_box, an_image, source
from tests.worlds.levels import run_cycle
from tests.worlds.store import HOUR, NOW, write_csv

IMAGES = [f"i{number:02d}" for number in range(60)]
READINGS = "SELECT truths, recall_ceiling, labelled_images FROM slice_newest WHERE slice = 'all' AND \"window\" = '24h'"


def _percentages(name: str) -> Row:
    return a_box(name, score=90.0)


def _corners(name: str) -> Row:
    return {**a_box(name, score=0.9), "x": 90, "y": 90, "w": 95, "h": 95}


def _good(name: str) -> Row:
    return a_box(name, score=0.9)


def _objects(detector: Detector) -> int:
    return int(detector.one("SELECT count(*) FROM objects"))


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    """Of 60 images, each with an object, and of an image on which nothing was found."""
    detector = Detector(tmp_path)
    detector.send("images", *(an_image(name) for name in (*IMAGES, "blank")))
    detector.send("truth", *(a_box(name) for name in (*IMAGES, "blank")))
    return detector


@pytest.mark.parametrize("bad", [_percentages, _corners])
@pytest.mark.parametrize("good", [0, 20])
def test_images_of_a_file_that_is_refused_whole_are_left_out_until_it_is_mended(
    bad: object, good: int, detector: Detector
) -> None:
    assert callable(bad)
    if good:
        detector.send("detections", *(_good(name) for name in IMAGES[:good]))
    detector.send("detections", *(bad(name) for name in IMAGES[good:]), name="bad")
    for hour in range(3):  # it is refused anew in each cycle
        detector.pull(NOW + hour * HOUR)
        assert _objects(detector) == good + 1, "of those that were taken, and of the image without a detection"
        assert detector.one("SELECT count(*) FROM images_touched") == 0
    detector.send("detections", *(_good(name) for name in IMAGES[good:]), name="bad")
    detector.pull(NOW + 3 * HOUR)
    assert _objects(detector) == 61
    assert detector.one("SELECT count(*) FROM objects WHERE score IS NULL") == 1
    assert detector.one("SELECT count(*) FROM images_refused") == 0


def test_a_file_of_another_name_that_has_them_settles_it(detector: Detector) -> None:
    path = detector.send("detections", *map(_percentages, IMAGES))
    detector.pull()
    path.unlink()
    detector.send("detections", *map(_good, IMAGES))
    detector.pull(NOW + HOUR)
    assert _objects(detector) == 61


def test_images_that_the_refused_file_no_longer_has_are_known_again(detector: Detector) -> None:
    detector.send("detections", *map(_good, IMAGES[:20]))
    detector.send("detections", *map(_percentages, IMAGES[20:]), name="bad")
    detector.pull()
    detector.send("detections", *map(_percentages, IMAGES[20:50]), name="bad")
    detector.pull(NOW + HOUR)
    assert _objects(detector) == 31


def test_an_image_all_of_whose_rows_were_set_aside_is_unknown_and_one_with_a_good_row_is_not(
    detector: Detector,
) -> None:
    bad = {"score": "high"}
    rows = [{**_good("i00"), **bad}, {**_good("i01"), **bad}, a_box("i01", score=0.5), _good("i02")]
    detector.send("detections", *rows, name="d")
    detector.pull()
    left_out = detector.one(
        "SELECT list(image_id ORDER BY image_id) FROM reviews WHERE image_id NOT IN (SELECT image_id FROM objects)"
    )
    assert left_out == ["i00"]
    detector.send("detections", *map(_good, IMAGES[:3]), name="d")
    detector.pull(NOW + HOUR)
    assert _objects(detector) == 61


@pytest.mark.parametrize("way", ["refused", "unreadable", "none"])
def test_readings_know_no_ceiling_where_no_detection_was_ever_taken(way: str, tmp_path: Path) -> None:
    sources = "".join(map(source, ("images", "detections", "truth")))
    (tmp_path / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "detection"\nmin_samples = 1\n{sources}', "utf-8"
    )
    for holds, rows in (("images", map(an_image, IMAGES)), ("truth", map(a_box, IMAGES))):
        (tmp_path / holds).mkdir()
        write_csv(tmp_path / holds / "1.csv", list(rows))
    (tmp_path / "detections").mkdir()
    if way == "refused":
        write_csv(tmp_path / "detections" / "1.csv", list(map(_percentages, IMAGES)))
    elif way == "unreadable":
        (tmp_path / "detections" / "1.csv").write_text("image_id,class\ni00,cat\n", "utf-8")
    run_cycle(tmp_path, NOW)
    with duckdb.connect(str(tmp_path / "calwatch-state" / "metrics.duckdb"), read_only=True) as snapshot:
        assert [row for row in snapshot.execute(READINGS).fetchall() if row != (None, None, None)] == []
        assert snapshot.execute("SELECT count(*) FROM missed_objects").fetchone() == (0,)
    write_csv(tmp_path / "detections" / "1.csv", [*map(_good, IMAGES[:30])])
    run_cycle(tmp_path, NOW + HOUR)
    with duckdb.connect(str(tmp_path / "calwatch-state" / "metrics.duckdb"), read_only=True) as snapshot:
        assert snapshot.execute(READINGS).fetchall() == [(60, 0.5, 60)]
