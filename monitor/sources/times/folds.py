"""Times that clocks showed twice in autumn, read as one of the two moments that they may mean.

They come in `staged` with two readings: ``observed_at``, the earlier, and ``observed_other``, the later (expressions.py).
"""

from datetime import UTC, datetime

import duckdb

from monitor.sources.times.expressions import CLOCK_SKEW
from monitor.store.connection import fetch_row, make_naive
from monitor.store.sql import statement


def has_folds(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether `staged` has times that clocks showed twice."""
    shown_twice = "SELECT 1 FROM staged WHERE observed_other > observed_at AND reason IS NULL LIMIT 1"
    return connection.execute(shown_twice).fetchone() is not None


def settle_folds(connection: duckdb.DuckDBPyConnection, model_id: int | None, now: datetime) -> int:
    """Set ``observed_at`` of the rows of `staged` that have ``observed_other`` and no reason to its right reading.

    It is, in this order: the one under which the store has the identity (``model_id`` None: nothing is stored); what the
    order of rows in the file tells; the earlier, if the later is ahead of ``now``; the later, which is a guess. Returns how
    many were guessed.
    """
    if not has_folds(connection):
        return 0
    connection.execute(statement("folds_found"))
    latest = _latest(now)
    connection.execute("CREATE OR REPLACE TEMP TABLE walked (position BIGINT, is_later BOOLEAN)")
    changes = connection.execute(
        "SELECT fold, min(earlier), max(earlier), max(later), epoch_us(max(later - earlier)) FROM folded GROUP BY fold"
    ).fetchall()
    for fold, first, last, last_later, width in changes:
        if model_id is not None:
            span = {"first": first, "last": last_later}
            connection.execute(statement("folds_stored"), {"fold": fold, "model_id": model_id, **span})
        connection.execute(
            statement("folds_walked"), {"fold": fold, "first": first, "last": last, "width": width, "now": latest}
        )
    connection.execute(statement("folds_settled"), {"now": latest})
    connection.execute(
        "UPDATE staged SET observed_at = s.observed_at FROM settled AS s WHERE staged.position = s.position"
    )
    return int(fetch_row(connection, "SELECT count(*) FILTER (guessed) FROM settled")[0])


def settle_labels(connection: duckdb.DuckDBPyConnection) -> None:
    """Set ``labelled_at`` of the rows of `staged` that have ``labelled_other``: the earlier reading, unless that is before
    observed_at, which is to be known by then."""
    connection.execute(statement("folds_labelled"))


def delay_labels(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Give labels that have yet to find their prediction the later of two readings, unless it is ahead of ``now``: none comes
    before what it labels. ``settle_labels`` takes it back where the earlier will do."""
    connection.execute(statement("folds_labelled_later"), {"latest": _latest(now)})


def _latest(now: datetime) -> datetime | None:
    return make_naive(min(now, datetime.max.replace(tzinfo=UTC) - CLOCK_SKEW) + CLOCK_SKEW)
