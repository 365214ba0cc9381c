"""Why an alert is as it is and what became of a job, as data: a code and its values. ``words`` makes the sentences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from math import copysign, isinf, isnan
from sys import float_info
from typing import Any


class Code(StrEnum):
    """What a reason says; ``words.SENTENCES`` has the sentence of each. Codes are stored: a name is never given anew."""

    # alerts: what a rule found
    THRESHOLD = "threshold"
    THRESHOLD_UNKNOWN = "threshold_unknown"
    DISPARITY = "disparity"
    DISPARITY_UNKNOWN = "disparity_unknown"
    DRIFT = "drift"
    DRIFT_NONE = "drift_none"
    DRIFT_OVER = "drift_over"
    DRIFT_NOT_JUDGED = "drift_not_judged"
    ABSENT = "absent"
    NEVER_SEEN = "never_seen"
    NOT_SEEN_YET = "not_seen_yet"
    PRESENT = "present"
    # alerts: why a rule finds nothing, or is asked no more
    NO_READING = "no_reading"
    NO_COMPARISON = "no_comparison"
    NO_EVIDENCE = "no_evidence"
    NO_SIGHT = "no_sight"
    ONLY_UNSEEN = "only_unseen"
    RECALL_UNKNOWN = "recall_unknown"
    RULE_FAILED = "rule_failed"
    RULE_GONE = "rule_gone"
    RULE_ELSEWHERE = "rule_elsewhere"
    RULE_OTHER_KIND = "rule_other_kind"
    SLICE_GONE = "slice_gone"
    SLICE_FORGOTTEN = "slice_forgotten"
    STREAM_CLOSED = "stream_closed"
    VERSION_GONE = "version_gone"
    # refits: the samples
    SAMPLES_SINCE = "samples_since"
    SAMPLES_CHOSEN = "samples_chosen"
    SAMPLES_WITHOUT_RAW = "samples_without_raw"
    SAMPLES_PRECOUNTED = "samples_precounted"
    SAMPLES_LEFT_TO_REFITS = "samples_left_to_refits"
    SAMPLES_LEFT_TO_CALIBRATORS = "samples_left_to_calibrators"
    SAMPLES_AS_COUNTED = "samples_as_counted"
    LOGITS = "logits"
    LOGITS_WITHOUT_CLASS = "logits_without_class"
    LOGITS_LACKING = "logits_lacking"
    # refits: the method
    METHOD_ASKED_FOR = "method_asked_for"
    METHOD_UNFIT = "method_unfit"
    METHOD_ALONE = "method_alone"
    METHOD_BEST = "method_best"
    METHOD_BEHIND = "method_behind"
    METHOD_SIMPLER = "method_simpler"
    METHOD_FEW_BUCKETS = "method_few_buckets"
    # refits: the verdict
    REFIT_FEW_SAMPLES = "refit_few_samples"
    REFIT_UNFIT = "refit_unfit"
    GATE_NO_SAMPLES = "gate_no_samples"
    GATE_FEW_SAMPLES = "gate_few_samples"
    GATE_FEW_GROUPS = "gate_few_groups"
    GATE_STRADDLED = "gate_straddled"
    GATE_SAME = "gate_same"
    GATE_WORSE = "gate_worse"
    GATE_CHANCE = "gate_chance"
    GATE_SLICE_WORSE = "gate_slice_worse"
    GATE_BETTER = "gate_better"
    GATE_ACCEPTED = "gate_accepted"
    GATE_NO_SLICE_WORSE = "gate_no_slice_worse"
    GROUPS_STRADDLE = "groups_straddle"
    # thresholds
    THRESHOLD_PROMISED = "threshold_promised"
    THRESHOLD_NOT_PROMISED = "threshold_not_promised"
    THRESHOLD_CHOSEN = "threshold_chosen"
    THRESHOLD_NOT_CHOSEN = "threshold_not_chosen"
    THRESHOLD_NO_SAMPLES = "threshold_no_samples"
    THRESHOLD_NEEDS_TRUTH = "threshold_needs_truth"
    THRESHOLD_NEEDS_NEGATIVES = "threshold_needs_negatives"
    THRESHOLD_FROM_DETECTIONS = "threshold_from_detections"
    CLASSES = "classes"
    CLASSES_UNKNOWN = "classes_unknown"
    # tuning: what was chosen, and what the log allows
    TUNE_ACCEPTED = "tune_accepted"
    TUNE_NO_POLICY = "tune_no_policy"
    TUNE_UNTOLD = "tune_untold"
    TUNE_FEW_IMAGES = "tune_few_images"
    TUNE_SPLITS_IMAGES = "tune_splits_images"
    TUNE_SAME = "tune_same"
    TUNE_NOT_PROMISED = "tune_not_promised"
    TUNE_NOT_BETTER = "tune_not_better"
    POINT_PROMISED = "point_promised"
    POINT_NOT_PROMISED = "point_not_promised"
    POINT_CHOSEN = "point_chosen"
    POINT_NOT_CHOSEN = "point_not_chosen"
    POINTS_MORE = "points_more"
    POINTS_LACKING = "points_lacking"
    IMAGES_WITHOUT_RAW = "images_without_raw"
    LOG_SUPPRESSED = "log_suppressed"
    SUPPRESSION_NOT_TUNED = "suppression_not_tuned"
    RECALL_CEILING = "recall_ceiling"
    # jobs: their course
    FAILED = "failed"
    TRIED_AGAIN = "tried_again"
    INTERRUPTED = "interrupted"
    INTERRUPTED_TOO_OFTEN = "interrupted_too_often"
    NOT_BEGUN = "not_begun"
    OUTDATED = "outdated"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"
    ROLLED_BACK = "rolled_back"
    GUARD_WORSE = "guard_worse"
    # models: why a cycle failed
    CYCLE_FAILED = "cycle_failed"


class Verdict(StrEnum):
    """How a job ended, where one of its reasons says so."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys((Code.GATE_ACCEPTED, Code.GATE_NO_SLICE_WORSE, Code.TUNE_ACCEPTED), Verdict.ACCEPTED),
    **dict.fromkeys(
        (Code.REFIT_FEW_SAMPLES, Code.REFIT_UNFIT, Code.GATE_NO_SAMPLES, Code.GATE_FEW_SAMPLES, Code.GATE_FEW_GROUPS,
         Code.GATE_STRADDLED, Code.GATE_SAME, Code.GATE_WORSE, Code.GATE_CHANCE, Code.GATE_SLICE_WORSE,
         Code.TUNE_NO_POLICY, Code.TUNE_UNTOLD, Code.TUNE_FEW_IMAGES, Code.TUNE_SPLITS_IMAGES, Code.TUNE_SAME,
         Code.TUNE_NOT_PROMISED, Code.TUNE_NOT_BETTER), Verdict.REJECTED,
    ),
    **dict.fromkeys((Code.FAILED, Code.INTERRUPTED_TOO_OFTEN), Verdict.FAILED),
}  # fmt: skip
ABSENCES = frozenset({Code.ABSENT, Code.NEVER_SEEN})  # codes of an alert over something that does not come
CHOSEN = frozenset({Code.THRESHOLD_PROMISED, Code.THRESHOLD_CHOSEN})  # codes of a threshold that there is
POINTS = frozenset({Code.POINT_PROMISED, Code.POINT_CHOSEN})  # codes of an operating point that there is
# codes of no threshold, for samples that do not hold what its policy is about, however many they are
NOT_HELD = frozenset({Code.THRESHOLD_NEEDS_TRUTH, Code.THRESHOLD_NEEDS_NEGATIVES})
WATCHES_NOTHING = frozenset(
    {Code.ONLY_UNSEEN, Code.RECALL_UNKNOWN}
)  # codes of a rule that finds nothing, whatever comes


@dataclass(frozen=True, slots=True)
class Reason:
    """A code of ``Code`` with its values, as JSON holds them: times in ISO 8601, lengths of time in seconds.

    ``code`` is "" where an earlier release, or the world outside, left a text only: it is the value "text".
    """

    code: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, code: Code, **values: object) -> "Reason":
        """Return the reason with these values, made plain."""
        return cls(code, {name: _plain(value) for name, value in values.items()})

    @classmethod
    def from_text(cls, text: str) -> "Reason":
        """Return what is known as a text only."""
        return cls("", {"text": text} if text else {})

    def with_values(self, **values: object) -> "Reason":
        """Return the same reason with more values."""
        return replace(self, values={**self.values, **{name: _plain(value) for name, value in values.items()}})

    def name_groups(self, noun: str) -> "Reason":
        """Return it with what a group of samples is called, where it speaks of groups."""
        speaks = self.values.get("groups") is not None or self.code == Code.GATE_FEW_GROUPS
        return self.with_values(noun=noun) if speaks else self

    def time(self, name: str) -> datetime | None:
        """Return a value that is a time; None where there is none."""
        held = self.values.get(name)
        return datetime.fromisoformat(held) if held else None


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # numpy's
        return _plain(value.item())
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case None | bool() | int() | str():
            return value
        case float():
            if isnan(value):
                return None
            return copysign(float_info.max, value) if isinf(value) else float(value)  # JSON has no infinity
        case Iterable():
            return [_plain(each) for each in value]
    raise TypeError(f"no value of a reason: {value!r}")


class TriggerKind(StrEnum):
    """Who asks for a job."""

    MANUAL = "manual"  # a person
    SCHEDULE = "schedule"  # at `at`
    RULE = "rule"  # called `name`; of an action: which `event` of it
    GUARD = "guard"  # of the calibrator `name`
    JOB = "job"  # of id `name`, which ended with `event`


@dataclass(frozen=True, slots=True)
class Trigger:
    """Who asked for a job. ``kind`` is "" where an earlier release left a text only, in ``name``.

    ``at`` is in the time zone of the schedule.
    """

    kind: str
    name: str = ""
    at: datetime | None = None
    event: str = ""

    @property
    def key(self) -> str:
        """Return what the ids of jobs rest on: it stays as it is in whatever words people are told."""
        match self.kind:
            case TriggerKind.SCHEDULE if self.at is not None:
                return f"schedule {self.at.isoformat()}"
            case TriggerKind.GUARD:
                return f"guard of {self.name}"
            case TriggerKind.RULE | TriggerKind.JOB:
                return " ".join(filter(None, (self.kind, self.name, self.event)))
        return self.name or self.kind


BY_HAND = Trigger(TriggerKind.MANUAL)
