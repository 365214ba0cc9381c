"""Average precision, for orientation: how precision holds up as more and more objects are to be found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.statistics.arrays import Floats, Ints, ratio
from monitor.vision.matching import MAX_DETECTIONS, check_iou, decide_pairs, find_pairs
from monitor.vision.objects import Detections, Flags, Truths, rank_detections

COCO_IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST_IOUS = 16


@dataclass(frozen=True, slots=True, eq=False)
class AveragePrecision:
    """Of each class with objects at each IoU; every mean is over these classes, NaN where there are none."""

    category: Ints  # (classes,), rising
    iou: tuple[float, ...]
    value: Floats  # (classes, ious)

    @property
    def mean(self) -> float:
        """Mean over classes and IoUs."""
        return float(self.value.mean()) if self.value.size else float("nan")

    def mean_at(self, iou: float) -> float:
        """Mean over classes at one of the IoUs."""
        return float(self.value[:, self.iou.index(iou)].mean()) if self.value.size else float("nan")


def average_precision(
    detections: Detections,
    truths: Truths,
    labelled: Ints,
    ious: Sequence[float] = COCO_IOUS,
    max_detections: int = MAX_DETECTIONS,
    *,
    every_point: bool = False,
) -> AveragePrecision:
    """Return average precision as COCO does: precision, made falling, at 101 recalls from 0 to 1 (Lin et al. 2014).

    With ``every_point`` the area below that curve instead (Padilla et al. 2020, Pascal VOC since 2010). ``labelled`` holds
    the codes of images whose truth is known, others are left out; detections of classes without objects count nowhere.
    One matching for all of up to 16 IoUs. Raises ValueError on IoUs outside of (0, 1].
    """
    detections = detections.pick(np.isin(detections.image, labelled))
    truths = truths.pick(np.isin(truths.image, labelled))
    if not 1 <= len(ious) <= _MOST_IOUS:
        raise ValueError(f"there must be 1 to {_MOST_IOUS} IoUs (got {len(ious)})")
    right, beside = _matched(detections, truths, check_iou(np.asarray(ious, np.float64), len(ious)), max_detections)
    objects = truths.category[~truths.left_out]
    categories, count = np.unique(objects, return_counts=True)
    order = np.lexsort((-detections.score, detections.category))
    own = detections.category[order]
    value = np.zeros((len(categories), len(ious)))
    for place, category in enumerate(categories.tolist()):
        rows = order[np.searchsorted(own, category, "left") : np.searchsorted(own, category, "right")]
        for column in range(len(ious)):
            counted = rows[~beside[rows, column]]
            value[place, column] = _area(right[counted, column], float(count[place]), every_point)
    return AveragePrecision(categories, tuple(ious), value)


def mean_precision(category: Ints, right: Floats, objects: Mapping[int, int]) -> float:
    """Return the mean over classes with objects of the average precision of detections that stand by falling scores.

    ``right`` (n,): 1, 0, or NaN where a detection is neither; ``objects``: how many there are, by class. NaN without objects.

    >>> mean_precision(np.zeros(2, np.int64), np.array([1.0, 0.0]), {0: 1, 7: 3})
    0.5
    """
    if not objects:
        return float("nan")
    counted = np.isfinite(right)
    category, hit = category[counted], right[counted] > 0
    order = np.argsort(category, kind="stable")
    own = category[order]
    areas = []
    for code, count in objects.items():
        rows = order[np.searchsorted(own, code, "left") : np.searchsorted(own, code, "right")]
        areas.append(_area(hit[rows], float(count), every_point=False))
    return float(np.mean(areas))


def _matched(detections: Detections, truths: Truths, ious: Floats, most: int) -> tuple[Flags, Flags]:
    """(right, neither right nor wrong), (n, ious) each."""
    ranked = rank_detections(detections)
    every = (1 << len(ious)) - 1
    pairs = find_pairs(detections, truths, ranked, np.full(len(detections), ious.min()))
    allowed = np.zeros(len(pairs), np.uint16)
    for bit, iou in enumerate(ious.tolist()):
        allowed |= (pairs.iou >= iou).astype(np.uint16) << bit
    take_part = np.where(ranked.rank < most, every, 0).astype(np.uint16)
    won = decide_pairs(pairs, take_part, allowed, len(truths))
    right = np.zeros((len(detections), len(ious)), np.bool_)
    beside = np.zeros_like(right)
    out = truths.left_out[pairs.truth]
    for bit in range(len(ious)):
        has = (won >> bit & 1).astype(np.bool_)
        right[pairs.detection[has & ~out], bit] = True
        beside[pairs.detection[has & out], bit] = True
        beside[take_part == 0, bit] = True
    return right, beside


def _area(right: Flags, objects: float, every_point: bool) -> float:
    """Of one class at one IoU; ``right`` by falling scores."""
    tp = np.cumsum(right, dtype=np.float64)
    recall = tp / objects
    precision = ratio(tp, np.arange(1, len(tp) + 1, dtype=np.float64))
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    if every_point:
        return float(np.sum(np.diff(recall, prepend=0.0) * falling))
    reached = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(falling, 0.0)[reached].mean())
