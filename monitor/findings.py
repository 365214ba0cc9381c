"""What looks wrong in rows that could be taken: numbers that would be computed without complaint, and mean something else.

All functions read the temporary table `tried` (see trial.py): the first rows of one source, those that can be taken with
``reason`` NULL. Sentences go on from the source's name and have no stop at their end.
"""

from collections.abc import Iterator
from math import sqrt

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.config import Model
from monitor.findings_labels import find_contradictions, find_odd_labels
from monitor.model import Task
from monitor.store.connection import quoted
from monitor.weights import Finding as Finding
from monitor.weights import Weight as Weight
from monitor.wording import counted, first_few, percent

ALIKE = 20  # so many outcomes that are all the same are worth a word
_ENOUGH = 100  # labelled rows from which shares are judged
_MANY = 0.2  # of the labelled rows: labels never predicted, or predictions never labelled
_BOTH = 0.02  # of them, on the side where fewer are
_SHIFTED = 0.2  # more rows must match under another reading of labels than as they are
_FAR = 0.5  # mean score above the rate of the event
_MISSED = 0.01  # rows with score 0 and outcome 1
_VERSIONS = 20
_TWO_CLASSES = ', or set task = "binary" and positive to the label that the score is the probability of'
_STUCK, _OFF = 0.1, 0.3  # share of one score among all, and how far from its outcomes
_LUCK = 5.0  # of the other outcome are to be expected, before its absence says anything
_BLIND, _SPREAD = 0.55, 0.1  # AUROC below which scores tell nothing, where they are spread that far


_KEPT = {  # of the rows tried: what is asked where labels come by themselves
    "samples": "sample_id VARCHAR, score DOUBLE, predicted_class VARCHAR, n BIGINT, clipped BOOLEAN",
    "labels": "sample_id VARCHAR, label VARCHAR, positives BIGINT",
}


def keep_for_both(connection: duckdb.DuckDBPyConnection, holds: str) -> None:
    """Keep what ``find_together`` needs of the source whose rows are in `tried`."""
    listed = ", ".join(column.split()[0] for column in _KEPT[holds].split(", "))
    labelled = " AND labelled" if holds == "labels" else ""
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS tried_{holds} ({_KEPT[holds]})")
    connection.execute(f"INSERT INTO tried_{holds} SELECT {listed} FROM tried WHERE reason IS NULL{labelled}")


def find_together(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    """What looks wrong once labels of a source of their own stand beside their predictions; after ``keep_for_both`` of both."""
    connection.execute("""
CREATE OR REPLACE TEMP TABLE tried AS
SELECT p.sample_id, p.score, p.predicted_class, l.label, p.n, p.clipped, NULL::VARCHAR AS reason, true AS labelled,
    coalesce(l.positives, (l.label = p.predicted_class)::BIGINT) AS positives
FROM (SELECT DISTINCT ON (sample_id) * FROM tried_samples WHERE n = 1) AS p JOIN tried_labels AS l USING (sample_id)""")
    yield from _ranking(connection, model, apart=True)
    yield from _alike(connection)
    yield from _missed_objects(connection, model)
    if model.task is not Task.BINARY:
        _pair_unmet(connection)
        yield from _class_names(connection)
    yield from find_odd_labels(connection, model)


def _pair_unmet(connection: duckdb.DuckDBPyConnection) -> None:
    """Where hardly any of the ids met, names that nobody shares are told all the same: put them beside each other at will."""
    met = connection.execute(f"""
SELECT (SELECT count(*) FROM tried) >= {ALIKE} OR EXISTS (
    SELECT 1 FROM tried_labels AS l JOIN tried_samples AS p ON p.predicted_class = l.label)""").fetchone()
    if met and not met[0]:
        connection.execute("""
CREATE OR REPLACE TEMP TABLE tried AS
SELECT p.sample_id, p.score, p.predicted_class, l.label, p.n, p.clipped, NULL::VARCHAR AS reason, true AS labelled,
    NULL::BIGINT AS positives
FROM (SELECT *, row_number() OVER () AS place FROM tried_samples WHERE predicted_class IS NOT NULL) AS p
JOIN (SELECT *, row_number() OVER () AS place FROM tried_labels WHERE label IS NOT NULL) AS l USING (place)""")


def find(connection: duckdb.DuckDBPyConnection, model: Model, holds: str) -> Iterator[Finding]:
    """All of them, for the rows of one source."""
    if holds == "samples":
        yield from _identities(connection)
        yield from _close_times(connection)
        yield from _ranking(connection, model)
        yield from _alike(connection)
        yield from _missed_objects(connection, model)
        yield from _versions(connection)
        yield from find_odd_labels(connection, model)
    yield from find_contradictions(connection)
    if model.task is Task.BINARY:
        yield from _positives(connection, model)
    elif holds == "samples":
        yield from _class_names(connection)


def _identities(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Predictions of one identity that differ between files: each takes the place of the one before."""
    rows = connection.execute("""
SELECT file, count(*) FILTER (changes), count(*)
FROM (
    SELECT file, place, coalesce(
        score <> lag(score) OVER same OR coalesce(raw_score <> lag(raw_score) OVER same, false)
        OR slice_key <> lag(slice_key) OVER same OR coalesce(version <> lag(version) OVER same, false), false) AS changes
    FROM tried WHERE reason IS NULL
    WINDOW same AS (PARTITION BY sample_id, observed_at ORDER BY place)
)
GROUP BY file HAVING count(*) FILTER (changes) > 0.01 * count(*) ORDER BY min(place)""").fetchall()
    if rows:
        changed, tried = sum(row[1] for row in rows), sum(row[2] for row in rows)
        yield Finding(
            Weight.SUSPICIOUS,
            f"{changed:,} of {counted(tried, 'row')} of {first_few([row[0] for row in rows])} give another prediction to a "
            "sample_id and observed_at of a file before them, and would take its place: where ids start anew in each file, "
            "make them differ, such as by the camera in front",
        )


def _close_times(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    found = connection.execute("""
SELECT count(*) FILTER (near), count(*), count(*) FILTER (near AND alike)
FROM (
    SELECT abs(score - lag(score) OVER same) <= 0.005 AS alike,
        epoch_us(observed_at) - epoch_us(lag(observed_at) OVER same) < 1000000
        AND observed_at <> lag(observed_at) OVER same
        AND ((epoch_us(observed_at) % 1000000 = 0) <> (epoch_us(lag(observed_at) OVER same) % 1000000 = 0)
             OR (epoch_us(observed_at) % 1000 = 0) <> (epoch_us(lag(observed_at) OVER same) % 1000 = 0)) AS near
    FROM tried WHERE reason IS NULL
    WINDOW same AS (PARTITION BY sample_id ORDER BY observed_at)
)""").fetchone()
    if found and found[2] > 0.01 * found[1] and found[2] >= found[0] / 2:
        yield Finding(
            Weight.SUSPICIOUS,
            f"{found[0]:,} of {counted(found[1], 'row')} have a sample_id that comes again within a second, with other "
            "fractions of it: the same predictions exported twice would count twice; set "
            'time_precision = "1s" in [model.source]',
        )
    elif found and found[0] > 0.01 * found[1]:
        yield Finding(
            Weight.NOTE,
            f"{found[0]:,} of {counted(found[1], 'row')} have a sample_id that comes again within a second, with another "
            "score: taken as predictions of their own, such as the frames of a clip",
        )


def _ranking(connection: duckdb.DuckDBPyConnection, model: Model, *, apart: bool = False) -> Iterator[Finding]:
    """Scores that rank the outcomes the wrong way round, or that are far above what comes true."""
    rows = connection.execute(
        "SELECT score, positives, clipped FROM tried WHERE reason IS NULL AND positives IS NOT NULL AND n = 1"
    ).fetchnumpy()
    score, outcome = np.asarray(rows["score"], dtype=np.float64), np.asarray(rows["positives"]) > 0
    true, false = int(outcome.sum()), int((~outcome).sum())
    if true + false >= ALIKE and len(score) and float(score.min()) == float(score.max()):
        yield Finding(Weight.SUSPICIOUS, f"every score of {counted(len(score), 'sample')} tried is {score[0]:g}")
        return
    if true and false and true + false >= ALIKE and np.isin(score, (0.0, 1.0)).all():
        yield Finding(
            Weight.SUSPICIOUS,
            f"every score of {counted(len(score), 'sample')} tried is 0 or 1: is that what was predicted, not how sure it is? "
            "Map the probability",
        )
        return
    if model.task is not Task.DETECTION and not np.asarray(rows["clipped"]).any():
        yield from _stuck(score, outcome)
    if min(true, false) >= ALIKE // 2 and true + false >= _ENOUGH:
        area = _auroc(score, outcome)
        # the standard error of an area is at most that of a rate in the smaller class
        error = sqrt(0.25 / min(true, false))
        if area + 3 * error < 0.5 and area < 0.4:
            other = "1 − score" if model.task is Task.BINARY else "another column"
            yield Finding(
                Weight.SUSPICIOUS,
                f"scores rank the outcomes the wrong way round (AUROC {area:.2f}): is score the probability of the other "
                f"class? Then map {other}, or see what outcome 1 means",
            )
            return
        if area < _BLIND and min(true, false) >= _ENOUGH // 2 and float(score.std()) >= _SPREAD:
            # a model may be as blind as that; labels that were joined to other predictions look just so
            yield Finding(
                Weight.SUSPICIOUS if apart else Weight.NOTE,
                f"scores do not tell the outcomes apart (AUROC {area:.2f}): "
                "do labels stand beside their own predictions, and speak outcomes of what scores speak of?",
            )
            return
    if model.task is not Task.BINARY and true + false >= _ENOUGH and false:
        gap = float(score.mean()) - true / (true + false)
        if gap > _FAR:
            yield Finding(
                Weight.SUSPICIOUS,
                f"scores say {percent(float(score.mean()))} on average, and {percent(true / (true + false))} come true: are "
                "labels and predicted classes written alike?",
            )


def _stuck(score: NDArray[np.float64], outcome: NDArray[np.bool_]) -> Iterator[Finding]:
    """One score on many rows, far from what comes true of them: a default, where there was no score.

    1 is not among them: a softmax that is too sure gives it to many rows, and so does 0 where scores were clipped.
    """
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    if len(score) < _ENOUGH:
        return
    most = int(counts.argmax())
    rate = float(outcome[place == most].mean())
    if counts[most] >= _STUCK * len(score) and abs(rate - values[most]) > _OFF and values[most] in (0.0, 0.5):
        yield Finding(
            Weight.SUSPICIOUS,
            f"{counts[most]:,} of {counted(len(score), 'sample')} tried have the score {values[most]:g}, and {percent(rate)} "
            "of them come true: is it what is written where there is no score? Leave it empty there",
        )


def _auroc(score: NDArray[np.float64], outcome: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties count one half."""
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])[: len(values)]
    rank = (below + (counts + 1) / 2)[place]
    true, false = int(outcome.sum()), int((~outcome).sum())
    return float((rank[outcome].sum() - true * (true + 1) / 2) / (true * false))


def _alike(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    found = connection.execute(
        "SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(positives), 0)::BIGINT, coalesce(sum(n * score), 0.0) FROM tried "
        "WHERE reason IS NULL AND positives IS NOT NULL"
    ).fetchone()
    if found and found[0] >= ALIKE and found[1] in (0, found[0]):
        other = found[0] - found[2] if found[1] else found[2]
        yield Finding(
            Weight.SUSPICIOUS if other >= _LUCK else Weight.NOTE,
            f"every outcome of {counted(found[0], 'sample')} tried is {int(found[1] > 0)}: where the other should occur too, "
            "see how it is written, and what is set aside",
        )


def _missed_objects(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    if model.task is not Task.DETECTION:
        return
    found = connection.execute(
        "SELECT count(*) FILTER (score <= 1e-6 AND positives > 0), count(*) FROM tried WHERE reason IS NULL"
    ).fetchone()
    if found and found[0] >= 2 and found[0] >= _MISSED * found[1]:
        yield Finding(
            Weight.SUSPICIOUS,
            f"{found[0]:,} of {counted(found[1], 'row')} have score 0 and outcome 1: objects that were missed, put in as rows? "
            "They are no detections, and spoil the calibration error: leave them out",
        )


def _versions(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    found = connection.execute(
        "SELECT count(DISTINCT version), count(*), any_value(version) FROM tried WHERE reason IS NULL"
    ).fetchone()
    if found and found[0] > _VERSIONS:
        yield Finding(
            Weight.SUSPICIOUS,
            f"{found[0]:,} versions in {counted(found[1], 'row')}, such as {found[2]}: each is watched by itself, with as few "
            "samples. version names the model that was released, not the build or the request",
        )


def _positives(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    """Labels beside ``positive``."""
    if model.positive is None:
        return
    rows = connection.execute(
        "SELECT label, count(*) FROM tried WHERE reason IS NULL AND label IS NOT NULL AND labelled GROUP BY ALL "
        "ORDER BY count(*) DESC, label"
    ).fetchall()
    total = sum(count for _, count in rows)
    named = first_few([f'"{label}" ({count:,})' for label, count in rows], 5)
    if total >= ALIKE and model.positive.strip().lower() not in {label.lower() for label, _ in rows}:
        yield Finding(Weight.SUSPICIOUS, f'no label is positive = "{model.positive}"; there are {named}')
    elif len(rows) > 2:
        yield Finding(
            Weight.SUSPICIOUS,
            f'labels are {named}, and all but "{model.positive}" count as negative: if so, say it with outcomes = '
            "{ false = [...] } in [model.source]; words for labels that are still missing go to missing_labels",
        )


def _class_names(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Labels and predicted classes that do not speak of the same classes."""
    where = "reason IS NULL AND label IS NOT NULL AND labelled AND predicted_class IS NOT NULL"
    found = connection.execute(f"""
SELECT count(*), count(*) FILTER (label = predicted_class),
    count(*) FILTER (label <> predicted_class AND lower(label) = lower(predicted_class)),
    count(*) FILTER (TRY_CAST(label AS BIGINT) = TRY_CAST(predicted_class AS BIGINT) + 1),
    count(*) FILTER (TRY_CAST(label AS BIGINT) = TRY_CAST(predicted_class AS BIGINT) - 1),
    count(*) FILTER (TRY_CAST(label AS BIGINT) IS NOT NULL), count(*) FILTER (TRY_CAST(predicted_class AS BIGINT) IS NOT NULL),
    count(*) FILTER (NOT list_contains((SELECT list(DISTINCT predicted_class) FROM tried WHERE {where}), label)),
    count(*) FILTER (NOT list_contains((SELECT list(DISTINCT label) FROM tried WHERE {where}), predicted_class))
FROM tried WHERE {where}""").fetchone()
    if not found or found[0] < ALIKE:
        return
    rows, same, cased, above, below, label_numbers, class_numbers, unpredicted, unlabelled = found
    labels, classes = _names(connection, "label", where), _names(connection, "predicted_class", where)
    sides = f"labels are {first_few(labels, 6)}, predicted classes {first_few(classes, 6)}"
    for matching, why in (
        (cased, "they are written in upper case on one side and in lower case on the other"),
        (above, "labels count from 1 where predicted classes count from 0"),
        (below, "labels count from 0 where predicted classes count from 1"),
    ):
        if matching > same + _SHIFTED * rows or (matching == cased and cased > 0.02 * rows):
            yield Finding(
                Weight.MISTAKE,
                f"{sides}: {why}: {same:,} of {counted(rows, 'label')} tried equal their predicted class as they stand, "
                f"{matching:,} would; write both alike",
            )
            return
    if (
        (label_numbers == rows) != (class_numbers == rows)
        and min(label_numbers, class_numbers) < rows // 2
        and not same
    ):
        yield Finding(
            Weight.MISTAKE,
            f"{sides}: an index on one side and a name on the other, so none of {counted(rows, 'label')} tried equals its "
            "predicted class; write both alike" + (_TWO_CLASSES if max(len(labels), len(classes)) <= 2 else ""),
        )
    elif not same:
        yield Finding(
            Weight.MISTAKE,
            f"{sides}: none of {counted(rows, 'label')} tried equals its predicted class; write both alike",
        )
    elif rows >= _ENOUGH and max(unpredicted, unlabelled) >= _MANY * rows:
        never = _never(connection, where)
        # classes written in two ways are missing on both sides; on one side alone they may just be rare
        both = min(unpredicted, unlabelled) >= _BOTH * rows
        yield Finding(
            Weight.SUSPICIOUS if both else Weight.NOTE,
            f"{never}: {percent(unpredicted / rows)} of the labels are never predicted, {percent(unlabelled / rows)} of the "
            "predictions never labelled" + ("; are both written alike?" if both else ""),
        )


def _names(connection: duckdb.DuckDBPyConnection, column: str, where: str) -> list[str]:
    rows = connection.execute(
        f"SELECT {quoted(column)} FROM tried WHERE {where} GROUP BY 1 ORDER BY TRY_CAST({quoted(column)} AS BIGINT), 1 LIMIT 50"
    ).fetchall()
    return [name for (name,) in rows]


def _never(connection: duckdb.DuckDBPyConnection, where: str) -> str:
    labels, classes = set(_names(connection, "label", where)), set(_names(connection, "predicted_class", where))
    return (
        f"labels {first_few(sorted(labels - classes)) or 'none'} are never predicted, and predicted classes "
        f"{first_few(sorted(classes - labels)) or 'none'} never occur as label"
    )
