"""Frozen values ↔ table rows: readings, alerts, jobs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from operator import attrgetter
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import (
    COUNTS,
    METRICS,
    Alert,
    AlertState,
    Disparity,
    Health,
    Job,
    JobState,
    LastSeen,
    Reading,
    ReadingState,
    ReliabilityBin,
    Severity,
    Slice,
)
from monitor.model.reasons import Reason
from monitor.statistics.cells import SCORE_BINS
from monitor.store.connection import (
    delete_rows,
    fetch_dicts,
    fetch_row,
    insert_row,
    load_table,
    make_aware,
    make_naive,
    quote_name,
)
from monitor.store.reasons import JOB, REASON, job_from, job_row, reason_columns, reason_of

_READING_KEYS = ("model", "version", "slice", "window", "window_start", "window_end", "computed_at", "state")
_GROUPS = ("groups", "group_noun")
READING_COLUMNS = (*_READING_KEYS, *COUNTS, *_GROUPS, *METRICS)
_BAR = tuple(ReliabilityBin.__dataclass_fields__)
_ALERT = tuple(name for name in Alert.__dataclass_fields__ if name != "why")
_DISPARITY = tuple(Disparity.__dataclass_fields__)


def insert_columns(
    connection: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows by column: one numpy array a column is 4,000 times as fast as executemany. Slices are stored as their
    texts, states as their values; columns of those have no None."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return
    insert_arrays(connection, table, {name: _column(values) for name, values in zip(names, columns, strict=True)})


def insert_arrays(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, NDArray[Any]]) -> None:
    """Insert rows that come as columns of equal length (masked = NULL)."""
    load_table(connection, "loaded", columns)
    listed = ", ".join(quote_name(name) for name in columns)
    connection.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM loaded")


def _column(values: Sequence[Any]) -> Any:
    present = next((value for value in values if value is not None), None)
    if isinstance(present, Slice):
        return np.array([value.text for value in values], dtype=object)
    if isinstance(present, Enum):
        return np.array([value.value for value in values], dtype=object)
    if isinstance(present, datetime):
        return np.array([make_naive(value) for value in values], dtype="datetime64[us]")
    if any(isinstance(value, float) for value in values):
        return np.ma.masked_invalid(
            np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        )
    if isinstance(present, int) and None not in values:
        return np.array(values, dtype=np.int64)
    return np.array(values, dtype=object)


def store_readings(connection: duckdb.DuckDBPyConnection, model: str, readings: Sequence[Reading]) -> None:
    """Make these the newest readings of the model. Those they replace become history when their window has moved on."""
    end = make_naive(max((reading.window_end for reading in readings), default=None))
    listed = ", ".join(f'"{name}"' for name in READING_COLUMNS)
    connection.execute(
        f"INSERT INTO readings ({listed}) SELECT {listed} FROM newest_readings WHERE model = $model "
        "AND window_end IS DISTINCT FROM $end",
        {"model": model, "end": end},
    )
    for table in ("newest_readings", "reliability"):
        delete_rows(connection, table, {"model": model})
    read = attrgetter(*_READING_KEYS, *COUNTS, *_GROUPS)
    rows = ((*read(reading), *(reading.metrics.get(name) for name in METRICS)) for reading in readings)
    insert_columns(connection, "newest_readings", READING_COLUMNS, rows)
    _store_labels(connection, {reading.slice for reading in readings})
    keys = _READING_KEYS[:4]
    own, numbers = attrgetter(*keys), attrgetter(*_BAR)
    bars = ((*own(r), round(bar.low * SCORE_BINS), *numbers(bar)) for r in readings for bar in r.reliability)
    insert_columns(connection, "reliability", (*keys, "bin", *_BAR), bars)


def _store_labels(connection: duckdb.DuckDBPyConnection, slices: set[Slice]) -> None:
    known = {text for (text,) in connection.execute("SELECT slice FROM slice_labels").fetchall()}
    for slice_ in sorted(slice_ for slice_ in slices if slice_.text not in known):
        connection.execute(
            "INSERT INTO slice_labels VALUES ($slice, map($names::VARCHAR[], $texts::VARCHAR[]))",
            {
                "slice": slice_.text, "names": [name for name, _ in slice_.labels],
                "texts": [text for _, text in slice_.labels],
            },
        )  # fmt: skip


def load_readings(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[Reading, ...]:
    """The newest readings, without reliability bars: what a restart has before its first measurement."""
    listed = ", ".join(f'"{name}"' for name in READING_COLUMNS)
    rows = fetch_dicts(connection, f"SELECT {listed} FROM newest_readings WHERE model = $model", {"model": model})
    own = (*_READING_KEYS, "samples", "unlabelled", "label_lag_seconds", *_GROUPS)
    return tuple(
        Reading(**{name: row[name] for name in own} | {
            "slice": Slice.parse(row["slice"]), "state": ReadingState(row["state"]),
            "metrics": {name: row[name] for name in METRICS},
        })
        for row in rows
    )  # fmt: skip


def load_alerts(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[Alert, ...]:
    """The alerts of a model as last stored."""
    rows = fetch_dicts(
        connection, f"SELECT {', '.join((*_ALERT, *REASON))} FROM alerts WHERE model = $model", {"model": model}
    )
    kinds = {"slice": Slice.parse, "severity": Severity, "state": AlertState, "health": Health}
    return tuple(
        Alert(
            **{name: row[name] for name in _ALERT} | {name: kind(row[name]) for name, kind in kinds.items()},
            why=reason_of(*(row[name] for name in REASON)),
        )
        for row in rows
    )


def store_alerts(
    connection: duckdb.DuckDBPyConnection, model: str, alerts: Sequence[Alert], changed: Sequence[Alert]
) -> None:
    """Replace the model's alert states; record each change of state as an event."""
    delete_rows(connection, "alerts", {"model": model})
    _insert_alerts(connection, "alerts", alerts, {name: name for name in _ALERT})
    own = ("model", "version", "rule", "slice", "severity", "state", "onset")
    _insert_alerts(connection, "alert_events", changed, {"changed_at": "evaluated_at", **{name: name for name in own}})


def _insert_alerts(
    connection: duckdb.DuckDBPyConnection, table: str, alerts: Sequence[Alert], columns: Mapping[str, str]
) -> None:
    """Insert one row an alert; ``columns``: column → attribute, beside those of its reason."""
    read = attrgetter(*columns.values())
    rows = ((*read(alert), *reason_columns(alert.why)) for alert in alerts)
    insert_columns(connection, table, (*columns, *REASON), rows)


def load_jobs(
    connection: duckdb.DuckDBPyConnection, model: str, *, states: Sequence[JobState] = tuple(JobState),
    newest: int | None = None,
) -> tuple[Job, ...]:  # fmt: skip
    """The model's jobs in these states, oldest first; with ``newest`` only so many, those asked for last."""
    rows = fetch_dicts(
        connection,
        f"SELECT {', '.join(JOB)} FROM jobs WHERE model = $model AND list_contains($states, state) "
        "ORDER BY requested_at DESC, id DESC LIMIT $newest",
        {"model": model, "states": [state.value for state in states], "newest": newest or 2**40},
    )
    return tuple(map(job_from, reversed(rows)))


def store_job(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    """Insert the job, or replace the row of the same id."""
    delete_rows(connection, "jobs", {"id": job.id})
    insert_row(connection, "jobs", job_row(job))


def load_last_seen(connection: duckdb.DuckDBPyConnection, model_id: int) -> tuple[LastSeen, ...]:
    """Newest times of each finest slice."""
    rows = connection.execute(
        "SELECT labels, last_observed_at, last_labelled_at FROM slices WHERE model_id = $model_id",
        {"model_id": model_id},
    ).fetchall()
    return tuple(
        LastSeen(Slice.of(labels), make_aware(observed), make_aware(labelled)) for labels, observed, labelled in rows
    )


def load_last_sample(connection: duckdb.DuckDBPyConnection, model: str) -> datetime | None:
    """When the model's newest sample was observed; None when it never had one."""
    last: datetime | None
    (last,) = fetch_row(
        connection,
        "SELECT max(last_observed_at) FROM slices JOIN models USING (model_id) WHERE name = $model",
        {"model": model},
    )
    return make_aware(last)


def store_successes(connection: duckdb.DuckDBPyConnection, model: str, succeeded: Mapping[str, datetime]) -> None:
    """Remember when each stage last went well, also across restarts."""
    delete_rows(connection, "stages", {"model": model})
    rows = ((model, stage, at) for stage, at in succeeded.items())
    insert_columns(connection, "stages", ("model", "stage", "succeeded_at"), rows)


def load_successes(connection: duckdb.DuckDBPyConnection, model: str) -> dict[str, datetime]:
    """When each stage of a model last went well."""
    rows = connection.execute(
        "SELECT stage, succeeded_at FROM stages WHERE model = $model", {"model": model}
    ).fetchall()
    return {stage: make_aware(at) for stage, at in rows}


def store_disparities(connection: duckdb.DuckDBPyConnection, model: str, disparities: Sequence[Disparity]) -> None:
    """Make these the disparities of the model, in place of those before."""
    delete_rows(connection, "disparities", {"model": model})
    insert_columns(connection, "disparities", _DISPARITY, map(attrgetter(*_DISPARITY), disparities))


def load_problems(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[datetime | None, Reason]]:
    """(since, problem) of each failing model."""
    rows = connection.execute("SELECT model, since, problem, code, facts FROM problems").fetchall()
    return {model: (make_aware(since), reason_of(*why)) for model, since, *why in rows}


def store_problems(
    connection: duckdb.DuckDBPyConnection, problems: Mapping[str, Reason | None], now: datetime
) -> None:  # fmt: skip
    """Make these the problems of all models; None where the cycle went well. A model that failed before keeps its since.

    Call it inside a transaction.
    """
    held = load_problems(connection)
    failing = {
        model: (held[model][0] if model in held else now, problem)
        for model, problem in problems.items()
        if problem is not None
    }
    if failing == held:
        return
    connection.execute("DELETE FROM problems")
    insert_columns(
        connection, "problems", ("model", "since", "problem", "code", "facts"),
        ((model, make_naive(since), *reason_columns(problem)) for model, (since, problem) in failing.items()),
    )  # fmt: skip
