"""The trade-off curve of a decision threshold: what every other choice would have given, in at most 200 points."""

from dataclasses import dataclass

import numpy as np

from monitor.statistics.arrays import Floats, ratio
from monitor.statistics.thresholds.counts import Counts

MOST_POINTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCurve:
    """Arrays of equal length, thresholds rising; NaN is unknown.

    The bounds are one-sided, each for its threshold alone: of 20 at 95 % one may be off. ``cost`` is the cost under the
    policy's costs over the number of samples, NaN for a policy without. Recall, F1 and cost are over all truths, also
    those that no sample stands for: NaN where nobody knows how many these are. ``share`` is the part predicted positive
    (for abstention the coverage), ``fp_per_group`` false positives per image or clip of those with a sample.

    Of a detector that is tuned there is a curve for each NMS IoU, one after the other: ``nms_iou`` says which (1 = nothing
    is suppressed), ``fp_per_image`` is over all labelled images. Both are NaN elsewhere.
    """

    threshold: Floats
    share: Floats
    precision: Floats
    precision_lower: Floats
    precision_upper: Floats
    recall: Floats
    recall_lower: Floats
    recall_upper: Floats
    f1: Floats
    cost: Floats
    fp_per_group: Floats
    nms_iou: Floats
    fp_per_image: Floats

    def __len__(self) -> int:
        return int(self.threshold.size)


COLUMNS = tuple(ThresholdCurve.__dataclass_fields__)


def curve_of(
    counts: Counts, confidence: float, costs: tuple[float, float] | None = None, *, over_images: bool = False
) -> ThresholdCurve:
    """The curve at all thresholds of ``counts``; ``costs``: of a false positive and of a false negative; ``over_images``: its
    groups are all labelled images.

    >>> from monitor.statistics.thresholds.counts import count_at
    >>> counts = count_at(np.array([0.0, 0.5]), np.array([0.2, 0.6, 0.9]), np.array([0.0, 0.0, 1.0]))
    >>> curve = curve_of(counts, 0.95)
    >>> curve.precision.round(3).tolist(), curve.recall.tolist(), curve.f1.round(3).tolist()
    ([0.333, 0.5], [1.0, 1.0], [0.5, 0.667])
    """
    fn = counts.false_negatives
    every = np.full(len(counts), counts.n)
    per_group, unknown = counts.fp / counts.groups, np.full(len(counts), np.nan)
    precision_lower, precision_upper = counts.precision_bounds(confidence)
    recall_lower, recall_upper = counts.recall_bounds(confidence)
    return ThresholdCurve(
        threshold=counts.threshold, share=counts.share,
        precision=counts.precision().rate, precision_lower=precision_lower, precision_upper=precision_upper,
        recall=counts.recall().rate, recall_lower=recall_lower, recall_upper=recall_upper,
        f1=ratio(2 * counts.tp, 2 * counts.tp + counts.fp + fn),
        cost=np.full(len(counts), np.nan) if costs is None else (costs[0] * counts.fp + costs[1] * fn) / every,
        fp_per_group=unknown if over_images else per_group, nms_iou=unknown,
        fp_per_image=per_group if over_images else unknown,
    )  # fmt: skip


def thin_curve(counts: Counts, keep: float | None, most: int = MOST_POINTS) -> Counts:
    """Those thresholds from which on another sample is predicted positive, evenly thinned to ``most``; ``keep`` stays.

    >>> from monitor.statistics.thresholds.counts import count_at
    >>> counts = count_at(np.array([0.0, 0.1, 0.5]), np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    >>> thin_curve(counts, None).threshold.tolist()
    [0.1, 0.5]
    """
    predicted = counts.tp + counts.fp
    telling = (predicted > 0) & (predicted != np.append(predicted[1:], 0.0))
    kept = counts.threshold == keep
    index = np.flatnonzero(telling | kept)
    must = np.flatnonzero(kept)
    if index.size > most:
        even = index[np.linspace(0, index.size - 1, most - must.size).round().astype(np.int64)]
        index = np.union1d(even, must)
    return counts.at(index)
