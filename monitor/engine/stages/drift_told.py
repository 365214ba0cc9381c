"""Alarms to be told: the run they come from, and their words.

Evidence is that of a run from scratch and changes with late labels; what was told is not taken back. So alarms that are
told come from a run beside it (``statistics.evidence`` has the guarantee), kept apart only where the two differ.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import duckdb
import numpy as np

from monitor.engine.stages.drift_run import (
    DAY,
    EPOCH,
    Run,
    ToldRun,
    blobs_of,
    block_of,
    join_states,
    links_of,
)
from monitor.engine.stages.streams import members_of
from monitor.model import Shift
from monitor.statistics.drift.eprocess import NEVER, ToldAlarms
from monitor.statistics.drift.explain import SpanSums, find_shifts, span_sums
from monitor.store.connection import utc_day
from monitor.store.evidence import streams as held
from monitor.store.evidence.alarms import StreamAlarms, load_newest_alarms, load_newest_told, store_words
from monitor.store.evidence.streams import RuleEvidence, Traffic
from monitor.store.model_store import ModelStore

_TOLD_OVER = timedelta(days=1)  # before an alarm: what is told of it is seen over so long, if its drift is as old


def told_run_of(
    connection: duckdb.DuckDBPyConnection, run: Run, traffic: Traffic, start: datetime, reach: datetime | None,
    kept: held.Checkpoint | None,
) -> ToldRun | None:  # fmt: skip
    """The run for alarms to be told, from ``start``; None where it is that of the evidence: as long as nothing is judged
    again and it has never differed. What was judged before ``reach`` is looked at where it ends."""
    blobs = blobs_of(run.streams, kept)
    newest = load_newest_told(RuleEvidence(connection, run.model.name, run.rule.name), start)
    known = [bucket for bucket in traffic.buckets if reach is not None and bucket < reach]
    if not (newest or known or any(told for *_, told in blobs)):
        return None
    width = run.model.bucket
    ahead = [(newest[s.key] - EPOCH) // width if s.key in newest else NEVER for s in run.streams]
    since = (known[-1] - EPOCH) // width if known else 0
    return ToldRun(
        join_states([told or state for state, _, told in blobs]), ToldAlarms(np.array(ahead, dtype=np.int64), since)
    )


def explain_told_alarms(store: ModelStore, run: Run, since: datetime) -> None:
    """Put the newest alarm told of each stream into words; again where labels of its time may have come since.

    They speak of the time since its drift began, of at least a day of it if it is as old: so they are the same for who
    looks every minute and has seen many alarms, and who looks once a day. Where nothing is clear any more, because late
    labels speak against the alarm, what was said stands.
    """
    model = run.model
    rows = {stream.key: row for row, stream in enumerate(run.streams)}
    newest = load_newest_alarms(RuleEvidence(store.connection, model.name, run.rule.name), model.bucket, "told_alarms")
    wanted = {rows[key]: alarms for key, alarms in newest.items() if alarms.newest.bucket >= since}
    explained = [
        wanted[row].newest.explain(shifts, run.rule.reference) for row, shifts in _told_shifts(store, run, wanted).items()
        if shifts or not wanted[row].newest.explained
    ]  # fmt: skip
    store_words(RuleEvidence(store.connection, model.name, run.rule.name), explained, "told_alarms")


def _told_shifts(store: ModelStore, run: Run, wanted: dict[int, StreamAlarms]) -> dict[int, tuple[Shift, ...]]:
    """The directions of told alarms by row of their stream, read day by day for all of them together."""
    model, order = run.model, sorted(wanted)
    if not order:
        return {}
    spans = [
        (min(alarms.newest.onset, max(alarms.began, alarms.newest.bucket + model.bucket - _TOLD_OVER)), alarms.newest.bucket)
        for alarms in (wanted[row] for row in order)
    ]  # fmt: skip
    first, last = (
        np.array([(span[side] - EPOCH) // model.bucket for span in spans], dtype=np.int64) for side in (0, 1)
    )
    alone = replace(
        run, streams=tuple(run.streams[row] for row in order),
        gathering=None if run.gathering is None else tuple(run.gathering[row] for row in order),
    )  # fmt: skip
    sums = SpanSums.of_nothing(len(order))
    for day in sorted(
        {utc_day(start) + count * DAY for start, at in spans for count in range((at - utc_day(start)).days + 1)}
    ):
        traffic = held.load_traffic(store, day, day + DAY)
        if traffic.buckets:
            links = links_of(store.connection, model, alone.streams, traffic, members_of(model, traffic))
            sums = sums + span_sums(block_of(store, alone, traffic, links, traffic.buckets)[1], first, last)
    return {row: find_shifts(sums.list_bins(place)) for place, row in enumerate(order)}
