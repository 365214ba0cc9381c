"""Jobs: asked for once, run one at a time, decided by the gate, recorded whatever happens."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from monitor import __version__
from monitor.config import Model
from monitor.errors import ArtefactError, CalwatchError
from monitor.model import Job, JobState, Slice
from monitor.recalibration.artefacts import artefact_path, read_artefact
from monitor.recalibration.charge import (
    CALIBRATORS,
    in_use,
    record_artefact,
    record_threshold,
    take_charge,
    write_files,
)
from monitor.recalibration.refit import Refit, finest_scope, refit
from monitor.store.connection import atomic
from monitor.store.registry import Registry
from monitor.store.rows import load_jobs, store_job
from monitor.store.samples import load_samples

OPEN = (JobState.QUEUED, JobState.RUNNING)


def job_of(
    model: str, kind: str, trigger: str, scope: Slice, now: datetime, *, onset: datetime | None = None,
    details: dict[str, object] | None = None,
) -> Job:  # fmt: skip
    """A queued job. Its id follows from what it is, so asking twice for the same is asking once."""
    key = json.dumps([model, kind, trigger, scope.text, now.isoformat()])
    return Job(
        id=hashlib.sha256(key.encode()).hexdigest()[:12], model=model, kind=kind, trigger=trigger, scope=scope,
        requested_at=now, state=JobState.QUEUED, onset=onset, details=details or {},
    )  # fmt: skip


def enqueue(connection: duckdb.DuckDBPyConnection, jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Store the jobs that are new and whose scope has no open job of the same kind; returns those."""
    taken = []
    for job in jobs:
        known = load_jobs(connection, job.model)
        if any(other.id == job.id for other in known):
            continue
        if any(other.state in OPEN and other.kind == job.kind and other.scope == job.scope for other in known):
            continue
        store_job(connection, job)
        taken.append(job)
    return tuple(taken)


def requeue_interrupted(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[Job, ...]:
    """Jobs that a crash or a full disk left running are queued again; they had changed nothing."""
    interrupted = load_jobs(connection, model, states=(JobState.RUNNING,))
    if not interrupted:
        return ()
    with atomic(connection):
        for job in interrupted:
            store_job(connection, replace(job, state=JobState.QUEUED, started_at=None))
    return interrupted


def run_job(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, state_dir: Path, job: Job, now: datetime,
    *, end: datetime,
) -> Job:  # fmt: skip
    """Run one queued job to its end. ``end``: newest labelled samples that are mature. Returns the finished job.

    A job that fails for a reason people can act on is recorded as failed with it. Errors of the database leave it
    running, to be queued again by the next cycle; any other error is recorded and raised.
    """
    job = replace(job, state=JobState.RUNNING, started_at=now)
    with atomic(connection):
        store_job(connection, job)
    try:
        if job.kind == "rollback":
            done = _roll_back(connection, model, state_dir, job, now)
        else:
            done = _recalibrate(connection, registry, model, state_dir, job, now, end)
    except (CalwatchError, ValueError) as error:
        return _failed(connection, job, f"failed: {error}", now)
    except duckdb.Error:
        raise
    except Exception as error:  # a mistake of ours: told by the cycle, and not to come back with every cycle
        _failed(connection, job, f"failed: {error!r}", now)
        raise
    # after the commit: what is promoted stays promoted, and a file that cannot be written is put right by the next cycle
    write_files(connection, state_dir, model.name, None)
    return done


def _failed(connection: duckdb.DuckDBPyConnection, job: Job, reason: str, now: datetime) -> Job:
    failed = replace(job, state=JobState.FAILED, finished_at=now, reasons=(reason,))
    with atomic(connection):
        store_job(connection, failed)
    return failed


def _recalibrate(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, state_dir: Path, job: Job, now: datetime,
    end: datetime,
) -> Job:  # fmt: skip
    found = _refit(connection, registry, model, job, now, end)
    details = {**job.details, **_details(found)}
    state = JobState.PROMOTED if found.accepted else JobState.REJECTED
    job = replace(job, state=state, finished_at=now, reasons=found.reasons, details=details)
    if found.accepted and found.artefact is not None:
        # the file first: should we die between the two, an unused file is left, never a promotion without its file
        write_files(connection, state_dir, model.name, found.artefact)
    with atomic(connection):
        if found.accepted and found.artefact is not None:
            record_artefact(connection, found.artefact)
            take_charge(connection, model.name, found.artefact.scope, found.artefact.id, now)
            if found.threshold is not None:
                record_threshold(connection, found.threshold)
        store_job(connection, job)
    return job


def _refit(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, job: Job, now: datetime, end: datetime
) -> Refit:  # fmt: skip
    charge = in_use(connection, model.name)
    # samples that a finer calibrator serves stay with it, so they have no say here
    scopes = [*charge, job.scope]
    covered = [
        slice_id for finest, slice_id in registry.slices.items()
        if job.scope.contains(finest) and finest_scope(finest, scopes) == job.scope
    ]  # fmt: skip
    start = max(filter(None, (end - model.recalibration.fit_window, job.onset)))
    version = newest_version(connection, registry.model_id)
    loaded = load_samples(connection, registry, model, version, covered, start, end)
    found = refit(model, job.scope, loaded.samples, loaded.slices, charge, now, calwatch_version=__version__)
    since = f"samples since {start:%Y-%m-%d %H:%M} UTC" + (" (estimated onset)" if start == job.onset else "")
    return replace(found, reasons=(since, *loaded.left_out, *found.reasons))


def newest_version(connection: duckdb.DuckDBPyConnection, model_id: int) -> str:
    """The model version that was seen first last: the one in production now."""
    row = connection.execute(
        "SELECT version FROM streams WHERE model_id = $model_id GROUP BY version "
        "ORDER BY min(first_seen_at) DESC, max(stream_id) DESC LIMIT 1",
        {"model_id": model_id},
    ).fetchone()
    return str(row[0]) if row else ""


def _details(found: Refit) -> dict[str, object]:
    if found.artefact is None:
        return {}
    artefact = found.artefact
    return {
        "calibrator": artefact.id, "method": artefact.method, "parameters": dict(artefact.parameters),
        "before": dict(artefact.before), "after": dict(artefact.after),
        "fit": {"start": artefact.fit_window.start.isoformat(), "end": artefact.fit_window.end.isoformat(),
                "samples": artefact.fit_window.n},
        "gate": {"start": artefact.gate_window.start.isoformat(), "end": artefact.gate_window.end.isoformat(),
                 "samples": artefact.gate_window.n} if artefact.gate_window else None,
        "threshold": found.threshold.threshold if found.threshold else None,
    }  # fmt: skip


def _roll_back(connection: duckdb.DuckDBPyConnection, model: Model, state_dir: Path, job: Job, now: datetime) -> Job:
    """Put an earlier calibrator (``details["to"]``), the one before, or none back in charge of the scope."""
    named = str(job.details.get("to") or "")
    row = connection.execute(
        "SELECT calibrator FROM serving WHERE model = $model AND scope = $scope AND until IS NULL",
        {"model": model.name, "scope": job.scope.text},
    ).fetchone()
    if row is None or (row[0] == "" and not named):
        raise ArtefactError(
            f'model "{model.name}": no calibrator is in charge of {job.scope.text}, nothing to roll back'
        )
    target = named or _previous(connection, model.name, job.scope)
    if target:
        _demand_promoted(connection, model.name, target)
        artefact = read_artefact(artefact_path(state_dir / CALIBRATORS, model.name, target))
        if artefact.scope != job.scope:
            raise ArtefactError(f"calibrator {target} is for {artefact.scope.text}, not for {job.scope.text}")
    reason = f"rolled back from {row[0] or 'no calibrator'} to {target or 'no calibrator (scores as they come)'}"
    done = replace(
        job, state=JobState.DONE, finished_at=now, reasons=(reason,), details={**job.details, "from": row[0]}
    )
    with atomic(connection):
        take_charge(connection, model.name, job.scope, target, now)
        store_job(connection, done)
    return done


def _demand_promoted(connection: duckdb.DuckDBPyConnection, model: str, artefact_id: str) -> None:
    """Only a calibrator that the gate once accepted may come back, and no path that looks like an id."""
    if not connection.execute(
        "SELECT 1 FROM calibrators WHERE model = $model AND id = $id", {"model": model, "id": artefact_id}
    ).fetchone():
        raise ArtefactError(f'model "{model}": no calibrator {artefact_id} was ever promoted')


def _previous(connection: duckdb.DuckDBPyConnection, model: str, scope: Slice) -> str:
    """The calibrator that was in charge of this very scope before the present one; "" when there was none."""
    row = connection.execute(
        "SELECT calibrator FROM serving WHERE model = $model AND scope = $scope AND until IS NOT NULL "
        "ORDER BY until DESC, since DESC LIMIT 1",
        {"model": model, "scope": scope.text},
    ).fetchone()
    return str(row[0]) if row else ""
