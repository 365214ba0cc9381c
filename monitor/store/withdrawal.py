"""What a file that was written anew no longer says: rows and labels that are gone from it.

By default they are kept, told once, and no longer counted as the file's. With ``withdrawn = "remove"`` they are taken out.
What another file holds too is not gone: it is counted as that one's from then on.
"""

from collections.abc import Mapping

import duckdb

from monitor.config import Model
from monitor.sources.base import Batch, Problem
from monitor.store.registry import Registry
from monitor.store.rewriting import rewrite_samples, take_out
from monitor.store.sql import statement
from monitor.wording import counted


def keep_said(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep which labels `staged` says as `said`: those that join nothing leave it before they are compared."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE said AS SELECT file, sample_id, observed_at FROM staged "
        "WHERE sample_id IS NOT NULL AND (labelled OR reason IS NOT NULL)"
    )


def note_repeats(
    connection: duckdb.DuckDBPyConnection, registry: Registry, batch: Batch, numbers: Mapping[str, int]
) -> None:
    """Remember which rows of this batch other files hold too: whichever of them loses one, the others still say it."""
    if not batch.whole:
        return
    again = [numbers[file] for file in batch.reread if file in numbers]
    if again:
        connection.execute("DELETE FROM repeated_rows WHERE list_contains($files, file_id)", {"files": again})
    if len(numbers) == 1:
        (own,) = numbers.values()
        foreign = "SELECT 1 FROM existing WHERE file_id <> $own OR label_file_id <> $own LIMIT 1"
        found = connection.execute(foreign, {"own": own}).fetchone()
    else:
        found = connection.execute("SELECT 1 FROM existing UNION ALL SELECT 1 FROM repeated LIMIT 1").fetchone()
    if found:
        connection.execute(statement("repeated_rows_insert"), {"model_id": registry.model_id})


def take_back_conflicting(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> int:
    """Take out rows that an earlier version of a file brought and that now stand in it twice, with other predictions."""
    if not connection.execute("SELECT 1 FROM staged WHERE reason = 'conflicting_identity' LIMIT 1").fetchone():
        return 0
    connection.execute(statement("conflicting_rows"), {"model_id": registry.model_id})
    _hand_over(connection, "file_id")
    return _take_out_gone(connection, registry, model)


def settle_withdrawn(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, batch: Batch, holds: str,
    numbers: Mapping[str, int],
) -> list[Problem]:  # fmt: skip
    """Compare each file that was read before with what it said then; tell what is gone, and remove it where so configured.

    To be called inside the transaction that takes the rows of `staged`, with `said` as it was before that.
    """
    told: list[Problem] = []
    remove = batch.meaning.withdrawn == "remove"
    what = "taken out" if remove else 'kept (withdrawn = "remove" in [model.source] takes them out)'
    for file in sorted(batch.reread):
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


def _settle_rows(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, own: Mapping[str, object], *, remove: bool
) -> int:
    connection.execute(statement("withdrawn_rows"), own)
    lost = _hand_over(connection, "file_id")
    if remove and lost:
        _take_out_gone(connection, registry, model)
    return lost


def _settle_labels(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, own: Mapping[str, object], *, remove: bool
) -> int:
    connection.execute(statement("withdrawn_labels"), own)
    lost = _hand_over(connection, "label_file_id")
    if remove and lost:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE replaced AS SELECT s.rowid AS row_key, s.* FROM samples AS s "
            "WHERE s.rowid IN (SELECT row_key FROM gone WHERE heir IS NULL)"
        )
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE incoming AS SELECT * REPLACE (NULL::BIGINT AS positives, NULL::VARCHAR AS label, "
            "NULL::TIMESTAMP AS labelled_at, NULL::INTEGER AS label_file_id) FROM replaced"
        )
        rewrite_samples(connection, registry, model)
    return lost


def _hand_over(connection: duckdb.DuckDBPyConnection, column: str) -> int:
    """Count what is `gone` as its heir's, or as nobody's; how many have none."""
    counts = connection.execute("SELECT count(*), count(heir) FROM gone").fetchone()
    assert counts is not None  # an aggregate always gives a row
    if counts[0]:
        connection.execute(f"UPDATE samples SET {column} = g.heir FROM gone AS g WHERE samples.rowid = g.row_key")
    return int(counts[0] - counts[1])


def _take_out_gone(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model) -> int:
    return take_out(connection, registry, model, "s.rowid IN (SELECT row_key FROM gone WHERE heir IS NULL)", {})
