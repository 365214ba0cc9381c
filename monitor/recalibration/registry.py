"""Which calibrator is in charge of which scope, now and at any earlier time; the files follow the database."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import structlog

from monitor.config.settings import Model
from monitor.model import CalibratorInUse, Job, JobState, Slice, finest_scope
from monitor.model.errors import ArtefactError
from monitor.model.files import directory_name
from monitor.model.reasons import Code, Reason
from monitor.model.refits import PROMOTED, ROLLED_BACK, RollbackOrder
from monitor.recalibration.artefacts import (
    Artefact,
    artefact_path,
    document_of,
    read_artefact,
    read_current,
    write_artefact,
    write_current,
)
from monitor.recalibration.calibrators import Calibrator, OnProbabilities
from monitor.recalibration.methods import calibrator_from
from monitor.store.connection import delete_rows, fetch_column, fetch_row, insert_row, make_aware, make_naive
from monitor.store.scores.logits import load_raw_until
from monitor.store.scores.served import Serving
from monitor.store.sql import statement

log = structlog.get_logger("calwatch")
CALIBRATORS = "calibrators"  # directory under the state directory
ADOPTION_WINDOW = timedelta(days=1)  # of the newest traffic, in which production is looked for using a calibrator


def load_charge(connection: duckdb.DuckDBPyConnection, model: str) -> dict[Slice, tuple[str, Calibrator]]:
    """Scope → (artefact id, calibrator) in charge now."""
    promoted = load_promoted(connection, model)
    return {Slice.parse(scope): (id_, promoted[id_]) for scope, id_ in load_serving(connection, model).items()}


def load_promoted(connection: duckdb.DuckDBPyConnection, model: str) -> dict[str, Calibrator]:
    """Every calibrator ever in charge, by id, from the database: a damaged file must not keep samples out.

    All apply to logits as they are stored, which are the logarithm of what serving has where that is probabilities.
    """
    rows = connection.execute(statement("calibrators_serving"), {"model": model}).fetchall()
    raw_until = load_raw_until(connection, model)
    known = {}
    for id_, method, parameters, fitted_at in rows:
        calibrator = calibrator_from(method, json.loads(parameters))
        took_raw = calibrator.needs_logits and raw_until is not None and fitted_at < raw_until
        known[id_] = OnProbabilities(calibrator) if took_raw else calibrator
    return known


def load_intervals(connection: duckdb.DuckDBPyConnection, model: Model) -> list[Serving]:
    """For models whose calibrator calwatch applies: who was in charge of what and when, as ingest needs it."""
    if model.recalibration.apply != "monitor":
        return []
    rows = connection.execute(
        "SELECT scope, calibrator, since, until FROM serving WHERE model = $model AND calibrator <> '' ORDER BY since",
        {"model": model.name},
    ).fetchall()
    promoted = load_promoted(connection, model.name)
    return [
        Serving(
            Slice.parse(scope), id_, make_aware(since), make_aware(until), promoted[id_].apply, promoted[id_].needs_logits
        )
        for scope, id_, since, until in rows
    ]  # fmt: skip


def take_charge(
    connection: duckdb.DuckDBPyConnection, model: str, scope: Slice, artefact_id: str, now: datetime,
    *, cause: str = PROMOTED,
) -> None:  # fmt: skip
    """From now on ``artefact_id`` ("" = none) serves the scope; to be called inside a transaction."""
    where = {"model": model, "scope": scope.text, "now": make_naive(now)}
    connection.execute(
        "UPDATE serving SET until = $now WHERE model = $model AND scope = $scope AND until IS NULL", where
    )
    row = {"model": model, "scope": scope.text, "calibrator": artefact_id, "since": now, "cause": cause}
    insert_row(connection, "serving", row)


def record_artefact(connection: duckdb.DuckDBPyConnection, artefact: Artefact) -> None:
    """Enter a written artefact into the table; to be called inside a transaction."""
    fit, gate = artefact.fit_window, artefact.gate_window or artefact.fit_window
    own = {name: getattr(artefact, name) for name in ("id", "model", "method", "parent", "fitted_at")}
    spans = {"fit_start": fit.start, "fit_end": fit.end, "gate_start": gate.start, "gate_end": gate.end}
    texts = {name: json.dumps(dict(getattr(artefact, name))) for name in ("before", "after", "parameters")}
    delete_rows(connection, "calibrators", {"id": artefact.id, "model": artefact.model})
    insert_row(connection, "calibrators", {**own, "scope": artefact.scope.text, **spans, **texts})
    record_document(connection, artefact)


def record_document(connection: duckdb.DuckDBPyConnection, artefact: Artefact) -> None:
    """Keep the text of the artefact's file, from which it can be written again; to be called inside a transaction."""
    where = {"id": artefact.id, "model": artefact.model}
    delete_rows(connection, "artefacts", where)
    insert_row(connection, "artefacts", where | {"document": document_of(artefact)})


def load_serving(connection: duckdb.DuckDBPyConnection, model: str) -> dict[str, str]:
    """Scope → id of the calibrator in charge, as current.json is to say it."""
    rows = connection.execute(
        "SELECT scope, calibrator FROM serving WHERE model = $model AND until IS NULL AND calibrator <> ''",
        {"model": model},
    ).fetchall()
    return dict(rows)


def write_files(connection: duckdb.DuckDBPyConnection, state_dir: Path, model: str, artefact: Artefact | None) -> None:
    """Put the artefact's file in place, and make current.json say what the database says; repeating changes nothing."""
    directory = state_dir / CALIBRATORS
    if artefact is not None:
        write_artefact(directory, artefact)
    wanted = load_serving(connection, model)
    own = directory / directory_name(model)
    try:
        if read_current(own) == wanted:
            return
    except ArtefactError as error:  # damaged: the database knows better, write it anew
        log.warning("calibrator file mended", what=f"{error.message}: written again from the database")
    write_current(own, wanted)


def calibrators_in_use(
    connection: duckdb.DuckDBPyConnection, model_id: int, model: Model
) -> tuple[CalibratorInUse, ...]:
    """For people and Prometheus: who is in charge, and whether production has taken it up.

    It has when, among the samples that a calibrator is in charge of, observed since it took charge and within a day of
    the newest, one names it; it has not when there are such samples and none does; else that is unknown.
    """
    rows = connection.execute(statement("calibrators_in_use"), {"model": model.name}).fetchall()
    scopes = [Slice.parse(row[0]) for row in rows]
    seen = _seen_since(connection, model_id, min((row[4] for row in rows), default=None))
    charge = []
    for scope, (_, id_, method, fitted, since) in zip(scopes, rows, strict=True):
        own = {used for slice_, used, newest in seen if newest > since and finest_scope(slice_, scopes) == scope}
        adopted = True if id_ in own else (False if own and model.recalibration.apply == "serving" else None)
        times = make_aware(fitted), make_aware(since)
        charge.append(CalibratorInUse(model.name, scope, id_, method, *times, adopted))
    return tuple(charge)


def _seen_since(
    connection: duckdb.DuckDBPyConnection, model_id: int, since: datetime | None
) -> list[tuple[Slice, str, datetime]]:
    """(finest slice, calibrator that serving named, newest sample), of the newest day of traffic since then."""
    (newest,) = fetch_row(
        connection, "SELECT max(last_observed_at) FROM slices WHERE model_id = $model_id", {"model_id": model_id}
    )
    if since is None or newest is None:
        return []
    rows = connection.execute(
        statement("calibrators_seen"), {"model_id": model_id, "since": max(since, newest - ADOPTION_WINDOW)}
    ).fetchall()
    return [(Slice.of(labels), calibrator, moment) for labels, calibrator, moment in rows]


def load_path(connection: duckdb.DuckDBPyConnection, model: str, scope: Slice) -> list[str]:
    """What leads to the calibrator in charge of the scope, which is last: each was promoted over the one before it.

    A rollback takes back what it undoes; one to a calibrator that had been taken back puts it on top again. Empty when
    nothing is in charge.
    """
    rows = connection.execute(statement("calibrators_before"), {"model": model, "scope": scope.text}).fetchall()
    path: list[str] = []
    for calibrator, cause in rows:
        if not calibrator:
            path = []
        elif cause == ROLLED_BACK and calibrator in path:
            path = path[: path.index(calibrator) + 1]
        else:
            path = [*(known for known in path if known != calibrator), calibrator]
    return path


def roll_back_calibrator(connection: duckdb.DuckDBPyConnection, state_dir: Path, job: Job, now: datetime) -> Job:
    """Put the calibrator ``details["to"]``, the one before, or none back in charge; to be called inside a transaction.

    Returns the job done. Raises ArtefactError when there is nothing to roll back, or what is to come back was never
    promoted, is for another scope, or its file is damaged.
    """
    order = RollbackOrder.from_details(job.details)
    named = order.target
    path = load_path(connection, job.model, job.scope)
    was_in_charge = connection.execute(
        "SELECT 1 FROM serving WHERE model = $model AND scope = $scope", {"model": job.model, "scope": job.scope.text}
    ).fetchone()
    if not path and not (named and was_in_charge):
        raise ArtefactError(
            f'model "{job.model}": no calibrator is in charge of {job.scope.text}, nothing to roll back',
            'see who is: calwatch status; to bring an earlier one back, name it with "--to ID"',
        )
    present = path[-1] if path else ""
    expected = order.expected
    if expected is not None and expected != present:
        raise ArtefactError(f"calibrator {expected} is no longer in charge of {job.scope.text}, nothing to roll back")
    if expected is not None:  # asked for by a guard: what was tuned of the same calibrator does no better
        alike = fetch_column(connection, statement("calibrators_alike"), {"model": job.model, "id": present})
        path = [*(one for one in path if one not in alike), present]
    target = named or (path[-2] if len(path) > 1 else "")
    if target:
        _demand_usable(connection, state_dir, job, target)
    take_charge(connection, job.model, job.scope, target, now, cause=ROLLED_BACK)
    why = [Reason.of(Code.ROLLED_BACK, present=present, target=target), *([order.why] if order.why else [])]
    details = {**job.details, "from": present, "to": target}
    return replace(job, state=JobState.DONE, finished_at=now, why=tuple(why), details=details)


def _demand_usable(connection: duckdb.DuckDBPyConnection, state_dir: Path, job: Job, target: str) -> None:
    """Only a calibrator that the gate once accepted may come back, and no path that looks like an id."""
    if not connection.execute(
        "SELECT 1 FROM calibrators WHERE model = $model AND id = $id", {"model": job.model, "id": target}
    ).fetchone():
        raise ArtefactError(f'model "{job.model}": no calibrator {target} was ever promoted')
    artefact = read_artefact(artefact_path(state_dir / CALIBRATORS, job.model, target))
    if artefact.scope != job.scope:
        raise ArtefactError(f"calibrator {target} is for {artefact.scope.text}, not for {job.scope.text}")
