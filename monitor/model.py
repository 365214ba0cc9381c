"""The nouns of calwatch as frozen values: what a slice, a reading, a rule, an alert, a job is. No I/O, no clock.

All times are timezone-aware UTC datetimes; all durations are timedeltas; a value that is not known is None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Task(StrEnum):
    """What the model does, and therefore which event its score is the probability of."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"

    @property
    def event(self) -> str:
        """The event in words; shown wherever a calibration number is shown, because users confuse these."""
        return _EVENTS[self]


_EVENTS = {
    Task.BINARY: "the positive class is true",
    Task.MULTICLASS: "the predicted class is right (top-label)",
    Task.DETECTION: "the box matches a ground-truth box of its class",
    Task.SEGMENTATION: "the pixel belongs to the class",
}

MISSING = "__missing__"  # slice value of a sample that has none
OTHER = "__other__"  # slice value that stands for all beyond max_slice_values


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=").replace("\n", "\\n")


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """A part of the traffic, named by label values: ``camera=c3,lighting=night``; no labels is the whole, ``all``."""

    labels: tuple[tuple[str, str], ...] = ()  # sorted by dimension name

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Slice":
        return cls(tuple(sorted(labels.items())))

    @property
    def text(self) -> str:
        """Canonical text; backslash, comma, equals sign and newline inside names and values are escaped with ``\\``."""
        return ",".join(f"{_escaped(name)}={_escaped(value)}" for name, value in self.labels) or "all"

    @property
    def order(self) -> int:
        """0 for the whole, 1 for a marginal (one dimension), 2 and more for a cross."""
        return len(self.labels)

    def as_dict(self) -> dict[str, str]:
        return dict(self.labels)

    def contains(self, other: "Slice") -> bool:
        """Whether every sample of ``other`` is one of this slice, by the labels they name."""
        return set(self.labels) <= set(other.labels)

    @classmethod
    def parse(cls, text: str) -> "Slice":
        """The slice a canonical text names. Raises ValueError with the part that is not ``name=value``."""
        if text == "all":
            return cls()
        fields: list[str] = [""]
        pairs: list[list[str]] = []
        characters = iter(text)
        for character in characters:
            if character == "\\":
                following = next(characters, "")
                fields[-1] += "\n" if following == "n" else following
            elif character == "=":
                fields.append("")
            elif character == ",":
                pairs.append(fields)
                fields = [""]
            else:
                fields[-1] += character
        pairs.append(fields)
        for pair in pairs:
            if len(pair) != 2 or not pair[0]:
                raise ValueError(f'slice must be "all" or "name=value,…" (got {"=".join(pair)!r} in {text!r})')
        return cls.of({pair[0]: pair[1] for pair in pairs})


class ReadingState(StrEnum):
    OK = "ok"
    INSUFFICIENT = "insufficient"  # too few labelled samples for any metric to mean something


# Metric names of a reading, in the order tables show them. Rules name these; the snapshot has a column for each.
METRICS = (
    "ece",
    "ece_debiased",
    "ece_lower",
    "ece_upper",
    "ece_null_quantile",
    "ece_squared_debiased",
    "ece_squared_lower",
    "ece_squared_upper",
    "mce",
    "smooth_ece",
    "calibration_gap",
    "gap_lower",
    "gap_upper",
    "brier_score",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "log_loss",
    "auroc",
    "outcome_rate",
    "mean_score",
)
# Counts and ratios that a reading has even when its state is insufficient; rules may name these too.
COUNTS = ("samples", "unlabelled", "label_coverage", "label_lag_seconds")


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bar of a reliability diagram: samples with a score in [low, high), the last bin closed above."""

    low: float
    high: float
    samples: float
    mean_score: float | None
    outcome_rate: float | None
    rate_lower: float | None  # 95 % interval of the outcome rate
    rate_upper: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one slice of one model version over one window, as of ``computed_at``."""

    model: str
    version: str
    slice: Slice
    window: str  # its name, e.g. "24h"
    window_start: datetime
    window_end: datetime
    computed_at: datetime
    state: ReadingState
    samples: int  # labelled, with pre-counted rows weighing their count
    unlabelled: int
    label_lag_seconds: float | None  # mean of labelled_at − observed_at
    metrics: Mapping[str, float | None] = field(default_factory=dict)  # every name in METRICS; None = unknown
    reliability: tuple[ReliabilityBin, ...] = ()

    @property
    def label_coverage(self) -> float | None:
        """Labelled share of all predictions in the window; None without predictions."""
        predictions = self.samples + self.unlabelled
        return self.samples / predictions if predictions else None

    def value(self, metric: str) -> float | None:
        """The value a rule sees: a member of METRICS or COUNTS; None when it is unknown."""
        if metric == "samples":
            return float(self.samples)
        if metric == "unlabelled":
            return float(self.unlabelled)
        if metric == "label_coverage":
            return self.label_coverage
        if metric == "label_lag_seconds":
            return self.label_lag_seconds
        return self.metrics.get(metric)


class RuleKind(StrEnum):
    THRESHOLD = "threshold"
    ABSENCE = "absence"
    DRIFT = "drift"


class Severity(StrEnum):
    INFO = "info"
    TICKET = "ticket"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Rule:
    """What to watch for, as read from a rule pack. Fields that do not belong to ``kind`` are None."""

    name: str
    kind: RuleKind
    severity: Severity
    origin: str  # "default.toml: rule 2", for messages
    summary: str = ""
    actions: tuple[str, ...] = ()
    cooldown: timedelta = timedelta(hours=24)  # while firing, actions run again after this long
    hold: timedelta = timedelta(0)  # `for`: how long the condition must hold before it fires
    keep_firing_for: timedelta = timedelta(0)
    orders: tuple[int, ...] = (0, 1, 2)  # slice orders it applies to
    only: Slice = Slice()  # and only slices inside this one
    # threshold
    metric: str | None = None
    above: float | None = None
    below: float | None = None
    clear_above: float | None = None  # with `below`: resolved only above this (hysteresis)
    clear_below: float | None = None  # with `above`: resolved only below this
    window: str | None = None
    min_samples: int = 0
    # absence
    absent: str | None = None  # "samples" | "labels" | "pulls"
    longer_than: timedelta | None = None
    # drift
    false_alarms_per_year: float | None = None  # over all slices the rule covers, however often it is looked at
    tolerance_odds: float | None = None  # outcome odds within this factor of the score's are no drift
    tolerance_probability: float | None = None  # outcome rates within this of the score are no drift


class AlertState(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Health(StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"  # no reading, or too few samples: the state is kept, not healed
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Alert:
    """The state of one rule for one slice of one model version; persisted, so a restart goes on where it was."""

    model: str
    version: str
    rule: str
    slice: Slice
    severity: Severity
    state: AlertState
    health: Health
    reason: str  # one sentence with numbers
    value: float | None  # last known value of what the rule watches
    since: datetime | None  # when the condition began to hold (pending or firing)
    fired_at: datetime | None
    last_true_at: datetime | None
    resolved_at: datetime | None
    evaluated_at: datetime
    onset: datetime | None = None  # estimated start of the miscalibration, set when it fires
    last_action_at: datetime | None = None


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PROMOTED = "promoted"
    REJECTED = "rejected"  # ran well; the gate said no, with its reasons
    FAILED = "failed"
    DONE = "done"  # jobs that have no gate (rollback)


@dataclass(frozen=True, slots=True)
class Job:
    """One recalibration or rollback, from request to outcome."""

    id: str
    model: str
    kind: str  # "recalibrate" | "rollback"
    trigger: str  # "rule ece-high", "schedule 2026-03-01T02:00:00+00:00", "manual"
    scope: Slice
    requested_at: datetime
    state: JobState
    onset: datetime | None = None  # fit on data from here on
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LastSeen:
    """Newest times of a slice of a model, for absence rules; None when there never was one."""

    slice: Slice
    observed_at: datetime | None
    labelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The drift evidence of one slice under one drift rule, after its newest judged bucket."""

    model: str
    version: str
    calibrator: str  # in use for the slice; "" = none
    rule: str
    slice: Slice
    opened: datetime  # evidence counts from here on: first sight of this version and calibrator
    until: datetime  # end of the newest judged bucket
    ratio: float  # evidence over the alarm threshold; 1 = alarm
    alarm_at: datetime | None = None  # end of the bucket of the newest alarm
    alarm_ratio: float | None = None
    onset: datetime | None = None  # of that alarm: start of the bucket the drift most likely began in
    samples_since_onset: int | None = None
    direction: str = ""  # "over-confident above 0.8"


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
    """A decision threshold chosen with a calibrator, and how it did on data later than the fit."""

    model: str
    scope: Slice
    policy: str  # "f1" | "cost:fp=1,fn=4"
    threshold: float
    precision: float | None
    recall: float | None
    calibrator: str
    chosen_at: datetime


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """All that a cycle knows of one model, for Prometheus, the page and `calwatch status`."""

    name: str
    task: Task
    dimensions: tuple[str, ...]  # slice dimensions
    min_samples: int = 1  # labelled samples below which a reading is insufficient
    readings: tuple[Reading, ...] = ()
    alerts: tuple[Alert, ...] = ()
    rules: tuple[Rule, ...] = ()
    calibrators: tuple[CalibratorInUse, ...] = ()
    thresholds: tuple[ThresholdInUse, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    jobs: tuple[Job, ...] = ()  # newest last
    last_success: Mapping[str, datetime] = field(default_factory=dict)  # by stage
    problem: str | None = None  # why the last cycle failed for this model; None = it went well


@dataclass(frozen=True, slots=True)
class Published:
    """What one cycle publishes: immutable, swapped whole."""

    at: datetime
    models: tuple[ModelStatus, ...]
    problem: str | None = None  # why the snapshot for ops could not be replaced; None = it was
