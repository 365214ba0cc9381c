"""Logits: under another name, whether they are probabilities, and which class stands where."""

from collections import Counter
from collections.abc import Sequence

from monitor.cli.guess.columns import Column, split_words
from monitor.cli.guess.found import Guess, Meaning
from monitor.cli.guess.words import NAMES
from monitor.model import Task
from monitor.sources.column_hints import strip_marks


def guess_logits(meaning: Meaning, task: Task) -> None:
    """Add the column of logits, what it holds and `classes`, where the task has several classes."""
    named = [column for column in meaning.roles.table.columns if column.kind == "list" and _may_be_logits(column.name)]
    if task is not Task.MULTICLASS or not named:
        return
    logits = named[0]
    by_row = [_numbers(one) for one in logits.raw]
    rows = [row for row in by_row if row]
    if not rows or len({len(row) for row in rows}) != 1:
        return
    meaning.roles.assign_role("logits", logits, f"a list of {len(rows[0])} numbers in each row")
    if all(min(row) >= 0 and abs(sum(row) - 1) < 0.01 for row in rows):
        meaning.source.append(Guess("logits_are", "probabilities", f'the values of "{logits.name}" sum to 1'))
    predicted = meaning.roles.columns.get("predicted_class")
    if predicted is None or all(value.isdecimal() for value in predicted.values):
        return
    order = _class_order(by_row, predicted, len(rows[0]))
    if order is not None:
        meaning.model.append(Guess("classes", order, f'"{predicted.name}" is where "{logits.name}" is largest'))
    else:
        meaning.leave_open("classes", f'name the classes in the order of "{logits.name}": classes = ["…"]')


def _may_be_logits(name: str) -> bool:
    plain = strip_marks(name)
    return "box" not in plain and ("prob" in plain or bool(NAMES["logits"] & set(split_words(name))))


def _numbers(cell: object) -> list[float]:
    """A list of numbers, empty for anything else."""
    if not isinstance(cell, list) or not all(isinstance(one, int | float) for one in cell):
        return []
    return [float(one) for one in cell]


def _class_order(by_row: Sequence[Sequence[float]], predicted: Column, size: int) -> list[str] | None:
    """The class at each place, where the predicted class names the largest logit in 99 of 100 rows; else None."""
    votes = [Counter[str]() for _ in range(size)]
    for row, name in zip(by_row, predicted.cells, strict=True):
        if row and name is not None:
            votes[row.index(max(row))][name] += 1
    if not all(votes):
        return None
    order = [vote.most_common(1)[0][0] for vote in votes]
    right = sum(vote[name] for vote, name in zip(votes, order, strict=True))
    total = sum(vote.total() for vote in votes)
    return order if len(set(order)) == size and right >= 0.99 * total else None
