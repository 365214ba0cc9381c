"""However files of a detector are cut, ordered and sent again, the same samples and cells come of them."""

from pathlib import Path

import numpy as np
import pytest

from tests.sources.boxes.detector import Detector, Row, a_box, an_image
from tests.worlds.store import HOUR, NOW

IMAGES, CLASSES = 40, ("cat", "dog", "cow")
CELLS = (
    "SELECT bucket, bin, sum(n), sum(unlabelled), round(sum(score), 9), sum(outcome), round(sum(weight), 9), "
    "round(sum(weight_outcome), 9) FROM cells GROUP BY ALL HAVING sum(n) + sum(unlabelled) > 0 ORDER BY ALL"
)
SAMPLES = (
    "SELECT sample_id, observed_at, score, positives, predicted_class, labels FROM samples JOIN slices USING (slice_id) "
    "ORDER BY sample_id"
)

OBJECTS = (
    "SELECT image_id, observed_at, version, calibrator, predicted, class, labels, score FROM objects "
    "JOIN slices USING (slice_id) LEFT JOIN streams USING (stream_id) ORDER BY ALL"
)
IMAGES_SEEN = (
    "SELECT image_id, observed_at, version, calibrator, predicted, labels, apart FROM labelled_images "
    "JOIN slices USING (slice_id) LEFT JOIN streams USING (stream_id) ORDER BY ALL"
)
PLACEMENTS = (
    "SELECT image_id, observed_at, version, class, score, raw_score, found, found_half, round(overlap, 9) FROM placements "
    "LEFT JOIN streams USING (stream_id) ORDER BY ALL"
)
QUERIES = (SAMPLES, CELLS, OBJECTS, IMAGES_SEEN, PLACEMENTS)


def _world(generator: np.random.Generator) -> dict[str, dict[str, list[Row]]]:
    """What there is: table → image → rows."""
    held: dict[str, dict[str, list[Row]]] = {"images": {}, "detections": {}, "truth": {}}
    for number in range(IMAGES):
        image = f"i{number}"
        minute = int(generator.integers(60))
        held["images"][image] = [
            an_image(
                image,
                observed_at=f"2026-03-10 {9 + number % 2:02d}:{minute:02d}:00",
                camera=f"c{number % 3}",
                version=f"v{number % 2}",
            )
        ]
        truths = [_box(generator, image) for _ in range(generator.integers(0, 4))]
        found = [{**row, "x": row["x"] + int(generator.integers(0, 12))} for row in truths]
        found += [_box(generator, image) for _ in range(generator.integers(0, 3))]
        held["detections"][image] = [{**row, "score": round(float(generator.uniform(0.01, 0.99)), 4)} for row in found]
        if number % 5:  # the truth of a fifth has not come
            held["truth"][image] = truths or [{"image_id": image}]
    return held


def _box(generator: np.random.Generator, image: str) -> Row:
    return a_box(image, CLASSES[generator.integers(3)], x=int(generator.integers(60)), y=int(generator.integers(70)))


def _send_all(detector: Detector, held: dict[str, dict[str, list[Row]]], generator: np.random.Generator) -> None:
    """All tables, cut into files by image, in any order, with pulls in between; some files twice."""
    files = []
    for holds, images in held.items():
        names = [name for name in images if images[name]]
        generator.shuffle(names)
        parts = np.array_split(np.array(names), generator.integers(1, 5))
        files += [(holds, [row for name in part for row in images[name]]) for part in parts if len(part)]
    files += [files[number] for number in generator.integers(len(files), size=2)]
    generator.shuffle(files)
    for number, (holds, rows) in enumerate(files):
        detector.send(holds, *rows, ending=("csv", "jsonl", "parquet")[int(generator.integers(3))])
        if generator.random() < 0.4:
            detector.pull(NOW + number * HOUR)
    detector.pull(NOW + 100 * HOUR)


def _detector(base: Path) -> Detector:
    base.mkdir()
    return Detector(base, settings='slices = ["camera", "class"]', matching="size = [10, 30]\nmax_detections = 2")


@pytest.mark.parametrize("seed", range(4))
def test_any_cut_and_order_of_files_gives_the_same(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(seed)
    held = _world(generator)
    whole, parted = _detector(tmp_path / "whole"), _detector(tmp_path / "parted")
    for holds, images in held.items():
        whole.send(holds, *(row for rows in images.values() for row in rows))
    whole.pull(NOW + 100 * HOUR)
    _send_all(parted, held, generator)
    for query in QUERIES:
        expected = whole.connection.execute(query).fetchall()
        assert expected
        assert parted.connection.execute(query).fetchall() == expected
    assert parted.aside() == {}
    assert parted.one("SELECT count(*) FROM images_touched") == 0


@pytest.mark.parametrize("seed", range(2))
def test_what_is_written_anew_leaves_nothing_of_what_was_before(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng([7, seed])
    before, after = _world(generator), _world(generator)
    whole, renewed = _detector(tmp_path / "whole"), _detector(tmp_path / "renewed")
    renewed.extra = dict.fromkeys(before, 'withdrawn = "remove"')
    for holds, images in before.items():
        renewed.send(holds, *(row for rows in images.values() for row in rows), name="all")
    renewed.pull(NOW + 99 * HOUR)
    for detector in (whole, renewed):
        for holds, images in after.items():
            detector.send(holds, *(row for rows in images.values() for row in rows), name="all")
        detector.pull(NOW + 100 * HOUR)
    for query in QUERIES:
        assert renewed.connection.execute(query).fetchall() == whole.connection.execute(query).fetchall()
