"""One batch into the store, in one transaction with its cursor: quarantine, de-duplicate, correct, add to cells.

The steps hand each other temporary tables:

    staged      the batch's rows, typed; bad ones with their reason (staging.py)
    slice_keys, stream_keys     slice values → slice_id, version and calibrator → stream_id (registry.py)
    repeated    identities that stand more than once in the batch
    fresh       one row per identity of the batch
    existing    rows of the store with an identity of the batch
    incoming    rows to insert: new ones, and known ones that the batch changes
    touched, renewed    cells that change, and what they hold then (cells.py)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.config import Model
from monitor.errors import SourceError
from monitor.model import Slice
from monitor.sources.base import Batch, Outcome, Problem
from monitor.store.cells import renew_cells
from monitor.store.connection import atomic, load_table, naive
from monitor.store.registry import Registry
from monitor.store.shares import Shares
from monitor.store.sql import statement
from monitor.store.staging import blames_the_file, stage

KEPT_RECORDS = 1_000  # quarantined rows kept with their text, per batch and reason; of the others the place is kept
_DAY = timedelta(days=1)

Apply = Callable[[NDArray[np.float64], NDArray[np.float64] | None], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Serving:
    """A calibrator that calwatch applies to raw scores of a scope observed in [since, until)."""

    scope: Slice
    calibrator: str
    since: datetime
    until: datetime | None
    apply: Apply
    needs_logits: bool = False


@dataclass(slots=True)
class Pulled:
    """What a pull brought, in rows; ``quarantined`` by reason."""

    files: int = 0
    rows: int = 0
    new: int = 0
    labelled: int = 0
    duplicates: int = 0
    corrected: int = 0
    parked: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    shares: dict[str, Outcome] = field(default_factory=dict)  # of each file, where several are settled in one batch

    def add(self, other: "Pulled") -> None:
        for name in ("files", "rows", "new", "labelled", "duplicates", "corrected", "parked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, count in other.quarantined.items():
            self.quarantined[reason] = self.quarantined.get(reason, 0) + count
        self.problems += other.problems

    @property
    def changed(self) -> bool:
        """Whether any cell can have changed."""
        return bool(self.new or self.labelled or self.corrected)


def ingest(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    model: Model,
    source: str,
    holds: str,
    batch: Batch,
    now: datetime,
    *,
    serving: Sequence[Serving] = (),
) -> Pulled:
    """Take one batch. Nothing of it stays when it fails; run again, it changes nothing.

    Raises SourceError when a file of the batch turns out to be damaged while it is read, and ApartError when several that are
    settled have to be taken one after the other.
    """
    monitor_applies = model.recalibration.apply == "monitor"
    try:
        stage(
            connection, batch, model.slices, holds=holds, monitor_applies=monitor_applies,
            horizon=model.label_horizon, oldest=now - model.retention, now=now,
        )  # fmt: skip
    except duckdb.Error as error:  # damaged pages raise many kinds, some of them the base class
        if not blames_the_file(error):
            raise
        raise SourceError(str(error).splitlines()[0]) from error
    shares = Shares.of(connection, batch, holds)
    with atomic(connection):
        pulled = Pulled(files=batch.files)
        count = connection.execute("SELECT count(*) FROM staged").fetchone()
        pulled.rows = int(count[0]) if count else 0
        if holds == "labels":
            pulled.parked = _join_labels(connection, registry, model, source, now)
        registry.map_slices(connection, model)
        if monitor_applies:
            _calibrate(connection, registry, serving, len(model.classes))
        pulled.quarantined = _quarantine(connection, model.name, source, now)
        _take(connection, registry, model, now, pulled)
        pulled.shares = shares.outcomes(connection) if shares else {}
        write_cursor(connection, registry.model_id, source, batch.cursor, now)
    return pulled


def _take(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, now: datetime, pulled: Pulled
) -> None:
    """Everything between `staged` and the tables it changes."""
    connection.execute(statement("ingest_repeated"))
    repeated = connection.execute("SELECT 1 FROM repeated LIMIT 1").fetchone()
    connection.execute(statement("ingest_fresh_joined" if repeated else "ingest_fresh_single"))
    registry.map_streams(connection, now)
    _find_existing(connection, registry.model_id)
    connection.execute(statement("ingest_incoming"), {"model_id": registry.model_id, "now": naive(now)})
    counts = connection.execute(statement("ingest_counts")).fetchone()
    assert counts is not None  # an aggregate always gives a row
    new, labelled, corrected, seen, incoming, differing = (int(value) for value in counts)
    pulled.new, pulled.labelled, pulled.corrected = new, labelled, corrected
    pulled.duplicates = max(seen - incoming - differing, 0)
    if not incoming:
        return
    span = connection.execute("SELECT min(observed_at), max(observed_at) FROM incoming").fetchone()
    assert span is not None
    first, beyond = span[0], span[1] + timedelta(microseconds=1)
    if incoming > new:
        connection.execute(statement("ingest_delete_replaced"), {"first": first, "beyond": beyond})
    connection.execute(statement("ingest_insert"))
    connection.execute(statement("ingest_last_seen"), {"model_id": registry.model_id})
    renew_cells(connection, registry, model, first, beyond)


def _find_existing(connection: duckdb.DuckDBPyConnection, model_id: int) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE existing AS SELECT s.rowid AS row_key, s.* FROM samples AS s LIMIT 0"
    )
    days = connection.execute(
        "SELECT DISTINCT date_trunc('day', observed_at)::TIMESTAMP FROM fresh ORDER BY 1"
    ).fetchall()
    for first, beyond in day_runs(day for (day,) in days):
        span = {"first": first, "beyond": beyond}
        connection.execute(statement("ingest_candidates"), span)
        connection.execute(statement("ingest_existing"), {**span, "model_id": model_id})


def day_runs(days: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Sorted days → [start, end) of each run of consecutive days."""
    runs: list[tuple[datetime, datetime]] = []
    for day in days:
        if runs and runs[-1][1] == day:
            runs[-1] = (runs[-1][0], day + _DAY)
        else:
            runs.append((day, day + _DAY))
    return runs


def _quarantine(connection: duckdb.DuckDBPyConnection, model: str, source: str, now: datetime) -> dict[str, int]:
    """Keep the bad rows (a file read again brings its bad rows again: those are known) and count them by reason."""
    if not connection.execute("SELECT 1 FROM staged WHERE reason IS NOT NULL LIMIT 1").fetchone():
        return {}
    where = {"model": model, "source": source}
    connection.execute(statement("quarantine_news"), where)
    counts = dict(connection.execute("SELECT reason, count(*) FROM quarantine_news GROUP BY reason").fetchall())
    connection.execute(statement("quarantine_insert"), {**where, "now": naive(now), "kept": KEPT_RECORDS})
    return counts


def _join_labels(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, source: str, now: datetime
) -> int:
    """Give each staged label its prediction's time; park those whose prediction has not come. Returns how many."""
    own = {"model_id": registry.model_id, "source": source}
    connection.execute(statement("labels_arrival"), {**own, "now": naive(now)})
    connection.execute("UPDATE staged SET slice_key = NULL, score = NULL, raw_score = NULL, n = NULL")
    span = connection.execute(
        "SELECT min(coalesce(observed_at, labelled_at - to_seconds($horizon_seconds))), max(labelled_at) "
        "FROM staged WHERE reason IS NULL",
        {"horizon_seconds": model.label_horizon.total_seconds()},
    ).fetchone()
    first, last = span if span and span[0] is not None else (naive(now), naive(now))
    connection.execute(
        statement("ingest_labels_found"),
        {
            "model_id": registry.model_id, "first": first, "last": last,
            "horizon_seconds": model.label_horizon.total_seconds(),
        },
    )  # fmt: skip
    connection.execute(
        "UPDATE staged SET observed_at = f.observed_at, reason = CASE WHEN positives > f.n THEN 'bad_count' END "
        "FROM labels_found AS f WHERE staged.position = f.position"
    )
    connection.execute(
        "DELETE FROM parked_labels WHERE model_id = $model_id AND source = $source "
        "AND (file, row) IN (SELECT (file, row) FROM staged)",
        own,
    )
    connection.execute(
        "INSERT INTO parked_labels SELECT $model_id, $source, file, row, sample_id, observed_at, labelled_at, positives, "
        "label FROM staged ANTI JOIN labels_found USING (position) WHERE reason IS NULL",
        own,
    )
    connection.execute(
        "UPDATE staged SET reason = 'parked' WHERE reason IS NULL AND position NOT IN (SELECT position FROM labels_found)"
    )
    gone = connection.execute("DELETE FROM staged WHERE reason = 'parked'").fetchone()
    return int(gone[0]) if gone else 0


def _calibrate(
    connection: duckdb.DuckDBPyConnection, registry: Registry, serving: Sequence[Serving], classes: int
) -> None:
    """Turn raw scores into scores by the calibrator that was in charge when each was observed; the finest scope wins,
    among equals the first in canonical order, as for a refit."""
    for interval in sorted(serving, key=lambda interval: (-interval.scope.order, interval.scope.labels)):
        covered = registry.slices_inside(interval.scope)
        span = {"since": naive(interval.since), "until": naive(interval.until or datetime.max.replace(tzinfo=UTC))}
        due = (
            "s.reason IS NULL AND s.calibrator IS NULL AND list_contains($covered, k.slice_id) "
            "AND s.observed_at >= $since AND s.observed_at < $until"
        )
        if interval.needs_logits:
            # all vectors of a stack have one length: that of the classes, or else the most frequent
            connection.execute(
                "UPDATE staged SET reason = CASE WHEN lacking.length IS NULL THEN 'missing_logits' ELSE 'bad_logits' END "
                "FROM (SELECT s.position, len(s.logits) AS length FROM staged AS s "
                f"JOIN slice_keys AS k ON k.slice_key = s.slice_key WHERE {due} "
                "QUALIFY length IS DISTINCT FROM coalesce(nullif($classes, 0), mode(length) OVER ()) OR length = 0) AS lacking "
                "WHERE staged.position = lacking.position",
                {**span, "covered": covered, "classes": classes},
            )
        rows = connection.execute(
            "SELECT s.position, s.raw_score, s.logits FROM staged AS s JOIN slice_keys AS k ON k.slice_key = s.slice_key "
            f"WHERE {due}",
            {**span, "covered": covered},
        ).fetchnumpy()
        if not len(rows["position"]):
            continue
        scores = interval.apply(rows["raw_score"], stacked(rows["logits"]))
        load_table(connection, "calibrated", {"position": rows["position"], "score": scores})
        connection.execute(
            "UPDATE staged SET score = c.score, calibrator = $calibrator FROM calibrated AS c "
            "WHERE staged.position = c.position",
            {"calibrator": interval.calibrator},
        )


def stacked(logits: object) -> NDArray[np.float64] | None:
    """A column of lists as an (N, C) array; None unless every row has the same number of logits."""
    column: np.ma.MaskedArray[Any, Any] = np.ma.asarray(logits)
    if np.ma.getmaskarray(column).any() or not len(column):
        return None
    rows = column.data if hasattr(column, "data") else column
    lengths = {len(row) for row in rows}
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows]) if len(lengths) == 1 else None


def write_cursor(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, cursor: Mapping[str, str | None], now: datetime
) -> None:
    """Remember what has been read (None: forget it); to be called inside the transaction that took its rows."""
    if not cursor:
        return
    items = {"item": np.array(list(cursor), dtype=object), "fingerprint": np.array(list(cursor.values()), dtype=object)}
    load_table(connection, "items", items)
    where = {"model_id": model_id, "source": source}
    connection.execute(
        "DELETE FROM cursors WHERE model_id = $model_id AND source = $source AND item IN (SELECT item FROM items)",
        where,
    )
    connection.execute(
        "INSERT INTO cursors SELECT $model_id, $source, item, fingerprint, $now FROM items WHERE fingerprint IS NOT NULL",
        {**where, "now": naive(now)},
    )


def read_cursor(connection: duckdb.DuckDBPyConnection, model_id: int, source: str) -> dict[str, str]:
    """Item → fingerprint of what this source has had read."""
    return dict(
        connection.execute(
            "SELECT item, fingerprint FROM cursors WHERE model_id = $model_id AND source = $source",
            {"model_id": model_id, "source": source},
        ).fetchall()
    )


def parked_past_horizon(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, now: datetime) -> bool:
    """Whether a parked label has waited longer than label_horizon."""
    row = connection.execute(
        "SELECT 1 FROM parked_labels WHERE model_id = $model_id AND labelled_at < $too_old LIMIT 1",
        {"model_id": registry.model_id, "too_old": naive(now - model.label_horizon)},
    ).fetchone()
    return row is not None


def retry_parked(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, now: datetime) -> Pulled:
    """Join parked labels with predictions that have come since; quarantine those past the horizon."""
    pulled = Pulled()
    if not connection.execute(
        "SELECT 1 FROM parked_labels WHERE model_id = $model_id LIMIT 1", {"model_id": registry.model_id}
    ).fetchone():
        return pulled
    with atomic(connection):
        connection.execute(
            statement("parked_stage"),
            {"model_id": registry.model_id, "too_old": naive(now - model.label_horizon)},
        )
        sources = [row[0] for row in connection.execute("SELECT DISTINCT source FROM parked").fetchall()]
        connection.execute("DELETE FROM parked_labels WHERE model_id = $model_id", {"model_id": registry.model_id})
        for source in sources:
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE staged AS SELECT * EXCLUDE (source) FROM parked WHERE source = $source",
                {"source": source},
            )
            part = Pulled(parked=_join_labels(connection, registry, model, source, now))
            part.quarantined = _quarantine(connection, model.name, source, now)
            registry.map_slices(connection, model)
            _take(connection, registry, model, now, part)
            pulled.add(part)
    return pulled
