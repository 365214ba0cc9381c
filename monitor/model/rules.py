"""Rules and the alerts they raise."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal

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
class _Rule:
    """What every rule says."""

    name: str
    severity: Severity
    origin: str  # "default.toml: rule 2", for messages
    summary: str = ""
    actions: tuple[str, ...] = ()
    cooldown: timedelta = timedelta(hours=24)  # while firing, actions run again after this long
    hold: timedelta = timedelta(0)  # `for`: how long the condition must hold before it fires
    keep_firing_for: timedelta = timedelta(0)
    orders: tuple[int, ...] = (0, 1, 2)  # slice orders it applies to
    only: Slice = Slice()  # and only slices inside this one  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule(_Rule):
    """A metric above or below a value: exactly one of ``above`` and ``below`` is given."""

    kind: ClassVar[Literal[RuleKind.THRESHOLD]] = RuleKind.THRESHOLD
    metric: str
    window: str
    above: float | None = None
    below: float | None = None
    clear_above: float | None = None  # with `below`: resolved only above this (hysteresis)
    clear_below: float | None = None  # with `above`: resolved only below this
    min_samples: int = 0

    @property
    def bounds(self) -> tuple[float, float | None]:
        """The value beyond which it fires, and the one, if any, behind which it clears."""
        if self.above is not None:
            return self.above, self.clear_below
        return self.below or 0.0, self.clear_above


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceRule(_Rule):
    """Nothing came for longer than it may."""

    kind: ClassVar[Literal[RuleKind.ABSENCE]] = RuleKind.ABSENCE
    absent: Literal["samples", "labels", "pulls"]
    longer_than: timedelta
    leaves_out: frozenset[str] = frozenset()  # dimensions whose slices it does not cover


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRule(_Rule):
    """Evidence of drift, with a budget of false alarms."""

    kind: ClassVar[Literal[RuleKind.DRIFT]] = RuleKind.DRIFT
    false_alarms_per_year: float = 1.0  # over all slices the rule covers, however often it is looked at
    tolerance_odds: float | None = None  # outcome odds within this factor of the score's are no drift
    tolerance_probability: float | None = None  # outcome rates within this of the score are no drift
    # drift from perfect calibration, or from the curve of a stream's first samples, and how many those are
    reference: Literal["score", "deployment"] = "score"
    reference_samples: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DisparityRule(_Rule):
    """A slice worse than the rest of its model."""

    kind: ClassVar[Literal[RuleKind.DISPARITY]] = RuleKind.DISPARITY
    measure: Literal["gap", "error"]  # calibration gap in size, or debiased ECE
    window: str
    above: float = 0.0  # the least difference that matters
    level: float = 0.05  # probability of naming any slice wrongly, over all slices judged at a reading
    min_samples: int = 0


WindowRule = ThresholdRule | DisparityRule  # judges what a window holds
Rule = WindowRule | AbsenceRule | DriftRule


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
    state: AlertState = AlertState.INACTIVE
    health: Health = Health.OK
    why: Reason = Reason("")  # noqa: RUF009  # frozen
    value: float | None = None  # last known value of what the rule watches
    since: datetime | None = None  # when the condition began to hold (pending or firing)
    fired_at: datetime | None = None
    last_true_at: datetime | None = None
    resolved_at: datetime | None = None
    evaluated_at: datetime = field(kw_only=True)
    onset: datetime | None = None  # estimated start of the miscalibration, set when it fires
    last_action_at: datetime | None = None

    @property
    def reason(self) -> str:
        """Return one sentence with numbers, for people."""
        return tell_reason(self.why)
