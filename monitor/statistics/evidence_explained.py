"""An alarm in words: which scores drifted, in which direction, and how much each part of the range contributed."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.statistics._arrays import Floats
from monitor.statistics.evidence import Block
from monitor.statistics.evidence_bank import DETECTOR_BINS, EDGES, Bank, default_bank

_MARGIN = 0.1  # bins at the ends of a range that hold less than this share of its evidence are not named


@dataclass(frozen=True, slots=True)
class BinDrift:
    """One detector bin since the onset: scores in [low, high), weighed samples, and its part of the log evidence.

    ``mean_rate`` is what was tolerated on average (the middle of the band), ``outcome_rate`` what happened; both None
    without samples. ``contribution`` may be negative: there the outcomes speak against the tilt.
    """

    low: float
    high: float
    weight: float
    mean_rate: float | None
    outcome_rate: float | None
    contribution: float


def explain(
    block: Block, row: int, tilt: int, onset: int, alarm: int, bank: Bank | None = None
) -> tuple[BinDrift, ...]:
    """The twelve bins of slice ``row`` from bucket ``onset`` to bucket ``alarm``, both included, under one tilt.

    ``block`` must hold these buckets. Contributions add up to the log evidence of (tilt, onset) less the log of the
    start mass. Raises ValueError when the block has no bucket in that range.
    """
    bank = bank or default_bank()
    span = np.flatnonzero((block.bucket >= onset) & (block.bucket <= alarm))
    if not span.size:
        raise ValueError(f"the block has no bucket in {onset}..{alarm}")
    weight, outcome = block.weight[row, span], block.outcome[row, span]
    lower, upper = block.lower[row, span], block.upper[row, span]
    size = bank.tilts[tilt]
    rate = np.where(size > 0, upper, lower)
    contribution = (size * outcome - weight * np.log1p(rate * np.expm1(size))).sum(axis=0)
    middle = (weight * (lower + upper) / 2).sum(axis=0)
    total, happened = weight.sum(axis=0), outcome.sum(axis=0)
    return tuple(
        BinDrift(
            EDGES[b],
            EDGES[b + 1],
            float(total[b]),
            float(middle[b] / total[b]) if total[b] > 0 else None,
            float(happened[b] / total[b]) if total[b] > 0 else None,
            float(contribution[b]),
        )
        for b in range(DETECTOR_BINS)
    )


def direction(bins: tuple[BinDrift, ...], tilt: int, bank: Bank | None = None) -> str:
    """For instance "over-confident above 0.8", or "under-confident below 0.5 and over-confident above 0.5".

    Over-confident: the event happens less often than the scores say (the tilt is negative there). Ranges are runs of
    bins where the tilt has one sign, without their ends of little evidence; edges are rounded to those of ``EDGES``.
    A range with less than a tenth of the evidence is left out. "no clear direction" when nothing remains.
    """
    signs = np.sign((bank or default_bank()).tilts[tilt])
    gains = np.array([max(one.contribution, 0.0) for one in bins])
    ranges = []
    for first, last in _runs(signs):
        inside = gains[first : last + 1]
        if inside.sum() > _MARGIN * gains.sum():
            low, high = first + _trimmed(inside), last - _trimmed(inside[::-1])
            ranges.append(f"{'over' if signs[first] < 0 else 'under'}-confident {_where(low, high)}")
    return " and ".join(ranges) or "no clear direction"


def _runs(signs: Floats) -> list[tuple[int, int]]:
    """First and last index of each maximal run of equal signs other than 0."""
    cuts = np.flatnonzero(np.diff(signs)) + 1
    bounds = [0, *cuts.tolist(), signs.size]
    return [(a, b - 1) for a, b in pairwise(bounds) if signs[a] != 0]


def _trimmed(gains: Floats) -> int:
    """How many leading bins together hold less than a tenth of the evidence."""
    return int(np.searchsorted(np.cumsum(gains), _MARGIN * gains.sum(), side="left"))


def _where(first: int, last: int) -> str:
    if first == 0 and last == DETECTOR_BINS - 1:
        return "at all scores"
    if first == 0:
        return f"below {EDGES[last + 1]:g}"
    if last == DETECTOR_BINS - 1:
        return f"above {EDGES[first]:g}"
    return f"from {EDGES[first]:g} to {EDGES[last + 1]:g}"
