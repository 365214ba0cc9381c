"""What is beyond a limit of a model, as it is told: versions, calibrators and slice values that fold, versions not judged."""

from dataclasses import asdict, replace
from datetime import datetime

import duckdb

from monitor.model import FoldedKind, FoldedValues
from monitor.model.wording import describe_folded
from monitor.store.connection import delete_rows, fetch_dicts, insert_row
from monitor.store.sql import statement

_EXAMPLES = 3


def note_folded(connection: duckdb.DuckDBPyConnection, model: str, met: FoldedValues) -> FoldedValues | None:
    """Count what was ``met`` to what is on record of its kind and name; returns what is to be told where that begins, None
    where it goes on.

    Of kind "drift", rows are versions and take the place of those counted before. Call it inside a transaction.
    """
    known = load_folded(connection, model)
    before = next((each for each in known if (each.kind, each.name) == (met.kind, met.name)), None)
    found = replace(
        met, began_at=before.began_at if before else met.began_at, examples=met.examples[:_EXAMPLES],
        rows=met.rows + (before.rows if before and met.kind != "drift" else 0),
    )  # fmt: skip
    forget_folded(connection, model, met.kind, met.name)
    values = asdict(found) | {"model": model, "examples": list(found.examples), "finding": describe_folded(found)}
    insert_row(connection, "folded_values", values)
    return None if before else found


def forget_folded(connection: duckdb.DuckDBPyConnection, model: str, kind: FoldedKind, name: str) -> None:
    """It is over."""
    delete_rows(connection, "folded_values", {"model": model, "kind": kind, "name": name})


def forget_folded_before(connection: duckdb.DuckDBPyConnection, model: str, oldest: datetime) -> None:
    """Let go of what last happened before ``oldest`` (naive UTC): no row of it is left."""
    connection.execute(
        "DELETE FROM folded_values WHERE model = $model AND newest_at < $oldest AND kind <> 'drift'",
        {"model": model, "oldest": oldest},
    )


def load_folded(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[FoldedValues, ...]:
    """All that is told of a model, in order of kind and name."""
    rows = fetch_dicts(connection, statement("folded_values_known"), {"model": model})
    return tuple(FoldedValues(**row | {"examples": tuple(row["examples"])}) for row in rows)
