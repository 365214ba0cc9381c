"""What a file that was written anew no longer says: rows and labels that are gone from it.

By default they are kept, told once, and no longer counted as the file's. With ``withdrawn = "remove"`` they are taken out.
A row that another file holds too is not gone.
"""

from collections.abc import Mapping

import duckdb

from monitor.config import Model
from monitor.sources.base import Batch, Problem
from monitor.store.registry import Registry
from monitor.store.rewriting import rewrite_samples, take_out
from monitor.store.sql import statement
from monitor.wording import counted


def note_repeats(connection: duckdb.DuckDBPyConnection, batch: Batch, numbers: Mapping[str, int]) -> None:
    """Remember which rows of this batch the store has from other files: they outlive those."""
    if not connection.execute("SELECT 1 FROM existing LIMIT 1").fetchone():
        return
    again = [numbers[file] for file in batch.reread if file in numbers]
    if again:
        connection.execute("DELETE FROM repeated_rows WHERE list_contains($files, file_id)", {"files": again})
    connection.execute(statement("repeated_rows_insert"))


def take_back_conflicting(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, *, whole: bool
) -> int:
    """Take out rows that an earlier version of a file brought and that now stand in it twice, with other predictions.

    ``whole``: whether `staged` has all rows of its files; else rows that came before are looked at too.
    """
    if not whole:
        connection.execute(
            statement("replayed_conflicts"),
            {"model_id": registry.model_id, "own_scores": model.recalibration.apply != "monitor"},
        )
    if not connection.execute("SELECT 1 FROM staged WHERE reason = 'conflicting_identity' LIMIT 1").fetchone():
        return 0
    return take_out(
        connection, registry, model,
        "s.model_id = $model_id AND s.observed_at IN (SELECT observed_at FROM staged WHERE reason = 'conflicting_identity') "
        "AND (s.sample_id, s.observed_at, s.file_id) IN (SELECT (c.sample_id, c.observed_at, b.file_id) "
        "FROM staged AS c JOIN file_numbers AS b ON b.file = c.file WHERE c.reason = 'conflicting_identity') "
        "AND hash(s.sample_id, s.observed_at) NOT IN (SELECT identity FROM repeated_rows AS r WHERE r.file_id <> s.file_id)",
        {"model_id": registry.model_id},
    )  # fmt: skip


def settle_withdrawn(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, batch: Batch, holds: str,
    numbers: Mapping[str, int],
) -> list[Problem]:  # fmt: skip
    """Compare each file that was read before with what it said then; tell what is gone, and remove it where so configured.

    To be called with `staged` as it was filled, inside the transaction that takes its rows.
    """
    told: list[Problem] = []
    remove = batch.meaning.withdrawn == "remove"
    what = "taken out" if remove else 'kept (withdrawn = "remove" in [model.source] takes them out)'
    for file in batch.reread:
        own = {"model_id": registry.model_id, "file_id": numbers[file], "file": file}
        if holds == "samples" and (gone := _settle_rows(connection, registry, model, own, remove=remove)):
            told.append(
                Problem(
                    file, "withdrawn_rows",
                    f"{file}: was written anew, and {counted(gone, 'row')} of its earlier version "
                    f"{'is' if gone == 1 else 'are'} no longer in it; {what}",
                )
            )  # fmt: skip
        if gone := _settle_labels(connection, registry, model, {**own, "labels": holds == "labels"}, remove=remove):
            told.append(
                Problem(
                    file, "withdrawn_labels",
                    f"{file}: was written anew, and {counted(gone, 'label')} of its earlier version "
                    f"{'is' if gone == 1 else 'are'} no longer in it; {what}",
                )
            )  # fmt: skip
    return told


_GONE_ROWS = (
    "s.model_id = $model_id AND s.file_id = $file_id AND (s.sample_id, s.observed_at) NOT IN (SELECT (sample_id, observed_at) "
    "FROM staged WHERE file = $file AND sample_id IS NOT NULL AND observed_at IS NOT NULL) "
    "AND hash(s.sample_id, s.observed_at) NOT IN (SELECT identity FROM repeated_rows WHERE file_id <> $file_id)"
)


def _settle_rows(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, own: Mapping[str, object], *, remove: bool
) -> int:
    if remove:
        return take_out(connection, registry, model, _GONE_ROWS, own)
    disowned = connection.execute(
        f"UPDATE samples SET file_id = NULL WHERE rowid IN (SELECT s.rowid FROM samples AS s WHERE {_GONE_ROWS})", own
    ).fetchone()
    return int(disowned[0]) if disowned else 0


def _settle_labels(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, own: Mapping[str, object], *, remove: bool
) -> int:
    connection.execute(statement("withdrawn_labels"), own)
    counts = connection.execute("SELECT count(*) FROM replaced").fetchone()
    gone = int(counts[0]) if counts else 0
    if gone and remove:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE incoming AS SELECT * REPLACE (NULL::BIGINT AS positives, NULL::VARCHAR AS label, "
            "NULL::TIMESTAMP AS labelled_at, NULL::INTEGER AS label_file_id) FROM replaced"
        )
        rewrite_samples(connection, registry, model)
    elif gone:
        connection.execute("UPDATE samples SET label_file_id = NULL WHERE rowid IN (SELECT row_key FROM replaced)")
    return gone
