"""Which series are shown when there are more than max_series."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from monitor.publish.metrics.exposition import LabelSet

Row = tuple[str, LabelSet, float]  # family, labels, value


@dataclass(frozen=True, slots=True)
class SliceRows:
    """The series of one slice of one model: those that are always shown, and those that may have to give way."""

    model: str
    kept: list[Row] = field(default_factory=list)
    others: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CappedSeries:
    """What is shown; how many series are left out, and by how many those that are always shown are more than allowed."""

    rows: list[Row]
    capped: int
    beyond: int


def cap_series(slices: Sequence[SliceRows], most: int) -> CappedSeries:
    """Fill what the kept rows leave of ``most`` with the others, slice by slice in the given order, fairly between models.

    It is always the turn of the model that has the fewest of them so far; one whose next slice has no room gets no more, so
    that a model is only cut where it has more than its equal share, and what one does not need goes to the others.
    """
    kept = sum(len(each.kept) for each in slices)
    room = max(most - kept, 0)
    waiting: dict[str, list[int]] = {}
    for place, each in reversed(list(enumerate(slices))):
        waiting.setdefault(each.model, []).append(place)
    turns = [(0, model) for model in waiting]
    heapify(turns)
    shown: set[int] = set()
    while turns:
        have, model = heappop(turns)
        place = waiting[model].pop()
        count = len(slices[place].others)
        if count > room:
            continue
        room -= count
        shown.add(place)
        if waiting[model]:
            heappush(turns, (have + count, model))
    rows = [row for place, each in enumerate(slices) for row in (*each.kept, *(each.others if place in shown else ()))]
    whole = sum(len(each.kept) + len(each.others) for each in slices)
    return CappedSeries(rows, whole - len(rows), max(kept - most, 0))
