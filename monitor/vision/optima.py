"""The best operating point of a detector by Fβ or by cost, and whether later images show that it beats the one in use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from monitor.statistics.arrays import Floats, totals
from monitor.statistics.paired_loss import Improvement
from monitor.statistics.thresholds.policies import Policy
from monitor.vision.labelled import LabelledBoxes
from monitor.vision.objects import Flags
from monitor.vision.trade_off import count_falling, f_score


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Suppress at the NMS IoU of index ``nms``, then show boxes with a score of at least ``threshold``."""

    threshold: float
    nms: int


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Which of n boxes are shown, and which of these are right."""

    shown: Flags
    right: Flags


def choose_optimum(policy: Policy, earlier: LabelledBoxes) -> OperatingPoint | None:
    """Return the point with the largest Fβ, or the least cost, on the earlier images, of all classes of the boxes together.

    Of every observed score and every NMS IoU; ties go to the higher IoU, then to the higher score. None without a
    detection, and for Fβ without an object. Raises ValueError for other policies and for costs with a base rate in use.
    """
    _check_policy(policy)
    objects = float(len(earlier.object_image))
    if policy.kind == "fbeta" and not objects:
        return None
    falling = np.argsort(-earlier.score, kind="stable")
    best, chosen = -np.inf, None
    for nms in np.argsort(-np.asarray(earlier.nms_iou), kind="stable").tolist():
        score, tp, fp = count_falling(earlier, falling, nms)
        if not len(score):
            continue
        value = _utility(policy, tp, fp, np.full(len(tp), objects))
        at = int(np.argmax(value))
        if value[at] > best:
            best, chosen = float(value[at]), OperatingPoint(float(score[at]), nms)
    return chosen


def show_boxes(boxes: LabelledBoxes, points: Mapping[int, OperatingPoint], otherwise: OperatingPoint) -> Shown:
    """Return which boxes are shown, and right, when each class is operated at its point, or ``otherwise``."""
    shown, right = np.zeros((2, len(boxes.image)), np.bool_)
    named = np.isin(boxes.category, list(points))
    for point, rows in [(otherwise, ~named), *((point, boxes.category == key) for key, point in points.items())]:
        kept, matched = boxes.sweep.bit(point.nms)
        shown |= rows & kept & (boxes.score >= point.threshold)
        right |= rows & matched
    return Shown(shown, right & shown)


def compare_shown(policy: Policy, later: LabelledBoxes, new: Shown, current: Shown, confidence: float) -> Improvement:
    """Return by how much ``new`` betters ``current`` on the later images, in Fβ or in cost per image, paired by image.

    Fβ is a ratio of sums over images, r = Σu/Σv; its variance is that of Σ(u − r·v)/Σv (linearised, Cochran 1977, §6.4).
    The quantile is Student's with one degree of freedom for each image in which the two differ: the others tell nothing
    of the difference. ``groups`` is their number; bounds are NaN below two of them. Raises ValueError as ``choose_optimum``.
    """
    _check_policy(policy)
    images = np.sort(later.images)
    place = np.searchsorted(images, later.image)
    objects = totals(np.searchsorted(images, later.object_image), np.ones(len(later.object_image)), len(images))
    values, parts, counts = [], [], []
    for side in (new, current):
        tp = totals(place, side.right.astype(np.float64), len(images))
        fp = totals(place, (side.shown & ~side.right).astype(np.float64), len(images))
        if policy.kind == "cost":
            gain = _utility(policy, tp, fp, objects) / len(images)
            value, part = float(gain.sum()), gain - gain.mean()
        else:
            top, below = (1 + policy.beta**2) * tp, tp + fp + policy.beta**2 * objects
            value = float(top.sum() / max(below.sum(), 1e-300))
            part = (top - value * below) / max(float(below.sum()), 1e-300)
        values.append(value)
        parts.append(part)
        counts.append((tp, fp))
    residual = parts[0] - parts[1]
    differing = int(np.count_nonzero((counts[0][0] != counts[1][0]) | (counts[0][1] != counts[1][1])))
    mean, reach = values[0] - values[1], float("nan")
    if differing > 1:
        deviation = float(np.sqrt(differing / (differing - 1) * (residual @ residual)))
        reach = float(stdtrit(differing - 1, confidence)) * deviation
    return Improvement(mean, mean - reach, mean + reach, confidence, len(images), differing)


def _check_policy(policy: Policy) -> None:
    if policy.kind not in ("fbeta", "cost"):
        raise ValueError(f"{policy.text} is nothing that a detector can be best at: f1, fbeta and cost are")
    if policy.prior is not None:
        raise ValueError(f"{policy.text}: a detector has no base rate of boxes, leave prior out")


def _utility(policy: Policy, tp: Floats, fp: Floats, objects: Floats) -> Floats:
    if policy.kind == "cost":
        return -(policy.fp * fp + policy.fn * (objects - tp))
    return f_score(tp, fp, objects, policy.beta)
