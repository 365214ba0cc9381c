"""The objects that were missed, and those that were invented, one by one: the newest, for people to look at."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from monitor.model import SeenObject, Slice, ThresholdInUse
from monitor.store.connection import delete_rows, fetch_dicts, load_table, make_aware
from monitor.store.model_store import ModelStore
from monitor.store.seen.objects import knows_objects
from monitor.store.sql import statement

LISTED = 1_000  # of each model and kind
_EVER = datetime(9999, 1, 1)  # noqa: DTZ001 - as the store has times, without an offset
MISSED, INVENTED = "missed_objects", "invented_objects"


def list_objects(store: ModelStore, thresholds: Sequence[ThresholdInUse]) -> None:
    """Write the newest objects that nothing found with a score that the thresholds in use ask for, and the newest detections
    with such a score that are of no object; without a threshold for their calibrator, those found at no score, and all. To be
    called inside a transaction."""
    model = store.model
    if not (model.is_of_boxes and model.counts_missed):
        return
    if not knows_objects(store):
        for table in (MISSED, INVENTED):
            delete_rows(store.connection, table, {"model": model.name})
        return
    decided = {
        (each.calibrator, each.class_name): each.threshold
        for each in sorted(thresholds, key=lambda each: (-each.scope.order, each.scope.labels))
        if each.threshold is not None and each.per != "class"
    }
    columns = {
        "calibrator": np.array([calibrator for calibrator, _ in decided], dtype=object),
        "class": np.array([name for _, name in decided], dtype=object),
        "threshold": np.array(list(decided.values()), dtype=np.float64),
    }
    if decided:
        load_table(store.connection, "deciding", columns)
    else:
        store.execute(statement("seen_undecided"))
    store.execute(statement("seen_decided"), {"model_id": store.model_id})
    (start,) = store.fetch_row(statement("seen_from"), {"model_id": store.model_id, "most": LISTED})
    store.execute(statement("objects_blank"), {"model_id": store.model_id, "start": start, "end": _EVER})
    for table, name in ((MISSED, "seen_missed"), (INVENTED, "seen_invented")):
        delete_rows(store.connection, table, {"model": model.name})
        store.execute(statement(name), {"model_id": store.model_id, "model": model.name, "most": LISTED})


def load_objects(store: ModelStore, table: str, newest: int) -> tuple[SeenObject, ...]:
    """The newest of a model in MISSED or INVENTED."""
    rows = fetch_dicts(
        store.connection, statement("seen_newest", table=table), {"model": store.model.name, "newest": newest}
    )
    return tuple(
        SeenObject(
            row["version"], row["image_id"], row["class"], (row["x1"], row["y1"], row["x2"], row["y2"]), row["score"],
            make_aware(row["observed_at"]), Slice.of(row["labels"]),
        )
        for row in rows
    )  # fmt: skip
