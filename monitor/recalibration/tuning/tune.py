"""One tuning: thresholds for the calibrator in charge, without a refit; of detectors together with the NMS IoU.

What is found is the calibrator in charge (or none: scores as they come) with points, as an artefact of its own: it is promoted,
written and rolled back as those of refits are. Where nothing is accepted nothing changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from monitor.config.settings import Model
from monitor.model import Slice, ThresholdInUse
from monitor.model.reasons import Code, Reason
from monitor.model.refits import SampleSpan
from monitor.model.samples import Samples
from monitor.model.words import tell_reasons
from monitor.recalibration.artefacts import Artefact
from monitor.recalibration.calibrators import Calibrator, Identity
from monitor.recalibration.gate import split_in_time
from monitor.recalibration.straddling import tell_few_samples
from monitor.recalibration.thresholds import (
    Choice,
    ChosenThreshold,
    choose_thresholds,
    find_better,
    find_unanswerable,
)
from monitor.recalibration.tuning.boxes import choose_points, matching_of
from monitor.recalibration.tuning.images import BoxInputs
from monitor.recalibration.tuning.operating import OperatingPoints, points_of
from monitor.statistics.arrays import Floats

LATER = 0.2  # of all, the least that has to lie beyond what the calibrator was fitted on, to be proved on by itself


@dataclass(frozen=True, slots=True)
class TuneInputs:
    """The inputs of a tuning, as they were in the database when the job began: ``samples``, of a detector of boxes ``boxes``.

    ``base`` is the artefact in charge of the scope, ``calibrator`` what it does; ``standing`` the thresholds in force there;
    ``refused`` why nothing can be tuned, whatever came.
    """

    model: Model
    scope: Slice
    now: datetime
    base: Artefact | None
    calibrator: Calibrator
    standing: tuple[ThresholdInUse, ...]
    charge: Mapping[str, str]  # scope → id of what is in charge
    notes: tuple[Reason, ...] = ()
    samples: Samples | None = None
    boxes: BoxInputs | None = None
    refused: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning found. ``artefact`` is to be promoted if ``accepted``, with the thresholds ``decided``."""

    accepted: bool
    why: tuple[Reason, ...]
    artefact: Artefact | None = None
    decided: tuple[ChosenThreshold, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


def run_tuning(task: TuneInputs, *, calwatch_version: str) -> Tuned:
    """Choose on the earlier part, prove on the later one; nothing is written."""
    model = task.model
    if model.threshold is None:
        return Tuned(False, (Reason.of(Code.TUNE_NO_POLICY),))
    if task.refused:
        return Tuned(False, task.refused)
    untold = find_unanswerable(model) if task.boxes is None else None
    if untold is not None:
        return Tuned(False, (Reason.of(Code.TUNE_UNTOLD, policy=model.threshold.policy), untold))
    chosen = _of_samples(task) if task.boxes is None else _of_boxes(task)
    if not chosen.accepted:
        return Tuned(False, chosen.why, details=chosen.details)
    found = tuple(each.threshold for each in chosen.decided)
    points = points_of(found)
    if points == points_of(task.standing) and all(each.tuned for each in task.standing):
        return Tuned(False, (Reason.of(Code.TUNE_SAME), *chosen.why[1:]), details=chosen.details)
    most = None if task.boxes is None else matching_of(model).max_detections
    operating = OperatingPoints(model.threshold.policy, model.threshold.confidence, task.now, points, most)
    artefact = replace(
        _base_of(task, chosen), operating=operating, calwatch_version=calwatch_version, reasons=tell_reasons(chosen.why)
    )
    decided = tuple(
        replace(each, threshold=replace(each.threshold, calibrator=artefact.id, tuned=True)) for each in chosen.decided
    )
    return Tuned(True, chosen.why, artefact, decided, chosen.details)


def _base_of(task: TuneInputs, chosen: Choice) -> Artefact:
    """The artefact in charge as parent; where there is none, scores as they come."""
    if task.base is not None:
        return replace(task.base, parent=task.base.id)
    assert chosen.earlier is not None
    return Artefact(
        model=task.model.name, scope=task.scope, method=Identity.name, parameters={}, task=task.model.task,
        fitted_at=task.now, fit_window=chosen.earlier, gate_window=chosen.later, parent=None, calwatch_version="",
    )  # fmt: skip


def _of_boxes(task: TuneInputs) -> Choice:
    assert task.boxes is not None
    base = ThresholdInUse(task.model.name, task.scope, "", None, None, None, "", task.now, tuned=True)
    cut = _count_earlier(task, task.boxes.observed_at)
    return choose_points(task.model, task.boxes, task.calibrator, task.standing, base, cut)


def _of_samples(task: TuneInputs) -> Choice:
    """Thresholds of a model whose rows are its samples."""
    model, samples = task.model, task.samples
    assert samples is not None
    assert model.threshold is not None
    needed = model.recalibration.min_samples
    if len(samples) < needed:
        return Choice(False, (tell_few_samples(model, samples, needed, len(samples)),))
    early, late = split_in_time(samples, _count_earlier(task, samples.observed_at) / len(samples))
    if not len(early) or not len(late):
        return Choice(False, (Reason.of(Code.GATE_NO_SAMPLES),))
    decided, said = choose_thresholds(model, task.scope, task.calibrator, early, late, "", task.now)
    better = find_better(model, task.calibrator, late, decided, task.standing)
    spans = _window(early.observed_at), _window(late.observed_at)
    if not any(each.is_new for each in better):
        return Choice(False, (_turned_down(decided), *said), earlier=spans[0], later=spans[1])
    kept = tuple(each.threshold for each in better)
    found = sum(each.threshold.threshold is not None for each in kept)
    grouped = late.group is not None
    later, unit = (len(np.unique(late.units())), model.noun) if grouped else (len(late), "sample")
    told = Reason.of(Code.TUNE_ACCEPTED, points=found, later=later, unit=unit)
    return Choice(True, (told, *said), kept, *spans)


def _turned_down(decided: tuple[ChosenThreshold, ...]) -> Reason:
    policy = decided[0].threshold.policy if decided else ""
    if any(each.threshold.kept is False for each in decided):
        return Reason.of(Code.TUNE_NOT_PROMISED, policy=policy)
    return Reason.of(Code.TUNE_NOT_BETTER, policy=policy)


def _count_earlier(task: TuneInputs, observed_at: Floats) -> int:
    """How many are the earlier ones: half, and all that the calibrator in charge was fitted on where enough are left."""
    half = round(len(observed_at) / 2)
    if task.base is None or task.base.method == Identity.name:
        return half
    beyond = int(np.searchsorted(observed_at, task.base.fit_window.end.timestamp(), side="right"))
    return max(half, beyond) if beyond <= (1 - LATER) * len(observed_at) else half


def _window(observed_at: Floats) -> SampleSpan:
    first, last = (datetime.fromtimestamp(float(observed_at[edge]), UTC) for edge in (0, -1))
    return SampleSpan(first, last, len(observed_at))
