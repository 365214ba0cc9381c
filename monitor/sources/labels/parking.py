"""Labels in a table of their own: each joins its prediction, or waits for it."""

from datetime import datetime

from monitor.store.connection import make_naive
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement


def join_labels(store: ModelStore, source: str, now: datetime, *, last_try: bool = False) -> None:
    """Give each staged label its prediction's time; park those whose prediction has not come.

    Rows that say nothing, because nobody has looked yet, are dropped. ``last_try``: labels past label_horizon get their
    reason, once all that came with them is stored: it may hold their predictions.
    """
    store.execute("DELETE FROM staged WHERE reason IS NULL AND NOT labelled AND label IS NULL")
    own = {"model_id": store.model_id, "source": source}
    store.execute(statement("labels_arrival"), {**own, "now": make_naive(now)})
    store.execute("UPDATE staged SET slice_key = NULL, score = NULL, raw_score = NULL, n = NULL")
    horizon = {"horizon_seconds": store.model.label_horizon.total_seconds()}
    first, last = store.fetch_row(statement("labels_span"), horizon)
    span = {"first": first or make_naive(now), "last": last or make_naive(now)}
    store.execute(statement("ingest_labels_found"), {"model_id": store.model_id, **span, **horizon})
    store.execute(statement("labels_join"))
    if last_try:
        too_old = make_naive(now - store.model.label_horizon)
        store.execute(statement("labels_past_horizon"), {"model_id": store.model_id, "too_old": too_old, **horizon})
    store.execute(statement("parked_delete"), own)
    store.execute(statement("parked_insert"), own)
    store.execute("DELETE FROM staged WHERE reason IS NULL AND position NOT IN (SELECT position FROM labels_found)")


def parked_past_horizon(store: ModelStore, now: datetime) -> bool:
    """Whether a parked label has waited longer than label_horizon."""
    row = store.execute(
        "SELECT 1 FROM parked_labels WHERE model_id = $model_id AND labelled_at < $too_old LIMIT 1",
        {"model_id": store.model_id, "too_old": make_naive(now - store.model.label_horizon)},
    ).fetchone()
    return row is not None
