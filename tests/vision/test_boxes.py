"""Layouts of boxes, how they overlap, and their sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.vision.boxes import Layout, box_areas, convert_boxes, overlap_matrix, overlap_pairs, size_classes


@pytest.mark.parametrize(
    ("layout", "box"), [("xyxy", [10, 20, 40, 60]), ("xywh", [10, 20, 30, 40]), ("cxcywh", [25, 40, 30, 40])]
)
def test_the_same_box_is_read_from_every_layout(layout: Layout, box: list[float]) -> None:
    assert convert_boxes([box], layout).tolist() == [[10, 20, 40, 60]]
    shares = np.array([box]) / np.array([100, 80, 100, 80])
    assert convert_boxes(shares, layout, [[100, 80]]) == pytest.approx(np.array([[10, 20, 40, 60]]))


@pytest.mark.parametrize(
    ("layout", "boxes", "sizes", "says"),
    [
        ("xyxy", [[0, 0, 1, 1], [10, 20, 5, 60]], None, "box 1 has no width or height of at least 0 as xyxy"),
        ("xywh", [[0, 0, -1, 1]], None, "box 0 has no width"),
        ("cxcywh", [[0, 0, float("nan"), 1]], None, "box 0 has no width"),
        ("xyxy", [[0, 0, float("inf"), 1]], None, "box 0 has no width"),
        ("yxyx", [[0, 0, 1, 1]], None, "boxes must be xyxy, xywh, cxcywh"),
        ("xyxy", [0, 0, 1, 1], None, r"shape \(n, 4\)"),
        ("xyxy", [[0, 0, 1, 1]], [[0, 10]], "sizes must be a width and a height above 0"),
        ("xyxy", [[0, 0, 1, 1]], [[10, 10], [10, 10]], "sizes must be"),
    ],
)
def test_what_is_no_box_is_refused_with_its_place(
    layout: Layout, boxes: list[list[float]], sizes: list[list[float]] | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        convert_boxes(boxes, layout, sizes)


def test_an_overlap_is_shared_by_shared_area() -> None:
    one = np.array([[0.0, 0.0, 10.0, 10.0]])
    others = np.array(
        [[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [20, 20, 30, 30], [2, 2, 2, 8]], dtype=np.float64
    )
    assert overlap_matrix(one, others)[0].tolist() == [1, 50 / 150, 0, 0, 0]
    assert overlap_pairs(others[[4]], others[[4]]).tolist() == [0], (
        "a box without an area overlaps nothing, itself neither"
    )


def test_the_overlap_with_a_crowd_is_the_part_of_the_detection_inside_it() -> None:
    detection, region = np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([[5.0, 0.0, 100.0, 100.0]])
    assert overlap_matrix(detection, region, np.array([True])).tolist() == [[0.5]]


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), min_size=2, max_size=6))
def test_overlaps_are_symmetric_and_lie_between_0_and_1(corners: list[tuple[int, int, int, int]]) -> None:
    given_ = np.array(corners, dtype=np.float64)
    boxes = np.concatenate([np.minimum(given_[:, :2], given_[:, 2:]), np.maximum(given_[:, :2], given_[:, 2:])], axis=1)
    overlap = overlap_matrix(boxes, boxes)
    assert (overlap == overlap.T).all()
    assert ((overlap >= 0) & (overlap <= 1)).all()
    assert (np.diag(overlap) == (box_areas(boxes) > 0)).all()


def test_a_size_begins_at_the_square_of_its_limit() -> None:
    assert size_classes(np.array([0.0, 32**2 - 0.1, 32**2, 96**2 - 0.1, 96**2])).tolist() == [0, 0, 1, 1, 2]
    assert size_classes(np.array([50.0, 500.0]), [10]).tolist() == [0, 1]
    for limits in ([], [0, 5], [96, 32]):
        with pytest.raises(ValueError, match="limits of sizes must be pixels above 0 that rise"):
            size_classes(np.array([1.0]), limits)
