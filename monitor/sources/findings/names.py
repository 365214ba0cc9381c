"""Labels and predicted classes that do not speak of the same classes, in rows that could be taken.

All functions read the temporary table `tried`, as those of rows.py do.
"""

from collections.abc import Iterator

import duckdb

from monitor.config.settings import Model
from monitor.config.sources import Outcomes, SourceSettings
from monitor.model.wording import first_few, percent, quantity
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.scores import ALIKE, LUCK
from monitor.store.connection import fetch_column, fetch_row, quote_name
from monitor.store.sql import statement
from monitor.store.values import normalize_word

_ENOUGH = 100  # labelled rows from which shares are judged
_MANY = 0.2  # of the labelled rows: labels never predicted, or predictions never labelled
_BOTH = 0.02  # of them, of classes that seem to be written in two ways
_SHIFTED = 0.2  # more rows must match under another reading of labels than as they are
_TWO_CLASSES = ', or set task = "binary" and positive to the label that the score is the probability of'


def find_odd_positives(
    connection: duckdb.DuckDBPyConnection, model: Model, meaning: SourceSettings | None
) -> Iterator[Finding]:
    """Labels beside ``positive``; those that ``outcomes`` names are explained."""
    if model.positive is None:
        return
    rows = connection.execute(statement("tried_labels")).fetchall()
    outcomes = meaning.outcomes if meaning is not None and meaning.outcomes is not None else Outcomes()
    words = {normalize_word(model.positive).lower(), *(normalize_word(word).lower() for word in outcomes.true)}
    total, expected = sum(row[1] for row in rows), sum(row[2] for row in rows)
    named = first_few([f'"{label}" ({count:,})' for label, count, _ in rows], 5)
    if total >= ALIKE and not words & {label.lower() for label, *_ in rows}:
        yield Finding(
            f'no label is positive = "{model.positive}"; there are {named}. Write positive as the labels are, unless it is '
            "merely rare",
            Weight.SUSPICIOUS if expected >= LUCK or total >= _ENOUGH else Weight.NOTE,
        )
    elif len(rows) > 2 and not outcomes.false:
        yield Finding(
            f'labels are {named}, and all but "{model.positive}" count as negative: if so, say it with outcomes = '
            "{ false = [...] } in [model.source]; words for labels that are still missing go to missing_labels"
        )


def find_other_classes(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Labels and predicted classes that do not speak of the same classes."""
    where = "reason IS NULL AND label IS NOT NULL AND labelled AND predicted_class IS NOT NULL"
    rows, same, cased, above, below, label_numbers, class_numbers, unpredicted, unlabelled, expected = fetch_row(
        connection, statement("tried_names", named=where)
    )
    if rows < ALIKE:
        return
    labels, classes = _names(connection, "label", where), _names(connection, "predicted_class", where)
    sides = f"labels are {first_few(labels, 6)}, predicted classes {first_few(classes, 6)}"
    for matching, why in (
        (cased, "they are written in upper case on one side and in lower case on the other"),
        (above, "labels count from 1 where predicted classes count from 0"),
        (below, "labels count from 0 where predicted classes count from 1"),
    ):
        if matching > same + _SHIFTED * rows or (matching == cased and cased > 0.02 * rows):
            yield Finding(
                f"{sides}: {why}: {same:,} of {quantity(rows, 'label')} tried equal their predicted class as they stand, "
                f"{matching:,} would; write both alike",
                Weight.MISTAKE,
            )
            return
    if (
        (label_numbers == rows) != (class_numbers == rows)
        and min(label_numbers, class_numbers) < rows // 2
        and not same
    ):
        yield Finding(
            f"{sides}: an index on one side and a name on the other, so none of {quantity(rows, 'label')} tried equals its "
            "predicted class; write both alike" + (_TWO_CLASSES if max(len(labels), len(classes)) <= 2 else ""),
            Weight.MISTAKE,
        )
    elif not same:
        # of names that are on both sides the model may just be wrong, where it says itself that it hardly knows
        lucky = unpredicted < rows / 2 and expected < LUCK
        yield Finding(
            f"{sides}: none of {quantity(rows, 'label')} tried equals its predicted class; write both alike",
            Weight.NOTE if lucky else Weight.MISTAKE,
        )
    elif rows >= _ENOUGH and (twice := _written_twice(connection, where)):
        count = sum(each[2] for each in twice)
        pairs = first_few([f'"{label}" beside "{name}"' for label, name, _ in twice])
        yield Finding(
            f"{count:,} of {quantity(rows, 'label')} tried stand beside a predicted class that is never a label, and are never "
            f"predicted themselves, time and again: {pairs}: are these the same, written in two ways?"
        )
    elif rows >= _ENOUGH and max(unpredicted, unlabelled) >= _MANY * rows:
        yield Finding(
            f"{_never(connection, where)}: {percent(unpredicted / rows)} of the labels are never predicted, "
            f"{percent(unlabelled / rows)} of the predictions never labelled",
            Weight.NOTE,
        )


def _written_twice(connection: duckdb.DuckDBPyConnection, where: str) -> list[tuple[str, str, int]]:
    """(label, predicted class, rows) that go together, the one never predicted and the other never a label; none where they
    are but a few. Where there are hundreds of classes many names stand on one side only, but beside ever other ones."""
    found: list[tuple[str, str, int]] = connection.execute(statement("tried_written_twice", named=where)).fetchall()
    (total,) = fetch_row(connection, f"SELECT count(*) FROM tried WHERE {where}")
    return found if sum(each[2] for each in found) >= _BOTH * total else []


def _names(connection: duckdb.DuckDBPyConnection, column: str, where: str) -> list[str]:
    name = quote_name(column)
    return fetch_column(
        connection, f"SELECT {name} FROM tried WHERE {where} GROUP BY 1 ORDER BY TRY_CAST({name} AS BIGINT), 1 LIMIT 50"
    )


def _never(connection: duckdb.DuckDBPyConnection, where: str) -> str:
    labels, classes = set(_names(connection, "label", where)), set(_names(connection, "predicted_class", where))
    return (
        f"labels {first_few(sorted(labels - classes)) or 'none'} are never predicted, and predicted classes "
        f"{first_few(sorted(classes - labels)) or 'none'} never occur as label"
    )
