"""What is measured of a detector: how far its scores can be believed, and what it finds of what there is.

A detection is right, wrong, or neither (on a crowd, on an ignored truth, beyond the most that count); those that are neither
are left out of every number here. So is every image whose truth has not come. An image that was looked at and holds nothing
is labelled, and all that was found in it is wrong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import Floats, Ints, ratio, totals
from monitor.statistics.calibration.bins import ScoreBins
from monitor.statistics.calibration.ece import plug_in_ece
from monitor.statistics.cells import Cells
from monitor.vision.matching import ANY_OVERLAP, MAX_DETECTIONS, Matches, match_detections
from monitor.vision.objects import Detections, Truths

LOCALISATION_BINS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The k detections of labelled images that are right or wrong."""

    row: Ints  # (k,): index among the detections
    score: Floats  # (k,) in [0, 1]
    outcome: Floats  # (k,): 1 right, 0 wrong
    image: Ints
    category: Ints

    def __len__(self) -> int:
        return len(self.row)

    def pick(self, rows: NDArray[np.bool_] | Ints) -> "Judged":
        """Return those that a mask or indices pick."""
        return Judged(self.row[rows], self.score[rows], self.outcome[rows], self.image[rows], self.category[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """What is found and what is invented, per class: (1 + classes,) each, the first of all classes together; NaN is unknown."""

    category: Ints  # (classes,), rising
    tp: Floats
    fp: Floats
    truths: Floats
    precision: Floats
    recall: Floats  # over the truths
    fp_per_image: Floats  # over all labelled images


def judge_detections(detections: Detections, matches: Matches, labelled: Ints, score: Floats | None = None) -> Judged:
    """Return the detections that are right or wrong; ``labelled`` holds the codes of images whose truth is known.

    ``score`` (n,) are calibrated scores to be used in the place of the raw ones, None: these.
    """
    row = np.flatnonzero(~matches.ignored & np.isin(detections.image, labelled))
    scores = detections.score if score is None else score
    right = matches.right[row].astype(np.float64)
    return Judged(row, scores[row], right, detections.image[row], detections.category[row])


def detection_ece(judged: Judged, above: float | Floats = 0.0) -> float:
    """Return the D-ECE at the IoU of the matching: Σ|R_k|/N over the 15 bins of the score, as ``plug_in_ece``.

    Of the detections with a score of at least ``above``, a threshold or one of each (k,). NaN where there are none. Raises
    ValueError on scores outside of [0, 1].

    >>> one = np.zeros(2, np.int64)
    >>> judged = Judged(np.arange(2), np.array([0.9, 0.2]), np.array([1.0, 1.0]), one, one)
    >>> round(detection_ece(judged), 3), round(detection_ece(judged, 0.5), 3)
    (0.45, 0.1)
    """
    shown = judged.score >= above
    if not shown.any():
        return float("nan")
    cells = Cells.from_samples(judged.score[shown], judged.outcome[shown])
    return float(plug_in_ece(ScoreBins.from_cells(cells, 1))[0])


def positional_ece(judged: Judged, centre: Floats, bins: int = 8, least: int = 8) -> float:
    """Return the D-ECE over (score, cx, cy): Σ|R_k|/N over ``bins``³ bins (Küppers et al. 2020).

    ``centre`` (k, 2) are the middles of the boxes as shares of their images in [0, 1]. Bins with fewer than ``least``
    detections add nothing. NaN without detections.

    >>> one = np.zeros(8, np.int64)
    >>> judged = Judged(np.arange(8), np.full(8, 0.9), np.ones(8), one, one)
    >>> round(positional_ece(judged, np.full((8, 2), 0.5)), 3)
    0.1
    """
    if not len(judged):
        return float("nan")
    places = np.column_stack([judged.score, centre])
    if places.shape[1] != 3 or not ((places >= 0) & (places <= 1)).all():
        raise ValueError("scores and centres must be shares in [0, 1], centres of the shape (k, 2)")
    place = np.minimum((places * bins).astype(np.int64), bins - 1) @ np.array([bins * bins, bins, 1])
    n = np.bincount(place, minlength=bins**3)
    residual = totals(place, judged.score - judged.outcome, bins**3)
    return float(np.abs(residual[n >= least]).sum() / len(judged))


def localisation_ece(
    detections: Detections,
    truths: Truths,
    labelled: Ints,
    score: Floats | None = None,
    max_detections: int | None = MAX_DETECTIONS,
) -> float:
    """Return LaECE₀: how far the score is from the overlap with what was found, mean over classes (Kuzucu et al. 2024).

    Detections are matched one to one at any overlap. Of each class, over 25 bins of the score, Σ|Σ(score − IoU)|/N; the IoU
    of what found nothing is 0. NaN without detections.
    """
    matches = match_detections(detections, truths, ANY_OVERLAP, max_detections)
    judged = judge_detections(detections, matches, labelled, score)
    if not len(judged):
        return float("nan")
    return localisation_error(judged.score, matches.iou[judged.row], judged.category)


def localisation_error(score: Floats, overlap: Floats, category: Ints) -> float:
    """Return LaECE₀ of detections (k,) that overlap what they found by ``overlap``, 0 where that is nothing.

    >>> one = np.zeros(2, np.int64)
    >>> round(localisation_error(np.array([0.9, 0.2]), np.array([0.8, 0.0]), one), 3)
    0.15
    """
    if not len(score):
        return float("nan")
    categories, code = np.unique(category, return_inverse=True)
    bins = LOCALISATION_BINS
    place = code.reshape(-1) * bins + np.minimum((score * bins).astype(np.int64), bins - 1)
    residual = totals(place, score - overlap, len(categories) * bins)
    error = np.abs(residual).reshape(-1, bins).sum(axis=1)
    return float(np.mean(error / np.bincount(code.reshape(-1))))


def measure_rates(judged: Judged, truths: Truths, labelled: Ints, threshold: float | Floats = 0.0) -> Rates:
    """Return precision, recall over the truths and false positives per labelled image, per class and of all together.

    Of the detections with a score of at least ``threshold``, one or one of each (k,). Crowds and ignored truths are no
    objects to be found. Classes are those of judged detections and truths.
    """
    objects = truths.pick(~truths.left_out & np.isin(truths.image, labelled)).category
    shown = judged.pick(judged.score >= threshold)
    categories = np.union1d(judged.category, objects)

    def count(of: Ints, weights: Floats) -> Floats:
        per_class = totals(np.searchsorted(categories, of), weights, len(categories))
        return np.concatenate([[per_class.sum()], per_class])

    tp, fp = count(shown.category, shown.outcome), count(shown.category, 1 - shown.outcome)
    total = count(objects, np.ones(len(objects)))
    images = np.full(len(tp), float(len(np.unique(labelled))))
    return Rates(categories, tp, fp, total, ratio(tp, tp + fp), ratio(tp, total), ratio(fp, images))


def centre_boxes(boxes: Floats, sizes: Floats) -> Floats:
    """Return the middle of each box as shares of its image, (n, 2) in [0, 1]; ``sizes`` (n, 2) are widths and heights.

    >>> centre_boxes(np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([[100.0, 50.0]])).tolist()
    [[0.05, 0.1]]
    """
    return np.clip((boxes[:, :2] + boxes[:, 2:]) / 2 / sizes, 0.0, 1.0)
