"""Which models' newest cycle failed, and since when: what `calwatch status` tells from the snapshot."""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from monitor.store.connection import aware, naive
from monitor.store.rows import insert_columns


def load_problems(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[datetime | None, str]]:
    """(since, problem) of each failing model."""
    rows = connection.execute("SELECT model, since, problem FROM problems").fetchall()
    return {model: (aware(since), problem) for model, since, problem in rows}


def store_problems(
    connection: duckdb.DuckDBPyConnection, problems: Mapping[str, str | None], now: datetime
) -> None:  # fmt: skip
    """Make these the problems of all models; None where the cycle went well. A model that failed before keeps its since.

    Call it inside a transaction.
    """
    held = load_problems(connection)
    failing = {
        model: (held[model][0] if model in held else now, problem)
        for model, problem in problems.items()
        if problem is not None
    }
    if failing == held:
        return
    connection.execute("DELETE FROM problems")
    insert_columns(
        connection, "problems", ("model", "since", "problem"),
        ((model, naive(since), problem) for model, (since, problem) in failing.items()),
    )  # fmt: skip
