"""The bets of drift evidence: a bank of tilts over twelve detector bins, and the sums per bucket they are placed on.

A tilt is an alternative to "outcomes happen as often as scores say": in detector bin b the log-odds of the outcome are
off by λ_b. Everything here is fixed before any label is seen, which is what makes the evidence valid. How samples that
come in groups are bet on: ``groups``.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.cells import Bins, Cells, fine_bin_middle, fine_bin_of

EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 1.0)
DETECTOR_BINS = len(EDGES) - 1
WORTHWHILE = 0.02  # expected log growth per day at which a tilt gets half of its part of the start mass
LEAST_PART = 1e-6  # of the best tilt's part, for each
BANK = "bank 2"  # of the tilts that any sample is bet on with: evidence kept from other ones starts afresh
FOR_GROUPS = 0.3  # of the mass of all tilts, where samples come in groups


def detector_bin_of(bin: Bins) -> Ints:  # noqa: A002 - the column is called bin
    """The detector bin, 0..11, of a cell's bin: the one that holds the logit centre of its fine bin.

    It depends on the score alone, so it is fixed before the label. The edges are therefore those of ``EDGES`` moved to
    the nearest fine-bin edge, by at most 1/16 in logit (at p = 0.5 not at all, at 0.02 by 0.001).

    >>> from monitor.statistics.cells import bin_of
    >>> detector_bin_of(bin_of([0.001, 0.5, 0.999])).tolist()
    [0, 6, 11]
    """
    table = np.searchsorted(np.asarray(EDGES[1:-1]), fine_bin_middle(), side="right")
    bins: Ints = table[fine_bin_of(bin)].astype(np.int64)
    return bins


def bin_middles() -> Floats:
    """The centre score of each detector bin, (12,): 0.01, 0.035, … 0.99.

    >>> bin_middles()[[0, 5, 6, 11]].round(4).tolist()
    [0.01, 0.425, 0.575, 0.99]
    """
    edges = np.asarray(EDGES)
    middles: Floats = (edges[1:] + edges[:-1]) / 2
    return middles


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """``tilts`` λ (J, 12) in log-odds, λ < 0 where outcomes are rarer than scores say, and their ``weights`` (J,).

    ``for_groups`` (J,) tells the tilts that get mass only where samples come in groups; the weights of the others sum to 1.
    ``terms`` (P, 2), the distinct pairs (bin, λ ≠ 0) and ``incidence`` (P, J), which of them make up a tilt: an
    increment is a sum over its terms, and most tilts share theirs. ``supports`` (K, 12), the distinct sets of bins in
    which a tilt is not 0, and ``support_of`` (J,), the one of each tilt.
    """

    tilts: Floats
    weights: Floats
    for_groups: NDArray[np.bool_]
    term_bin: Ints
    term_tilt: Floats
    incidence: Floats
    supports: NDArray[np.bool_]
    support_of: Ints

    @classmethod
    def of(cls, tilts: Floats, weights: Floats, for_groups: ArrayLike | None = None) -> "Bank":
        """Raises ValueError unless tilts are (J, 12) and finite, and the J weights positive, with sum 1 of those tilts that
        are not for groups alone."""
        tilts, weights = np.asarray(tilts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
        if tilts.ndim != 2 or tilts.shape[1] != DETECTOR_BINS or weights.shape != tilts.shape[:1]:
            raise ValueError(
                f"tilts must be (J, {DETECTOR_BINS}) and weights (J,) (got {tilts.shape}, {weights.shape})"
            )
        grouped = np.zeros(weights.size, np.bool_) if for_groups is None else np.asarray(for_groups, dtype=np.bool_)
        if not np.isfinite(tilts).all() or not (weights > 0).all() or abs(weights[~grouped].sum() - 1) > 1e-12:
            raise ValueError("tilts must be finite, weights positive with sum 1")
        tilt, column = np.nonzero(tilts)
        pairs, code = np.unique(np.stack([column, tilts[tilt, column]]), axis=1, return_inverse=True)
        incidence = np.zeros((pairs.shape[1], weights.size))
        incidence[code.ravel(), tilt] = 1.0
        supports, support_of = np.unique(tilts != 0, axis=0, return_inverse=True)
        return cls(
            tilts, weights, grouped, pairs[0].astype(np.int64), pairs[1].copy(), incidence,
            supports, support_of.ravel().astype(np.int64),
        )  # fmt: skip

    def __len__(self) -> int:
        return int(self.weights.size)

    def start_shares(self, growth: Floats, spread: Floats | None = None) -> Floats:
        """How the start mass of a bucket is dealt out over the tilts: r (S, J) ≥ 0 with Σ_j w_j r_j = 1 in each row.

            r_j ∝ v_j² / (v_j² + 0.02²), times ``spread`` (S, J) for tilts that are for groups alone

        v (S, J) is the log growth expected per day of start mass, were tilt j true: ½·Σ_b N_b q_b(1 − q_b)λ_jb² over
        the days of it. Where labels are few, small tilts could tell nothing for months; their part goes to larger ones
        (with two labels a day a shift of 0.8 is found 12 % sooner), and where there are many all keep theirs. v knows
        scores and numbers of labels but no outcome, so r is fixed before the outcomes are, and as Σ_j w_j r_j = 1, a
        bucket's starts Σ_j w_j γ r_j add up to γ as before: the guarantee needs no more. ``spread`` in [0, 1] is known as
        early (``GroupBets.spread``): 0 where no group has two samples, and where it is not given. Raises ValueError when
        growth is negative or not a number.
        """
        if growth.ndim != 2 or growth.shape[1] != len(self) or not (growth >= 0).all():
            raise ValueError(f"growth must be (slices, {len(self)}) and at least 0 (got {growth.shape})")
        admitted = self.admit(growth.shape[0], spread)
        part = growth**2 / (growth**2 + WORTHWHILE**2) * admitted
        best = part.max(axis=1, keepdims=True)
        part = np.where(best > 0, part + LEAST_PART * best * admitted, admitted)
        shares: Floats = part / (part @ self.weights)[:, None]
        return shares

    def admit(self, slices: int, spread: Floats | None) -> Floats:
        """(S, J): 1 for tilts that any sample is bet on with, ``spread`` (S, J), or 0 where it is not given, for the others."""
        own = np.zeros((slices, len(self))) if spread is None else spread
        return np.where(self.for_groups, own, 1.0)


def _families() -> list[tuple[float, Floats]]:
    """(mass, tilts) of each family of alternatives."""
    centre = logit(bin_middles())
    everywhere = np.ones(DETECTOR_BINS)
    down, up = (np.stack([sign * size * everywhere for size in (0.13, 0.25, 0.7)]) for sign in (-1, 1))
    slopes = np.stack([(slope - 1) * centre for slope in (0.5, 0.75, 1.3)])
    halves = np.stack([size * half for half in (centre > 0, centre < 0) for size in (-0.8, -0.3, 0.3, 0.8)])
    singles = np.concatenate([-0.9 * np.eye(DETECTOR_BINS), 0.9 * np.eye(DETECTOR_BINS)])
    return [(0.36, down), (0.24, up), (0.25, slopes), (0.10, halves), (0.05, singles)]


def _families_for_groups() -> list[tuple[float, Floats]]:
    """(mass, tilts) of the larger alternatives that a group can tell of: everywhere, and on each half."""
    centre = logit(bin_middles())
    whole = np.ones(DETECTOR_BINS)
    found = []
    for part, inside in ((4 / 6, whole), (1 / 6, centre > 0), (1 / 6, centre < 0)):
        for sign, share in ((-1, 0.6), (1, 0.4)):
            found.append((part * share, np.stack([sign * size * inside * whole for size in (1.5, 3.0)])))
    return found


@cache
def default_bank() -> Bank:
    """41 tilts: shifts everywhere (mass 0.36 down, 0.24 up), slopes κ as (κ − 1)·logit (0.25), half ranges (0.10), one
    bin (0.05). Beside them 12 for samples that come in groups, with 0.3 of the mass of all there: ±1.5 and ±3 everywhere
    (4/6 of it), where scores are above 0.5 (1/6) and where they are below (1/6), down : up = 0.6 : 0.4.

    Few ones: a drift between two of them loses little, while each more costs the others weight, and large tilts
    overshoot the threshold, which spends budget without gaining time. Down has more than up, since models that meet
    what they were not trained for grow over-confident far more often than timid. A bet on one sample overshoots with a
    large tilt; a group can be cheaply bet on with one, since it puts at most all of a group's weight at stake.

    >>> bank = default_bank()
    >>> bank.tilts.shape, int(bank.for_groups.sum()), round(float(bank.weights[~bank.for_groups].sum()), 6)
    ((53, 12), 12, 1.0)
    """
    families, larger = _families(), _families_for_groups()
    weights, own = (
        np.concatenate([np.full(len(tilts), mass / len(tilts)) for mass, tilts in some]) for some in (families, larger)
    )
    tilts = np.concatenate([tilts for _, tilts in (*families, *larger)])
    # relative to the others, whose weights sum to 1: without groups everything is as if these were not there
    both = np.concatenate([weights / weights.sum(), own / own.sum() * FOR_GROUPS / (1 - FOR_GROUPS)])
    return Bank.of(tilts, both, np.arange(both.size) >= weights.size)


@dataclass(frozen=True, slots=True, eq=False)
class BinSums:
    """Weighted sums per slice, bucket and detector bin, each (slices, buckets, 12), and ``samples`` (slices, buckets).

    ``weight`` Σw, ``score`` Σwp, ``outcome`` Σwy with Σw ≤ 1 over every group of dependent samples (w = 1 for
    independent ones). ``samples`` counts labelled samples, whatever they weigh.
    """

    weight: Floats
    score: Floats
    outcome: Floats
    samples: Floats

    @classmethod
    def from_cells(cls, cells: Cells, slices: int, buckets: int) -> "BinSums":
        """``cells.unit`` is ``slice · buckets + bucket``. Raises ValueError when a unit lies beyond that."""
        if len(cells) and int(cells.unit.max()) >= slices * buckets:
            raise ValueError(f"units must lie below {slices} slices x {buckets} buckets (got {int(cells.unit.max())})")
        slot = cells.unit * DETECTOR_BINS + detector_bin_of(cells.bin)
        shape = (slices, buckets, DETECTOR_BINS)
        weight, score, outcome = (
            totals(slot, column, slices * buckets * DETECTOR_BINS).reshape(shape)
            for column in (cells.weight, cells.weight_score, cells.weight_outcome)
        )
        samples = totals(cells.unit, cells.n, slices * buckets).reshape(slices, buckets)
        return cls(weight, score, outcome, samples)

    def regroup(self, links: NDArray[np.int64], slices: int) -> "BinSums":
        """Sums of other slices: ``links`` holds (from, to) pairs, shape (pairs, 2); one may feed many."""
        links = links[np.argsort(links[:, 1], kind="stable")]
        fed, first = np.unique(links[:, 1], return_index=True)

        def summed(column: Floats) -> Floats:
            found = np.zeros((slices, *column.shape[1:]))
            if fed.size:
                found[fed] = np.add.reduceat(column[links[:, 0]], first, axis=0)
            return found

        return BinSums(summed(self.weight), summed(self.score), summed(self.outcome), summed(self.samples))

    def select_buckets(self, kept: NDArray[np.bool_]) -> "BinSums":
        """With nothing in the (slices, buckets) that ``kept`` does not hold."""
        shown = kept[:, :, None]
        weight, score, outcome = (np.where(shown, column, 0.0) for column in (self.weight, self.score, self.outcome))
        return BinSums(weight, score, outcome, np.where(kept, self.samples, 0.0))


@dataclass(frozen=True, slots=True)
class Tolerance:
    """``kind`` "none": outcome rate = score; "odds": odds within a factor 1/size..size; "probability": within ±size.

    The band of a pooled mean score contains the mean of the bands of its samples: upper bands are concave in the score
    and lower bands convex. Pooling samples of a bin therefore only widens what is tolerated.
    """

    kind: Literal["none", "odds", "probability"] = "none"
    size: float = 0.0

    def __post_init__(self) -> None:
        if self.kind == "odds" and not 1 <= self.size < math.inf:
            raise ValueError(f"an odds tolerance is a factor of at least 1, such as 1.1 (got {self.size})")
        if self.kind == "probability" and not 0 <= self.size < 1:
            raise ValueError(f"a probability tolerance lies in [0, 1), such as 0.02 (got {self.size})")

    def lower_rate(self, rate: Floats) -> Floats:
        """The lowest tolerated outcome rate where ``rate`` is expected; same shape, in [0, 1]."""
        if self.kind == "odds":
            return rate / (rate + self.size * (1 - rate))
        return np.maximum(rate - self.size, 0.0)

    def upper_rate(self, rate: Floats) -> Floats:
        """The highest tolerated outcome rate where ``rate`` is expected; same shape, in [0, 1]."""
        if self.kind == "odds":
            return self.size * rate / (1 - rate + self.size * rate)
        return np.minimum(rate + self.size, 1.0)
