"""Streams of groups, played through the evidence bucket by bucket: with the bets on groups, and as it was before them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.cells import bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, BinSums, Tolerance, detector_bin_of
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.groups import GroupSums
from tests.benchmarks.groups.images import Images

HOUR = 1 / 24
AT_ONCE = 50  # buckets drawn together

# (rng, streams, first bucket, buckets) → sums of what is drawn; positions count from the first bucket
Draw = Callable[[np.random.Generator, int, int, int], GroupSums]


@dataclass(frozen=True, slots=True)
class Played:
    """``alarms`` (streams, buckets): how many were raised; ``expected`` how many the promise allows in each bucket."""

    alarms: Ints
    expected: float

    def per_10_000(self) -> float:
        """Alarms in 10,000 buckets."""
        return float(self.alarms.mean() * 1e4)

    def error(self) -> float:
        """Standard error of that over streams."""
        return float(self.alarms.mean(axis=1).std(ddof=1) / np.sqrt(len(self.alarms)) * 1e4)

    def delays(self, change: int) -> Floats:
        """(streams,) buckets from the change to the first alarm after it, 1 in the first bucket; inf for none."""
        late = self.alarms[:, change:] > 0
        return np.where(late.any(axis=1), late.argmax(axis=1) + 1.0, np.inf)


def play(
    draw: Draw, streams: int, buckets: int, threshold: float, tolerance: Tolerance, seed: int, *, old: bool = False
) -> Played:
    """Hourly buckets. ``old``: bets as if weights of 1/m were all there is."""
    rng, state = np.random.default_rng(seed), EvidenceState.begin(streams)
    alarms = np.zeros((streams, buckets), np.int64)
    for first in range(0, buckets, AT_ONCE):
        count = min(AT_ONCE, buckets - first)
        step = advance_evidence(
            state, block_of(draw(rng, streams, first, count), streams, first, count, tolerance, old), threshold, HOUR
        )
        state = step.state
        for alarm in step.alarms:
            alarms[alarm.row, alarm.bucket] += 1
    return Played(alarms, HOUR / threshold)


def block_of(sums: GroupSums, streams: int, first: int, count: int, tolerance: Tolerance, old: bool) -> Block:
    """A block of the buckets from ``first`` on."""
    shape = (streams, count, DETECTOR_BINS)
    index, nothing = np.arange(first, first + count), np.zeros(shape)
    if not old:
        return Block.against_scores(BinSums(nothing, nothing, nothing, nothing[:, :, 0]), index, tolerance, sums)
    size, slot = sums.group_sizes(), (sums.row * count + sums.position) * DETECTOR_BINS + sums.bin
    weight, score, outcome = (
        totals(slot, column / size, nothing.size).reshape(shape) for column in (sums.n, sums.score, sums.outcome)
    )
    return Block.against_scores(BinSums(weight, score, outcome, weight.sum(axis=2)), index, tolerance)


def draw_images(
    images: Images, per_bucket: int, after: Images | None = None, change: int = 0, share: float = 1.0
) -> Draw:
    """``per_bucket`` images with their true outcomes, drawn with replacement; from bucket ``change`` on a ``share`` of them
    from ``after``."""
    bins = [detector_bins(each) for each in (images, after or images)]

    def draw(rng: np.random.Generator, streams: int, first: int, count: int) -> GroupSums:
        total = streams * count * per_bucket
        late = (first + np.arange(total) // per_bucket % count >= change) & (rng.random(total) < share)
        parts = []
        for which, source in enumerate((images, after or images)):
            own = np.flatnonzero(late == bool(which)) if after is not None else np.arange(total * (1 - which))
            place, row = source.pick(rng.integers(len(source), size=own.size))
            group = own[place]
            parts.append((group, bins[which][row], source.n[row], (source.score * source.n)[row], source.outcome[row]))
        group, column, n, score, outcome = (np.concatenate(each) for each in zip(*parts, strict=True))
        unit = group // per_bucket
        return GroupSums.of(unit // count, unit % count, group % per_bucket, column, n, score, outcome)

    return draw


def detector_bins(images: Images) -> Ints:
    """The detector bin of each row."""
    return detector_bin_of(bin_of(images.score))


Outcomes = Callable[[np.random.Generator, Ints, Ints, Floats, Floats], Floats]


def draw_null(images: Images, per_bucket: int, outcomes: Outcomes) -> Draw:
    """Images whose outcomes are drawn so that each sample is right as often as its score says, dependent as ``outcomes``
    (rng, groups, place, score, n) makes them."""
    bins = detector_bins(images)

    def draw(rng: np.random.Generator, streams: int, first: int, count: int) -> GroupSums:
        total = streams * count * per_bucket
        place, row = images.pick(rng.integers(len(images), size=total))
        score, n = images.score[row], images.n[row]
        found = outcomes(rng, np.arange(total), place, score, n)
        unit = place // per_bucket
        return GroupSums.of(unit // count, unit % count, place % per_bucket, bins[row], n, score * n, found)

    return draw


def own_draws(rng: np.random.Generator, groups: Ints, place: Ints, score: Floats, n: Floats) -> Floats:
    """Each sample by itself."""
    return rng.binomial(n.astype(np.int64), score).astype(np.float64)


def one_draw(rng: np.random.Generator, groups: Ints, place: Ints, score: Floats, n: Floats) -> Floats:
    """One number for the whole group decides on all its samples."""
    return np.where(rng.random(groups.size)[place] < score, n, 0.0)


def half_each(rng: np.random.Generator, groups: Ints, place: Ints, score: Floats, n: Floats) -> Floats:
    """Half of the groups share one draw."""
    shared = (rng.random(groups.size) < 0.5)[place]
    return np.where(shared, one_draw(rng, groups, place, score, n), own_draws(rng, groups, place, score, n))


def rarely_all(by: float, value: int) -> Outcomes:
    """Usually too rare by ``by``, rarely all true (``value`` 1); mirrored for 0."""

    def outcomes(rng: np.random.Generator, groups: Ints, place: Ints, score: Floats, n: Floats) -> Floats:
        rate = score if value else 1 - score
        all_alike = (rng.random(groups.size) < by)[place]
        # a score below ``by`` is true now and then only when all are
        usual = np.clip((rate - by) / (1 - by), 0.0, 1.0)
        then = np.minimum(rate / by, 1.0)
        chance = np.where(all_alike, then, usual)
        found = rng.binomial(n.astype(np.int64), np.clip(chance, 0, 1)).astype(np.float64)
        return found if value else n - found

    return outcomes


def draw_clips(frames: int, per_bucket: int, shared: float, link: Callable[[Floats], Floats], change: int) -> Draw:
    """Clips of ``frames`` with logit p ~ N(.5, 1.5²); a ``shared`` part of the clips has one draw for all frames. Outcomes
    follow ``link`` of the logits from bucket ``change`` on."""

    def draw(rng: np.random.Generator, streams: int, first: int, count: int) -> GroupSums:
        shape = (streams, count, per_bucket, frames)
        x = rng.normal(0.5, 1.5, shape)
        late = (first + np.arange(count) >= change)[None, :, None, None]
        rate = expit(np.where(late, link(x), x))
        one = rng.random(shape[:3])[..., None] < rate
        own = rng.random(shape) < rate
        outcome = np.where((rng.random(shape[:3]) < shared)[..., None], one, own)
        row, position, group, _ = (np.broadcast_to(axis, shape).ravel() for axis in np.ogrid[tuple(map(slice, shape))])
        score = expit(x).ravel()
        return GroupSums.of(
            row, position, group, detector_bin_of(bin_of(score)), np.ones(score.size), score, outcome.ravel()
        )

    return draw
