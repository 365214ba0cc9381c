"""Questions to the published snapshot, as the command line asks them. Reads metrics.duckdb only, never the live file."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from monitor.model.errors import UsageError
from monitor.store.connection import naive
from monitor.store.published.snapshot import open_snapshot, unreadable
from monitor.store.sql import statement

Row = dict[str, Any]


class Snapshot:
    """An opened snapshot. Raises StoreError when there is none yet, when it cannot be read or is of another version."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._connection = open_snapshot(state_dir)

    def __enter__(self) -> "Snapshot":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raises StoreError in place of what DuckDB raises over bytes that are not what they were."""
        self._connection.close()
        if isinstance(error, duckdb.Error):
            raise unreadable(self._state_dir, error) from error

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """For those who ask more than this class answers."""
        return self._connection

    def _rows(self, sql: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        cursor = self._connection.execute(sql, parameters or {})
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def published_at(self) -> datetime:
        return self._rows("SELECT published_at FROM snapshot")[0]["published_at"]  # type: ignore[no-any-return]  # TIMESTAMP

    def is_played(self) -> bool:
        """Whether it is of a demo or a backtest."""
        return bool(self._rows("SELECT played FROM snapshot")[0]["played"])

    def status(self, configured: Sequence[str]) -> Row:
        """All that `calwatch status` tells; ``configured``: names of the models that there should be."""
        models = self.models()
        seen = {row["model"] for row in models}
        return {
            "published_at": self.published_at(), "played": self.is_played(), "models": models, "firing": self.firing(),
            "unknown": self.unknown(),
            "waiting": [name for name in configured if name not in seen],
            "calibrators": self.in_charge(), "thresholds": self.thresholds(), "troubles": self.troubles(),
            "quarantined": self.quarantined(), "failing": self.failing(), "label_delays": self.label_delays(),
            "waiting_labels": self.waiting_labels(), "group_spans": self.group_spans(),
            "folded": self.folded(),
            "files_set_aside": self.files_set_aside(),
        }  # fmt: skip

    def models(self) -> list[Row]:
        """One row per model: its whole, over its longest window, and how many alerts fire, are pending or unknown."""
        return self._rows(statement("published_models"))

    def firing(self) -> list[Row]:
        return self._rows("SELECT * EXCLUDE (labels) FROM drift_now")

    def unknown(self) -> list[Row]:
        return self._rows(
            "SELECT model, version, slice, rule, reason FROM alerts WHERE health <> 'ok' AND state <> 'inactive' ORDER BY ALL"
        )

    def slices(self, model: str | None, window: str | None, limit: int) -> list[Row]:
        """Slices worst first; windows other than the asked one are left out, insufficient ones come last."""
        return self._rows(statement("published_slices"), {"model": model, "window": window, "limit": limit})

    def jobs(self, model: str | None, limit: int) -> list[Row]:
        rows = self._rows(statement("published_jobs"), {"model": model, "limit": limit})
        return [{**row, "details": json.loads(row["details"])} for row in rows]

    def job(self, job_id: str) -> Row:
        """One job. Raises UsageError when there is none of this id."""
        found = self._rows("SELECT * FROM jobs WHERE id = $id", {"id": job_id})
        if not found:
            raise UsageError(f"there is no job {job_id!r}", "ids are printed by: calwatch jobs")
        return {**found[0], "details": json.loads(found[0]["details"])}

    def attempts(self, job_id: str) -> list[Row]:
        """The attempts of a job, in order."""
        return self._rows(
            "SELECT * EXCLUDE (job, model) FROM job_log WHERE job = $id ORDER BY started_at, attempt", {"id": job_id}
        )

    def in_charge(self, model: str | None = None) -> list[Row]:
        """Calibrators in charge now."""
        return self._rows(statement("published_calibrators"), {"model": model})

    def thresholds(self) -> list[Row]:
        """Thresholds that decide now over all samples of their scope (those for single classes are many), or that none can."""
        return self._rows(statement("published_thresholds"))

    def troubles(self) -> list[Row]:
        """What could not be read at the newest pull of each source, and what pulls of the last days told once."""
        return self._rows(statement("published_troubles"))

    def failing(self) -> list[Row]:
        """Models whose newest cycle failed, since when and why: what the snapshot has of them is old."""
        return self._rows("SELECT model, since, problem FROM problems ORDER BY model")

    def label_delays(self) -> list[Row]:
        """Whether label delay depends on the outcome (None: unknown), by model, with what was compared, in words too."""
        return self._rows("SELECT * FROM label_delays ORDER BY model")

    def waiting_labels(self) -> list[Row]:
        """Labels that wait for their prediction, by model and source, in words too; sources of which none waits included."""
        return self._rows("SELECT * FROM waiting_labels ORDER BY model, source")

    def files_set_aside(self) -> list[Row]:
        """Files that are no longer read, by model and source, with why and what to do."""
        return self._rows("SELECT * FROM files_set_aside ORDER BY model, source, item")

    def group_spans(self) -> list[Row]:
        """How far groups reach, by model, in words too; models without groups have no row."""
        return self._rows("SELECT * FROM group_spans ORDER BY model")

    def folded(self) -> list[Row]:
        """Versions, calibrators and slice values beyond their limits, by model, in words too."""
        return self._rows("SELECT * FROM folded_values ORDER BY model, kind, name")

    def quarantined(self) -> list[Row]:
        """What was quarantined, by source and reason."""
        return self._rows("SELECT model, source, reason, rows, newest_at FROM quarantine_counts ORDER BY ALL")

    def reading_at(self, model: str, slice_: str, window: str, moment: datetime) -> Row | None:
        """The reading of a slice whose window ended last by then; None when there was none."""
        rows = self._rows(
            statement("published_reading_at"),
            {"model": model, "slice": slice_, "window": window, "moment": naive(moment)},
        )
        return rows[0] if rows else None

    def demand_model(self, name: str) -> None:
        """Raises UsageError naming the models there are when this one is unknown."""
        names = [row["model"] for row in self._rows("SELECT DISTINCT model FROM slice_newest ORDER BY model")]
        if name not in names:
            raise UsageError(
                f'no readings of a model "{name}"',
                f"models with readings: {', '.join(names)}"
                if names
                else "none has one yet; what came in: calwatch status",
            )

    def demand_window(self, name: str) -> None:
        """Raises UsageError naming the windows there are when this one is unknown."""
        rows = self._rows('SELECT DISTINCT "window" FROM slice_newest ORDER BY "window"')
        names = [row["window"] for row in rows]
        if name not in names:
            raise UsageError(
                f'no readings over a window "{name}"', f"windows with readings: {', '.join(names) or 'none yet'}"
            )
