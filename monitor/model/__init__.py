"""The nouns of calwatch as frozen values: what a slice, a reading, a rule, an alert, a job is. No I/O, no clock.

All times are timezone-aware UTC datetimes; all durations are timedeltas; a value that is not known is None, never 0.

One file each for slices, readings, rules, evidence, refits and the status of all; import them from here.
"""

from monitor.model.evidence import QUIET_AFTER_DRIFT, QUIET_TIMES, Evidence, LabelDelays, quiet_for
from monitor.model.intake import (
    FileSetAside,
    FoldedKind,
    FoldedValues,
    GroupSpans,
    Straddling,
    WaitingLabels,
)
from monitor.model.readings import (
    CALIBRATION_METRICS,
    COUNTS,
    METRICS,
    THRESHOLD_METRICS,
    Disparity,
    LastSeen,
    Reading,
    ReadingState,
    ReliabilityBin,
)
from monitor.model.reasons import Code, Reason, Trigger, TriggerKind
from monitor.model.refits import CalibratorInUse, Job, JobState, ThresholdInUse
from monitor.model.rules import (
    AbsenceRule,
    Alert,
    AlertState,
    DisparityRule,
    DriftRule,
    Health,
    Rule,
    RuleKind,
    Severity,
    ThresholdRule,
    WindowRule,
)
from monitor.model.slices import MISSING, NO_DIMENSIONS, OTHER, RESERVED_LABELS, Slice, Task, finest_scope
from monitor.model.status import ModelStatus, Published
from monitor.model.words import tell_reason

__all__ = [
    "CALIBRATION_METRICS",
    "COUNTS",
    "METRICS",
    "MISSING",
    "NO_DIMENSIONS",
    "OTHER",
    "QUIET_AFTER_DRIFT",
    "QUIET_TIMES",
    "RESERVED_LABELS",
    "THRESHOLD_METRICS",
    "AbsenceRule",
    "Alert",
    "AlertState",
    "CalibratorInUse",
    "Code",
    "Disparity",
    "DisparityRule",
    "DriftRule",
    "Evidence",
    "FileSetAside",
    "FoldedKind",
    "FoldedValues",
    "GroupSpans",
    "Health",
    "Job",
    "JobState",
    "LabelDelays",
    "LastSeen",
    "ModelStatus",
    "Published",
    "Reading",
    "ReadingState",
    "Reason",
    "ReliabilityBin",
    "Rule",
    "RuleKind",
    "Severity",
    "Slice",
    "Straddling",
    "Task",
    "ThresholdInUse",
    "ThresholdRule",
    "Trigger",
    "TriggerKind",
    "WaitingLabels",
    "WindowRule",
    "finest_scope",
    "quiet_for",
    "tell_reason",
]
