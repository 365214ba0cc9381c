"""The nouns of calwatch as frozen values: what a slice, a reading, a rule, an alert, a job is. No I/O, no clock.

All times are timezone-aware UTC datetimes; all durations are timedeltas; a value that is not known is None, never 0.

One file each for slices, readings, rules, evidence, refits and the status of all; import them from here.
"""

from monitor.model.evidence import QUIET_AFTER_DRIFT as QUIET_AFTER_DRIFT
from monitor.model.evidence import QUIET_TIMES as QUIET_TIMES
from monitor.model.evidence import Evidence as Evidence
from monitor.model.evidence import LabelDelays as LabelDelays
from monitor.model.evidence import Shift as Shift
from monitor.model.evidence import quiet_for as quiet_for
from monitor.model.intake import FileSetAside as FileSetAside
from monitor.model.intake import FoldedKind as FoldedKind
from monitor.model.intake import FoldedValues as FoldedValues
from monitor.model.intake import GroupSpans as GroupSpans
from monitor.model.intake import Straddling as Straddling
from monitor.model.intake import WaitingLabels as WaitingLabels
from monitor.model.readings import CALIBRATION_METRICS as CALIBRATION_METRICS
from monitor.model.readings import COUNTS as COUNTS
from monitor.model.readings import METRICS as METRICS
from monitor.model.readings import THRESHOLD_METRICS as THRESHOLD_METRICS
from monitor.model.readings import Disparity as Disparity
from monitor.model.readings import LastSeen as LastSeen
from monitor.model.readings import Reading as Reading
from monitor.model.readings import ReadingState as ReadingState
from monitor.model.readings import ReliabilityBin as ReliabilityBin
from monitor.model.readings import SeenObject as SeenObject
from monitor.model.reasons import Code as Code
from monitor.model.reasons import Reason as Reason
from monitor.model.reasons import Trigger as Trigger
from monitor.model.reasons import TriggerKind as TriggerKind
from monitor.model.refits import CalibratorInUse as CalibratorInUse
from monitor.model.refits import Job as Job
from monitor.model.refits import JobState as JobState
from monitor.model.refits import ThresholdInUse as ThresholdInUse
from monitor.model.rules import AbsenceRule as AbsenceRule
from monitor.model.rules import Alert as Alert
from monitor.model.rules import AlertState as AlertState
from monitor.model.rules import DisparityRule as DisparityRule
from monitor.model.rules import DriftRule as DriftRule
from monitor.model.rules import Health as Health
from monitor.model.rules import Rule as Rule
from monitor.model.rules import RuleKind as RuleKind
from monitor.model.rules import Severity as Severity
from monitor.model.rules import ThresholdRule as ThresholdRule
from monitor.model.rules import WindowRule as WindowRule
from monitor.model.slices import MISSING as MISSING
from monitor.model.slices import NO_DIMENSIONS as NO_DIMENSIONS
from monitor.model.slices import OTHER as OTHER
from monitor.model.slices import RESERVED_LABELS as RESERVED_LABELS
from monitor.model.slices import Slice as Slice
from monitor.model.slices import Task as Task
from monitor.model.slices import finest_scope as finest_scope
from monitor.model.status import ModelStatus as ModelStatus
from monitor.model.status import Published as Published
from monitor.model.words import tell_reason as tell_reason
