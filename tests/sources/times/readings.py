"""Batches of times, and the readings they have."""

from datetime import datetime
from typing import Any

import duckdb

from monitor.config.sources import SourceSettings
from monitor.sources.batch import Batch
from monitor.sources.times.expressions import (
    other_expression,
    time_expression,
)
from monitor.store.connection import quote_text


def a_batch(relation: str, kind: str = "VARCHAR", **meaning: Any) -> Batch:
    return Batch(
        f"SELECT * FROM ({relation})",
        {"observed_at": kind},
        {},
        SourceSettings.model_validate({"path": "x", **meaning}),
    )


def readings(connection: duckdb.DuckDBPyConnection, batch: Batch) -> list[tuple[datetime | None, datetime | None]]:
    """Of each row: the time, and its other reading."""
    return connection.execute(
        f"SELECT {time_expression('observed_at', batch)}, {other_expression('observed_at', batch)} FROM ({batch.relation})"
    ).fetchall()


def read(connection: duckdb.DuckDBPyConnection, text: str, **meaning: Any) -> datetime | None:
    return readings(connection, a_batch(f"SELECT {quote_text(text)} AS observed_at", **meaning))[0][0]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)
