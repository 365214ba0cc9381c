"""Boxes whose image is not known yet, and those that turn out to be of no use once it is."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from monitor.config.boxes import SIZE
from monitor.model.problems import Problem
from monitor.model.wording import first_few, quantity
from monitor.sources.ingest.ingest import quarantine_rows
from monitor.sources.pulled import Pulled
from monitor.store.connection import fetch_column, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import run_script, statement

OVERDUE = timedelta(hours=1)  # of images that come so much later than their boxes it is told
WAITING = "boxes_waiting"  # a fact: how many images wait
_LACKS = {
    "image": "are in no table of images (do both write image_id alike?)",
    "time": "have no observed_at, in images, detections or truth (do all write image_id alike?)",
    "size": "have no width and height, in images, detections or truth, and boxes that are shares of them",
}


def settle_waiting(
    store: ModelStore, source: str, found: Mapping[str, Pulled], now: datetime, *, listed: bool, again: bool
) -> None:
    """Count the images that wait, and set aside the boxes of those that have waited for label_horizon. ``source``: the first
    of detections; ``listed``: whether there is a table of images; ``again``: whether something has come since."""
    facts = load_facts(store.connection, store.model_id, source)
    if not again and facts.get(WAITING, "0") == "0":
        return
    own, too_old = {"model_id": store.model_id}, make_naive(now - store.model.label_horizon)
    store.execute(statement("waiting_boxes"), {**own, "listed": listed, "sized": SIZE in store.model.slices})
    with store.transaction():
        store.execute(statement("boxes_overdue"), {"too_old": too_old})
        _set_aside(store, source, found, now)
        store.execute(statement("held_overdue"), own)
        counts = store.execute(
            statement("waiting_box_counts"), {"too_old": too_old, "overdue": make_naive(now - OVERDUE)}
        ).fetchall()
        said = json.dumps(sum(count for _, count, *_ in counts))
        if facts.get(WAITING) != said:
            store_fact(store.connection, store.model_id, source, WAITING, said, now)
    for lacks, images, predicted, overdue, first, last in counts:
        if overdue or lacks != "image":
            names = first_few(list(dict.fromkeys((first, last))))
            text = (
                f"{quantity(images, 'image')} (such as {names}) {_LACKS[lacks]}: their boxes, with detections of "
                f"{predicted:,}, wait and are measured nowhere"
            )
            found[source].problems.append(Problem(source, "boxes_waiting", text))


def bring_held_back(store: ModelStore) -> bool:
    """Give images in `match_images` that have no truth the newest that is held of them; whether there was any."""
    run_script(store.connection, "held_back", {"model_id": store.model_id})
    return store.execute("SELECT 1 FROM held_chosen LIMIT 1").fetchone() is not None


def set_aside_unfit(store: ModelStore, source: str, found: Mapping[str, Pulled], now: datetime) -> bool:
    """Set aside, of the lot in `match_images`, truth that came later than label_horizon, and boxes outside of images whose
    size has become known; whether there was any."""
    store.execute(statement("boxes_late"), {"horizon": store.model.label_horizon.total_seconds()})
    late = _set_aside(store, source, found, now)
    run_script(store.connection, "boxes_outside", {"model_id": store.model_id})
    beyond = store.execute("SELECT 1 FROM boxes_beyond LIMIT 1").fetchone() is not None
    return _set_aside(store, source, found, now, beyond=beyond) or late


def _set_aside(
    store: ModelStore, source: str, found: Mapping[str, Pulled], now: datetime, *, beyond: bool = False
) -> bool:
    """The boxes of images in `boxes_leaving` into quarantine; whether there were any."""
    if not beyond and store.execute("SELECT 1 FROM boxes_leaving LIMIT 1").fetchone() is None:
        return False
    own = {"model_id": store.model_id, "source": source}
    store.execute(statement("boxes_set_aside"), own)
    if beyond:
        run_script(store.connection, "boxes_beyond_staged", {"source": source})
    run_script(store.connection, "boxes_leave", {"model_id": store.model_id})
    store.execute("CREATE OR REPLACE TEMP TABLE boxes_aside AS FROM staged")
    for name in fetch_column(store.connection, "SELECT DISTINCT source FROM boxes_aside ORDER BY source"):
        store.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM boxes_aside WHERE source = $name", {"name": name})
        aside = Pulled()
        quarantine_rows(store, name, now, aside)
        found[name if name in found else source].add_counts(aside)
    return True
