"""Rules and the alerts they raise."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.model.reasons import Reason
from monitor.model.slices import Slice
from monitor.model.words import tell_reason


class RuleKind(StrEnum):
    THRESHOLD = "threshold"
    ABSENCE = "absence"
    DRIFT = "drift"
    DISPARITY = "disparity"


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
    only: Slice = Slice()  # and only slices inside this one  # noqa: RUF009  # frozen
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
    reference: str = (
        "score"  # drift from perfect calibration, or "deployment": from the curve of a stream's first samples
    )
    reference_samples: int = 2000  # how many those are
    # disparity: `above` is the least difference that matters; with `window` and `min_samples`
    measure: str | None = None  # "gap": calibration gap in size | "error": debiased ECE
    level: float | None = None  # probability of naming any slice wrongly, over all slices judged at a reading


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
    why: Reason
    value: float | None  # last known value of what the rule watches
    since: datetime | None  # when the condition began to hold (pending or firing)
    fired_at: datetime | None
    last_true_at: datetime | None
    resolved_at: datetime | None
    evaluated_at: datetime
    onset: datetime | None = None  # estimated start of the miscalibration, set when it fires
    last_action_at: datetime | None = None

    @property
    def reason(self) -> str:
        """Return one sentence with numbers, for people."""
        return tell_reason(self.why)
