"""The two ends of a refit: its inputs out of the database, and what the gate accepted into it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitor.config.settings import Model
from monitor.model import Job, JobState, Slice, finest_scope
from monitor.model.reasons import Code, Reason
from monitor.model.refits import RefitRecord
from monitor.model.samples import Samples
from monitor.recalibration.guard import begin_guard
from monitor.recalibration.refit import Refit, RefitInputs, mask_slices
from monitor.recalibration.registry import load_charge, record_artefact, take_charge, write_files
from monitor.recalibration.selection import MIN_UNITS, FitCells
from monitor.store.cells import find_bucket_start, load_bucket_cells
from monitor.store.dictionaries import Registry
from monitor.store.model_store import ModelStore
from monitor.store.samples import LoadedSamples, load_samples
from monitor.store.sql import statement
from monitor.store.thresholds import load_thresholds, store_thresholds

NAMED = 3  # slices in a reason: there may be hundreds
AS_WIDE = 0.8  # of a scope's samples: alerts over more of them are about the scope itself


def load_alarmed_slices(
    connection: duckdb.DuckDBPyConnection, model: str, version: str, scope: Slice
) -> tuple[Slice, ...]:
    """The slices inside ``scope``, itself excepted, with a firing alert that asks for a refit there."""
    rows = connection.execute(statement("refit_alarmed"), {"model": model, "version": version}).fetchall()
    slices = [Slice.parse(text) for (text,) in rows]
    return tuple(one for one in slices if scope.contains(one) and one != scope)


def find_slices_apart(loaded: LoadedSamples, alarmed: Sequence[Slice]) -> tuple[tuple[Slice, ...], tuple[Reason, ...]]:
    """The finest slices that this refit leaves to refits of their own, and what to say of it.

    What is wrong in one slice would otherwise bend the calibrator of all slices around it, and the gate would accept that
    as better on the whole. Alerts over more than four fifths of the samples mean trouble as wide as the scope: then
    nothing is left out.
    """
    apart = tuple(own for own in loaded.slices if any(one.contains(own) for one in alarmed))
    others = int(mask_slices(loaded.samples, loaded.slices, apart).sum())
    if not others or others > AS_WIDE * len(loaded.samples):
        return (), ()
    names = [one.text for one in alarmed]
    return apart, (
        Reason.of(
            Code.SAMPLES_LEFT_TO_REFITS,
            left=others,
            samples=len(loaded.samples),
            slices=names[:NAMED],
            count=len(names),
        ),
    )


def gather_inputs(store: ModelStore, job: Job, now: datetime, end: datetime) -> RefitInputs:
    """The inputs of a refit as the database has them now. ``end``: newest labelled samples that are mature."""
    model = store.model
    charge = load_charge(store.connection, model.name)
    # samples that a finer calibrator serves stay with it, so they have no say here
    covered = store.registry.slices_in_charge_of(job.scope, [*charge, job.scope])
    start = max(filter(None, (end - model.recalibration.fit_window, job.onset)))
    version = newest_version(store.connection, store.model_id)
    loaded = load_samples(store, version, covered, start, end, model.recalibration.max_samples)
    alarmed = load_alarmed_slices(store.connection, model.name, version, job.scope)
    apart, left = find_slices_apart(loaded, alarmed)
    counted = None
    if loaded.of_cells is not None:
        first = max(start, loaded.of_cells)
        left_out = {store.registry.slices[one] for one in apart}
        fitted = [slice_id for slice_id in covered if slice_id not in left_out]
        counted = load_fit_cells(store, version, fitted, loaded.samples, first)
    served = _served_apart(store.registry, job.scope, [*charge, job.scope])
    notes = [*loaded.notes, *served, *left]
    if counted is not None:
        span = {"start": counted.start, "end": counted.border, "bucket": model.bucket}
        notes.append(Reason.of(Code.SAMPLES_AS_COUNTED, samples=counted.n, **span))
    since = Reason.of(Code.SAMPLES_SINCE, start=start, is_onset=start == job.onset)
    in_force = [one for one in load_thresholds(store.connection, model.name) if one.scope == job.scope]
    standing = [one for one in in_force if not one.per]
    return RefitInputs(
        model, job.scope, loaded.samples, loaded.slices, charge, now, (since, *notes), apart,
        standing[0] if standing else None, counted, any(one.tuned for one in in_force),
    )  # fmt: skip


def load_fit_cells(
    store: ModelStore, version: str, covered: list[int], samples: Samples, start: datetime
) -> FitCells | None:
    """The cells from ``start`` to about where ``samples`` divide into fit and gate; None where these are too few buckets,
    or the method needs rows.

    The border is where a bucket begins, or a day where buckets have been folded into days: no sample of these cells lies
    beyond it, and none before it is left to the gate.
    """
    if store.model.recalibration.method == "vector" or not len(samples):
        return None
    divide = samples.observed_at[int((1 - store.model.recalibration.gate_fraction) * len(samples))]
    border = find_bucket_start(store, datetime.fromtimestamp(float(divide), UTC))
    starts, cells = load_bucket_cells(store, version, covered, start, border)
    return FitCells(cells, starts[0], border) if len(starts) >= MIN_UNITS else None


def _served_apart(registry: Registry, scope: Slice, scopes: list[Slice]) -> tuple[Reason, ...]:
    """The slices inside ``scope`` that a finer calibrator is in charge of."""
    own = {one.text for slice_ in registry.slices if scope.contains(slice_) and (one := finest_scope(slice_, scopes))}
    own.discard(scope.text)
    return (Reason.of(Code.SAMPLES_LEFT_TO_CALIBRATORS, scopes=sorted(own)[:NAMED], count=len(own)),) if own else ()


def newest_version(connection: duckdb.DuckDBPyConnection, model_id: int) -> str:
    """The model version that was seen first last: the one in production now. ``__other__`` stands for many, and for none."""
    row = connection.execute(statement("refit_version"), {"model_id": model_id}).fetchone()
    return str(row[0]) if row else ""


def conclude_job(job: Job, found: Refit, notes: tuple[Reason, ...], now: datetime) -> Job:
    """The job as the gate decided it."""
    state = JobState.PROMOTED if found.accepted else JobState.REJECTED
    details = dict(job.details)
    if (artefact := found.artefact) is not None:
        record = RefitRecord(
            artefact.id, artefact.method, artefact.parameters, artefact.before, artefact.after, artefact.fit_window,
            artefact.gate_window, found.threshold_window, found.threshold.threshold if found.threshold else None,
            found.bars_before, found.bars_after,
        )  # fmt: skip
        details |= record.as_details
    return replace(job, state=state, finished_at=now, why=(*notes, *found.why), details=details)


def write_accepted(connection: duckdb.DuckDBPyConnection, state_dir: Path, model: Model, found: Refit) -> None:
    """The artefact's file, before its promotion is on record: should we die between the two, an unused file is left,
    never a promotion without its file."""
    if found.accepted and found.artefact is not None:
        write_files(connection, state_dir, model.name, found.artefact)


def record_accepted(store: ModelStore, found: Refit, now: datetime) -> None:
    """Put what the gate accepted in charge, and thresholds in force; to be called inside a transaction."""
    connection = store.connection
    if not found.accepted or found.artefact is None:
        store_thresholds(connection, [(each.threshold, each.curve) for each in found.decided])
        return
    artefact = found.artefact
    record_artefact(connection, artefact)
    take_charge(connection, store.model.name, artefact.scope, artefact.id, now)
    store_thresholds(connection, [(each.threshold, each.curve) for each in found.decided])
    begin_guard(
        connection, store.model, artefact.scope, artefact.id, artefact.parent or "",
        newest_version(connection, store.model_id), now,
    )  # fmt: skip
