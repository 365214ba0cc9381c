"""Whether a state was played, by a demo or a backtest on a simulated clock; its own time; and which calwatch wrote it."""

from datetime import datetime
from pathlib import Path

import duckdb

from monitor.model.errors import UsageError
from monitor.model.wording import minute
from monitor.store.connection import fetch_row, make_aware, transaction
from monitor.store.sql import statement


def is_played(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the state is a demo's or a backtest's."""
    return bool(fetch_row(connection, "SELECT played FROM state")[0])


def mark_played(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that all that follows is played."""
    with transaction(connection):
        connection.execute("UPDATE state SET played = true")


def played_until(connection: duckdb.DuckDBPyConnection) -> datetime:
    """The time of the last cycle: that of the state, where it is played. Of a state without a cycle, when it was made."""
    # open_live leaves at least one migration
    found: datetime = make_aware(fetch_row(connection, statement("played_until"))[0])
    return found


def refuse_played(connection: duckdb.DuckDBPyConnection, state_dir: Path, command: str) -> None:
    """Raises UsageError where the state is played: a cycle at today's clock would throw out what is older than retention.

    ``command``: what was asked for, as a person calls it.
    """
    if is_played(connection):
        raise UsageError(
            f"{state_dir}: holds what a demo or a backtest played, up to {minute(played_until(connection))} UTC, and "
            f"calwatch {command} would go on at today's clock",
            "name another [monitor] state_dir, or move this one away; to look at what was played: calwatch status, slices, "
            "jobs, report; recalibrate and rollback act at its own time",
        )
