"""What is measured of a detector, held against published values and counted by hand."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from monitor.vision.average_precision import average_precision
from monitor.vision.matching import match_detections
from monitor.vision.metrics import (
    Judged,
    centre_boxes,
    detection_ece,
    judge_detections,
    localisation_ece,
    measure_rates,
    positional_ece,
)
from monitor.vision.objects import Detections, Truths
from tests.vision.real import DETECTORS, coco, fake, padilla

NONE = np.zeros(0, dtype=np.int64)
FASTER, SSD = DETECTORS


def judged(detector: str, iou: float) -> Judged:
    detections, truths, images = coco(detector)
    return judge_detections(detections, match_detections(detections, truths, iou), images)


@pytest.mark.parametrize(
    ("detector", "iou", "published"),
    [
        (FASTER, 0.5, 0.18164721495243097),
        (FASTER, 0.75, 0.3226286936604336),
        (SSD, 0.5, 0.026029573362377923),
        (SSD, 0.75, 0.19315331689084947),
    ],
)
def test_detection_ece_is_what_was_published(detector: str, iou: float, published: float) -> None:
    assert detection_ece(judged(detector, iou)) == pytest.approx(published, abs=1e-12)


@pytest.mark.parametrize(("detector", "published"), [(FASTER, 0.18169313620850885), (SSD, 0.04764081482906192)])
def test_the_error_over_score_and_position_is_that_of_netcal(detector: str, published: float) -> None:
    found = judged(detector, 0.5)
    centre = centre_boxes(coco(detector)[0].box[found.row], np.ones((len(found), 2)))
    assert positional_ece(found, centre) == pytest.approx(published, abs=1e-12)


@pytest.mark.parametrize(("detector", "published"), [(FASTER, 0.2848), (SSD, 0.1177)])
def test_scores_are_held_against_overlaps(detector: str, published: float) -> None:
    detections, truths, images = coco(detector)
    assert round(localisation_ece(detections, truths, images), 4) == published


@pytest.mark.parametrize(("detector", "mean", "at_half"), [(FASTER, 0.3158, 0.4890), (SSD, 0.2767, 0.4001)])
def test_average_precision_is_that_of_pycocotools(detector: str, mean: float, at_half: float) -> None:
    found = average_precision(*coco(detector))
    assert (round(found.mean, 4), round(found.mean_at(0.5), 4)) == (mean, at_half)


def test_crowds_do_not_count_in_average_precision() -> None:
    found = average_precision(*fake())
    published = (found.mean, found.mean_at(0.5), found.mean_at(0.75))
    assert tuple(round(value, 3) for value in published) == (0.505, 0.697, 0.573)


def test_every_point_gives_the_area_that_padilla_published() -> None:
    found = average_precision(*padilla(), ious=[0.3], every_point=True)
    assert round(100 * found.mean, 2) == 22.54


def test_recall_is_over_the_objects_and_not_over_what_was_found() -> None:
    _, truths, images = coco(SSD)
    found = measure_rates(judged(SSD, 0.5), truths, images, 0.7249)
    assert round(float(found.recall[0]), 3) == 0.262
    assert round(float(found.tp[0] / judged(SSD, 0.5).outcome.sum()), 3) == 0.629, (
        "which is what detections alone would say"
    )


@pytest.mark.parametrize(("detector", "without"), [(FASTER, 28), (SSD, 88)])
def test_images_without_a_detection_are_images(detector: str, without: int) -> None:
    detections, truths, images = coco(detector)
    assert len(np.setdiff1d(images, detections.image)) == without
    found = measure_rates(judged(detector, 0.5), truths, images)
    assert found.fp_per_image[0] == found.fp[0] / 5000


def test_half_and_half_by_images_isotonic_mends_both_detectors() -> None:
    for detector, before, after in ((FASTER, 0.180, 0.010), (SSD, 0.028, 0.007)):
        found, images = judged(detector, 0.5), coco(detector)[2]
        first = np.isin(found.image, np.random.default_rng(0).permutation(images)[:2500])
        fit, held = found.pick(first), found.pick(~first)
        order = np.argsort(fit.score, kind="stable")
        curve = isotonic_regression(fit.outcome[order]).x
        score = np.clip(np.interp(held.score, fit.score[order], curve), 0, 1)
        calibrated = Judged(held.row, score, held.outcome, held.image, held.category)
        assert detection_ece(held) == pytest.approx(before, abs=0.006)
        assert detection_ece(calibrated) == pytest.approx(after, abs=0.006)


def tiny() -> tuple[Detections, Truths]:
    """Images 1 (labelled), 2 (reviewed, empty), 3 (its truth has not come), 4 (labelled, nothing detected)."""
    box = np.array([[0.0, 0, 10, 10]])
    detections = Detections(
        np.array([1, 1, 2, 3, 3]), np.array([0, 1, 0, 0, 1]), np.tile(box, (5, 1)), np.array([0.9, 0.8, 0.3, 0.7, 0.6])
    )
    return detections, Truths(
        np.array([1, 4, 1]), np.array([0, 0, 1]), np.tile(box, (3, 1)), np.array([False, False, True])
    )


def test_an_image_whose_truth_has_not_come_is_not_all_false() -> None:
    detections, truths = tiny()
    found = judge_detections(detections, match_detections(detections, truths), np.array([1, 2, 4]))
    assert found.row.tolist() == [0, 2], "the crowd's and the unlabelled image's are left out"
    assert found.outcome.tolist() == [1, 0], "what was found in an image reviewed as empty is wrong"
    rates = measure_rates(found, truths, np.array([1, 2, 4]))
    assert rates.category.tolist() == [0], "a crowd is no object to be found"
    assert (rates.precision[0], rates.recall[0], rates.fp_per_image[0]) == (0.5, 0.5, 1 / 3)


def test_rates_are_told_per_class_and_unknown_where_there_is_nothing() -> None:
    image, score = np.zeros(3, np.int64), np.array([0.9, 0.8, 0.2])
    found = Judged(np.arange(3), score, np.array([1.0, 0.0, 1.0]), image, np.array([0, 0, 2]))
    box = np.zeros((3, 4))
    rates = measure_rates(found, Truths(image, np.array([0, 2, 5]), box), np.arange(4), 0.5)
    assert rates.category.tolist() == [0, 2, 5]
    assert rates.tp.tolist() == [1, 1, 0, 0]
    assert rates.fp.tolist() == [1, 1, 0, 0]
    np.testing.assert_equal(rates.precision, [0.5, 0.5, np.nan, np.nan])
    assert rates.recall.tolist() == [1 / 3, 1, 0, 0]
    assert rates.fp_per_image.tolist() == [0.25, 0.25, 0, 0]
    strict = measure_rates(found, Truths(image, np.array([0, 2, 5]), box), np.arange(4), np.array([0.95, 0.5, 0.1]))
    assert strict.tp.tolist() == [1, 0, 1, 0], "classes may have thresholds of their own"
    nothing = measure_rates(found.pick(NONE), Truths(NONE, NONE, np.zeros((0, 4))), NONE)
    assert np.isnan([nothing.precision[0], nothing.recall[0], nothing.fp_per_image[0]]).all()


def test_the_error_above_a_threshold_is_that_of_the_boxes_shown() -> None:
    found = judged(FASTER, 0.5)
    shown = found.pick(found.score >= 0.7)
    assert detection_ece(found, 0.7) == detection_ece(shown)
    assert detection_ece(found, 0.7) == pytest.approx(np.abs(_residuals(shown)).sum() / len(shown), abs=1e-12)
    per_class = np.where(found.category == 1, 0.5, 0.9)
    assert detection_ece(found, per_class) == detection_ece(found.pick(found.score >= per_class))


def _residuals(found: Judged) -> list[float]:
    place = np.minimum(np.floor(found.score * 15), 14)
    return [float((found.score - found.outcome)[place == each].sum()) for each in range(15)]


def test_without_detections_errors_are_unknown() -> None:
    found = judged(FASTER, 0.5).pick(NONE)
    nobody = Detections(NONE, NONE, np.zeros((0, 4)), np.zeros(0))
    assert np.isnan(detection_ece(found))
    assert np.isnan(detection_ece(judged(FASTER, 0.5), 1.01))
    assert np.isnan(positional_ece(found, np.zeros((0, 2))))
    assert np.isnan(localisation_ece(nobody, tiny()[1], np.array([1])))
    assert np.isnan(average_precision(nobody, Truths(NONE, NONE, np.zeros((0, 4))), NONE).mean)
    assert average_precision(nobody, tiny()[1], np.array([1])).mean == 0, "objects of which none is found"


def test_a_bin_with_few_boxes_adds_nothing_but_counts() -> None:
    none = np.zeros(10, np.int64)
    found = Judged(np.arange(10), np.r_[np.full(8, 0.9), 0.1, 0.1], np.r_[np.ones(8), 1, 1], none, none)
    assert positional_ece(found, np.full((10, 2), 0.5)) == pytest.approx(0.08)
    with pytest.raises(ValueError, match="must be shares"):
        positional_ece(found, np.full((10, 2), 1.5))


def test_calibrated_scores_take_the_place_of_raw_ones() -> None:
    detections, truths, images = coco(SSD)
    matches = match_detections(detections, truths)
    found = judge_detections(detections, matches, images, detections.score**2)
    assert np.array_equal(found.score, detections.score**2)
    half = np.full(len(detections), 0.5)
    assert localisation_ece(detections, truths, images, half) != localisation_ece(detections, truths, images)
