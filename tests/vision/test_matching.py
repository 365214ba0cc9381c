"""Matching equals pycocotools, box for box, and what one would write down for a few boxes."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from monitor.statistics.arrays import Floats, Ints
from monitor.vision.matching import match_detections
from monitor.vision.objects import Detections, Truths, rank_detections, spread_ranges
from tests.vision.real import DETECTORS, authors_matches, coco, fake
from tests.vision.worlds import match_plainly, small_worlds

NONE = np.zeros(0, dtype=np.int64)
World = tuple[Detections, Truths, Ints]


def cocos_own(detections: Detections, truths: Truths, ious: Floats) -> tuple[Ints, Ints]:
    """(truth or −1, neither right nor wrong), (ious, n) each, as pycocotools has them."""
    evaluation = COCOeval(_coco(truths, None), _coco(truths, detections), "bbox")
    evaluation.params.imgIds = np.union1d(truths.image, detections.image).tolist()
    evaluation.params.catIds = np.union1d(truths.category, detections.category).tolist()
    evaluation.params.iouThrs = ious
    evaluation._prepare()
    truth, ignored = np.full((len(ious), len(detections)), -1), np.zeros((len(ious), len(detections)), np.int64)
    # its own loop goes over all images × classes, of which nearly all are empty
    for image, category in {*zip(detections.image.tolist(), detections.category.tolist(), strict=True)}:
        evaluation.ious[image, category] = evaluation.computeIoU(image, category)
        found = evaluation.evaluateImg(image, category, [0, 1e10], 100)
        rows = np.array(found["dtIds"], dtype=np.int64) - 1
        truth[:, rows] = found["dtMatches"].astype(np.int64) - 1
        ignored[:, rows] = found["dtIgnore"]
    return truth, ignored


def _coco(truths: Truths, detections: Detections | None) -> COCO:
    rows: Truths | Detections = truths if detections is None else detections
    sides = np.concatenate([rows.box[:, :2], rows.box[:, 2:] - rows.box[:, :2]], axis=1)
    crowds = truths.crowds if detections is None else np.zeros(len(rows), np.bool_)
    annotations = [
        {
            "id": index + 1,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": crowd,
        }
        for index, (image, category, box, crowd) in enumerate(
            zip(rows.image.tolist(), rows.category.tolist(), sides.tolist(), crowds.astype(int).tolist(), strict=True)
        )
    ]
    if detections is not None:
        for annotation, score in zip(annotations, detections.score.tolist(), strict=True):
            annotation["score"] = score
    found = COCO()
    found.dataset = {
        "images": [{"id": image} for image in np.unique(rows.image).tolist()],
        "categories": [{"id": category} for category in np.unique(rows.category).tolist()],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        found.createIndex()
    return found


@pytest.mark.parametrize(
    "world", [lambda: coco(DETECTORS[0]), lambda: coco(DETECTORS[1]), fake], ids=[*DETECTORS, "with crowds"]
)
def test_no_box_differs_from_pycocotools(world: Callable[[], World]) -> None:
    detections, truths, _ = world()
    ious = np.array([0.5, 0.75])
    expected, ignored = cocos_own(detections, truths, ious)
    for row, iou in enumerate(ious.tolist()):
        found = match_detections(detections, truths, iou)
        assert np.count_nonzero(found.truth != expected[row]) == 0
        assert np.count_nonzero(found.ignored != (ignored[row] > 0)) == 0


@pytest.mark.parametrize(
    ("detector", "iou", "right"),
    [
        (DETECTORS[0], 0.5, 21_045),
        (DETECTORS[0], 0.75, 15_397),
        (DETECTORS[1], 0.5, 15_332),
        (DETECTORS[1], 0.75, 11_068),
    ],
)
def test_as_many_are_right_as_was_published(detector: str, iou: float, right: int) -> None:
    detections, truths, _ = coco(detector)
    assert np.count_nonzero(match_detections(detections, truths, iou).right) == right


def test_nearly_all_agree_with_the_authors_own_matching() -> None:
    detections, truths, _ = coco(DETECTORS[0])
    found = match_detections(detections, truths, 0.75)
    assert np.mean(found.right == (authors_matches(DETECTORS[0]) == 1)) == pytest.approx(0.997, abs=0.0005)


@pytest.mark.parametrize(("iou", "counts"), [(0.5, (649, 85, 0, 181)), (0.75, (554, 172, 8, 276))])
def test_what_falls_to_a_crowd_is_neither_right_nor_wrong(iou: float, counts: tuple[int, ...]) -> None:
    detections, truths, _ = fake()
    found = match_detections(detections, truths, iou)
    missed = (found.found_by < 0) & ~truths.crowds
    assert np.count_nonzero(truths.crowds) == 9
    assert counts == tuple(
        np.count_nonzero(flags) for flags in (found.right, ~found.right & ~found.ignored, found.ignored, missed)
    )


@settings(deadline=None, max_examples=300)
@given(small_worlds(), st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.sampled_from([1, 2, 100]))
def test_matching_many_at_once_is_matching_one_after_another(
    world: tuple[Detections, Truths], iou: float, most: int
) -> None:
    detections, truths = world
    expected, taken = match_plainly(detections, truths, iou, most)
    found = match_detections(detections, truths, iou, most)
    assert np.where(found.ignored & (found.truth < 0), -2, found.truth).tolist() == expected.tolist()
    assert (found.found_by >= 0).tolist() == (taken & ~truths.crowds).tolist()
    single = np.flatnonzero(found.found_by >= 0)
    assert found.truth[found.found_by[single]].tolist() == single.tolist()
    assert (found.iou[found.truth < 0] == 0).all()
    assert (found.iou[found.truth >= 0] >= min(iou, 1 - 1e-10)).all()


def one_image(boxes: list[list[float]], scores: list[float] | None = None) -> Detections:
    none = np.zeros(len(boxes), np.int64)
    return Detections(none, none, np.array(boxes, np.float64), np.array(scores or [0.5] * len(boxes)))


def one_truth(boxes: list[list[float]], crowd: list[bool] | None = None, ignored: list[bool] | None = None) -> Truths:
    none, flags = (
        np.zeros(len(boxes), np.int64),
        (None if each is None else np.array(each) for each in (crowd, ignored)),
    )
    return Truths(none, none, np.array(boxes, np.float64), *flags)


def test_an_object_is_found_once_and_by_the_higher_score() -> None:
    found = match_detections(one_image([[0, 0, 9, 10], [0, 0, 10, 10]], [0.9, 0.8]), one_truth([[0, 0, 10, 10]]))
    assert found.truth.tolist() == [0, -1], "the better overlap of the lower score comes too late"
    assert found.right.tolist() == [True, False]


def test_of_equal_scores_the_first_chooses_and_of_equal_overlaps_it_takes_the_later() -> None:
    found = match_detections(one_image([[0, 0, 10, 10]] * 2), one_truth([[0, 0, 10, 10], [0, 0, 10, 10]]))
    assert found.truth.tolist() == [1, 0]


def test_a_true_object_goes_before_an_ignored_one_that_overlaps_more() -> None:
    truths = one_truth([[0, 0, 10, 10], [0, 0, 10, 8]], ignored=[True, False])
    found = match_detections(one_image([[0, 0, 10, 10]] * 3), truths)
    assert found.truth.tolist() == [1, 0, -1], "an ignored one is had once, as it is no crowd"
    assert found.ignored.tolist() == [False, True, False]


def test_a_crowd_is_had_by_as_many_as_lie_in_it_and_found_by_none() -> None:
    found = match_detections(one_image([[0, 0, 5, 5], [5, 5, 9, 9]]), one_truth([[0, 0, 100, 100]], crowd=[True]))
    assert found.truth.tolist() == [0, 0]
    assert found.ignored.all()
    assert found.found_by.tolist() == [-1]


def test_classes_may_ask_for_overlaps_of_their_own() -> None:
    detections = Detections(np.zeros(2, np.int64), np.arange(2), np.array([[0.0, 0, 10, 6]] * 2), np.ones(2))
    truths = Truths(np.zeros(2, np.int64), np.arange(2), np.array([[0.0, 0, 10, 10]] * 2))
    assert match_detections(detections, truths, np.array([0.5, 0.7])).truth.tolist() == [0, -1]


def test_an_overlap_of_exactly_what_is_asked_for_is_enough() -> None:
    assert match_detections(one_image([[0, 0, 10, 5]]), one_truth([[0, 0, 10, 10]]), 0.5).truth.tolist() == [0]
    assert match_detections(one_image([[0, 0, 0.3, 0.1]]), one_truth([[0, 0, 0.3, 0.1]]), 1.0).truth.tolist() == [0]


def test_what_is_beyond_the_most_takes_no_part_and_is_neither_right_nor_wrong() -> None:
    truths = one_truth([[0, 0, 10, 10], [20, 20, 30, 30]])
    found = match_detections(one_image([[20, 20, 30, 30], [0, 0, 10, 10]], [0.3, 0.9]), truths, 0.5, 1)
    assert found.truth.tolist() == [-1, 0]
    assert found.ignored.tolist() == [True, False]


def test_nothing_is_matched_with_nothing() -> None:
    nobody = Detections(NONE, NONE, np.zeros((0, 4)), np.zeros(0))
    empty = Truths(NONE, NONE, np.zeros((0, 4)))
    assert len(match_detections(nobody, empty).truth) == 0
    assert match_detections(nobody, one_truth([[0, 0, 1, 1]])).found_by.tolist() == [-1]
    assert match_detections(one_image([[0, 0, 1, 1]]), empty).truth.tolist() == [-1]


def test_other_images_and_classes_have_nothing_to_do_with_it() -> None:
    detections = Detections(np.array([5, 5]), np.array([2, 3]), np.array([[0.0, 0, 1, 1]] * 2), np.ones(2))
    for image, category in ((4, 3), (6, 2), (5, 1), (5, 4), (4, 4)):
        truths = Truths(np.array([image]), np.array([category]), np.array([[0.0, 0, 1, 1]]))
        assert match_detections(detections, truths).truth.tolist() == [-1, -1]


def test_values_that_mean_nothing_are_refused() -> None:
    detections, truths = one_image([[0, 0, 1, 1]]), one_truth([[0, 0, 1, 1]])
    for iou in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="iou must be above 0 and at most 1"):
            match_detections(detections, truths, iou)
    with pytest.raises(ValueError, match="one number, or one per detection, 1"):
        match_detections(detections, truths, np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="scores must be numbers"):
        one_image([[0, 0, 1, 1]], [float("nan")])
    with pytest.raises(ValueError, match="must have the shapes"):
        Detections(np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros((1, 4)), np.zeros(2))
    with pytest.raises(ValueError, match="one value per box, 1"):
        Truths(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((1, 4)), np.zeros(2, np.bool_))


def test_ranges_are_spread_in_parts_that_lose_nothing() -> None:
    first, last = np.array([0, 3, 9, 2]), np.array([3, 3, 14, 4])
    for at_once in (1, 2, 5, 100):
        parts = [*spread_ranges(first, last, at_once)]
        pairs = [pair for rows, others in parts for pair in zip(rows.tolist(), others.tolist(), strict=True)]
        assert pairs == [(row, other) for row in range(4) for other in range(first[row], last[row])]


def test_ranks_count_within_image_and_class() -> None:
    detections = Detections(
        np.array([1, 1, 2, 1]), np.array([0, 0, 0, 7]), np.zeros((4, 4)), np.array([0.1, 0.5, 0.3, 0.2])
    )
    assert rank_detections(detections).rank.tolist() == [1, 0, 0, 0]
