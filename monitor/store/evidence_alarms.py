"""Alarms of drift evidence in the store: all of them with their numbers, the newest of each stream in words as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import QUIET_AFTER_DRIFT, QUIET_TIMES
from monitor.store.connection import load_table, naive
from monitor.store.evidence import Stream, load_streams
from monitor.store.rows import insert_columns
from monitor.store.sql import statement

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


@dataclass(frozen=True, slots=True)
class StreamAlarms:
    """The alarms of a stream since it was opened."""

    newest: AlarmRow
    count: int
    began: datetime  # onset of the first of those that led to the newest without quiet between


def store_alarms(connection: duckdb.DuckDBPyConnection, model: str, rule: str, alarms: Sequence[AlarmRow]) -> None:
    """Append alarms."""
    keys: dict[int, tuple[str, str, str]] = {}  # by object: of thousands of alarms most share their stream
    insert_columns(
        connection, "evidence_alarms", (*_KEY, "ratio", "onset", "samples", "direction", "explained"),
        (
            (
                model, rule, *(keys.get(id(a.stream)) or keys.setdefault(id(a.stream), a.stream.key)), a.bucket, a.ratio,
                a.onset, a.samples, a.direction, a.explained,
            )
            for a in alarms
        ),
    )  # fmt: skip


def store_words(connection: duckdb.DuckDBPyConnection, model: str, rule: str, alarms: Sequence[AlarmRow]) -> None:
    """Put the directions of these alarms, which are stored, beside them: they are explained."""
    if not alarms:
        return
    texts = {
        "version": [a.stream.version for a in alarms], "calibrator": [a.stream.calibrator for a in alarms],
        "slice": [a.stream.slice.text for a in alarms], "direction": [a.direction for a in alarms],
    }  # fmt: skip
    columns: dict[str, NDArray[Any]] = {name: np.array(column, dtype=object) for name, column in texts.items()}
    columns["bucket"] = np.array([naive(a.bucket) for a in alarms], dtype="datetime64[us]")
    load_table(connection, "words", columns)
    connection.execute(statement("evidence_alarms_explain"), {"model": model, "rule": rule})


def newest_alarms(
    connection: duckdb.DuckDBPyConnection, model: str, rule: str, width: timedelta
) -> dict[tuple[str, str, str], StreamAlarms]:
    """The alarms of each open stream by its key; streams without any are left out. ``width``: of a bucket."""
    streams = {stream.key: stream for stream in load_streams(connection, model, rule)}
    rows = connection.execute(
        statement("evidence_alarms_newest"),
        {"model": model, "rule": rule, "width": width, "quiet": QUIET_AFTER_DRIFT, "times": QUIET_TIMES},
    ).fetchall()
    found = {}
    for *key, count, began, bucket, ratio, onset, samples, direction, explained in rows:
        stream = streams[key[0], key[1], key[2]]
        at, onset_at = bucket.replace(tzinfo=UTC), onset.replace(tzinfo=UTC)
        newest = AlarmRow(stream, at, ratio, onset_at, samples, direction, explained)
        found[stream.key] = StreamAlarms(newest, count, began.replace(tzinfo=UTC))
    return found
