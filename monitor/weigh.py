"""The weigh stage: labelled cells of newly closed buckets into drift evidence, rule by rule.

Every open stream (``evidence_streams``) is advanced bucket by bucket. Cells that changed in buckets already judged (late
or corrected labels) are judged again from the day's checkpoint, so that the evidence is that of a run from scratch.
Buckets folded into days are final. A rule with reference "deployment" judges a stream against the curve of its own first
samples, which are gathered before anything is judged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import structlog
from numpy.typing import NDArray

from monitor.config import Model
from monitor.durations import format_duration
from monitor.evidence_streams import Members, Streams, limits_of, members_of, streams_of
from monitor.model import Evidence, Rule, RuleKind, Slice
from monitor.readings import window_end
from monitor.rulebook import Rulebook
from monitor.statistics.evidence import Advance, Alarm, Block, EvidenceState, advance
from monitor.statistics.evidence_bank import BANK, BinSums
from monitor.statistics.evidence_deployment import Gathering, gather
from monitor.statistics.evidence_explained import direction, explain
from monitor.statistics.evidence_listing import drifted_slices
from monitor.statistics.evidence_reference import reference_bands
from monitor.statistics.evidence_tolerance import Tolerance
from monitor.store import evidence as held
from monitor.store.connection import atomic, naive, utc_day
from monitor.store.evidence import Judged, Stream, Traffic
from monitor.store.evidence_alarms import AlarmRow, newest_alarms, store_alarms, store_words
from monitor.store.folded import forget_folded, note_folded
from monitor.store.registry import Registry
from monitor.wording import told_folded

log = structlog.get_logger("calwatch")
Floats = NDArray[np.float64]
_DAY = timedelta(days=1)
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one rule judges now: its open streams, what is held of each, and their thresholds (streams, buckets)."""

    model: Model
    rule: Rule
    streams: tuple[Stream, ...]
    limits: Floats
    state: EvidenceState
    gathering: tuple[Gathering, ...] | None  # None: judged against the scores themselves

    def checkpoint(self) -> tuple[Stream, ...]:
        """The streams with what is held of them now."""
        return tuple(
            replace(
                stream,
                state=self.state.to_bytes(row),
                reference=None if self.gathering is None else self.gathering[row].to_bytes(),
            )
            for row, stream in enumerate(self.streams)
        )


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
    basis = _basis(rule, model)
    reach = held.load_reach(connection, model.name, rule.name, basis)
    start, kept = reach or floor, None
    if reach is not None and changed is not None and changed < reach:
        start, kept = held.load_checkpoint(connection, model.name, rule.name, max(changed, floor))
    if start >= end:
        return
    traffic = held.load_traffic(connection, registry, start, end)
    if not traffic.buckets:
        held.store_reach(connection, model.name, rule.name, basis, end)
        return
    members = members_of(model, traffic)
    streams = streams_of(connection, registry, model, rule, traffic, members, start, end)
    _note_refused(connection, model, rule, streams, end)
    run = _run(model, rule, streams, traffic.buckets, kept)
    held.store_streams(connection, model.name, rule.name, run.streams, streams.closed)
    held.forget_from(connection, model.name, rule.name, start, utc_day(floor))
    run, path, alarms = _judge_days(connection, registry, run, traffic, members)
    held.store_streams(connection, model.name, rule.name, _listed(run), ())
    held.store_path(connection, model.name, rule.name, run.streams, path)
    store_alarms(connection, model.name, rule.name, alarms)
    _explain_newest(connection, registry, run, floor)
    held.store_reach(connection, model.name, rule.name, basis, end)


def _note_refused(
    connection: duckdb.DuckDBPyConnection, model: Model, rule: Rule, streams: Streams, end: datetime
) -> None:
    """Keep which versions are not judged, as of this span, and log it when that begins."""
    if streams.refused:
        judged = len({stream.version for stream in streams.open if not stream.slice.order})
        told = note_folded(
            connection, model.name, "drift", rule.name, judged, streams.refused, len(streams.refused), end
        )
        if told:
            log.warning("versions not judged", model=model.name, rule=rule.name, finding=told_folded(told))
    elif not streams.full:
        forget_folded(connection, model.name, "drift", rule.name)


def _basis(rule: Rule, model: Model) -> str:
    """What the evidence depends on beside the cells; when it changes, evidence starts afresh."""
    against = f"first {rule.reference_samples} samples" if rule.reference == "deployment" else "scores"
    tolerance = f"odds {rule.tolerance_odds}, probability {rule.tolerance_probability}"
    return f"{BANK}, {tolerance}, {against}, {format_duration(model.bucket)}"


def _run(
    model: Model, rule: Rule, streams: Streams, buckets: Sequence[datetime],
    kept: dict[tuple[str, str, str], tuple[bytes, bytes | None]] | None,
) -> _Run:  # fmt: skip
    """What is held of the streams: now, or at a checkpoint, where those that came later had nothing yet."""
    blobs = [(s.state, s.reference) if kept is None else kept.get(s.key, (None, None)) for s in streams.open]
    parts = [EvidenceState.from_bytes(state) if state else EvidenceState.fresh(1) for state, _ in blobs]
    gathering = None
    if rule.reference == "deployment":
        gathering = tuple(Gathering.from_bytes(blob) if blob else Gathering() for _, blob in blobs)
    return _Run(
        model, rule, streams.open, limits_of(rule, model, streams, buckets),
        EvidenceState.joined(parts) if parts else EvidenceState.fresh(0), gathering,
    )  # fmt: skip


def _judge_days(
    connection: duckdb.DuckDBPyConnection, registry: Registry, run: _Run, traffic: Traffic, members: Members
) -> tuple[_Run, list[Judged], list[AlarmRow]]:
    """Advance day by day, with a checkpoint before each; returns the run with its new state, the path and the alarms."""
    path: list[Judged] = []
    alarms: list[AlarmRow] = []
    model, rule = run.model, run.rule
    links = _links(connection, model, run.streams, traffic, members)
    kept = held.checkpoint_days(connection, model.name, rule.name)
    for day in sorted({utc_day(bucket) for bucket in traffic.buckets}):
        columns = [i for i, bucket in enumerate(traffic.buckets) if day <= bucket < day + _DAY]
        buckets = [traffic.buckets[i] for i in columns]
        if day not in kept:
            held.store_checkpoint(connection, model.name, rule.name, day, run.checkpoint())
        gathering, block = _block(connection, registry, run, traffic, links, buckets)
        limits = run.limits[:, columns]
        step = advance(run.state, block, limits, model.bucket / _DAY)
        path.append(_path(step, block, limits, buckets))
        run = replace(run, state=step.state, gathering=gathering)
        at = {bucket: column for column, bucket in enumerate(block.bucket.tolist())}
        alarms += [_alarm(run, alarm, float(limits[alarm.row, at[alarm.bucket]])) for alarm in step.alarms]
    return run, path, alarms


def _links(
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


def _block(
    connection: duckdb.DuckDBPyConnection, registry: Registry, run: _Run, traffic: Traffic, links: NDArray[np.int64],
    buckets: Sequence[datetime],
) -> tuple[tuple[Gathering, ...] | None, Block]:  # fmt: skip
    """What is to be judged of some buckets of the traffic, each stream from its opening on, and the references after them."""
    rule, width = run.rule, len(buckets)
    index = [(bucket - _EPOCH) // run.model.bucket for bucket in buckets]
    tolerance = (
        Tolerance.odds(rule.tolerance_odds) if rule.tolerance_odds is not None
        else Tolerance.probability(rule.tolerance_probability) if rule.tolerance_probability is not None
        else Tolerance()
    )  # fmt: skip
    opened = np.array([[bucket >= stream.opened for bucket in buckets] for stream in run.streams], dtype=np.bool_)
    opened = opened.reshape(len(run.streams), width)
    if run.gathering is None:
        sums = held.load_sums(connection, registry, traffic, buckets).regrouped(links, len(run.streams))
        return None, Block.against_scores(sums.only(opened), index, tolerance)
    mapping = (links[:, None, :] * width + np.arange(width)[None, :, None]).reshape(-1, 2)
    cells = held.load_cells(connection, registry, traffic, buckets).regrouped(mapping)
    cells = cells.picked(opened.reshape(-1)[cells.unit])
    gathering, judged = gather(run.gathering, cells, width, rule.reference_samples)
    lower, upper = reference_bands([one.reference for one in gathering], cells, width, tolerance)
    sums = BinSums.from_cells(cells, len(run.streams), width).only(judged)
    return tuple(gathering), Block.of(sums, index, lower, upper)


def _path(step: Advance, block: Block, limits: Floats, buckets: Sequence[datetime]) -> Judged:
    ratio = np.exp(np.minimum(step.log_evidence - np.log(limits), 700.0))
    row, column = np.nonzero(block.samples > 0)
    starts = np.array([naive(bucket) for bucket in buckets], dtype="datetime64[us]")
    samples = block.samples[row, column].astype(np.int64)
    return Judged(row, starts[column], samples, ratio[row, column])


def _alarm(run: _Run, alarm: Alarm, limit: float) -> AlarmRow:
    """An alarm as a row, not yet explained."""
    onset, at = (_EPOCH + index * run.model.bucket for index in (alarm.onset, alarm.bucket))
    ratio = float(np.exp(min(alarm.log_evidence - np.log(limit), 700.0)))
    return AlarmRow(run.streams[alarm.row], at, ratio, onset, int(alarm.samples))


def _explain_newest(connection: duckdb.DuckDBPyConnection, registry: Registry, run: _Run, floor: datetime) -> None:
    """Put the newest alarm of each stream into words. Those before it are counted only: scores that are off from the start
    raise thousands.

    When late labels take back the newest, the one before it is explained then, unless its buckets have been folded.
    """
    rows = {stream.key: row for row, stream in enumerate(run.streams)}
    newest = newest_alarms(connection, run.model.name, run.rule.name, run.model.bucket)
    explained = [
        replace(alarms.newest, direction=_words(connection, registry, run, rows[key], alarms.newest))
        for key, alarms in newest.items()
        if not alarms.newest.explained and alarms.newest.bucket >= floor
    ]
    store_words(connection, run.model.name, run.rule.name, explained)


def _words(connection: duckdb.DuckDBPyConnection, registry: Registry, run: _Run, row: int, alarm: AlarmRow) -> str:
    """The direction of an alarm of the stream ``row``, from the cells since its onset."""
    model, stream = run.model, run.streams[row]
    since = held.load_traffic(connection, registry, alarm.onset, alarm.bucket + model.bucket)
    links = _links(connection, model, [stream], since, members_of(model, since))
    alone = replace(run, streams=(stream,), gathering=None if run.gathering is None else (run.gathering[row],))
    _, block = _block(connection, registry, alone, since, links, since.buckets)
    onset, at = ((moment - _EPOCH) // model.bucket for moment in (alarm.onset, alarm.bucket))
    # a tilt shapes contributions alone, which are not told
    words = direction(explain(block, 0, 0, onset, at))
    return f"{words} compared with its first samples" if words and run.gathering is not None else words


def _listed(run: _Run) -> list[Stream]:
    """The streams with what is held of them; those that e-BH lists as drifted at this poll are marked."""
    listed = set(drifted_slices(run.state.log_standing_evidence()).tolist())
    return [replace(stream, listed=row in listed) for row, stream in enumerate(run.checkpoint())]


def _shown(connection: duckdb.DuckDBPyConnection, model: Model, rule: Rule, floor: datetime) -> list[Evidence]:
    alarms = newest_alarms(connection, model.name, rule.name, model.bucket)
    ratios = held.newest_ratios(connection, model.name, rule.name, floor)
    shown = []
    for stream in held.load_streams(connection, model.name, rule.name):
        bucket, ratio = ratios.get(stream.key, (stream.opened, 0.0))
        own = alarms.get(stream.key)
        alarm = own.newest if own else None
        shown.append(
            Evidence(
                model=model.name, version=stream.version, calibrator=stream.calibrator, rule=rule.name, slice=stream.slice,
                opened=stream.opened,
                until=bucket + model.bucket, ratio=ratio,
                alarm_at=alarm.bucket + model.bucket if alarm else None, alarm_ratio=alarm.ratio if alarm else None,
                onset=alarm.onset if alarm else None, began=own.began if own else None,
                samples_since_onset=alarm.samples if alarm else None, alarms=own.count if own else 0,
                direction=alarm.direction if alarm else "", explained=alarm is None or alarm.explained,
                listed=stream.listed, reference_missing=_missing(rule, stream),
            )
        )  # fmt: skip
    return shown


def _missing(rule: Rule, stream: Stream) -> int | None:
    """Samples that the reference of a stream still lacks; None when it is judged."""
    if rule.reference != "deployment":
        return None
    gathering = Gathering.from_bytes(stream.reference) if stream.reference else Gathering()
    return None if gathering.reference is not None else max(math.ceil(rule.reference_samples - gathering.weight), 1)
