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
        until = make_naive(interval.until or datetime.max.replace(tzinfo=UTC))
        covered = store.registry.slices_inside(interval.scope)
        span = {"covered": covered, "since": make_naive(interval.since), "until": until}
        if interval.needs_logits:
            store.execute(statement("ingest_lacking_logits"), {**span, "classes": classes})
        rows = store.execute(statement("ingest_uncalibrated"), span).fetchnumpy()
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
