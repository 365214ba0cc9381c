"""What came in and does not fit together: labels whose prediction has not come, groups that do not lie within a bucket."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

_NEARLY_ALL, _ENOUGH = 0.9, 20
_SOME_BUCKETS, _SOME_DAYS = 0.05, 0.2
_SOME_ALONE, _MOST_ALONE = 0.01, 0.99


@dataclass(frozen=True, slots=True)
class WaitingLabels:
    """Labels of one source that wait for their prediction, with what can be seen of why.

    Early labels are normal. ``due`` are those that are not early: the newest hundred from before the newest prediction
    came, so that their own should be there. ``joined`` labels of the same time have found theirs.
    """

    model: str
    source: str
    labels: int  # that wait; of one prediction they count once
    oldest_at: datetime | None = None  # labelled_at of the oldest and the newest of them; None = none waits
    newest_at: datetime | None = None
    due: int = 0
    joined: int = 0
    label_examples: tuple[str, ...] = ()
    prediction_examples: tuple[str, ...] = ()  # newest predictions without a label
    guess: str = ""  # why they find none, as a sentence without its stop; "" = nothing can be seen
    compared_at: datetime | None = None  # when ids were compared: examples and guess are of then
    looked_at: datetime | None = None  # and what is due and has joined of then

    @property
    def share(self) -> float | None:
        """Of the due and the joined the share that waits, 0 to 1; None when none is due."""
        return self.due / (self.due + self.joined) if self.due else None

    @property
    def suspicious(self) -> bool:
        """Whether nearly all new labels wait though predictions come, or many wait for a reason that can be seen."""
        share = self.share
        if share is not None and share > _NEARLY_ALL and self.due >= _ENOUGH:
            return True
        return bool(self.guess) and self.labels >= _ENOUGH


@dataclass(frozen=True, slots=True)
class FileSetAside:
    """A file that is no longer read, because reading it failed twice in a way no file should be able to cause."""

    model: str
    source: str
    item: str
    tries: int
    kind: str  # out_of_memory, crashed, timed_out or failed
    reason: str  # goes on from the file's name
    remedy: str
    first_tried_at: datetime
    last_tried_at: datetime


@dataclass(frozen=True, slots=True)
class Straddling:
    """Rows by whether their group (group_id) lies within one bucket and within one day (UTC). Shares are of all rows."""

    rows: int
    grouped: int  # with a group_id
    groups: int
    over_buckets: float  # 0 to 1: rows in groups that span buckets, for which drift rules promise nothing
    over_days: float  # and days, of which a refit may find no later samples
    examples: tuple[str, ...] = ()  # the longest groups
    example_rows: tuple[int, ...] = ()
    example_lengths: tuple[timedelta, ...] = ()

    @property
    def suspicious(self) -> bool:
        """Whether group_id is likely not what it should be: a clip may cross the hour, few cross midnight."""
        return self.many_over_buckets or self.over_days > _SOME_DAYS

    @property
    def many_over_buckets(self) -> bool:
        """Whether so many rows lie in groups that span buckets that drift rules promise nothing worth the name."""
        return self.over_buckets > _SOME_BUCKETS

    @property
    def alone(self) -> float:
        """Of all rows the share without a group_id, 0 to 1: each of them counts as a group of its own."""
        return 1 - self.grouped / self.rows if self.rows else 0.0

    @property
    def partly_alone(self) -> bool:
        """Whether some rows name their group and others, which likely have one too, do not."""
        return _SOME_ALONE <= self.alone <= _MOST_ALONE


@dataclass(frozen=True, slots=True)
class GroupSpans:
    """How far the groups of a model reach, over the rows observed since ``since``."""

    model: str
    checked_at: datetime
    since: datetime
    bucket: timedelta  # as configured at that time
    straddling: Straddling

    @property
    def suspicious(self) -> bool:
        """Whether group_id is likely not what it should be, or is missing where it should be."""
        return self.straddling.suspicious or self.straddling.partly_alone


FoldedKind = Literal["version", "calibrator", "slice", "drift"]


@dataclass(frozen=True, slots=True)
class FoldedValues:
    """What is beyond a limit: versions, calibrators or values of the slice dimension ``name``, whose rows count together as
    ``__other__``; or, of kind "drift", versions open at once of which the rule ``name`` judges no more."""

    kind: FoldedKind
    name: str
    most: int  # the limit
    began_at: datetime
    newest_at: datetime
    rows: int  # that came so, repeats included; of kind "drift" versions, now
    examples: tuple[str, ...] = ()
