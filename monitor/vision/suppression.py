"""Non-maximum suppression at several IoUs in one pass, and what a log tells of the suppression it went through.

Whether a box survives, and which object it finds, hangs on boxes of higher scores of its image and class alone. So what is
decided once, for all boxes, holds at every score threshold: sums over falling scores of the bits here are the true and false
positives at each of them. It also holds for any calibrator that is monotone within a class, as long as the order is that of
the raw scores. It does not hold where classes suppress each other, nor for suppressions that change scores or boxes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import Floats, Ints
from monitor.vision.boxes import overlap_pairs
from monitor.vision.matching import MAX_DETECTIONS, check_iou, decide_pairs, find_pairs
from monitor.vision.objects import Detections, Ranked, Truths, rank_detections, spread_ranges

Mask = NDArray[np.uint8]

AS_LOGGED = 1.0  # the NMS IoU at which nothing is suppressed
MOST_IOUS = 8
# so many pairs that overlap by a fifth, without a large overlap, are no chance; and where a suppression cut them off, some lie
# just below it, while the overlaps of objects that merely stand close get rarer towards the largest
_TELLING_OVERLAP, _TELLING_PAIRS, _HARDLY_SUPPRESSED = 0.2, 30, 0.95
_EDGE, _TELLING_EDGE = 0.05, 5


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Bit k of each mask speaks of a suppression at ``nms_iou[k]``. A detection that is kept is right where it is matched too,
    and wrong where not. Those beyond ``max_detections``, and those that fell to a crowd or an ignored truth, are not kept."""

    nms_iou: tuple[float, ...]
    kept: Mask  # (n,)
    matched: Mask  # (n,)

    def bit(self, index: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return (kept, matched), (n,) each, at ``nms_iou[index]``."""
        return (self.kept >> index & 1).astype(np.bool_), (self.matched >> index & 1).astype(np.bool_)

    def only(self, index: int) -> "Sweep":
        """Return what speaks of ``nms_iou[index]`` alone: that one is not to be tuned."""
        kept, matched = (mask.astype(np.uint8) for mask in self.bit(index))
        return Sweep((self.nms_iou[index],), kept, matched)


@dataclass(frozen=True, slots=True)
class Suppression:
    """What a log of detections tells of what was left out of it."""

    largest_iou: float | None  # of two boxes of one image and class; None: no two of them overlap
    pairs: int  # of boxes of one image and class that overlap by at least .2
    nms_iou: float | None  # the suppression that the log went through; None: none, or too few pairs to tell
    can_be_tuned: tuple[float, ...]  # of the NMS IoUs asked about: those that would suppress anything
    score_floor: float | None  # no box has a lower score
    recall_ceiling: float | None  # of the objects, the part found by any box: no score threshold finds more


def suppress_detections(
    detections: Detections, nms_iou: Sequence[float], max_detections: int | None = MAX_DETECTIONS
) -> Mask:
    """Return which detections survive, (n,): bit k set where greedy suppression within image and class at ``nms_iou[k]``
    keeps it and fewer than ``max_detections`` kept ones have higher scores.

    A kept box suppresses every later one that overlaps it by *more* than the IoU, as torchvision does; at 1
    (``AS_LOGGED``) nothing is. Raises ValueError on more than 8 IoUs, and on IoUs outside of (0, 1].

    >>> box, code = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]]), np.zeros(2, np.int64)
    >>> suppress_detections(Detections(code, code, box, np.array([0.9, 0.6])), [0.3, 0.5, 1.0]).tolist()
    [7, 6]
    """
    return _suppressed(detections, rank_detections(detections), _checked(nms_iou), max_detections)


def sweep_suppression(
    detections: Detections,
    truths: Truths,
    nms_iou: Sequence[float],
    iou: float | Floats = 0.5,
    max_detections: int | None = MAX_DETECTIONS,
) -> Sweep:
    """Suppress at each of up to 8 ``nms_iou`` and match what is kept with the truths, each at ``iou``, in one pass.

    ``iou`` and the errors are those of ``match_detections`` and ``suppress_detections``. In images without known truth
    nothing is matched: ``label_boxes`` leaves them out.
    """
    limits = _checked(nms_iou)
    needed = check_iou(iou, len(detections))
    ranked = rank_detections(detections)
    kept = _suppressed(detections, ranked, limits, max_detections)
    pairs = find_pairs(detections, truths, ranked, needed)
    won = decide_pairs(pairs, kept.astype(np.uint16), np.full(len(pairs), 0xFF, np.uint16), len(truths))
    matched, ignored = np.zeros(len(detections), np.uint8), np.zeros(len(detections), np.uint8)
    beside = truths.left_out[pairs.truth]
    bits = won.astype(np.uint8)
    # a detection has several pairs, each with bits of its own
    np.bitwise_or.at(ignored, pairs.detection[beside], bits[beside])
    np.bitwise_or.at(matched, pairs.detection[~beside], bits[~beside])
    return Sweep(tuple(limits.tolist()), kept & ~ignored, matched)


def find_suppression(
    detections: Detections, truths: Truths | None = None, nms_iou: Sequence[float] = (), iou: float | Floats = 0.5
) -> Suppression:
    """Tell from a log what it left out: the suppression before it, the lowest score, and so the most that recall can be.

    Two boxes of one image and class that overlap by more than the NMS IoU are never both logged: the largest overlap is
    that IoU, given enough pairs. What is below can still be suppressed a second time, which is not the same as once at
    that value: a box may have been suppressed by one that goes now. ``truths`` are those of the same images; None: the
    ceiling is unknown.

    >>> box, code = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]]), np.zeros(2, np.int64)
    >>> found = find_suppression(Detections(code, code, box, np.array([0.9, 0.6])), nms_iou=[0.3, 0.5])
    >>> found.largest_iou, found.nms_iou, found.can_be_tuned, found.score_floor
    (0.5, None, (0.3,), 0.6)
    """
    ranked = rank_detections(detections)
    every = [overlap for _, _, overlap in _rivals(detections, ranked, 0.0)]
    overlap = np.concatenate(every)
    largest = float(overlap.max(initial=0.0))
    telling = int(np.count_nonzero(overlap >= _TELLING_OVERLAP))
    at_the_edge = np.count_nonzero(overlap > largest - _EDGE)
    suppressed = telling >= _TELLING_PAIRS and at_the_edge >= _TELLING_EDGE and largest < _HARDLY_SUPPRESSED
    return Suppression(
        largest_iou=largest if overlap.size else None,
        pairs=telling,
        nms_iou=largest if suppressed else None,
        can_be_tuned=tuple(float(limit) for limit in nms_iou if limit < largest),
        score_floor=float(detections.score.min()) if len(detections) else None,
        recall_ceiling=None if truths is None else _ceiling(detections, truths, ranked, iou),
    )


def _ceiling(detections: Detections, truths: Truths, ranked: Ranked, iou: float | Floats) -> float | None:
    objects = ~truths.left_out
    if not objects.any():
        return None
    pairs = find_pairs(detections, truths, ranked, check_iou(iou, len(detections)))
    every = np.ones(len(detections), np.uint16)
    won = decide_pairs(pairs, every, np.ones(len(pairs), np.uint16), len(truths)) != 0
    return float(np.count_nonzero(won & objects[pairs.truth]) / np.count_nonzero(objects))


def _checked(nms_iou: Sequence[float]) -> Floats:
    limits = np.asarray(nms_iou, dtype=np.float64)
    if limits.ndim != 1 or not 1 <= limits.size <= MOST_IOUS:
        raise ValueError(f"there must be 1 to {MOST_IOUS} NMS IoUs (got {limits.size})")
    if not ((limits > 0) & (limits <= 1)).all():
        raise ValueError(f"NMS IoUs must be above 0 and at most 1 (got {list(nms_iou)})")
    return limits


def _rivals(detections: Detections, ranked: Ranked, above: float) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Pairs of one image and class that overlap by more: places in the order of choice, the higher score first."""
    order = ranked.order
    keys = ranked.key[order]
    first = np.arange(1, len(order) + 1, dtype=np.int64)
    last = np.searchsorted(keys, keys, side="right")
    boxes = detections.box[order]
    for place, other in spread_ranges(first, last):
        overlap = overlap_pairs(boxes[place], boxes[other])
        more = overlap > above
        yield place[more], other[more], overlap[more]


def _suppressed(detections: Detections, ranked: Ranked, limits: Floats, most: int | None) -> Mask:
    order, count = ranked.order, len(limits)
    kept = np.full(len(order), (1 << count) - 1, np.uint8)  # in the order of choice
    found = list(_rivals(detections, ranked, float(limits.min())))
    place, other, overlap = (np.concatenate(column) for column in zip(*found, strict=True))
    over = np.zeros(len(place), np.uint8)
    for bit, limit in enumerate(limits.tolist()):
        over |= (overlap > limit).astype(np.uint8) << bit
    # the r-th boxes of all images and classes at once: what they suppress comes later in each
    turn = ranked.rank[order[place]]
    by_turn = np.argsort(turn, kind="stable")
    start = 0
    for end in np.cumsum(np.bincount(turn)).tolist():
        rows = by_turn[start:end]
        start = end
        kept[other[rows]] &= ~(kept[place[rows]] & over[rows])
    if most is not None:
        _cut(kept, ranked, count, most)
    masks = np.empty(len(order), np.uint8)
    masks[order] = kept
    return masks


def _cut(kept: Mask, ranked: Ranked, count: int, most: int) -> None:
    """Take out, in place, those that ``most`` kept ones of their image and class come before."""
    own_rank = ranked.rank[ranked.order]
    if not len(own_rank) or int(own_rank.max()) < most:
        return
    first = np.arange(len(own_rank)) - own_rank
    for bit in range(count):
        before = np.concatenate([[0], np.cumsum(kept >> bit & 1, dtype=np.int64)])
        late = before[:-1] - before[first] >= most
        kept[late] &= np.uint8(0xFF ^ 1 << bit)
