"""What a file that was written anew no longer says: rows and labels that are gone from it.

By default they are kept, told once, and no longer counted as the file's. With ``withdrawn = "remove"`` they are taken out.
What another file holds too is not gone: it is counted as that one's from then on.
"""

from collections.abc import Mapping

import duckdb

from monitor.model.problems import Problem, ProblemReason
from monitor.model.wording import quantity
from monitor.sources.batch import Batch
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import remove_samples, rewrite_samples
from monitor.store.sql import statement


def keep_said(connection: duckdb.DuckDBPyConnection, holds: str) -> None:
    """Keep which labels `staged` says as `said`: of a labels table those that join nothing leave it before they are compared.
    Of samples only what cannot be taken is kept."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE said AS SELECT number_of_file(position, file) AS file_id, sample_id, observed_at "
        f"FROM staged WHERE sample_id IS NOT NULL AND ({'labelled OR ' if holds == 'labels' else ''}reason IS NOT NULL)"
    )


def note_repeats(store: ModelStore, batch: Batch, numbers: Mapping[str, int]) -> None:
    """Remember which rows of this batch other files hold too: whichever of them loses one, the others still say it."""
    if not batch.whole:
        return
    again = [numbers[file] for file in batch.reread if file in numbers]
    if again:
        store.execute("DELETE FROM repeated_rows WHERE list_contains($files, file_id)", {"files": again})
    if len(numbers) == 1:
        (own,) = numbers.values()
        foreign = "SELECT 1 FROM existing WHERE file_id <> $own OR label_file_id <> $own LIMIT 1"
        found = store.execute(foreign, {"own": own}).fetchone()
    else:
        found = store.execute("SELECT 1 FROM existing UNION ALL SELECT 1 FROM repeated LIMIT 1").fetchone()
    if found:
        store.execute(statement("repeated_rows_insert"), {"model_id": store.model_id})


def take_back_conflicting(store: ModelStore) -> int:
    """Take out rows that an earlier version of a file brought and that now stand in it twice, with other predictions."""
    if not store.execute("SELECT 1 FROM staged WHERE reason = 'conflicting_identity' LIMIT 1").fetchone():
        return 0
    store.execute(statement("conflicting_rows"), {"model_id": store.model_id})
    _hand_over(store.connection, "file_id")
    return _take_out_gone(store)


def settle_withdrawn(store: ModelStore, batch: Batch, holds: str, numbers: Mapping[str, int]) -> list[Problem]:
    """Compare the files that were read before with what they said then; tell what is gone, and remove it where so configured.

    To be called inside the transaction that takes the rows of `staged`, with `said` as it was before that.
    """
    remove = batch.meaning.withdrawn == "remove"
    files = [numbers[file] for file in batch.reread]
    own = {"model_id": store.model_id, "files": files}
    rows: dict[int, int] = {}
    if holds == "samples":
        store.execute(statement("missed_rows"), own)
        said = "SELECT number_of_file(position, file) AS file_id, sample_id, observed_at FROM staged "
        _find_gone(store, f"{said} WHERE observed_at IN (SELECT observed_at FROM missed)", labels=False)
        rows = _hand_over(store.connection, "file_id")
        if remove and rows:
            _take_out_gone(store)
    store.execute(statement("missed_labels"), {**own, "labels": holds == "labels"})
    _find_gone(store, "FROM said", labels=True)
    labels = _hand_over(store.connection, "label_file_id")
    if remove and labels:
        _take_labels_out(store)
    kinds: tuple[tuple[ProblemReason, str, dict[int, int]], ...] = (
        ("withdrawn_rows", "row", rows), ("withdrawn_labels", "label", labels),
    )  # fmt: skip
    return [
        Problem(file, reason, _told(file, noun, gone, remove=remove))
        for file in sorted(batch.reread)
        for reason, noun, counts in kinds
        if (gone := counts.get(numbers[file]))
    ]


def _find_gone(store: ModelStore, said: str, *, labels: bool) -> None:
    """Fill `gone` with those of `missed` that ``said`` (SQL: file_id, sample_id, observed_at) does not say either."""
    if store.execute("SELECT 1 FROM missed LIMIT 1").fetchone():
        store.execute(f"CREATE OR REPLACE TEMP VIEW still_said AS {said}")
        store.execute(statement("missed_gone"), {"model_id": store.model_id, "labels": labels})
    else:
        store.execute("CREATE OR REPLACE TEMP TABLE gone AS SELECT row_key, file_id, file_id AS heir FROM missed")


def _told(file: str, noun: str, gone: int, *, remove: bool) -> str:
    what = "taken out" if remove else 'kept (withdrawn = "remove" in [model.source] takes them out)'
    verb = "is" if gone == 1 else "are"
    return f"{file}: was written anew, and {quantity(gone, noun)} of its earlier version {verb} no longer in it; {what}"


def _take_labels_out(store: ModelStore) -> None:
    store.execute(statement("withdrawn_rows"))
    store.execute(statement("withdrawn_labels"))
    rewrite_samples(store)


def _hand_over(connection: duckdb.DuckDBPyConnection, column: str) -> dict[int, int]:
    """Count what is `gone` as its heir's, or as nobody's; how many have none, by the number of their file."""
    counts: dict[int, int] = dict(
        connection.execute("SELECT file_id, count(*) - count(heir) FROM gone GROUP BY file_id").fetchall()
    )
    if counts:
        connection.execute(f"UPDATE samples SET {column} = g.heir FROM gone AS g WHERE samples.rowid = g.row_key")
    return {file_id: lost for file_id, lost in counts.items() if lost}


def _take_out_gone(store: ModelStore) -> int:
    return remove_samples(store, "s.rowid IN (SELECT row_key FROM gone WHERE heir IS NULL)", {})
