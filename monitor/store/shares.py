"""What each of several pushed files had of a batch that took them together: the same as one after the other would give.

That holds as long as no later file speaks of a row of an earlier one (a correction, a label, the row again). Where some
do, they are taken in rounds: a file comes one round after the last that has one of its rows. Order is kept among files
that share rows, the only ones it makes a difference to; as many rounds are needed as there are words about one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from monitor.sources.base import Batch, Outcome
from monitor.store.sql import statement


class ApartError(Exception):
    """The batch is to be taken in these parts, one after the other; nothing of it has been taken."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        super().__init__(f"to be taken in {len(batches)} parts")
        self.batches = batches


@dataclass(frozen=True, slots=True)
class Shares:
    """Rows by file, as they were staged."""

    rows: dict[str, int]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, batch: Batch, holds: str) -> "Shares | None":
        """To be called once the batch is staged; None: nobody asks. Raises ApartError."""
        if batch.settled is None or batch.part is None:
            return None
        before = connection.execute(statement("ingest_spoken_before"), {"labels": holds == "labels"}).fetchall()
        if before:
            raise ApartError([batch.part(files) for files in _rounds(before, batch.files)])
        return cls(dict(connection.execute("SELECT file, count(*) FROM staged GROUP BY file").fetchall()))

    def outcomes(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Outcome]:
        """By file; to be called once the batch is in its tables."""
        bad: dict[str, dict[str, int]] = {}
        if connection.execute("SELECT 1 FROM staged WHERE reason IS NOT NULL LIMIT 1").fetchone():
            news = "SELECT file, reason, count(*) FROM quarantine_news GROUP BY file, reason"
            for file, reason, count in connection.execute(news).fetchall():
                bad.setdefault(file, {})[reason] = count
        taken = {
            file: tuple(map(int, counts))
            for file, *counts in connection.execute(statement("ingest_counts_by_file")).fetchall()
        }
        found = {}
        for file, rows in self.rows.items():
            new, labelled, corrected, duplicates = taken.get(file, (0, 0, 0, 0))
            found[file] = Outcome(rows, new, labelled, duplicates, corrected, bad.get(file, {}))
        return found


def _rounds(before: Sequence[tuple[int, int]], files: int) -> list[list[int]]:
    """(file, an earlier one with one of its rows), in order of the first → the files of each round, in order."""
    place = [0] * files
    for file, earlier in before:
        place[file] = max(place[file], place[earlier] + 1)
    return [[file for file in range(files) if place[file] == number] for number in range(max(place) + 1)]
