"""A small snapshot in which everything that can be published occurs once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.model import (
    METRICS,
    Alert,
    AlertState,
    CalibratorInUse,
    Evidence,
    GroupSpans,
    Health,
    Job,
    JobState,
    LabelDelays,
    ModelStatus,
    Published,
    Reading,
    ReadingState,
    ReliabilityBin,
    Severity,
    Slice,
    Straddling,
    Task,
    ThresholdInUse,
    ThresholdRule,
    WaitingLabels,
)
from monitor.model.reasons import BY_HAND, Code, Reason, Trigger, TriggerKind

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHOLE = Slice()
NIGHT = Slice.of({"camera": "c3", "lighting": "night"})
BINS = (
    ReliabilityBin(0.0, 1 / 15, 300.0, 0.03, 0.04, 0.02, 0.07),
    ReliabilityBin(14 / 15, 1.0, 100.0, 0.97, 0.60, 0.50, 0.69),
)


def make_reading(
    slice_: Slice = WHOLE, *, window: str = "24h", version: str = "v1", samples: int = 400, **metrics: float | None
) -> Reading:
    return Reading(
        model="digits", version=version, slice=slice_, window=window, window_start=AT - 24 * HOUR, window_end=AT,
        computed_at=AT, state=ReadingState.OK, samples=samples, unlabelled=100, label_lag_seconds=5400.0,
        metrics={**dict.fromkeys(METRICS), **metrics}, reliability=BINS,
    )  # fmt: skip


def make_grouped_reading(slice_: Slice, **metrics: Any) -> Reading:
    """One of samples in groups."""
    return replace(make_reading(slice_, **metrics), groups=80, group_noun="clip")


OFF = Reason.of(Code.THRESHOLD, metric="ece_lower", value=0.083, bound=0.05, clears=False, window="24h", samples=400)


def make_alert(
    slice_: Slice = NIGHT,
    state: AlertState = AlertState.FIRING,
    *,
    health: Health = Health.OK,
    rule: str = "ece-high",
    severity: Severity = Severity.TICKET,
    since: datetime | None = AT - 3 * HOUR,
    why: Reason = OFF,
) -> Alert:
    return Alert(
        model="digits", version="v1", rule=rule, slice=slice_, severity=severity, state=state, health=health,
        why=why, value=0.083, since=since, fired_at=None, last_true_at=AT, resolved_at=None, evaluated_at=AT,
        onset=AT - 30 * HOUR,
    )  # fmt: skip


RULE = ThresholdRule(
    name="ece-high", severity=Severity.TICKET, origin="default.toml: rule 1",
    summary="Scores are off by more than five points.", metric="ece_lower", above=0.05, window="24h",
)  # fmt: skip


@pytest.fixture
def reading() -> Callable[..., Reading]:
    return make_reading


@pytest.fixture
def alert() -> Callable[..., Alert]:
    return make_alert


@pytest.fixture
def small() -> Published:
    readings = (
        make_reading(
            ece=0.025, ece_debiased=0.0125, ece_lower=0.0, ece_upper=0.04, ece_null_quantile=0.03,
            calibration_gap=-0.01, brier_score=0.125, log_loss=0.4, auroc=0.93, threshold_precision=0.9,
            threshold_precision_lower=0.84, threshold_precision_upper=0.94, threshold_recall=0.7,
            threshold_recall_lower=0.63, threshold_recall_upper=0.76, threshold_f1=0.7875, truths=420.0,
            labelled_images=60.0, recall_ceiling=0.9, fp_per_image=0.5, ece_above_threshold=0.0625, laece=0.15,
            average_precision=0.6, average_precision_50=0.7,
        ),
        make_grouped_reading(
            NIGHT, ece=0.1, ece_debiased=0.095, ece_lower=0.083, ece_upper=0.12, ece_null_quantile=0.03,
            calibration_gap=0.09, brier_score=0.2, log_loss=0.6, auroc=None,
        ),
        Reading(
            model="digits", version="v1", slice=Slice.of({"camera": "c4"}), window="24h", window_start=AT - 24 * HOUR,
            window_end=AT, computed_at=AT, state=ReadingState.INSUFFICIENT, samples=12, unlabelled=36,
            label_lag_seconds=None, metrics=dict.fromkeys(METRICS),
        ),
    )  # fmt: skip
    digits = ModelStatus(
        name="digits", task=Task.MULTICLASS, dimensions=("camera", "lighting"), min_samples=100, readings=readings,
        alerts=(make_alert(), make_alert(Slice(), AlertState.RESOLVED)), rules=(RULE,),
        calibrators=(
            CalibratorInUse("digits", Slice(), "9f31c2aa01b4d7e6", "temperature", AT - HOUR, AT - HOUR, None),
            CalibratorInUse("digits", NIGHT, "11f1c2aa01b4d7e6", "isotonic", AT - 50 * HOUR, AT - 49 * HOUR, True),
        ),
        evidence=(
            Evidence("digits", "v1", "9f31c2aa01b4d7e6", "calibration-drift", NIGHT, AT - 50 * HOUR, AT, 0.42),
        ),
        label_delays=LabelDelays(
            "digits", AT, timedelta(0), True, samples=12345, earlier=0.8, median_true=2 * HOUR, median_false=9 * HOUR,
            settled=26 * HOUR,
        ),
        waiting_labels=(
            WaitingLabels("digits", "lake", 12, AT - 9 * HOUR, AT - HOUR, 1, 3, ("007", "008"), ("7",), compared_at=AT),
        ),
        sources=("lake",),
        group_spans=GroupSpans(
            "digits", AT, AT - 720 * HOUR, HOUR, Straddling(4000, 4000, 900, 0.004, 0.0, ("clip-8",), (12,), (HOUR,))
        ),
        thresholds=(
            ThresholdInUse("digits", Slice(), "cost:fp=1,fn=4", 0.2134, 0.875, 0.96, "9f31c2aa01b4d7e6", AT - HOUR),
            ThresholdInUse(
                "digits", NIGHT, "precision>=0.9", 0.75, 0.93, 0.6, "11f1c2aa01b4d7e6", AT - 49 * HOUR,
                per="predicted_class", class_name="7", kept=True, precision_lower=0.905, precision_upper=0.95,
                recall_lower=0.55, recall_upper=0.65, share=0.4, samples=700, groups=700, bound="clopper-pearson",
                nms_iou=0.5,
            ),
            ThresholdInUse(
                "digits", NIGHT, "precision>=0.9", None, None, None, "11f1c2aa01b4d7e6", AT - 49 * HOUR,
                per="predicted_class", class_name="8", kept=False, best=0.86, best_threshold=0.9,
            ),
        ),
        jobs=(
            Job(
                "a1b2c3d4e5f6", "digits", "recalibrate", Trigger(TriggerKind.RULE, "ece-high"), NIGHT, AT - 2 * HOUR,
                JobState.REJECTED,
                why=(Reason.of(Code.GATE_FEW_SAMPLES, needed=200, found=141),),
            ),
            Job(
                "b1b2c3d4e5f6", "digits", "recalibrate", BY_HAND, Slice(), AT - HOUR, JobState.PROMOTED,
                why=(Reason.from_text("accepted: log-loss falls by 0.021"),),
                details={"before": {"ece": 0.083, "log_loss": 0.41}, "after": {"ece": 0.012, "log_loss": 0.39}},
            ),
        ),
        last_success={"pull": AT, "measure": AT - HOUR},
    )  # fmt: skip
    seams = ModelStatus(
        name="seams", task=Task.SEGMENTATION, dimensions=("station",), problem="SourceError: /in is gone"
    )  # fmt: skip
    return Published(AT, (digits, seams))
