"""calwatch's rule on simulated streams: all slices, one budget, daily buckets."""

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.cells import Cells, bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, BinSums, Tolerance, detector_bin_of
from monitor.statistics.drift.budget import DAYS_PER_YEAR, slice_threshold
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.groups import GroupSums
from tests.benchmarks.detectors.streams import Floats, Stream, nested

ROWS_AT_A_TIME = 400_000  # slices x buckets in memory at once


def calwatch(
    stream: Stream, tolerance: Tolerance, per_year: float = 1.0, *, weighed: bool = False
) -> NDArray[np.int64]:
    """Alarms per run and bucket, all slices together, (runs, buckets), with a budget of ``per_year`` over them all.

    All slices are there from the beginning, each with an equal share of what its kind has. Samples in groups are bet on
    together; ``weighed``: as it was before that, each by itself with a weight of one share of its group.
    """
    runs, buckets, _ = stream.score.shape
    slices = nested(stream.parts)
    highest = max(order for order, _ in slices)
    kinds = {order: sum(1 for other, _ in slices if other == order) for order, _ in slices}
    together = stream.group > 1 and not weighed
    sums = nothing_alone(stream) if together else bin_sums(stream)
    groups = group_sums(stream) if together else None
    alarms, ranks, limits = np.zeros((runs, buckets), np.int64), dict.fromkeys(kinds, 0), []
    for order, _ in slices:
        ranks[order] += 1
        limits.append(slice_threshold(per_year, order, ranks[order], highest, kinds[order]))
    at_once = max(ROWS_AT_A_TIME // (runs * buckets), 1)
    for first in range(0, len(slices), at_once):
        some = slices[first : first + at_once]
        inside = np.stack([parts for _, parts in some]).astype(np.float64)
        columns = [_summed(inside, column) for column in (sums.weight, sums.score, sums.outcome, sums.samples)]
        own = None if groups is None else groups.regroup(_links(runs, inside))
        block = Block.against_scores(BinSums(*columns), np.arange(buckets), tolerance, own)
        threshold = np.tile(limits[first : first + at_once], runs)
        for alarm in advance_evidence(EvidenceState.begin(runs * len(some)), block, threshold, 1.0).alarms:
            alarms[alarm.row // len(some), alarm.bucket] += 1
    return alarms


def _summed(inside: Floats, column: Floats) -> Floats:
    """Sums per slice from (runs, parts, …) sums per part; rows are runs × slices."""
    summed = np.moveaxis(np.tensordot(inside, column, axes=(1, 1)), 0, 1)
    return summed.reshape(-1, *column.shape[2:])


def _links(runs: int, inside: Floats) -> NDArray[np.int64]:
    """(from, to) of each run's parts and the slices they lie in."""
    slices, parts = inside.shape
    to, part = np.nonzero(inside)
    run = np.arange(runs)[:, None]
    return np.stack([(run * parts + part).ravel(), (run * slices + to).ravel()], axis=1)


def nothing_alone(stream: Stream) -> BinSums:
    """No samples but those in groups."""
    runs, buckets, _ = stream.score.shape
    none = np.zeros((runs, stream.parts, buckets, DETECTOR_BINS))
    return BinSums(none, none, none, none[:, :, :, 0])


def group_sums(stream: Stream) -> GroupSums:
    """Groups per run and finest slice (run · parts + part) and bucket."""
    runs, buckets, samples = stream.score.shape
    part = np.zeros(stream.score.shape, np.int64) if stream.part is None else stream.part
    run, bucket, place = np.broadcast_arrays(*np.ogrid[:runs, :buckets, :samples])
    seen = np.isfinite(stream.score)
    score, outcome = stream.score[seen], stream.outcome[seen]
    return GroupSums.of(
        (run * stream.parts + part)[seen], bucket[seen], place[seen] // stream.group, detector_bin_of(bin_of(score)),
        np.ones(score.size), score, outcome,
    )  # fmt: skip


def bin_sums(stream: Stream) -> BinSums:
    """Sums per run, finest slice and bucket, each (runs, parts, buckets, …); weights 1/group."""
    runs, buckets, _ = stream.score.shape
    part = np.zeros(stream.score.shape, np.int64) if stream.part is None else stream.part
    run, bucket = np.arange(runs)[:, None, None], np.arange(buckets)[None, :, None]
    unit = (run * stream.parts + part) * buckets + bucket
    seen = np.isfinite(stream.score)
    score, outcome = stream.score[seen], stream.outcome[seen]
    cells = Cells.from_samples(score, outcome, unit=unit[seen], weight=np.full(score.size, 1 / stream.group))
    flat = BinSums.from_cells(cells, runs * stream.parts, buckets)
    shape = (runs, stream.parts, buckets)
    weight, scores, outcomes = (column.reshape(*shape, -1) for column in (flat.weight, flat.score, flat.outcome))
    return BinSums(weight, scores, outcomes, flat.samples.reshape(shape))


ALLOWED = 1e4 / DAYS_PER_YEAR  # false alarms per 10,000 daily buckets at "1/year"
