"""Overlaps that are exactly the IoU asked for are decided as pycocotools decides them, also where widths have decimals."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask

from monitor.statistics.arrays import Floats
from monitor.vision.boxes import convert_boxes, overlap_pairs
from monitor.vision.matching import match_detections
from monitor.vision.objects import Detections, Truths
from tests.sources.boxes.detector import Detector, an_image

COUNT = 600


def make_ties(digits: int, iou: Fraction, count: int = COUNT) -> tuple[Floats, Floats]:
    """Pairs of boxes (count, 4) as corner and size, of so many decimals, whose IoU is exactly that as fractions."""
    rng, unit = np.random.default_rng(digits), 10**digits
    spread = (1 + iou) / (1 - iou)  # of the width to the shift, where two equal boxes are shifted
    ones, others = [], []
    for number in range(count):
        x, y, height = (int(rng.integers(1, most * unit)) for most in (600, 400, 100))
        if number % 2:
            width = 4 * int(rng.integers(1, 25 * unit))
            within = int(iou * width)
            other = (x + int(rng.integers(0, width - within + 1)), y, within, height)
        else:
            shift = int(rng.integers(1, 20 * unit)) * spread.denominator
            width = int(shift * spread)
            other = (x + shift, y, width, height)
        ones.append((x, y, width, height))
        others.append(other)
    return np.array(ones) / unit, np.array(others) / unit


def ious_of_pycocotools(one: Floats, other: Floats, *, crowd: bool = False) -> Floats:
    return np.array([mask.iou(one[[row]], other[[row]], [int(crowd)])[0, 0] for row in range(len(one))])


@pytest.mark.parametrize("digits", [0, 1, 2, 3])
@pytest.mark.parametrize("iou", [Fraction(1, 2), Fraction(3, 4)])
def test_exact_ties_match_where_they_match_in_pycocotools(digits: int, iou: Fraction) -> None:
    ones, others = make_ties(digits, iou)
    expected = ious_of_pycocotools(ones, others) >= float(iou)
    code = np.arange(COUNT)
    found = match_detections(
        Detections(code, np.zeros(COUNT, np.int64), convert_boxes(ones, "xywh"), np.full(COUNT, 0.5)),
        Truths(code, np.zeros(COUNT, np.int64), convert_boxes(others, "xywh")),
        float(iou),
    )
    assert ((found.truth >= 0) == expected).all()
    share = expected.mean()
    assert share == 1 if digits == 0 else 0.3 < share < 0.7, "whole pixels always match, of decimals rounding decides"


@pytest.mark.parametrize("digits", [1, 2, 3, 6])
@pytest.mark.parametrize("crowd", [False, True])
def test_every_overlap_is_that_of_pycocotools_to_the_last_bit(digits: int, crowd: bool) -> None:
    rng = np.random.default_rng(4)
    corners, sides = rng.uniform(0, 60, (2, COUNT, 2)), rng.uniform(1, 40, (2, COUNT, 2))
    ones, others = (np.round(np.concatenate(pair, axis=1), digits) for pair in zip(corners, sides, strict=True))
    expected = ious_of_pycocotools(ones, others, crowd=crowd)
    found = overlap_pairs(convert_boxes(ones, "xywh"), convert_boxes(others, "xywh"), np.full(COUNT, crowd))
    assert (expected > 0).sum() > 100
    assert (found == expected).all()


def test_sides_that_are_no_decimals_are_left_as_they_are() -> None:
    rng = np.random.default_rng(5)
    boxes = np.sort(rng.uniform(0, 1, (COUNT, 2, 2)), axis=1).reshape(COUNT, 4)
    plain = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    whole = np.array([[0.0, 0.0, 1.0, 1.0]])
    assert overlap_pairs(boxes, np.broadcast_to(whole, boxes.shape)) == pytest.approx(plain, rel=1e-12)


def test_ties_are_decided_so_through_files_and_the_store(tmp_path: Path) -> None:
    ones, others = make_ties(2, Fraction(1, 2), 200)
    detector = Detector(tmp_path)
    names = [f"i{number:03d}" for number in range(200)]
    detector.send("images", *(an_image(name, width=2000, height=2000) for name in names))
    for holds, boxes, more in (("detections", ones, {"score": 0.5}), ("truth", others, {})):
        rows = [dict(zip("xywh", box, strict=True)) for box in boxes.tolist()]
        detector.send(holds, *({"image_id": name, "class": "cat", **row, **more}
                               for name, row in zip(names, rows, strict=True)), ending="parquet")  # fmt: skip
    detector.pull()
    expected = ious_of_pycocotools(ones, others) >= 0.5
    assert list(detector.outcomes().values()) == expected.astype(int).tolist()
