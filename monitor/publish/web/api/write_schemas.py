"""What the API takes and answers where something is changed: pushes and jobs."""

from pydantic import BaseModel, ConfigDict, Field

from monitor.publish.web.api.schemas import item_of
from monitor.sources.inbox import Receipt

# what Slice.parse takes
SLICE_PATTERN = r"^(all|(\\[\s\S]|[^\\=,])+=(\\[\s\S]|[^\\=,])*(,(\\[\s\S]|[^\\=,])+=(\\[\s\S]|[^\\=,])*)*\\?)$"


class MistakesError(Exception):
    """Several things are wrong: a sentence for all, and one for each."""

    def __init__(self, sentence: str, mistakes: list[str]) -> None:
        super().__init__(sentence)
        self.sentence, self.mistakes = sentence, mistakes


class PushItem(item_of(Receipt, without=("digest",))):  # type: ignore[misc]  # its fields are those of the receipt
    """A push and what became of it."""

    state: str = Field(description="waiting for the next cycle, taken, or refused (nothing of it could be read)")
    labelled: int | None = Field(description="labels of samples that were here without")
    quarantined: dict[str, int] | None = Field(description="by reason; the rows are under /quarantine, by position")


def push_item(receipt: Receipt) -> PushItem:
    """Return what is known of a push."""
    found: PushItem = PushItem.model_validate(receipt)
    return found


class JobRequest(BaseModel):
    """A refit, a tuning or a rollback to ask for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {"properties": {"kind": {"const": "rollback"}}},
                {"properties": {"kind": {"enum": ["recalibrate", "tune"]}, "to": {"type": "null"}}},
            ]
        },
    )

    kind: str = Field(pattern="^(recalibrate|tune|rollback)$", description="recalibrate, tune or rollback")
    slice: str = Field(
        "all", max_length=2000, description="the calibrator's scope", json_schema_extra={"pattern": SLICE_PATTERN}
    )
    to: str | None = Field(None, pattern="^[0-9a-f]{16}$", description="rollback: a calibrator; null: the one before")


class Asked(BaseModel):
    """Taken up in the next cycle."""

    job: str = Field(description="its id")


class Reloaded(BaseModel):
    """Configuration and rules are those of the files now."""

    status: str = Field(description="reloaded")
