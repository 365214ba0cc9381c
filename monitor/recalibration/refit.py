"""One refit from samples to decision: split in time, select and fit, judge on the later part, choose a threshold.

The windows follow each other in time and share no group: one selects and fits (selection by folds of its own, each
judged by what is later than it was fitted on), one is the gate's, and the last, where thresholds are asked for, is
theirs. No sample has a say in two of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from monitor.config.settings import Model
from monitor.model import Slice, ThresholdInUse, finest_scope
from monitor.model.reasons import Code, Reason
from monitor.model.refits import SampleSpan
from monitor.model.samples import Samples
from monitor.model.words import tell_reasons
from monitor.recalibration.artefacts import Artefact
from monitor.recalibration.calibrators import Calibrator, Identity
from monitor.recalibration.gate import Verdict, count_bars, judge_candidate, split_in_time
from monitor.recalibration.selection import FitCells, select_calibrator, select_calibrator_from_cells
from monitor.recalibration.straddling import reasons_with_straddling, tell_few_samples
from monitor.recalibration.thresholds import ChosenThreshold, choose_thresholds, is_choice_due, is_promise_broken
from monitor.statistics.arrays import Floats

THRESHOLD_SHARE = 0.2  # of all samples, the newest, where thresholds are asked for


@dataclass(frozen=True, slots=True)
class RefitInputs:
    """A refit's inputs, as they were in the database when the job began."""

    model: Model
    scope: Slice
    samples: Samples
    slices: tuple[Slice, ...]
    charge: Mapping[Slice, tuple[str, Calibrator]]  # scope → (artefact id, calibrator) in charge
    now: datetime
    notes: tuple[Reason, ...]  # since when, and what was left out
    apart: tuple[Slice, ...] = ()  # of ``slices``, those that await refits of their own
    standing: ThresholdInUse | None = None  # the threshold in force for the scope
    counted: FitCells | None = None  # all samples of the fit window, where ``samples`` are a choice
    is_tuned: bool = (
        False  # thresholds in force for the scope are of a tuning: in the artefact, and so another's to choose
    )


@dataclass(frozen=True, slots=True)
class Refit:
    """What a refit found. ``artefact`` is the candidate, to be promoted if ``accepted``; None when none could be fitted."""

    accepted: bool
    why: tuple[Reason, ...]
    artefact: Artefact | None = None
    verdict: Verdict | None = None
    decided: tuple[ChosenThreshold, ...] = ()  # thresholds: over all samples first, then per class
    threshold_window: SampleSpan | None = None  # kept for them: what they are measured on
    # of the gate's samples, as they were scored; see ``count_bars``
    bars_before: tuple[tuple[float | None, ...], ...] = ()
    bars_after: tuple[tuple[float | None, ...], ...] = ()  # and as the candidate scores them
    tuning_due: bool = False  # what was tuned stays in charge, and its promise is surely broken

    @property
    def threshold(self) -> ThresholdInUse | None:
        """The threshold over all samples; None where none was asked for."""
        return self.decided[0].threshold if self.decided else None


def run_refit(task: RefitInputs, *, calwatch_version: str) -> Refit:
    """Fit on the earlier samples, judge on the later ones against what is in use for them; nothing is written.

    On samples of the slices ``apart`` nothing is fitted, but they must not become worse. Where samples are a choice,
    all that ``counted`` holds is selected and fitted on in their place. When nothing is promoted a threshold is chosen
    for what stays in charge if there is none yet, or if the promise of the standing one is broken. What was tuned is tuned
    again instead, by a job of its own.
    """
    model, scope, samples, in_use, apart, counted = (
        task.model, task.scope, task.samples, task.charge, task.apart, task.counted
    )  # fmt: skip
    settings = model.recalibration
    own = len(samples) - int(mask_slices(samples, task.slices, apart).sum())
    if own < settings.min_samples:
        return Refit(False, (tell_few_samples(model, samples, settings.min_samples, own),))
    border = counted.border if counted else None
    early, late, last = split_windows(
        samples, settings.gate_fraction, thresholds=model.threshold is not None, border=border
    )
    fitting, others = early.subset(~mask_slices(early, task.slices, apart)), mask_slices(late, task.slices, apart)
    judging = late.subset(~others)
    try:
        if counted:
            chosen = select_calibrator_from_cells(settings.method, counted.cells, confidence=settings.confidence)
        else:
            chosen = select_calibrator(settings.method, fitting, confidence=settings.confidence)
    except ValueError as missing:
        return Refit(False, (Reason.of(Code.REFIT_UNFIT, method=settings.method, problem=str(missing)),))
    current = current_scores(late, task.slices, in_use)
    candidate = chosen.calibrator.apply(late.score, late.logits)
    names = [slice_.text for slice_ in task.slices]
    verdict = judge_candidate(current, candidate, late, names, apart=others, confidence=settings.confidence)
    judged = (each.name_groups(model.noun) for each in reasons_with_straddling(verdict, samples, early, late, last))
    why = *chosen.why, *judged
    parent = finest_scope(scope, list(in_use))
    fit_window = SampleSpan(counted.start, counted.border, counted.n) if counted else _window(fitting)
    artefact = Artefact(
        model=model.name, scope=scope, method=chosen.calibrator.method, parameters=chosen.calibrator.parameters(),
        task=model.task, fitted_at=task.now, fit_window=fit_window, gate_window=_window(judging),
        parent=in_use[parent][0] if parent is not None else None, calwatch_version=calwatch_version,
        before=verdict.before, after=verdict.after, reasons=tell_reasons(why),
        logits_are=samples.about_logits.held if chosen.calibrator.needs_logits else "logits",
    )  # fmt: skip
    # for the whole it may be that nothing stays in charge, which leaves scores as they are
    stays = in_use.get(scope) or (("", Identity()) if not scope.order else None)
    decided: tuple[ChosenThreshold, ...] = ()
    said: tuple[Reason, ...] = ()
    tuning_due = False
    if verdict.accepted:
        decided, said = choose_thresholds(model, scope, chosen.calibrator, early, last, artefact.id, task.now)
    elif task.is_tuned:
        tuning_due = stays is not None and is_promise_broken(model, task.standing, stays[1], last)
    elif stays is not None and is_choice_due(model, task.standing, stays, last):
        decided, said = choose_thresholds(model, scope, stays[1], early, last, stays[0], task.now)
    last_window = _window(last) if len(last) else None
    before, after = (count_bars(score[~others], judging) for score in (current, candidate))
    return Refit(
        verdict.accepted, (*why, *said), artefact, verdict, decided, last_window, before, after, tuning_due
    )  # fmt: skip


def split_windows(
    samples: Samples, later: float, *, thresholds: bool, border: datetime | None = None
) -> tuple[Samples, Samples, Samples]:
    """(fit, gate, thresholds): the last share ``later`` of the samples is the gate's. With ``thresholds`` the newest
    fifth is theirs, and ``later`` a share of the others.

    With a ``border``, which is for samples without groups, the later ones are those observed from then on.
    """
    kept = THRESHOLD_SHARE if thresholds else 0.0
    beyond = later * (1 - kept) + kept
    if border is None:
        early, late = split_in_time(samples, 1 - beyond)
    else:
        before = samples.observed_at < border.timestamp()
        early, late = samples.subset(before), samples.subset(~before)
    gate, last = (
        split_in_time(late, 1 - kept / beyond)
        if thresholds
        else (late, late.subset(np.zeros(len(late), dtype=np.bool_)))
    )
    return early, gate, last


def mask_slices(samples: Samples, slices: Sequence[Slice], some: Collection[Slice]) -> NDArray[np.bool_]:
    """(N,) whether each sample's finest slice is one of ``some``."""
    return np.isin(samples.slice_index, [index for index, own in enumerate(slices) if own in some])


def current_scores(samples: Samples, slices: Sequence[Slice], in_use: Mapping[Slice, tuple[str, Calibrator]]) -> Floats:
    """(N,) what each sample's raw score becomes under the calibrator in charge of its slice now."""
    scores = samples.score.copy()
    charge = [finest_scope(slice_, list(in_use)) for slice_ in slices]
    for scope in {scope for scope in charge if scope is not None}:
        rows = mask_slices(
            samples, slices, [own for own, serving in zip(slices, charge, strict=True) if serving == scope]
        )
        part = samples.subset(rows)
        scores[rows] = in_use[scope][1].apply(part.score, part.logits)
    return scores


def _window(samples: Samples) -> SampleSpan:
    if not len(samples):
        epoch = datetime.fromtimestamp(0, UTC)
        return SampleSpan(epoch, epoch, 0)
    first, last = (datetime.fromtimestamp(float(samples.observed_at[edge]), UTC) for edge in (0, -1))
    return SampleSpan(first, last, len(samples))
