"""What became of rows that came in, and what could not be read or taken of a source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

_LONGEST_MESSAGE = 2_000  # characters


def cut_text(message: str) -> str:
    """Return a message without its end where it is very long: it may quote a value of 10 MB."""
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: rows by fate once they are committed, or why nothing of it could be taken."""

    rows: int = 0
    new: int = 0
    labelled: int = 0
    duplicates: int = 0
    corrected: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)  # by reason
    refused: str | None = None

    def __post_init__(self) -> None:
        if self.refused is not None:
            object.__setattr__(self, "refused", cut_text(self.refused))


ProblemReason = Literal[
    "source_unreachable", "directory_missing", "unreadable_file", "empty_file", "missing_column", "missing_slice_column",
    "missing_mapped_column", "wrong_type", "foreign_zone", "no_percentages", "percentages", "scores_of_predicted_class",
    "undecided_outcome", "unknown_positive", "mixed_boxes", "box_layout", "replaced_truth", "boxes_matched_anew",
    "boxes_waiting", "boxes_over_edge", "repeated_boxes", "several_versions",
    "changed_predictions", "near_repeats", "withdrawn_rows", "withdrawn_labels", "rows_set_aside", "labels_judged_anew",
    "logits_are", "values_folded", "slices_mended", "labels_not_judged", "file_set_aside",
    "push_set_aside", "several_names",
]  # fmt: skip
PROBLEM_REASONS: tuple[ProblemReason, ...] = get_args(ProblemReason)
# told once, when it happens: the next pull knows nothing of it
NOTED_REASONS: tuple[ProblemReason, ...] = (
    "changed_predictions", "near_repeats", "withdrawn_rows", "withdrawn_labels", "rows_set_aside", "labels_judged_anew",
    "logits_are", "values_folded", "slices_mended", "labels_not_judged", "push_set_aside", "replaced_truth",
    "boxes_matched_anew", "several_names", "boxes_over_edge", "repeated_boxes", "several_versions",
)  # fmt: skip
# nothing of a file, a push or a source was taken
NOTHING_TAKEN: tuple[ProblemReason, ...] = (
    "source_unreachable", "directory_missing", "unreadable_file", "missing_column", "wrong_type", "foreign_zone",
    "no_percentages", "percentages", "scores_of_predicted_class", "undecided_outcome", "unknown_positive", "mixed_boxes",
    "box_layout",
    "file_set_aside", "push_set_aside",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of the source could not be read, or only in part. ``reason`` is a metric label, ``message`` a sentence."""

    item: str
    reason: ProblemReason
    message: str
    cursor: Mapping[str, str] = field(default_factory=dict)  # committed, so that a final problem is told once
    news: bool = True  # False: told again of what is no longer tried
    is_listed: bool = False  # of a file that is set aside: the list of those files tells it from now on

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", cut_text(self.message))
