"""What a detector found of what there was, in a window: recall over all objects, false positives over all labelled images."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from monitor.model import Slice, ThresholdInUse
from monitor.statistics.arrays import Floats, Ints, ratio
from monitor.statistics.thresholds.objects import NOT_FOUND, recall_of_objects
from monitor.store.cells import WindowCells
from monitor.store.model_store import ModelStore
from monitor.store.seen.objects import Part, WindowObjects, shown_slices

Decides = Callable[[Slice, str], float | None]  # finest slice and calibrator → the threshold


def count_objects(store: ModelStore, held: WindowCells) -> dict[str, Floats]:
    """Per unit: objects that there were, labelled images they were looked for on, and the recall that no threshold can exceed,
    since nothing was ever found of the others. Nothing where objects are not known."""
    objects = held.objects
    if objects is None:
        return {}
    links, units = _link(store, held, objects), len(held.slices)
    counts = objects.counts
    every, found = np.zeros(len(objects.parts)), np.zeros(len(objects.parts))
    np.add.at(every, counts.part, counts.n)
    np.add.at(found, counts.part, np.where(counts.bin == NOT_FOUND, 0.0, counts.n))
    truths, ever = (np.zeros(units) for _ in range(2))
    np.add.at(truths, links[:, 1], every[links[:, 0]])
    np.add.at(ever, links[:, 1], found[links[:, 0]])
    # of a slice that objects are not cut by nobody knows how many there were
    known = np.array(
        [not any(name in objects.uncut for name, _ in shown.labels) for shown in held.slices], dtype=np.bool_
    )
    return {
        "truths": np.where(known, truths, np.nan),
        "recall_ceiling": ratio(ever, truths),
        "labelled_images": _images(store, held, objects, lambda _: True),
    }


def rate_objects(
    store: ModelStore, held: WindowCells, deciding: Sequence[ThresholdInUse], threshold_of: Decides, invented: Floats
) -> Mapping[str, Floats]:
    """Per unit, at the thresholds in use: recall with its bounds, and false positives per labelled image, of which there are
    ``invented`` (units,). Objects of images without a detection are missed by every threshold; those of images that another
    calibrator scored, or would have, are left out. False positives per image are unknown without a table of images: who lists
    none does not know of images on which nothing was found."""
    objects = held.objects
    if objects is None:
        return {}
    threshold = np.full(len(objects.parts), np.nan)
    for number, part in enumerate(objects.parts):
        decides = _decides(deciding, threshold_of, part)
        threshold[number] = np.nan if decides is None else decides
    links = _link(store, held, objects)
    links = links[np.isfinite(threshold[links[:, 0]])]
    rates = recall_of_objects(objects.counts, objects.drawn, threshold, links, len(held.slices))
    if any(source.holds == "images" for source in store.model.source):
        images = _images(store, held, objects, lambda part: _decides(deciding, threshold_of, part) is not None)
        rates["fp_per_image"] = ratio(invented, images)
    return rates


def _decides(deciding: Sequence[ThresholdInUse], threshold_of: Decides, part: Part) -> float | None:
    """The threshold that decides on a part. Of images without a detection any that is in use for their slice, as long as the
    images before them were scored by a calibrator in charge: that of another slice, where each has its own."""
    _, calibrator, finest, is_predicted = part
    if is_predicted:
        return threshold_of(finest, calibrator)
    fitting = any(each.scope.contains(finest) for each in deciding)
    return 1.0 if fitting and any(each.calibrator == calibrator for each in deciding) else None


def _link(store: ModelStore, held: WindowCells, objects: WindowObjects) -> Ints:
    """(pairs, 2) of part and unit."""
    units = _units(held)
    links = [
        (number, units[part[0], shown])
        for number, part in enumerate(objects.parts)
        for shown in shown_slices(store, objects, part[2])
        if (part[0], shown) in units
    ]
    return np.array(links, dtype=np.int64).reshape(-1, 2)


def _images(store: ModelStore, held: WindowCells, objects: WindowObjects, counts: Callable[[Part], bool]) -> Floats:
    found = objects.count_images(counts, store.model.slices, store.model.max_order)
    pairs = zip(held.versions, held.slices, strict=True)
    return np.array([found.get((version, objects.image_slice(shown)), 0) for version, shown in pairs], dtype=np.float64)


def _units(held: WindowCells) -> dict[tuple[str, Slice], int]:
    return {pair: unit for unit, pair in enumerate(zip(held.versions, held.slices, strict=True))}
