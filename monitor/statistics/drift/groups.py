"""Bets on samples that come in groups: pixels or boxes of an image, frames of a clip, views of a patient.

For a group g in a slice and detector bin b let n, S, Y = Σ1, Σp, Σy of its labelled samples there, p̄ = S/n, ȳ = Y/n and
m = Σ_b n; r_b is what is tolerated at p̄, from above where λ > 0 and from below where λ < 0.

    v_b   = mid_b·(1 − mid_b)                                what a sample of the bin can tell; mid = bin_middles()
    s_gP  = Σ_{b∈P} n_b·v_b / m                              P = bins in which the tilt is not 0
    w_jb  = (n_b·v_b/m) / max(s_gP, V_P)  for b in P(j), else 0;  a group of one sample: 1 in its bin      Σ_b w_jb ≤ 1
    E_gj  = 1 + Σ_b w_jb·(e^λ_jb − 1)·(ȳ_b − r_b) / (1 + r_b·(e^λ_jb − 1))
    inc_j = Σ_g log E_gj

    V_P   = A2/A1 before the bucket, 0 at the start;  A1 ← A1·ρ^k + Σ_g s_gP,  A2 ← A2·ρ^k + Σ_g s_gP²
            over the k groups of two samples or more of a bucket, ρ = 1 − 1/256

Guarantee. Fix all scores of the bucket and what came before. One sample i makes e_i = e^{λy}/(1 + r(e^λ − 1)) = 1 + h·(y − r)
with h of the sign of λ, so E[e_i] ≤ 1 as long as its rate is tolerated. E_gj = (1 − Σw) + Σ_i w_i e_i is linear in the
outcomes, so E[E_gj] ≤ 1 whatever the dependence inside the group (an average of e-values is one: Vovk & Wang 2021).
Pooling a bin of a group is safe, since upper bands are concave in p and lower ones convex. w, r and V depend on scores,
counts and earlier buckets alone. Groups multiply as long as each is tolerated given the outcomes of the others.
E_gj ≥ e^{−max|λ|}: a group costs at most three nats. So the promise is about the outcome rate given *all scores of the group*.

Weights go to the samples that can tell. V, the typical amount of what a group can tell, keeps a group in which nearly nothing
can be told from counting as much as others: otherwise "calibrated over all samples" would not be what is tested.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.statistics.arrays import Floats, Ints, mark_starts, pick_rows, totals
from monitor.statistics.drift.bets import DETECTOR_BINS, Bank, Tolerance, bin_middles

MEMORY = 1 - 1 / 256  # per group, of what groups before could tell
_AT_ONCE = 16_384  # groups whose bets are in memory together


@dataclass(frozen=True, slots=True, eq=False)
class GroupSums:
    """Sums of samples in groups per slice ``row``, bucket ``position``, ``group`` and ``bin``: columns of one length, sorted in
    the order position, row, group, bin, no key twice.

    ``n`` Σ1, ``score`` Σp and ``outcome`` Σy of labelled samples. ``bin`` is a detector bin, or a fine bin where a
    reference is gathered or judged against.
    """

    row: Ints
    position: Ints
    group: Ints
    bin: Ints
    n: Floats
    score: Floats
    outcome: Floats

    def __len__(self) -> int:
        return int(self.row.size)

    @classmethod
    def of(
        cls, row: ArrayLike, position: ArrayLike, group: ArrayLike, bin: ArrayLike,  # noqa: A002 - the column is called bin
        n: ArrayLike, score: ArrayLike, outcome: ArrayLike,
    ) -> "GroupSums":  # fmt: skip
        """Rows in any order; those of one key are added up. Raises ValueError when lengths differ, an index is negative,
        or a row breaks 0 ≤ outcome ≤ n, 0 ≤ score ≤ n, n > 0.

        >>> sums = GroupSums.of([0, 0], [0, 0], [7, 7], [3, 3], [1, 2], [0.1, 0.2], [0, 1])
        >>> len(sums), sums.n.tolist(), sums.outcome.tolist()
        (1, [3.0], [1.0])
        """
        keys = [np.asarray(column, dtype=np.int64) for column in (row, position, group, bin)]
        sums = [np.asarray(column, dtype=np.float64) for column in (n, score, outcome)]
        if any(column.shape != keys[0].shape or column.ndim != 1 for column in (*keys, *sums)):
            raise ValueError("columns of groups must be of one length")
        if any((column < 0).any() for column in (keys[0], keys[1], keys[3])):
            raise ValueError("rows, positions and bins of groups must be at least 0")
        slack = 1e-9 * sums[0]
        if not (
            (sums[0] > 0) & (sums[2] >= 0) & (sums[2] <= sums[0]) & (sums[1] >= 0) & (sums[1] <= sums[0] + slack)
        ).all():
            raise ValueError("every row of a group needs n > 0, 0 <= score <= n and 0 <= outcome <= n")
        return cls._added_up(keys, sums)

    @classmethod
    def _added_up(cls, keys: list[Ints], sums: list[Floats]) -> "GroupSums":
        row, position, group, bin_ = keys
        order = np.lexsort((bin_, group, row, position))
        keys, sums = [column[order] for column in keys], [column[order] for column in sums]
        first = np.flatnonzero(mark_starts(*keys))
        row, position, group, bin_ = (column[first] for column in keys)
        n, score, outcome = (np.add.reduceat(column, first) if first.size else column for column in sums)
        return cls(row, position, group, bin_, n, score, outcome)

    def pick(self, kept: NDArray[np.bool_]) -> "GroupSums":
        """The rows that ``kept`` (rows,) holds."""
        return pick_rows(self, np.flatnonzero(kept))

    def regroup(self, links: NDArray[np.int64]) -> "GroupSums":
        """Sums of other slices: ``links`` holds (from, to) pairs, shape (pairs, 2); one may feed many, and what one group has
        in several of them is added up."""
        links = links[np.argsort(links[:, 0], kind="stable")]
        first, last = (np.searchsorted(links[:, 0], self.row, side=side) for side in ("left", "right"))
        times = last - first
        index = np.repeat(np.arange(self.row.size), times)
        place = np.arange(index.size) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first, times)
        return self._added_up(
            [links[place, 1], self.position[index], self.group[index], self.bin[index]],
            [self.n[index], self.score[index], self.outcome[index]],
        )

    def group_starts(self) -> Ints:
        """Where each group of a slice and bucket begins."""
        return np.flatnonzero(mark_starts(self.row, self.position, self.group))

    def group_sizes(self) -> Floats:
        """(rows,): labelled samples m that the group of each row has in its slice and bucket."""
        first = self.group_starts()
        sizes = np.add.reduceat(self.n, first) if first.size else self.n
        return np.repeat(sizes, np.diff(first, append=self.row.size))

    def against_scores(self, tolerance: Tolerance) -> "GroupRows":
        """What is judged against perfect calibration: the outcome rate of a group's bin is its mean score, give or take."""
        mean = np.clip(self.score / self.n, 0.0, 1.0)
        return self.judge(tolerance.lower_rate(mean), tolerance.upper_rate(mean))

    def judge(self, lower: Floats, upper: Floats) -> "GroupRows":
        """What is judged against tolerated rates (rows,) of each row."""
        return GroupRows(self.row, self.position, self.group, self.bin, self.n, self.outcome, lower, upper)


@dataclass(frozen=True, slots=True, eq=False)
class GroupRows:
    """As ``GroupSums`` by detector bin, with the tolerated rates ``lower`` and ``upper`` of each row."""

    row: Ints
    position: Ints
    group: Ints
    bin: Ints
    n: Floats
    outcome: Floats
    lower: Floats
    upper: Floats

    def __len__(self) -> int:
        return int(self.row.size)

    def at(self, position: int) -> "GroupRows":
        """The rows of one bucket."""
        first, last = np.searchsorted(self.position, [position, position + 1])
        return self._part(first, last)

    def parts(self) -> "list[GroupRows]":
        """The rows in order, in parts of whole groups that fit into memory."""
        starts = np.append(np.flatnonzero(mark_starts(self.row, self.position, self.group))[::_AT_ONCE], len(self))
        return [self._part(first, last) for first, last in pairwise(starts.tolist())]

    def _part(self, first: int, last: int) -> "GroupRows":
        return GroupRows(*(getattr(self, field.name)[first:last] for field in fields(self)))

    def weigh(self, slices: int, buckets: int) -> "GroupsWeighed":
        """What tells which scores drifted: each group weighs at most 1, as in a bet on all bins with V that of its slice's
        groups here."""
        own = _Weights.of(self)
        told, slice_of = own.informative.sum(axis=1), self.row[own.first]
        seen, squares = (totals(slice_of, w, slices) for w in (told, told**2))
        typical = np.divide(squares, seen, out=np.zeros(slices), where=seen > 0)
        most = np.maximum(told, np.where(own.size > 1, typical[slice_of], 0.0))
        weight, middle = own.share / most[own.index], (self.lower + self.upper) / 2
        slot = (self.row * buckets + self.position) * DETECTOR_BINS + self.bin
        shape = (slices, buckets, DETECTOR_BINS)
        columns = (weight, weight * middle, weight * self.outcome / self.n, self.n, self.n * middle, self.outcome)
        sums = np.stack([totals(slot, column, slices * buckets * DETECTOR_BINS).reshape(shape) for column in columns])
        residual = np.zeros((own.first.size, DETECTOR_BINS))
        residual[own.index, self.bin] = weight * (middle - self.outcome / self.n)
        return GroupsWeighed(sums, slice_of, self.position[own.first], residual)

    def count_groups(self, slices: int, buckets: int) -> Floats:
        """Groups with labelled samples per slice and bucket, (slices, buckets)."""
        first = np.flatnonzero(mark_starts(self.row, self.position, self.group))
        unit = self.row[first] * buckets + self.position[first]
        return np.bincount(unit, minlength=slices * buckets).astype(np.float64).reshape(slices, buckets)


@dataclass(frozen=True, slots=True, eq=False)
class GroupsWeighed:
    """``sums`` (6, slices, buckets, 12): weight, what was tolerated on average times weight, and outcomes times weight;
    samples, what was tolerated of them, and outcomes. Of each of G groups its slice ``row`` and bucket ``position``, and what
    was tolerated less what happened, by weight, in ``residual`` (G, 12)."""

    sums: Floats
    row: Ints
    position: Ints
    residual: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """Of G groups: where each begins (``first``), its ``size`` m, and ``informative`` n_b·v_b/m (G, 12); of each row its group
    ``index`` and its ``share`` n_b·v_b/m."""

    first: Ints
    size: Floats
    index: Ints
    share: Floats
    informative: Floats

    @classmethod
    def of(cls, rows: GroupRows) -> "_Weights":
        starts = mark_starts(rows.row, rows.position, rows.group)
        first = np.flatnonzero(starts)
        index = np.cumsum(starts) - 1
        size = np.add.reduceat(rows.n, first) if first.size else np.zeros(0)
        middle = bin_middles()
        share = rows.n * (middle * (1 - middle))[rows.bin] / size[index]
        informative = np.zeros((first.size, DETECTOR_BINS))
        informative[index, rows.bin] = share
        return cls(first, size, index, share, informative)


@dataclass(frozen=True, slots=True, eq=False)
class GroupBets:
    """The bets on the groups of one bucket: ``increment`` and ``growth`` (S, J) as of ``Block``; per slice and support,
    (S, K), ``spread_sum`` Σ_g 1 − Σ_i w_i²/(Σ_i w_i)² over samples i of a group, and ``present`` groups with samples there;
    and, of groups of two or more, ``informative`` Σ s, ``informative_squared`` Σ s², and their number ``groups`` (S,)."""

    increment: Floats
    growth: Floats
    spread_sum: Floats
    present: Floats
    informative: Floats
    informative_squared: Floats
    groups: Floats

    def spread(self, alone: Floats, bank: Bank) -> Floats:
        """(S, J): how much a group's weight is spread over several samples, on average over the groups of the bucket and
        the samples without one, ``alone`` (S, 12) of them by bin, each of which counts as a group of one."""
        everyone = self.present + alone @ bank.supports.T
        found = np.divide(self.spread_sum, everyone, out=np.zeros_like(everyone), where=everyone > 0)
        return np.clip(found, 0.0, 1.0)[:, bank.support_of]


def place_bets(rows: GroupRows, slices: int, typical: Floats, bank: Bank) -> GroupBets:
    """Bet on the groups of one bucket, with ``typical`` V (S, K) of what groups could tell before it.

    >>> from monitor.statistics.drift.bets import default_bank
    >>> sums = GroupSums.of([0] * 2, [0] * 2, [1, 1], [5, 6], [2, 2], [0.8, 1.2], [2, 2])
    >>> bets = place_bets(sums.against_scores(Tolerance()), 1, np.zeros((1, 15)), default_bank())
    >>> bets.increment.shape, bool(bets.increment.max() > 0)
    ((1, 53), True)
    """
    shape, by_support = (slices, len(bank)), (slices, len(bank.supports))
    found = GroupBets(
        np.zeros(shape), np.zeros(shape), np.zeros(by_support), np.zeros(by_support), np.zeros(by_support),
        np.zeros(by_support), np.zeros(slices),
    )  # fmt: skip
    for part in rows.parts():
        _bet(part, typical, bank, found)
    return found


def _bet(rows: GroupRows, typical: Floats, bank: Bank, found: GroupBets) -> None:
    """Add the bets on some whole groups to what was found."""
    own = _Weights.of(rows)
    slice_of, several = rows.row[own.first], own.size > 1
    told = own.informative @ bank.supports.T
    most = np.maximum(told, np.where(several[:, None], typical[slice_of], 0.0))
    most = np.where(most > 0, most, 1.0)[:, bank.support_of]
    gain, growth = np.zeros((2, own.first.size, len(bank)))
    for column in range(DETECTOR_BINS):
        some, terms = np.flatnonzero(rows.bin == column), np.flatnonzero(bank.term_bin == column)
        tilt, which = bank.term_tilt[terms], bank.incidence[terms]
        factor, share = np.expm1(tilt), own.share[some, None]
        rate = np.where(tilt > 0, rows.upper[some, None], rows.lower[some, None])
        mean = (rows.outcome[some] / rows.n[some])[:, None]
        # a group has one row a bin at most, so that none is added to twice
        gain[own.index[some]] += (share * factor * (mean - rate) / (1 + rate * factor)) @ which
        growth[own.index[some]] += (share * rate * (1 - rate) * tilt**2 / 2) @ which
    squares = np.zeros_like(own.informative)
    squares[own.index, rows.bin] = own.share**2 / rows.n
    evenness = np.divide(squares @ bank.supports.T, told**2, out=np.ones_like(told), where=told > 0)
    with np.errstate(divide="ignore"):
        _add_rows(found.increment, slice_of, np.log1p(gain / most))
    _add_rows(found.growth, slice_of, growth / most)
    _add_rows(found.spread_sum, slice_of, np.where(told > 0, 1 - evenness, 0.0))
    _add_rows(found.present, slice_of, (told > 0).astype(np.float64))
    _add_rows(found.informative, slice_of, np.where(several[:, None], told, 0.0))
    _add_rows(found.informative_squared, slice_of, np.where(several[:, None], told**2, 0.0))
    _add_rows(found.groups, slice_of, several.astype(np.float64))


def _add_rows(sums: Floats, index: Ints, values: Floats) -> None:
    """Add each row of ``values`` to the row of ``sums`` at its ``index``, which does not fall."""
    if index.size:
        first = np.flatnonzero(mark_starts(index))
        sums[index[first]] += np.add.reduceat(values, first, axis=0)
