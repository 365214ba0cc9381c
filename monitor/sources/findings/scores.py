"""Scores and outcomes that do not go together in rows that could be taken.

All functions read the temporary table `tried`, as those of rows.py do.
"""

from collections.abc import Iterator
from math import sqrt

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.config.settings import Model
from monitor.model import Task
from monitor.model.wording import percent, quantity
from monitor.sources.findings import Finding, Weight
from monitor.sources.ingest.percentages import mixes_units
from monitor.store.connection import fetch_row
from monitor.store.sql import statement

ALIKE = 20  # so many outcomes that are all the same are worth a word
LUCK = 9.0  # of the other outcome are to be expected, before its absence says anything
_ENOUGH = 100  # labelled rows from which shares are judged
_FAR = 0.5  # mean score above the rate of the event
_ABOVE = 0.1  # the same, where no score is below one half
_OTHERS = 3  # times as many rows as of any other score
_STUCK, _OFF = 0.1, 0.3  # share of one score among all, and how far from its outcomes
_BY_CHANCE = 0.05  # more labels than so equal their predicted class than if both were drawn at random
_BLIND, _SPREAD = 0.55, 0.1  # AUROC below which scores tell nothing, where they are spread that far


def find_odd_scores(connection: duckdb.DuckDBPyConnection, model: Model, *, apart: bool = False) -> Iterator[Finding]:
    """All of them. ``apart``: whether labels are of a source of their own."""
    yield from _ranking(connection, model, apart=apart)
    yield from _alike(connection)
    if model.task is Task.BINARY:
        yield from _one_sided(connection)


def find_two_units(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Scores said to be percentages, of which a part looks like probabilities."""
    small, next_, scores = fetch_row(connection, statement("tried_decades"))
    if scores >= _ENOUGH and mixes_units(small, next_, scores):
        yield Finding(
            f"of {quantity(scores, 'score')} tried, {small:,} lie between 0.1 and 1 and {next_:,} between 1 and 10, as they "
            "were written: if some are probabilities and others percentages, write all of them alike"
        )


def _ranking(connection: duckdb.DuckDBPyConnection, model: Model, *, apart: bool = False) -> Iterator[Finding]:
    """Scores that rank the outcomes the wrong way round, or that are far above what comes true."""
    score, outcome, has_clipped = _load_scored(connection)
    true, false = int(outcome.sum()), int((~outcome).sum())
    if true + false >= ALIKE and len(score) and float(score.min()) == float(score.max()):
        yield Finding(f"every score of {quantity(len(score), 'sample')} tried is {score[0]:g}")
        return
    if true and false and true + false >= ALIKE and np.isin(score, (0.0, 1.0)).all():
        yield Finding(
            f"every score of {quantity(len(score), 'sample')} tried is 0 or 1: is that what was predicted, not how sure it is? "
            "Map the probability"
        )
        return
    if model.task is not Task.DETECTION and not has_clipped:
        yield from _stuck(score, outcome)
    if true + false >= _ENOUGH and min(true, false) >= ALIKE // 2 and _auroc(score, outcome) < 0.4:
        # the standard error of an area is at most that of a rate in the smaller class
        area, error = _auroc(score, outcome), sqrt(0.25 / min(true, false))
        if area + 3 * error < 0.5:
            other = "1 − score" if model.task is Task.BINARY else "another column"
            yield Finding(
                f"scores rank the outcomes the wrong way round (AUROC {area:.2f}): is score the probability of the other "
                f"class? Then map {other}, or see what outcome 1 means"
            )
            return
    if true + false >= _ENOUGH and true and false:
        yield from _blind(connection, model, score, outcome, apart=apart)


def _load_scored(connection: duckdb.DuckDBPyConnection) -> tuple[NDArray[np.float64], NDArray[np.bool_], bool]:
    """Scores and outcomes of single samples, and whether any score was a hair outside 0 to 1."""
    rows = connection.execute(
        "SELECT score, positives, clipped FROM tried WHERE reason IS NULL AND positives IS NOT NULL AND n = 1"
    ).fetchnumpy()
    outcome = np.asarray(rows["positives"]) > 0
    return np.asarray(rows["score"], dtype=np.float64), outcome, bool(np.asarray(rows["clipped"]).any())


def _blind(
    connection: duckdb.DuckDBPyConnection, model: Model, score: NDArray[np.float64], outcome: NDArray[np.bool_], *,
    apart: bool,
) -> Iterator[Finding]:  # fmt: skip
    """Scores far above what comes true, or that say nothing of it. A model may be as sure, as wrong and as blind as that; but
    labels that stand beside other predictions look just so."""
    area, mean, rate = _auroc(score, outcome), float(score.mean()), float(outcome.mean())
    if model.task is not Task.BINARY and mean - rate > _FAR:
        yield Finding(
            f"scores say {percent(mean)} on average, and {percent(rate)} come true: are labels and predicted classes written "
            "alike, and do they stand beside each other?",
            Weight.SUSPICIOUS if _agrees_by_chance(connection, rate, area) else Weight.NOTE,
        )
    elif area < _BLIND and min(outcome.sum(), (~outcome).sum()) >= _ENOUGH // 2 and float(score.std()) >= _SPREAD:
        yield Finding(
            f"scores do not tell the outcomes apart (AUROC {area:.2f}): "
            "do labels stand beside their own predictions, and speak outcomes of what scores speak of?",
            Weight.SUSPICIOUS if apart else Weight.NOTE,
        )


def _agrees_by_chance(connection: duckdb.DuckDBPyConnection, rate: float, area: float) -> bool:
    """Whether labels equal predicted classes no more often than if both were drawn at random; where there are no names,
    whether scores do not tell the outcomes apart."""
    rows, by_chance = fetch_row(connection, statement("tried_agreement_by_chance"))
    return rate - by_chance < _BY_CHANCE if rows >= _ENOUGH else area < _BLIND


def _stuck(score: NDArray[np.float64], outcome: NDArray[np.bool_]) -> Iterator[Finding]:
    """One score on many rows, far from what comes true of them: a default, where there was no score.

    1 is not among them: a softmax that is too sure gives it to many rows, and so does 0 where scores were clipped.
    """
    values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    if len(score) < _ENOUGH:
        return
    most = int(counts.argmax())
    if counts[most] < _OTHERS * np.delete(counts, most).max(initial=0):
        return  # scores of a few steps: all of them are on many rows
    rate = float(outcome[place == most].mean())
    if counts[most] >= _STUCK * len(score) and abs(rate - values[most]) > _OFF and values[most] in (0.0, 0.5):
        yield Finding(
            f"{counts[most]:,} of {quantity(len(score), 'sample')} tried have the score {values[most]:g}, and {percent(rate)} "
            "of them come true: is it what is written where there is no score? Leave it empty there"
        )


def _auroc(score: NDArray[np.float64], outcome: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties count one half."""
    false, true = np.sort(score[~outcome]), score[outcome]
    below = np.searchsorted(false, true) + np.searchsorted(false, true, side="right")
    return float(below.mean() / (2 * len(false)))


def _alike(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    labelled, positives, expected = fetch_row(connection, statement("tried_sums"))
    if labelled >= ALIKE and positives in (0, labelled):
        other = labelled - expected if positives else expected
        yield Finding(
            f"every outcome of {quantity(labelled, 'sample')} tried is {int(positives > 0)}: where the other should occur too, "
            "see how it is written, and what is set aside",
            Weight.SUSPICIOUS if other >= LUCK else Weight.NOTE,
        )


def _one_sided(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """No score below one half, far fewer positives than they say, and none more of them where scores are high: scores of the
    class that was predicted. A model that is merely too sure of what it flags ranks it still."""
    score, outcome, _ = _load_scored(connection)
    if len(score) < _ENOUGH or float(score.min()) < 0.5 or outcome.all() or not outcome.any():
        return
    if float(score.mean() - outcome.mean()) > _ABOVE and _auroc(score, outcome) < _BLIND:
        yield Finding(
            f"no score of {quantity(len(score), 'sample')} tried is below 0.5, they say {percent(float(score.mean()))} on "
            f"average, and {percent(float(outcome.mean()))} come true: are scores those of the predicted class? Then task = "
            '"multiclass" with label and predicted_class, or give the probability of the positive class as score'
        )
