"""Where to operate a detector: what is chosen, on which images, and what is said where nothing can be promised."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.statistics.intervals import clopper_pearson
from monitor.statistics.thresholds.policies import parse_policy
from monitor.vision.labelled import LabelledBoxes, split_images
from monitor.vision.optima import OperatingPoint, choose_optimum, compare_shown, show_boxes
from monitor.vision.promises import attempt_promise, choose_nms, count_missing, least_trials
from monitor.vision.suppression import Sweep
from monitor.vision.trade_off import draw_trade_off
from monitor.vision.tuning import tune_detector
from tests.vision.real import DETECTORS, swept
from tests.vision.worlds import make_population

PRECISION = parse_policy("precision>=0.95")
F1 = parse_policy("f1")
NONE = np.zeros(0, np.int64)


def alone(right: list[int], score: float = 0.9, first: int = 0, category: int = 0) -> LabelledBoxes:
    """One box an image, all of one score; ``right`` are 0 or 1. Its object is there in every image."""
    count = len(right)
    images, mask = np.arange(first, first + count), np.ones(count, np.uint8)
    matched = np.array(right, np.uint8)
    code = np.full(count, category)
    return LabelledBoxes(images, images, code, np.full(count, score), Sweep((1.0,), mask, matched), images, code)


def joined(*parts: LabelledBoxes) -> LabelledBoxes:
    """All images and boxes of all parts, of one NMS IoU each."""
    kept, matched = (np.concatenate([getattr(part.sweep, name) for part in parts]) for name in ("kept", "matched"))
    return LabelledBoxes(
        np.unique(np.concatenate([part.images for part in parts])),
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.category for part in parts]),
        np.concatenate([part.score for part in parts]),
        Sweep(parts[0].nms_iou, kept, matched),
        np.concatenate([part.object_image for part in parts]),
        np.concatenate([part.object_category for part in parts]),
    )


@pytest.mark.parametrize(("right", "of", "missing"), [(59, 59, 40), (92, 93, 1), (122, 124, 1)])
def test_95_at_95_takes_59_of_59_or_92_of_93_or_122_of_124(right: int, of: int, missing: int) -> None:
    assert least_trials(0.95, 0.95, np.array([float(of - right)])).tolist() == [of]
    earlier = alone([1] * 200, first=1000)
    later = [1] * right + [0] * (of - right)
    assert attempt_promise(PRECISION, earlier, alone(later), 0.95).threshold is not None
    attempt = attempt_promise(PRECISION, earlier, alone(later[1:]), 0.95)
    assert attempt.threshold is None
    # of both parts, at the posterior median of what was seen: where all were right, that is less than all
    assert count_missing(PRECISION, attempt, 0.95)[0] == missing


def test_the_least_trials_are_the_first_that_the_exact_bound_passes() -> None:
    failures = np.array([0.0, 3.0, 17.0, 240.0])
    for target, confidence in ((0.9, 0.95), (0.95, 0.8), (0.5, 0.9)):
        n = least_trials(target, confidence, failures)
        assert (clopper_pearson(n - failures, n, confidence)[0] >= target).all()
        assert (clopper_pearson(n - 1 - failures, n - 1, confidence)[0] < target).all()


def test_a_class_with_too_little_is_told_how_much_is_missing() -> None:
    later = joined(alone([1] * 300), alone([1] * 20, first=400, category=1), alone([0] * 90, first=500, category=2))
    earlier = joined(
        alone([1] * 300, first=2000), alone([1] * 20, first=2400, category=1), alone([0] * 90, first=2500, category=2)
    )
    tuning = tune_detector(PRECISION, earlier, later)
    assert [point.categories for point in tuning.own] == [(0,)]
    assert [(each.category, each.missing) for each in tuning.without] == [(1, 293), (2, None)]
    assert (tuning.without[0].detections, tuning.without[0].wrong) == (20, 0)
    assert tuning.together is not None
    assert tuning.together.categories == (1, 2)
    assert not tuning.together.accepted
    assert tuning.find_point(0) == tuning.own[0]
    assert tuning.find_point(1) is None


def test_classes_that_are_each_too_small_are_promised_together() -> None:
    parts = [alone([1] * 30, first=100 * category, category=category) for category in range(4)]
    later = joined(*parts)
    earlier = joined(*(replace_images(part, 5000) for part in parts))
    tuning = tune_detector(PRECISION, earlier, later)
    assert tuning.own == ()
    assert tuning.together is not None
    assert tuning.together.accepted
    assert tuning.together.categories == (0, 1, 2, 3)
    assert tuning.together.precision.estimate == 1
    assert [each.missing for each in tuning.without] == [163] * 4
    assert tuning.find_point(2) == tuning.together
    whole = tune_detector(PRECISION, earlier, later, per_class=False)
    assert whole.together == tuning.together
    assert whole.own == ()
    assert whole.without == ()


def test_a_detector_of_one_class_is_told_what_it_lacks() -> None:
    tuning = tune_detector(PRECISION, alone([1] * 40, first=100), alone([1] * 40))
    assert [each.missing for each in tuning.without] == [107]
    assert tuning.together is not None
    assert (tuning.together.accepted, tuning.together.missing) == (False, 107)
    enough = tune_detector(PRECISION, alone([1] * 300, first=100), alone([1] * 90))
    assert [point.categories for point in enough.own] == [(0,)]
    assert (enough.together, enough.without) == (None, ())


def replace_images(boxes: LabelledBoxes, by: int) -> LabelledBoxes:
    return replace(boxes, images=boxes.images + by, image=boxes.image + by, object_image=boxes.object_image + by)


def test_boxes_of_one_image_count_as_a_cluster() -> None:
    """180 boxes of which 3 are wrong pass on their own; in 18 images of ten, the wrong ones in one, they do not."""
    right = np.ones(180, np.uint8)
    right[:3] = 0
    single = replace(alone([1] * 180), sweep=Sweep((1.0,), np.ones(180, np.uint8), right))
    earlier = alone([1] * 200, first=1000)
    assert attempt_promise(PRECISION, earlier, single, 0.95).threshold is not None
    image = np.repeat(np.arange(18), 10)
    clustered = replace(single, images=np.arange(18), image=image, object_image=image)
    assert attempt_promise(PRECISION, earlier, clustered, 0.95).threshold is None


def test_the_walk_does_not_go_on_after_a_failure() -> None:
    """The later part fails at .9, where the walk passes on its way down, and is flawless again at .5."""
    earlier = joined(alone([1] * 100, 0.95), alone([0] * 100, 0.9, 100))
    later = replace_images(
        joined(alone([1] * 100, 0.95), alone([1] * 300 + [0] * 100, 0.9, 100), alone([1] * 9000, 0.5, 500)), 20_000
    )
    attempt = attempt_promise(PRECISION, earlier, later, 0.95)
    assert attempt.threshold is not None
    assert attempt.threshold > 0.9
    bound = attempt.counts.precision_bounds(0.95)[0]
    assert bound[attempt.counts.threshold <= 0.5].max() > 0.95, "it would pass there"


def test_no_later_outcome_has_a_say_in_nms_or_where_the_walk_begins() -> None:
    earlier, later = split_images(swept(DETECTORS[0]).of_categories(np.array([1])), 0.3)
    found = attempt_promise(PRECISION, earlier, later, 0.95)
    turned = replace(later, sweep=Sweep(later.nms_iou, later.sweep.kept, later.sweep.kept & ~later.sweep.matched))
    again = attempt_promise(PRECISION, earlier, turned, 0.95)
    assert (again.nms, again.start) == (found.nms, found.start)
    assert again.threshold is None


def test_over_confident_scores_can_be_tuned_without_a_calibrator() -> None:
    boxes = swept(DETECTORS[0]).of_categories(np.array([1]))
    rng = np.random.default_rng(5)
    earlier, later = split_images(replace(boxes, images=rng.permutation(boxes.images)), 0.3)
    point = tune_detector(PRECISION, earlier, later).find_point(1)
    assert point is not None
    assert (point.precision.lower or 0) >= 0.95
    assert point.nms_iou < 0.6, "a second suppression leaves more"
    logged = tune_detector(PRECISION, as_logged(earlier), as_logged(later)).find_point(1)
    assert logged is not None
    assert (logged.recall.estimate or 0) < (point.recall.estimate or 0)


def as_logged(boxes: LabelledBoxes) -> LabelledBoxes:
    return replace(boxes, sweep=boxes.sweep.only(len(boxes.nms_iou) - 1))


def test_of_nms_ious_that_give_the_same_the_highest_is_taken() -> None:
    boxes = alone([1] * 100)
    same = replace(boxes, sweep=Sweep((0.3, 1.0, 0.5), np.full(100, 7, np.uint8), np.full(100, 7, np.uint8)))
    for text in ("precision>=0.9", "recall>=0.9", "fp_per_image<=0.5"):
        assert choose_nms(parse_policy(text), same, 0.95) == 1
    assert choose_nms(PRECISION, same.of_images(NONE), 0.95) == 1
    assert choose_optimum(F1, same) == OperatingPoint(0.9, 1)


@pytest.mark.parametrize(
    ("text", "useful"), [("recall>=0.5", "precision"), ("fp_per_image<=0.2", "recall"), ("precision>=0.8", "recall")]
)
def test_every_promise_is_kept_by_its_bound_and_is_the_last_of_the_walk(text: str, useful: str) -> None:
    earlier, later = split_images(make_population(np.random.default_rng(1), 3000))
    tuning = tune_detector(parse_policy(text), earlier, later, per_class=False)
    point = tuning.together
    assert point is not None
    assert point.accepted
    kept = {
        "recall>=0.5": (point.recall.lower or 0) >= 0.5,
        "fp_per_image<=0.2": (point.fp_per_image.upper or 1) <= 0.2,
        "precision>=0.8": (point.precision.lower or 0) >= 0.8,
    }
    assert kept[text]
    assert (getattr(point, useful).estimate or 0) > 0.3
    assert point.objects == len(later.object_image), "recall is over all objects"
    assert tuning.later == 1500


@pytest.mark.parametrize("text", ["recall>=0.9", "fp_per_image<=0.001"])
def test_what_is_missing_is_told_in_objects_and_images(text: str) -> None:
    boxes = alone([1] * 20)
    found = attempt_promise(parse_policy(text), alone([1] * 20, first=100), boxes, 0.95)
    assert found.threshold is None
    missing, _ = count_missing(parse_policy(text), found, 0.95)
    assert missing == {"recall>=0.9": 9, "fp_per_image<=0.001": 2976}[text]
    hopeless = attempt_promise(parse_policy(text), alone([0] * 90, first=100), alone([0] * 90), 0.95)
    assert count_missing(parse_policy(text), hopeless, 0.95)[0] is None


@pytest.mark.parametrize("text", ["f1", "fbeta:2", "cost:fp=1,fn=4"])
def test_the_best_point_is_the_best_of_the_trade_off(text: str) -> None:
    policy, boxes = parse_policy(text), make_population(np.random.default_rng(2), 1000)
    point = choose_optimum(policy, boxes)
    assert point is not None
    found = draw_trade_off(boxes, policy.beta, most=100_000)
    every = found.category == -1
    value = found.fbeta if policy.kind == "fbeta" else -(found.fp + 4 * (found.objects - found.tp))
    at = every & (found.threshold == point.threshold) & (found.nms_iou == boxes.nms_iou[point.nms])
    assert value[at] == value[every].max()


def test_a_better_point_is_accepted_only_with_confidence() -> None:
    earlier, later = split_images(make_population(np.random.default_rng(3), 2000))
    tuning = tune_detector(F1, earlier, later)
    point = tuning.find_point(0)
    assert point is not None
    assert point.improvement is not None
    assert point.improvement.lower > 0
    current = {0: OperatingPoint(point.threshold or 0, later.nms_iou.index(point.nms_iou))}
    again = tune_detector(F1, earlier, later, current=current)
    assert again.find_point(0) is None, "what is in use is not better than itself"
    assert [each.category for each in again.without] == [0, 2]


def test_where_the_two_differ_in_few_images_nothing_is_sure() -> None:
    boxes = alone([1] * 497 + [0] * 3)
    boxes = replace(boxes, score=np.r_[np.full(497, 0.9), np.full(3, 0.4)])
    new, old = OperatingPoint(0.5, 0), OperatingPoint(0.0, 0)
    shown, logged = (show_boxes(boxes, {}, point) for point in (new, old))
    for text in ("f1", "cost:fp=1,fn=1"):
        found = compare_shown(parse_policy(text), boxes, shown, logged, 0.99)
        assert found.mean > 0
        assert found.groups == 3
        assert found.lower < 0
        same = compare_shown(parse_policy(text), boxes, shown, shown, 0.99)
        assert (same.mean, same.groups) == (0, 0)
        assert np.isnan(same.lower)


@pytest.mark.parametrize("text", ["f1", "cost:fp=1,fn=2"])
def test_the_spread_of_an_improvement_is_that_of_other_draws_of_images(text: str) -> None:
    policy, rng = parse_policy(text), np.random.default_rng(4)
    points = OperatingPoint(0.7, 0), OperatingPoint(0.3, 1)
    means, errors = [], []
    for _ in range(60):
        boxes = make_population(rng, 400)
        found = compare_shown(policy, boxes, show_boxes(boxes, {}, points[0]), show_boxes(boxes, {}, points[1]), 0.8413)
        means.append(found.mean)
        errors.append(found.mean - found.lower)
    assert np.std(means) == pytest.approx(np.mean(errors), rel=0.25)


def test_classes_keep_points_of_their_own_in_what_is_in_use() -> None:
    boxes = joined(alone([1, 1], 0.6), alone([1, 1], 0.6, first=10, category=1))
    shown = show_boxes(boxes, {1: OperatingPoint(0.7, 0)}, OperatingPoint(0.5, 0))
    assert shown.shown.tolist() == [True, True, False, False]
    assert shown.right.tolist() == [True, True, False, False]


def test_a_detector_that_saw_nothing_is_not_tuned() -> None:
    empty = replace(alone([]), images=np.arange(5))
    objects = replace(empty, object_image=np.arange(5), object_category=np.zeros(5, np.int64))
    for policy in (PRECISION, F1, parse_policy("recall>=0.5")):
        tuning = tune_detector(policy, replace_images(objects, 100), objects)
        assert tuning.together is not None
        assert (tuning.together.threshold, tuning.together.accepted, tuning.together.objects) == (None, False, 5) or (
            policy is F1 and tuning.together.threshold is None
        )
        assert tune_detector(policy, replace_images(empty, 100), empty).together is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("youden", "youden is nothing that a detector can be best at"),
        ("accuracy>=0.9", "accuracy>=0.9 is no promise of a detector"),
        ("cost:fp=1,fn=1,prior=0.1", "a detector has no base rate"),
    ],
)
def test_policies_that_a_detector_cannot_have_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tune_detector(parse_policy(text), alone([1] * 5, first=10), alone([1] * 5))
    with pytest.raises(ValueError, match=says):
        tune_detector(parse_policy(text), alone([1] * 5, first=10).of_images(NONE), alone([1] * 5))


def test_without_earlier_images_scores_alone_say_where_the_walk_begins() -> None:
    tuning = tune_detector(PRECISION, alone([], first=500), alone([1] * 200, score=0.98))
    assert tuning.earlier == 0
    assert [point.accepted for point in tuning.own] == [True]


def test_parts_that_share_an_image_are_refused() -> None:
    boxes = alone([1] * 5)
    with pytest.raises(ValueError, match="share their NMS IoUs and no image"):
        tune_detector(F1, boxes, boxes)
    with pytest.raises(ValueError, match="there must be a later image"):
        tune_detector(F1, boxes, boxes.of_images(NONE))
    with pytest.raises(ValueError, match=r"confidence must be at least 0\.5"):
        tune_detector(F1, boxes, replace_images(boxes, 10), confidence=0.3)
