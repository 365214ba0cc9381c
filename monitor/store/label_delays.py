"""Label delays in the store: labelled samples old enough to compare, and what was found last."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import LabelDelays
from monitor.store.connection import delete_rows, fetch_dicts, insert_row, make_naive, utc_day
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

_LENGTHS = ("label_maturity", "median_true", "median_false", "settled")


@dataclass(frozen=True, slots=True)
class DelayedSamples:
    """Labelled samples (N,) in order of time, observed in [since, until): one of each group, none pre-counted."""

    since: datetime
    until: datetime
    score: NDArray[np.float64]
    outcome: NDArray[np.float64]
    delay: NDArray[np.float64]  # seconds from prediction to label
    wait: NDArray[np.float64]  # seconds from the end of the sample's bucket to its label; 0 for a label within it
    stream: NDArray[np.int64]  # version and calibrator


def load_delayed(store: ModelStore, now: datetime, wanted: int) -> DelayedSamples | None:
    """The newest days older than ``label_horizon`` with ``wanted`` labelled samples, thinned to at most about so many.

    What is read is that many samples and whole days, however long the history. None without a labelled sample of that
    age, be it that none is so old or that none is kept so long.
    """
    until = utc_day(now - store.model.label_horizon)
    own = {"model_id": store.model_id, "until": make_naive(until)}
    row = store.execute(
        statement("label_delay_span"),
        {**own, "oldest": make_naive(utc_day(now - store.model.retention)), "wanted": wanted},
    ).fetchone()
    if row is None or row[0] is None:
        return None
    found = store.execute(
        statement("label_delays"),
        {
            **own, "since": row[0], "every": max(ceil(row[1] / wanted), 1),
            "bucket_seconds": int(store.model.bucket.total_seconds()),
        },
    ).fetchnumpy()  # fmt: skip
    score, outcome, delay, wait = (
        np.asarray(found[name], dtype=np.float64) for name in ("score", "outcome", "delay", "wait")
    )
    stream = np.asarray(found["stream_id"], dtype=np.int64)
    return DelayedSamples(row[0].replace(tzinfo=UTC), until, score, outcome, delay, wait, stream)


def store_label_delays(connection: duckdb.DuckDBPyConnection, found: LabelDelays, finding: str) -> None:
    """Replace what was found of the model before; ``finding`` says it in words."""
    delete_rows(connection, "label_delays", {"model": found.model})
    values = {name: v.total_seconds() if isinstance(v, timedelta) else v for name, v in asdict(found).items()}
    insert_row(connection, "label_delays", values | {"finding": finding})


def load_label_delays(connection: duckdb.DuckDBPyConnection, model: str) -> LabelDelays | None:
    """What was found last; None when nothing is stored."""
    rows = fetch_dicts(connection, "SELECT * EXCLUDE finding FROM label_delays WHERE model = $model", {"model": model})
    if not rows:
        return None
    lengths = {name: timedelta(seconds=rows[0][name]) for name in _LENGTHS if rows[0][name] is not None}
    return LabelDelays(**rows[0] | lengths)
