"""Jobs asked for, tried, tried again, cancelled: every change of a job's state that needs no result."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb

from monitor.jobs.work import WorkResult
from monitor.model import Job, JobState
from monitor.model.reasons import BY_HAND, Code, Reason
from monitor.store.connection import make_naive, transaction
from monitor.store.readings import load_jobs, store_job
from monitor.store.reasons import reason_columns
from monitor.store.sql import statement

OPEN = (JobState.QUEUED, JobState.RUNNING)


def log_attempt(
    connection: duckdb.DuckDBPyConnection, job: Job, now: datetime, outcome: str, why: Reason,
    report: WorkResult | None = None, output: str = "",
) -> None:  # fmt: skip
    """Enter the attempt of a running job that ended; to be called inside the transaction that records its outcome.

    ``outcome``: a state of jobs, or "retried", "interrupted", "outdated".
    """
    connection.execute(
        statement("job_attempt_insert"),
        {
            "job": job.id, "model": job.model, "attempt": job.attempts, "started_at": make_naive(job.started_at or now),
            "finished_at": make_naive(now), "seconds": report and report.seconds,
            "peak_memory": report and report.peak_memory, "outcome": outcome, "output": output or None,
            **dict(zip(("message", "code", "facts"), reason_columns(why), strict=True)),
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
    # a refit of the same moment comes before a tuning, which is of the calibrator in charge
    return tuple(
        sorted(due, key=lambda job: (job.requested_at, job.kind == "tune", job.scope.order, job.scope.labels, job.id))
    )


def refits_wait_elsewhere(connection: duckdb.DuckDBPyConnection, model: str, now: datetime) -> bool:
    """Whether another model has a refit that is due."""
    found = connection.execute(statement("jobs_elsewhere"), {"model": model, "now": make_naive(now)}).fetchone()
    return found is not None


BACK_OFF = timedelta(seconds=30)  # before the second attempt; doubled for each further one
LONGEST_BACK_OFF = timedelta(hours=1)
INTERRUPTIONS = 50  # of a job that may itself be what ends calwatch: a refit, a command; then it fails, and is told
LONGEST_PAUSE = timedelta(minutes=2)  # after an interruption
JITTER = 0.2  # of it, so that what failed together is not tried together


def enqueue_jobs(connection: duckdb.DuckDBPyConnection, jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Store the jobs that are new and whose scope has no open job of the same kind; returns those.

    One that a person asks for hastens the one that waits already. Actions are told apart by their id only: each event is
    to be told.
    """
    taken = []
    for job in jobs:
        if is_known(connection, job.id):
            continue
        if job.kind != "action" and has_open(connection, job.model, job.kind, job.scope.text):
            if job.asked_by == BY_HAND:
                _hasten(connection, job)
            continue
        store_job(connection, job)
        taken.append(job)
    return tuple(taken)


def is_by_hand(job: Job) -> bool:
    """Whether a person asked for the job, at first or while it waited."""
    return job.asked_by == BY_HAND or job.details.get("hastened") is True


def _hasten(connection: duckdb.DuckDBPyConnection, asked: Job) -> None:
    for job in load_jobs(connection, asked.model, states=(JobState.QUEUED,)):
        if (job.kind, job.scope) == (asked.kind, asked.scope):
            store_job(connection, replace(job, details={**job.details, "hastened": True}))


def retry_pause(job: Job) -> timedelta:
    """How long a job waits after its newest attempt: 30 s, 1 min, 2 min … 1 h, each 20 % up or down by its id."""
    wait = min(BACK_OFF * 2.0 ** min(job.attempts - 1, 20), LONGEST_BACK_OFF)
    draw = int(hashlib.sha256(f"{job.id} {job.attempts}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return timedelta(seconds=round(wait.total_seconds() * (1 + JITTER * (2 * draw - 1)), 3))


def begin_attempt(connection: duckdb.DuckDBPyConnection, job: Job, now: datetime) -> Job:
    """The job running, one attempt counted, on record before anything happens: so a crash is noticed."""
    running = replace(job, state=JobState.RUNNING, started_at=now, attempts=job.attempts + 1, next_attempt_at=None)
    with transaction(connection):
        store_job(connection, running)
    return running


def after_failure(
    job: Job, problem: str, now: datetime, *, attempts: int, may_pass: bool, wait: timedelta | None = None
) -> Job:
    """The job queued again after a back-off (at least ``wait``), or failed: for good, or after so many attempts, those
    that calwatch itself ended not counted."""
    count = job.attempts - job.interruptions
    if may_pass and count < attempts:
        pause = min(max(retry_pause(job), wait or timedelta(0)), LONGEST_BACK_OFF)
        why = Reason.of(Code.TRIED_AGAIN, problem=problem, attempt=count, attempts=attempts, pause=pause)
        return replace(job, state=JobState.QUEUED, started_at=None, next_attempt_at=now + pause, why=(why,))
    last = {"attempt": count, "attempts": attempts} if may_pass and attempts > 1 else {}
    why = Reason.of(Code.FAILED, problem=problem, **last)
    return replace(job, state=JobState.FAILED, finished_at=now, next_attempt_at=None, why=(why,))


def requeue_interrupted(
    connection: duckdb.DuckDBPyConnection, model: str, now: datetime, *, limit: Callable[[Job], int | None],
    running: Collection[str] = (), begun: Callable[[Job], bool] = lambda job: True,
) -> tuple[Job, ...]:  # fmt: skip
    """Jobs on record as running that nobody runs: a crash or a full disk ended them, and they had changed nothing.

    They are queued again, and no attempt is used up: nothing is lost while calwatch crashes over and over. The first
    interruption queues a job at once; later ones after a pause, since the job may be what crashes us.
    ``limit``: how many interruptions a job may have before it fails; None: as many as there are. ``running``: ids of
    jobs that do run. ``begun``: whether anything had begun of a job; one that only waited for its turn ended nothing, so it
    is queued as it was.
    """
    lost = [job for job in load_jobs(connection, model, states=(JobState.RUNNING,)) if job.id not in running]
    found = []
    for job in lost:
        has_begun = begun(job)
        after = _after_interruption(job, now, limit(job)) if has_begun else as_before(job, Code.NOT_BEGUN)
        found.append(after)
        with transaction(connection):
            store_job(connection, after)
            if has_begun:
                log_attempt(connection, job, now, "interrupted", after.why[0])
    return tuple(found)


def as_before(job: Job, code: Code) -> Job:
    """Queued again, as if it had not been handed over."""
    why = (Reason.of(code),)
    return replace(job, state=JobState.QUEUED, started_at=None, attempts=max(job.attempts - 1, 0), why=why)


def _after_interruption(job: Job, now: datetime, limit: int | None) -> Job:
    count = job.interruptions + 1
    if limit is not None and count >= limit:
        why = (Reason.of(Code.INTERRUPTED_TOO_OFTEN, times=count),)
        return replace(job, state=JobState.FAILED, finished_at=now, next_attempt_at=None, interruptions=count, why=why)
    pause = min(retry_pause(replace(job, attempts=count - 1)), LONGEST_PAUSE) if count > 1 else None
    return replace(
        job, state=JobState.QUEUED, started_at=None, next_attempt_at=None if pause is None else now + pause,
        interruptions=count, why=(Reason.of(Code.INTERRUPTED, times=count, pause=pause),),
    )  # fmt: skip


def cancel_job(connection: duckdb.DuckDBPyConnection, model: str, job_id: str, now: datetime) -> Job | None:
    """The job cancelled; None when the model has no such job, or it has ended already."""
    found = next((job for job in load_jobs(connection, model, states=OPEN) if job.id == job_id), None)
    if found is None:
        return None
    why = (Reason.of(Code.CANCELLED, was_running=found.state is JobState.RUNNING),)
    cancelled = replace(found, state=JobState.CANCELLED, finished_at=now, next_attempt_at=None, why=why)
    with transaction(connection):
        store_job(connection, cancelled)
        if found.state is JobState.RUNNING:
            log_attempt(connection, found, now, "cancelled", why[0])
    return cancelled
