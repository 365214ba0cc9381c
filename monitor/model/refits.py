"""Jobs, and what they put in charge."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from monitor.model.reasons import VERDICTS, Reason, Trigger
from monitor.model.slices import Slice
from monitor.model.words import restore_reason, tell_reason, tell_reasons, tell_trigger

PROMOTED, ROLLED_BACK = "promoted", "rolled back"  # why a calibrator took charge


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PROMOTED = "promoted"
    REJECTED = "rejected"  # ran well; the gate said no, with its reasons
    FAILED = "failed"
    DONE = "done"  # jobs that have no gate (rollback, action)
    CANCELLED = "cancelled"
    WOULD_RUN = "would_run"  # an action in a backtest: recorded, not run


@dataclass(frozen=True, slots=True)
class Job:
    """One recalibration, tuning, rollback or action, from request to outcome."""

    id: str
    model: str
    kind: str  # "recalibrate" | "tune" | "rollback" | "action"
    asked_by: Trigger
    scope: Slice
    requested_at: datetime
    state: JobState
    onset: datetime | None = None  # fit on data from here on
    started_at: datetime | None = None
    finished_at: datetime | None = None
    why: tuple[Reason, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    attempts: int = 0  # begun so far
    next_attempt_at: datetime | None = None  # of a queued job that failed for a reason that may pass
    interruptions: int = 0  # of the attempts, those that ended with calwatch itself: they count towards no limit

    @property
    def trigger(self) -> str:
        """Return who asked for it, in words."""
        return tell_trigger(self.asked_by)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return a sentence for each reason, for people."""
        return tell_reasons(self.why)

    @property
    def verdict(self) -> Reason | None:
        """Return the first reason that decided how it ended; None where none says so."""
        return next((reason for reason in self.why if reason.code in VERDICTS), None)

    @property
    def refit(self) -> "RefitRecord | None":
        """Return what a refit left on record; None where it fitted no candidate."""
        return RefitRecord.from_details(self.details)

    @property
    def tuned(self) -> Mapping[str, Any]:
        """Return what a tuning left on record: points and the id of their artefact where it was accepted; empty: nothing."""
        held = self.details.get("tuned")
        return held if isinstance(held, Mapping) else {}

    @property
    def action(self) -> str:
        """Return the name of the action that it calls; "" where it calls none."""
        return str(self.details.get("action") or "")

    @property
    def payload(self) -> Mapping[str, Any] | None:
        """Return what it tells the action."""
        held = self.details.get("payload")
        return held if isinstance(held, Mapping) else None


@dataclass(frozen=True, slots=True)
class SampleSpan:
    """Samples observed in [start, end], and how many."""

    start: datetime
    end: datetime
    samples: int

    @property
    def as_details(self) -> dict[str, object]:
        """Return it as ``Job.details`` hold it."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat(), "samples": self.samples}


@dataclass(frozen=True, slots=True)
class RefitRecord:
    """What a refit that fitted a candidate leaves in ``Job.details``, accepted or not.

    ``before`` and ``after`` are the gate's numbers (n, ece, log_loss, brier …) of what was in charge and of the candidate;
    ``bars_…`` the reliability bars of the gate's samples, each the number of its bin and ``gate.COLUMNS``; None = unknown.
    Releases before kept less.
    """

    calibrator: str
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, float | None] = field(default_factory=dict)
    after: Mapping[str, float | None] = field(default_factory=dict)
    fit: SampleSpan | None = None
    gate: SampleSpan | None = None
    thresholds: SampleSpan | None = None  # where thresholds were asked for
    threshold: float | None = None  # over all samples
    bars_before: tuple[tuple[float | None, ...], ...] = ()
    bars_after: tuple[tuple[float | None, ...], ...] = ()

    @property
    def as_details(self) -> dict[str, object]:
        """Return the record as JSON values."""
        spans = {name: getattr(self, name) for name in ("fit", "gate", "thresholds")}
        return {
            "calibrator": self.calibrator, "method": self.method, "parameters": dict(self.parameters),
            "before": dict(self.before), "after": dict(self.after),
            **{name: span.as_details if span else None for name, span in spans.items()},
            "threshold": self.threshold, "bars": {"before": self.bars_before, "after": self.bars_after},
        }  # fmt: skip

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> "RefitRecord | None":
        """Return the record that ``details`` hold; None where they hold none."""
        if details.keys().isdisjoint(("calibrator", "before", "after")):
            return None
        bars = details.get("bars") or {}
        before, after = (tuple(tuple(bar) for bar in bars.get(side, ())) for side in ("before", "after"))
        fit, gate, thresholds = (_span_of(details.get(name)) for name in ("fit", "gate", "thresholds"))
        return cls(
            details.get("calibrator") or "", details.get("method") or "", details.get("parameters") or {},
            details.get("before") or {}, details.get("after") or {}, fit, gate, thresholds, details.get("threshold"), before,
            after,
        )  # fmt: skip


def _span_of(held: Mapping[str, Any] | None) -> SampleSpan | None:
    if not held:
        return None
    return SampleSpan(datetime.fromisoformat(held["start"]), datetime.fromisoformat(held["end"]), held["samples"])


@dataclass(frozen=True, slots=True)
class RollbackOrder:
    """What a rollback is asked for in ``Job.details``: to which calibrator ("" = the one before), whether only while a
    certain one is in charge, and why."""

    target: str = ""
    expected: str | None = None
    why: Reason | None = None

    @property
    def as_details(self) -> dict[str, object]:
        """Return the order as JSON values; its reason in words for people, and as code and facts."""
        named: dict[str, object] = {
            name: held for name, held in (("to", self.target), ("expected", self.expected)) if held
        }
        if self.why is None:
            return named
        return named | {"why": tell_reason(self.why), "code": self.why.code, "facts": dict(self.why.values)}

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> "RollbackOrder":
        """Return the order that ``details`` hold."""
        text = details.get("why")
        why = restore_reason(details.get("code"), details.get("facts") or {}, text) if text else None
        return cls(str(details.get("to") or ""), details.get("expected"), why)


def job_of(
    model: str, kind: str, asked_by: Trigger, scope: Slice, now: datetime, *,
    details: Mapping[str, object] | None = None, key: str = "",
) -> Job:  # fmt: skip
    """A queued job. Its id follows from what it is, so asking twice for the same is asking once.

    ``key`` tells apart jobs that are the same in all else: actions of one moment.
    """
    parts = [model, kind, asked_by.key, scope.text, now.isoformat(), *([key] if key else [])]
    return Job(
        id=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12], model=model, kind=kind, asked_by=asked_by,
        scope=scope, requested_at=now, state=JobState.QUEUED, details=details or {},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CalibratorInUse:
    """Which calibrator serves a scope of a model, and whether production has taken it up."""

    model: str
    scope: Slice
    calibrator: str  # artefact id
    method: str
    fitted_at: datetime
    promoted_at: datetime
    adopted: bool | None  # None: cannot be known yet (no sample since promotion)


@dataclass(frozen=True, slots=True)
class ThresholdInUse:
    """The decision threshold a policy chose for a calibrator, and how it did on samples that fitted neither.

    ``threshold`` is None where no threshold can promise what the policy asks, or none can be told: ``why`` says so, and
    ``kept`` is None where a promise is unknown. Recall is None where nobody knows the positives that were missed.
    Bounds are one-sided, each at ``confidence``. With policy ``accuracy>=…``, ``precision`` is the accuracy among the
    kept and ``share`` the coverage.
    """

    model: str
    scope: Slice
    policy: str  # "f1" | "cost:fp=1,fn=4" | "precision>=0.95"
    threshold: float | None
    precision: float | None
    recall: float | None
    calibrator: str
    chosen_at: datetime
    per: str = ""  # "predicted_class": among samples predicted as `class_name`; "class": one-vs-rest; "" = over all
    class_name: str = ""
    kept: bool | None = None  # whether a promise holds, with `confidence`; None: none is made, or it is unknown
    confidence: float = 0.95
    bound: str = ""  # kind of the bounds, in words
    samples: int = 0
    groups: int = 0  # images or clips; samples where there are none
    precision_lower: float | None = None
    precision_upper: float | None = None
    recall_lower: float | None = None
    recall_upper: float | None = None
    share: float | None = None  # of samples at or above the threshold
    fp_per_group: float | None = None  # false positives per image or clip, of those with a prediction
    best: float | None = None  # the best confidence bound of any threshold, by itself: what could be hoped for
    best_threshold: float | None = None
    empirical: float | None = None  # cost: what was cheapest in the samples; above 1: to predict nothing positive
    tuned: bool = False  # chosen by a job of its own, so that the calibrator's artefact holds it
    nms_iou: float | None = None  # of the suppression that goes with it; None: production's alone
    fp_per_image: float | None = None  # of all labelled images, also those without a detection; None: unknown
    why: Reason = Reason("")  # noqa: RUF009  # frozen

    @property
    def reason(self) -> str:
        """Return all this in a sentence."""
        return tell_reason(self.why)
