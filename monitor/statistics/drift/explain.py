"""What an alarm says: which scores drifted, and in which direction."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.model import Shift
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.drift.bets import DETECTOR_BINS, EDGES
from monitor.statistics.drift.eprocess import Block

_CLEAR = 3.0  # log Bayes factor from which a direction is named
_SLACK = 1.5  # stretches within this of the best are about as good


@dataclass(frozen=True, slots=True)
class BinDrift:
    """One detector bin since the onset: scores in [low, high), and weighed samples.

    ``mean_rate`` is what was tolerated on average (the middle of the band), ``outcome_rate`` what happened; both None
    without samples. ``samples`` counts them all, and ``expected`` and ``happened`` are the same over these, unweighed: for
    samples without groups there is no difference. ``products`` (12,): of samples in groups, the sums over groups of what the
    bin's residual and each bin's residual make; None without groups.
    """

    low: float
    high: float
    weight: float
    mean_rate: float | None
    outcome_rate: float | None
    samples: float | None = None
    expected: float | None = None
    happened: float | None = None
    products: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SpanSums:
    """Of each slice over some buckets: ``sums`` (6, S, 12) weight, what was tolerated on average times weight, and outcomes;
    samples, what was tolerated of them, and outcomes; ``products`` (S, 12, 12) of ``BinDrift``; ``grouped`` (S,)."""

    sums: Floats
    products: Floats
    grouped: NDArray[np.bool_]

    @classmethod
    def of_nothing(cls, slices: int) -> "SpanSums":
        """Before anything is added."""
        none = np.zeros((6, slices, DETECTOR_BINS))
        return cls(none, np.zeros((slices, DETECTOR_BINS, DETECTOR_BINS)), np.zeros(slices, np.bool_))

    def __add__(self, other: "SpanSums") -> "SpanSums":
        return SpanSums(self.sums + other.sums, self.products + other.products, self.grouped | other.grouped)

    def list_bins(self, row: int) -> tuple[BinDrift, ...]:
        """The twelve bins of one slice."""
        found = []
        for column, (w, m, o, n, e, h) in enumerate(self.sums[:, row].T.tolist()):
            low, high = EDGES[column], EDGES[column + 1]
            products = tuple(self.products[row, column].tolist()) if self.grouped[row] else None
            mean, outcome = (m / w, o / w) if w > 0 else (None, None)
            expected, happened = (e / n, h / n) if n > 0 else (None, None)
            found.append(BinDrift(low, high, w, mean, outcome, n, expected, happened, products))
        return tuple(found)


def explain_drift(block: Block, row: int, onset: int, alarm: int) -> tuple[BinDrift, ...]:
    """The twelve bins of slice ``row`` from bucket ``onset`` to bucket ``alarm``, both included.

    ``block`` must hold these buckets. Raises ValueError when it has no bucket in that range.

    >>> day, shape = np.array([0]), (1, 1, 12)
    >>> ten, nine, half = (np.full(shape, value) for value in (10.0, 9.0, 0.5))
    >>> block = Block(day, ten, nine, half, half, np.full((1, 1), 120.0))
    >>> found = explain_drift(block, 0, onset=0, alarm=0)
    >>> found[0].weight, found[0].mean_rate, found[0].outcome_rate
    (10.0, 0.5, 0.9)
    """
    if not ((block.bucket >= onset) & (block.bucket <= alarm)).any():
        raise ValueError(f"the block has no bucket in {onset}..{alarm}")
    slices = block.samples.shape[0]
    return span_sums(block, np.full(slices, onset), np.full(slices, alarm)).list_bins(row)


def span_sums(block: Block, first: Ints, last: Ints) -> SpanSums:
    """Of each slice from bucket ``first`` to ``last`` (S,), both included. Sums of blocks that follow each other add up.

    >>> day, shape = np.array([0]), (1, 1, 12)
    >>> ten, nine, half = (np.full(shape, value) for value in (10.0, 9.0, 0.5))
    >>> block = Block(day, ten, nine, half, half, np.full((1, 1), 120.0))
    >>> span_sums(block, np.array([0]), np.array([0])).sums[:3, 0, 0].tolist()
    [10.0, 5.0, 9.0]
    """
    inside = (block.bucket >= first[:, None]) & (block.bucket <= last[:, None])
    middle = (block.lower + block.upper) / 2
    alone = np.stack([block.weight, block.weight * middle, block.outcome])
    found = SpanSums.of_nothing(inside.shape[0])
    sums = np.concatenate([alone, alone])
    if block.groups is not None:
        own = block.groups.weigh(*block.samples.shape)
        sums = sums + own.sums
        kept = inside[own.row, own.position]
        np.add.at(found.products, own.row[kept], own.residual[kept, :, None] * own.residual[kept, None, :])
        found.grouped[own.row[kept]] = True
        variance = (block.weight * middle * (1 - middle) * inside[:, :, None]).sum(axis=1)
        found.products[:, range(DETECTOR_BINS), range(DETECTOR_BINS)] += variance
    return SpanSums((sums * inside[None, :, :, None]).sum(axis=2), found.products, found.grouped)


def find_shifts(bins: tuple[BinDrift, ...]) -> tuple[Shift, ...]:
    """Return the stretches of bins whose scores are over- or under-confident: none, one, or two of opposite sign.

    The numbers are means over the samples of these bins, each counted alike. Over-confident: the event happens less
    often than expected. Of all stretches of bins the one where a common shift of the log-odds explains most is named
    first: R = expected − observed outcomes, V their variance, and the log Bayes factor against no shift R²/(2(V + 1)) −
    ½·log(1 + V), as in ``onset``. Of groups V is what they themselves show, where that is less than of single samples of
    their weight. Of stretches that are about as good the longest is taken. A second one beside it is
    named when its shift goes the other way and is clear by itself. Empty when there is no clear direction. Edges are
    rounded to ``EDGES``.

    >>> bins = [BinDrift(low, high, 0.0, None, None) for low, high in zip(EDGES[:-1], EDGES[1:], strict=True)]
    >>> bins[11] = BinDrift(0.98, 1.0, 400.0, 0.95, 0.75)
    >>> find_shifts(tuple(bins))
    (Shift(confidence='over', low=0.0, high=1.0, expected=0.95, happened=0.75),)
    """
    residual = np.array([0.0 if one.mean_rate is None else one.weight * one.mean_rate for one in bins])
    residual -= np.array([0.0 if one.outcome_rate is None else one.weight * one.outcome_rate for one in bins])
    rate = np.array([one.mean_rate or 0.0 for one in bins])
    variance = np.array([one.weight for one in bins]) * rate * (1 - rate)
    products = np.array([one.products for one in bins]) if all(one.products for one in bins) else None
    main = _strongest(residual, (variance, products), 0, len(bins) - 1, None)
    if main is None:
        return ()
    first, last, sign = main
    beside = [
        _strongest(residual, (variance, products), *span, -sign) for span in ((0, first - 1), (last + 1, len(bins) - 1))
    ]
    named = [main, *(one for one in beside if one is not None)]
    return tuple(
        Shift("over" if s > 0 else "under", EDGES[a], EDGES[b + 1], *_rates(bins[a : b + 1])) for a, b, s in named
    )


def _rates(bins: tuple[BinDrift, ...]) -> tuple[float, float]:
    """What was expected and what happened, on average over the samples of the bins."""
    seen = [
        (one.samples, one.expected, one.happened) if one.samples else (one.weight, one.mean_rate, one.outcome_rate)
        for one in bins
    ]
    total = sum(weight for weight, _, _ in seen)
    expected = sum(weight * (mean or 0.0) for weight, mean, _ in seen) / total
    return expected, sum(weight * (rate or 0.0) for weight, _, rate in seen) / total


def _strongest(
    residual: Floats, variances: tuple[Floats, Floats | None], first: int, last: int, sign: int | None
) -> tuple[int, int, int] | None:
    """(first, last, sign) of the stretch within first..last that a shift of that sign explains best; None if unclear."""
    variance, products = variances
    sums, spread = np.concatenate([[0], np.cumsum(residual)]), np.concatenate([[0], np.cumsum(variance)])
    found = []
    for a in range(first, last + 1):
        for b in range(a, last + 1):
            shift, v = float(sums[b + 1] - sums[a]), float(spread[b + 1] - spread[a])
            v = v if products is None else min(v, float(products[a : b + 1, a : b + 1].sum()))
            if sign is None or shift * sign > 0:
                found.append((shift**2 / (2 * (v + 1)) - math.log1p(v) / 2, a, b, 1 if shift > 0 else -1))
    best = max(found, default=None)
    if best is None or best[0] < _CLEAR:
        return None
    close = [one for one in found if one[0] >= best[0] - _SLACK and one[3] == best[3]]
    _, a, b, side = max(close, key=lambda one: (one[2] - one[1], one[0]))
    return a, b, side
