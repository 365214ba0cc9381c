import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.model import (
    RESERVED_LABELS,
    Alert,
    AlertState,
    Health,
    ModelStatus,
    Published,
    Reading,
    ReadingState,
    Slice,
    Task,
)
from monitor.publish.metrics.catalogue import HELP
from monitor.publish.metrics.collector import MetricsCollector, label_name
from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments
from tests.golden import approved

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
NIGHT = {"camera": "c3", "lighting": "night", "station": ""}
ALL = {"camera": "", "lighting": "", "station": ""}


def show(published: Published | None, max_series: int = 50_000) -> CollectorRegistry:
    registry = CollectorRegistry()
    MetricsCollector(registry, version="1.2.3", max_series=max_series).swap_snapshot(published)
    return registry


def of(*readings: Reading, alerts: tuple[Alert, ...] = (), dimensions: tuple[str, ...] = ("camera",)) -> Published:
    return Published(AT, (ModelStatus("digits", Task.BINARY, dimensions, readings=readings, alerts=alerts),))


def full(small: Published) -> CollectorRegistry:
    """Everything at once, with fixed durations."""
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    instruments.expect_model("digits", sources=["lake"], rules=["ece-high"])
    instruments.increase_counter("pulled_samples", "digits", "lake", by=448)
    instruments.increase_counter("quarantined_samples", "digits", "score_outside_0_1", by=3)
    instruments.increase_counter("source_problems", "digits", "lake", "empty_file")
    instruments.record_job("digits", "recalibrate", "promoted", 4.5)
    instruments.record_reload(True, AT)
    MetricsCollector(registry, version="1.2.3").swap_snapshot(small)
    return registry


def test_the_whole_exposition_is_as_agreed(small: Published) -> None:
    found = exposition(full(small)).decode()
    assert found == approved("metrics", found)


def test_the_fast_way_gives_the_same_bytes_as_prometheus_client(small: Published) -> None:
    registry = full(small)
    assert exposition(registry) == generate_latest(registry)


def test_prometheus_clients_own_parser_reads_every_series_back(small: Published) -> None:
    registry = full(small)
    parsed = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(registry).decode())
        for sample in family.samples
    }
    written = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert parsed == written


@pytest.mark.server
def test_promtool_finds_nothing_to_complain_about(small: Published) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: apt-get update && apt-get install -y prometheus")
    registry = full(small)
    text = exposition(registry)
    check = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")


def test_every_gauge_of_the_catalogue_occurs_in_the_small_snapshot(small: Published) -> None:
    text = exposition(full(small)).decode()
    assert [name for name in HELP if f"# TYPE {name} gauge\n" not in text] == []


def test_hostile_slice_values_come_back_as_they_were(reading: Callable[..., Reading]) -> None:
    value = 'a "quoted" \\ back\\nslash,\nnew=line{}'
    registry = show(of(reading(Slice.of({"camera": value}), ece=0.1)))
    text = exposition(registry)
    assert b'camera="a \\"quoted\\" \\\\ back\\\\nslash,\\nnew=line{}"' in text
    assert text == generate_latest(registry)
    back = [
        sample.labels["camera"]
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == "calwatch_ece"
    ]
    assert back == [value]


def test_unknown_values_are_absent_neither_zero_nor_nan(reading: Callable[..., Reading]) -> None:
    registry = show(of(reading(ece=0.0, auroc=None, log_loss=float("nan"), brier_score=float("inf"))))
    text = exposition(registry).decode()
    assert 'calwatch_ece{camera="",model="digits",version="v1",window="24h"} 0.0\n' in text
    for name in ("auroc", "log_loss", "brier_score"):
        assert f"calwatch_{name}{{" not in text


def test_an_insufficient_reading_has_counts_and_no_metrics(reading: Callable[..., Reading]) -> None:
    insufficient = replace(reading(samples=12, ece=0.3), state=ReadingState.INSUFFICIENT)
    registry = show(of(insufficient))
    labels = {"model": "digits", "version": "v1", "window": "24h", "camera": ""}
    assert registry.get_sample_value("calwatch_samples", labels) == 12
    assert registry.get_sample_value("calwatch_label_coverage_ratio", labels) == 12 / 112
    assert registry.get_sample_value("calwatch_ece", labels) is None


def test_a_slice_that_is_gone_takes_its_series_along(reading: Callable[..., Reading]) -> None:
    registry = CollectorRegistry()
    collector = MetricsCollector(registry)
    collector.swap_snapshot(
        of(reading(Slice.of({"camera": "c1"}), ece=0.1), reading(Slice.of({"camera": "c2"}), ece=0.1))
    )
    assert b'camera="c2"' in exposition(registry)
    collector.swap_snapshot(of(reading(Slice.of({"camera": "c1"}), ece=0.1)))
    assert b'camera="c2"' not in exposition(registry)
    collector.swap_snapshot(None)
    assert b"digits" not in exposition(registry)


def test_before_the_first_cycle_there_is_the_build_and_nothing_about_models() -> None:
    names = [sample.name for family in show(None).collect() for sample in family.samples]
    assert names == ["calwatch_build_info", "calwatch_series_capped"]


def test_models_with_different_dimensions_share_one_set_of_labels(small: Published) -> None:
    registry = show(small)
    common = {"model": "digits", "version": "v1", "window": "24h"}
    assert registry.get_sample_value("calwatch_ece", {**common, **NIGHT}) == 0.1
    assert registry.get_sample_value("calwatch_ece", {**common, **ALL}) == 0.025


def test_an_alert_of_a_dimension_that_was_taken_out_keeps_its_own_series(alert: Callable[..., Alert]) -> None:
    alerts = (alert(Slice.of({"shift": "early"})), alert(Slice.of({"shift": "late"})))
    lines = exposition(show(of(alerts=alerts))).decode().splitlines()
    firing = [line for line in lines if line.startswith("calwatch_rule_firing{")]
    assert len(firing) == len(set(firing)) == 2


def test_the_state_of_an_alert_is_one_series_and_firing_a_number(alert: Callable[..., Alert]) -> None:
    alerts = (
        alert(Slice(), AlertState.FIRING, health=Health.UNKNOWN),
        alert(Slice.of({"camera": "c1"}), AlertState.PENDING),
    )
    registry = show(of(alerts=alerts))
    common = {"model": "digits", "version": "v1", "rule": "ece-high"}
    assert registry.get_sample_value("calwatch_rule_state", {**common, "camera": "", "state": "firing"}) == 1
    assert registry.get_sample_value("calwatch_rule_health", {**common, "camera": "", "health": "unknown"}) == 1
    assert registry.get_sample_value("calwatch_rule_state", {**common, "camera": "c1", "state": "firing"}) is None
    for camera, value in (("", 1), ("c1", 0)):
        labels = {**common, "camera": camera, "severity": "ticket"}
        assert registry.get_sample_value("calwatch_rule_firing", labels) == value


def test_adoption_is_absent_while_it_is_unknown(small: Published) -> None:
    registry = show(small)
    assert registry.get_sample_value("calwatch_calibrator_adopted", {"model": "digits", **NIGHT}) == 1
    assert registry.get_sample_value("calwatch_calibrator_adopted", {"model": "digits", **ALL}) is None
    fitted = registry.get_sample_value("calwatch_calibrator_fitted_timestamp_seconds", {"model": "digits", **ALL})
    assert fitted == (AT - timedelta(hours=1)).timestamp()


def test_a_model_whose_cycle_failed_is_unhealthy(small: Published) -> None:
    registry = show(small)
    assert registry.get_sample_value("calwatch_model_healthy", {"model": "digits"}) == 1
    assert registry.get_sample_value("calwatch_model_healthy", {"model": "seams"}) == 0


def test_a_snapshot_for_ops_that_was_not_replaced_is_told(small: Published) -> None:
    assert show(small).get_sample_value("calwatch_snapshot_current") == 1
    assert show(replace(small, problem="disk full")).get_sample_value("calwatch_snapshot_current") == 0


def cameras(registry: CollectorRegistry) -> list[str]:
    return [
        sample.labels["camera"] + sample.labels["lighting"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "calwatch_samples"
    ]


def test_the_cap_cuts_whole_slices_crosses_first_and_says_how_many_series(reading: Callable[..., Reading]) -> None:
    readings = [reading(Slice.of({"camera": "c1", "lighting": light}), ece=0.1) for light in ("day", "night")]
    readings += [reading(Slice.of({"camera": "c1"}), ece=0.1), reading(ece=0.1)]
    published = of(*readings, dimensions=("camera", "lighting"))
    # four series a slice: ece, samples, coverage, lag
    assert cameras(show(published, max_series=16)) == ["", "c1", "c1day", "c1night"]
    capped = show(published, max_series=15)
    assert cameras(capped) == ["", "c1", "c1day"]
    assert capped.get_sample_value("calwatch_series_capped") == 4
    assert show(published, max_series=7).get_sample_value("calwatch_series_capped") == 12
    assert show(published, max_series=16).get_sample_value("calwatch_series_capped") == 0


def test_the_cap_keeps_a_firing_slice_before_its_equals(
    reading: Callable[..., Reading], alert: Callable[..., Alert]
) -> None:
    readings = [reading(Slice.of({"camera": camera}), ece=0.1) for camera in ("c1", "c2")]
    published = of(*readings, alerts=(alert(Slice.of({"camera": "c2"})),), dimensions=("camera", "lighting"))
    assert cameras(show(published, max_series=8)) == ["c2"]


def test_models_are_never_cut(small: Published) -> None:
    registry = show(small, max_series=0)
    assert registry.get_sample_value("calwatch_model_healthy", {"model": "digits"}) == 1
    # the whole, firing slices and states of rules are not cut either
    assert registry.get_sample_value("calwatch_series_capped") == 2
    assert registry.get_sample_value("calwatch_series_beyond_limit") == 67


def test_a_dimension_called_like_a_label_of_calwatch_gets_another_name(reading: Callable[..., Reading]) -> None:
    assert label_name("method") == "slice_method"
    registry = show(of(reading(Slice.of({"method": "weld"}), ece=0.1), dimensions=("method",)))
    labels = {"model": "digits", "version": "v1", "window": "24h", "slice_method": "weld"}
    assert registry.get_sample_value("calwatch_ece", labels) == 0.1


def test_every_label_calwatch_uses_is_reserved(small: Published) -> None:
    used = {name for family in full(small).collect() for sample in family.samples for name in sample.labels}
    assert used - {"camera", "lighting", "station"} <= RESERVED_LABELS


def test_after_the_first_slice_that_is_cut_no_smaller_one_slips_in(reading: Callable[..., Reading]) -> None:
    readings = [reading(Slice.of({"camera": camera}), ece=0.1) for camera in ("c1", "c2")]
    published = of(*readings, reading(Slice.of({"camera": "c3"})), dimensions=("camera", "lighting"))
    assert cameras(show(published, max_series=7)) == ["c1"]
