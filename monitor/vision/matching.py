"""Which detection found which object: the greedy matching of COCO, for many images and classes at once.

Of an image and class the detection with the highest score chooses first. It takes, of the objects that nobody has, the one
that it overlaps most, if by at least the stated IoU; only where there is none it falls to an ignored one. A crowd region can
be had many times. A detection that fell to a crowd or another ignored object is neither right nor wrong.

The pairs that overlap enough are laid out in the order of choice, and the r-th pairs of all images and classes are decided
together: cost O(pairs · log pairs), and as many steps as the busiest image and class has pairs. What is decided is a bit
mask, so that several variants (other IoUs asked for, other suppressions before) take one pass.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import Floats, Ints
from monitor.vision.boxes import overlap_pairs
from monitor.vision.objects import Detections, Flags, Ranked, Truths, place_in_run, rank_detections, spread_ranges

Bits = NDArray[np.uint16]

ALMOST_ONE = 1 - 1e-10  # an IoU of 1 is asked for up to rounding, as COCO does
ANY_OVERLAP = float(np.nextafter(0.0, 1.0))
MAX_DETECTIONS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What n detections and m truths have to do with each other."""

    truth: Ints  # (n,): index of the truth, −1: none
    iou: Floats  # (n,): with that truth (intersection over the detection's area for crowds), 0 without
    ignored: Flags  # (n,): neither right nor wrong: fell to an ignored truth, or beyond ``max_detections``
    found_by: Ints  # (m,): index of the detection, −1: none. For crowds always −1: many may have them

    @property
    def right(self) -> Flags:
        """(n,): found an object that counts."""
        return (self.truth >= 0) & ~self.ignored


def match_detections(
    detections: Detections, truths: Truths, iou: float | Floats = 0.5, max_detections: int | None = MAX_DETECTIONS
) -> Matches:
    """Match detections with truths of their image and class as COCO does, equal to pycocotools.

    (Where an overlap is the IoU asked for to the last digit, and boxes have decimals, rounding decides, and decides alike:
    about half of such pairs match.)

    ``iou`` is what a match needs at least, in (0, 1]: one number, or one per detection (n,) where classes differ. Of each
    image and class ``max_detections`` take part, those with the highest scores; None: all. Raises ValueError on other values.

    >>> box, code = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.8]]), np.zeros(2, np.int64)
    >>> found = match_detections(Detections(code, code, box, np.array([0.6, 0.9])), Truths(code[:1], code[:1], box[:1]))
    >>> found.truth.tolist(), found.iou.round(2).tolist(), found.found_by.tolist()
    ([-1, 0], [0.0, 0.9], [1])
    """
    needed = check_iou(iou, len(detections))
    ranked = rank_detections(detections)
    open_bits = np.ones(len(detections), np.uint16)
    if max_detections is not None:
        open_bits[ranked.rank >= max_detections] = 0
    pairs = find_pairs(detections, truths, ranked, needed)
    won = decide_pairs(pairs, open_bits, np.ones(len(pairs), np.uint16), len(truths)) != 0
    detection, truth = pairs.detection[won], pairs.truth[won]
    matched, overlap = np.full(len(detections), -1, np.int64), np.zeros(len(detections))
    ignored, found_by = open_bits == 0, np.full(len(truths), -1, np.int64)
    matched[detection], overlap[detection] = truth, pairs.iou[won]
    ignored[detection] = truths.left_out[truth]
    found_by[truth] = np.where(truths.crowds[truth], -1, detection)
    return Matches(matched, overlap, ignored, found_by)


def check_iou(iou: float | Floats, count: int) -> Floats:
    """Return what each of ``count`` detections needs, (count,), at most 1 − 1e-10. Raises ValueError outside of (0, 1]."""
    needed = np.asarray(iou, dtype=np.float64)
    if needed.ndim and needed.shape != (count,):
        raise ValueError(f"iou must be one number, or one per detection, {count} (got shape {needed.shape})")
    if not ((needed > 0) & (needed <= 1)).all():
        raise ValueError("iou must be above 0 and at most 1 (got one outside, or NaN)")
    return np.minimum(np.broadcast_to(needed, (count,)), ALMOST_ONE)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of a detection and a truth in the order in which they are decided; all (pairs,), indices as given."""

    detection: Ints
    truth: Ints
    iou: Floats
    key: Ints  # of image and class
    endless: Flags  # the truth is a crowd

    def __len__(self) -> int:
        return len(self.detection)


def find_pairs(detections: Detections, truths: Truths, ranked: Ranked, needed: Floats) -> Pairs:
    """Return the pairs of one image and class that overlap by what the detection ``needed`` (n,), in the order of choice."""
    order, key = ranked.order, ranked.keys_of(truths.image, truths.category)
    truth_order = np.argsort(key, kind="stable")
    own, keys = ranked.key[order], key[truth_order]
    first, last = np.searchsorted(keys, own, side="left"), np.searchsorted(keys, own, side="right")
    crowds, left_out = truths.crowds, truths.left_out
    found: list[tuple[Ints, Ints, Floats]] = []
    for place, other in spread_ranges(first, last):
        detection, truth = order[place], truth_order[other]
        overlap = overlap_pairs(detections.box[detection], truths.box[truth], crowds[truth])
        enough = overlap >= needed[detection]
        found.append((place[enough], truth[enough], overlap[enough]))
    place, truth, overlap = (np.concatenate(column) for column in zip(*found, strict=True))
    # of equal overlaps the later truth
    chosen = np.lexsort((-truth, -overlap, left_out[truth], place))
    detection, truth, overlap = order[place[chosen]], truth[chosen], overlap[chosen]
    return Pairs(detection, truth, overlap, ranked.key[detection], crowds[truth])


def decide_pairs(pairs: Pairs, open_bits: Bits, allowed: Bits, truths: int) -> Bits:
    """Return which pairs become matches, (pairs,): in each bit a matching of its own.

    ``open_bits`` (n,) says in which a detection takes part, ``allowed`` (pairs,) in which the pair may be.

    >>> none = np.zeros(2, np.int64)
    >>> pairs = Pairs(np.array([0, 1]), none, np.ones(2), none, none > 0)  # both want the one truth
    >>> decide_pairs(pairs, np.array([1, 3], np.uint16), np.full(2, 3, np.uint16), 1).tolist()
    [1, 2]
    """
    left, taken = open_bits.copy(), np.zeros(truths, np.uint16)
    won = np.zeros(len(pairs), np.uint16)
    turn = place_in_run(pairs.key)
    by_turn = np.argsort(turn, kind="stable")
    ends = np.cumsum(np.bincount(turn)) if len(turn) else np.zeros(0, np.int64)
    start = 0
    for end in ends.tolist():
        # one pair of each image and class: no two of these rows share a detection or a truth
        rows = by_turn[start:end]
        start = end
        detection, truth = pairs.detection[rows], pairs.truth[rows]
        bits = left[detection] & allowed[rows] & ~taken[truth]
        left[detection] &= ~bits
        taken[truth] |= np.where(pairs.endless[rows], 0, bits).astype(np.uint16)
        won[rows] = bits
    return won
