"""Several files taken in one transaction as if one after the other: in rounds, and what each had of them.

Files come together as long as no later one speaks of a row of an earlier one (a correction, a label, the row again). Where some
do, what the first file says of each row is taken first, then what the second says of it, and so on: as many rounds are needed
as there are files with words about one row, and most rows have but one.

Pushes are parted by whole pushes as long as few rounds will do: a push then comes one round after the last that has one of its
rows, in a transaction of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb

from monitor.model.problems import Outcome
from monitor.sources.batch import Batch
from monitor.sources.ingest.staging import find_repeated
from monitor.store.connection import fetch_row
from monitor.store.sql import statement

_WHOLE_ROUNDS = 4  # each stages its pushes again


class ApartError(Exception):
    """The batch is to be taken in these parts, one after the other; nothing of it has been taken."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        super().__init__(f"to be taken in {len(batches)} parts")
        self.batches = batches


def demand_few_words(connection: duckdb.DuckDBPyConnection, batch: Batch, holds: str) -> None:
    """Raises ApartError where pushes speak of rows of earlier ones, and few rounds of whole pushes will do. To be called once
    the batch is staged."""
    if batch.on_completed is None or batch.part is None:
        return
    before = connection.execute(statement("ingest_spoken_before"), {"labels": holds == "labels"}).fetchall()
    if before and len(chosen := _rounds(before, batch.files)) <= _WHOLE_ROUNDS:
        raise ApartError([batch.part(files) for files in chosen])


def _rounds(before: Sequence[tuple[int, int]], files: int) -> list[list[int]]:
    """(file, an earlier one with one of its rows), in order of the first → the files of each round, in order."""
    place = [0] * files
    for file, earlier in before:
        place[file] = max(place[file], place[earlier] + 1)
    return [[file for file in range(files) if place[file] == number] for number in range(max(place) + 1)]


@dataclass(frozen=True, slots=True)
class Round:
    """The ``number``-th (from 0) ``of`` all; ``repeated``: whether `repeated` may hold anything."""

    number: int
    of: int
    repeated: bool


def split_rounds(connection: duckdb.DuckDBPyConnection, batch: Batch, *, repeated: bool) -> Iterator[Round]:
    """Fill `staged` and `repeated` for each round; ``repeated``: whether the latter may hold anything now. Afterwards `staged`
    is as it was."""
    if batch.part is None or not repeated or not _part_rounds(connection):
        yield Round(0, 1, repeated)
        return
    of = int(fetch_row(connection, "SELECT max(round) FROM round_of")[0]) + 1
    connection.execute("CREATE OR REPLACE TEMP TABLE staged_of_all AS FROM staged")
    for number in range(of):
        connection.execute(statement("ingest_round_stage"), {"number": number})
        yield Round(number, of, find_repeated(connection))
    connection.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM staged_of_all")
    connection.execute("DROP TABLE staged_of_all")


def _part_rounds(connection: duckdb.DuckDBPyConnection) -> bool:
    """Fill `round_of`; whether more than one is needed."""
    if not connection.execute("SELECT 1 FROM repeated LIMIT 1").fetchone():
        return False
    connection.execute(statement("ingest_rounds"))
    return connection.execute("SELECT 1 FROM round_of LIMIT 1").fetchone() is not None


@dataclass(slots=True)
class FileCounts:
    """What each of several files had: ``rows`` as they were staged, and of those taken so far, new ones, labelled, corrected
    and repeated ones."""

    rows: dict[str, int]
    taken: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, batch: Batch) -> "FileCounts | None":
        """To be called once the batch is staged; None: nobody asks."""
        if batch.on_completed is None or batch.part is None:
            return None
        return cls(dict(connection.execute("SELECT file, count(*) FROM staged GROUP BY file").fetchall()))

    def count_round(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Count in what was taken; to be called once a round is in its tables."""
        for file, *counts in connection.execute(statement("ingest_counts_by_file")).fetchall():
            known = self.taken.get(file, (0, 0, 0, 0))
            self.taken[file] = tuple(int(count) + before for count, before in zip(counts, known, strict=True))

    def outcomes(self, connection: duckdb.DuckDBPyConnection, *, bad: bool) -> dict[str, Outcome]:
        """By file, after the last round. ``bad``: whether `quarantine_news` is of this batch."""
        reasons: dict[str, dict[str, int]] = {}
        if bad:
            news = "SELECT file, reason, count(*) FROM quarantine_news GROUP BY file, reason"
            for file, reason, count in connection.execute(news).fetchall():
                reasons.setdefault(file, {})[reason] = count
        found = {}
        for file, rows in self.rows.items():
            new, labelled, corrected, duplicates = self.taken.get(file, (0, 0, 0, 0))
            found[file] = Outcome(rows, new, labelled, duplicates, corrected, reasons.get(file, {}))
        return found
