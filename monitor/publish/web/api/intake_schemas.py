"""What the API says of what came in and does not fit together."""

from dataclasses import asdict
from datetime import datetime

from pydantic import Field

from monitor.model import FileSetAside, FoldedKind, FoldedValues, WaitingLabels
from monitor.model.wording import describe_folded, describe_waiting
from monitor.publish.web.api.schemas import item_of


class WaitingLabelsItem(item_of(WaitingLabels, without=("looked_at",))):  # type: ignore[misc]  # its fields are those of the noun
    labels: int = Field(description="that wait for a prediction of their sample_id")
    oldest_at: datetime | None = Field(description="labelled_at of the oldest of them; null: none waits")
    due: int = Field(description="of the newest of them those whose prediction should be there")
    joined: int = Field(description="labels of the same time that found theirs")
    share: float | None = Field(description="due / (due + joined); null: none is due")
    suspicious: bool = Field(description="nearly all new labels wait, or many do for a reason that can be seen")
    label_examples: list[str] = Field(description="ids of labels that find no prediction")
    prediction_examples: list[str] = Field(description="newest predictions without a label")
    guess: str = Field(description="why they find none; empty: nothing can be seen")
    finding: str = Field(description="all of it in words; empty: none waits")


def waiting_labels_item(waiting: WaitingLabels) -> WaitingLabelsItem:
    """With its share and its finding."""
    return WaitingLabelsItem(
        **asdict(waiting), share=waiting.share, suspicious=waiting.suspicious, finding=describe_waiting(waiting)
    )


class FileSetAsideItem(item_of(FileSetAside, without=("item",))):  # type: ignore[misc]  # its fields are those of the noun
    file: str
    tries: int = Field(description="that failed, at most one a cycle")
    kind: str = Field(description="out_of_memory, crashed, timed_out or failed")


def file_set_aside_item(held: FileSetAside) -> FileSetAsideItem:
    """All that is known of it."""
    return FileSetAsideItem(**asdict(held), file=held.item)


class FoldedValuesItem(item_of(FoldedValues)):  # type: ignore[misc]  # its fields are those of the noun
    model: str
    kind: FoldedKind = Field(
        description="version, calibrator, slice: their rows count together as `__other__`; drift: versions of which a rule "
        "judges no more"
    )
    name: str = Field(description="of kind slice the dimension, of kind drift the rule, else empty")
    most: int = Field(description="the limit")
    rows: int = Field(description="that came beyond the limit, repeats included; of kind drift versions")
    examples: list[str] = Field(description="values beyond the limit")
    finding: str = Field(description="all of it in words, with what to do")


def folded_values_item(model: str, held: FoldedValues) -> FoldedValuesItem:
    """With its finding."""
    return FoldedValuesItem(**asdict(held), model=model, finding=describe_folded(held))
