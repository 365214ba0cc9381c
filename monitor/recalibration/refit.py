"""One refit from samples to decision: split in time, select and fit, judge on the later part, choose a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from monitor.config import Model
from monitor.model import Slice, ThresholdInUse
from monitor.recalibration.artefacts import Artefact, SampleWindow
from monitor.recalibration.calibrators import Calibrator
from monitor.recalibration.gate import Verdict, judge, split_in_time
from monitor.recalibration.samples import Samples
from monitor.recalibration.selection import select
from monitor.statistics.thresholds import operating_points, parse_policy

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Refit:
    """What a refit found. ``artefact`` is the candidate, to be promoted if ``accepted``; None when none could be fitted."""

    accepted: bool
    reasons: tuple[str, ...]
    artefact: Artefact | None = None
    verdict: Verdict | None = None
    threshold: ThresholdInUse | None = None


def finest_scope(slice_: Slice, scopes: Sequence[Slice]) -> Slice | None:
    """The scope in charge of a slice: the one naming most labels; among equals the first in canonical order."""
    fitting = [scope for scope in scopes if scope.contains(slice_)]
    return min(fitting, key=lambda scope: (-scope.order, scope.labels)) if fitting else None


def refit(
    model: Model,
    scope: Slice,
    samples: Samples,
    slices: Sequence[Slice],
    in_use: Mapping[Slice, tuple[str, Calibrator]],
    now: datetime,
    *,
    calwatch_version: str,
) -> Refit:
    """Fit on the earlier samples, judge on the later ones against what is in use for them; nothing is written.

    ``in_use``: scope → (artefact id, calibrator) in charge now; ``slices``: the finest slice of each slice_index.
    """
    settings = model.recalibration
    if len(samples) < settings.min_samples:
        return Refit(
            False,
            (f"rejected: needs {settings.min_samples:,} labelled samples, has {len(samples):,}; nothing changes",),
        )
    early, late = split_in_time(samples, 1 - settings.gate_fraction)
    try:
        chosen = select(settings.method, early, confidence=settings.confidence)
    except ValueError as missing:
        return Refit(False, (f"rejected: {settings.method} cannot be fitted: {missing}; nothing changes",))
    current = current_scores(late, slices, in_use)
    candidate = chosen.calibrator.apply(late.score, late.logits)
    verdict = judge(current, candidate, late, [slice_.text for slice_ in slices], confidence=settings.confidence)
    parent = finest_scope(scope, list(in_use))
    artefact = Artefact(
        model=model.name, scope=scope, method=chosen.calibrator.method, parameters=chosen.calibrator.parameters(),
        task=model.task, fitted_at=now, fit_window=_window(early), gate_window=_window(late),
        parent=in_use[parent][0] if parent is not None else None, calwatch_version=calwatch_version,
        before=verdict.before, after=verdict.after, reasons=(*chosen.reasons, *verdict.reasons),
    )  # fmt: skip
    threshold = _threshold(model, scope, chosen.calibrator, early, late, artefact.id, now) if verdict.accepted else None
    return Refit(verdict.accepted, artefact.reasons, artefact, verdict, threshold)


def current_scores(samples: Samples, slices: Sequence[Slice], in_use: Mapping[Slice, tuple[str, Calibrator]]) -> Floats:
    """(N,) what each sample's raw score becomes under the calibrator in charge of its slice now."""
    scores = samples.score.copy()
    charge = [finest_scope(slice_, list(in_use)) for slice_ in slices]
    for scope in {scope for scope in charge if scope is not None}:
        rows = np.isin(samples.slice_index, [index for index, own in enumerate(charge) if own == scope])
        part = samples.subset(rows)
        scores[rows] = in_use[scope][1].apply(part.score, part.logits)
    return scores


def _window(samples: Samples) -> SampleWindow:
    if not len(samples):
        epoch = datetime.fromtimestamp(0, UTC)
        return SampleWindow(epoch, epoch, 0)
    first, last = (
        datetime.fromtimestamp(float(edge), UTC) for edge in (samples.observed_at[0], samples.observed_at[-1])
    )
    return SampleWindow(first, last, len(samples))


def _threshold(
    model: Model, scope: Slice, calibrator: Calibrator, early: Samples, late: Samples, artefact_id: str, now: datetime
) -> ThresholdInUse | None:
    """Chosen on the fit part; precision and recall are those on the later part."""
    if model.threshold is None:
        return None
    policy = parse_policy(model.threshold.policy)
    chosen = policy.choose(operating_points(calibrator.apply(early.score, early.logits), early.outcome))
    if chosen is None or not np.isfinite(chosen.threshold):
        return None
    later = operating_points(calibrator.apply(late.score, late.logits), late.outcome).at(chosen.threshold)
    return ThresholdInUse(
        model=model.name, scope=scope, policy=policy.text, threshold=chosen.threshold, precision=later.precision,
        recall=later.recall, calibrator=artefact_id, chosen_at=now,
    )  # fmt: skip
