"""The queue in the database: which jobs are open or due, and the log of their attempts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from monitor.model import Job, JobState
from monitor.store.connection import naive
from monitor.store.rows import load_jobs

OPEN = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a job that ended: how long it ran, what it took, what came out."""

    outcome: str  # a state of jobs, or "retried", "interrupted", "outdated"
    message: str
    started_at: datetime
    finished_at: datetime
    seconds: float | None = None
    peak_memory: int | None = None  # bytes
    output: str | None = None


def log_attempt(connection: duckdb.DuckDBPyConnection, job: Job, attempt: Attempt) -> None:
    """Enter an attempt; to be called inside the transaction that records its outcome."""
    connection.execute(
        "INSERT INTO job_log VALUES ($job, $model, $attempt, $started_at, $finished_at, $seconds, $peak_memory, $outcome, "
        "$message, $output)",
        {
            "job": job.id, "model": job.model, "attempt": job.attempts, "started_at": naive(attempt.started_at),
            "finished_at": naive(attempt.finished_at), "seconds": attempt.seconds, "peak_memory": attempt.peak_memory,
            "outcome": attempt.outcome, "message": attempt.message, "output": attempt.output,
        },
    )  # fmt: skip


def is_known(connection: duckdb.DuckDBPyConnection, job_id: str) -> bool:
    """Whether a job of this id was ever taken."""
    return connection.execute("SELECT 1 FROM jobs WHERE id = $id", {"id": job_id}).fetchone() is not None


def has_open(connection: duckdb.DuckDBPyConnection, model: str, kind: str, scope: str) -> bool:
    """Whether a job of this kind for this scope is queued or running."""
    where: Mapping[str, object] = {
        "model": model, "kind": kind, "scope": scope, "open": [state.value for state in OPEN]
    }  # fmt: skip
    found = connection.execute(
        "SELECT 1 FROM jobs WHERE model = $model AND kind = $kind AND scope = $scope AND list_contains($open, state)",
        where,
    ).fetchone()
    return found is not None


def due_jobs(connection: duckdb.DuckDBPyConnection, model: str, now: datetime) -> tuple[Job, ...]:
    """Queued jobs whose time has come: as requested; of one time the widest scopes first.

    Trouble as wide as a scope is so mended once, on all its samples; what is local it leaves to the refits of the finer
    ones (see ``recalibration.apart``), which then find nothing to mend where it was not.
    """
    queued = load_jobs(connection, model, states=(JobState.QUEUED,))
    due = [job for job in queued if job.next_attempt_at is None or job.next_attempt_at <= now]
    return tuple(sorted(due, key=lambda job: (job.requested_at, job.scope.order, job.scope.labels, job.id)))


def refits_wait_elsewhere(connection: duckdb.DuckDBPyConnection, model: str, now: datetime) -> bool:
    """Whether another model has a refit that is due."""
    found = connection.execute(
        "SELECT 1 FROM jobs WHERE model <> $model AND kind = 'recalibrate' AND state = 'queued' "
        "AND (next_attempt_at IS NULL OR next_attempt_at <= $now)",
        {"model": model, "now": naive(now)},
    ).fetchone()
    return found is not None
