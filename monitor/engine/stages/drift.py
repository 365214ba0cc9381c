"""The weigh stage: labelled cells of newly closed buckets into drift evidence, rule by rule.

Every open stream (``evidence_streams``) is advanced bucket by bucket. Cells that changed in buckets already judged (late
or corrected labels) are judged again from the day's checkpoint, so that the evidence is that of a run from scratch.
Buckets folded into days are final. Alarms that are told come from a run beside it (``drift_told``): judging again does not
take them back, and they keep the budget however late labels come. A rule with reference "deployment" judges a stream
against the curve of its own first samples, which are gathered before anything is judged.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import duckdb
import numpy as np
import structlog

from monitor.config.settings import Model
from monitor.engine.stages.drift_run import (
    DAY,
    EPOCH,
    Floats,
    Run,
    ToldRun,
    blobs_of,
    block_of,
    join_states,
    links_of,
)
from monitor.engine.stages.drift_told import explain_told_alarms, told_run_of
from monitor.engine.stages.measure import window_end
from monitor.engine.stages.streams import Members, Streams, limits_of, members_of, streams_of
from monitor.model import DriftRule, Evidence, FoldedValues, Shift
from monitor.model.durations import format_duration
from monitor.model.wording import describe_folded
from monitor.rules.pack import Rulebook
from monitor.statistics.drift.bets import BANK
from monitor.statistics.drift.budget import drifted_slices
from monitor.statistics.drift.eprocess import Advance, Alarm, Block, advance_evidence
from monitor.statistics.drift.explain import explain_drift, find_shifts
from monitor.statistics.drift.reference_pool import ReferencePool
from monitor.store.connection import make_naive, transaction, utc_day
from monitor.store.evidence import streams as held
from monitor.store.evidence.alarms import AlarmRow, load_newest_alarms, store_alarms, store_words
from monitor.store.evidence.streams import EvidencePath, RuleEvidence, Stream, Traffic
from monitor.store.folded import forget_folded, note_folded
from monitor.store.model_store import ModelStore

log = structlog.get_logger("calwatch")


def weigh_evidence(store: ModelStore, rulebook: Rulebook, now: datetime) -> tuple[Evidence, ...]:
    """Judge what is new for every drift rule of the model, and return the evidence of all open streams."""
    rules = [rule for rule in rulebook if isinstance(rule, DriftRule)]
    if not rules:
        return ()
    end = window_end(now, store.model)
    floor, changed = held.evidence_start(store.connection, store.model_id)
    if floor is None or floor >= end:
        return ()
    with transaction(store.connection):
        for rule in rules:
            _weigh_rule(store, rule, floor, changed, end, now)
        held.forget_changes(store.connection, store.model_id, end)
    return tuple(one for rule in rules for one in _shown(store.connection, store.model, rule, floor))


def _weigh_rule(
    store: ModelStore, rule: DriftRule, floor: datetime, changed: datetime | None, end: datetime, now: datetime
) -> None:
    connection, model = store.connection, store.model
    own = RuleEvidence(connection, model.name, rule.name)
    basis = _basis(rule, model)
    reach = held.load_reach(own, basis)
    start, kept = reach or floor, None
    if reach is not None and changed is not None and changed < reach:
        start, kept = held.load_checkpoint(own, max(changed, floor))
    if start >= end:
        return
    traffic = held.load_traffic(store, start, end)
    if not traffic.buckets and kept is None:
        held.store_reach(own, basis, end)
        return
    members = members_of(model, traffic)
    streams = streams_of(store, rule, traffic, members, start, end)
    _note_refused(connection, model, rule, streams, end)
    run = _run(model, rule, streams, traffic.buckets, kept)
    run = replace(run, told_run=told_run_of(connection, run, traffic, start, reach, kept))
    held.store_streams(own, run.streams, streams.closed)
    held.forget_from(own, start, utc_day(floor))
    run, path, alarms, told = _judge_days(store, run, traffic, members)
    held.store_streams(own, _listed(run), ())
    held.store_path(own, run.streams, path)
    store_alarms(own, alarms)
    store_alarms(own, told, told_at=now)
    _explain_newest(store, run, floor)
    explain_told_alarms(store, run, max(floor, start))
    held.store_reach(own, basis, end)


def _note_refused(
    connection: duckdb.DuckDBPyConnection, model: Model, rule: DriftRule, streams: Streams, end: datetime
) -> None:
    """Keep which versions are not judged, as of this span, and log it when that begins."""
    if streams.refused:
        judged = len({stream.version for stream in streams.open if not stream.slice.order})
        met = FoldedValues("drift", rule.name, judged, end, end, len(streams.refused), streams.refused)
        told = note_folded(connection, model.name, met)
        if told:
            log.warning("versions not judged", model=model.name, rule=rule.name, finding=describe_folded(told))
    elif not streams.full:
        forget_folded(connection, model.name, "drift", rule.name)


def _basis(rule: DriftRule, model: Model) -> str:
    """What the evidence depends on beside the cells; when it changes, evidence starts afresh."""
    against = f"first {rule.reference_samples} samples" if rule.reference == "deployment" else "scores"
    tolerance = f"odds {rule.tolerance_odds}, probability {rule.tolerance_probability}"
    return f"{BANK}, {tolerance}, {against}, {format_duration(model.bucket)}"


def _run(
    model: Model, rule: DriftRule, streams: Streams, buckets: Sequence[datetime],
    kept: held.Checkpoint | None,
) -> Run:  # fmt: skip
    """What is held of the streams: now, or at a checkpoint, where those that came later had nothing yet."""
    blobs = blobs_of(streams.open, kept)
    gathering = None
    if rule.reference == "deployment":
        gathering = tuple(ReferencePool.from_bytes(blob) if blob else ReferencePool() for _, blob, _ in blobs)
    limits = limits_of(rule, model, streams, buckets)
    return Run(model, rule, streams.open, limits, join_states([state for state, *_ in blobs]), gathering)


def _judge_days(
    store: ModelStore, run: Run, traffic: Traffic, members: Members
) -> tuple[Run, list[EvidencePath], list[AlarmRow], list[AlarmRow]]:
    """Advance day by day, with a checkpoint before each; returns the run with its new state, the path, the alarms, and
    those of them, or others, that are to be told."""
    path: list[EvidencePath] = []
    alarms: list[AlarmRow] = []
    told: list[AlarmRow] = []
    model, rule = run.model, run.rule
    links = links_of(store.connection, model, run.streams, traffic, members)
    kept = held.checkpoint_days(RuleEvidence(store.connection, model.name, rule.name))
    for day in sorted({utc_day(bucket) for bucket in traffic.buckets}):
        columns = [i for i, bucket in enumerate(traffic.buckets) if day <= bucket < day + DAY]
        buckets = [traffic.buckets[i] for i in columns]
        if day not in kept:
            held.store_checkpoint(RuleEvidence(store.connection, model.name, rule.name), day, run.checkpoint())
        gathering, block = block_of(store, run, traffic, links, buckets)
        limits = run.limits[:, columns]
        step = advance_evidence(run.state, block, limits, model.bucket / DAY)
        path.append(_path(step, block, limits, buckets))
        run = replace(run, state=step.state, gathering=gathering)
        at = {bucket: column for column, bucket in enumerate(block.bucket.tolist())}
        found = [_alarm(run, alarm, float(limits[alarm.row, at[alarm.bucket]])) for alarm in step.alarms]
        alarms += found
        if run.told_run is None:
            told += found
            continue
        step = advance_evidence(run.told_run.state, block, limits, model.bucket / DAY, told=run.told_run.told)
        told += [_alarm(run, alarm, float(limits[alarm.row, at[alarm.bucket]])) for alarm in step.alarms]
        run = replace(run, told_run=ToldRun(step.state, run.told_run.told.pass_bucket(int(block.bucket[-1]))))
    return replace(run, told_run=run.told_run.drop_ended() if run.told_run else None), path, alarms, told


def _path(step: Advance, block: Block, limits: Floats, buckets: Sequence[datetime]) -> EvidencePath:
    ratio = np.exp(np.minimum(step.log_evidence - np.log(limits), 700.0))
    row, column = np.nonzero(block.samples > 0)
    starts = np.array([make_naive(bucket) for bucket in buckets], dtype="datetime64[us]")
    samples = block.samples[row, column].astype(np.int64)
    return EvidencePath(row, starts[column], samples, ratio[row, column])


def _alarm(run: Run, alarm: Alarm, limit: float) -> AlarmRow:
    """An alarm as a row, not yet explained."""
    onset, at = (EPOCH + index * run.model.bucket for index in (alarm.onset, alarm.bucket))
    ratio = float(np.exp(min(alarm.log_evidence - np.log(limit), 700.0)))
    return AlarmRow(run.streams[alarm.row], at, ratio, onset, int(alarm.samples))


def _explain_newest(store: ModelStore, run: Run, floor: datetime) -> None:
    """Put the newest alarm of each stream into words. Those before it are counted only: scores that are off from the start
    raise thousands.

    When late labels take back the newest, the one before it is explained then, unless its buckets have been folded.
    """
    rows = {stream.key: row for row, stream in enumerate(run.streams)}
    newest = load_newest_alarms(RuleEvidence(store.connection, run.model.name, run.rule.name), run.model.bucket)
    explained = [
        alarms.newest.explain(_shifts(store, run, rows[key], alarms.newest), run.rule.reference)
        for key, alarms in newest.items()
        if not alarms.newest.explained and alarms.newest.bucket >= floor
    ]
    store_words(RuleEvidence(store.connection, run.model.name, run.rule.name), explained)


def _shifts(store: ModelStore, run: Run, row: int, alarm: AlarmRow) -> tuple[Shift, ...]:
    """The direction of an alarm of the stream ``row``, from the cells since its onset."""
    model, stream = run.model, run.streams[row]
    since = held.load_traffic(store, alarm.onset, alarm.bucket + model.bucket)
    links = links_of(store.connection, model, [stream], since, members_of(model, since))
    alone = replace(run, streams=(stream,), gathering=None if run.gathering is None else (run.gathering[row],))
    _, block = block_of(store, alone, since, links, since.buckets)
    onset, at = ((moment - EPOCH) // model.bucket for moment in (alarm.onset, alarm.bucket))
    return find_shifts(explain_drift(block, 0, onset, at))


def _listed(run: Run) -> list[Stream]:
    """The streams with what is held of them; those that e-BH lists as drifted at this poll are marked."""
    listed = set(drifted_slices(run.state.log_standing_evidence()).tolist())
    return [replace(stream, listed=row in listed) for row, stream in enumerate(run.checkpoint())]


def _shown(connection: duckdb.DuckDBPyConnection, model: Model, rule: DriftRule, floor: datetime) -> list[Evidence]:
    alarms = load_newest_alarms(RuleEvidence(connection, model.name, rule.name), model.bucket, "told_alarms")
    ratios = held.newest_ratios(RuleEvidence(connection, model.name, rule.name), floor)
    shown = []
    for stream in held.load_streams(RuleEvidence(connection, model.name, rule.name)):
        bucket, ratio = ratios.get(stream.key, (stream.opened, 0.0))
        evidence = Evidence(
            model=model.name, version=stream.version, calibrator=stream.calibrator, rule=rule.name, slice=stream.slice,
            opened=stream.opened, until=bucket + model.bucket, ratio=ratio, listed=stream.listed,
            reference_missing=_missing(rule, stream),
        )  # fmt: skip
        if (own := alarms.get(stream.key)) is not None:
            alarm = own.newest
            evidence = replace(
                evidence, alarm_at=alarm.bucket + model.bucket, alarm_ratio=alarm.ratio, told_at=alarm.told_at,
                onset=alarm.onset, began=own.began, samples_since_onset=alarm.samples, alarms=own.count,
                shifts=alarm.shifts, direction=alarm.direction, explained=alarm.explained,
            )  # fmt: skip
        shown.append(evidence)
    return shown


def _missing(rule: DriftRule, stream: Stream) -> int | None:
    """Samples that the reference of a stream still lacks; None when it is judged."""
    if rule.reference != "deployment":
        return None
    gathering = ReferencePool.from_bytes(stream.reference) if stream.reference else ReferencePool()
    return None if gathering.reference is not None else max(math.ceil(rule.reference_samples - gathering.weight), 1)
