"""Replay: the history of another source, row by row as it arrived, for backtests on a simulated clock."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import duckdb

from monitor.sources.base import Batch, Problem, Source
from monitor.store.connection import naive
from monitor.store.staging import forget_rejects, time_expression

_ITEM = "replay"
_FIRST = "TIMESTAMP '1970-01-01'"  # arrival of rows whose times cannot be read


@dataclass(slots=True)
class ReplaySource:
    """A row is seen once ``now`` reaches its labelled_at, or its observed_at when it is unlabelled.

    Rows whose times cannot be read come first, so that quarantine sees them. The history is read once, into the attached
    database ``replay``; problems of the inner source are passed on at the first read.
    """

    inner: Source
    key: str  # unlike that of any other replay source of the database
    tables: list[tuple[str, Batch]] | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def holds(self) -> Literal["samples", "labels"]:
        return self.inner.holds

    def read(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime
    ) -> Iterator[Batch | Problem]:
        if self.tables is None:
            self.tables = self._load(connection, now)
            yield from self.problems
        since, until = cursor.get(_ITEM, "-infinity"), str(naive(now))
        span = f"_arrival > TIMESTAMP '{since}' AND _arrival <= TIMESTAMP '{until}'"
        due = [
            (f"SELECT * EXCLUDE (_arrival) FROM {table} WHERE {span}", batch)
            for table, batch in self.tables
            if connection.execute(f"SELECT 1 FROM {table} WHERE {span} LIMIT 1").fetchone()
        ]
        for relation, batch in due:
            # the last batch moves the cursor: a crash in between repeats rows, which changes nothing
            moved = {_ITEM: until} if relation == due[-1][0] else {}
            yield Batch(
                relation, batch.types, moved, unreadable=True, time_zone=batch.time_zone, time_unit=batch.time_unit
            )

    def _load(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> list[tuple[str, Batch]]:
        connection.execute("CREATE SCHEMA IF NOT EXISTS replay.history")
        tables: dict[object, tuple[str, Batch]] = {}
        for found in self.inner.read(connection, {}, now):
            if isinstance(found, Problem):
                self.problems.append(found)
                continue
            arrival = f"coalesce({time_expression('labelled_at', found)}, {time_expression('observed_at', found)})"
            unreadable = "" if found.unreadable else "NULL::VARCHAR AS _unreadable, "
            rows = f"SELECT *, {unreadable}coalesce({arrival}, {_FIRST}) AS _arrival FROM ({found.relation})"
            signature = (tuple(found.types.items()), found.time_zone, found.time_unit)
            if signature in tables:
                connection.execute(f"INSERT INTO {tables[signature][0]} BY NAME {rows}")
            else:
                name = f'replay.history."{self.key}-{len(tables)}"'
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS {rows}")
                tables[signature] = (name, found)
            if found.rejects is not None:
                connection.execute(
                    f"INSERT INTO {tables[signature][0]} BY NAME SELECT _file, _row, _row AS _position, "
                    f"any_value(_unreadable) AS _unreadable, {_FIRST} AS _arrival FROM ({found.rejects}) GROUP BY ALL"
                )
                forget_rejects(connection)
        for name, _ in tables.values():
            connection.execute(
                f"CREATE OR REPLACE TABLE {name} AS SELECT * REPLACE (row_number() OVER (ORDER BY _arrival, _file, _row) "
                f"AS _position) FROM {name} ORDER BY _position"
            )
        return list(tables.values())
