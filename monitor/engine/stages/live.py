"""What a window tells beside calibration: how thresholds in use did, and of detectors how they find and place objects."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from monitor.config.boxes import CLASS_DIMENSIONS, Matching
from monitor.config.settings import Model
from monitor.engine.stages.measure import disparities_of, hide_lags, readings_of
from monitor.model import Disparity, Reading, Slice, ThresholdInUse
from monitor.rules.pack import Rulebook
from monitor.sources.labels.history import load_dated_since
from monitor.statistics.arrays import Floats, ratio
from monitor.store.cells import WindowCells, load_window_cells
from monitor.store.model_store import ModelStore
from monitor.store.seen.lists import INVENTED, MISSED, load_objects
from monitor.store.seen.objects import Placements, hold_objects, load_placements
from monitor.store.seen.rates import count_objects
from monitor.store.thresholds import deployed_rates
from monitor.vision.average_precision import mean_precision
from monitor.vision.metrics import localisation_error

SHOWN = 20  # objects missed, and invented, that people are shown at once


def measure_live(
    store: ModelStore, thresholds: Sequence[ThresholdInUse], held: WindowCells, start: datetime, end: datetime
) -> Mapping[str, Floats]:
    """THRESHOLD_METRICS and OBJECT_METRICS of each unit of ``held``, the same window, as far as they are known."""
    live = {**deployed_rates(store, thresholds, held, start, end)}
    if live:
        precision, recall = live["threshold_precision"], live["threshold_recall"]
        live["threshold_f1"] = ratio(2 * precision * recall, precision + recall)
    if store.model.is_of_boxes:
        matching = store.model.matching or Matching.model_validate({})
        live["iou"] = np.array([matching.iou_of(_class_of(shown)) for shown in held.slices], dtype=np.float64)
    if held.objects is not None:
        live |= count_objects(store, held)
        live |= measure_placements(load_placements(store, start, end), held)
    return live


def _class_of(shown: Slice) -> str:
    return next((value for name, value in shown.labels if name in CLASS_DIMENSIONS), "")


def seen_of(model: Model, store: ModelStore | None) -> dict[str, Any]:
    """What a status says of a detector alone: the IoU of its matching, and the newest objects missed and invented."""
    if store is None or not (model.is_of_boxes and model.counts_missed):
        return {"iou": model.iou_text}
    return {
        "iou": model.iou_text, "missed": load_objects(store, MISSED, SHOWN), "invented": load_objects(store, INVENTED, SHOWN)
    }  # fmt: skip


def measure_placements(placements: Placements, held: WindowCells) -> dict[str, Floats]:
    """LaECE₀ and average precision of each version, for its whole: per slice they would be of few objects, and cost most."""
    names = ("laece", "average_precision", "average_precision_50")
    found = {name: np.full(len(held.slices), np.nan) for name in names}
    for unit, (version, shown) in enumerate(zip(held.versions, held.slices, strict=True)):
        if shown != Slice():
            continue
        own = np.flatnonzero(placements.version == version)
        code, score, overlap = placements.class_code[own], placements.score[own], placements.overlap[own]
        lies = np.isfinite(overlap)
        objects = {key[1]: n for key, n in placements.objects.items() if key[0] == version}
        found["laece"][unit] = localisation_error(score[lies], overlap[lies], code[lies])
        for name, right in zip(names[1:], (placements.found[own], placements.found_half[own]), strict=True):
            found[name][unit] = mean_precision(code, right, objects)
    return found


def measure_windows(
    store: ModelStore, rulebook: Rulebook, thresholds: Sequence[ThresholdInUse], end: datetime, now: datetime
) -> tuple[list[Reading], list[Disparity]]:
    """Return the readings of every window that ends with ``end``, of all slices, and how slices compare."""
    model = store.model
    found: list[Reading] = []
    compared: list[Disparity] = []
    dated_since = load_dated_since(store)
    for name, width in model.window_names.items():
        start = end - width
        held = hold_objects(store, load_window_cells(store, start, end), start, end)
        live = measure_live(store, thresholds, held, start, end)
        found += hide_lags(readings_of(model, name, start, end, held, now, live), dated_since)
        compared += disparities_of(model, rulebook, name, start, end, held)
    return found, compared
