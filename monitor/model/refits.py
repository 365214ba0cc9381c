"""Jobs, and what they put in charge."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from monitor.model.slices import Slice

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
    """One recalibration, rollback or action, from request to outcome."""

    id: str
    model: str
    kind: str  # "recalibrate" | "rollback" | "action"
    trigger: (
        str  # "rule ece-high", "schedule 2026-03-01T02:00:00+00:00", "manual", "guard", "job 0123456789ab promoted"
    )
    scope: Slice
    requested_at: datetime
    state: JobState
    onset: datetime | None = None  # fit on data from here on
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    attempts: int = 0  # begun so far
    next_attempt_at: datetime | None = None  # of a queued job that failed for a reason that may pass
    interruptions: int = 0  # of the attempts, those that ended with calwatch itself: they count towards no limit


def job_of(
    model: str, kind: str, trigger: str, scope: Slice, now: datetime, *, onset: datetime | None = None,
    details: Mapping[str, object] | None = None, key: str = "",
) -> Job:  # fmt: skip
    """A queued job. Its id follows from what it is, so asking twice for the same is asking once.

    ``key`` tells apart jobs that are the same in all else: actions of one moment.
    """
    parts = [model, kind, trigger, scope.text, now.isoformat(), *([key] if key else [])]
    return Job(
        id=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12], model=model, kind=kind, trigger=trigger,
        scope=scope, requested_at=now, state=JobState.QUEUED, onset=onset, details=details or {},
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

    ``threshold`` is None where no threshold can promise what the policy asks. Bounds are one-sided, each at
    ``confidence``. With policy ``accuracy>=…``, ``precision`` is the accuracy among the kept and ``share`` the coverage.
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
    kept: bool | None = None  # whether a promise holds, with `confidence`; None: the policy promises nothing
    confidence: float = 0.95
    bound: str = ""  # kind of the bounds, in words
    samples: int = 0
    groups: int = 0  # images or clips; samples where there are none
    precision_lower: float | None = None
    precision_upper: float | None = None
    recall_lower: float | None = None
    recall_upper: float | None = None
    share: float | None = None  # of samples at or above the threshold
    fp_per_group: float | None = None  # false positives per image or clip
    best: float | None = None  # the best confidence bound of any threshold, by itself: what could be hoped for
    best_threshold: float | None = None
    empirical: float | None = None  # cost: what was cheapest in the samples; above 1: to predict nothing positive
    reason: str = ""  # all this in a sentence
