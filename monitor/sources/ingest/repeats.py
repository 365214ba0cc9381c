"""The same predictions sent again in another form: with another score under the same identity, or with a time that is off by
fractions of a second."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import duckdb

from monitor.model.problems import Problem
from monitor.model.wording import quantity
from monitor.sources.batch import Batch
from monitor.sources.ingest.rounds import Round
from monitor.store.connection import fetch_column, fetch_row
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import statement

TOLD_SHARE = 0.01  # of a file's rows
_EVERY_SOURCE = ""  # facts of a model: its sources may send the same predictions
_FRACTIONS = "time_fractions"
# decimal places that the new times have
_DIGITS = (
    f"CASE {' '.join(f'WHEN bool_or(epoch_us(observed_at) % {10**zeros} <> 0) THEN {7 - zeros}' for zeros in range(1, 7))} "
    "ELSE 0 END"
)
_PROBED = 1_000  # new rows that are looked for among those a second away


@dataclass(slots=True)
class Arrived:
    """What the rounds of a batch brought so far that people may have to be told: ``changed`` predictions by number of file,
    and new rows, which are in `arrived`. ``numbers``: file → its number, in order of arrival."""

    batch: Batch
    numbers: Mapping[str, int]
    changed: Counter[int] = field(default_factory=Counter)
    all_changed: int = 0
    new: int = 0

    def count_round(self, connection: duckdb.DuckDBPyConnection, round_: Round, *, changed: int, new: int) -> None:
        """Count in what one more round, which is in its tables, brought; the numbers are of all rounds so far."""
        if changed > self.all_changed:
            rows = connection.execute(
                "SELECT own_file_id, count(*) FROM incoming WHERE changes_prediction GROUP BY own_file_id"
            ).fetchall()
            self.changed.update(dict(rows))
        rows_of_round = "SELECT own_file_id, sample_id, observed_at FROM incoming WHERE row_key IS NULL"
        if round_.of == 1 and new:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW arrived AS {rows_of_round}")
        elif round_.of > 1:
            how = (
                "INSERT INTO arrived_by_rounds"
                if round_.number
                else "CREATE OR REPLACE TEMP TABLE arrived_by_rounds AS"
            )
            connection.execute(f"{how} {rows_of_round}")
            connection.execute("CREATE OR REPLACE TEMP VIEW arrived AS FROM arrived_by_rounds")
        self.all_changed, self.new = changed, new

    def changed_predictions(self, connection: duckdb.DuckDBPyConnection) -> list[Problem]:
        """A problem for each file of `staged` in which more than ``TOLD_SHARE`` of the rows change a prediction that is
        known."""
        if not self.changed:
            return []
        totals = dict(connection.execute("SELECT file, count(*) FROM staged GROUP BY file").fetchall())
        counts = [(file, self.changed[number], totals.get(file, 0)) for file, number in self.numbers.items()]
        return [
            Problem(
                file, "changed_predictions",
                f"{file}: {count:,} of {quantity(total, 'row')} give a known prediction another score, slice or version, and "
                "took its place: where these are other predictions, make sample_id differ, such as by the camera in front of "
                "it",
            )
            for file, count, total in counts
            if count > TOLD_SHARE * total
        ]  # fmt: skip

    def near_repeats(
        self, connection: duckdb.DuckDBPyConnection, model_id: int, now: datetime, *, within: bool
    ) -> list[Problem]:
        """A problem where new rows have ids that came within a second of them, with other fractions of a second.

        Looked for only where the times of a batch (of several files taken as if one by one: of each) are finer or coarser than
        those the model had so far, or where ``within`` it some are that close.
        """
        if not self.new:
            return []
        told = load_facts(connection, model_id, _EVERY_SOURCE).get(_FRACTIONS)
        finest = int(told) if told is not None else None
        problems: list[Problem] = []
        for files, own, is_close in self._digits(connection, within=within):
            known = own if finest is None else finest
            finest = max(known, own)
            if known != own or is_close:
                problems += self._look(connection, model_id, files, 10 ** (6 - min(own, known)))
        if finest is not None and str(finest) != told:
            store_fact(connection, model_id, _EVERY_SOURCE, _FRACTIONS, str(finest), now)
        return problems

    def _digits(
        self, connection: duckdb.DuckDBPyConnection, *, within: bool
    ) -> list[tuple[Sequence[int] | None, int, bool]]:
        """Of each file in turn, as its number, or of all (None) as one: decimal places, and whether rows in it are close."""
        if self.batch.part is None:
            return [(None, *fetch_row(connection, f"SELECT {_DIGITS} FROM arrived"), within)]
        digits = dict(connection.execute(f"SELECT own_file_id, {_DIGITS} FROM arrived GROUP BY own_file_id").fetchall())
        close = fetch_column(connection, statement("near_in_batch")) if within else []
        return [([number], digits[number], file in close) for file, number in self.numbers.items() if number in digits]

    def _look(
        self, connection: duckdb.DuckDBPyConnection, model_id: int, files: Sequence[int] | None, unit: int
    ) -> list[Problem]:
        """``files``: their numbers, None: all; beside rows of files that came before. ``unit``: microseconds."""
        order = list(self.numbers.values())
        later = order[order.index(files[-1]) + 1 :] if files else []
        first, last = fetch_row(connection, statement("near_span"), {"files": files})
        second = timedelta(seconds=1)
        rows = connection.execute(
            statement("near_repeats"),
            {
                "model_id": model_id, "first": first - second, "last": last + second, "probed": _PROBED,
                "unit": unit, "files": files, "later": later,
            },
        ).fetchall()  # fmt: skip
        return [
            Problem(
                file, "near_repeats",
                f"{file}: {found:,} of {quantity(probed, 'new row')} looked at have a sample_id that is known from within the "
                "same second, with other fractions of it: where the same predictions were exported twice they count twice now; "
                'set time_precision = "1s" in every [model.source]',
            )
            for file, probed, found in rows
            if found > TOLD_SHARE * probed
        ]  # fmt: skip
