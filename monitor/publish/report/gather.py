"""All that a report says of one model over one period, read from a published snapshot. Numbers that are unknown are None.

The newest readings stand for the state at the period's end; where it ends before the snapshot, readings as of then do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from monitor.model import Job, ReliabilityBin, Slice
from monitor.model.errors import UsageError
from monitor.model.history import (
    CurvePoint,
    DisparityRow,
    Event,
    EvidencePoint,
    PullRow,
    QuarantineCount,
    Quarantined,
    ReadingPoint,
)
from monitor.recalibration.gate import COLUMNS
from monitor.statistics.cells import SCORE_BINS
from monitor.store.connection import naive
from monitor.store.published.history import History
from monitor.store.sql import statement

Row = Mapping[str, Any]
Bars = tuple[ReliabilityBin, ...]

NONE_YET = "no model has readings yet; what came in: calwatch status, what could: calwatch check"
SPAN = timedelta(days=30)  # a report goes back this far unless told otherwise
WORST, DETAILED, REFITS, CURVES, ROWS = 15, 4, 12, 6, 8  # how many are shown


@dataclass(frozen=True, slots=True)
class SliceReport:
    """One slice over the period. ``reading``: the last one in it; ``bars`` are of the newest, empty where it is another."""

    slice: Slice
    reading: Row | None
    points: tuple[ReadingPoint, ...]
    evidence: tuple[EvidencePoint, ...]
    events: tuple[Event, ...]
    bars: Bars


@dataclass(frozen=True, slots=True)
class Refitted:
    """A refit that the gate accepted, with the bars of its gate samples as they were scored and as it scores them."""

    job: Job
    before: Bars
    after: Bars


@dataclass(frozen=True, slots=True)
class ThresholdReport:
    """A threshold in force with its trade-off curve."""

    chosen: Row
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Times are UTC; ``published_at`` is when the snapshot was written, ``window`` the one its figures are over."""

    model: str
    since: datetime
    until: datetime
    published_at: datetime
    first_reading: datetime | None
    window: str
    whole: Row | None
    worst: tuple[Row, ...]
    slices: tuple[SliceReport, ...]
    alerts: tuple[Row, ...]  # that fired in the period or fire now, the newest first
    unsure: tuple[Row, ...]  # alerts whose rule could not be evaluated
    refits: tuple[Refitted, ...]
    others: tuple[Job, ...]  # refits not accepted, rollbacks
    calibrators: tuple[Row, ...]
    thresholds: tuple[ThresholdReport, ...]
    disparities: tuple[DisparityRow, ...]
    delays: Row | None
    problem: Row | None
    pulls: tuple[PullRow, ...]
    quarantine: tuple[QuarantineCount, ...]
    set_aside: tuple[Quarantined, ...]
    readings: tuple[Row, ...]  # the last of every slice in the period, the worst first, insufficient ones last

    @property
    def insufficient(self) -> tuple[Row, ...]:
        """Readings with too few labelled samples."""
        return tuple(row for row in self.readings if row["state"] != "ok")


def gather(
    snapshot: duckdb.DuckDBPyConnection, model: str, *, since: datetime | None = None, until: datetime | None = None,
    slice_: Slice | None = None,
) -> Report:  # fmt: skip
    """Everything about ``model`` in (since, until], by default the 30 days before the snapshot was written. ``slice_``: the
    one to tell in full; None: the whole and those in most trouble.

    Raises UsageError for a model or slice there is not, and for a period that ends before it begins.
    """
    published = _rows(snapshot, "SELECT published_at FROM snapshot")[0]["published_at"].replace(tzinfo=UTC)
    until = min(until, published) if until is not None else published
    since = until - SPAN if since is None else since
    if since >= until:
        raise UsageError(
            f"the period must begin before it ends, and before {published:%Y-%m-%dT%H:%MZ}, the snapshot's time"
        )
    past = History(snapshot, live=False)
    asked = {"model": model, "since": naive(since), "until": naive(until)}
    window = _window(snapshot, model)
    readings = _rows(snapshot, statement("report_readings"), **asked, window=window)
    alerts = _rows(snapshot, statement("report_alerts"), **asked)
    jobs = [job for job in past.jobs(model, limit=5000).jobs if since < job.requested_at <= until]
    accepted = [job for job in jobs if job.kind == "recalibrate" and job.state == "promoted"]
    extent = past.extent(model, Slice(), window)
    known = [row for row in readings if row["state"] == "ok"]
    chosen = (slice_,) if slice_ is not None else _in_trouble(known, alerts)
    if slice_ is not None and slice_.text not in {row["slice"] for row in readings}:
        raise UsageError(
            f'model "{model}" has no reading of slice "{slice_.text}" in this period',
            "the slices there are: calwatch slices --model " + model,
        )
    return Report(
        model=model, since=since, until=until, published_at=published, first_reading=extent[0] if extent else None,
        window=window, whole=next((row for row in readings if row["slice"] == "all"), None), worst=tuple(known[:WORST]),
        slices=tuple(_slice(snapshot, past, model, each, window, readings, since, until) for each in chosen),
        alerts=tuple(alerts), unsure=tuple(_rows(snapshot, _UNSURE, model=model)),
        refits=tuple(Refitted(job, gate_bars(job, "before"), gate_bars(job, "after")) for job in accepted[:REFITS]),
        others=tuple(job for job in jobs if job.kind != "action" and job not in accepted),
        calibrators=tuple(_rows(snapshot, _IN_CHARGE, model=model)), thresholds=_thresholds(snapshot, past, model),
        disparities=tuple(each for each in past.disparities(model) if each.lower is not None and each.lower > 0)[:ROWS],
        delays=next(iter(_rows(snapshot, "SELECT * FROM label_delays WHERE model = $model", model=model)), None),
        problem=next(iter(_rows(snapshot, "SELECT since, problem FROM problems WHERE model = $model", model=model)), None),
        pulls=tuple(each for each in past.pulls(since, model, limit=100_000) if each.pulled_at <= until),
        quarantine=past.quarantine_counts(model), set_aside=past.quarantined(model, limit=ROWS),
        readings=tuple(readings),
    )  # fmt: skip


_UNSURE = statement("published_unsure")
_IN_CHARGE = (
    "SELECT scope, id, method, fitted_at, promoted_at FROM calibrators WHERE model = $model AND serving ORDER BY scope"
)
_THRESHOLDS = "SELECT * FROM thresholds WHERE model = $model AND serving ORDER BY class_name, scope"
_BARS = statement("published_bars_until")


def _window(snapshot: duckdb.DuckDBPyConnection, model: str) -> str:
    """The model's longest window. Raises UsageError naming the models there are when this one has no reading."""
    longest = statement("published_window")
    found = _rows(snapshot, longest, model=model)
    if not found:
        names = [row["model"] for row in _rows(snapshot, "SELECT DISTINCT model FROM slice_newest ORDER BY model")]
        there = f"models with readings: {', '.join(names)}" if names else NONE_YET
        raise UsageError(f'no readings of a model "{model}"', there)
    return str(found[0]["window"])


def _in_trouble(known: Sequence[Row], alerts: Sequence[Row]) -> tuple[Slice, ...]:
    """The whole, then slices with alerts (pages first, as listed), then those whose ECE is surely above zero."""
    urgent = sorted(alerts, key=lambda row: row["severity"] != "page")
    sure = [row["slice"] for row in known if (row["ece_lower"] or 0) > 0]
    there = {row["slice"] for row in known}
    names = dict.fromkeys(["all", *(row["slice"] for row in urgent if row["slice"] in there), *sure])
    return tuple(Slice.parse(name) for name in list(names)[:DETAILED])


def _slice(
    snapshot: duckdb.DuckDBPyConnection, past: History, model: str, slice_: Slice, window: str, readings: Sequence[Row],
    since: datetime, until: datetime,
) -> SliceReport:  # fmt: skip
    reading = next((row for row in readings if row["slice"] == slice_.text), None)
    bars: Sequence[Row] = ()
    if reading is not None:
        asked = {"version": reading["version"], "window_end": naive(reading["window_end"])}
        bars = _rows(snapshot, _BARS, model=model, slice=slice_.text, window=window, **asked)
    return SliceReport(
        slice_, reading, past.readings(model, slice_, window, until, since), past.evidence(model, slice_, since, until),
        past.events(model, slice_, since, until), tuple(ReliabilityBin(**row) for row in bars),
    )  # fmt: skip


def _thresholds(snapshot: duckdb.DuckDBPyConnection, past: History, model: str) -> tuple[ThresholdReport, ...]:
    return tuple(
        ThresholdReport(
            row,
            past.threshold_curve(
                model, Slice.parse(row["scope"]), row["policy"], row["calibrator"], row["per"], row["class_name"]
            ),
        )
        for row in _rows(snapshot, _THRESHOLDS, model=model)
    )


def gate_bars(job: Job, side: str) -> Bars:
    """The bars that a refit left in its record; empty where it left none."""
    held = job.details.get("bars")
    rows = held.get(side, ()) if isinstance(held, Mapping) else ()
    return tuple(
        ReliabilityBin(
            place / SCORE_BINS, (place + 1) / SCORE_BINS, samples or 0.0, **dict(zip(COLUMNS[1:], rest, strict=True))
        )
        for place, samples, *rest in rows
    )


def _rows(snapshot: duckdb.DuckDBPyConnection, sql: str, **parameters: object) -> list[dict[str, Any]]:
    cursor = snapshot.execute(sql, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, (_utc(value) for value in row), strict=True)) for row in cursor.fetchall()]


def _utc(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
