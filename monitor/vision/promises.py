"""A promise of a detector: score threshold and NMS IoU of some classes together, kept with confidence.

The NMS IoU, and where the walk over thresholds begins, are chosen on the earlier images; on the later ones there is *one*
strict fixed sequence of thresholds (``monitor.statistics.thresholds.promise``) with images as clusters. So no confidence
is spent on the NMS IoU, and nothing is looked at again after a failure.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.intervals import clopper_pearson, poisson_bounds
from monitor.statistics.thresholds.counts import Counts, promise_grid
from monitor.statistics.thresholds.policies import Policy
from monitor.statistics.thresholds.promise import Promise, find_promise, foresee_passing
from monitor.vision.labelled import LabelledBoxes, count_boxes, group_for_recall

# detections that the scores' own word weighs beside what the earlier part showed, and one that failed: where few are seen,
# that all were right says little
_BELIEF, _FAILED = 2.0, 1.0
_WORTH_A_TRY = 0.25  # chance to pass, foreseen on the earlier part: rarer classes would mostly be promised by luck


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """What the one walk on the later images gave. ``counts`` are those of the later images at all thresholds tested."""

    nms: int  # index of the NMS IoU
    found: Promise
    counts: Counts
    start: int  # index of the threshold that is likeliest to pass, by what was known before

    @property
    def threshold(self) -> float | None:
        """The most useful threshold that keeps the promise; None: none can."""
        return None if self.found.index is None else float(self.counts.threshold[self.found.index])


def attempt_promise(
    policy: Policy, earlier: LabelledBoxes, later: LabelledBoxes, confidence: float, *, try_anyway: bool = True
) -> Attempt:
    """Return what can be promised of all classes of the boxes together.

    Without ``try_anyway`` a promise of precision that has less than a chance of 1 in 4, as the earlier images have it, is
    not tried. Raises ValueError for a policy that is no promise of a detector, and without later images.
    """
    if policy.kind not in ("precision", "recall", "fp_per_image"):
        raise ValueError(f"{policy.text} is no promise of a detector: precision, recall or fp_per_image is")
    nms = choose_nms(policy, earlier, confidence)
    counts = count_boxes(later, nms, promise_grid())
    if policy.kind != "precision":
        counts = group_for_recall(counts) if policy.kind == "recall" else counts
        found = find_promise(policy.kind, policy.target, counts, confidence)
        return Attempt(nms, found, counts, _first_tested(policy.kind, counts))
    foreseen = _foreseen(counts, earlier, nms)
    sureness = foresee_passing(foreseen, policy.target, confidence)
    start = int(np.argmax(sureness))
    if not try_anyway and sureness[start] < ndtri(_WORTH_A_TRY):
        return Attempt(nms, Promise(None, None, None), counts, start)
    return Attempt(nms, find_promise("precision", policy.target, foreseen, confidence), counts, start)


def _first_tested(kind: str, counts: Counts) -> int:
    predicted = np.flatnonzero(counts.tp + counts.fp > 0)
    return 0 if kind == "recall" or not predicted.size else int(predicted[-1])


def _foreseen(counts: Counts, earlier: LabelledBoxes, nms: int) -> Counts:
    """Counts whose scores say what the earlier images make expect: these fix where the walk begins."""
    if not len(earlier.images):
        return counts
    before = count_boxes(earlier, nms, counts.threshold, grouped=False)
    believed = ratio(counts.score, counts.tp + counts.fp, 0.0)
    precision = (before.tp + _BELIEF * believed) / (before.tp + before.fp + _BELIEF + _FAILED)
    return replace(counts, score=precision * (counts.tp + counts.fp))


def choose_nms(policy: Policy, earlier: LabelledBoxes, confidence: float) -> int:
    """Return the index of the NMS IoU at which the promise costs least on the earlier images; the highest among equals.

    That is the greatest recall of thresholds that keep a precision or false positives per image with confidence, or the most
    precision of those that keep a recall; where none does, by the estimates alone.
    """
    best, chosen = (-1, -1.0), int(np.argmax(earlier.nms_iou))
    if not len(earlier.images):
        return chosen
    for nms in np.argsort(-np.asarray(earlier.nms_iou), kind="stable").tolist():
        counts = count_boxes(earlier, nms, promise_grid(), grouped=False)
        value = _worth(policy, counts, confidence)
        if value > best:
            best, chosen = value, nms
    return chosen


def _worth(policy: Policy, counts: Counts, confidence: float) -> tuple[int, float]:
    """(2 kept with confidence, 1 by the estimate, 0 not at all; what it leaves, of 0 how near its bound comes)."""
    recall, precision = counts.recall().rate, counts.precision().rate
    if policy.kind == "precision":
        bound = counts.precision_bounds(confidence)[0]
        sides = bound >= policy.target, precision >= policy.target
    elif policy.kind == "recall":
        bound = counts.recall_bounds(confidence)[0]
        sides = bound >= policy.target, recall >= policy.target
        recall = precision
    else:
        images = np.full(len(counts), counts.groups)
        bound = -poisson_bounds(counts.fp, images, confidence)[1]
        sides = -bound <= policy.target, counts.fp / images <= policy.target
    for tier, kept in zip((2, 1), sides, strict=True):
        if (kept & np.isfinite(recall)).any():
            return tier, float(np.nanmax(recall[kept]))
    return 0, float(np.nanmax(bound)) if np.isfinite(bound).any() else -np.inf


def count_missing(policy: Policy, attempt: Attempt, confidence: float) -> tuple[int | None, int]:
    """Return how many more it takes at least until the promise can be made, all of them good, and the index of the threshold
    at which it takes least, or None where what was seen leaves no hope.

    Detections that are right for precision, objects that are found for recall, images without a false positive for
    ``fp_per_image``. Where none would be missing but for the likeness within images, or for the order of the walk, at least 1.
    """
    counts, at = attempt.counts, attempt.start
    if policy.kind == "fp_per_image":
        too_many = counts.false_positives_bounds(confidence)[0][at] > policy.target
        return None if too_many else _images_missing(counts, at, policy.target, confidence), at
    sums = counts.precision() if policy.kind == "precision" else counts.recall()
    failures = np.rint(sums.trials - sums.successes)
    needed = least_trials(policy.target, confidence, failures)
    if policy.kind == "precision":
        upper = counts.precision_bounds(confidence)[1]
        hope = (sums.trials > 0) & (upper >= policy.target)
        if not hope.any():
            nothing = not sums.trials.any()
            return (int(least_trials(policy.target, confidence, np.zeros(1))[0]) if nothing else None), at
        at = int(np.argmin(np.where(hope, ratio(needed, sums.trials, np.inf), np.inf)))
    elif counts.recall_bounds(confidence)[1][at] < policy.target:
        return None, at
    return max(int(needed[at] - sums.trials[at]), 1), at


def least_trials(target: float, confidence: float, failures: Floats) -> Floats:
    """Return how many trials it takes to show a rate of ``target``, given the failures among them; elementwise.

    >>> least_trials(0.95, 0.95, np.arange(3.0)).tolist()
    [59.0, 93.0, 124.0]
    """
    few, many = failures, (failures + 10) * 50 / (1 - target)
    many = np.ceil(many)
    while (many - few > 1).any():
        middle = np.floor((few + many) / 2)
        shows = clopper_pearson(middle - failures, middle, confidence)[0] >= target
        few, many = np.where(shows, few, middle), np.where(shows, middle, many)
    return many


def _images_missing(counts: Counts, at: int, target: float, confidence: float) -> int:
    events = poisson_bounds(counts.fp[[at]], np.ones(1), confidence)[1][0]
    return max(int(np.ceil(events / target - counts.groups)), 1)
