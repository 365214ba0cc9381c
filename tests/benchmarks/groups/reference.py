"""The reference "deployment" of a segmenter whose scores are off from the start: quiet while it stays so, and how soon a
change is found."""

from collections.abc import Sequence

import numpy as np

from monitor.statistics.arrays import Ints, concatenate_columns, pick_rows
from monitor.statistics.cells import FINE_BINS, bin_of, fine_bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, BinSums, Tolerance
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.groups import GroupRows, GroupSums
from monitor.statistics.drift.reference import Reference, judge_groups
from monitor.statistics.drift.reference_groups import fit_groups
from tests.benchmarks.groups.images import Images
from tests.benchmarks.groups.play import AT_ONCE, HOUR, Played


def fine_sums(images: Images, wanted: Ints, row: Ints, position: Ints) -> GroupSums:
    """Images as groups by fine bin, each in its slice ``row`` and bucket ``position``; one of a bucket is group 0, 1, …"""
    place, source = images.pick(wanted)
    n = images.n[source]
    group = np.arange(wanted.size)[place]
    return GroupSums.of(
        row[place], position[place], group, fine_bin_of(bin_of(images.score[source])), n, images.score[source] * n,
        images.outcome[source],
    )  # fmt: skip


def fit_images(images: Images, wanted: Ints) -> Reference | None:
    """The reference that rests on these images."""
    zero = np.zeros(wanted.size, np.int64)
    return fit_groups(np.zeros((3, FINE_BINS)), fine_sums(images, wanted, zero, zero))


def play_reference(
    reference: Reference, images: Images, after: Images, streams: int, span: tuple[int, int], share: float,
    tolerance: Tolerance, seed: int,
) -> Played:  # fmt: skip
    """One image an hour, judged against the reference at c = 1460, in ``span`` (buckets, change): from bucket ``change`` on a
    ``share`` of them is from ``after``."""
    (buckets, change), threshold = span, 1460
    rng, state = np.random.default_rng(seed), EvidenceState.begin(streams)
    alarms = np.zeros((streams, buckets), np.int64)
    for first in range(0, buckets, AT_ONCE):
        count = min(AT_ONCE, buckets - first)
        row, position = (axis.ravel() for axis in np.indices((streams, count)))
        late = (first + position >= change) & (rng.random(row.size) < share)
        parts = []
        for source, some in ((images, ~late), (after, late)):
            wanted = rng.integers(len(source), size=int(some.sum()))
            parts.append(fine_sums(source, wanted, row[some], position[some]))
        merged = _merged([judge_groups([reference] * streams, part, tolerance) for part in parts])
        none = np.zeros((streams, count, DETECTOR_BINS))
        block = Block.of(BinSums(none, none, none, none[:, :, 0]), np.arange(first, first + count), none, none, merged)
        step = advance_evidence(state, block, threshold, HOUR)
        state = step.state
        for alarm in step.alarms:
            alarms[alarm.row, alarm.bucket] += 1
    return Played(alarms, HOUR / threshold)


def _merged(parts: Sequence[GroupRows]) -> GroupRows:
    """Rows of several origins, in order."""
    rows = concatenate_columns(parts)
    return pick_rows(rows, np.lexsort((rows.bin, rows.group, rows.row, rows.position)))
