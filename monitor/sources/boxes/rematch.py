"""Images that something new came of, matched again: the boxes of each against its objects, into samples and their cells.

Images come in lots, a transaction each, which a crash between takes up where it was. Of each image all samples are compared
with what matching gives now: only what differs is rewritten.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import numpy as np

from monitor.config.boxes import SIZE, Holds
from monitor.model.problems import Problem
from monitor.sources.batch import Source
from monitor.sources.boxes.settings import matching_of
from monitor.sources.boxes.slicing import detection_key, image_key, object_key
from monitor.sources.boxes.waiting import bring_held_back, set_aside_unfit, settle_waiting
from monitor.sources.formats.boxes.categories import name_classes
from monitor.sources.pulled import Pulled
from monitor.statistics.arrays import Floats
from monitor.store.connection import fetch_column, load_table, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.places import map_streams
from monitor.store.rewriting import rewrite_samples
from monitor.store.scores.served import Serving, calibrate_staged
from monitor.store.sql import run_script, statement
from monitor.vision.matching import ANY_OVERLAP, Matches, match_detections
from monitor.vision.objects import Detections, Truths

LOT, LARGEST_LOT, LOTS = (
    2_000,
    20_000,
    50,
)  # images of one transaction: more where else there would be more than so many
_HALF = 0.5  # the IoU of AP50, whatever the model's own


def match_touched(
    store: ModelStore, sources: Sequence[Source], serving: Sequence[Serving], now: datetime
) -> dict[str, Pulled]:
    """Match all images that were touched since; what came of it, by source: samples are counted with the first that holds
    detections, labels with the first that holds truth."""
    first = {source.holds: source.name for source in reversed(sources)}
    predictions, listed = first["detections"], "images" in first
    labels = first.get("truth", predictions)
    found = {source.name: Pulled() for source in sources}
    own = {"model_id": store.model_id}
    run_script(store.connection, "match_touched", {**own, "oldest": make_naive(now - store.model.retention)})
    (touched,) = store.fetch_row("SELECT count(DISTINCT image_id) FROM images_touched WHERE model_id = $model_id", own)
    if not touched:
        settle_waiting(store, predictions, found, now, listed=listed, again=False)
        return found
    store.execute(statement("match_due"), {**own, "lot": min(max(LOT, touched // LOTS), LARGEST_LOT)})
    (lots,) = store.fetch_row("SELECT coalesce(max(lot), -1) + 1 FROM match_due")
    cut = set[str]()
    for lot in range(lots):
        with store.transaction():
            new, labelled, corrected, removed, late = _match_lot(store, lot, serving, now, found, first, cut)
        found[predictions].add_counts(Pulled(new=new, corrected=corrected, removed=removed))
        found[labels].add_counts(Pulled(labelled=labelled, labelled_late=late))
    settle_waiting(store, predictions, found, now, listed=listed, again=True)
    uncut = [name for name in store.model.slices if name not in cut]
    if uncut and "" in cut:
        found[predictions].problems.append(Problem(predictions, "missing_slice_column", _tell_uncut(uncut)))
    return found


def _tell_uncut(dimensions: Sequence[str]) -> str:
    return (
        f"no image and no detection that came says {', '.join(dimensions)}, so all count under the slice value __missing__: "
        "give the column in images or detections, and map it in columns if it is called otherwise"
    )


def _cut_dimensions(store: ModelStore) -> set[str]:
    """The slice dimensions that a row of `staged` has a value of, and "" where there is a row."""
    keys = fetch_column(store.connection, "SELECT DISTINCT slice_key FROM staged")
    parts = [key.split("\x1f") for key in keys]
    named = {name for number, name in enumerate(store.model.slices) if any(part[number] for part in parts)}
    return {"", *named} if parts else named


def _match_lot(
    store: ModelStore, lot: int, serving: Sequence[Serving], now: datetime, found: Mapping[str, Pulled],
    first: Mapping[Holds, str], cut: set[str],
) -> tuple[int, ...]:  # fmt: skip
    """One lot, inside its transaction; how many samples are new, labelled, corrected, removed, and labelled after fold_after.
    ``first``: what sources hold → the first that does; ``cut`` grows by the slice dimensions that a detection has
    a value of, and "" where there is one."""
    model, own = store.model, {"model_id": store.model_id}
    chosen = {
        **own, "lot": lot, "listed": "images" in first, "oldest": make_naive(now - model.retention),
        "sized": SIZE in model.slices,
    }  # fmt: skip
    store.execute(statement("match_lot"), chosen)
    while bring_held_back(store) or set_aside_unfit(store, first["detections"], found, now):
        store.execute(statement("match_lot"), chosen)
    name_classes(store.connection, store.model_id)
    run_script(store.connection, "match_detections", own)
    _match_boxes(store)
    run_script(store.connection, "match_write", own)
    _run_parts(store, statement("match_staged", slice_key=detection_key(store)))
    cut |= _cut_dimensions(store)
    store.execute(statement("objects_cuts"))
    _run_parts(store, statement("objects_staged", image_key=image_key(store), object_key=object_key(store)), own)
    store.registry.map_slices(store.connection, model, "objects_slice_keys")
    began, ended = store.fetch_row(statement("match_span"), own)
    store.execute(statement("match_existing"), {**own, "first": began, "last": ended})
    applies = model.recalibration.apply == "monitor"
    if applies:
        calibrate_staged(store, serving, len(model.classes))
    store.execute(statement("match_kept"), {"applies": applies})
    found[first["detections"]].problems += map_streams(store, now, "met")
    run_script(store.connection, "match_incoming", own)
    counts = store.fetch_row(statement("match_counts"), own)
    run_script(store.connection, "objects_renew", own)
    rewrite_samples(store)
    run_script(store.connection, "match_done", own)
    return tuple(map(int, counts))


def _run_parts(store: ModelStore, script: str, values: Mapping[str, object] = MappingProxyType({})) -> None:
    """Run the statements of a script whose marks have been filled; ``values`` as for ``run_script``."""
    for part in script.split(";\n\n"):
        store.execute(part, {key: value for key, value in values.items() if f"${key}" in part})


def _match_boxes(store: ModelStore) -> None:
    """Fill `match_found` and `match_truth_found` from `match_detections` and `match_truths`."""
    matching = matching_of(store.model)
    classes = fetch_column(store.connection, "SELECT class FROM match_classes ORDER BY category")
    rows = store.execute(statement("match_read_detections")).fetchnumpy()
    objects = store.execute(statement("match_read_truths")).fetchnumpy()
    detections = Detections(
        rows["image"].astype(np.int64), rows["category"].astype(np.int64),
        np.column_stack([rows[name] for name in ("x1", "y1", "x2", "y2")]).astype(np.float64), rows["score"].astype(np.float64),
    )  # fmt: skip
    truths = Truths(
        objects["image"].astype(np.int64), objects["category"].astype(np.int64),
        np.column_stack([objects[name] for name in ("x1", "y1", "x2", "y2")]).astype(np.float64),
        objects["crowd"].astype(np.bool_),
    )  # fmt: skip
    needed = np.array([matching.iou_of(name) for name in classes], dtype=np.float64)
    iou = needed[detections.category]

    def match(needs: Floats | float) -> Matches:
        return match_detections(detections, truths, needs, matching.max_detections)

    own, near = match(iou), match(ANY_OVERLAP)
    half = own if (needed == _HALF).all() else match(_HALF)
    had = own.truth >= 0
    number = np.full(len(detections), -1, np.int64)
    number[had] = objects["number"].astype(np.int64)[own.truth[had]]
    finder = np.ma.masked_less(np.append(rows["row_key"].astype(np.int64), -1)[own.found_by], 0)
    load_table(
        store.connection, "match_found",
        {
            "row_key": rows["row_key"].astype(np.int64), "matched": number.astype(np.int32), "ignored": own.ignored,
            "found_half": np.ma.array(half.right, mask=half.ignored), "overlap": np.ma.array(near.iou, mask=near.ignored),
        },
    )  # fmt: skip
    load_table(
        store.connection, "match_truth_found", {"row_key": objects["row_key"].astype(np.int64), "finder": finder}
    )
