"""A promise of a detector: score threshold and NMS IoU of some classes together, kept with confidence.

The NMS IoU, and where the walk over thresholds begins, are chosen on the earlier images; on the later ones there is *one*
strict fixed sequence of thresholds (``monitor.statistics.thresholds.promise``) with images as clusters. So no confidence
is spent on the NMS IoU, and nothing is looked at again after a failure.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaincinv, ndtri

from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.intervals import clopper_pearson, poisson_bounds
from monitor.statistics.thresholds.counts import Counts, promise_grid
from monitor.statistics.thresholds.policies import Policy
from monitor.statistics.thresholds.promise import Promise, find_promise, foresee_passing
from monitor.vision.labelled import LabelledBoxes, count_boxes, group_for_recall

# detections that the scores' own word weighs beside what the earlier part showed, and one that failed: where few are seen,
# that all were right says little
_BELIEF, _FAILED = 2.0, 1.0
_MOST_TIMES = 100.0  # as much as was seen: what takes more is not in sight
_WORTH_A_TRY = 0.25  # chance to pass, foreseen on the earlier part: rarer classes would mostly be promised by luck


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """What the one walk on the later images gave. ``counts`` are those of the later images at all thresholds tested."""

    nms: int  # index of the NMS IoU
    found: Promise
    counts: Counts
    start: int  # index of the threshold that is likeliest to pass, by what was known before
    before: Counts  # of the earlier images at the same thresholds
    share: float  # of all images, that are later
    tried: bool = True

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
    before = _count_before(earlier, nms, counts)
    share = len(later.images) / (len(earlier.images) + len(later.images))
    if policy.kind != "precision":
        counts = group_for_recall(counts) if policy.kind == "recall" else counts
        found = find_promise(policy.kind, policy.target, counts, confidence)
        return Attempt(nms, found, counts, _first_tested(policy.kind, counts), before, share)
    foreseen = _foreseen(counts, before)
    sureness = foresee_passing(foreseen, policy.target, confidence)
    start = int(np.argmax(sureness))
    if not try_anyway and sureness[start] < ndtri(_WORTH_A_TRY):
        return Attempt(nms, Promise(None, None, None), counts, start, before, share, tried=False)
    return Attempt(nms, find_promise("precision", policy.target, foreseen, confidence), counts, start, before, share)


def _first_tested(kind: str, counts: Counts) -> int:
    predicted = np.flatnonzero(counts.tp + counts.fp > 0)
    return 0 if kind == "recall" or not predicted.size else int(predicted[-1])


def _count_before(earlier: LabelledBoxes, nms: int, counts: Counts) -> Counts:
    if len(earlier.images):
        return count_boxes(earlier, nms, counts.threshold, grouped=False)
    none = np.zeros(len(counts))
    return replace(counts, tp=none, fp=none, score=none, touched=none, groups=0.0)


def _foreseen(counts: Counts, before: Counts) -> Counts:
    """Counts whose scores say what the earlier images make expect: these fix where the walk begins."""
    if not before.groups:
        return counts
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
    """Return how many more it takes until the promise can be made, and the index of the threshold at which it is made first,
    or None where what was seen leaves no hope.

    For precision, detections from that threshold on, in both parts, if they are right as often as those so far seem to be: a
    promise of so many would be tried, and its walk would pass where it begins (at the posterior median of the precision,
    after which more are as likely right less often as more often). None also where too few were seen to say. For recall
    objects that are found, and for ``fp_per_image`` images without a false positive, at least and if all are good. Never
    below 1.
    """
    counts, at = attempt.counts, attempt.start
    if policy.kind == "fp_per_image":
        too_many = counts.false_positives_bounds(confidence)[0][at] > policy.target
        return None if too_many else _images_missing(counts, at, policy.target, confidence), at
    if policy.kind == "precision":
        return _detections_missing(policy.target, attempt, confidence)
    if counts.recall_bounds(confidence)[1][at] < policy.target:
        return None, at
    sums = counts.recall()
    needed = least_trials(policy.target, confidence, np.rint(sums.trials - sums.successes))
    return max(int(needed[at] - sums.trials[at]), 1), at


def _detections_missing(target: float, attempt: Attempt, confidence: float) -> tuple[int | None, int]:
    """What is to come is taken to be as all that was seen, earlier and later."""
    counts, before, share = attempt.counts, attempt.before, attempt.share
    shown, right = counts.tp + counts.fp + before.tp + before.fp, counts.tp + before.tp
    believed = ratio(counts.score + before.score, shown, 0.0)
    good, bad = right + _BELIEF * believed, shown - right + _BELIEF * (1 - believed) + _FAILED
    precision = betaincinv(np.maximum(good, 1e-9), bad, 0.5)
    # how many independent detections one of the later part is worth: those of an image are alike
    grown = counts.tp + counts.fp
    sums = counts.precision()
    worth = ratio(sums.count_effective(confidence), sums.trials, 1.0) if counts.grouped else np.ones(len(counts))
    touched = ratio(np.minimum(counts.touched, grown), grown, 1.0)

    def place_passing(times: float) -> int | None:
        """Where the walk would begin with so many times as many, if it would pass there."""
        n, known = times * share * shown, times * (1 - share) * shown
        expected = (precision * known + _BELIEF * believed) / (known + _BELIEF + _FAILED) if before.groups else believed
        as_expected = replace(counts, tp=precision * n, fp=(1 - precision) * n, score=expected * n, touched=touched * n)
        sureness = foresee_passing(as_expected, target, confidence)
        start = int(np.argmax(sureness))
        if not attempt.tried and sureness[start] < ndtri(_WORTH_A_TRY):
            return None
        trials = n[start] * worth[start]
        lower = clopper_pearson(precision[start] * trials, trials, confidence)[0]
        return start if lower >= target else None

    low, high = 1.0, _MOST_TIMES
    if place_passing(high) is None:
        return None, attempt.start
    if place_passing(low) is not None:
        high = low
    while high - low > 1e-3 * low:
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if place_passing(middle) is not None else (middle, high)
    at = place_passing(high)
    assert at is not None
    return max(int(np.ceil((high - 1) * shown[at])), _lacking_of_later(target, attempt, confidence)), at


def _lacking_of_later(target: float, attempt: Attempt, confidence: float) -> int:
    """What the walk lacked where it began; 1 where it was not walked."""
    if not attempt.tried:
        return 1
    failed, right = attempt.counts.fp[attempt.start], attempt.counts.tp[attempt.start]
    needed = least_trials(target, confidence, np.array([failed]))[0]
    return max(int(needed - failed - right), 1)


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
