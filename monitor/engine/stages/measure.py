"""Cells of a window → readings, the metrics of every shown slice with their state, and disparities. Calculates only."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.config.settings import Model
from monitor.model import (
    METRICS,
    THRESHOLD_METRICS,
    Disparity,
    DisparityRule,
    Reading,
    ReadingState,
    Rule,
    Slice,
)
from monitor.model.readings import OBJECT_COUNTS, OBJECT_METRICS, RECALL_METRICS
from monitor.rules.conditions import is_covered
from monitor.statistics.arrays import totals
from monitor.statistics.calibration.disparity import Comparison, assess_disparities, compare_with_rest
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.calibration.reliability import list_bars, reliability
from monitor.store.cells import WindowCells


def window_end(now: datetime, model: Model) -> datetime:
    """Windows end with the last bucket that is closed and mature: the start of the bucket holding now − label_maturity."""
    mature = now - model.label_maturity
    midnight = mature.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (mature - midnight) // model.bucket * model.bucket


def readings_of(
    model: Model,
    window: str,
    start: datetime,
    end: datetime,
    held: WindowCells,
    now: datetime,
    live: Mapping[str, NDArray[np.float64]] | None = None,
) -> tuple[Reading, ...]:
    """One reading for each version and shown slice that had a prediction, or an object, in the window.

    ``live``: THRESHOLD_METRICS and OBJECT_METRICS per unit of ``held``; unknown without, and where they rest on too few: recall
    on objects, where these are known, false positives per image on labelled images, all others on samples.
    """
    units = len(held.slices)
    if not units:
        return ()
    metrics = measure_calibration(held.cells, units, held.clusters, min_samples=model.min_samples)
    bars = reliability(held.cells, units, held.clusters)
    samples = metrics["samples"]
    metrics |= _known_live(live or {}, samples, model.min_samples)
    columns = {name: _known(metrics[name]) for name in METRICS}
    groups = _groups(model, held)
    readings = []
    for unit in range(units):
        enough = samples[unit] >= model.min_samples
        readings.append(
            Reading(
                model=model.name, version=held.versions[unit], slice=held.slices[unit],
                window=window, window_start=start, window_end=end, computed_at=now,
                state=ReadingState.OK if enough else ReadingState.INSUFFICIENT,
                samples=int(samples[unit]), unlabelled=int(held.unlabelled[unit]),
                label_lag_seconds=float(held.lag[unit] / samples[unit]) if samples[unit] else None,
                metrics={name: column[unit] for name, column in columns.items()},
                reliability=list_bars(bars, unit) if enough else (), **groups(unit),
            )
        )  # fmt: skip
    return tuple(readings)


def _groups(model: Model, held: WindowCells) -> Callable[[int], dict[str, Any]]:
    """In how many groups the labelled samples of a unit come, and what one is called; nothing where they are independent, nor
    where the window has buckets from before groups were told, whose samples no group counts."""
    if held.clusters is None:
        return lambda unit: {}
    units = len(held.slices)
    counts = held.clusters.count_groups(units)
    # a sample of a group of m weighs 1/m, so no more weight than groups where all are counted
    is_whole = totals(held.cells.unit, held.cells.weight, units) <= counts + 0.5
    return lambda unit: {"groups": round(float(counts[unit])), "group_noun": model.noun} if is_whole[unit] else {}


def _known_live(live: Mapping[str, NDArray[np.float64]], samples: NDArray[np.float64], needed: int) -> dict[str, Any]:
    """What rests on enough."""
    unknown = np.full(len(samples), np.nan)
    truths, images = (live.get(name, unknown) for name in OBJECT_COUNTS)
    behind = dict.fromkeys(RECALL_METRICS, np.where(np.isnan(truths), samples, truths))
    behind["fp_per_image"] = np.fmax(samples, images)
    known = {
        name: np.where(behind.get(name, samples) >= needed, live.get(name, unknown), np.nan)
        for name in (*THRESHOLD_METRICS, *OBJECT_METRICS)
    }
    return known | {"truths": truths, "labelled_images": images, "iou": live.get("iou", unknown)}


def hide_lags(readings: Iterable[Reading], dated_since: datetime | None) -> Iterable[Reading]:
    """Yield the readings, those of windows that begin before labels say their times with an unknown label lag."""
    for reading in readings:
        is_known = dated_since is None or reading.window_start >= dated_since
        yield reading if is_known else replace(reading, label_lag_seconds=None)


def disparities_of(
    model: Model, rules: Iterable[Rule], window: str, start: datetime, end: datetime, held: WindowCells
) -> tuple[Disparity, ...]:
    """What the disparity rules on this window are to judge: for each rule, every version and slice it covers against
    the rest of that version. Slices of all versions are judged together, at the rule's level."""
    found: list[Disparity] = []
    compared: dict[str, Comparison] = {}
    for rule in rules:
        if not isinstance(rule, DisparityRule) or rule.window != window or not held.slices:
            continue
        if rule.measure not in compared:
            compared[rule.measure] = compare_with_rest(held.cells, held.clusters, *_relations(held), rule.measure)
        found += _disparities(model, rule, start, end, held, compared[rule.measure])
    return tuple(found)


def _relations(held: WindowCells) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per unit, the unit of its version's whole, and a number it shares with the slices of the same dimensions."""
    whole = {version: unit for unit, version in enumerate(held.versions) if held.slices[unit] == Slice()}
    kin: dict[tuple[str, tuple[str, ...]], int] = {}
    of_unit = [
        kin.setdefault((version, tuple(name for name, _ in slice_.labels)), len(kin))
        for version, slice_ in zip(held.versions, held.slices, strict=True)
    ]
    return np.array([whole[version] for version in held.versions], dtype=np.int64), np.array(of_unit, dtype=np.int64)


def _disparities(
    model: Model, rule: DisparityRule, start: datetime, end: datetime, held: WindowCells, compared: Comparison
) -> list[Disparity]:
    needed = max(rule.min_samples, model.min_samples)
    covered = np.array([is_covered(rule, slice_) for slice_ in held.slices])
    enough = np.minimum(compared.samples, compared.rest_samples) >= needed
    verdict = assess_disparities(compared, covered & enough, level=rule.level, above=rule.above)
    known = np.isfinite(verdict.lower)
    columns = {
        "own": compared.own, "rest": compared.rest, "difference": compared.difference, "lower": verdict.lower,
        "lower_alone": verdict.lower_alone, "p_value": verdict.p_value,
    }  # fmt: skip
    numbers: dict[str, Any] = {name: _known(np.where(known, column, np.nan)) for name, column in columns.items()}
    groups = _groups(model, held)
    return [
        Disparity(
            model=model.name, version=held.versions[unit], rule=rule.name, slice=held.slices[unit],
            window=rule.window, window_start=start, window_end=end, measure=compared.measure,
            samples=int(compared.samples[unit]), rest_samples=int(compared.rest_samples[unit]), needed_samples=needed,
            slices=verdict.family, **{name: column[unit] for name, column in numbers.items()}, **groups(unit),
        )
        for unit in np.flatnonzero(covered).tolist()
    ]  # fmt: skip


def _known(column: NDArray[np.float64]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in column.tolist()]
