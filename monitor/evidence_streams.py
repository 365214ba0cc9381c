"""Which streams of drift evidence a rule has: a slice of a model version under the calibrator in use for it.

A new calibrator or version begins a stream with no evidence; the old one is closed and stays on record. Streams of one
order, of all versions together, share a part of the rule's false-alarm budget by their rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.conditions import applies
from monitor.config import Model
from monitor.model import Rule, Slice
from monitor.statistics.evidence_budget import slice_threshold
from monitor.store import evidence as held
from monitor.store.cells import shown_slices
from monitor.store.evidence import Stream, Traffic
from monitor.store.registry import Registry

Floats = NDArray[np.float64]
RETIRED_AFTER = timedelta(days=7)  # a version without samples for so long, while a newer one has some, is gone
MIXED_FOR = timedelta(
    hours=6
)  # while two calibrators are seen within so long, servers are being updated: the newer counts


@dataclass(frozen=True, slots=True)
class Streams:
    """The open streams, as they are before the span; those that it closes, each with when; and all that are over."""

    open: tuple[Stream, ...]
    closed: tuple[tuple[Stream, datetime], ...]
    over: tuple[Stream, ...]


Members = dict[tuple[str, Slice], list[int]]  # (version, shown slice) → groups of the traffic


def members_of(model: Model, traffic: Traffic) -> Members:
    """Which groups of the traffic belong to each shown slice."""
    members: Members = {}
    for group, (version, _, finest) in enumerate(traffic.groups):
        for shown in shown_slices([finest], model.slices, model.max_order):
            members.setdefault((version, shown), []).append(group)
    return members


def streams_of(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, rule: Rule, traffic: Traffic,
    members: Members, start: datetime, end: datetime,
) -> Streams:  # fmt: skip
    """The streams of a rule for the traffic in [start, end): those that were open, and new ones for what is seen now."""
    numbers = held.stream_numbers(connection, registry.model_id)
    retired = _retired(numbers, held.versions_since(connection, registry.model_id, end - RETIRED_AFTER))
    fleet = _Fleet(
        traffic, members, held.calibrator_scopes(connection, model.name), numbers,
        held.calibrators_since(connection, registry.model_id, end - MIXED_FOR),
    )  # fmt: skip
    open_ = {(s.version, s.slice): s for s in held.load_streams(connection, model.name, rule.name)}
    ended = [key for key in open_ if key[0] in retired or not _covers(rule, model, key[1])]
    closed = [(open_.pop(key), start) for key in ended]
    for version, slice_ in _seen(rule, traffic, members):
        known = open_.get((version, slice_))
        if version in retired:
            continue
        calibrator, since = fleet.in_use(version, slice_, known)
        if known is not None and calibrator == known.calibrator:
            # a late label may lie before what was taken for the first bucket
            open_[version, slice_] = replace(known, opened=min(known.opened, since))
            continue
        if known is not None:
            closed.append((known, since))
        rank = _free_rank([s for s in open_.values() if s is not known], slice_)
        open_[version, slice_] = Stream(version, calibrator, slice_, rank, since)
    over = (*held.closed_streams(connection, model.name, rule.name), *(stream for stream, _ in closed))
    return Streams(
        tuple(sorted(open_.values(), key=lambda s: (s.version, s.slice.order, s.slice.labels))), tuple(closed), over
    )


def limits_of(rule: Rule, model: Model, streams: Streams, buckets: Sequence[datetime]) -> Floats:
    """(open streams, buckets): alarm thresholds, from the share that a stream has of the rule's false-alarm budget.

    Streams of one kind (the whole, marginals, crosses) share alike; shares fall as more of them appear, and stay where
    they are when some close. Before a stream is there it has nothing to judge: its threshold means nothing.
    """
    covered = min(max(rule.orders), model.max_order, len(model.slices), 2)
    budget = rule.false_alarms_per_year or 1.0
    limits = np.full((len(streams.open), len(buckets)), np.inf)
    for order in range(covered + 1):
        own = [row for row, stream in enumerate(streams.open) if min(stream.slice.order, 2) == order]
        ever = [s for s in (*streams.open, *streams.over) if min(s.slice.order, 2) == order]
        opened = np.array([stream.opened.timestamp() for stream in ever])
        ranks = np.array([stream.rank for stream in ever], dtype=np.int64)
        present = np.array([ranks[opened <= bucket.timestamp()].max(initial=0) for bucket in buckets], dtype=np.int64)
        for count in np.unique(present).tolist():
            columns = np.flatnonzero(present == count)
            for row in own:
                if (rank := streams.open[row].rank) <= count:
                    limits[row, columns] = slice_threshold(budget, order, rank, covered, count)
    return limits


def _free_rank(others: Sequence[Stream], slice_: Slice) -> int:
    taken = {stream.rank for stream in others if min(stream.slice.order, 2) == min(slice_.order, 2)}
    return next(rank for rank in range(1, len(taken) + 2) if rank not in taken)


def _seen(rule: Rule, traffic: Traffic, members: Members) -> list[tuple[str, Slice]]:
    """Versions and slices of the traffic that the rule covers: the coarse ones first, then as they appeared."""
    found = {pair: min(traffic.first[group] for group in inside) for pair, inside in members.items()
             if applies(rule, pair[1])}  # fmt: skip
    return sorted(found, key=lambda pair: (pair[1].order, found[pair], pair[1].labels, pair[0]))


def _covers(rule: Rule, model: Model, slice_: Slice) -> bool:
    """Whether the rule and the configuration, as they are now, still show the slice."""
    return applies(rule, slice_) and slice_.order <= model.max_order and slice_.as_dict().keys() <= set(model.slices)


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
