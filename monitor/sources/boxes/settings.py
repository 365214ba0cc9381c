"""How boxes are matched, and what follows when that changes: all that is stored is matched again."""

import json
from collections.abc import Sequence
from datetime import datetime

from monitor.config.boxes import Matching
from monitor.config.settings import Model
from monitor.model.problems import Problem
from monitor.model.wording import quantity
from monitor.sources.batch import Source
from monitor.store.model_store import ModelStore
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import run_script, statement

SETTINGS, BOXES, IMAGES_KNOWN = "matching", "boxes", "images_known"  # facts of the first source of detections


def matching_of(model: Model) -> Matching:
    """How the model's boxes are matched, as configured or by default."""
    return model.matching or Matching.model_validate({})


def follow_settings(store: ModelStore, sources: Sequence[Source], now: datetime) -> list[Problem]:
    """Touch all images that are stored where [model.matching] has changed since, or whether images are known; and have files
    read again where lists of four are read in another way. Told once. To be called before sources are read."""
    first = {source.holds: source.name for source in reversed(sources)}
    source, matching = first["detections"], matching_of(store.model)
    facts, own = load_facts(store.connection, store.model_id, source), {"model_id": store.model_id}
    new = {
        SETTINGS: json.dumps([sorted(matching.iou.items()), matching.max_detections, matching.size]),
        BOXES: matching.boxes,
        IMAGES_KNOWN: str(int("images" in first)),
    }
    if new.items() <= facts.items():
        return []
    with store.transaction():
        for fact, value in new.items():
            store_fact(store.connection, store.model_id, source, fact, value, now)
        if SETTINGS not in facts:
            return []
        store.execute(statement("match_all"), own)
        before = facts.get(BOXES, matching.boxes)
        if before != matching.boxes:
            _read_anew(store, before, matching)
    (images,) = store.fetch_row("SELECT count(DISTINCT image_id) FROM images_touched WHERE model_id = $model_id", own)
    told = (
        f"[model.matching] or the sources have changed: the boxes of {quantity(images, 'image')} within retention are matched "
        "again, and readings from before may differ for that reason"
    )
    return [Problem(source, "boxes_matched_anew", told)] if images else []


def _read_anew(store: ModelStore, before: str, matching: Matching) -> None:
    """Boxes of lists, whose four numbers mean something else from now on: all are turned, those of files that are gone or no
    longer say them too; and files are read again, of which rows may have been set aside."""
    for table in ("detections", "truths", "held_truths"):
        store.execute(
            statement("boxes_read_anew", table=table),
            {"model_id": store.model_id, "before": before, "boxes": matching.boxes},
        )
    files = [each.name for each in store.model.source if each.kind == "files" and each.holds in ("detections", "truth")]
    run_script(store.connection, "box_cursors_delete", {"model_id": store.model_id, "sources": files})
