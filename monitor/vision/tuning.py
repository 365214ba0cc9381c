"""Where to operate a detector: score threshold and NMS IoU chosen together, per class, and one point for all other classes.

Everything is chosen on the earlier images and proved on the later ones. A class that can be given a point of its own is;
what is left is taken together. That the classes left are known only after the first tests does not spoil the test of
them together: what failed by itself had, if anything, bad luck on the same images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from monitor.statistics.arrays import Floats
from monitor.statistics.paired_loss import Improvement
from monitor.statistics.thresholds.choice import Estimate
from monitor.statistics.thresholds.policies import Policy
from monitor.vision.labelled import LabelledBoxes, count_boxes, group_for_recall
from monitor.vision.optima import OperatingPoint, choose_optimum, compare_shown, show_boxes
from monitor.vision.promises import attempt_promise, count_missing

UNKNOWN = Estimate()


@dataclass(frozen=True, slots=True)
class TunedPoint:
    """A point for the ``categories`` together; its figures are of the later images.

    ``accepted``: the promise is kept with confidence, or the policy's utility is better than that of the point in use with
    confidence. Otherwise the point in use stays, and ``threshold`` is None where nothing could be chosen at all. Bounds are
    each one-sided at the confidence.
    """

    categories: tuple[int, ...]  # codes of classes; several: all that have none of their own
    threshold: float | None
    nms_iou: float
    accepted: bool
    tp: float = 0.0
    fp: float = 0.0
    objects: float = 0.0
    precision: Estimate = UNKNOWN
    recall: Estimate = UNKNOWN
    fp_per_image: Estimate = UNKNOWN
    missing: int | None = None  # as in Shortfall, where no promise can be made
    best: float | None = None  # the best bound that any threshold has by itself, where no promise can be made
    improvement: Improvement | None = None  # in Fβ or cost per image; None for promises


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A class without a point of its own, and what a promise for it alone would take at least."""

    category: int
    threshold: float | None  # where a promise is nearest, or what was not accepted
    detections: float  # of the later images, from that threshold on
    wrong: float
    # more detections that are right as often as so far (precision), or objects (recall) or images (false positives per
    # image), if all of them are good; None: what was seen leaves no hope or says too little, or the policy promises nothing
    missing: int | None


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a policy gives: points of single classes, then the one for all others together; and the classes that are in it."""

    policy: Policy
    confidence: float
    earlier: int  # images
    later: int
    own: tuple[TunedPoint, ...]
    together: TunedPoint | None  # None: every class has its own
    without: tuple[Shortfall, ...]

    def find_point(self, category: int) -> TunedPoint | None:
        """Return the accepted point that a class is operated at; None: none was accepted."""
        for point in (*self.own, *([self.together] if self.together else [])):
            if point.accepted and category in point.categories:
                return point
        return None


def tune_detector(
    policy: Policy,
    earlier: LabelledBoxes,
    later: LabelledBoxes,
    *,
    confidence: float = 0.95,
    per_class: bool = True,
    current: Mapping[int, OperatingPoint] | None = None,
) -> Tuning:
    """Choose on the ``earlier`` images where to operate, and prove it on the ``later`` ones.

    ``current`` are points in use by class, which a policy without a promise must beat; classes not in it are operated as
    logged. Without ``per_class`` there is one point for all classes. Each point's statement is at ``confidence`` by itself;
    a bound of false positives per image is of each point, so that k points have up to k times as many in all.

    Raises ValueError for policies that a detector cannot have, without later images, where an image is in both parts, and
    unless 0.5 <= confidence < 1.
    """
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0.5 and below 1 (got {confidence:g})")
    if not len(later.images):
        raise ValueError("there must be a later image: what is chosen is proved there")
    if len(np.intersect1d(earlier.images, later.images)) or earlier.nms_iou != later.nms_iou:
        raise ValueError("the earlier and the later part must share their NMS IoUs and no image")
    task = _Task(policy, earlier, later, confidence, current or {})
    categories = np.union1d(earlier.categories, later.categories)
    own: list[TunedPoint] = []
    without: list[Shortfall] = []
    for category in categories.tolist() if per_class else ():
        point, shortfall = _tune(task, (category,), try_anyway=False)
        if point.accepted:
            own.append(point)
        else:
            without.append(shortfall)
    left = tuple(np.setdiff1d(categories, [point.categories[0] for point in own]).tolist())
    together = _tune(task, left, try_anyway=True)[0] if left else None
    return Tuning(policy, confidence, len(earlier.images), len(later.images), tuple(own), together, tuple(without))


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    policy: Policy
    earlier: LabelledBoxes
    later: LabelledBoxes
    confidence: float
    current: Mapping[int, OperatingPoint]


def _tune(task: _Task, categories: tuple[int, ...], *, try_anyway: bool) -> tuple[TunedPoint, Shortfall]:
    earlier, later = (part.of_categories(np.array(categories, np.int64)) for part in (task.earlier, task.later))
    own = _Task(task.policy, earlier, later, task.confidence, task.current)
    return _promised(own, categories, try_anyway) if task.policy.is_promise else _optimised(own, categories)


def _promised(task: _Task, categories: tuple[int, ...], try_anyway: bool) -> tuple[TunedPoint, Shortfall]:
    attempt = attempt_promise(task.policy, task.earlier, task.later, task.confidence, try_anyway=try_anyway)
    counts = attempt.counts
    missing, at = None, attempt.start
    if attempt.threshold is None:
        missing, at = count_missing(task.policy, attempt, task.confidence)
    shortfall = Shortfall(
        categories[0], float(counts.threshold[at]), float((counts.tp + counts.fp)[at]), float(counts.fp[at]), missing
    )
    point = _measured(task, categories, attempt.threshold, attempt.nms)
    kept = attempt.threshold is not None
    return replace(point, accepted=kept, missing=missing, best=None if kept else attempt.found.best), shortfall


def _optimised(task: _Task, categories: tuple[int, ...]) -> tuple[TunedPoint, Shortfall]:
    chosen = choose_optimum(task.policy, task.earlier)
    if chosen is None:
        nothing = TunedPoint(categories, None, max(task.later.nms_iou), accepted=False)
        return nothing, Shortfall(categories[0], None, 0.0, 0.0, None)
    as_logged = OperatingPoint(0.0, int(np.argmax(task.later.nms_iou)))
    in_use = {key: point for key, point in task.current.items() if key in categories}
    new, old = show_boxes(task.later, {}, chosen), show_boxes(task.later, in_use, as_logged)
    found = compare_shown(task.policy, task.later, new, old, task.confidence)
    point = _measured(task, categories, chosen.threshold, chosen.nms)
    shortfall = Shortfall(categories[0], chosen.threshold, point.tp + point.fp, point.fp, None)
    return replace(point, accepted=found.lower > 0, improvement=found), shortfall


def _measured(task: _Task, categories: tuple[int, ...], threshold: float | None, nms: int) -> TunedPoint:
    """With its figures on the later images."""
    later, confidence = task.later, task.confidence
    nms_iou = later.nms_iou[nms]
    if threshold is None:
        return TunedPoint(categories, None, nms_iou, accepted=False, objects=float(len(later.object_image)))
    counts = count_boxes(later, nms, np.array([threshold]))
    by_object = group_for_recall(counts)
    return TunedPoint(
        categories, threshold, nms_iou, False, float(counts.tp[0]), float(counts.fp[0]), counts.positives,
        precision=_bounded(counts.precision().rate, counts.precision_bounds(confidence)),
        recall=_bounded(by_object.recall().rate, by_object.recall_bounds(confidence)),
        fp_per_image=_bounded(counts.fp / counts.groups, counts.false_positives_bounds(confidence)),
    )  # fmt: skip


def _bounded(estimate: Floats, bounds: tuple[Floats, Floats]) -> Estimate:
    return Estimate(*(float(value[0]) if np.isfinite(value[0]) else None for value in (estimate, *bounds)))
