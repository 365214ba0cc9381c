"""Calibrators that calwatch applies itself: raw scores of a batch become scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model import Slice
from monitor.store.connection import load_table, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

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


def calibrate_staged(store: ModelStore, serving: Sequence[Serving], classes: int) -> None:
    """Turn raw scores into scores by the calibrator that was in charge when each was observed; the finest scope wins,
    among equals the first in canonical order, as for a refit."""
    for interval in sorted(serving, key=lambda interval: (-interval.scope.order, interval.scope.labels)):
        covered = store.registry.slices_inside(interval.scope)
        span = {
            "since": make_naive(interval.since),
            "until": make_naive(interval.until or datetime.max.replace(tzinfo=UTC)),
        }
        due = (
            "s.reason IS NULL AND s.calibrator IS NULL AND list_contains($covered, k.slice_id) "
            "AND s.observed_at >= $since AND s.observed_at < $until"
        )
        if interval.needs_logits:
            # all vectors of a stack have one length: that of the classes, or else the most frequent
            store.execute(
                "UPDATE staged SET reason = CASE WHEN lacking.length IS NULL THEN 'missing_logits' ELSE 'bad_logits' END "
                "FROM (SELECT s.position, len(s.logits) AS length FROM staged AS s "
                f"JOIN slice_keys AS k ON k.slice_key = s.slice_key WHERE {due} "
                "QUALIFY length IS DISTINCT FROM coalesce(nullif($classes, 0), mode(length) OVER ()) OR length = 0) AS lacking "
                "WHERE staged.position = lacking.position",
                {**span, "covered": covered, "classes": classes},
            )
        rows = store.execute(
            "SELECT s.position, s.raw_score, s.logits FROM staged AS s JOIN slice_keys AS k ON k.slice_key = s.slice_key "
            f"WHERE {due}",
            {**span, "covered": covered},
        ).fetchnumpy()
        if not len(rows["position"]):
            continue
        scores = interval.apply(rows["raw_score"], stack_logits(rows["logits"]))
        load_table(store.connection, "calibrated", {"position": rows["position"], "score": scores})
        store.execute(statement("ingest_calibrated"), {"calibrator": interval.calibrator})


def stack_logits(logits: object) -> NDArray[np.float64] | None:
    """A column of lists as an (N, C) array; None unless every row has the same number of logits."""
    column: np.ma.MaskedArray[Any, Any] = np.ma.asarray(logits)
    if np.ma.getmaskarray(column).any() or not len(column):
        return None
    rows = column.data if hasattr(column, "data") else column
    lengths = {len(row) for row in rows}
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows]) if len(lengths) == 1 else None
