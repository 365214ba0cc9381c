"""The two ends of a tuning: its inputs out of the database, and what it found into it; and when a refit asks for one."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from monitor.jobs.queue import enqueue_jobs
from monitor.model import Job, JobState, Slice, finest_scope
from monitor.model.errors import ArtefactError
from monitor.model.reasons import Code, Reason, Trigger, TriggerKind
from monitor.model.refits import job_of
from monitor.recalibration.artefacts import Artefact, read_document
from monitor.recalibration.calibrators import Identity
from monitor.recalibration.guard import keep_guard
from monitor.recalibration.inputs import newest_version
from monitor.recalibration.refit import Refit
from monitor.recalibration.registry import load_charge, record_artefact, take_charge, write_files
from monitor.recalibration.tuning.images import load_boxes
from monitor.recalibration.tuning.tune import Tuned, TuneInputs
from monitor.sources.formats.boxes.categories import name_classes
from monitor.store.model_store import ModelStore
from monitor.store.samples import load_samples
from monitor.store.thresholds import load_thresholds, store_thresholds


def gather_tuning(store: ModelStore, job: Job, now: datetime, end: datetime) -> TuneInputs:
    """Return the inputs of a tuning as the database has them now. ``end``: newest labelled samples that are mature.

    Raises ArtefactError where the text of the calibrator in charge is lost.
    """
    model, scope = store.model, job.scope
    charge = load_charge(store.connection, model.name)
    # a slice without a calibrator of its own is served by that of a wider one, which it takes over
    serving = finest_scope(scope, list(charge))
    id_, calibrator = charge[serving] if serving is not None else ("", Identity())
    base = _load_base(store, id_) if id_ else None
    in_force = load_thresholds(store.connection, model.name)
    standing = tuple(replace(one, scope=scope) for one in in_force if one.scope == (serving or Slice()))
    ids = {one.text: held for one, (held, _) in charge.items()}
    task = TuneInputs(model, scope, now, base and replace(base, scope=scope), calibrator, standing, ids)
    if model.threshold is None:
        return task
    start = end - model.recalibration.fit_window
    since = Reason.of(Code.SAMPLES_SINCE, start=start, is_onset=False)
    version = newest_version(store.connection, store.model_id)
    if model.is_of_boxes:
        name_classes(store.connection, store.model_id)
        boxes, said = load_boxes(store, version, scope, list(charge), (start, end), now)
        return replace(task, boxes=boxes, refused=() if boxes else said, notes=(since, *(said if boxes else ())))
    covered = store.registry.slices_in_charge_of(scope, [*charge, scope])
    loaded = load_samples(store, version, covered, start, end, model.recalibration.max_samples)
    return replace(task, samples=loaded.samples, notes=(since, *loaded.notes))


def _load_base(store: ModelStore, artefact_id: str) -> Artefact:
    where = {"model": store.model.name, "id": artefact_id}
    row = store.execute("SELECT document FROM artefacts WHERE model = $model AND id = $id", where).fetchone()
    if row is None:
        raise ArtefactError(
            f"the text of calibrator {artefact_id} is lost, so nothing can be tuned for it",
            f"refit first: calwatch recalibrate {store.model.name}",
        )
    return read_document(row[0], artefact_id)


def write_tuned(store: ModelStore, state_dir: Path, found: Tuned) -> None:
    """The artefact's file, before its promotion is on record, as that of a refit."""
    if found.accepted and found.artefact is not None:
        write_files(store.connection, state_dir, store.model.name, found.artefact)


def record_tuned(store: ModelStore, found: Tuned, now: datetime) -> None:
    """Put what was accepted in charge, with its thresholds; to be called inside a transaction. A guard goes on: what the
    calibrator does to scores is the same."""
    artefact = found.artefact
    if not found.accepted or artefact is None:
        return
    record_artefact(store.connection, artefact)
    take_charge(store.connection, store.model.name, artefact.scope, artefact.id, now)
    store_thresholds(store.connection, [(each.threshold, each.curve) for each in found.decided])
    if artefact.parent is not None:
        keep_guard(store.connection, store.model.name, artefact.scope, artefact.parent, artefact.id)


def conclude_tuning(job: Job, found: Tuned, notes: tuple[Reason, ...], now: datetime) -> Job:
    """Return the job as it ended, with what was found on record."""
    state = JobState.PROMOTED if found.accepted else JobState.REJECTED
    tuned: dict[str, object] = dict(found.details)
    held = found.artefact
    if held is not None and held.operating is not None:
        tuned |= {"artefact": held.id, "method": held.method, **held.operating.as_object}
    details = {**job.details, "tuned": tuned} if tuned else job.details
    return replace(job, state=state, finished_at=now, why=(*notes, *found.why), details=details)


def ask_for_tuning(store: ModelStore, job: Job, found: Refit, now: datetime) -> None:
    """Queue a tuning where a refit is about to take the place of a calibrator that was tuned, or has found the promise of one
    broken: its points are of other scores. To be called inside a transaction, before the refit takes charge."""
    standing = [one for one in load_thresholds(store.connection, store.model.name) if one.scope == job.scope]
    if not any(one.tuned for one in standing) or not (found.accepted or found.tuning_due):
        return
    asked_by = Trigger(TriggerKind.JOB, job.id, event="promoted" if found.accepted else "promise broken")
    enqueue_jobs(store.connection, [job_of(store.model.name, "tune", asked_by, job.scope, now)])
