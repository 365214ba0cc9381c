"""Recall over the objects there were, found or not, from their counts per bin; images are clusters, the missed among them."""

from dataclasses import dataclass

import numpy as np

from monitor.statistics.arrays import Floats, Ints, expand_units, ratio, totals
from monitor.statistics.cells import SCORE_BINS, score_bin_of
from monitor.statistics.intervals import GroupSums, clopper_pearson
from monitor.statistics.thresholds.live import CONFIDENCE, part_above

NOT_FOUND = -1  # the bin of an object that no detection found


@dataclass(frozen=True, slots=True, eq=False)
class ObjectCounts:
    """Rows of ``n`` objects each, of one part and bin; ``group`` (rows,) codes of their images, where rows hold single ones."""

    part: Ints
    bin: Ints  # of the score of what found them, NOT_FOUND: nothing did
    n: Floats
    group: Ints | None = None


def shares_above(bins: Ints, threshold: Floats) -> Floats:
    """(rows,): the part of each row found at or above the threshold, as ``part_above``; 0 where nothing found it.

    >>> from monitor.statistics.cells import bin_of
    >>> shares_above(np.append(bin_of([0.2, 0.9]), -1), np.full(3, 0.5)).tolist()
    [0.0, 1.0, 0.0]
    """
    was_found = bins != NOT_FOUND
    return np.where(was_found, part_above(np.where(was_found, bins, 0), threshold), 0.0)


def recall_of_objects(
    counts: ObjectCounts, drawn: ObjectCounts, threshold: Floats, mapping: Ints, units: int
) -> dict[str, Floats]:
    """Recall over the objects, with bounds at 95 % between lower and upper, each (units,); NaN without objects.

    ``threshold`` (parts,) is what decides on each part, ``mapping`` (pairs, 2) says which units it belongs to. ``drawn`` are
    all objects of images drawn from among those of ``counts``, one a row: from them comes the design effect, how much wider
    recall spreads over images than it would over independent objects. A unit that none was drawn of takes the most it can
    be, that of objects which are found or missed with their image. A bin that a threshold lies inside is counted from both
    sides, as in ``live_rates``.

    >>> rows = ObjectCounts(np.zeros(2, np.int64), np.array([-1, -1]), np.ones(2), np.arange(2))
    >>> found = recall_of_objects(rows, rows, np.array([0.5]), np.array([[0, 0]]), 1)
    >>> found["threshold_recall"].tolist(), found["threshold_recall_upper"].round(2).tolist()
    ([0.0], [0.84])
    """
    rows, unit = expand_units(counts.part, mapping)
    n, above = counts.n[rows], shares_above(counts.bin, threshold[counts.part])[rows]
    truths = totals(unit, n, units)
    found = [totals(unit, n * inside, units) for inside in (above, np.ceil(above), np.floor(above))]
    effect = design_effects_of_recall(drawn, threshold, mapping, units)
    bounds = [clopper_pearson(each / effect, truths / effect, CONFIDENCE) for each in found[1:]]
    return {
        "threshold_recall": ratio(found[0], truths),
        "threshold_recall_lower": np.fmin(bounds[0][0], bounds[1][0]),
        "threshold_recall_upper": np.fmax(bounds[0][1], bounds[1][1]),
    }


def design_effects_of_recall(drawn: ObjectCounts, threshold: Floats, mapping: Ints, units: int) -> Floats:
    """(units,), at least 1: the variance of recall between images over that of as many independent objects, with the quantile
    that few images call for (``GroupSums.count_effective``).

    >>> from monitor.statistics.cells import bin_of
    >>> alike = ObjectCounts(np.zeros(40, np.int64), bin_of([0.9, 0.1] * 20), np.ones(40), np.repeat(np.arange(10), 4))
    >>> design_effects_of_recall(alike, np.full(1, 0.5), np.array([[0, 0]]), 1).round(2).tolist()
    [1.25]
    """
    if drawn.group is None or not len(drawn.group):
        return np.ones(units)
    rows, unit = expand_units(drawn.part, mapping)
    n, above = drawn.n[rows], shares_above(drawn.bin, threshold[drawn.part])[rows]
    _, group = np.unique(drawn.group, return_inverse=True)
    width = int(group.max()) + 1
    key, cluster = np.unique(unit * width + group.reshape(-1)[rows], return_inverse=True)
    of_cluster = key // width
    truths, found = (totals(cluster.reshape(-1), values, len(key)) for values in (n, n * above))

    def add(values: Floats) -> Floats:
        return totals(of_cluster, values, units)

    sums = GroupSums(
        add(found), add(truths), add(found**2), add(found * truths), add(truths**2), add(np.ones(len(key)))
    )
    largest = float(ratio(np.asarray(truths @ truths), np.asarray(truths.sum()), 1.0))
    return np.maximum(ratio(sums.trials, sums.count_effective(CONFIDENCE), largest), 1.0)


def count_above(part: Ints, bins: Ints, n: Floats, threshold: Floats, mapping: Ints, units: int) -> Floats:
    """(units,): the sum of ``n`` (rows,) at or above the threshold of each row's part, a bin it lies inside by its share.

    >>> from monitor.statistics.cells import bin_of
    >>> count_above(np.zeros(2, np.int64), bin_of([0.2, 0.9]), np.ones(2), np.full(1, 0.5), np.array([[0, 0]]), 1).tolist()
    [1.0]
    """
    rows, unit = expand_units(part, mapping)
    return totals(unit, n[rows] * part_above(bins[rows], threshold[part[rows]]), units)


def error_above(
    part: Ints, bins: Ints, n: Floats, residual: Floats, threshold: Floats, mapping: Ints, units: int
) -> Floats:
    """(units,): the plug-in ECE of samples at or above the threshold of their part, Σ|Σ(score − outcome)|/N over 15 score bins.

    ``residual`` (rows,) are sums of score − outcome. The bin that a threshold lies inside counts by its share above it. NaN
    where no sample is above.

    >>> from monitor.statistics.cells import bin_of
    >>> error_above(
    ...     np.zeros(2, np.int64), bin_of([0.2, 0.9]), np.ones(2), np.array([0.2, -0.1]), np.array([0.5]),
    ...     np.array([[0, 0]]), 1,
    ... ).tolist()
    [0.1]
    """
    rows, unit = expand_units(part, mapping)
    above = part_above(bins[rows], threshold[part[rows]])
    slot = unit * SCORE_BINS + score_bin_of(bins[rows])
    errors = np.abs(totals(slot, residual[rows] * above, units * SCORE_BINS)).reshape(units, SCORE_BINS)
    return ratio(errors.sum(axis=1), totals(unit, n[rows] * above, units))
