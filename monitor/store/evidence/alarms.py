"""Alarms of drift evidence in the store: all of them with their numbers, the newest of each stream in words as well.

``evidence_alarms`` are those of a run from scratch; judging again replaces them. ``told_alarms`` are those that were told,
which nothing takes back: alerts rest on them, until their rule means something else, and they are what counts against the
false-alarm budget.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.model import QUIET_AFTER_DRIFT, QUIET_TIMES, Shift
from monitor.model.wording import describe_shifts
from monitor.store.connection import load_table, make_aware, make_naive
from monitor.store.evidence.streams import RuleEvidence, Stream, load_streams
from monitor.store.readings import insert_columns
from monitor.store.sql import statement

Table = Literal["evidence_alarms", "told_alarms"]
_STANDING: Mapping[Table, str] = {
    "evidence_alarms": "(SELECT *, NULL AS told_at FROM evidence_alarms)",
    "told_alarms": "(FROM told_alarms WHERE NOT superseded)",
}
_KEY = ("model", "rule", "version", "calibrator", "slice", "bucket")


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm as stored. ``direction`` is "" when it is not ``explained``, and when no direction is clear."""

    stream: Stream
    bucket: datetime
    ratio: float
    onset: datetime
    samples: int
    direction: str = ""
    explained: bool = False
    told_at: datetime | None = None  # None: it was not, or before this was recorded
    shifts: tuple[Shift, ...] = ()  # what ``direction`` says; none where an earlier release left words only

    def explain(self, shifts: tuple[Shift, ...], reference: str) -> "AlarmRow":
        """Return the alarm with its direction, in numbers and in words; ``reference``: of its rule."""
        return replace(self, shifts=shifts, direction=describe_shifts(shifts, reference))


@dataclass(frozen=True, slots=True)
class StreamAlarms:
    """The alarms of a stream since it was opened."""

    newest: AlarmRow
    count: int
    began: datetime  # onset of the first of those that led to the newest without quiet between


def store_alarms(own: RuleEvidence, alarms: Sequence[AlarmRow], told_at: datetime | None = None) -> None:
    """Append alarms, as told at ``told_at`` if it is given."""
    extra = () if told_at is None else (told_at, False)
    keys: dict[int, tuple[str, str, str]] = {}  # by object: of thousands of alarms most share their stream
    insert_columns(
        own.connection, "told_alarms" if extra else "evidence_alarms",
        (*_KEY, "ratio", "onset", "samples", "direction", "explained", "shifts", *(["told_at", "superseded"] if extra else [])),
        (
            (
                own.model, own.rule, *(keys.get(id(a.stream)) or keys.setdefault(id(a.stream), a.stream.key)), a.bucket,
                a.ratio, a.onset, a.samples, a.direction, a.explained, _text_of(a.shifts), *extra,
            )
            for a in alarms
        ),
    )  # fmt: skip


def _text_of(shifts: Sequence[Shift]) -> str:
    return json.dumps([asdict(shift) for shift in shifts])


def _shifts_of(text: str) -> tuple[Shift, ...]:
    return tuple(Shift(**held) for held in json.loads(text))


def store_words(own: RuleEvidence, alarms: Sequence[AlarmRow], table: Table = "evidence_alarms") -> None:
    """Put the directions of these alarms, which are stored, beside them: they are explained."""
    if not alarms:
        return
    texts = {
        "version": [a.stream.version for a in alarms], "calibrator": [a.stream.calibrator for a in alarms],
        "slice": [a.stream.slice.text for a in alarms], "direction": [a.direction for a in alarms],
        "shifts": [_text_of(a.shifts) for a in alarms],
    }  # fmt: skip
    columns: dict[str, NDArray[Any]] = {name: np.array(column, dtype=object) for name, column in texts.items()}
    columns["bucket"] = np.array([make_naive(a.bucket) for a in alarms], dtype="datetime64[us]")
    load_table(own.connection, "words", columns)
    own.execute(statement("evidence_alarms_explain", table=table))


def load_newest_alarms(
    own: RuleEvidence, width: timedelta, table: Table = "evidence_alarms"
) -> dict[tuple[str, str, str], StreamAlarms]:
    """The alarms of each open stream by its key; streams without any are left out. ``width``: of a bucket."""
    streams = {stream.key: stream for stream in load_streams(own)}
    query = statement("evidence_alarms_newest", table=_STANDING[table])
    rows = own.execute(query, width=width, quiet=QUIET_AFTER_DRIFT, times=QUIET_TIMES).fetchall()
    found = {}
    for *key, count, began, bucket, ratio, onset, samples, shifts, direction, explained, told_at in rows:
        stream = streams[key[0], key[1], key[2]]
        at, onset_at = bucket.replace(tzinfo=UTC), onset.replace(tzinfo=UTC)
        newest = AlarmRow(
            stream, at, ratio, onset_at, samples, direction, explained, make_aware(told_at), _shifts_of(shifts)
        )
        found[stream.key] = StreamAlarms(newest, count, began.replace(tzinfo=UTC))
    return found


def load_newest_told(own: RuleEvidence, since: datetime) -> dict[tuple[str, str, str], datetime]:
    """Bucket of the newest alarm told of each stream by its key, from the bucket ``since`` on."""
    rows = own.execute(statement("alarms_told"), since=make_naive(since)).fetchall()
    return {(version, calibrator, text): bucket.replace(tzinfo=UTC) for version, calibrator, text, bucket in rows}
