"""What was decided of a source once from what it holds, and is remembered: what its logits are, what −1 means.

By itself, because sources, scores and renewal ask it, and it asks none of them.
"""

from datetime import datetime

import duckdb

from monitor.store.connection import delete_rows, insert_row


def load_facts(connection: duckdb.DuckDBPyConnection, model_id: int, source: str) -> dict[str, str]:
    """Fact → value of one source."""
    return dict(
        connection.execute(
            "SELECT fact, value FROM source_facts WHERE model_id = $model_id AND source = $source",
            {"model_id": model_id, "source": source},
        ).fetchall()
    )


def store_fact(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, fact: str, value: str, now: datetime
) -> None:
    """Remember it in place of what was remembered; to be called inside the transaction that rests on it."""
    where = {"model_id": model_id, "source": source, "fact": fact}
    delete_rows(connection, "source_facts", where)
    insert_row(connection, "source_facts", where | {"value": value, "decided_at": now})
