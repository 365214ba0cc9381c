"""What version 1 of the API answers. Times are UTC; a number that is not known is null, never 0.

A field may be added to these; none is renamed, removed or given another meaning within a version.
"""

import math
from collections.abc import Container, Mapping
from dataclasses import asdict
from datetime import datetime
from enum import EnumType
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from monitor.model import (
    METRICS,
    Alert,
    CalibratorInUse,
    Evidence,
    GroupSpans,
    Job,
    ModelStatus,
    Reading,
    ReliabilityBin,
    Rule,
    Slice,
    ThresholdInUse,
    history,
)
from monitor.model.durations import format_duration
from monitor.model.wording import describe_spans

T = TypeVar("T")


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> Any:
    return value.text if isinstance(value, Slice) else value


Number = Annotated[float | None, BeforeValidator(_known)]
SliceText = Annotated[
    str, BeforeValidator(_text), Field(description='"all", or labels such as camera=c3,lighting=night')
]
Labels = Annotated[dict[str, str], Field(description="the same slice by dimension; empty for the whole")]


_SHOWN: Mapping[Any, Any] = {float | None: Number, Slice: SliceText}


class Item(BaseModel):
    """Read off the attributes of what is known."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def item_of(noun: type, *, without: Container[str] = ()) -> type[Item]:
    """Return the item with the fields of a dataclass but those left out, each required: numbers that may be unknown, slices
    and words of a list as the API shows them."""
    # a typed reason is shown in words, as its noun tells it
    told = {
        "reason" if name == "why" else name: str if name == "why" else kind
        for name, kind in get_type_hints(noun).items()
        if name not in without
    }
    shown = {name: _SHOWN.get(kind, kind) for name, kind in told.items()}
    wanted: Any = {name: (str if isinstance(kind, EnumType) else kind, ...) for name, kind in shown.items()}
    return create_model(f"{noun.__name__}Fields", __base__=Item, **wanted)


class Page(BaseModel, Generic[T]):
    """A part of a list, and where it goes on."""

    items: list[T]
    total: int = Field(description="how many there are, by these filters")
    next_offset: int | None = Field(description="offset of the next page; null on the last")
    published_at: datetime | None = Field(description="when the newest cycle ended; null before the first has")


class Listed(BaseModel, Generic[T]):
    """The newest entries, at most as many as asked for."""

    items: list[T]


class ProblemDetail(BaseModel):
    """Why a request was refused, the same for every refusal."""

    model_config = ConfigDict(
        title="Problem",
        json_schema_extra={"example": {"detail": "there is no model 'defect': /models lists those there are"}},
    )

    detail: str = Field(description="in a sentence, what is wrong and what to do")
    mistakes: list[str] | None = Field(None, description="where there may be several: each, in a sentence")


class BinItem(item_of(ReliabilityBin)):  # type: ignore[misc]  # its fields are those of the noun
    pass


class ReadingKeys(item_of(Reading, without=("metrics", "reliability"))):  # type: ignore[misc]  # its fields are those of the noun
    """The metrics of one slice of one model version over one window."""

    labels: Labels
    state: str = Field(description="ok, or insufficient: too few labelled samples, every metric is null")
    label_coverage: Number
    groups: int | None = Field(
        None,
        description="that the labelled samples come in, one that spans time buckets once in each; null: samples are "
        "independent, or some came before any group_id did",
    )
    group_noun: str | None = Field(None, description="what one is called: image, clip, ...; null: no groups")


_FIELDS: Mapping[str, Any] = dict.fromkeys(METRICS, (Number, ...))
ReadingNumbers = create_model("ReadingNumbers", __base__=ReadingKeys, **_FIELDS)


class ReadingItem(ReadingNumbers):  # type: ignore[valid-type, misc]  # its metrics are those of the model
    reliability: list[BinItem] | None = Field(None, description="bars of the diagram, where bars=true asks for them")


def reading_item(reading: Reading, *, bars: bool) -> ReadingItem:
    """With every metric by its name, as in the table slice_metrics of metrics.duckdb."""
    keys = {name: getattr(reading, name) for name in ReadingKeys.model_fields if name != "labels"}
    metrics = {name: reading.metrics.get(name) for name in METRICS}
    held = reading.reliability if bars else None
    return ReadingItem(**keys, **metrics, labels=reading.slice.as_dict(), reliability=held)


class PointItem(item_of(history.ReadingPoint)):  # type: ignore[misc]  # its fields are those of the noun
    """A reading of the past: the last one of its span of time."""

    at: datetime = Field(description="end of its window")


class EventItem(item_of(history.Event)):  # type: ignore[misc]  # its fields are those of the noun
    slice: SliceText


class HistoryAnswer(BaseModel):
    """The course of one slice, oldest first."""

    model: str
    slice: SliceText
    window: str
    points: list[PointItem]
    events: list[EventItem] = Field(description="alerts of the slice, and calibrators that took charge of it")


class EvidencePointItem(item_of(history.EvidencePoint)):  # type: ignore[misc]  # its fields are those of the noun
    ratio: float = Field(description="evidence over its limit; 1 = alarm")


class EvidenceItem(item_of(Evidence, without=("told_at", "began"))):  # type: ignore[misc]  # its fields are those of the noun
    ratio: float = Field(description="evidence over its limit; 1 = alarm")
    alarms: int = Field(description="since opened; the fields before are of the newest")
    samples_since_onset: int | None = Field(description="since the onset of the newest alarm; a group counts as one")
    reference_missing: int | None = Field(
        description="samples still to come before the reference stands; a group counts as one; null: it is judged"
    )
    group_noun: str | None = Field(description="what a group is called; null: samples are independent")
    direction: str = Field(description="of the newest alarm; empty where none is clear")
    explained: bool = Field(description="false: the direction of the newest alarm is unknown")


class AlertItem(item_of(Alert)):  # type: ignore[misc]  # its fields are those of the noun
    state: str = Field(description="inactive, pending, firing or resolved")
    health: str = Field(description="ok, unknown (the state is kept, not healed) or error")


class JobItem(item_of(Job, without=("asked_by", "why", "interruptions"))):  # type: ignore[misc]  # its fields are those of the noun
    trigger: str
    reasons: list[str]


class AttemptItem(item_of(history.Attempt)):  # type: ignore[misc]  # its fields are those of the noun
    peak_memory: int | None = Field(description="bytes")


class JobAnswer(JobItem):
    log: list[AttemptItem]


class CalibratorItem(item_of(CalibratorInUse)):  # type: ignore[misc]  # its fields are those of the noun
    adopted: bool | None = Field(
        None, description="whether production scores with it; null: no sample since, or replaced"
    )
    in_charge: bool = Field(True, description="false: it was, and has been replaced")


class CurveItem(item_of(history.CurvePoint)):  # type: ignore[misc]  # its fields are those of the noun
    pass


class ThresholdAnswer(item_of(ThresholdInUse)):  # type: ignore[misc]  # its fields are those of the noun
    threshold: Number = Field(
        description="null: no threshold can keep the promise, or none can be told; `reason` says why"
    )
    curve: list[CurveItem] | None = Field(
        None, description="what other thresholds would have given, where curve=true asks for it"
    )


class RuleItem(BaseModel):
    model: str
    name: str
    kind: str
    severity: str
    origin: str = Field(description="pack and place")
    summary: str
    actions: list[str]
    window: str | None
    metric: str | None
    above: Number
    below: Number
    hold: str = Field(description="how long the condition must hold")
    alerts: dict[str, int] = Field(description="slices by state, of those that are not inactive")
    unknown: int = Field(description="slices whose health is not ok")


def rule_item(status: ModelStatus, rule: Rule) -> RuleItem:
    """A rule with where its alerts stand."""
    own = [alert for alert in status.alerts if alert.rule == rule.name]
    states = [alert.state.value for alert in own if alert.state != "inactive"]
    return RuleItem(
        model=status.name, name=rule.name, kind=rule.kind.value, severity=rule.severity.value, origin=rule.origin,
        summary=rule.summary, actions=list(rule.actions), hold=format_duration(rule.hold),
        alerts={state: states.count(state) for state in sorted(set(states))},
        unknown=sum(alert.health != "ok" for alert in own),
        **{key: getattr(rule, key, None) for key in ("window", "metric", "above", "below")},
    )  # fmt: skip


class GroupSpansItem(BaseModel):
    checked_at: datetime
    since: datetime = Field(description="of the rows observed from here on")
    bucket: str
    rows: int
    grouped: int = Field(description="rows with a group_id")
    groups: int
    over_buckets: float = Field(
        description="share of the rows in groups that span buckets: no guarantee of drift rules"
    )
    over_days: float = Field(description="share of the rows in groups that span days: refits find few later samples")
    examples: list[str] = Field(description="the longest groups")
    suspicious: bool
    finding: str = Field(description="the same in words")


def group_spans_item(spans: GroupSpans | None) -> GroupSpansItem | None:
    """Null stays null."""
    if spans is None:
        return None
    return GroupSpansItem(
        **asdict(spans.straddling), checked_at=spans.checked_at, since=spans.since, bucket=format_duration(spans.bucket),
        suspicious=spans.suspicious, finding=describe_spans(spans),
    )  # fmt: skip


class ModelItem(BaseModel):
    name: str
    task: str
    event: str = Field(description="what a score is the probability of")
    dimensions: list[str]
    min_samples: int
    group_noun: str = Field(description="what a group of samples is called, where they come in groups")
    state: str = Field(
        description="failing, firing, waiting (no sample in any window), insufficient, unknown (drift not judged yet) or ok"
    )
    problem: str | None = Field(description="why the newest cycle failed for this model; null: it went well")
    versions: list[str]
    windows: list[str]
    readings: int
    firing: int
    unknown: int = Field(description="alerts whose health is not ok")
    label_delay_depends_on_outcome: bool | None
    waiting_labels: int = Field(
        description="labels that wait for their prediction; of which source and why: /waiting-labels"
    )
    files_set_aside: int = Field(
        description="files that are no longer read; which, why and what to do: /files-set-aside"
    )
    folded_values: int = Field(description="limits that values go beyond; which and what to do: /folded-values")
    group_spans: GroupSpansItem | None = Field(
        description="how far groups reach; null: no groups, or not looked at yet"
    )
    last_sample_at: datetime | None = Field(description="when the newest sample was observed; null: none has come yet")
    last_success: dict[str, datetime] = Field(description="by stage of the cycle")


def model_item(status: ModelStatus) -> ModelItem:
    """A model and how it is, in one word: the first that applies."""
    firing = sum(alert.state == "firing" for alert in status.alerts)
    whole = [reading.state for reading in status.readings if not reading.slice.labels]
    state = (
        "failing" if status.problem is not None else "firing" if firing else "waiting" if not status.readings
        else "insufficient" if "ok" not in whole else "unknown" if status.list_unjudged() else "ok"
    )  # fmt: skip
    return ModelItem(
        name=status.name, task=status.task.value, event=status.event, dimensions=list(status.dimensions),
        min_samples=status.min_samples, group_noun=status.group_noun, state=state, problem=status.problem,
        versions=list(dict.fromkeys(reading.version for reading in status.readings)),
        windows=list(dict.fromkeys(reading.window for reading in status.readings)), readings=len(status.readings),
        firing=firing, unknown=sum(alert.health != "ok" for alert in status.alerts),
        label_delay_depends_on_outcome=status.label_delays.depends if status.label_delays else None,
        waiting_labels=sum(each.labels for each in status.waiting_labels),
        files_set_aside=len(status.files_set_aside), folded_values=len(status.folded),
        group_spans=group_spans_item(status.group_spans), last_sample_at=status.last_sample_at,
        last_success=dict(status.last_success),
    )  # fmt: skip


class PullItem(item_of(history.PullRow)):  # type: ignore[misc]  # its fields are those of the noun
    pass


class QuarantineCountItem(item_of(history.QuarantineCount)):  # type: ignore[misc]  # its fields are those of the noun
    pass


class QuarantinedItem(item_of(history.QuarantinedRow)):  # type: ignore[misc]  # its fields are those of the noun
    row: int = Field(description="from 0, within the file or push")


class QuarantineAnswer(BaseModel):
    counts: list[QuarantineCountItem]
    newest: list[QuarantinedItem] = Field(description="where a model is named: its newest rows, by page")
    total: int = Field(description="how many such rows there are; without a model those of the counts")
    next_offset: int | None = Field(description="offset of the next page of newest; null on the last")
