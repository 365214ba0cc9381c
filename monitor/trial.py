"""The first rows of a source, tried: what would be taken of them, and why the others would be set aside. Nothing is kept."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb

from monitor.config import Model
from monitor.durations import format_duration
from monitor.remedies import REMEDIES
from monitor.sources.base import Batch
from monitor.store.connection import aware, naive
from monitor.store.staging import CLOCK_SKEW, stage
from monitor.store.values import LabelRules
from monitor.wording import counted, minute

ROWS, BATCHES = 10_000, 20  # tried: that many rows of each of the first batches, which are files or runs of alike files
_ALIKE = 20  # so many outcomes that are all the same are worth a word
_EVER = (
    datetime(1970, 1, 2, tzinfo=UTC),
    datetime(9999, 1, 1, tzinfo=UTC),
)  # rows that are old or ahead now are counted apart: a backtest takes them

_TRIED = """
SELECT count(*), count(positives) FILTER (taken), min(observed_at) FILTER (taken), max(observed_at) FILTER (taken),
    coalesce(sum(n) FILTER (taken AND positives IS NOT NULL), 0)::BIGINT, coalesce(sum(positives) FILTER (taken), 0)::BIGINT,
    count(predicted_class) FILTER (taken), count(label) FILTER (taken AND positives IS NULL),
    count(*) FILTER (taken AND observed_at < $oldest),
    count(*) FILTER (taken AND greatest(observed_at, labelled_at) > $latest)
FROM (SELECT *, reason IS NULL AS taken FROM staged)"""


@dataclass(slots=True)
class Trial:
    """What came of one source's first rows; times are UTC. ``bad`` counts by reason, ``examples`` are of each. Of the rows that
    can be taken, ``positives`` of ``counted`` came true, ``named`` have a predicted class, ``bare`` a label and no outcome; a
    cycle at the time asked about would refuse ``old`` and ``ahead``."""

    batches: int = 0
    rows: int = 0
    labelled: int = 0
    counted: int = 0
    positives: int = 0
    named: int = 0
    bare: int = 0
    old: int = 0
    ahead: int = 0
    first: datetime | None = None
    last: datetime | None = None
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def take(
        self, connection: duckdb.DuckDBPyConnection, batch: Batch, model: Model, holds: str, at: datetime | None
    ) -> None:
        """Try the first rows of one more batch, unless enough were tried; ``at``: when they would be pulled, None: not asked.
        Raises duckdb.Error where they cannot be read."""
        if self.batches == BATCHES:
            return
        self.batches += 1
        some = replace(batch, relation=f"SELECT * FROM ({batch.relation}) LIMIT {ROWS}")
        oldest, now = _EVER
        rules = LabelRules.of(model, batch.meaning, ())
        stage(
            connection, some, model.slices, rules, holds=holds, monitor_applies=model.recalibration.apply == "monitor",
            horizon=model.label_horizon, oldest=oldest, now=now,
        )  # fmt: skip
        if at is not None:
            oldest, now = at - model.retention, at + CLOCK_SKEW
        found = connection.execute(_TRIED, {"oldest": naive(oldest), "latest": naive(now)}).fetchone()
        assert found is not None  # an aggregate always gives a row
        rows, labelled, first, last, counted_, positives, named, bare, old, ahead = found
        self.rows, self.labelled = self.rows + rows, self.labelled + labelled
        self.counted, self.positives = self.counted + counted_, self.positives + positives
        self.named, self.bare = self.named + named, self.bare + bare
        self.old, self.ahead = self.old + old, self.ahead + ahead
        self.first = min((each for each in (self.first, aware(first)) if each is not None), default=None)
        self.last = max((each for each in (self.last, aware(last)) if each is not None), default=None)
        reasons = connection.execute(
            "SELECT reason, count(*), arg_min(file, row), min(row), arg_min(record, row) FROM staged "
            "WHERE reason IS NOT NULL GROUP BY reason"
        ).fetchall()
        for reason, count, file, row, record in reasons:
            self.bad[reason] += count
            self.examples.setdefault(reason, f"row {row} of {file}: {(record or '')[:300]}")

    @property
    def taken(self) -> int:
        """Rows that calwatch would take."""
        return self.rows - self.bad.total()

    @property
    def refused(self) -> list[str]:
        """A sentence for each reason to set rows aside, the most frequent first."""
        return [
            f"{count:,} of the {counted(self.rows, 'row')} tried would be set aside as {reason}, "
            f"such as {self.examples[reason]}" + (f" ({REMEDIES[reason]})" if reason in REMEDIES else "")
            for reason, count in self.bad.most_common()
        ]

    def remarks(self, at: datetime | None, model: Model, time_zone: str) -> list[str]:
        """What is worth knowing of the rows that can be taken; ``time_zone``: the source's."""
        said = []
        if not self.rows:
            said.append("has no row yet, only a header")
        if at is not None and self.ahead:
            said.append(
                f"{self.ahead:,} of the {counted(self.rows, 'row')} tried are ahead of now, {minute(at)} UTC, and would be set "
                f'aside as time_in_future: is time_zone = "{time_zone}" that of its times?'
            )
        if at is not None and self.old:
            said.append(
                f"{self.old:,} of the {counted(self.rows, 'row')} tried are older than retention "
                f"({format_duration(model.retention)}) and would be set aside as older_than_retention by run and once: "
                "calwatch backtest plays them at their own time"
            )
        if self.counted >= _ALIKE and self.positives in (0, self.counted):
            said.append(
                f"every outcome of {counted(self.counted, 'sample')} tried is {int(self.positives > 0)}: where the other "
                "should occur too, see how it is written, and what is set aside"
            )
        return said

    def summary(self, holds: str) -> str:
        """What can be taken, in one sentence."""
        said = f"{counted(self.taken, 'row')} of {self.rows:,} tried can be taken"
        if holds == "labels":
            return said
        if self.first is not None and self.last is not None:
            said += f", observed {minute(self.first)} to {minute(self.last)} UTC"
        return f"{said}, {self.labelled:,} with an outcome"
