"""What the past is told in: points of a course, events, attempts, rows set aside. Times are UTC, None is unknown."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitor.model import Job


@dataclass(frozen=True, slots=True)
class _Measured:
    version: str
    state: str  # "ok" | "insufficient"
    samples: int
    ece: float | None
    ece_debiased: float | None
    ece_lower: float | None
    ece_upper: float | None
    ece_null_quantile: float | None
    calibration_gap: float | None


@dataclass(frozen=True, slots=True)
class ReadingPoint(_Measured):
    """A reading of the past without its bars: the last one of its span of time."""

    at: datetime  # end of its window


@dataclass(frozen=True, slots=True)
class SliceReading(_Measured):
    """A reading of the past with the numbers a person asks for; the newest where nothing is said of a time."""

    slice: str
    window: str
    unlabelled: int
    label_coverage: float | None
    label_lag_seconds: float | None
    gap_lower: float | None
    gap_upper: float | None
    brier_score: float | None
    log_loss: float | None
    auroc: float | None
    window_start: datetime
    window_end: datetime
    iou: float | None = None  # that a box needs to be right; None: no boxes, or matched by the user
    groups: int | None = None  # that the samples come in; None: they are independent
    group_noun: str | None = None  # what one is called


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that an alert fired; ``resolved_at`` None: it fires still."""

    fired_at: datetime
    resolved_at: datetime | None
    rule: str
    severity: str
    slice: str
    version: str
    onset: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class UnsureAlert:
    """An alert whose rule could not be evaluated, and why."""

    rule: str
    version: str
    slice: str
    health: str  # "unknown" | "error"
    reason: str


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """Drift evidence over its limit (1 = alarm), the highest of its span of time."""

    at: datetime
    rule: str
    version: str
    calibrator: str
    samples: int  # those of one group count as one
    ratio: float


class EventKind(StrEnum):
    FIRED = "alert fired"
    RESOLVED = "alert resolved"
    ONSET = "drift began (estimate)"
    PROMOTED = "calibrator promoted"
    ROLLED_BACK = "calibrator rolled back"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a slice; ``text`` says what, in a few words."""

    at: datetime
    kind: EventKind
    text: str
    slice: str  # the one it happened to, or the scope that holds it


@dataclass(frozen=True, slots=True)
class Jobs:
    """A page of jobs, newest first, and how many there are."""

    jobs: tuple[Job, ...]
    total: int


@dataclass(frozen=True, slots=True)
class CalibratorRow:
    """A calibrator that was put in charge of a scope; ``in_charge`` whether it still is."""

    model: str
    scope: str
    calibrator: str
    method: str
    fitted_at: datetime
    promoted_at: datetime  # for the first time
    in_charge: bool


@dataclass(frozen=True, slots=True)
class Calibrators:
    """A page of calibrators, newest first, and how many there are."""

    calibrators: tuple[CalibratorRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a job."""

    attempt: int
    started_at: datetime
    finished_at: datetime
    seconds: float | None
    peak_memory: int | None  # bytes
    outcome: str
    message: str
    output: str | None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a threshold would have given; bounds are one-sided, at the confidence of the choice."""

    threshold: float
    share: float | None
    precision: float | None
    precision_lower: float | None
    precision_upper: float | None
    recall: float | None
    recall_lower: float | None
    recall_upper: float | None
    f1: float | None
    cost: float | None
    fp_per_group: float | None
    nms_iou: float | None = None  # of a detector, whose curve at each follow each other; 1: nothing is suppressed
    fp_per_image: float | None = None  # over all labelled images


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """How many rows of a source were set aside for one reason."""

    model: str
    source: str
    reason: str
    rows: int
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class LargestError:
    """A labelled sample whose score was far from what came true (``rate``: 0 or 1, or a share where it counts many), with its
    slice values in ``labels``. Of a detector ``group_id`` is the image."""

    sample_id: str
    group_id: str | None
    version: str
    observed_at: datetime
    labelled_at: datetime | None
    score: float
    rate: float
    predicted_class: str | None
    label: str | None
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row that was set aside: where it stood, why, and its text as read."""

    model: str
    source: str
    file: str
    row: int
    reason: str
    record: str | None
    quarantined_at: datetime


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source over some time: its newest pull, what is wrong with it now (None: nothing), and what it brought."""

    model: str
    source: str
    pulled_at: datetime
    problem: str | None
    rows: int
    new: int
    labelled: int
    duplicates: int
    corrected: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class NoteRow:
    """What a pull told once of a source, such as rows that are gone from a file."""

    model: str
    source: str
    noted_at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class PullRow(SourceState):
    """One pull, and of how many files."""

    files: int


@dataclass(frozen=True, slots=True)
class GuardRow:
    """A promoted calibrator under comparison with the one it replaced; ``evidence`` is an e-value that it is worse."""

    scope: str
    calibrator: str
    parent: str
    since: datetime
    until: datetime
    evidence: float
    groups: int
    samples: int
    loss: float | None
    state: str
