"""The trade-off over thresholds and NMS IoUs is what counting at each of them gives."""

import numpy as np
import pytest
from hypothesis import given, settings

from monitor.vision.labelled import LabelledBoxes, count_boxes, label_boxes, split_images
from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import AS_LOGGED, Sweep, sweep_suppression
from monitor.vision.trade_off import EVERY, draw_trade_off, f_score
from tests.vision.real import DETECTORS, NMS_IOUS, swept
from tests.vision.worlds import small_worlds

IMAGES = np.array([3, 4, 9])
LIMITS = (1 / 3, AS_LOGGED)


def labelled(world: tuple[Detections, Truths]) -> LabelledBoxes:
    detections, truths = world
    return label_boxes(detections, truths, IMAGES, sweep_suppression(detections, truths, LIMITS))


@settings(deadline=None)
@given(small_worlds())
def test_every_point_is_what_counting_there_gives(world: tuple[Detections, Truths]) -> None:
    boxes = labelled(world)
    found = draw_trade_off(boxes, beta=2.0)
    for row in range(len(found)):
        category, nms = int(found.category[row]), LIMITS.index(float(found.nms_iou[row]))
        kept, matched = boxes.sweep.bit(nms)
        shown = kept & (boxes.score >= found.threshold[row]) & (np.isin(boxes.category, category) | (category == EVERY))
        objects = np.count_nonzero((boxes.object_category == category) | (category == EVERY))
        tp, fp = np.count_nonzero(shown & matched), np.count_nonzero(shown & ~matched)
        assert (found.tp[row], found.fp[row], found.objects[row]) == (tp, fp, objects)
        assert found.precision[row] == tp / (tp + fp)
        assert found.fp_per_image[row] == fp / 3
        if objects:
            assert found.recall[row] == tp / objects
            assert found.f1[row] == pytest.approx(2 * tp / (tp + fp + objects))
            assert found.fbeta[row] == pytest.approx(5 * tp / (tp + fp + 4 * objects))
        else:
            assert np.isnan(found.recall[row])
    curves = np.stack([found.category, found.nms_iou * 1e6], axis=1)
    same = (np.diff(curves, axis=0) == 0).all(axis=1)
    assert (np.diff(found.threshold)[same] > 0).all()


@settings(deadline=None)
@given(small_worlds())
def test_counts_of_images_are_those_of_a_loop_over_them(world: tuple[Detections, Truths]) -> None:
    boxes, thresholds = labelled(world), np.array([0.0, 0.3, 0.5, 0.9])
    for nms in range(2):
        counts = count_boxes(boxes, nms, thresholds)
        kept, matched = boxes.sweep.bit(nms)
        q = np.array([np.count_nonzero(boxes.object_image == image) for image in IMAGES])
        assert (counts.positives, counts.qq, counts.groups) == (q.sum(), (q**2).sum(), 3)
        for index, threshold in enumerate(thresholds):
            shown = kept & (boxes.score >= threshold)
            a = np.array([np.count_nonzero(shown & matched & (boxes.image == image)) for image in IMAGES])
            f = np.array([np.count_nonzero(shown & ~matched & (boxes.image == image)) for image in IMAGES])
            assert counts.aq[index] == (a * q).sum()
            assert (counts.tp[index], counts.fp[index]) == (a.sum(), f.sum())
            assert (counts.aa[index], counts.af[index], counts.ff[index]) == (
                (a * a).sum(),
                (a * f).sum(),
                (f * f).sum(),
            )
            assert counts.touched[index] == np.count_nonzero(a + f)


def test_a_curve_is_thinned_but_keeps_its_ends_and_its_best_point() -> None:
    boxes = swept(DETECTORS[0])
    every, few = draw_trade_off(boxes, most=100_000), draw_trade_off(boxes, most=20)
    for nms_iou in NMS_IOUS:
        whole = (every.category == EVERY) & (every.nms_iou == nms_iou)
        thin = (few.category == EVERY) & (few.nms_iou == nms_iou)
        assert np.count_nonzero(thin) <= 20
        assert few.f1[thin].max() == every.f1[whole].max()
        assert few.threshold[thin][[0, -1]].tolist() == every.threshold[whole][[0, -1]].tolist()
        assert np.isin(few.threshold[thin], every.threshold[whole]).all()
    person = (every.category == 1) & (every.nms_iou == 0.5)
    assert every.objects[person][0] == np.count_nonzero(boxes.object_category == 1)
    assert len(few) <= 20 * 81 * len(NMS_IOUS)


def test_suppressing_more_trades_recall_for_precision() -> None:
    found = draw_trade_off(swept(DETECTORS[0]), most=100_000)
    lowest = [np.flatnonzero((found.category == EVERY) & (found.nms_iou == nms_iou))[0] for nms_iou in NMS_IOUS]
    assert (np.diff(found.recall[lowest]) > 0).all()
    assert (np.diff(found.precision[lowest]) < 0).all()


def test_images_without_truth_are_no_part_of_it() -> None:
    box, none = np.array([[0.0, 0, 1, 1]] * 2), np.zeros(2, np.int64)
    detections = Detections(np.array([1, 2]), none, box, np.array([0.9, 0.8]))
    truths = Truths(np.array([1]), none[:1], box[:1])
    boxes = label_boxes(detections, truths, np.array([1, 7]), sweep_suppression(detections, truths, [AS_LOGGED]))
    assert boxes.image.tolist() == [1]
    assert draw_trade_off(boxes).fp_per_image.tolist() == [0, 0]
    with pytest.raises(ValueError, match="named once each"):
        label_boxes(detections, truths, np.array([1, 1]), boxes.sweep)
    with pytest.raises(ValueError, match=r"scores must lie in \[0, 1\]"):
        label_boxes(detections, truths, np.array([1]), boxes.sweep, np.array([0.5, 1.5]))


def test_the_parts_are_cut_in_the_order_of_the_images() -> None:
    none = np.zeros(0, np.int64)
    mask = np.zeros(0, np.uint8)
    boxes = LabelledBoxes(np.array([7, 1, 5, 2]), none, none, np.zeros(0), Sweep((1.0,), mask, mask), none, none)
    earlier, later = split_images(boxes, 0.25)
    assert (earlier.images.tolist(), later.images.tolist()) == ([7], [1, 5, 2])
    assert len(draw_trade_off(boxes)) == 0
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share must be above 0 and below 1"):
            split_images(boxes, share)
    with pytest.raises(ValueError, match="there must be a labelled image"):
        count_boxes(boxes.of_images(none), 0, np.array([0.5]))


def test_f_beta_weighs_objects_that_are_missed() -> None:
    tp, fp, objects = np.array([3.0, 0.0]), np.array([1.0, 0.0]), np.array([4.0, 0.0])
    assert f_score(tp, fp, objects, 1.0)[0] == 0.75
    assert f_score(tp, fp, objects, 2.0)[0] == pytest.approx(15 / 20)
    assert np.isnan(f_score(tp, fp, objects, 1.0)[1])
    for beta, most in ((0.0, 10), (1.0, 2)):
        with pytest.raises(ValueError, match="beta must be above 0 and most at least 3"):
            draw_trade_off(swept(DETECTORS[1]), beta, most)
