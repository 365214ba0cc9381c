"""Drift evidence, and what it rests on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitor.model.slices import Slice

QUIET_AFTER_DRIFT = timedelta(days=7)
QUIET_TIMES = 3  # as long as an alarm took to come


def quiet_for(alarm_at: datetime, onset: datetime) -> timedelta:
    """How long no further alarm must come until a drift counts as over: three times as long as this alarm took to come,
    at least a week."""
    return max(QUIET_AFTER_DRIFT, QUIET_TIMES * (alarm_at - onset))


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of scores where outcomes come more or less often than expected: means over the samples there."""

    confidence: Literal["over", "under"]  # over: the event happens less often
    low: float  # scores in [low, high)
    high: float
    expected: float
    happened: float


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
    told_at: datetime | None = None  # when that alarm was found; None: as soon as its bucket had ended
    began: datetime | None = None  # of the first alarm that led to that one without quiet between; None: the same
    samples_since_onset: int | None = None  # since `onset`; those of one group count as one
    alarms: int = 0  # since `opened`, that one included
    # the strongest first; none where none is clear, or an earlier release left words only
    shifts: tuple[Shift, ...] = ()
    # the same in words: "over-confident above 0.8 (expected 0.93, came true 0.81)"; "": none is clear
    direction: str = ""
    explained: bool = True  # False: the direction is unknown
    caveat: str = ""  # why the false-alarm budget is not guaranteed now; "" = it is
    listed: bool = False  # e-BH lists the slice as drifted; at most a tenth of the listed ones are not, on average
    reference_missing: int | None = (
        None  # samples (or groups) still to come before the reference stands and judging begins
    )
    group_noun: str | None = None  # what a group is called, where samples come in groups; None: they are independent


@dataclass(frozen=True, slots=True)
class LabelDelays:
    """Whether labels of one outcome arrive later than those of the other; then labels that are there mislead.

    Found from samples old enough that all their labels should have arrived.
    """

    model: str
    checked_at: datetime
    label_maturity: timedelta  # as configured at that time
    depends: bool | None  # and label_maturity does not wait for them; None = unknown
    unknown: str = ""  # why it is unknown
    samples: int = 0  # compared, observed in [observed_from, observed_until)
    observed_from: datetime | None = None
    observed_until: datetime | None = None
    earlier: float | None = None  # probability that, at equal scores, outcome 1 is labelled before outcome 0
    p_value: float | None = None  # of 1/2, two-sided
    median_true: timedelta | None = None  # delay of labels with outcome 1
    median_false: timedelta | None = None  # and with outcome 0
    settled: timedelta | None = None  # label_maturity that waits for all but a few labels of either outcome
