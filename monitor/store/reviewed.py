"""What a look at the files of a batch gives: each in numbers, and why nothing of some may be taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RefusalReason = Literal[
    "foreign_zone", "percentages", "scores_of_predicted_class", "undecided_outcome", "unknown_positive"
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of a file is taken. ``why`` goes on from its name; ``may_pass``: another file can settle it."""

    reason: RefusalReason
    why: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What was found of the files of a batch. ``take_back``: numbers of earlier files that turn out to be of the same kind."""

    refused: Mapping[str, Refusal]  # by file
    facts: Mapping[str, str]  # of the source, that are new
    take_back: Mapping[int, RefusalReason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """One file's rows in numbers."""

    file: str
    file_id: int
    total: int
    timeless: int  # times that cannot be read
    scores: int  # of rows that say something of their file
    percent: int
    low: int  # scores below one half
    classed: int  # rows with a predicted class
    classes: tuple[str, ...]  # the first and the last of them
    minus: int
    plus: int
    zero: int
    understood: int  # labels that are outcomes
    names: tuple[str, ...]  # labels that are no outcomes, the first and the last
