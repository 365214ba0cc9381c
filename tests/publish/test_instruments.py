from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def instruments(registry: CollectorRegistry) -> Instruments:
    return Instruments(registry)


def names(registry: CollectorRegistry) -> set[str]:
    return {sample.name for family in registry.collect() for sample in family.samples}


def test_rows_are_counted_by_model_and_source(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.increase_counter("pulled_samples", "digits", "lake", by=10)
    instruments.increase_counter("pulled_samples", "digits", "lake", by=5)
    instruments.increase_counter("pulled_samples", "digits", "labels", by=1)
    assert registry.get_sample_value("calwatch_pulled_samples_total", {"model": "digits", "source": "lake"}) == 15
    assert registry.get_sample_value("calwatch_pulled_samples_total", {"model": "digits", "source": "labels"}) == 1


def test_each_event_raises_its_own_counter(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.increase_counter("quarantined_samples", "digits", "score_range", by=3)
    instruments.increase_counter("corrected_samples", "digits", by=2)
    instruments.increase_counter("source_problems", "digits", "lake", "empty_file")
    instruments.increase_counter("rule_evaluation_failures", "digits", "ece-high")
    instruments.increase_counter("cycle_failures", "digits")
    instruments.increase_counter("scheduler_events", "overlapped")
    counted = {
        sample.name: (sample.labels, sample.value)
        for family in registry.collect()
        for sample in family.samples
        if sample.value
    }
    assert counted == {
        "calwatch_quarantined_samples_total": ({"model": "digits", "reason": "score_range"}, 3),
        "calwatch_corrected_samples_total": ({"model": "digits"}, 2),
        "calwatch_source_problems_total": ({"model": "digits", "source": "lake", "reason": "empty_file"}, 1),
        "calwatch_rule_evaluation_failures_total": ({"model": "digits", "rule": "ece-high"}, 1),
        "calwatch_cycle_failures_total": ({"model": "digits"}, 1),
        "calwatch_scheduler_events_total": ({"kind": "overlapped"}, 1),
    }


def test_what_is_expected_starts_at_zero(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.expect_model(
        "digits",
        sources=["lake"],
        rules=["ece-high"],
        quarantine_reasons=["score_range"],
        problem_reasons=["empty_file"],
    )
    for name, labels in (
        ("calwatch_pulled_samples_total", {"source": "lake"}),
        ("calwatch_quarantined_samples_total", {"reason": "score_range"}),
        ("calwatch_corrected_samples_total", {}),
        ("calwatch_source_problems_total", {"source": "lake", "reason": "empty_file"}),
        ("calwatch_cycle_failures_total", {}),
        ("calwatch_rule_evaluation_failures_total", {"rule": "ece-high"}),
        ("calwatch_jobs_total", {"kind": "recalibrate", "outcome": "rejected"}),
        ("calwatch_jobs_total", {"kind": "rollback", "outcome": "done"}),
    ):
        assert registry.get_sample_value(name, {"model": "digits", **labels}) == 0, name


def test_expecting_again_keeps_the_counts(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.increase_counter("pulled_samples", "digits", "lake", by=7)
    instruments.expect_model("digits", sources=["lake"])
    assert registry.get_sample_value("calwatch_pulled_samples_total", {"model": "digits", "source": "lake"}) == 7


def test_rules_that_a_reload_took_out_lose_their_series(registry: CollectorRegistry, instruments: Instruments) -> None:
    def failures(model: str, rule: str) -> float | None:
        return registry.get_sample_value("calwatch_rule_evaluation_failures_total", {"model": model, "rule": rule})

    for model in ("digits", "seams"):
        instruments.expect_model(model, rules=["ece-high", "old"])
    instruments.increase_counter("rule_evaluation_failures", "digits", "ece-high")
    instruments.expect_model("digits", rules=["ece-high"])
    assert (failures("digits", "ece-high"), failures("digits", "old"), failures("seams", "old")) == (1, None, 0)
    instruments.expect_model("digits")
    assert failures("digits", "ece-high") is None


def test_a_forgotten_model_has_no_series_until_it_is_expected_again(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    labels = {"model": "digits", "source": "lake"}
    instruments.increase_counter("pulled_samples", "digits", "lake", by=7)
    instruments.increase_counter("pulled_samples", "seams", "lake", by=1)
    instruments.forget_model("digits")
    assert registry.get_sample_value("calwatch_pulled_samples_total", labels) is None
    assert registry.get_sample_value("calwatch_pulled_samples_total", {**labels, "model": "seams"}) == 1
    instruments.expect_model("digits", sources=["lake"])
    assert registry.get_sample_value("calwatch_pulled_samples_total", labels) == 7


def test_a_stage_that_raises_is_timed_and_raises(registry: CollectorRegistry, instruments: Instruments) -> None:
    with pytest.raises(ZeroDivisionError), instruments.time_stage("pull"):
        raise ZeroDivisionError
    assert registry.get_sample_value("calwatch_cycle_duration_seconds_count", {"stage": "pull"}) == 1


def test_stage_buckets_reach_from_five_milliseconds_to_five_minutes(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    with instruments.time_stage("pull"):
        pass
    edges = [
        float(sample.labels["le"])
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "calwatch_cycle_duration_seconds_bucket"
    ]
    assert edges[0] == 0.005
    assert edges[-2:] == [300.0, float("inf")]


def test_an_attempt_of_a_job_is_counted_by_its_outcome_and_timed(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    instruments.record_job("digits", "recalibrate", "promoted", 2.0)
    instruments.record_job("digits", "recalibrate", "interrupted", None)  # how long it ran is unknown
    labels = {"model": "digits", "kind": "recalibrate"}
    assert registry.get_sample_value("calwatch_jobs_total", {**labels, "outcome": "promoted"}) == 1
    assert registry.get_sample_value("calwatch_jobs_total", {**labels, "outcome": "interrupted"}) == 1
    assert registry.get_sample_value("calwatch_job_duration_seconds_count", labels) == 1
    assert registry.get_sample_value("calwatch_job_duration_seconds_sum", labels) == 2


def test_a_failed_reload_keeps_the_time_of_the_last_good_one(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    assert "calwatch_config_last_reload_successful" not in names(registry)
    instruments.record_reload(True, AT)
    instruments.record_reload(False, AT.replace(hour=5))
    assert registry.get_sample_value("calwatch_config_last_reload_successful") == 0
    stamp = registry.get_sample_value("calwatch_config_last_reload_success_timestamp_seconds")
    assert stamp == AT.timestamp()


def test_a_first_read_that_fails_has_no_time(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.record_reload(False, AT)
    assert registry.get_sample_value("calwatch_config_last_reload_successful") == 0
    assert "calwatch_config_last_reload_success_timestamp_seconds" not in names(registry)


def test_no_created_series_are_exposed(registry: CollectorRegistry, instruments: Instruments) -> None:
    instruments.increase_counter("cycle_failures", "digits")
    instruments.record_job("digits", "rollback", "done", 1.0)
    assert b"_created" not in exposition(registry)
