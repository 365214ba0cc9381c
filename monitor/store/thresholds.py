"""How the thresholds in use did over a window: the cells of samples that their own calibrators scored."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import Slice, Task, ThresholdInUse
from monitor.statistics.thresholds.curves import COLUMNS, ThresholdCurve
from monitor.statistics.thresholds.live import Units, design_effects, live_rates
from monitor.statistics.thresholds.objects import count_above, error_above
from monitor.store.cells import WindowCells, fill_masked, list_measured_slices
from monitor.store.connection import delete_rows, fetch_dicts, insert_row, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.readings import insert_columns
from monitor.store.reasons import REASON, THRESHOLD, reason_columns, threshold_from
from monitor.store.seen.rates import rate_objects
from monitor.store.sql import statement

CLASS_DIMENSION = "predicted_class"


def deployed_rates(
    store: ModelStore, thresholds: Sequence[ThresholdInUse], held: WindowCells, start: datetime, end: datetime
) -> Mapping[str, NDArray[np.float64]]:
    """THRESHOLD_METRICS of each unit of ``held``, the same window, and of a detector what else there is to know at its
    thresholds; NaN where none of its samples met a threshold, and recall where nobody knows what was missed.

    Each finest slice is decided by the threshold of the calibrator that scored its samples, so a slice that several
    thresholds decide on is the sum of theirs. Samples scored by a calibrator that is no longer, or not yet, in charge
    are left out. A threshold by predicted class counts where ``predicted_class`` is a slice dimension; one-vs-rest
    thresholds do not, since cells do not hold the scores of all classes.
    """
    deciding = [each for each in thresholds if each.threshold is not None and each.per != "class"]
    units = {
        (version, slice_): unit for unit, (version, slice_) in enumerate(zip(held.versions, held.slices, strict=True))
    }
    if not deciding or not units:
        return {}
    found = store.execute(
        statement("deployed_cells"),
        {
            "model_id": store.model_id, "start": make_naive(start), "end": make_naive(end),
            "calibrators": sorted({each.calibrator for each in deciding}),
        },
    ).fetchnumpy()  # fmt: skip
    versions = store.load_versions()
    finest = {slice_id: slice_ for slice_, slice_id in store.registry.slices.items()}

    def decides(slice_: Slice, calibrator: str) -> float | None:
        own = _name_class(slice_) if store.model.is_of_boxes else slice_
        return threshold_of(own, calibrator, deciding)

    names, calibrator = np.unique(found["calibrator"].astype(str), return_inverse=True)
    keys = np.stack([found["version_key"], calibrator, found["slice_id"]], axis=1).astype(np.int64)
    parts, part = np.unique(keys, axis=0, return_inverse=True)
    own = np.full(len(parts), np.nan)  # the threshold that decides on each part
    links: list[tuple[int, int]] = []
    for index, (version_key, code, slice_id) in enumerate(parts.tolist()):
        threshold = decides(finest[slice_id], str(names[code]))
        if threshold is None:
            continue
        own[index] = threshold
        for shown in list_measured_slices([finest[slice_id]], store.model.slices, store.model.max_order):
            unit = units.get((versions[version_key], shown))
            if unit is not None:
                links.append((index, unit))
    mapping = np.array(links, dtype=np.int64).reshape(-1, 2)
    slices = Units(
        mapping, design_effects(held.cells, held.clusters, len(units)),
        missed=0.0 if store.model.task.counts_missed else np.nan,
    )  # fmt: skip
    part, bins = part.reshape(-1).astype(np.int64), found["bin"].astype(np.int64)
    n, outcome, score = (fill_masked(found[name]) for name in ("n", "outcome", "score"))
    rates = live_rates(part, bins, n, outcome, own, slices)
    if store.model.task is Task.DETECTION:
        rates["ece_above_threshold"] = error_above(part, bins, n, score - outcome, own, mapping, len(units))
        invented = count_above(part, bins, n - outcome, own, mapping, len(units))
        rates |= rate_objects(store, held, deciding, decides, invented)
    return rates


def _name_class(slice_: Slice) -> Slice:
    """The slice of a box with its class under the name by which thresholds know it."""
    labels = slice_.as_dict()
    return Slice.of({CLASS_DIMENSION: labels["class"], **labels}) if "class" in labels else slice_


def threshold_of(slice_: Slice, calibrator: str, deciding: Sequence[ThresholdInUse]) -> float | None:
    """The threshold that decides on a finest slice's samples scored by ``calibrator``: its class's before the general."""
    own = slice_.as_dict().get(CLASS_DIMENSION)
    fitting = [
        each
        for each in deciding
        if each.calibrator == calibrator and each.scope.contains(slice_) and each.class_name in ("", own)
    ]
    best = min(fitting, key=lambda each: (each.class_name == "", -each.scope.order, each.scope.labels), default=None)
    return None if best is None else best.threshold


_CURVE_KEYS = ("model", "scope", "policy", "per", "class_name", "calibrator", "chosen_at")


def store_thresholds(
    connection: duckdb.DuckDBPyConnection, decided: Sequence[tuple[ThresholdInUse, ThresholdCurve | None]]
) -> None:
    """Enter chosen thresholds with their curves, in place of earlier ones of the same calibrator, scope and class; to be
    called inside a transaction."""
    for threshold, curve in decided:
        values = {name: getattr(threshold, name) for name in THRESHOLD} | {"scope": threshold.scope.text}
        values |= dict(zip(REASON, reason_columns(threshold.why), strict=True))
        own = {name: values[name] for name in ("model", "scope", "calibrator", "per", "class_name")}
        for table in ("thresholds", "threshold_curves"):
            delete_rows(connection, table, own)
        insert_row(connection, "thresholds", values)
        if curve is not None:
            keys = [values[name] for name in _CURVE_KEYS]
            points = zip(*(getattr(curve, name).tolist() for name in COLUMNS), strict=True)
            insert_columns(
                connection, "threshold_curves", (*_CURVE_KEYS, *COLUMNS), ((*keys, *point) for point in points)
            )


def load_thresholds(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[ThresholdInUse, ...]:
    """The thresholds in force: those of the calibrators in charge, or of scores as they come where none is."""
    listed = ", ".join(f'"{name}"' for name in (*THRESHOLD, *REASON))
    rows = fetch_dicts(
        connection,
        f"SELECT {listed} FROM thresholds_in_force WHERE model = $model ORDER BY scope, policy, per, class_name",
        {"model": model},
    )
    return tuple(map(threshold_from, rows))
