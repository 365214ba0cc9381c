"""Calibrator files held against the database at the start: what is missing, cut short or altered is written again, and told.

Production loads these files. The database holds the text of each; of calibrators from before it did, the text is put
together from what jobs recorded, and is right when its hash is the calibrator's id.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import duckdb

from monitor import __version__
from monitor.model import Slice, Task
from monitor.model.errors import ArtefactError, StoreError
from monitor.model.files import directory_name
from monitor.model.refits import RefitRecord
from monitor.recalibration.artefacts import (
    CURRENT,
    Artefact,
    NewerArtefactError,
    artefact_path,
    read_artefact,
    read_current,
    read_document,
    write_artefact,
    write_current,
)
from monitor.recalibration.registry import CALIBRATORS, load_serving, record_document
from monitor.store.connection import make_aware, transaction
from monitor.store.sql import statement

_VERSIONS = (__version__, "0.1.0", "0+unknown")  # of calwatch, that may have fitted what no text was kept of
_SPOILT = ".spoilt"


@dataclass(frozen=True, slots=True)
class Repairs:
    """What was found wrong: sentences on what was written again, and on what could not be."""

    written: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def mend_files(connection: duckdb.DuckDBPyConnection, state_dir: Path) -> Repairs:
    """Check every calibrator's file against its id, and each current.json against the database; write what differs.

    Raises StoreError when the database knows no calibrator though files say that some are in charge, and when a file cannot
    be written.
    """
    directory = state_dir / CALIBRATORS
    _refuse_forgotten(connection, directory)
    written: list[str] = []
    lost: list[str] = []
    documents = {
        (model, id_): text
        for id_, model, text in connection.execute("SELECT id, model, document FROM artefacts").fetchall()
    }
    rows = connection.execute("SELECT DISTINCT model, id FROM calibrators ORDER BY model, id").fetchall()
    for model, id_ in rows:
        path = artefact_path(directory, model, id_)
        try:
            artefact = read_artefact(path)
        except NewerArtefactError as error:
            raise StoreError(error.message, error.hint) from error
        except ArtefactError as error:
            found = _rebuilt(connection, model, id_, documents.get((model, id_)))
            if found is None:
                lost.append(f"{error.message}: and the database has not all of it; {_then(connection, model, id_)}")
                continue
            _set_aside(path)
            write_artefact(directory, found)
            written.append(f"{error.message}: written again from the database")
            artefact = found
        if (model, id_) not in documents:
            with transaction(connection):
                record_document(connection, artefact)
    for model in sorted({model for model, _ in rows}):
        written += _mend_current(connection, directory, model)
    return Repairs(tuple(written), tuple(lost))


def _refuse_forgotten(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    """A database that never had a calibrator would empty what production loads: it is not the one these files are of."""
    if connection.execute("SELECT 1 FROM serving LIMIT 1").fetchone() or not directory.is_dir():
        return
    for path in sorted(directory.glob(f"*/{CURRENT}")):
        try:
            named = read_current(path.parent)
        except ArtefactError:
            continue
        if named:
            raise StoreError(
                f"{path}: says that {min(named.values())} is in charge, and live.duckdb knows of no calibrator: it is not "
                "the database that these are of",
                "restore a backup: calwatch restore FILE; or, to begin afresh, move calibrators/ away",
            )


def _mend_current(connection: duckdb.DuckDBPyConnection, directory: Path, model: str) -> Iterator[str]:
    own = directory / directory_name(model)
    wanted = load_serving(connection, model)
    try:
        if (own / CURRENT).is_file():
            if (held := read_current(own)) == wanted:
                return
            what = f"{own / CURRENT}: names {len(held)} calibrators in charge where the database has {len(wanted)}, or others"
        else:
            what = f"{own / CURRENT}: is {'no file' if (own / CURRENT).exists() else 'missing'}"
    except NewerArtefactError as error:
        raise StoreError(error.message, error.hint) from error
    except ArtefactError as error:
        what = error.message
    _set_aside(own / CURRENT)
    write_current(own, wanted)
    yield f"{what}: written again from the database"


def _set_aside(path: Path) -> None:
    """A directory in a file's place is kept beside it; a file is replaced."""
    if path.is_dir():
        number = sum(1 for _ in path.parent.glob(f"{path.name}{_SPOILT}*"))
        path.rename(path.with_name(f"{path.name}{_SPOILT}{number or ''}"))


def _then(connection: duckdb.DuckDBPyConnection, model: str, id_: str) -> str:
    in_charge = id_ in load_serving(connection, model).values()
    scores = "scores that calwatch calibrates itself stay right, "
    return (
        f"{scores}production cannot load it: restore a backup, or refit with calwatch recalibrate"
        if in_charge
        else "it is not in charge; restore it from a backup before rolling back to it"
    )


def _rebuilt(connection: duckdb.DuckDBPyConnection, model: str, id_: str, document: str | None) -> Artefact | None:
    """The artefact whose id it is, from its text or from records of its job; None where neither has all of it."""
    if document is not None:
        try:
            return read_document(document, id_)
        except ValueError:
            return None
    row = connection.execute(statement("calibrator_record"), {"model": model, "id": id_}).fetchone()
    if row is None:
        return None
    return next((found for found in _supposed(model, row) if _id_or_none(found) == id_), None)


def _supposed(model: str, row: tuple[Any, ...]) -> Iterator[Artefact]:
    """All that it may have been: what jobs do not record is its version, its task, and where its own reasons end."""
    scope, method, parent, fitted_at, parameters, before, after, reasons, details = row
    try:
        record = RefitRecord.from_details(json.loads(details))
    except (KeyError, TypeError, ValueError):
        return
    if record is None or record.fit is None:
        return
    spans = [(first, last) for first in range(len(reasons)) for last in range(len(reasons), first, -1)]
    for (first, last), version, task, logits in product(spans, _VERSIONS, Task, ("logits", "probabilities")):
        yield Artefact(
            model=model, scope=Slice.parse(scope), method=method, parameters=json.loads(parameters), task=task,
            fitted_at=make_aware(fitted_at), fit_window=record.fit, gate_window=record.gate, parent=parent,
            calwatch_version=version, before=json.loads(before), after=json.loads(after), reasons=tuple(reasons[first:last]),
            logits_are=logits,  # type: ignore[arg-type]  # one of its literals
        )  # fmt: skip


def _id_or_none(artefact: Artefact) -> str | None:
    try:
        return artefact.id
    except ValueError:
        return None
