"""What one drift rule judges at a time: its streams with what is held of them, and their samples of some buckets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.config.settings import Model
from monitor.engine.stages.streams import Members, members_of
from monitor.model import DriftRule, Slice
from monitor.statistics.arrays import totals
from monitor.statistics.cells import FINE_BINS, Cells, fine_bin_of
from monitor.statistics.drift.bets import BinSums, Tolerance
from monitor.statistics.drift.eprocess import NEVER, Block, EvidenceState, ToldAlarms
from monitor.statistics.drift.groups import GroupSums
from monitor.statistics.drift.reference import judge_groups, reference_bands
from monitor.statistics.drift.reference_pool import ReferencePool, pool_reference
from monitor.store.evidence import streams as held
from monitor.store.evidence.streams import Stream, Traffic
from monitor.store.evidence.traffic import load_cells, load_sums
from monitor.store.model_store import ModelStore

Floats = NDArray[np.float64]
DAY = timedelta(days=1)
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class ToldRun:
    """The run for alarms to be told, where it is not that of the evidence."""

    state: EvidenceState
    told: ToldAlarms

    def drop_ended(self) -> "ToldRun":
        """With nothing left of streams whose newest told alarm lies behind the newest bucket there is."""
        return replace(self, state=self.state.drop(np.flatnonzero(self.told.newest != NEVER)))


@dataclass(frozen=True, slots=True)
class Run:
    """What one rule judges now: its open streams, what is held of each, and their thresholds (streams, buckets)."""

    model: Model
    rule: DriftRule
    streams: tuple[Stream, ...]
    limits: Floats
    state: EvidenceState
    gathering: tuple[ReferencePool, ...] | None  # None: judged against the scores themselves
    told_run: ToldRun | None = None  # None: the same as the evidence

    def checkpoint(self) -> tuple[Stream, ...]:
        """The streams with what is held of them now."""
        return tuple(
            replace(
                stream,
                state=self.state.to_bytes(row),
                reference=None if self.gathering is None else self.gathering[row].to_bytes(),
                told=self._told(row),
            )
            for row, stream in enumerate(self.streams)
        )

    def _told(self, row: int) -> bytes | None:
        if self.told_run is None:
            return None
        told = self.told_run.state.to_bytes(row)
        return None if told == self.state.to_bytes(row) else told


def blobs_of(
    streams: Sequence[Stream], kept: held.Checkpoint | None
) -> list[tuple[bytes | None, bytes | None, bytes | None]]:
    """(state, reference, told) of each stream, now or at a checkpoint, where those that came later had nothing yet."""
    if kept is None:
        return [(stream.state, stream.reference, stream.told) for stream in streams]
    return [kept.get(stream.key, (None, None, None)) for stream in streams]


def join_states(states: Sequence[bytes | None]) -> EvidenceState:
    """The states of several streams as one; None is a stream of which nothing is known yet."""
    parts = [EvidenceState.from_bytes(state) if state else EvidenceState.begin(1) for state in states]
    return EvidenceState.join(parts) if parts else EvidenceState.begin(0)


def links_of(
    connection: duckdb.DuckDBPyConnection, model: Model, streams: Sequence[Stream], traffic: Traffic, members: Members
) -> NDArray[np.int64]:
    """Which groups of the traffic count in which streams: (group, row of the stream), shape (links, 2).

    Samples under a calibrator for a part of the slice, or for what cuts across it, count as well: the slice as a whole
    should be calibrated. Another calibrator for all of the slice has its own stream.
    """
    scopes = held.calibrator_scopes(connection, model.name)
    links = [
        (group, row)
        for row, stream in enumerate(streams)
        for group in members.get((stream.version, stream.slice), ())
        if (calibrator := traffic.groups[group][1]) == stream.calibrator
        or not scopes.get(calibrator, Slice()).contains(stream.slice)
    ]
    return np.array(links, dtype=np.int64).reshape(-1, 2)


def block_of(
    store: ModelStore, run: Run, traffic: Traffic, links: NDArray[np.int64], buckets: Sequence[datetime]
) -> tuple[tuple[ReferencePool, ...] | None, Block]:
    """What is to be judged of some buckets of the traffic, each stream from its opening on, and the references after them."""
    rule, width = run.rule, len(buckets)
    index = [(bucket - EPOCH) // run.model.bucket for bucket in buckets]
    tolerance = (
        Tolerance("odds", rule.tolerance_odds) if rule.tolerance_odds is not None
        else Tolerance("probability", rule.tolerance_probability) if rule.tolerance_probability is not None
        else Tolerance()
    )  # fmt: skip
    opened = np.array([[bucket >= stream.opened for bucket in buckets] for stream in run.streams], dtype=np.bool_)
    opened = opened.reshape(len(run.streams), width)
    if run.gathering is None:
        alone, groups = load_sums(store, traffic, buckets)
        own = groups.regroup(links)
        sums = alone.regroup(links, len(run.streams)).select_buckets(opened)
        return None, Block.against_scores(sums, index, tolerance, own.pick(opened[own.row, own.position]))
    cells, fine = _stream_samples(store, traffic, links, buckets)
    cells, fine = cells.pick(opened.reshape(-1)[cells.unit]), fine.pick(opened[fine.row, fine.position])

    def history(wanted: Mapping[int, int]) -> Mapping[int, tuple[Floats, GroupSums]]:
        ends = {run.streams[row]: buckets[place] + run.model.bucket for row, place in wanted.items()}
        return dict(zip(wanted, _load_histories(store, ends), strict=True))

    gathering, judged = pool_reference(run.gathering, cells, width, rule.reference_samples, fine, history)
    references = [one.reference for one in gathering]
    lower, upper = reference_bands(references, cells, width, tolerance)
    sums = BinSums.from_cells(cells, len(run.streams), width).select_buckets(judged)
    rows = judge_groups(references, fine.pick(judged[fine.row, fine.position]), tolerance)
    return tuple(gathering), Block.of(sums, index, lower, upper, rows)


def _stream_samples(
    store: ModelStore, traffic: Traffic, links: NDArray[np.int64], buckets: Sequence[datetime]
) -> tuple[Cells, GroupSums]:
    """Cells with stream · len(buckets) + place as unit, and samples in groups by stream, place and fine bin."""
    width = len(buckets)
    cells, groups = load_cells(store, traffic, buckets)
    mapping = (links[:, None, :] * width + np.arange(width)[None, :, None]).reshape(-1, 2)
    return cells.regroup(mapping), groups.regroup(links)


def _load_histories(store: ModelStore, ends: Mapping[Stream, datetime]) -> list[tuple[Floats, GroupSums]]:
    """All samples of each stream before its end: those alone as sums (3, 192) per fine bin, and groups by fine bin."""
    streams = tuple(ends)
    traffic = held.load_traffic(store, min(stream.opened for stream in streams), max(ends.values()))
    links = links_of(store.connection, store.model, streams, traffic, members_of(store.model, traffic))
    cells, groups = _stream_samples(store, traffic, links, traffic.buckets)
    width = len(traffic.buckets)
    found = []
    for row, (stream, end) in enumerate(ends.items()):
        own = np.array([stream.opened <= bucket < end for bucket in traffic.buckets], dtype=np.bool_)
        alone = cells.pick((cells.unit // width == row) & own[cells.unit % width])
        together = groups.pick((groups.row == row) & own[groups.position])
        columns = (alone.weight, alone.weight_score, alone.weight_outcome)
        sums = np.stack([totals(fine_bin_of(alone.bin), column, FINE_BINS) for column in columns])
        found.append((sums, replace(together, row=np.zeros_like(together.row))))
    return found
