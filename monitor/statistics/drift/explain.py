"""What an alarm says: which scores drifted, and in which direction."""

import math
from dataclasses import dataclass

import numpy as np

from monitor.model import Shift
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.drift.bets import EDGES
from monitor.statistics.drift.eprocess import Block

_CLEAR = 3.0  # log Bayes factor from which a direction is named
_SLACK = 1.5  # stretches within this of the best are about as good


@dataclass(frozen=True, slots=True)
class BinDrift:
    """One detector bin since the onset: scores in [low, high), and weighed samples.

    ``mean_rate`` is what was tolerated on average (the middle of the band), ``outcome_rate`` what happened; both None
    without samples.
    """

    low: float
    high: float
    weight: float
    mean_rate: float | None
    outcome_rate: float | None


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
    return summed_bins(span_sums(block, np.array([onset]), np.array([alarm]))[:, row])


def span_sums(block: Block, first: Ints, last: Ints) -> Floats:
    """Of each slice from bucket ``first`` to ``last`` (S,), both included: (3, S, 12) weight, what was tolerated on average
    times weight, and outcomes. Sums of blocks that follow each other add up.

    >>> day, shape = np.array([0]), (1, 1, 12)
    >>> ten, nine, half = (np.full(shape, value) for value in (10.0, 9.0, 0.5))
    >>> block = Block(day, ten, nine, half, half, np.full((1, 1), 120.0))
    >>> span_sums(block, np.array([0]), np.array([0]))[:, 0, 0].tolist()
    [10.0, 5.0, 9.0]
    """
    inside = (block.bucket >= first[:, None]) & (block.bucket <= last[:, None])
    weight, outcome = block.weight, block.outcome
    middle = weight * (block.lower + block.upper) / 2
    if block.groups is not None:
        own, happened, lower, upper = block.groups.weigh(*block.samples.shape)
        weight, middle, outcome = weight + own, middle + (lower + upper) / 2, outcome + happened
    sums: Floats = np.stack([(part * inside[:, :, None]).sum(axis=1) for part in (weight, middle, outcome)])
    return sums


def summed_bins(sums: Floats) -> tuple[BinDrift, ...]:
    """The twelve bins of one slice from its ``span_sums`` (3, 12).

    >>> bins = summed_bins(np.array([[2.0], [1.0], [2.0]]) * np.ones((3, 12)))
    >>> bins[0].weight, bins[0].mean_rate, bins[0].outcome_rate
    (2.0, 0.5, 1.0)
    """
    parts = zip(EDGES[:-1], EDGES[1:], *sums.tolist(), strict=True)
    return tuple(
        BinDrift(low, high, w, m / w, o / w) if w > 0 else BinDrift(low, high, w, None, None)
        for low, high, w, m, o in parts
    )


def find_shifts(bins: tuple[BinDrift, ...]) -> tuple[Shift, ...]:
    """Return the stretches of bins whose scores are over- or under-confident: none, one, or two of opposite sign.

    The numbers are means over the samples of these bins, weighed as in ``bins``. Over-confident: the event happens less
    often than expected. Of all stretches of bins the one where a common shift of the log-odds explains most is named
    first: R = expected − observed outcomes, V their variance, and the log Bayes factor against no shift R²/(2(V + 1)) −
    ½·log(1 + V), as in ``onset``. Of stretches that are about as good the longest is taken. A second one beside it is
    named when its shift goes the other way and is clear by itself. Empty when there is no clear direction. Edges are
    rounded to ``EDGES``.

    >>> sums = np.zeros((3, 12))
    >>> sums[:, 11] = 400.0, 380.0, 300.0
    >>> find_shifts(summed_bins(sums))
    (Shift(confidence='over', low=0.0, high=1.0, expected=0.95, happened=0.75),)
    """
    residual = np.array([0.0 if one.mean_rate is None else one.weight * one.mean_rate for one in bins])
    residual -= np.array([0.0 if one.outcome_rate is None else one.weight * one.outcome_rate for one in bins])
    rate = np.array([one.mean_rate or 0.0 for one in bins])
    variance = np.array([one.weight for one in bins]) * rate * (1 - rate)
    main = _strongest(residual, variance, 0, len(bins) - 1, None)
    if main is None:
        return ()
    first, last, sign = main
    beside = [_strongest(residual, variance, *span, -sign) for span in ((0, first - 1), (last + 1, len(bins) - 1))]
    named = [main, *(one for one in beside if one is not None)]
    return tuple(
        Shift("over" if s > 0 else "under", EDGES[a], EDGES[b + 1], *_rates(bins[a : b + 1])) for a, b, s in named
    )


def _rates(bins: tuple[BinDrift, ...]) -> tuple[float, float]:
    """What was expected and what happened, on average over the samples of the bins."""
    seen = [(one.weight, one.mean_rate, one.outcome_rate) for one in bins]
    total = sum(weight for weight, _, _ in seen)
    expected = sum(weight * (mean or 0.0) for weight, mean, _ in seen) / total
    return expected, sum(weight * (rate or 0.0) for weight, _, rate in seen) / total


def _strongest(
    residual: Floats, variance: Floats, first: int, last: int, sign: int | None
) -> tuple[int, int, int] | None:
    """(first, last, sign) of the stretch within first..last that a shift of that sign explains best; None if unclear."""
    sums, spread = np.concatenate([[0], np.cumsum(residual)]), np.concatenate([[0], np.cumsum(variance)])
    found = []
    for a in range(first, last + 1):
        for b in range(a, last + 1):
            shift, v = float(sums[b + 1] - sums[a]), float(spread[b + 1] - spread[a])
            if sign is None or shift * sign > 0:
                found.append((shift**2 / (2 * (v + 1)) - math.log1p(v) / 2, a, b, 1 if shift > 0 else -1))
    best = max(found, default=None)
    if best is None or best[0] < _CLEAR:
        return None
    close = [one for one in found if one[0] >= best[0] - _SLACK and one[3] == best[3]]
    _, a, b, side = max(close, key=lambda one: (one[2] - one[1], one[0]))
    return a, b, side
