"""Slices that are the answer itself: cut by what came true, calibration says nothing, and unlabelled rows have none.

All functions read the temporary table `tried`, as those of rows.py do.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import log

import duckdb

from monitor.config.settings import Model
from monitor.sources.findings import Finding, Weight
from monitor.store.connection import fetch_row
from monitor.store.sql import statement

_ENOUGH = 20  # labelled rows
_CHANCE = log(1e-6)  # of values that all have one outcome each, if they had nothing to do with it
CLASS_DIMENSION = "predicted_class"


def find_answers(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    """Find slice dimensions that say what the label says."""
    for place, name in enumerate(model.slices, 1):
        if name == CLASS_DIMENSION:
            continue
        rows = connection.execute(statement("tried_answers"), {"place": place}).fetchall()
        if sum(row[-1] for row in rows) < _ENOUGH:
            continue
        if _is_label(rows):
            yield Finding(
                f'slices has "{name}", whose values are the labels: cut by what was known before the label came'
            )
        elif _is_outcome(rows) and not fetch_row(connection, statement("tried_separated"))[0]:
            yield Finding(
                f'slices has "{name}", each value of which has one outcome alone: is it the label, or made from it? Cut by '
                "what was known before the label came"
            )
        elif _follows_label(rows):
            yield Finding(
                f'slices has "{name}", which goes with the labels one to one: if it is made from them, cut by something else',
                Weight.NOTE,
            )


# value, label, predicted class, outcome (0, 1, None between), rows
_Row = tuple[str, str | None, str | None, int | None, int]


def _is_label(rows: Sequence[_Row]) -> bool:
    """Whether values are written as the labels are, and not as the predicted classes."""
    labelled = [row for row in rows if row[1] is not None]
    return (
        len(labelled) == len(rows)
        and len({row[0] for row in rows}) > 1
        and all(row[0] == row[1] for row in rows)
        and any(row[0] != row[2] for row in rows)
    )


def _is_outcome(rows: Sequence[_Row]) -> bool:
    """Whether each value has one outcome, which by chance would hardly be."""
    outcomes, counts = defaultdict[str, set[int | None]](set), defaultdict[str, int](int)
    positive = total = 0
    for value, _, _, outcome, count in rows:
        outcomes[value].add(outcome)
        counts[value] += count
        total += count
        positive += count * (outcome == 1)
    if not 0 < positive < total or any(len(found) > 1 or None in found for found in outcomes.values()):
        return False
    rate = positive / total
    return sum(log(rate**n + (1 - rate) ** n) for n in counts.values()) < _CHANCE


def _follows_label(rows: Sequence[_Row]) -> bool:
    """Whether values and labels go together one to one, and values and predicted classes do not."""
    if any(row[1] is None or row[2] is None for row in rows):
        return False
    pairs = {(row[0], row[1]) for row in rows}
    values = {value for value, _ in pairs}
    one_to_one = 1 < len(pairs) == len(values) == len({label for _, label in pairs})
    return one_to_one and len({(row[0], row[2]) for row in rows}) > len(values)
