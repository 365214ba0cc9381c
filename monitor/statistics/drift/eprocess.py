"""Drift evidence: an e-process per slice that raises at most a promised number of false alarms, at any polling rate.

Per slice, time bucket t and tilt j, from weighted sums N = Σw, K = Σwy of the bucket and detector bin b,

    inc_j = Σ_b [ λ_jb·K_b − N_b·log(1 + q_b·(e^λ_jb − 1)) ]     q_b = upper band where λ > 0, lower band where λ < 0
    R_j  ← (γ_t·r_jt + R_j)·e^{inc_j}                             M = Σ_j w_j R_j, alarm when M ≥ c, then all R_j = 0

plus what the groups of the bucket add (``groups``). Guarantee. As long as outcome rates given score and past lie within the
band, E[e^{inc_j} | past] ≤ 1: for one sample E[e^{λy}] = 1 + rate·(e^λ − 1) is at most the same with q; pooling a bin is
safe, since log(1 + qx) is concave in q; groups have a proof of their own, under any dependence inside. So M minus
the start mass so far is a supermartingale between alarms, and, as each alarm uses up M ≥ c, stopping at T days gives
c·E[alarms] ≤ E[Σ γ_t] ≤ T. (Shiryaev–Roberts e-detector: Shin, Ramdas, Rinaldo 2024.) It needs: scores, bins, bank
and share fixed before the label; labels whose delay does not depend on the outcome; each group within one bucket.

Start mass. γ_t is the time in days since the slice was last scored, at most one day (or one bucket, if that is longer),
and 0 in buckets without labelled samples: at most 1 per day in total, and quiet hours are not lost to the busy ones.
r_jt (``Bank.start_shares``) deals it out over the tilts by what the bucket's scores can tell of each; Σ_j w_j r_jt = 1.

Late labels. ``advance_evidence`` from a checkpoint gives the evidence of a run from scratch on what is known now; told again at
every look, its alarms would be those of as many tests of the same buckets, which no budget covers. Alarms that are told
come from a run of their own (``told``): mass is thrown away at alarms that were told and at nothing else, and is looked
at where time goes on alone, at the end of what was looked at before and in the buckets after that. In the order in
which labels become known each changes every term R_js that began at or before its bucket by a factor with mean at most 1
(pooled into a bucket that has labels already: the perspective of log(1 + qx) is superadditive), so M minus its start
mass is a supermartingale over looks and buckets taken as one sequence, whatever the delays, and c·E[alarms told] ≤
E[total start mass]. That needs delays independent of outcomes given scores and past, as above, and that labels are not
corrected or withdrawn. Given the times of arrival start mass is no chance: of a bucket it is fixed by its scores and
labels, so late labels may move it between tilts, and to buckets that had none. What it gains after its first look counts as
start mass of its own with mean evidence at most 1; over the tilts of a bucket that is at most its γ once more, and next
to nothing where a day's labels suffice for all tilts. So alarms told are at most T/c, up to that gain.

For groups that is so up to what late labels change: of a group that was looked at when only a part of its labels was known, and
of V, which earlier groups make. Measured it is far within the budget.

State is five numbers per tilt and two per support; a new bucket costs the same however long the history. All in log space.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.statistics.arrays import Floats, Ints, concatenate_columns
from monitor.statistics.drift.bets import Bank, BinSums, Tolerance, default_bank
from monitor.statistics.drift.groups import MEMORY, GroupBets, GroupRows, GroupSums, place_bets

NEVER = -1  # a bucket index that means none
FORGETTING_DAYS = 30.0  # horizon of the standing evidence
_HEADER = struct.Struct("<4sHHq")  # magic, tilts, supports, last scored bucket
_MAGIC = b"cwe2"
_OLD_HEADER = struct.Struct("<4sHq")  # before there were bets on groups: no supports, and no tilts for groups
_OLD_MAGIC = b"cwe1"
_PER_TILT = ("log_mass", "log_best", "start", "since_start", "log_standing")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What is to be judged: (slices, buckets, 12) ``weight``, ``outcome`` and tolerated rates ``lower``, ``upper``.

    ``bucket`` (buckets,) are indices on the time grid, ascending; buckets without samples may be left out. ``samples``
    (slices, buckets) counts labelled samples; a group counts as one. ``groups`` are beside all these: what is said of
    samples in groups is in them alone, but for ``samples``.
    """

    bucket: Ints
    weight: Floats
    outcome: Floats
    lower: Floats
    upper: Floats
    samples: Floats
    groups: GroupRows | None = None

    @classmethod
    def against_scores(
        cls, sums: BinSums, bucket: ArrayLike, tolerance: Tolerance, groups: GroupSums | None = None
    ) -> "Block":
        """Judged against perfect calibration: outcome rate = mean score of the bucket and bin, give or take.

        ``sums`` are of samples without a group, ``groups`` of the others.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(sums.weight > 0, sums.score / sums.weight, 0.5)
        mean = np.clip(mean, 0.0, 1.0)
        judged = None if groups is None else groups.against_scores(tolerance)
        return cls.of(sums, bucket, tolerance.lower_rate(mean), tolerance.upper_rate(mean), judged)

    @classmethod
    def of(
        cls, sums: BinSums, bucket: ArrayLike, lower: Floats, upper: Floats, groups: GroupRows | None = None
    ) -> "Block":
        """Raises ValueError on buckets that do not ascend, shapes that differ, groups of other slices or buckets, or rates
        outside [0, 1]."""
        index = np.asarray(bucket, dtype=np.int64)
        if index.shape != sums.weight.shape[1:2] or (np.diff(index) <= 0).any() or (index < 0).any():
            raise ValueError(f"bucket must hold {sums.weight.shape[1]} ascending indices of at least 0 (got {index})")
        if not sums.weight.shape == lower.shape == upper.shape:
            raise ValueError(f"bands must be {sums.weight.shape} (got {lower.shape}, {upper.shape})")
        if not ((lower >= 0) & (lower <= upper) & (upper <= 1)).all():
            raise ValueError("tolerated rates must satisfy 0 <= lower <= upper <= 1")
        samples = sums.samples
        if groups is None or not len(groups):
            return cls(index, sums.weight, sums.outcome, lower, upper, samples)
        if int(groups.row.max()) >= samples.shape[0] or int(groups.position.max()) >= samples.shape[1]:
            raise ValueError(f"groups must lie in {samples.shape[0]} slices and {samples.shape[1]} buckets")
        if not ((groups.lower >= 0) & (groups.lower <= groups.upper) & (groups.upper <= 1)).all():
            raise ValueError("tolerated rates of groups must satisfy 0 <= lower <= upper <= 1")
        counted = samples + groups.count_groups(*samples.shape)
        return cls(index, sums.weight, sums.outcome, lower, upper, counted, groups)

    def is_scored(self, position: int) -> NDArray[np.bool_]:
        """(slices,): whether there are labelled samples in the bucket at ``position``."""
        scored: NDArray[np.bool_] = self.weight[:, position].sum(axis=1) > 0
        if self.groups is not None:
            scored[self.groups.at(position).row] = True
        return scored

    def place_bets(self, position: int, bank: Bank, typical: Floats) -> GroupBets | None:
        """The bets on the groups of the bucket at ``position``, with ``typical`` V (slices, K); None without any."""
        rows = None if self.groups is None else self.groups.at(position)
        return None if rows is None or not len(rows) else place_bets(rows, self.samples.shape[0], typical, bank)

    def increments(self, position: int, bank: Bank) -> Floats:
        """inc (slices, J) of the samples without a group in the bucket at ``position``; 0 where there are none."""
        column, tilt = bank.term_bin, bank.term_tilt
        rate = np.where(tilt > 0, self.upper[:, position, column], self.lower[:, position, column])
        expected = self.weight[:, position, column] * np.log1p(rate * np.expm1(tilt))
        total: Floats = (tilt * self.outcome[:, position, column] - expected) @ bank.incidence
        return total

    def growth(self, position: int, bank: Bank) -> Floats:
        """Log growth (slices, J) expected of these samples were a tilt true: ½·Σ_b N_b q_b(1 − q_b)λ_jb²."""
        column, tilt = bank.term_bin, bank.term_tilt
        rate = np.where(tilt > 0, self.upper[:, position, column], self.lower[:, position, column])
        total: Floats = (self.weight[:, position, column] * rate * (1 - rate) * tilt**2 / 2) @ bank.incidence
        return total


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceState:
    """Evidence of S slices after ``last_scored``; the first five fields are (S, J), one value per slice and tilt.

    ``log_mass`` log R_j; ``log_best`` the largest part of R_j that began in a single bucket, which is ``start``;
    ``since_start`` labelled samples since then; ``log_standing`` standing evidence, for listing slices at a poll:
    Q_j ← (ρ·f_j + (1 − ρ)Q_j)·e^{inc_j}, never reset, with E[Σ_j w_j Q_j] ≤ 1 at any fixed time, as Σ_j w_j f_j = 1: f is the
    same for all tilts, but for those for groups, which have as much as groups are spread, and f_j at the first bucket is
    what Q_j begins with. ``informative`` and ``informative_squared`` (S, K) are A1 and A2 of ``groups``.
    """

    log_mass: Floats
    log_best: Floats
    start: Ints
    since_start: Floats
    log_standing: Floats
    last_scored: Ints  # (S,), bucket index or NEVER
    informative: Floats
    informative_squared: Floats

    @classmethod
    def begin(cls, slices: int, bank: Bank | None = None) -> "EvidenceState":
        """The state of slices of which nothing is known yet."""
        bank = bank or default_bank()
        shape, by_support = (slices, len(bank)), (slices, len(bank.supports))
        none = np.full(shape, -np.inf)
        never = np.full(shape, NEVER, np.int64)
        return cls(
            none, none, never, np.zeros(shape), np.where(bank.for_groups, -np.inf, np.zeros(shape)),
            np.full(slices, NEVER, np.int64), np.zeros(by_support), np.zeros(by_support),
        )  # fmt: skip

    def __len__(self) -> int:
        return int(self.last_scored.size)

    @classmethod
    def join(cls, parts: Sequence["EvidenceState"]) -> "EvidenceState":
        """The slices of all parts, in order; parts must not be empty and share one bank."""
        return concatenate_columns(parts)

    def drop(self, rows: Ints) -> "EvidenceState":
        """The state with no evidence left of some slices, as after an alarm."""
        log_mass, log_best = self.log_mass.copy(), self.log_best.copy()
        start, since = self.start.copy(), self.since_start.copy()
        log_mass[rows], log_best[rows], start[rows], since[rows] = -np.inf, -np.inf, NEVER, 0.0
        return replace(self, log_mass=log_mass, log_best=log_best, start=start, since_start=since)

    def typical(self) -> Floats:
        """V (S, K): what groups could tell so far, those that tell more counting more; 0 before the first."""
        seen = self.informative
        return np.divide(self.informative_squared, seen, out=np.zeros_like(seen), where=seen > 0)

    def log_evidence(self, bank: Bank | None = None) -> Floats:
        """log M (S,); −inf right after an alarm and before the first sample."""
        return _mixed(self.log_mass, bank or default_bank())

    def log_standing_evidence(self, bank: Bank | None = None) -> Floats:
        """log Σ_j w_j Q_j (S,): log of an e-value at any fixed time, for ``drifted_slices``."""
        return _mixed(self.log_standing, bank or default_bank())

    def to_bytes(self, row: int) -> bytes:
        """One slice as a little-endian checkpoint, 16 + 40·J + 16·K bytes (2,376 with the default bank)."""
        columns = [getattr(self, name) for name in (*_PER_TILT, "informative", "informative_squared")]
        body = b"".join(np.asarray(c[row], dtype="<i8" if c.dtype == np.int64 else "<f8").tobytes() for c in columns)
        tilts, supports = self.log_mass.shape[1], self.informative.shape[1]
        return _HEADER.pack(_MAGIC, tilts, supports, int(self.last_scored[row])) + body

    @classmethod
    def from_bytes(cls, checkpoint: bytes) -> "EvidenceState":
        """The state of one slice, S = 1. Raises ValueError when the bytes are no checkpoint of this format.

        One from before there were bets on groups has nothing on tilts for groups.
        """
        if checkpoint[:4] == _OLD_MAGIC:
            return cls._from_old_bytes(checkpoint)
        if len(checkpoint) < _HEADER.size:
            raise ValueError(f"not an evidence checkpoint: {len(checkpoint)} bytes")
        magic, tilts, supports, last = _HEADER.unpack_from(checkpoint)
        if magic != _MAGIC or len(checkpoint) != _HEADER.size + 40 * tilts + 16 * supports:
            raise ValueError(f"not an evidence checkpoint: starts with {magic!r} and has {len(checkpoint)} bytes")
        columns = _columns(checkpoint, _HEADER.size, tilts)
        own = np.frombuffer(checkpoint, dtype="<f8", offset=_HEADER.size + 40 * tilts).reshape(2, 1, supports)
        return cls(*columns, np.array([last], np.int64), *own.astype(np.float64))

    @classmethod
    def _from_old_bytes(cls, checkpoint: bytes) -> "EvidenceState":
        if len(checkpoint) < _OLD_HEADER.size:
            raise ValueError(f"not an evidence checkpoint: {len(checkpoint)} bytes")
        _, tilts, last = _OLD_HEADER.unpack_from(checkpoint)
        bank = default_bank()
        begun = cls.begin(1)
        known = np.flatnonzero(~bank.for_groups)
        if len(checkpoint) != _OLD_HEADER.size + 40 * tilts or tilts != known.size:
            raise ValueError(f"not an evidence checkpoint: {len(checkpoint)} bytes of {tilts} tilts")
        columns = dict(zip(_PER_TILT, _columns(checkpoint, _OLD_HEADER.size, tilts), strict=True))
        filled = {name: getattr(begun, name).copy() for name in columns}
        for name, column in columns.items():
            filled[name][:, known] = column
        return replace(begun, **filled, last_scored=np.array([last], np.int64))


def _columns(checkpoint: bytes, offset: int, tilts: int) -> tuple[Floats, Floats, Ints, Floats, Floats]:
    """The five columns (1, J) of a checkpoint."""
    body = np.frombuffer(checkpoint, dtype="<f8", offset=offset, count=5 * tilts).reshape(5, 1, tilts)
    start = body[2].view("<i8").astype(np.int64)
    mass, best, _, since, standing = (column.astype(np.float64) for column in body)
    return mass, best, start, since, standing


@dataclass(frozen=True, slots=True)
class Alarm:
    """Slice ``row`` reached its threshold at ``bucket``; the drift most likely began at bucket ``onset``.

    ``samples`` labelled samples from onset to alarm; ``tilt`` the index of the tilt with most evidence from there.
    """

    row: int
    bucket: int
    log_evidence: float
    onset: int
    samples: float
    tilt: int


@dataclass(frozen=True, slots=True, eq=False)
class Advance:
    """The state after a block, ``log_evidence`` (slices, buckets) on the way (before any reset), and the alarms."""

    state: EvidenceState
    log_evidence: Floats
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ToldAlarms:
    """What a run for alarms to be told respects: the bucket ``newest`` (S,) of each slice's newest alarm that was told
    and whose bucket is still ahead (NEVER: none), at which its mass goes; and ``since``, the first bucket to look at."""

    newest: Ints
    since: int

    def pass_bucket(self, bucket: int) -> "ToldAlarms":
        """What is still ahead after the bucket."""
        return ToldAlarms(np.where(self.newest <= bucket, NEVER, self.newest), self.since)


def advance_evidence(
    state: EvidenceState, block: Block, threshold: ArrayLike, bucket_days: float, bank: Bank | None = None,
    told: ToldAlarms | None = None,
) -> Advance:  # fmt: skip
    """Take the buckets of ``block`` into the evidence, in order.

    ``threshold`` c is one number, (slices,) or (slices, buckets); ``bucket_days`` the length of a bucket in days (1/24
    for hours). For late or corrected labels start again from a checkpoint before the earliest changed bucket: the result
    is that of a run from scratch. With ``told`` it is the run for alarms to be told, and they are those to be told now.
    Raises ValueError when a slice was already scored in one of the buckets, or shapes differ.

    >>> day, shape = np.array([0]), (1, 1, 12)
    >>> ten, nine, half = (np.full(shape, value) for value in (10.0, 9.0, 0.5))
    >>> block = Block(day, ten, nine, half, half, np.full((1, 1), 120.0))
    >>> taken = advance_evidence(EvidenceState.begin(1), block, 365.0, 1.0)
    >>> len(taken.alarms), taken.alarms[0].bucket
    (1, 0)
    """
    bank = bank or default_bank()
    slices, buckets = block.samples.shape
    if state.log_mass.shape != (slices, len(bank)):
        raise ValueError(f"state must be of {slices} slices and {len(bank)} tilts (got {state.log_mass.shape})")
    if buckets and (state.last_scored >= block.bucket[0]).any():
        raise ValueError(f"bucket {block.bucket[0]} is not after the state's {int(state.last_scored.max())}")
    limits = np.log(np.asarray(threshold, dtype=np.float64))
    limit = np.broadcast_to(limits[:, None] if limits.ndim == 1 else limits, (slices, buckets))
    path, alarms = np.empty((slices, buckets)), list[Alarm]()
    for position, bucket in enumerate(block.bucket.tolist()):
        looked = block.is_scored(position)
        if told is not None:
            state = state.drop(np.flatnonzero((told.newest != NEVER) & (told.newest < bucket)))
            told = told.pass_bucket(bucket - 1)
        state = _step(state, block, position, bucket_days, bank)
        if told is not None:
            state = state.drop(np.flatnonzero(told.newest == bucket))
            # late labels of other buckets may have raised the evidence of a slice without labels in this one
            looked = (looked | (bucket == told.since)) & (bucket >= told.since) & (told.newest <= bucket)
            told = told.pass_bucket(bucket)
        path[:, position] = state.log_evidence(bank)
        rows = np.flatnonzero(looked & (path[:, position] >= limit[:, position]))
        if rows.size:
            alarms += _alarms(state, rows, bucket, path[rows, position], bank)
            state = state.drop(rows)
    return Advance(state, path, tuple(alarms))


def _mixed(logs: Floats, bank: Bank) -> Floats:
    top = logs.max(axis=1, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        mixed: Floats = np.log(np.exp(logs - shift[:, None]) @ bank.weights) + shift
    return mixed


def _step(state: EvidenceState, block: Block, position: int, bucket_days: float, bank: Bank) -> EvidenceState:
    bucket = int(block.bucket[position])
    scored = block.is_scored(position)
    idle = np.where(state.last_scored == NEVER, 1, bucket - state.last_scored) * bucket_days
    mass = np.minimum(idle, max(1.0, bucket_days))
    forgotten = -np.expm1(-mass / FORGETTING_DAYS)
    increment, growth, spread = block.increments(position, bank), block.growth(position, bank), None
    bets = block.place_bets(position, bank, state.typical())
    if bets is not None:
        increment, growth = increment + bets.increment, growth + bets.growth
        spread = bets.spread(block.weight[:, position], bank)
    with np.errstate(divide="ignore"):
        shares = bank.start_shares(growth / mass[:, None], spread)
        admitted = bank.admit(scored.size, spread)
        log_part = np.log(admitted / (admitted @ bank.weights)[:, None])
        log_start = np.log(np.where(scored, mass, 0.0))[:, None] + np.log(shares)
        log_fresh = np.log(np.where(scored, forgotten, 0.0))[:, None] + log_part
        log_kept = np.log1p(-np.where(scored, forgotten, 0.0))[:, None]
    standing = np.where((scored & (state.last_scored == NEVER))[:, None], log_part, state.log_standing)
    restart, best = log_start > state.log_best, np.maximum(log_start, state.log_best)
    since = np.where(restart, 0.0, state.since_start) + np.where(scored, block.samples[:, position], 0.0)[:, None]
    informative, squared = state.informative, state.informative_squared
    if bets is not None:
        memory = MEMORY ** bets.groups[:, None]
        informative = informative * memory + bets.informative
        squared = squared * memory + bets.informative_squared
    return EvidenceState(
        np.logaddexp(log_start, state.log_mass) + increment,
        best + increment,
        np.where(restart, bucket, state.start),
        np.where(np.isfinite(best), since, 0.0),
        np.logaddexp(log_fresh, log_kept + standing) + increment,
        np.where(scored, bucket, state.last_scored),
        informative,
        squared,
    )


def _alarms(state: EvidenceState, rows: Ints, bucket: int, log_evidence: Floats, bank: Bank) -> list[Alarm]:
    """The onset is the start bucket with most evidence, summed over the tilts that point to it; the earliest of equals."""
    share = state.log_best[rows] + np.log(bank.weights)
    mass = np.exp(share - share.max(axis=1, keepdims=True))
    own = np.arange(rows.size)
    # one number for each pair of a row and a start: those of a row lie together, earlier starts first
    stride = bucket - NEVER + 1
    pairs, group = np.unique(own[:, None] * stride + state.start[rows] - NEVER, return_inverse=True)
    group = group.reshape(mass.shape)
    sums = np.bincount(group.ravel(), weights=mass.ravel())
    first = np.searchsorted(pairs, own * stride)
    best = np.maximum.reduceat(sums, first)
    reached = np.flatnonzero(sums == np.repeat(best, np.diff(first, append=pairs.size)))
    onset = reached[np.searchsorted(reached, first)]
    tilt = np.argmax(np.where(group == onset[:, None], share, -np.inf), axis=1)
    samples = state.since_start[rows, tilt]
    starts = pairs[onset] % stride + NEVER
    columns = (rows.tolist(), log_evidence.tolist(), starts.tolist(), samples.tolist(), tilt.tolist())
    return [Alarm(row, bucket, *numbers) for row, *numbers in zip(*columns, strict=True)]
