"""What looks wrong in rows that could be taken: numbers that would be computed without complaint, and mean something else.

All functions read the temporary table `tried` (see dry_run.py): the first rows of one source, those that can be taken with
``reason`` NULL. Sentences go on from the source's name and have no stop at their end.
"""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from monitor.config.settings import Model
from monitor.config.sources import SourceSettings
from monitor.model import Task
from monitor.model.wording import first_few, quantity
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.delays import find_short_spans, find_unjoined
from monitor.sources.findings.labels import find_contradictions, find_odd_labels
from monitor.sources.findings.names import find_odd_positives, find_other_classes
from monitor.sources.findings.scores import ALIKE as ALIKE
from monitor.sources.findings.scores import find_odd_scores, find_two_units
from monitor.sources.findings.slices import find_answers
from monitor.store.connection import fetch_row
from monitor.store.sql import statement

_MISSED = 0.01  # rows with score 0 and outcome 1
_VERSIONS, _OF_A_VERSION = 20, 100  # so many of them, with fewer rows each

_KEPT = {  # of the rows tried: what is asked where labels come by themselves
    "samples": "sample_id VARCHAR, observed_at TIMESTAMP, score DOUBLE, predicted_class VARCHAR, n BIGINT, clipped BOOLEAN",
    "labels": "sample_id VARCHAR, observed_at TIMESTAMP, labelled_at TIMESTAMP, label VARCHAR, positives BIGINT",
}


def keep_tried_rows(connection: duckdb.DuckDBPyConnection, holds: str) -> None:
    """Keep what ``find_odd_pairs`` needs of the source whose rows are in `tried`."""
    listed = ", ".join(column.split()[0] for column in _KEPT[holds].split(", "))
    labelled = " AND labelled" if holds == "labels" else ""
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS tried_{holds} ({_KEPT[holds]})")
    connection.execute(f"INSERT INTO tried_{holds} SELECT {listed} FROM tried WHERE reason IS NULL{labelled}")


def find_odd_pairs(
    connection: duckdb.DuckDBPyConnection, model: Model, at: datetime | None = None
) -> Iterator[Finding]:
    """Find what looks wrong once labels of another source stand beside their predictions; after ``keep_tried_rows`` of both.
    ``at``: when labels that say no time count as given."""
    yield from find_unjoined(connection, model, at)
    yield from find_short_spans(connection, model)
    connection.execute(statement("tried_joined"))
    yield from find_odd_scores(connection, model, apart=True)
    yield from _missed_objects(connection, model)
    if model.task is not Task.BINARY:
        # where hardly any of the ids met, names that nobody shares are told all the same: put them beside each other at will
        if not fetch_row(connection, statement("tried_met"), {"enough": ALIKE})[0]:
            connection.execute(statement("tried_paired"))
        yield from find_other_classes(connection)
    yield from find_odd_labels(connection, model)


def find_oddities(
    connection: duckdb.DuckDBPyConnection, model: Model, holds: str, meaning: SourceSettings | None
) -> Iterator[Finding]:
    """All of them, for the rows of one source; ``meaning``: its configuration."""
    if holds == "samples":
        yield from _identities(connection)
        yield from _close_times(connection)
        yield from find_odd_scores(connection, model)
        if meaning is not None and meaning.score_unit == "percent":
            yield from find_two_units(connection)
        yield from find_answers(connection, model)
        yield from _missed_objects(connection, model)
        yield from _versions(connection)
        yield from find_odd_labels(connection, model)
    yield from find_contradictions(connection)
    if model.task is Task.BINARY:
        yield from find_odd_positives(connection, model, meaning)
    elif holds == "samples":
        yield from find_other_classes(connection)


def _identities(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Predictions of one identity that differ between files: each takes the place of the one before."""
    rows = connection.execute(statement("tried_changing")).fetchall()
    if rows:
        changed, tried = sum(row[1] for row in rows), sum(row[2] for row in rows)
        yield Finding(
            f"{changed:,} of {quantity(tried, 'row')} of {first_few([row[0] for row in rows])} give another prediction to a "
            "sample_id and observed_at of a file before them, and would take its place: where ids start anew in each file, "
            "make them differ, such as by the camera in front"
        )


def _close_times(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Ids that come again within a second: of exports with and without fractions there are as many as there are exports, of
    films many."""
    near, rows, alike, seconds, films = fetch_row(connection, statement("tried_near"))
    if near <= 0.01 * rows:
        return
    head = f"{near:,} of {quantity(rows, 'row')} have a sample_id that comes again within a second"
    if alike >= near / 2 and films < seconds / 2:
        yield Finding(
            f"{head}, with other fractions of it: the same predictions exported twice would count twice; set "
            'time_precision = "1s" in [model.source]'
        )
    else:
        yield Finding(
            f"{head}, with another score or again and again: taken as predictions of their own, such as the frames of a clip",
            Weight.NOTE,
        )


def _missed_objects(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    if model.task is not Task.DETECTION:
        return
    missed, rows = fetch_row(
        connection, "SELECT count(*) FILTER (score <= 1e-6 AND positives > 0), count(*) FROM tried WHERE reason IS NULL"
    )
    if missed >= max(2, _MISSED * rows):
        yield Finding(
            f"{missed:,} of {quantity(rows, 'row')} have score 0 and outcome 1: objects that were missed, put in as rows? "
            "They are no detections, and spoil the calibration error: leave them out"
        )


def _versions(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    versions, rows, example = fetch_row(
        connection, "SELECT count(DISTINCT version), count(*), any_value(version) FROM tried WHERE reason IS NULL"
    )
    few = rows < _OF_A_VERSION * versions
    if versions > _VERSIONS or (versions >= _VERSIONS // 2 and versions > rows / 2):
        yield Finding(
            f"{versions:,} versions in {quantity(rows, 'row')}, such as {example}: each is watched by itself, with "
            f"{'as few samples' if few else 'its own samples'}. version names the model that was released, not the build or "
            "the request",
            Weight.SUSPICIOUS if few else Weight.NOTE,
        )
