"""Drift evidence in the store: streams with their state, daily checkpoints, and the path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import Slice
from monitor.store.connection import delete_rows, fetch_column, fetch_dicts, insert_row, make_aware, make_naive
from monitor.store.evidence.alike import find_tuned
from monitor.store.model_store import ModelStore
from monitor.store.readings import insert_arrays, insert_columns
from monitor.store.sql import statement

Checkpoint = dict[tuple[str, str, str], tuple[bytes, bytes | None, bytes | None]]


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """What the store holds of the evidence of one drift rule of a model."""

    connection: duckdb.DuckDBPyConnection
    model: str
    rule: str

    @property
    def names(self) -> dict[str, object]:
        return {"model": self.model, "rule": self.rule}

    def execute(self, query: str, **values: object) -> duckdb.DuckDBPyConnection:
        """Run one statement on the evidence of the rule. Raises duckdb.Error."""
        return self.connection.execute(query, self.names | values)


@dataclass(frozen=True, slots=True)
class Stream:
    """One series of evidence: a slice of a version under the calibrator in use, since ``opened``."""

    version: str
    calibrator: str
    slice: Slice
    rank: int
    opened: datetime
    state: bytes | None = None  # evidence after the newest judged bucket; None: nothing judged yet
    reference: bytes | None = None  # what it is judged against, or has been gathered of it; None: the scores themselves
    told: bytes | None = None  # evidence for alarms to be told, where it differs from ``state``
    listed: bool = False  # among those that e-BH listed as drifted at the newest look
    closed: datetime | None = None  # since when it is over; None: open

    @property
    def key(self) -> tuple[str, str, str]:
        return self.version, self.calibrator, self.slice.text


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Who had labelled samples in a span, and when. Their samples are loaded part by part: ``traffic``."""

    ids: NDArray[np.int64]  # (groups,), rising: number of the stream, and of the finest slice, as ``group_id``
    groups: tuple[tuple[str, str, Slice], ...]  # version, calibrator, finest slice
    buckets: tuple[datetime, ...]
    first: tuple[datetime, ...]  # per group, its first and last bucket in the span
    last: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EvidencePath:
    """Steps of the path: evidence of the streams ``row`` after a ``bucket`` with so many labelled samples, and its ratio
    to what raises an alarm; columns of one length."""

    row: NDArray[np.int64]
    bucket: NDArray[np.datetime64]
    samples: NDArray[np.int64]
    ratio: NDArray[np.float64]


def load_traffic(store: ModelStore, start: datetime, end: datetime) -> Traffic:
    """The labelled traffic of the buckets in [start, end); what was tuned counts as the calibrator it was tuned for."""
    span = {"model_id": store.model_id, "start": make_naive(start), "end": make_naive(end)}
    found = store.execute(statement("evidence_traffic"), span).fetchnumpy()
    buckets = store.execute(statement("evidence_buckets"), span).fetchnumpy()["bucket"]
    finest = {slice_id: slice_ for slice_, slice_id in store.registry.slices.items()}
    tuned = find_tuned(store.connection, store.model.name)
    streams = {
        number: (version, tuned.get(calibrator, calibrator))
        for (version, calibrator), number in stream_numbers(store.connection, store.model_id).items()
    }
    ids = group_id(found["stream_id"], found["slice_id"])
    return Traffic(
        ids,
        tuple((*streams[one >> 32], finest[one & 0xFFFFFFFF]) for one in ids.tolist()),
        _moments(buckets),
        _moments(found["first"]),
        _moments(found["last"]),
    )


def group_id(stream: NDArray[np.integer[Any]], slice_: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """One number for a stream and a finest slice."""
    return stream.astype(np.int64) << 32 | slice_.astype(np.int64)


def _moments(found: NDArray[np.datetime64]) -> tuple[datetime, ...]:
    return tuple(map(make_aware, found.astype("datetime64[us]").tolist()))


def calibrator_scopes(connection: duckdb.DuckDBPyConnection, model: str) -> dict[str, Slice]:
    """Scope of each of our calibrators; ids that production made up are taken to be for the whole."""
    rows = connection.execute("SELECT id, scope FROM calibrators WHERE model = $model", {"model": model}).fetchall()
    return {id_: Slice.parse(scope) for id_, scope in rows}


def stream_numbers(connection: duckdb.DuckDBPyConnection, model_id: int) -> dict[tuple[str, str], int]:
    """(version, calibrator) → the number of their stream: what came later has a larger one."""
    rows = connection.execute(
        "SELECT version, calibrator, stream_id FROM streams WHERE model_id = $model_id", {"model_id": model_id}
    ).fetchall()
    return {(version, calibrator): stream_id for version, calibrator, stream_id in rows}


@dataclass(frozen=True, slots=True)
class Horizon:
    """``floor``: the first bucket that has not been folded into a day, None without any; ``changed``: the earliest bucket
    changed since evidence last looked; ``afresh``: evidence of groups starts afresh since an upgrade, which is not told yet."""

    floor: datetime | None = None
    changed: datetime | None = None
    afresh: bool = False


def load_horizon(connection: duckdb.DuckDBPyConnection, model_id: int) -> Horizon:
    """What evidence of a model can be judged, and from where on it has to be judged again."""
    row = connection.execute(statement("evidence_horizon"), {"model_id": model_id}).fetchone()
    return Horizon(make_aware(row[0]), make_aware(row[1]), bool(row[2])) if row else Horizon()


def load_reach(own: RuleEvidence, basis: str) -> datetime | None:
    """First bucket that the rule has not judged; None when it has to start afresh, and then nothing is left of it."""
    row = own.execute("SELECT basis, until FROM evidence_reach WHERE model = $model AND rule = $rule").fetchone()
    if row is not None and row[0] == basis:
        until: datetime = make_aware(row[1])
        return until
    for table in ("evidence_streams", "evidence_checkpoints", "evidence_reach", "evidence", "evidence_alarms"):
        delete_rows(own.connection, table, own.names)
    if row is not None:
        own.execute("UPDATE told_alarms SET superseded = true WHERE model = $model AND rule = $rule")
    return None


def store_reach(own: RuleEvidence, basis: str, until: datetime) -> None:
    """Remember the first bucket that the rule has not judged."""
    delete_rows(own.connection, "evidence_reach", own.names)
    insert_row(own.connection, "evidence_reach", own.names | {"basis": basis, "until": until})


def load_streams(own: RuleEvidence) -> list[Stream]:
    """The open streams of a rule."""
    return _streams(own, "evidence_streams_open")


def closed_streams(own: RuleEvidence) -> list[Stream]:
    """The streams of a rule that are over: who they were, and since when."""
    return _streams(own, "evidence_streams_closed")


def _streams(own: RuleEvidence, name: str) -> list[Stream]:
    rows = fetch_dicts(own.connection, statement(name), own.names)
    return [Stream(**row | {"slice": Slice.parse(row["slice"])}) for row in rows]


def store_streams(own: RuleEvidence, streams: Sequence[Stream], closed: Sequence[tuple[Stream, datetime]]) -> None:
    """Replace the open streams of a rule; keep a record of those that closed."""
    own.execute("DELETE FROM evidence_streams WHERE model = $model AND rule = $rule AND closed IS NULL")
    columns = tuple(Stream.__dataclass_fields__)
    over = [replace(stream, state=None, reference=None, told=None, listed=False, closed=at) for stream, at in closed]
    read = attrgetter(*columns)
    for part in (streams, over):
        rows = ((own.model, own.rule, *read(stream)) for stream in part)
        insert_columns(own.connection, "evidence_streams", ("model", "rule", *columns), rows)


def load_checkpoint(own: RuleEvidence, changed: datetime) -> tuple[datetime, Checkpoint | None]:
    """Where to start again for a change in the bucket ``changed``, and (state, reference, told) there by stream key.

    That is the newest checkpoint up to it. Without one nothing was judged from there up to the oldest checkpoint, whose
    states hold then; without any nothing was judged since, and the present states hold: None.
    """
    row = own.execute(statement("evidence_checkpoint_day"), changed=make_naive(changed)).fetchone()
    day = make_aware(row[0]) if row else None
    if day is None:
        return changed, None
    states = own.execute(statement("evidence_checkpoint"), day=make_naive(day)).fetchall()
    kept = {(version, calibrator, text): tuple(held) for version, calibrator, text, *held in states}
    return min(day, changed), kept


def checkpoint_days(own: RuleEvidence) -> set[datetime]:
    """The days that have a checkpoint: those with judged buckets."""
    query = "SELECT DISTINCT day FROM evidence_checkpoints WHERE model = $model AND rule = $rule"
    return set(map(make_aware, fetch_column(own.connection, query, own.names)))


def forget_changes(connection: duckdb.DuckDBPyConnection, model_id: int, end: datetime) -> None:
    """Changed buckets before ``end`` have been judged again."""
    connection.execute(
        "UPDATE models SET changed_from = NULL WHERE model_id = $model_id AND changed_from < $end",
        {"model_id": model_id, "end": make_naive(end)},
    )


def note_afresh_told(connection: duckdb.DuckDBPyConnection, model_id: int) -> None:
    """It has been told that evidence of groups starts afresh."""
    connection.execute("UPDATE models SET evidence_afresh = false WHERE model_id = $model_id", {"model_id": model_id})


def versions_since(connection: duckdb.DuckDBPyConnection, model_id: int, since: datetime) -> set[str]:
    """Versions with a sample, labelled or not, in a bucket from ``since`` on."""
    span = {"model_id": model_id, "since": make_naive(since)}
    return set(fetch_column(connection, statement("evidence_versions"), span))


def calibrators_since(connection: duckdb.DuckDBPyConnection, model_id: int, since: datetime) -> set[tuple[str, str]]:
    """(version, calibrator) pairs with a sample, labelled or not, in a bucket from ``since`` on."""
    span = {"model_id": model_id, "since": make_naive(since)}
    return set(connection.execute(statement("evidence_scorers"), span).fetchall())


def forget_from(own: RuleEvidence, start: datetime, oldest: datetime) -> None:
    """Before judging again from ``start``: drop what was said of those buckets by streams still open, and old checkpoints."""
    of_rule = "model = $model AND rule = $rule"
    judged = f"{of_rule} AND bucket >= $start AND {statement('evidence_of_open_streams')}"
    for table in ("evidence", "evidence_alarms"):
        own.execute(f"DELETE FROM {table} WHERE {judged}", start=make_naive(start))
    days = f"{of_rule} AND (day >= $start OR day < $oldest)"
    own.execute(f"DELETE FROM evidence_checkpoints WHERE {days}", start=make_naive(start), oldest=make_naive(oldest))


def store_checkpoint(own: RuleEvidence, day: datetime, streams: Sequence[Stream]) -> None:
    """The open streams as they are before the first judged bucket of ``day``."""
    delete_rows(own.connection, "evidence_checkpoints", {**own.names, "day": day})
    insert_columns(
        own.connection, "evidence_checkpoints",
        ("model", "rule", "version", "calibrator", "slice", "day", "state", "reference", "told"),
        ((own.model, own.rule, *stream.key, day, stream.state, stream.reference, stream.told) for stream in streams),
    )  # fmt: skip


def store_path(own: RuleEvidence, streams: Sequence[Stream], path: Sequence[EvidencePath]) -> None:
    """Append judged buckets."""
    row = np.concatenate([part.row for part in path]) if path else np.empty(0, np.int64)
    if not row.size:
        return
    keys = np.array([stream.key for stream in streams], dtype=object)[row]
    columns: dict[str, NDArray[Any]] = {
        "model": np.full(row.size, own.model, dtype=object), "rule": np.full(row.size, own.rule, dtype=object),
        **{name: keys[:, column] for column, name in enumerate(("version", "calibrator", "slice"))},
        **{name: np.concatenate([getattr(part, name) for part in path]) for name in ("bucket", "samples", "ratio")},
    }  # fmt: skip
    insert_arrays(own.connection, "evidence", columns)


def newest_ratios(own: RuleEvidence, since: datetime) -> dict[tuple[str, str, str], tuple[datetime, float]]:
    """Newest judged bucket from ``since`` on and its ratio, by stream key."""
    rows = own.execute(statement("evidence_newest"), since=make_naive(since)).fetchall()
    return {(v, c, s): (bucket.replace(tzinfo=UTC), ratio) for v, c, s, bucket, ratio in rows}
