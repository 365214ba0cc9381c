"""Which streams of drift evidence a rule has: a slice of a model version under the calibrator in use for it.

A new calibrator or version begins a stream with no evidence; the old one is closed and stays on record. One that was tuned is
no new one: it does the same to scores. Streams of one order, of all versions together, share a part of the rule's false-alarm
budget by their rank. Versions and slices of which no sample is left (``store.places``) are closed, and their rank is free. What
many versions have together, ``__other__``, is no stream; nor is a version whose share would be too small for a float, which is
told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitor.config.settings import Model
from monitor.model import OTHER, DriftRule, Slice
from monitor.rules.conditions import is_covered
from monitor.statistics.drift.budget import MOST_THRESHOLD, slice_threshold
from monitor.store.cells import list_measured_slices
from monitor.store.evidence import streams as held
from monitor.store.evidence.alike import find_tuned
from monitor.store.evidence.streams import RuleEvidence, Stream, Traffic
from monitor.store.model_store import ModelStore
from monitor.store.places import placed_versions

Floats = NDArray[np.float64]
RETIRED_AFTER = timedelta(days=7)  # a version without samples for so long, while a newer one has some, is gone
# while two calibrators are seen within so long, servers are being updated: the newer counts
MIXED_FOR = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Streams:
    """The open streams, as they are before the span; those that it closes, each with when; and all that are over.

    ``refused``: versions of the whole that are not judged, since too many are open at once; ``full``: whether a next one would
    be refused.
    """

    open: tuple[Stream, ...]
    closed: tuple[tuple[Stream, datetime], ...]
    over: tuple[Stream, ...]
    refused: tuple[str, ...] = ()
    full: bool = False


Members = dict[tuple[str, Slice], list[int]]  # (version, shown slice) → groups of the traffic


def members_of(model: Model, traffic: Traffic) -> Members:
    """Which groups of the traffic belong to each shown slice."""
    members: Members = {}
    for group, (version, _, finest) in enumerate(traffic.groups):
        for shown in list_measured_slices([finest], model.slices, model.max_order):
            members.setdefault((version, shown), []).append(group)
    return members


def streams_of(
    store: ModelStore, rule: DriftRule, traffic: Traffic, members: Members, start: datetime, end: datetime
) -> Streams:
    """The streams of a rule for the traffic in [start, end): those that were open, and new ones for what is seen now."""
    connection, model = store.connection, store.model
    numbers = held.stream_numbers(connection, store.model_id)
    retired = _retired(numbers, held.versions_since(connection, store.model_id, end - RETIRED_AFTER))
    tuned, newest = find_tuned(connection, model.name), dict[tuple[str, str], int]()
    for (version, calibrator), number in numbers.items():
        pair = version, tuned.get(calibrator, calibrator)
        newest[pair] = max(number, newest.get(pair, number))
    recent = held.calibrators_since(connection, store.model_id, end - MIXED_FOR)
    fleet = _Fleet(
        traffic, members, held.calibrator_scopes(connection, model.name), newest,
        {(version, tuned.get(calibrator, calibrator)) for version, calibrator in recent},
    )  # fmt: skip
    placed = placed_versions(connection, store.model_id)
    open_ = {(s.version, s.slice): s for s in held.load_streams(RuleEvidence(connection, model.name, rule.name))}
    ranks = _Ranks(rule, model)

    def is_gone(version: str) -> bool:
        return version in retired or version not in placed or version == OTHER

    def is_over(stream: Stream) -> bool:
        is_shown = _covers(rule, model, stream.slice) and store.registry.has_place(stream.slice)
        return is_gone(stream.version) or not (is_shown and ranks.has_share(stream))

    closed = [(open_.pop(key), start) for key in [key for key, stream in open_.items() if is_over(stream)]]
    for stream in open_.values():
        ranks.used_ranks(stream.slice).add(stream.rank)
    refused = []
    for version, slice_ in _seen(rule, traffic, members):
        known = open_.get((version, slice_))
        if is_gone(version):
            continue
        calibrator, since = fleet.in_use(version, slice_, known)
        if known is not None and calibrator == known.calibrator:
            # a late label may lie before what was taken for the first bucket
            open_[version, slice_] = replace(known, opened=min(known.opened, since))
            continue
        if known is not None:
            closed.append((known, since))
            ranks.free_rank(known)
            del open_[version, slice_]
        stream = Stream(version, calibrator, slice_, ranks.lowest_free(slice_), since)
        if ranks.has_share(stream):
            ranks.used_ranks(slice_).add(stream.rank)
            open_[version, slice_] = stream
        else:
            refused.append(version)
    over = (
        *held.closed_streams(RuleEvidence(connection, model.name, rule.name)),
        *(replace(stream, closed=at) for stream, at in closed),
    )
    return Streams(
        tuple(sorted(open_.values(), key=lambda s: (s.version, s.slice.order, s.slice.labels))), tuple(closed), over,
        tuple(dict.fromkeys([*(stream.version for stream, _ in closed if not ranks.has_share(stream)), *refused])),
        not ranks.has_room(),
    )  # fmt: skip


def limits_of(rule: DriftRule, model: Model, streams: Streams, buckets: Sequence[datetime]) -> Floats:
    """(open streams, buckets): alarm thresholds, from the share that a stream has of the rule's false-alarm budget.

    Streams of one kind (the whole, marginals, crosses) share alike; the shares of those that are there fall as more of them
    appear, and stay where they are when some close. Before a stream is there it has nothing to judge: its threshold means
    nothing.
    """
    covered = _covered(rule, model)
    budget = rule.false_alarms_per_year
    limits = np.full((len(streams.open), len(buckets)), np.inf)
    at = np.array([bucket.timestamp() for bucket in buckets])
    for order in range(covered + 1):
        own = np.array([row for row, s in enumerate(streams.open) if min(s.slice.order, 2) == order], dtype=np.int64)
        if not own.size:
            continue
        present = _present(streams, order, np.array([streams.open[row].opened.timestamp() for row in own]), at)
        ranks = np.array([streams.open[row].rank for row in own], dtype=np.int64)
        # of the whole each rank has its own share, of the others all that are present have the same
        known = np.column_stack([np.repeat(ranks if order == 0 else np.ones_like(ranks), at.size), present.reshape(-1)])
        pairs, place = np.unique(known, axis=0, return_inverse=True)
        found = [slice_threshold(budget, order, r, covered, k) if r <= k else np.inf for r, k in pairs.tolist()]
        limits[own] = np.where(ranks[:, None] <= present, np.array(found)[place].reshape(present.shape), np.inf)
    return limits


def _present(streams: Streams, order: int, opened: Floats, buckets: Floats) -> NDArray[np.int64]:
    """(streams opened at these times, buckets): the highest rank of what was there of an order since the stream opened."""
    ever = [s for s in (*streams.open, *streams.over) if min(s.slice.order, 2) == order]
    since = np.array([s.opened.timestamp() for s in ever])
    until = np.array([s.closed.timestamp() if s.closed else np.inf for s in ever])
    ranks = np.array([s.rank for s in ever], dtype=np.int64)
    earliest_first = np.argsort(since, kind="stable")
    present = np.zeros((opened.size, buckets.size), dtype=np.int64)
    for moment in np.unique(opened).tolist():
        met = earliest_first[until[earliest_first] > moment]
        highest = np.concatenate([[0], np.maximum.accumulate(ranks[met])])
        present[opened == moment] = highest[np.searchsorted(since[met], buckets, side="right")]
    return present


def _covered(rule: DriftRule, model: Model) -> int:
    """The highest order that the rule judges; crosses of more dimensions count as 2."""
    return min(max(rule.orders), model.max_order, len(model.slices), 2)


@dataclass(slots=True)
class _Ranks:
    """The ranks in use, by kind of slice, and the lowest that may be free."""

    rule: DriftRule
    model: Model
    used: dict[int, set[int]] = field(default_factory=dict)
    next: dict[int, int] = field(default_factory=dict)

    def used_ranks(self, slice_: Slice) -> set[int]:
        return self.used.setdefault(min(slice_.order, 2), set())

    def lowest_free(self, slice_: Slice) -> int:
        """The lowest rank that is free."""
        kind, taken = min(slice_.order, 2), self.used_ranks(slice_)
        rank = self.next.get(kind, 1)
        while rank in taken:
            rank += 1
        self.next[kind] = rank
        return rank

    def free_rank(self, stream: Stream) -> None:
        """The rank of a stream that closes."""
        kind = min(stream.slice.order, 2)
        self.used_ranks(stream.slice).discard(stream.rank)
        self.next[kind] = min(self.next.get(kind, 1), stream.rank)

    def has_share(self, stream: Stream) -> bool:
        """Whether the share of a version of the whole is large enough to be compared with."""
        return bool(stream.slice.order) or self._is_large_enough(stream.rank)

    def has_room(self) -> bool:
        """Whether one more version would be judged."""
        return self._is_large_enough(self.lowest_free(Slice()))

    def _is_large_enough(self, rank: int) -> bool:
        budget = self.rule.false_alarms_per_year
        beside = max(rank, 2)  # versions there are: alone it has all of the share
        return slice_threshold(budget, 0, rank, _covered(self.rule, self.model), beside) < MOST_THRESHOLD


def _seen(rule: DriftRule, traffic: Traffic, members: Members) -> list[tuple[str, Slice]]:
    """Versions and slices of the traffic that the rule covers: the coarse ones first, then as they appeared."""
    found = {pair: min(traffic.first[group] for group in inside) for pair, inside in members.items()
             if is_covered(rule, pair[1])}  # fmt: skip
    return sorted(found, key=lambda pair: (pair[1].order, found[pair], pair[1].labels, pair[0]))


def _covers(rule: DriftRule, model: Model, slice_: Slice) -> bool:
    """Whether the rule and the configuration, as they are now, still show the slice."""
    return is_covered(rule, slice_) and slice_.order <= model.max_order and slice_.as_dict().keys() <= set(model.slices)


def _retired(numbers: dict[tuple[str, str], int], live: set[str]) -> set[str]:
    """Versions without samples of late that have a successor with samples: one whose first stream is newer."""
    first = {version: min(n for (own, _), n in numbers.items() if own == version) for version, _ in numbers}
    return {old for old in first.keys() - live if any(first[new] > first[old] for new in live)}


@dataclass(frozen=True, slots=True)
class _Fleet:
    """What serves: the traffic of the span, and the (version, calibrator) pairs seen at its end."""

    traffic: Traffic
    members: Members
    scopes: dict[str, Slice]
    numbers: dict[tuple[str, str], int]
    recent: set[tuple[str, str]]

    def in_use(self, version: str, slice_: Slice, known: Stream | None) -> tuple[str, datetime]:
        """(calibrator, first bucket of it) that serves the slice at the end of the span, among those for all of it.

        Of several seen lately the one that came last: servers are updated one after the other.
        """
        traffic = self.traffic
        began: dict[str, datetime] = {}
        newest: dict[str, datetime] = {}
        inside = self.members[version, slice_]
        for group in inside:
            calibrator, first, last = traffic.groups[group][1], traffic.first[group], traffic.last[group]
            if self.scopes.get(calibrator, Slice()).contains(slice_):
                began[calibrator] = min(began.get(calibrator, first), first)
                newest[calibrator] = max(newest.get(calibrator, last), last)
        if not began:  # all of it is served by finer calibrators
            return known.calibrator if known else "", min(traffic.first[group] for group in inside)
        edge = max(newest.values()) - MIXED_FOR
        number = {name: self.numbers[version, name] for name, last in newest.items() if last >= edge}
        found = max(number, key=lambda name: number[name])
        if known is not None and self._newer(version, known.calibrator, number[found]):
            return known.calibrator, known.opened
        return found, began[found]

    def _newer(self, version: str, calibrator: str, than: int) -> bool:
        """Whether the calibrator was seen lately and came later than stream number ``than``."""
        return (version, calibrator) in self.recent and self.numbers.get((version, calibrator), -1) > than
