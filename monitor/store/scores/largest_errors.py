"""The samples furthest from what came true, kept for models whose images can be looked at.

By itself, because each cycle calls it, and nothing else of the scores.
"""

from datetime import datetime

from monitor.store.connection import delete_rows, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

MOST = 20  # images of a model
_LOOKED = 20 * MOST  # samples that they are chosen from: several may be of one image


def store_largest_errors(store: ModelStore, start: datetime, end: datetime) -> None:
    """Put the samples observed in [start, end) whose score was furthest from what came true in place of those kept before. To
    be called inside a transaction. Without ``image_url`` none are kept: looking for them reads every sample of the span."""
    name = store.model.name
    delete_rows(store.connection, "largest_errors", {"model": name})
    if store.model.image_url is not None:
        span = {"start": make_naive(start), "end": make_naive(end)}
        store.execute(
            statement("largest_errors"),
            {"model": name, "model_id": store.model_id, "most": MOST, "looked": _LOOKED, **span},
        )
