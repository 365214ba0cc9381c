"""The published snapshot as it is asked by whoever opens it: the command line, a report, a message. Reads metrics.duckdb only,
never the live file."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb

from monitor.model import Job, ReliabilityBin, Slice, ThresholdInUse
from monitor.model.errors import CalwatchError, UsageError
from monitor.model.history import Firing, SliceReading, UnsureAlert
from monitor.model.wording import describe_silence
from monitor.store.connection import make_naive
from monitor.store.published.history import History, Row, job_of_row
from monitor.store.published.snapshot import describe_unreadable, open_snapshot
from monitor.store.reasons import threshold_from

NONE_YET = "no model has readings yet; what came in: calwatch status, what could: calwatch check"


class Snapshot(History):
    """An opened snapshot: its past, and what is newest. Times are UTC.

    Questions that the command line prints as JSON give rows by the names of their columns; the others give values.
    Raises StoreError when there is no snapshot yet, when it cannot be read or is of another version.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        super().__init__(open_snapshot(state_dir), live=False)

    def __enter__(self) -> "Snapshot":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raises StoreError in place of what DuckDB raises over bytes that are not what they were."""
        self._connection.close()
        if isinstance(error, duckdb.Error):
            raise describe_unreadable(self._state_dir, error) from error

    def published_at(self) -> datetime:
        """Return when the snapshot was written."""
        return self._rows("published_at")[0]["published_at"]  # type: ignore[no-any-return]  # TIMESTAMP

    def is_played(self) -> bool:
        """Whether it is of a demo or a backtest."""
        return bool(self._rows("published_at")[0]["played"])

    def status(self, configured: Mapping[str, str]) -> Row:
        """Return all that `calwatch status` tells; ``configured``: the models there should be, with their longest window."""
        models = self._rows("published_models")
        seen, last = {row["model"] for row in models}, self.last_samples()
        return {
            "published_at": self.published_at(), "played": self.is_played(), "models": models,
            "firing": self._rows("published_firing"), "unknown": self._rows("published_unknown"),
            "waiting": [name for name in configured if name not in seen],
            "silent": {
                name: describe_silence(last.get(name), window) for name, window in configured.items() if name not in seen
            },
            "calibrators": self.serving_calibrators(), "thresholds": self._rows("published_thresholds"),
            "troubles": self._rows("published_troubles"), "quarantined": self._rows("published_quarantined"),
            "failing": self.failing_models(), "label_delays": self.label_delays(),
            "waiting_labels": self._rows("published_waiting_labels"), "group_spans": self._rows("published_group_spans"),
            "folded": self._rows("published_folded"), "versions": self._rows("published_versions"),
            "files_set_aside": self.files_set_aside(),
        }  # fmt: skip

    def last_samples(self) -> dict[str, datetime]:
        """Return when the newest sample of each model was observed; models that never had one are left out."""
        return {row["model"]: row["observed_at"] for row in self._rows("published_last_seen")}

    def seen_slices(self, model: str) -> list[str]:
        """Return the slices of a model that there are readings of, as texts."""
        return [row["slice"] for row in self._rows("published_seen", model=model)]

    def slices(self, model: str | None, window: str | None, limit: int) -> list[Row]:
        """Slices worst first; windows other than the asked one are left out, insufficient ones come last."""
        return self._rows("published_slices", model=model, window=window, limit=limit)

    def job_rows(self, model: str | None, limit: int) -> list[Row]:
        """The newest jobs, the newest first."""
        rows = self._rows("published_jobs", model=model, limit=limit)
        return [{**row, "details": json.loads(row["details"])} for row in rows]

    def job_row(self, job_id: str) -> Row:
        """One job. Raises UsageError when there is none of this id."""
        found = self._rows("published_job", id=job_id)
        if not found:
            raise UsageError(f"there is no job {job_id!r}", "ids are printed by: calwatch jobs")
        return {**found[0], "details": json.loads(found[0]["details"])}

    def serving_calibrators(self, model: str | None = None) -> list[Row]:
        """Calibrators in charge now."""
        return self._rows("published_calibrators", model=model)

    def objects_found(self, model: str, window: str, limit: int = 1000) -> list[Row]:
        """What a detector found of the objects there were, by slice: the whole first, then those of which least is found."""
        return self._rows("published_objects", model=model, window=window, limit=limit)

    def failing_models(self) -> list[Row]:
        """Models whose newest cycle failed, since when and why: what the snapshot has of them is old."""
        return self._rows("published_failing")

    def label_delays(self) -> list[Row]:
        """Whether label delay depends on the outcome (None: unknown), by model, with what was compared, in words too."""
        return self._rows("published_label_delays")

    def files_set_aside(self) -> list[Row]:
        """Files that are no longer read, by model and source, with why and what to do."""
        return self._rows("published_files_set_aside")

    def newest_reading(self, model: str, slice_: Slice, version: str = "") -> SliceReading | None:
        """The newest reading of a slice with enough samples, over the longest window that has one, of any version unless
        one is named; None when there is none."""
        found = self._as(SliceReading, "published_reading", model=model, slice=slice_.text, version=version)
        return next(iter(found), None)

    def reading_at(self, model: str, slice_: Slice, window: str, moment: datetime) -> SliceReading | None:
        """The reading of a slice whose window ended last by then; None when there was none."""
        asked: Row = {"model": model, "slice": slice_.text, "window": window, "moment": make_naive(moment)}
        return next(iter(self._as(SliceReading, "published_reading_at", **asked)), None)

    def readings_in(self, model: str, window: str, since: datetime, until: datetime) -> tuple[SliceReading, ...]:
        """The last reading of each slice whose window ended in (since, until], the worst first, insufficient ones last."""
        asked: Row = {"model": model, "window": window, "since": make_naive(since), "until": make_naive(until)}
        return self._as(SliceReading, "published_readings", **asked)

    def bars_of(self, model: str, reading: SliceReading) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram of a reading; empty where it is not the newest, or has none."""
        return self._as(
            ReliabilityBin, "published_bars", model=model, slice=reading.slice, version=reading.version,
            window=reading.window, window_end=make_naive(reading.window_end),
        )  # fmt: skip

    def firings(self, model: str, since: datetime, until: datetime) -> tuple[Firing, ...]:
        """Each time an alert fired in (since, until], or before and was not over then, the newest first."""
        return self._as(Firing, "published_firings", model=model, since=make_naive(since), until=make_naive(until))

    def unsure_alerts(self, model: str) -> tuple[UnsureAlert, ...]:
        """Alerts whose rule could not be evaluated."""
        return self._as(UnsureAlert, "published_unsure", model=model)

    def deeds(self, model: str, since: datetime) -> tuple[Job, ...]:
        """Refits and rollbacks asked for since then, the first ones first."""
        return tuple(job_of_row(row) for row in self._rows("published_deeds", model=model, since=make_naive(since)))

    def chosen_thresholds(self, model: str) -> tuple[ThresholdInUse, ...]:
        """Thresholds in force, those over all classes first."""
        rows = self._rows("published_thresholds_chosen", model=model)
        return tuple(map(threshold_from, rows))

    def longest_window(self, model: str) -> str:
        """The longest window of the model's whole. Raises UsageError naming the models there are when it has no reading."""
        found = self._rows("published_window", model=model)
        if not found:
            raise self._without_readings(model)
        return str(found[0]["window"])

    def demand_model(self, name: str) -> None:
        """Raises UsageError naming the models there are when this one is unknown."""
        if name not in self._names("published_model_names"):
            raise self._without_readings(name)

    def demand_window(self, name: str) -> None:
        """Raises UsageError naming the windows there are when this one is unknown."""
        names = self._names("published_window_names")
        if name not in names:
            raise UsageError(
                f'no readings over a window "{name}"', f"windows with readings: {', '.join(names) or 'none yet'}"
            )

    def _without_readings(self, model: str) -> UsageError:
        names = self._names("published_model_names")
        if last_at := self.last_samples().get(model):
            return UsageError(
                f'no readings of model "{model}": {describe_silence(last_at, "")}',
                "what came in: calwatch status, what could: calwatch check",
            )
        there = f"models with readings: {', '.join(names)}" if names else NONE_YET
        return UsageError(f'no readings of a model "{model}"', there)

    def _names(self, name: str) -> list[str]:
        return [str(value) for row in self._rows(name) for value in row.values()]


def load_seen_slices(state_dir: Path, model: str) -> list[Slice]:
    """Return the slices of a model that there are readings of; none where nothing was published yet that can be read."""
    try:
        with Snapshot(state_dir) as held:
            return [Slice.parse(text) for text in held.seen_slices(model)]
    except CalwatchError:
        return []
