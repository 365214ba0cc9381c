"""Labels of the past that say no time of their own: how long they took is unknown, and is not taken for a lag."""

from datetime import datetime

from monitor.store.connection import make_aware, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.source_facts import store_fact

_FACT = "label_times_since"  # labels that were there before say no time


def note_undated(store: ModelStore, source: str, now: datetime) -> None:
    """Remember when the labels in `staged` are those a source had before calwatch first read it, and most say no time: they
    count as given now. To be called before they are given one, inside the transaction that takes them."""
    where = {"model_id": store.model_id, "source": source}
    undated, labelled = store.fetch_row(
        "SELECT count(*) FILTER (labelled_at IS NULL), count(*) FROM staged WHERE reason IS NULL AND labelled"
    )
    if 2 * undated <= labelled:
        return
    read_before = "SELECT 1 FROM cursors WHERE model_id = $model_id AND source = $source AND read_at < $now LIMIT 1"
    if store.execute(read_before, {**where, "now": make_naive(now)}).fetchone() is None:
        store_fact(store.connection, store.model_id, source, _FACT, make_naive(now).isoformat(), now)


def load_dated_since(store: ModelStore) -> datetime | None:
    """From when on times of labels are known; None: of all labels."""
    since: datetime | None
    (since,) = store.fetch_row(
        "SELECT max(value)::TIMESTAMP FROM source_facts WHERE model_id = $model_id AND fact = $fact",
        {"model_id": store.model_id, "fact": _FACT},
    )
    return make_aware(since)
