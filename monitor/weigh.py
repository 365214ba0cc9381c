"""The weigh stage: labelled cells of newly closed buckets into drift evidence, rule by rule.

A stream is a slice of a model version under the calibrator in use for it. A new calibrator or version begins a new
stream with no evidence; the old one is closed and stays on record. Cells that changed in buckets already judged (late or
corrected labels) are judged again from the day's checkpoint, so that the evidence is that of a run from scratch.
Buckets folded into days are final.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np

from monitor.conditions import applies
from monitor.config import Model
from monitor.durations import format_duration
from monitor.model import Evidence, Rule, RuleKind, Slice
from monitor.readings import window_end
from monitor.rulebook import Rulebook
from monitor.statistics.evidence import Advance, Alarm, Block, EvidenceState, advance
from monitor.statistics.evidence_bank import BinSums
from monitor.statistics.evidence_budget import slice_threshold
from monitor.statistics.evidence_explained import direction, explain
from monitor.statistics.evidence_tolerance import Tolerance
from monitor.store import evidence as held
from monitor.store.cells import shown_slices
from monitor.store.connection import atomic, utc_day
from monitor.store.evidence import AlarmRow, Stream, Traffic
from monitor.store.registry import Registry

RETIRED_AFTER = timedelta(days=7)  # a version without samples for so long, while a newer one has some, is gone
_DAY = timedelta(days=1)
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one rule judges now: its streams as they were before ``start``, and the buckets from there on."""

    rule: Rule
    start: datetime
    streams: tuple[Stream, ...]
    state: EvidenceState
    closed: tuple[tuple[Stream, datetime], ...]


def weigh(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, rulebook: Rulebook, now: datetime
) -> tuple[Evidence, ...]:
    """Judge what is new for every drift rule of the model, and return the evidence of all open streams."""
    rules = [rule for rule in rulebook if rule.kind is RuleKind.DRIFT]
    if not rules:
        return ()
    end = window_end(now, model)
    floor, changed = held.evidence_start(connection, registry.model_id)
    if floor is None or floor >= end:
        return ()
    with atomic(connection):
        for rule in rules:
            _weigh_rule(connection, registry, model, rule, floor, changed, end)
        held.forget_changes(connection, registry.model_id, end)
    return tuple(one for rule in rules for one in _shown(connection, model, rule, floor))


def _weigh_rule(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, rule: Rule, floor: datetime,
    changed: datetime | None, end: datetime,
) -> None:  # fmt: skip
    basis = f"odds {rule.tolerance_odds}, probability {rule.tolerance_probability}, {format_duration(model.bucket)}"
    reach = held.load_reach(connection, model.name, rule.name, basis)
    start, states = reach or floor, None
    if reach is not None and changed is not None and changed < reach:
        start, states = held.load_checkpoint(connection, model.name, rule.name, max(changed, floor))
    if start >= end:
        return
    traffic = held.load_traffic(connection, registry, start, end)
    if not traffic.buckets:
        held.store_reach(connection, model.name, rule.name, basis, end)
        return
    run = _prepare(connection, registry, model, rule, traffic, start, end, states)
    held.store_streams(connection, model.name, rule.name, run.streams, run.closed)
    held.forget_from(connection, model.name, rule.name, start, utc_day(floor))
    run, path, alarms = _judge_days(connection, registry, model, run, traffic)
    held.store_streams(connection, model.name, rule.name, run.streams, ())
    held.store_path(connection, model.name, rule.name, path, alarms)
    held.store_reach(connection, model.name, rule.name, basis, end)


def _prepare(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, rule: Rule, traffic: Traffic, start: datetime,
    end: datetime, states: dict[tuple[str, str, str], bytes] | None,
) -> _Run:  # fmt: skip
    """Open streams as of ``start``: from their state, or from a checkpoint; new ones for what is seen first now."""
    scopes = held.calibrator_scopes(connection, model.name)
    numbers = held.stream_numbers(connection, registry.model_id)
    retired = _retired(numbers, held.versions_since(connection, registry.model_id, end - RETIRED_AFTER))
    open_ = {(s.version, s.slice): s for s in held.load_streams(connection, model.name, rule.name)}
    ended = [key for key in open_ if key[0] in retired or not _covers(rule, model, key[1])]
    closed = [(open_.pop(key), start) for key in ended]
    for version, slice_ in _seen(model, rule, traffic):
        known = open_.get((version, slice_))
        found = None if version in retired else _in_use(traffic, scopes, numbers, version, slice_, known)
        if found is None:
            continue
        calibrator, since = found
        if known is not None and calibrator == known.calibrator:
            # a late label may lie before what was taken for the first bucket
            open_[version, slice_] = replace(known, opened=min(known.opened, since))
            continue
        if known is not None:
            closed.append((known, since))
        taken = {
            s.rank for (_, other), s in open_.items() if min(other.order, 2) == min(slice_.order, 2) and s is not known
        }
        rank = next(rank for rank in range(1, len(taken) + 2) if rank not in taken)
        open_[version, slice_] = Stream(version, calibrator, slice_, rank, since, None)
    streams = tuple(sorted(open_.values(), key=lambda s: (s.version, s.slice.order, s.slice.labels)))
    blobs = [s.state if states is None else states.get(s.key) for s in streams]
    parts = [EvidenceState.from_bytes(blob) if blob else EvidenceState.fresh(1) for blob in blobs]
    state = EvidenceState.joined(parts) if parts else EvidenceState.fresh(0)
    return _Run(rule, start, streams, state, tuple(closed))


def _seen(model: Model, rule: Rule, traffic: Traffic) -> list[tuple[str, Slice]]:
    """Versions and slices of the traffic that the rule covers: the coarse ones first, then as they appeared."""
    found: dict[tuple[str, Slice], datetime] = {}
    for (version, _, finest), first in zip(traffic.groups, traffic.first, strict=True):
        for shown in shown_slices([finest], model.slices, model.max_order):
            if applies(rule, shown):
                found[version, shown] = min(first, found.get((version, shown), first))
    return sorted(found, key=lambda pair: (pair[1].order, found[pair], pair[1].labels, pair[0]))


def _covers(rule: Rule, model: Model, slice_: Slice) -> bool:
    """Whether the rule and the configuration, as they are now, still show the slice."""
    return applies(rule, slice_) and slice_.order <= model.max_order and slice_.as_dict().keys() <= set(model.slices)


def _retired(numbers: dict[tuple[str, str], int], live: set[str]) -> set[str]:
    """Versions without samples of late that have a successor with samples: one whose first stream is newer."""
    first = {version: min(n for (own, _), n in numbers.items() if own == version) for version, _ in numbers}
    return {old for old in first.keys() - live if any(first[new] > first[old] for new in live)}


def _in_use(
    traffic: Traffic, scopes: dict[str, Slice], numbers: dict[tuple[str, str], int], version: str, slice_: Slice,
    known: Stream | None,
) -> tuple[str, datetime] | None:  # fmt: skip
    """(calibrator, first bucket of it) that serves the slice at the end of the span, among those for all of it."""
    candidates: dict[str, tuple[datetime, int, datetime]] = {}
    for (own, calibrator, finest), first, last in zip(traffic.groups, traffic.first, traffic.last, strict=True):
        if own != version or not slice_.contains(finest) or not scopes.get(calibrator, Slice()).contains(slice_):
            continue
        newest, number, began = candidates.get(calibrator, (last, numbers[version, calibrator], first))
        candidates[calibrator] = (max(newest, last), number, min(began, first))
    if not candidates:  # all of it is served by finer calibrators
        inside = [first for (own, _, finest), first in zip(traffic.groups, traffic.first, strict=True)
                  if own == version and slice_.contains(finest)]  # fmt: skip
        return (known.calibrator if known else "", min(inside)) if inside else None
    calibrator = max(candidates, key=lambda one: candidates[one][:2])
    return calibrator, candidates[calibrator][2]


def _judge_days(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, run: _Run, traffic: Traffic
) -> tuple[_Run, list[tuple[Stream, datetime, int, float]], list[AlarmRow]]:
    """Advance day by day, with a checkpoint before each; returns the run with its new state, the path and the alarms."""
    path: list[tuple[Stream, datetime, int, float]] = []
    alarms: list[AlarmRow] = []
    state = run.state
    sums = _bin_sums(connection, model, run.streams, traffic)
    limits = np.array([_limit(run.rule, model, stream) for stream in run.streams])
    days = sorted({utc_day(bucket) for bucket in traffic.buckets})
    kept = held.checkpoint_days(connection, model.name, run.rule.name)
    for day in days:
        rows = [i for i, bucket in enumerate(traffic.buckets) if day <= bucket < day + _DAY]
        if day not in kept:
            held.store_checkpoint(connection, model.name, run.rule.name, day, run.streams, state)
        block = _block(sums, rows, [traffic.buckets[i] for i in rows], run.rule, model)
        step = advance(state, block, limits, model.bucket / _DAY)
        path += _path(run, step, block, limits, [traffic.buckets[i] for i in rows])
        alarms += [_alarm(connection, registry, model, run, alarm, limits) for alarm in step.alarms]
        state = step.state
    streams = tuple(replace(stream, state=state.to_bytes(row)) for row, stream in enumerate(run.streams))
    return replace(run, streams=streams, state=state), path, alarms


def _bin_sums(
    connection: duckdb.DuckDBPyConnection, model: Model, streams: Sequence[Stream], traffic: Traffic
) -> BinSums:
    """Sums (streams, buckets, bins): the cells of each stream's slice, version and calibrator, from its opening on.

    Samples under a calibrator for a part of the slice, or for what cuts across it, count as well: the slice as a whole
    should be calibrated. Another calibrator for all of the slice has its own stream.
    """
    scopes = held.calibrator_scopes(connection, model.name)
    width = len(traffic.buckets)
    links = [
        (group, row)
        for row, stream in enumerate(streams)
        for group, (version, calibrator, finest) in enumerate(traffic.groups)
        if version == stream.version and stream.slice.contains(finest)
        and (calibrator == stream.calibrator or not scopes.get(calibrator, Slice()).contains(stream.slice))
    ]  # fmt: skip
    pairs = np.array(links, dtype=np.int64).reshape(-1, 1, 2) * max(width, 1)
    mapping = (pairs + np.arange(width)[None, :, None]).reshape(-1, 2)
    sums = BinSums.from_cells(traffic.cells.regrouped(mapping), len(streams), width)
    early = np.array([[bucket < stream.opened for bucket in traffic.buckets] for stream in streams], dtype=bool)
    early = early.reshape(len(streams), width)
    for column in (sums.weight, sums.score, sums.outcome):
        column[early] = 0.0
    sums.samples[early] = 0.0
    return sums


def _block(sums: BinSums, rows: Sequence[int], buckets: Sequence[datetime], rule: Rule, model: Model) -> Block:
    part = BinSums(sums.weight[:, rows], sums.score[:, rows], sums.outcome[:, rows], sums.samples[:, rows])
    tolerance = (
        Tolerance.odds(rule.tolerance_odds) if rule.tolerance_odds is not None
        else Tolerance.probability(rule.tolerance_probability) if rule.tolerance_probability is not None
        else Tolerance()
    )  # fmt: skip
    return Block.against_scores(part, [(bucket - _EPOCH) // model.bucket for bucket in buckets], tolerance)


def _limit(rule: Rule, model: Model, stream: Stream) -> float:
    """The alarm threshold of a stream from its share of the rule's false-alarm budget."""
    covered = min(max(rule.orders), model.max_order, len(model.slices), 2)
    return slice_threshold(rule.false_alarms_per_year or 1.0, min(stream.slice.order, 2), stream.rank, covered)


def _path(
    run: _Run,
    step: Advance,
    block: Block,
    limits: np.ndarray[tuple[int], np.dtype[np.float64]],
    buckets: Sequence[datetime],
) -> list[tuple[Stream, datetime, int, float]]:
    ratio = np.exp(np.minimum(step.log_evidence - np.log(limits)[:, None], 700.0))
    return [
        (run.streams[row], buckets[column], int(block.samples[row, column]), float(ratio[row, column]))
        for row, column in np.argwhere(block.samples > 0).tolist()
    ]


def _alarm(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, run: _Run, alarm: Alarm,
    limits: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> AlarmRow:  # fmt: skip
    """An alarm with its words, from the cells since its onset."""
    stream = run.streams[alarm.row]
    onset, at = (_EPOCH + index * model.bucket for index in (alarm.onset, alarm.bucket))
    since = held.load_traffic(connection, registry, onset, at + model.bucket)
    sums = _bin_sums(connection, model, [stream], since)
    block = _block(sums, range(len(since.buckets)), since.buckets, run.rule, model)
    words = direction(explain(block, 0, alarm.tilt, alarm.onset, alarm.bucket))
    ratio = float(np.exp(min(alarm.log_evidence - np.log(limits[alarm.row]), 700.0)))
    return AlarmRow(stream, at, ratio, onset, int(alarm.samples), words)


def _shown(connection: duckdb.DuckDBPyConnection, model: Model, rule: Rule, floor: datetime) -> list[Evidence]:
    alarms = held.newest_alarms(connection, model.name, rule.name)
    ratios = held.newest_ratios(connection, model.name, rule.name, floor)
    shown = []
    for stream in held.load_streams(connection, model.name, rule.name):
        bucket, ratio = ratios.get(stream.key, (stream.opened, 0.0))
        alarm = alarms.get(stream.key)
        shown.append(
            Evidence(
                model=model.name, version=stream.version, calibrator=stream.calibrator, rule=rule.name, slice=stream.slice,
                opened=stream.opened,
                until=bucket + model.bucket, ratio=ratio,
                alarm_at=alarm.bucket + model.bucket if alarm else None, alarm_ratio=alarm.ratio if alarm else None,
                onset=alarm.onset if alarm else None, samples_since_onset=alarm.samples if alarm else None,
                direction=alarm.direction if alarm else "",
            )
        )  # fmt: skip
    return shown
