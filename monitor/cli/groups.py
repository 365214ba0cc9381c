"""The column that tells in how many groups samples come, in tables of those models that have some.

By itself, because more than one table has it, and it asks nothing of how tables are printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.model.nouns import GROUP, make_plural, quantity
from monitor.model.wording import UNKNOWN


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A column, or none: ``name`` has one entry or is empty, as ``cell`` of each row. ``noun``: what all groups are called."""

    name: tuple[str, ...]
    noun: str

    def cell(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The number of groups of a row, with what they are called where the head of the column does not say it."""
        if not self.name:
            return ()
        count, noun = row["groups"], row["group_noun"] or GROUP
        if count is None:
            return (UNKNOWN,)
        return (f"{count:,}" if noun == self.noun else quantity(count, noun),)


def group_column(rows: Sequence[Mapping[str, Any]]) -> GroupColumn:
    """Return the column of these rows, headed by what the groups are called; none where samples come in no groups."""
    nouns = {row["group_noun"] or GROUP for row in rows if row["groups"] is not None}
    noun = next(iter(nouns)) if len(nouns) == 1 else GROUP
    return GroupColumn((make_plural(noun),) if nouns else (), noun)
