"""The first rows of a source, tried: what would be taken of them, and why the others would be set aside. Nothing is kept."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb

from monitor.config import Model
from monitor.sources.base import Batch
from monitor.store.connection import aware
from monitor.store.staging import stage
from monitor.wording import counted, minute

ROWS, BATCHES = 10_000, 20  # tried: that many rows of each of the first batches, which are files or runs of alike files
_EVER = (
    datetime(1970, 1, 2, tzinfo=UTC),
    datetime(9999, 1, 1, tzinfo=UTC),
)  # whether times are old or ahead is not asked

_REMEDIES = {
    "unreadable_time": 'times are written 2026-01-31 14:05:09, or with +01:00 behind, or are numbers with time_unit = "s"',
    "missing_score": "each row needs a score",
    "score_not_a_number": "scores are numbers with a decimal point, such as 0.83",
    "score_outside_0_1": "scores are probabilities from 0 to 1: divide percentages by 100",
    "unknown_outcome": "outcome is 0, 1, true or false; class names go to the columns label and predicted_class",
    "bad_count": "n and positives are whole numbers, positives from 0 to n; a row with n above 1 needs positives",
    "bad_logits": "logits are a list of finite numbers",
    "missing_sample_id": "each row needs a sample_id",
}


@dataclass(slots=True)
class Trial:
    """What came of one source's first rows; times are UTC. ``bad`` counts by reason, ``examples`` are of each."""

    batches: int = 0
    rows: int = 0
    labelled: int = 0
    first: datetime | None = None
    last: datetime | None = None
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def take(self, connection: duckdb.DuckDBPyConnection, batch: Batch, model: Model, holds: str) -> None:
        """Try the first rows of one more batch, unless enough were tried. Raises duckdb.Error where they cannot be read."""
        if self.batches == BATCHES:
            return
        self.batches += 1
        some = replace(batch, relation=f"SELECT * FROM ({batch.relation}) LIMIT {ROWS}")
        oldest, now = _EVER
        stage(
            connection, some, model.slices, holds=holds, monitor_applies=model.recalibration.apply == "monitor",
            horizon=model.label_horizon, oldest=oldest, now=now,
        )  # fmt: skip
        found = connection.execute(
            "SELECT count(*), count(positives) FILTER (reason IS NULL), min(observed_at) FILTER (reason IS NULL), "
            "max(observed_at) FILTER (reason IS NULL) FROM staged"
        ).fetchone()
        assert found is not None  # an aggregate always gives a row
        rows, labelled, first, last = found
        self.rows, self.labelled = self.rows + rows, self.labelled + labelled
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
            f"such as {self.examples[reason]}" + (f" ({_REMEDIES[reason]})" if reason in _REMEDIES else "")
            for reason, count in self.bad.most_common()
        ]

    def summary(self, holds: str) -> str:
        """What can be taken, in one sentence."""
        said = f"{counted(self.taken, 'row')} of {self.rows:,} tried can be taken"
        if holds == "labels":
            return said
        if self.first is not None and self.last is not None:
            said += f", observed {minute(self.first)} to {minute(self.last)} UTC"
        return f"{said}, {self.labelled:,} with an outcome"
