"""Labelled samples of a time span as columns, for refits: the one reader of raw rows beside ingest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.config import Model
from monitor.model import Slice
from monitor.recalibration.samples import Samples
from monitor.store.connection import naive
from monitor.store.ingest import stacked
from monitor.store.registry import Registry
from monitor.store.sql import statement


@dataclass(frozen=True, slots=True)
class Loaded:
    """``samples`` with scores from before any calibration; ``slices[samples.slice_index[i]]`` is sample i's finest."""

    samples: Samples
    slices: tuple[Slice, ...]
    left_out: tuple[str, ...]  # sentences: rows that cannot take part in a refit, and why


def load_samples(
    connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, version: str, covered: Sequence[int],
    start: datetime, end: datetime,
) -> Loaded:  # fmt: skip
    """Labelled rows of a version in the finest slices ``covered``, observed in [start, end), in time order."""
    span = {
        "model_id": registry.model_id, "version": version, "covered": list(covered), "start": naive(start), "end": naive(end)
    }  # fmt: skip
    rows = connection.execute(statement("refit_samples"), span).fetchnumpy()
    raw = np.ma.asarray(rows["raw_score"])
    has_raw = ~np.ma.getmaskarray(raw)
    rows = {name: column[has_raw] for name, column in rows.items()}
    notes = []
    if int((~has_raw).sum()):
        notes.append(
            f"left out {int((~has_raw).sum()):,} samples that carry a calibrated score but no raw_score or logits"
        )
    counted = connection.execute(_COUNTED, span).fetchone()
    if counted and counted[0]:
        notes.append(f"left out {counted[0]:,} pre-counted rows: a refit needs one row per sample")
    finest = {slice_id: slice_ for slice_, slice_id in registry.slices.items()}
    ids, index = np.unique(rows["slice_id"], return_inverse=True)
    logits, label_index = _class_logits(rows["logits"], rows["label"], model.classes)
    samples = Samples(
        score=np.asarray(rows["raw_score"], dtype=np.float64),
        outcome=np.asarray(rows["positives"], dtype=np.float64),
        logits=logits,
        label_index=label_index,
        group=_group_codes(rows["group_id"]),
        observed_at=np.asarray(rows["observed_at"], dtype=np.float64),
        slice_index=index.astype(np.int64),
    )
    return Loaded(samples, tuple(finest[int(slice_id)] for slice_id in ids), tuple(notes))


_COUNTED = (
    "SELECT count(*) FROM samples AS s JOIN streams AS t ON t.stream_id = s.stream_id WHERE s.model_id = $model_id "
    "AND t.version = $version AND list_contains($covered, s.slice_id) AND s.observed_at >= $start AND s.observed_at < $end "
    "AND s.positives IS NOT NULL AND s.n > 1"
)


def _class_logits(
    column: object, labels: object, classes: Sequence[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64] | None]:
    """(N, C) logits and the index of each true class; (None, None) unless every row has both."""
    logits = stacked(column)
    texts: np.ma.MaskedArray[Any, Any] = np.ma.asarray(labels)
    if logits is None or np.ma.getmaskarray(texts).any():
        return None, None
    names = {name: index for index, name in enumerate(classes)} or {str(i): i for i in range(logits.shape[1])}
    known = [names.get(str(text)) for text in texts.data]
    if any(index is None or index >= logits.shape[1] for index in known):
        return None, None
    return logits, np.array(known, dtype=np.int64)


def _group_codes(column: object) -> NDArray[np.int64] | None:
    """Codes of equal group ids; −1 where a sample has none; None when none has."""
    texts: np.ma.MaskedArray[Any, Any] = np.ma.asarray(column)
    absent = np.ma.getmaskarray(texts)
    if absent.all():
        return None
    codes = np.full(len(texts), -1, dtype=np.int64)
    _, codes[~absent] = np.unique(texts.data[~absent].astype(str), return_inverse=True)
    return codes
