"""What the API says of what came in and does not fit together."""

from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel, Field

from monitor.model import FileSetAside, FoldedKind, FoldedValues, GroupSpans, WaitingLabels
from monitor.model.durations import format_duration
from monitor.model.wording import describe_folded, describe_spans, describe_waiting


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
        suspicious=spans.straddling.suspicious, finding=describe_spans(spans),
    )  # fmt: skip


class WaitingLabelsItem(BaseModel):
    model: str
    source: str
    labels: int = Field(description="that wait for a prediction of their sample_id")
    oldest_at: datetime | None = Field(description="labelled_at of the oldest of them; null: none waits")
    newest_at: datetime | None
    due: int = Field(description="of the newest of them those whose prediction should be there")
    joined: int = Field(description="labels of the same time that found theirs")
    share: float | None = Field(description="due / (due + joined); null: none is due")
    suspicious: bool = Field(description="nearly all new labels wait, or many do for a reason that can be seen")
    label_examples: list[str] = Field(description="ids of labels that find no prediction")
    prediction_examples: list[str] = Field(description="newest predictions without a label")
    guess: str = Field(description="why they find none; empty: nothing can be seen")
    compared_at: datetime | None
    finding: str = Field(description="all of it in words; empty: none waits")


def waiting_labels_item(waiting: WaitingLabels) -> WaitingLabelsItem:
    """With its share and its finding."""
    return WaitingLabelsItem(
        **asdict(waiting), share=waiting.share, suspicious=waiting.suspicious, finding=describe_waiting(waiting)
    )


class FileSetAsideItem(BaseModel):
    model: str
    source: str
    file: str
    tries: int = Field(description="that failed, at most one a cycle")
    kind: str = Field(description="out_of_memory, crashed, timed_out or failed")
    reason: str
    remedy: str
    first_tried_at: datetime
    last_tried_at: datetime


def file_set_aside_item(held: FileSetAside) -> FileSetAsideItem:
    """All that is known of it."""
    return FileSetAsideItem(**asdict(held), file=held.item)


class FoldedValuesItem(BaseModel):
    model: str
    kind: FoldedKind = Field(
        description="version, calibrator, slice: their rows count together as `__other__`; drift: versions of which a rule "
        "judges no more"
    )
    name: str = Field(description="of kind slice the dimension, of kind drift the rule, else empty")
    most: int = Field(description="the limit")
    rows: int = Field(description="that came beyond the limit, repeats included; of kind drift versions")
    examples: list[str] = Field(description="values beyond the limit")
    began_at: datetime
    newest_at: datetime
    finding: str = Field(description="all of it in words, with what to do")


def folded_values_item(model: str, held: FoldedValues) -> FoldedValuesItem:
    """With its finding."""
    return FoldedValuesItem(**asdict(held), model=model, finding=describe_folded(held))
