"""Rollbacks: an earlier calibrator, or none, back in charge of a scope, ever further back when repeated."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from monitor.errors import ArtefactError
from monitor.model import Job, JobState, Slice
from monitor.recalibration.artefacts import artefact_path, read_artefact
from monitor.recalibration.charge import CALIBRATORS, ROLLED_BACK, take_charge

_NONE = "no calibrator (scores as they come)"


def promoted_so_far(connection: duckdb.DuckDBPyConnection, model: str, scope: Slice) -> list[str]:
    """What leads to the calibrator in charge of the scope, which is last: each was promoted over the one before it.

    A rollback takes back what it undoes; one to a calibrator that had been taken back puts it on top again. Empty when
    nothing is in charge.
    """
    rows = connection.execute(
        "SELECT calibrator, cause FROM serving WHERE model = $model AND scope = $scope "
        "ORDER BY since, until NULLS LAST, rowid",
        {"model": model, "scope": scope.text},
    ).fetchall()
    path: list[str] = []
    for calibrator, cause in rows:
        if not calibrator:
            path = []
        elif cause == ROLLED_BACK and calibrator in path:
            path = path[: path.index(calibrator) + 1]
        else:
            path = [*(known for known in path if known != calibrator), calibrator]
    return path


def roll_back(connection: duckdb.DuckDBPyConnection, state_dir: Path, job: Job, now: datetime) -> Job:
    """Put the calibrator ``details["to"]``, the one before, or none back in charge; to be called inside a transaction.

    Returns the job done. Raises ArtefactError when there is nothing to roll back, or what is to come back was never
    promoted, is for another scope, or its file is damaged.
    """
    named = str(job.details.get("to") or "")
    path = promoted_so_far(connection, job.model, job.scope)
    if not path and not (named and _ever_in_charge(connection, job.model, job.scope)):
        raise ArtefactError(
            f'model "{job.model}": no calibrator is in charge of {job.scope.text}, nothing to roll back',
            'see who is: calwatch status; to bring an earlier one back, name it with "--to ID"',
        )
    present = path[-1] if path else ""
    expected = job.details.get("expected")
    if expected is not None and expected != present:
        raise ArtefactError(f"calibrator {expected} is no longer in charge of {job.scope.text}, nothing to roll back")
    target = named or (path[-2] if len(path) > 1 else "")
    if target:
        _demand_usable(connection, state_dir, job, target)
    take_charge(connection, job.model, job.scope, target, now, cause=ROLLED_BACK)
    reason = f"rolled back from {present or 'no calibrator'} to {target or _NONE}"
    why = [str(job.details["why"])] if job.details.get("why") else []
    details = {**job.details, "from": present, "to": target}
    return replace(job, state=JobState.DONE, finished_at=now, reasons=(reason, *why), details=details)


def _ever_in_charge(connection: duckdb.DuckDBPyConnection, model: str, scope: Slice) -> bool:
    found = connection.execute(
        "SELECT 1 FROM serving WHERE model = $model AND scope = $scope", {"model": model, "scope": scope.text}
    ).fetchone()
    return found is not None


def _demand_usable(connection: duckdb.DuckDBPyConnection, state_dir: Path, job: Job, target: str) -> None:
    """Only a calibrator that the gate once accepted may come back, and no path that looks like an id."""
    if not connection.execute(
        "SELECT 1 FROM calibrators WHERE model = $model AND id = $id", {"model": job.model, "id": target}
    ).fetchone():
        raise ArtefactError(f'model "{job.model}": no calibrator {target} was ever promoted')
    artefact = read_artefact(artefact_path(state_dir / CALIBRATORS, job.model, target))
    if artefact.scope != job.scope:
        raise ArtefactError(f"calibrator {target} is for {artefact.scope.text}, not for {job.scope.text}")
