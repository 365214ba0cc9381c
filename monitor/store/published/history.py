"""Questions to the past: courses for charts, jobs, quarantine, pulls. Reads only; every answer has a bounded length.

The same statements serve the daemon's own database, through a cursor of its connection, and ``metrics.duckdb``, opened
read-only in another process, where two tables are called differently.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import duckdb
import numpy as np

from monitor.model import MISSING, Disparity, Job, ReliabilityBin, Slice
from monitor.model.history import (
    Attempt,
    CalibratorRow,
    Calibrators,
    CurvePoint,
    Event,
    EventKind,
    EvidencePoint,
    GuardRow,
    Jobs,
    LargestError,
    NoteRow,
    PullRow,
    QuarantineCount,
    QuarantinedRow,
    ReadingPoint,
    SourceState,
)
from monitor.model.refits import ROLLED_BACK
from monitor.statistics.calibration.reliability import list_bars, reliability
from monitor.statistics.cells import Clusters
from monitor.store.cells import build_cells, fill_masked
from monitor.store.connection import fetch_dicts, make_naive
from monitor.store.reasons import job_from
from monitor.store.sql import statement

POINTS = 500  # of a course; more than a chart has pixels for
# What the tables of readings are called in the daemon's own database, and in a snapshot.
_LIVE = {"history": "readings", "newest": "newest_readings"}
_SNAPSHOT = {"history": "slice_history", "newest": "slice_newest"}
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
_EVENTS = {"firing": EventKind.FIRED, "resolved": EventKind.RESOLVED}

Row = dict[str, Any]
Noun = TypeVar("Noun")


class History:
    """The past as one connection shows it: a cursor on the daemon's database (``live``), or an opened snapshot."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, live: bool) -> None:
        self._connection = connection
        self._live = live
        self._tables = _LIVE if live else _SNAPSHOT

    def extent(self, model: str, slice_: Slice, window: str) -> tuple[datetime, datetime] | None:
        """When the readings of a slice over a window begin and end; None when there are none."""
        row = self._rows("history_extent", model=model, slice=slice_.text, window=window)[0]
        first, last = row["first"], row["last"]
        return (first, last) if first is not None and last is not None else None

    def readings(
        self, model: str, slice_: Slice, window: str, until: datetime, since: datetime | None = None, *,
        points: int = POINTS,
    ) -> tuple[ReadingPoint, ...]:  # fmt: skip
        """Readings whose window ended in (since, until], oldest first, at most ``points`` of each version; ``since`` None:
        from the first one on."""
        if since is None:
            extent = self.extent(model, slice_, window)
            since = extent[0] - timedelta(seconds=1) if extent else until
        return self._as(
            ReadingPoint, "history_readings", model=model, slice=slice_.text, window=window, since=make_naive(since),
            until=make_naive(until), span=_span(since, until, points),
        )  # fmt: skip

    def evidence(
        self, model: str, slice_: Slice, since: datetime, until: datetime, *, points: int = POINTS
    ) -> tuple[EvidencePoint, ...]:
        """The paths of drift evidence of a slice in (since, until], oldest first, at most ``points`` of each stream."""
        return self._as(
            EvidencePoint, "history_evidence", model=model, slice=slice_.text, since=make_naive(since), until=make_naive(until),
            span=_span(since, until, points),
        )  # fmt: skip

    def events(
        self, model: str, slice_: Slice | None, since: datetime, until: datetime, *, limit: int = 200
    ) -> tuple[Event, ...]:
        """What happened to a slice (None: to any) in (since, until], oldest first: its alerts with the onsets they estimate,
        and the calibrators put in charge of scopes that hold it."""
        span = {"model": model, "since": make_naive(since), "until": make_naive(until), "limit": limit}
        found = []
        for row in self._rows("history_alert_events", **span, slice=slice_.text if slice_ is not None else None):
            kind = _EVENTS.get(row["state"])
            if kind is None:
                continue
            found.append(Event(row["at"], kind, f"{row['rule']} ({row['severity']})", row["slice"]))
            onset = row["onset"]
            if kind is EventKind.FIRED and onset is not None and since < onset <= until:
                found.append(Event(onset, EventKind.ONSET, row["rule"], row["slice"]))
        for row in self._rows("history_serving", **span):
            if slice_ is not None and not Slice.parse(row["scope"]).contains(slice_):
                continue
            back = row["cause"] == ROLLED_BACK
            text = f"{row['calibrator']} ({row['method']})" if row["calibrator"] else "scores as the model gives them"
            kind = EventKind.ROLLED_BACK if back else EventKind.PROMOTED
            found.append(Event(row["at"], kind, text, row["scope"]))
        return tuple(sorted(set(found), key=lambda event: (event.at, event.kind, event.text, event.slice)))

    def jobs(
        self,
        model: str | None = None,
        *,
        kind: str | None = None,
        state: str | None = None,
        id: str | None = None,  # noqa: A002  # as the column is called
        limit: int = 50,
        skip: int = 0,
    ) -> Jobs:
        """Jobs, newest first."""
        rows = self._rows("history_jobs", model=model, kind=kind, state=state, id=id, limit=limit, skip=skip)
        return Jobs(tuple(job_of_row(row) for row in rows), rows[0]["total"] if rows else 0)

    def attempts(self, job: str) -> tuple[Attempt, ...]:
        """The attempts of a job, in order."""
        return self._as(Attempt, "history_attempts", id=job)

    def threshold_curve(
        self, model: str, scope: Slice, policy: str, calibrator: str, per: str = "", class_name: str = ""
    ) -> tuple[CurvePoint, ...]:
        """What every other threshold would have given, by threshold."""
        return self._as(
            CurvePoint, "history_threshold_curve", model=model, scope=scope.text, policy=policy, calibrator=calibrator,
            per=per, class_name=class_name,
        )  # fmt: skip

    def quarantine_counts(self, model: str | None = None, *, limit: int = 500) -> tuple[QuarantineCount, ...]:
        """How many rows were set aside, by model, source and reason, the newest first."""
        return self._as(QuarantineCount, "history_quarantine_counts", model=model, limit=limit)

    def quarantined_rows(
        self, model: str, source: str | None = None, reason: str | None = None, *, limit: int = 50, skip: int = 0
    ) -> tuple[QuarantinedRow, ...]:
        """The newest rows that were set aside."""
        return self._as(
            QuarantinedRow, "history_quarantined", model=model, source=source, reason=reason, limit=limit, skip=skip
        )  # fmt: skip

    def quarantined_total(self, model: str, source: str | None = None, reason: str | None = None) -> int:
        """How many rows were set aside."""
        return int(self._rows("history_quarantined_total", model=model, source=source, reason=reason)[0]["total"])

    def sources(self, since: datetime, model: str | None = None, *, limit: int = 2000) -> tuple[SourceState, ...]:
        """Each source pulled since then, those in trouble first."""
        return self._as(SourceState, "history_sources", since=make_naive(since), model=model, limit=limit)

    def notes(self, since: datetime, model: str | None = None, *, limit: int = 50) -> tuple[NoteRow, ...]:
        """What pulls told once of their sources, the newest first."""
        return self._as(NoteRow, "history_notes", since=make_naive(since), model=model, limit=limit)

    def pulls(
        self, since: datetime, model: str | None = None, *, limit: int = 50, skip: int = 0
    ) -> tuple[PullRow, ...]:
        """The newest pulls that brought rows or met a problem."""
        return self._as(PullRow, "history_pulls", since=make_naive(since), model=model, limit=limit, skip=skip)

    def pulls_total(self, since: datetime, model: str | None = None) -> int:
        """How many such pulls there were."""
        return int(self._rows("history_pulls_total", since=make_naive(since), model=model)[0]["total"])

    def calibrators(self, model: str | None = None, *, limit: int = 50, skip: int = 0) -> Calibrators:
        """Every calibrator that was ever put in charge, the newest first."""
        rows = self._rows("history_calibrators", model=model, limit=limit, skip=skip)
        return Calibrators(_nouns(CalibratorRow, rows), rows[0]["total"] if rows else 0)

    def disparities(self, model: str, *, limit: int = 200) -> tuple[Disparity, ...]:
        """The newest verdicts of the disparity rules, the surest first."""
        rows = self._rows("history_disparities", model=model, limit=limit)
        return tuple(Disparity(**row | {"slice": Slice.parse(row["slice"])}) for row in rows)

    def largest_errors(self, model: str, *, limit: int = 20) -> tuple[LargestError, ...]:
        """Labelled samples of the longest window whose scores were furthest from what came true, the furthest first, one of
        each image; none of a model without image_url."""
        return self._as(LargestError, "history_largest_errors", model=model, limit=limit)

    def guards(self, model: str) -> tuple[GuardRow, ...]:
        """Promoted calibrators under comparison with the ones they replaced, the newest first."""
        return self._as(GuardRow, "history_guards", model=model)

    def scored_by(
        self, model: str, version: str, slice_: Slice, since: datetime, until: datetime
    ) -> dict[str, tuple[ReliabilityBin, ...]] | None:
        """Reliability bars of the labelled samples observed in [since, until), apart by the calibrator that made the scores
        ("" = none). None in a snapshot, which holds no cells."""
        if not self._live:
            return None
        span = {"model": model, "version": version, "since": make_naive(since), "until": make_naive(until)}
        pairs = [list(label) for label in slice_.labels]
        held = self._connection.execute(
            statement("history_scored_by"), {**span, "pairs": pairs, "missing": MISSING}
        ).fetchnumpy()
        groups = self._connection.execute(
            statement("history_scored_groups"), {**span, "slice": slice_.text}
        ).fetchnumpy()
        names, unit = np.unique(held["calibrator"].astype(str), return_inverse=True)
        cells, of_groups = build_cells(held, unit), groups["calibrator"].astype(str)
        known = np.isin(of_groups, names)
        clusters = Clusters(
            unit=np.searchsorted(names, of_groups[known]), score_bin=groups["score_bin"][known].astype("int16"),
            squared_residual=fill_masked(groups["squared_residual"][known]), groups=fill_masked(groups["groups"][known]),
        )  # fmt: skip
        curves = reliability(cells, len(names), clusters if len(clusters) else None)
        return {name: list_bars(curves, place) for place, name in enumerate(names.tolist())}

    def _rows(self, name: str, **parameters: object) -> list[Row]:
        """What a statement gives, each row by the names of its columns; times with their UTC marker."""
        return fetch_dicts(self._connection, statement(name, **self._tables), parameters)

    def _as(self, kind: type[Noun], name: str, **parameters: object) -> tuple[Noun, ...]:
        return _nouns(kind, self._rows(name, **parameters))


def _nouns(kind: type[Noun], rows: Sequence[Row]) -> tuple[Noun, ...]:
    own = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # all are dataclasses
    return tuple(kind(**{key: row[key] for key in own}) for row in rows)


def job_of_row(row: Row) -> Job:
    """Return the job of a row with ``job_columns``."""
    return job_from({name: value for name, value in row.items() if name != "total"})


def _span(since: datetime, until: datetime, points: int) -> float:
    """Seconds of each of ``points`` equal spans; at least one."""
    return max((until - max(since, _LONG_AGO)).total_seconds() / points, 1.0)
