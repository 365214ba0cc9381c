"""What each score threshold gives at each NMS IoU, per class and of all together: the picture an operating point is in."""

from dataclasses import dataclass

import numpy as np

from monitor.statistics.arrays import Floats, Ints, ratio
from monitor.vision.labelled import LabelledBoxes

EVERY = -1  # in the place of a class: all together
MOST_POINTS = 100  # of a curve, which is of one class at one NMS IoU


@dataclass(frozen=True, slots=True, eq=False)
class TradeOff:
    """Points, (points,) each: by class (all together first), then NMS IoU as given, then rising threshold; NaN is unknown.

    A box is shown when its score is at least ``threshold``. Recall is over the objects, false positives over all images.
    """

    category: Ints  # EVERY: all classes together
    nms_iou: Floats
    threshold: Floats
    tp: Floats
    fp: Floats
    objects: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    fbeta: Floats
    fp_per_image: Floats

    def __len__(self) -> int:
        return len(self.category)


def draw_trade_off(
    boxes: LabelledBoxes, beta: float = 1.0, most: int = MOST_POINTS, *, per_class: bool = True
) -> TradeOff:
    """Return the trade-off of all classes together, and of each, at each NMS IoU: at most ``most`` points a curve.

    Every observed score is a threshold; where there are more, points lie evenly over the detections, and the highest and the
    lowest score, and the one with the best Fβ, stay. Cost O(n log n) for each NMS IoU. Raises ValueError unless ``beta`` is
    above 0 and ``most`` at least 3.
    """
    if not beta > 0 or most < 3:
        raise ValueError(f"beta must be above 0 and most at least 3 (got {beta:g} and {most})")
    falling = np.argsort(-boxes.score, kind="stable")
    by_class = falling[np.argsort(boxes.category[falling], kind="stable")]
    own = boxes.category[by_class]
    columns: list[Floats] = []
    objects = np.sort(boxes.object_category)
    for category in [EVERY, *(boxes.categories.tolist() if per_class else ())]:
        rows, count = falling, len(objects)
        if category != EVERY:
            rows = by_class[np.searchsorted(own, category, "left") : np.searchsorted(own, category, "right")]
            count = int(np.searchsorted(objects, category, "right") - np.searchsorted(objects, category, "left"))
        for nms, nms_iou in enumerate(boxes.nms_iou):
            threshold, tp, fp = _curve(boxes, rows, nms, (count, beta, most))
            same = np.ones(len(threshold))
            columns.append(np.stack([category * same, nms_iou * same, threshold, tp, fp, count * same]))
    category, nms_iou, threshold, tp, fp, total = np.concatenate(columns, axis=1)
    images = np.full(len(tp), float(len(boxes.images)))
    return TradeOff(
        category.astype(np.int64), nms_iou, threshold, tp, fp, total,
        precision=ratio(tp, tp + fp), recall=ratio(tp, total), f1=f_score(tp, fp, total, 1.0),
        fbeta=f_score(tp, fp, total, beta), fp_per_image=ratio(fp, images),
    )  # fmt: skip


def f_score(tp: Floats, fp: Floats, objects: Floats, beta: float) -> Floats:
    """Return Fβ = (1 + β²)tp / (tp + fp + β²·objects), elementwise; NaN where there is neither a box nor an object.

    >>> f_score(np.array([3.0]), np.array([1.0]), np.array([4.0]), 1.0).tolist()
    [0.75]
    """
    return ratio((1 + beta**2) * tp, tp + fp + beta**2 * objects)


def count_falling(boxes: LabelledBoxes, rows: Ints, nms: int) -> tuple[Floats, Floats, Floats]:
    """Return each observed score of ``rows`` (in falling order) with the right and the wrong ones from it on.

    Of those that are kept at the NMS IoU of index ``nms``; three arrays of equal length, scores falling.
    """
    kept, matched = (mask[rows] for mask in boxes.sweep.bit(nms))
    score, right = boxes.score[rows][kept], matched[kept]
    if not len(score):
        none = np.zeros(0)
        return none, none, none
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    tp = np.cumsum(right, dtype=np.float64)[last]
    return score[last], tp, last + 1.0 - tp


def _curve(boxes: LabelledBoxes, rows: Ints, nms: int, bounds: tuple[int, float, int]) -> tuple[Floats, Floats, Floats]:
    """(threshold, tp, fp) of the points that are shown, rising."""
    count, beta, most = bounds
    score, tp, fp = count_falling(boxes, rows, nms)
    shown = np.arange(len(score))
    if len(score) > most:
        best = int(np.nanargmax(f_score(tp, fp, np.full(len(tp), float(count)), beta)))
        even = np.linspace(0, tp[-1] + fp[-1], most - 1)
        shown = np.union1d(np.searchsorted(tp + fp, even), [best])
    back = shown[::-1]
    return score[back], tp[back], fp[back]
