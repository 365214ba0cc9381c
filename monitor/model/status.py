"""All that a cycle knows, as it is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor.model.evidence import Evidence, LabelDelays
from monitor.model.intake import FileSetAside, FoldedValues, GroupSpans, WaitingLabels
from monitor.model.readings import Reading, SeenObject
from monitor.model.refits import CalibratorInUse, Job, ThresholdInUse
from monitor.model.rules import Alert, Rule
from monitor.model.slices import Task


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
    label_delays: LabelDelays | None = None  # None = not looked at yet
    waiting_labels: tuple[WaitingLabels, ...] = ()  # of each source that holds labels, and others whose labels wait
    group_spans: GroupSpans | None = None  # None = no groups, or not looked at yet
    folded: tuple[FoldedValues, ...] = ()  # versions, calibrators and slice values beyond their limits
    sources: tuple[str, ...] = ()  # names, as configured
    # that are no longer read; what is in them is missing from all numbers
    files_set_aside: tuple[FileSetAside, ...] = ()
    jobs: tuple[Job, ...] = ()  # newest last
    last_success: Mapping[str, datetime] = field(default_factory=dict)  # by stage
    # what the last cycle could not take of its sources, and other troubles of them
    source_problems: tuple[str, ...] = ()
    problem: str | None = None  # why the last cycle failed for this model; None = it went well
    last_sample_at: datetime | None = None  # None = none has come yet
    longest_window: str = ""
    group_noun: str = "group"  # what a group of samples is called
    iou: str = ""  # that boxes need to be right, where calwatch matches them: "0.5", or by class "0.5, person 0.6"
    missed: tuple[SeenObject, ...] = ()  # the newest objects that were missed, and invented, where objects are known
    invented: tuple[SeenObject, ...] = ()

    @property
    def event(self) -> str:
        """The event of which scores are the probability, as it is shown beside numbers."""
        return self.task.event_at(self.iou)

    def list_unjudged(self) -> tuple[Evidence, ...]:
        """The widest slices of drift rules that judge nothing of a version yet, since each of these lacks its reference.

        A rare slice may lack its own for months while the traffic it is part of is judged: it is not among them.
        """
        widest: dict[tuple[str, str], int] = {}
        for each in self.evidence:
            key = each.rule, each.version
            widest[key] = min(each.slice.order, widest.get(key, each.slice.order))
        own = [each for each in self.evidence if each.slice.order == widest[each.rule, each.version]]
        judged = {(each.rule, each.version) for each in own if each.reference_missing is None}
        return tuple(each for each in own if (each.rule, each.version) not in judged)


@dataclass(frozen=True, slots=True)
class Published:
    """What one cycle publishes: immutable, swapped whole."""

    at: datetime
    models: tuple[ModelStatus, ...]
    problem: str | None = None  # why the snapshot for ops could not be replaced; None = it was
    played: bool = False  # by a demo or a backtest, on a simulated clock
