"""One pass of suppression and matching serves every NMS IoU and every score threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import AS_LOGGED, find_suppression, suppress_detections, sweep_suppression
from tests.vision.real import DETECTORS, coco
from tests.vision.worlds import match_plainly, small_worlds, suppress_plainly

LIMITS = (0.2, 1 / 3, 0.5, 0.7, AS_LOGGED)


@settings(deadline=None, max_examples=150)
@given(small_worlds(), st.sampled_from([0.25, 0.5]), st.sampled_from([2, 100]))
def test_sums_over_falling_scores_are_the_counts_at_every_threshold(
    world: tuple[Detections, Truths], iou: float, most: int
) -> None:
    detections, truths = world
    sweep = sweep_suppression(detections, truths, LIMITS, iou, most)
    for index, limit in enumerate(LIMITS):
        kept, matched = sweep.bit(index)
        for threshold in [0.0, *np.unique(detections.score).tolist()]:
            shown = np.flatnonzero(detections.score >= threshold)
            survives = shown[suppress_plainly(detections.pick(shown), limit)]
            alone, _ = match_plainly(detections.pick(survives), truths, iou, most)
            beside = np.isin(alone, np.flatnonzero(truths.left_out))
            above = detections.score >= threshold
            assert np.count_nonzero(kept & matched & above) == np.count_nonzero((alone >= 0) & ~beside)
            assert np.count_nonzero(kept & ~matched & above) == np.count_nonzero(alone == -1)
        assert not (matched & ~kept).any()


@settings(deadline=None, max_examples=100)
@given(small_worlds(), st.sampled_from([1, 100]))
def test_all_iou_s_at_once_are_each_by_itself(world: tuple[Detections, Truths], most: int) -> None:
    detections, _ = world
    together = suppress_detections(detections, LIMITS, most)
    for index, limit in enumerate(LIMITS):
        assert (together >> index & 1).tolist() == suppress_detections(detections, [limit], most).tolist()
    assert (suppress_detections(detections, [AS_LOGGED], None) == 1).all()


def chain() -> Detections:
    """a covers c, c covers b, a and b hardly overlap: with c gone, b stays."""
    none = np.zeros(3, np.int64)
    return Detections(
        none, none, np.array([[0.0, 0, 10, 10], [8.0, 0, 18, 10], [4.0, 0, 14, 10]]), np.array([0.9, 0.5, 0.8])
    )


def test_what_was_suppressed_suppresses_nothing() -> None:
    assert suppress_detections(chain(), [0.4]).tolist() == [1, 1, 0]
    assert suppress_detections(chain().pick(np.array([1, 2])), [0.4]).tolist() == [0, 1], (
        "with a gone, c is there to do it"
    )


def test_an_overlap_of_exactly_the_iou_is_kept() -> None:
    none = np.zeros(2, np.int64)
    detections = Detections(none, none, np.array([[0.0, 0, 10, 10], [0, 0, 10, 5]]), np.array([0.9, 0.8]))
    assert suppress_detections(detections, [0.5, 0.49]).tolist() == [3, 1]


def test_other_images_and_classes_are_not_suppressed() -> None:
    box = np.tile([[0.0, 0, 10, 10]], (3, 1))
    detections = Detections(np.array([0, 1, 0]), np.array([0, 0, 1]), box, np.array([0.9, 0.8, 0.7]))
    assert suppress_detections(detections, [0.3]).tolist() == [1, 1, 1]


def test_of_those_kept_only_the_most_count() -> None:
    none = np.zeros(3, np.int64)
    box = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])
    detections = Detections(none, none, box, np.array([0.9, 0.8, 0.7]))
    assert suppress_detections(detections, [0.5, AS_LOGGED], 2).tolist() == [3, 2, 1]


@pytest.mark.parametrize(("detector", "ceiling"), [(DETECTORS[0], 0.5722), (DETECTORS[1], 0.4168)])
def test_a_log_tells_the_suppression_it_went_through_and_how_much_can_be_found(detector: str, ceiling: float) -> None:
    detections, truths, _ = coco(detector)
    found = find_suppression(detections, truths, [0.3, 0.5, 0.6, AS_LOGGED])
    assert round(found.largest_iou or 0, 4) == 0.6000
    assert found.nms_iou == found.largest_iou
    assert found.can_be_tuned == (0.3, 0.5)
    assert found.score_floor == pytest.approx(0.3, abs=1e-4)
    assert found.recall_ceiling == pytest.approx(ceiling, abs=5e-5)


def test_few_pairs_or_boxes_on_top_of_each_other_tell_of_no_suppression() -> None:
    assert find_suppression(chain()).nms_iou is None, "three boxes tell nothing"
    rng = np.random.default_rng(1)
    corner = rng.random((400, 2)) * 20
    box = np.concatenate([corner, corner + 10], axis=1)
    detections = Detections(np.arange(400) // 20, np.zeros(400, np.int64), box, rng.random(400))
    raw = find_suppression(detections)
    assert raw.pairs > 100
    assert raw.nms_iou is None
    suppressed = find_suppression(detections.pick(suppress_detections(detections, [0.45]) > 0))
    assert suppressed.nms_iou is not None
    assert 0.35 < suppressed.nms_iou <= 0.45


def test_nothing_is_told_of_an_empty_log() -> None:
    none = np.zeros(0, np.int64)
    nobody = Detections(none, none, np.zeros((0, 4)), np.zeros(0))
    found = find_suppression(nobody, Truths(none, none, np.zeros((0, 4))), [0.5])
    assert (found.largest_iou, found.nms_iou, found.score_floor, found.recall_ceiling) == (None,) * 4
    assert found.can_be_tuned == ()
    assert len(suppress_detections(nobody, [0.5])) == 0


@pytest.mark.parametrize("limits", [[], [0.1] * 9, [0.0], [1.2], [float("nan")]])
def test_iou_s_that_mean_nothing_are_refused(limits: list[float]) -> None:
    with pytest.raises(ValueError, match="NMS IoUs"):
        suppress_detections(chain(), limits)
