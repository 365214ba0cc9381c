"""Replay: the history of another source, row by row as it arrived, for backtests on a simulated clock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import numpy as np

from monitor.config.boxes import Holds
from monitor.config.settings import Model
from monitor.model.problems import Problem
from monitor.sources.batch import UNGUARDED, Batch, Guard, Source
from monitor.sources.ingest.review import Refusal, review_files
from monitor.sources.ingest.staging import EVER, blames_the_file, forget_rejects, stage_batch
from monitor.sources.replay.boxes import collect_names, review_file, settle_arrivals
from monitor.sources.replay.guard import ReplayGuard
from monitor.sources.replay.times import settle_history
from monitor.sources.times.expressions import time_expression
from monitor.store.connection import (
    fetch_column,
    fetch_row,
    load_table,
    make_aware,
    make_naive,
    quote_name,
    transaction,
)
from monitor.store.values import LabelRules

_ITEM = "replay"
_FIRST = "TIMESTAMP '1970-01-01'"  # arrival of rows whose times cannot be read


@dataclass(slots=True)
class ReplaySource:
    """A row is seen once ``now`` reaches its labelled_at, or its observed_at when it is unlabelled.

    Rows whose times cannot be read come first, so that quarantine sees them. The history is read once, into the attached
    database ``replay``; problems of the inner source are passed on at the first read, and files that its guard leaves out.
    """

    inner: Source
    key: str  # unlike that of any other replay source of the database
    model: Model
    guard: ReplayGuard = field(default_factory=ReplayGuard)
    tables: list[tuple[str, Batch]] | None = None
    problems: list[Problem] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # of files that were looked at
    facts: dict[str, str] = field(default_factory=dict)  # found of the source while its files were looked at
    conflicts: dict[str, list[int]] = field(default_factory=dict)  # file → positions of rows that contradict another
    is_told: bool = False  # whether its problems have been passed on
    siblings: Sequence["ReplaySource"] = ()  # of a detector: all of its sources, this one too

    def __post_init__(self) -> None:
        self.guard.model, self.guard.source = self.model.name, self.inner.name

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def holds(self) -> Holds:
        return self.inner.holds

    def read_batches(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime, guard: Guard = UNGUARDED
    ) -> Iterator[Batch | Problem]:
        if self.tables is None:
            self._load_all(connection, now)
        if not self.is_told:
            self.is_told = True
            yield from self.problems
        since, until = cursor.get(_ITEM, "-infinity"), str(make_naive(now))
        span = f"_arrival > TIMESTAMP '{since}' AND _arrival <= TIMESTAMP '{until}'"
        due = [
            (f"SELECT * EXCLUDE (_arrival) FROM {table} WHERE {span}", batch)
            for table, batch in self.tables or ()
            if connection.execute(f"SELECT 1 FROM {table} WHERE {span} LIMIT 1").fetchone()
        ]
        for relation, batch in due:
            # the last batch moves the cursor: a crash in between repeats rows, which changes nothing
            moved = {_ITEM: until} if relation == due[-1][0] else {}
            yield Batch(
                relation, batch.types, moved, batch.meaning, unreadable=True, marked=True, whole=False, facts=self.facts
            )

    def find_history(
        self, connection: duckdb.DuckDBPyConnection, since: datetime, until: datetime
    ) -> tuple[int, tuple[datetime, datetime] | None]:
        """Return how many rows arrive after ``since`` and up to ``until``, or at no time that can be read; and when the first
        and the last of all rows arrive, or None. Zero and None before the first read."""
        count, times = 0, list[datetime]()
        for table, _ in self.tables or ():
            among, first, last = fetch_row(
                connection,
                f"SELECT count_if(_arrival = {_FIRST} OR (_arrival > $since AND _arrival <= $until)), "
                f"min(_arrival) FILTER (_arrival > {_FIRST}), max(_arrival) FROM {table}",
                {"since": make_naive(since), "until": make_naive(until)},
            )
            count += among
            times += [make_aware(first), make_aware(last)] if first is not None else []
        return count, (min(times), max(times)) if times else None

    def _load_all(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
        """This source, or all of a detector: what one says of images dates the rows of others."""
        for each in self.siblings or (self,):
            each.tables = each._load(connection, now)
        if self.siblings:
            held = [(each.holds, name, batch) for each in self.siblings for name, batch in each.tables or ()]
            settle_arrivals(connection, held, _FIRST)
        for name in (name for each in self.siblings or (self,) for name, _ in each.tables or ()):
            connection.execute(
                f"CREATE OR REPLACE TABLE {name} AS SELECT * REPLACE (row_number() OVER (ORDER BY _arrival, _file, _row) "
                f"AS _position) FROM {name} ORDER BY _position"
            )

    def _load(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> list[tuple[str, Batch]]:
        connection.execute("CREATE SCHEMA IF NOT EXISTS replay.history")
        tables: dict[object, tuple[str, Batch]] = {}
        batches: list[Batch] = []
        for found in self.inner.read_batches(connection, {}, now, self.guard):
            if isinstance(found, Problem):
                self.problems.append(found)
            else:
                batches.append(found)
        for batch in self._accepted(connection, batches):
            file = next(iter(batch.cursor))
            with self.guard.leave_out(file, connection), self.guard.note_reading(file):
                self._take(connection, tables, batch)
        self.problems += self.guard.enter_left_out(connection, now)
        if self.siblings:
            self.facts |= collect_names(batches)
            return list(tables.values())
        return [(name, settle_history(connection, name, batch, self.holds)) for name, batch in tables.values()]

    def _accepted(self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> list[Batch]:
        """The batches that a pull would take, by what the values of their files say as a whole; the others are told."""
        taken: dict[str, Batch] = {}  # by their first file
        waiting = list(batches)
        while waiting:
            later: list[tuple[Batch, Problem]] = []
            settled = len(taken)
            for batch in _one_by_one(waiting):
                file = next(iter(batch.cursor))
                with self.guard.leave_out(file, connection), self.guard.note_reading(file):
                    refusal = self._review(connection, batch, taken)
                    if refusal is None:
                        taken[file] = batch
                        continue
                    problem = Problem(file, refusal.reason, f"{file}: {refusal.why}")
                    if refusal.may_pass:
                        later.append((batch, problem))
                    else:
                        self.problems.append(problem)
            if len(taken) == settled:  # nothing that came since can settle the rest
                self.problems += [problem for _, problem in later]
                break
            waiting = [batch for batch, _ in later]
        return list(taken.values())

    def _review(self, connection: duckdb.DuckDBPyConnection, batch: Batch, taken: dict[str, Batch]) -> Refusal | None:
        """Why nothing of a batch of one file may be taken; files taken before it that are of the same kind are let go."""
        file = next(iter(batch.cursor))
        numbers = {file: self.numbers.setdefault(file, len(self.numbers))}
        try:
            if self.siblings:
                found = review_file(connection, self.model, batch, self.facts, numbers)
            else:
                rules = LabelRules.of(self.model, batch.meaning, ())
                stage_batch(connection, self.model, batch, rules, holds=self.holds, times=EVER)
                found = review_files(connection, rules, batch, self.facts, numbers)
        except duckdb.Error as error:
            if not blames_the_file(error):
                raise
            return None  # told when it is read whole
        self.facts |= found.facts
        if not self.siblings:
            conflicting = "SELECT position FROM staged WHERE reason = 'conflicting_identity'"
            self.conflicts[file] = fetch_column(connection, conflicting)
        for number, reason in found.take_back.items():
            for earlier, at in self.numbers.items():
                if at == number and taken.pop(earlier, None) is not None:
                    why = "later files of its source show what its scores are"
                    self.problems.append(Problem(earlier, reason, f"{earlier}: nothing of it is played: {why}"))
        return found.refused.get(file)

    def _take(
        self, connection: duckdb.DuckDBPyConnection, tables: dict[object, tuple[str, Batch]], batch: Batch
    ) -> None:
        """One batch into the table of its kind; when one of its files is damaged inside, its files one by one."""
        try:
            with transaction(connection):
                self._insert(connection, tables, batch)
        except duckdb.Error as error:  # damaged pages raise many kinds, some of them the base class
            if not blames_the_file(error):
                raise
            forget_rejects(connection)
            for alone in batch.alone:
                self._take(connection, tables, alone)
            if not batch.alone:
                item = next(iter(batch.cursor), self.name)
                text = f"{item}: cannot be read to its end ({str(error).splitlines()[0]}); nothing of it was taken"
                self.problems.append(Problem(item, "unreadable_file", text))

    def _insert(
        self, connection: duckdb.DuckDBPyConnection, tables: dict[object, tuple[str, Batch]], batch: Batch
    ) -> None:
        arrival = f"coalesce({time_expression('labelled_at', batch)}, {time_expression('observed_at', batch)})"
        unreadable = "" if batch.unreadable else "NULL::VARCHAR AS _unreadable, "
        positions = [position for file in batch.cursor for position in self.conflicts.get(file, ())]
        load_table(connection, "conflicting", {"position": np.array(positions, dtype=np.int64)})
        rows = (
            f"SELECT *, {unreadable}coalesce({arrival}, {_FIRST}) AS _arrival, "
            f"_position IN (SELECT position FROM conflicting) AS _conflicting FROM ({batch.relation})"
        )
        signature = tuple(batch.types.items())
        if signature in tables:
            name = tables[signature][0]
            connection.execute(f"INSERT INTO {name} BY NAME {rows}")
        else:
            name = f"replay.history.{quote_name(f'{self.key}-{len(tables)}')}"
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS {rows}")
        if batch.rejects is not None:
            connection.execute(
                f"INSERT INTO {name} BY NAME SELECT _file, _row, _row AS _position, "
                f"any_value(_unreadable) AS _unreadable, {_FIRST} AS _arrival FROM ({batch.rejects}) GROUP BY ALL"
            )
            forget_rejects(connection)
        tables.setdefault(signature, (name, batch))


def _one_by_one(batches: Sequence[Batch]) -> Iterator[Batch]:
    for batch in batches:
        yield from batch.alone or (batch,)
