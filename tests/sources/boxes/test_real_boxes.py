"""Two detectors on COCO val2017, through files and the store: the numbers that pycocotools and their authors get."""

from itertools import permutations
from pathlib import Path

import pytest

from tests.sources.boxes.detector import DATA, TAKEN, Detector
from tests.worlds.store import HOUR, NOW

pytestmark = pytest.mark.slow
CORNERS = 'columns = { x1 = "xmin", y1 = "ymin", x2 = "xmax", y2 = "ymax" }'
EXPECTED = {
    "faster-rcnn-resnet-50": (21_045, 0.18164721495243097, 40_062),
    "ssd-inception-v2": (15_332, 0.026029573362377923, 23_432),
}


def _detector(base: Path, name: str) -> Detector:
    return Detector(base, extra={"detections": CORNERS, "truth": CORNERS}, settings="min_samples = 1")


def _send(detector: Detector, holds: str, name: str) -> None:
    truth = f"SELECT * FROM '{DATA}/coco_val2017_gt.parquet'"
    queries = {
        "images": f"SELECT image_id, TIMESTAMP '{TAKEN}' - to_minutes(image_id % 1440) AS observed_at "
                  f"FROM '{DATA}/images.parquet'",
        "detections": f"SELECT * FROM '{DATA}/{name}.parquet'",
        "truth": f"{truth} UNION ALL BY NAME SELECT image_id FROM '{DATA}/images.parquet' "
                 f"WHERE image_id NOT IN (SELECT image_id FROM ({truth}))",
    }  # fmt: skip
    detector.copy(holds, queries[holds])


@pytest.mark.parametrize("order", list(permutations(("images", "detections", "truth"))), ids="-".join)
@pytest.mark.parametrize("name", EXPECTED)
def test_real_detectors_give_the_known_numbers_whichever_table_comes_first(
    name: str, order: tuple[str, ...], tmp_path: Path
) -> None:
    detector = _detector(tmp_path, name)
    for number, holds in enumerate(order):
        _send(detector, holds, name)
        detector.pull(NOW + number * HOUR)
    right, ece, rows = EXPECTED[name]
    assert detector.aside() == {}
    assert detector.one("SELECT count(*), sum(positives), count(positives) FROM samples") == (rows, right, rows)
    assert detector.ece() == pytest.approx(ece, abs=1e-12)
    assert detector.one("SELECT count(*) FILTER (matched >= 0) FROM detections") == right
    assert detector.one("SELECT count(*) FILTER (found) FROM truths") == right
    assert detector.one("SELECT count(*) FROM reviews") == 5_000
