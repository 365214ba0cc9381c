"""The gauges of Prometheus, from the immutable result of the last cycle: what is gone from it is gone from a scrape."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from monitor import __version__
from monitor.model import (
    RESERVED_LABELS,
    Alert,
    AlertState,
    CalibratorInUse,
    Evidence,
    ModelStatus,
    Published,
    Reading,
    ReadingState,
    Slice,
    ThresholdInUse,
)
from monitor.publish.metrics.capping import Row, SliceRows, cap_series
from monitor.publish.metrics.catalogue import HELP, ON_OBJECTS, ON_READINGS
from monitor.publish.metrics.exposition import LabelSet, SnapshotFamily
from monitor.statistics.thresholds.policies import parse_policy

Sliced = Reading | Alert | Evidence | CalibratorInUse | ThresholdInUse


def label_name(dimension: str) -> str:
    """The label of a slice dimension: its own name, or ``slice_<name>`` where calwatch uses that label itself."""
    return f"slice_{dimension}" if dimension in RESERVED_LABELS else dimension


class MetricsCollector:
    """Renders a snapshot when it is swapped in; scrapes then only copy text.

    Series beyond ``max_series`` are cut by whole slices, marginals before crosses, and shared out fairly between models.
    ``calwatch_series_capped`` says how many were cut. Never cut are those of a model or of the process itself, of the whole,
    of slices with a firing alert, and the states of rules: where these alone are more, ``calwatch_series_beyond_limit`` says
    by how many. A value that is not known has no series.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str = __version__, max_series: int = 50_000) -> None:
        self._version = version
        self.max_series = max_series
        self._families = self._rendered(None)
        registry.register(self)

    def swap_snapshot(self, published: Published | None) -> None:
        """Show another snapshot; None when there is none. Scrapes see the old or the new one, never a mixture."""
        self._families = self._rendered(published)

    def collect(self) -> Iterable[SnapshotFamily]:
        return self._families

    def _rendered(self, published: Published | None) -> tuple[SnapshotFamily, ...]:
        families = {name: SnapshotFamily(name, text) for name, text in HELP.items()}

        def add(rows: Iterable[Row]) -> None:
            for name, labels, value in rows:
                families[name].add_series(labels, value)

        models = published.models if published else ()
        add([("calwatch_build_info", LabelSet({"version": self._version}), 1.0)])
        if published:
            add([("calwatch_snapshot_current", LabelSet({}), float(published.problem is None))])
            add([("calwatch_played", LabelSet({}), float(published.played))])
        for model in models:
            add(_model_rows(model))
        shared = cap_series(list(_slice_rows(models)), self.max_series)
        add(shared.rows)
        add([("calwatch_series_capped", LabelSet({}), float(shared.capped))])
        if published:
            add([("calwatch_series_beyond_limit", LabelSet({}), float(shared.beyond))])
        filled = tuple(family for family in families.values() if family.samples)
        for family in filled:
            family.render_text()
        return filled


def _model_rows(model: ModelStatus) -> Iterator[Row]:
    info = {"model": model.name, "task": model.task, "event": model.task.event}
    yield "calwatch_model_info", LabelSet({**info, "iou": model.iou} if model.iou else info), 1.0
    yield "calwatch_model_healthy", LabelSet({"model": model.name}), float(model.problem is None)
    if model.label_delays is not None and model.label_delays.depends is not None:
        depends = float(model.label_delays.depends)
        yield "calwatch_label_delay_depends_on_outcome", LabelSet({"model": model.name}), depends
    for waiting in model.waiting_labels:
        labels = LabelSet({"model": model.name, "source": waiting.source})
        yield "calwatch_waiting_labels", labels, float(waiting.labels)
        if waiting.oldest_at is not None:
            yield "calwatch_waiting_labels_oldest_timestamp_seconds", labels, waiting.oldest_at.timestamp()
        yield from _known("calwatch_waiting_labels_ratio", labels, waiting.share)
    aside = Counter(each.source for each in model.files_set_aside)
    for source in dict.fromkeys((*model.sources, *aside)):
        labels = LabelSet({"model": model.name, "source": source})
        yield "calwatch_files_set_aside", labels, float(aside[source])
    for stage, at in sorted(model.last_success.items()):
        labels = LabelSet({"model": model.name, "stage": stage})
        yield "calwatch_last_success_timestamp_seconds", labels, at.timestamp()


def _slice_rows(models: Iterable[ModelStatus]) -> Iterator[SliceRows]:
    """The series of each slice of each model, in the order in which the cap keeps those of one model."""
    held: dict[tuple[str, Slice], list[Sliced]] = defaultdict(list)
    dimensions: set[str] = set()
    firing: set[tuple[str, Slice]] = set()
    for model in models:
        dimensions.update(model.dimensions)
        of_slices: tuple[Reading | Alert | Evidence, ...] = (*model.readings, *model.alerts, *model.evidence)
        for each in of_slices:
            held[model.name, each.slice].append(each)
        in_use: tuple[CalibratorInUse | ThresholdInUse, ...] = (*model.calibrators, *model.thresholds)
        for used in in_use:
            held[model.name, used.scope].append(used)
        firing.update((model.name, alert.slice) for alert in model.alerts if alert.state is AlertState.FIRING)
    for _, slice_ in held:  # alerts and calibrators outlive a dimension that was taken out of the configuration
        dimensions.update(name for name, _ in slice_.labels)
    unset = {label_name(dimension): "" for dimension in dimensions}
    for key in sorted(held, key=lambda key: (key[1].order, key[1], key[0])):
        name, slice_ = key
        always = not slice_.order or key in firing
        base = {"model": name, **unset, **{label_name(dimension): value for dimension, value in slice_.labels}}
        rows = SliceRows(name)
        for shown in held[key]:
            kept = rows.kept if always or isinstance(shown, Alert) else rows.others
            kept.extend(_ROWS[type(shown)](shown, base))
        yield rows


def _known(name: str, labels: LabelSet, value: float | None) -> Iterator[Row]:
    if value is not None and math.isfinite(value):
        yield name, labels, value


def _reading_rows(reading: Reading, base: dict[str, str]) -> Iterator[Row]:
    named = {**base, "version": reading.version, "window": reading.window}
    labels = LabelSet(named)
    if reading.state is ReadingState.OK:
        for metric in ON_READINGS:
            yield from _known(f"calwatch_{metric}", labels, reading.metrics.get(metric))
    # what rests on objects and images is known where there are enough of these, without a detection too
    for metric, name in ON_OBJECTS.items():
        yield from _known(f"calwatch_{name}", labels, reading.metrics.get(metric))
    for name in ("precision", "recall"):
        ends = [reading.metrics.get(f"threshold_{name}{bound}") for bound in ("_lower", "", "_upper")]
        yield from _bounded(f"calwatch_live_{name}", named, ends)
    yield "calwatch_samples", labels, float(reading.samples)
    yield from _known("calwatch_groups", labels, reading.groups)
    yield from _known("calwatch_label_coverage_ratio", labels, reading.label_coverage)
    yield from _known("calwatch_label_lag_seconds", labels, reading.label_lag_seconds)


def _alert_rows(alert: Alert, base: dict[str, str]) -> Iterator[Row]:
    named = {**base, "version": alert.version, "rule": alert.rule}
    yield "calwatch_rule_state", LabelSet({**named, "state": alert.state}), 1.0
    yield "calwatch_rule_health", LabelSet({**named, "health": alert.health}), 1.0
    firing = float(alert.state is AlertState.FIRING)
    severe = LabelSet({**named, "severity": alert.severity})
    yield "calwatch_rule_firing", severe, firing
    if firing and alert.onset is not None:
        yield "calwatch_rule_onset_timestamp_seconds", severe, alert.onset.timestamp()


def _evidence_rows(evidence: Evidence, base: dict[str, str]) -> Iterator[Row]:
    named = {**base, "version": evidence.version, "rule": evidence.rule}
    if evidence.reference_missing is not None:
        return  # not judged yet: unknown, which is no 0
    yield "calwatch_drift_evidence_ratio", LabelSet(named), evidence.ratio


def _calibrator_rows(in_use: CalibratorInUse, base: dict[str, str]) -> Iterator[Row]:
    labels = LabelSet(base)
    named = LabelSet({**base, "calibrator": in_use.calibrator, "method": in_use.method})
    yield "calwatch_calibrator_info", named, 1.0
    if in_use.adopted is not None:
        yield "calwatch_calibrator_adopted", labels, float(in_use.adopted)
    yield "calwatch_calibrator_fitted_timestamp_seconds", labels, in_use.fitted_at.timestamp()


def _threshold_rows(in_use: ThresholdInUse, base: dict[str, str]) -> Iterator[Row]:
    named = {**base, "policy": in_use.policy, "per": in_use.per, "class": in_use.class_name}
    yield from _known("calwatch_threshold", LabelSet(named), in_use.threshold)
    yield from _known("calwatch_threshold_nms_iou", LabelSet(named), in_use.nms_iou)
    if in_use.kept is not None:
        yield from _known("calwatch_threshold_promised", LabelSet(named), parse_policy(in_use.policy).target)
        yield "calwatch_threshold_promise_kept", LabelSet(named), float(in_use.kept)
    precision = (in_use.precision_lower, in_use.precision, in_use.precision_upper)
    recall = (in_use.recall_lower, in_use.recall, in_use.recall_upper)
    yield from _bounded("calwatch_threshold_precision", named, precision)
    yield from _bounded("calwatch_threshold_recall", named, recall)


def _bounded(name: str, labels: dict[str, str], values: Sequence[float | None]) -> Iterator[Row]:
    """A series for each of the lower bound, the estimate and the upper bound."""
    for bound, value in zip(("lower", "estimate", "upper"), values, strict=True):
        yield from _known(name, LabelSet({**labels, "bound": bound}), value)


_ROWS: Mapping[type, Callable[[Any, dict[str, str]], Iterator[Row]]] = {
    Reading: _reading_rows, Alert: _alert_rows, Evidence: _evidence_rows, CalibratorInUse: _calibrator_rows,
    ThresholdInUse: _threshold_rows,
}  # fmt: skip
