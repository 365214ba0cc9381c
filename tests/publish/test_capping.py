"""What is shown when there are more series than max_series, and labels that would be too much for a scrape."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.model import Alert, AlertState, Health, ModelStatus, Published, Reading, Slice, Task
from monitor.publish.metrics.capping import SliceRows, cap_series
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import LabelSet, exposition

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def rows(model: str, kept: int, others: int) -> SliceRows:
    one = ("f", LabelSet({}), 1.0)
    return SliceRows(model, [one] * kept, [one] * others)


def show(
    models: dict[str, int], reading: Callable[..., Reading], most: int, **held: tuple[Alert, ...]
) -> CollectorRegistry:
    """Models with so many cameras, a reading of four series each, and one of the whole."""
    statuses = []
    for name, cameras in models.items():
        slices = [Slice(), *(Slice.of({"camera": f"c{index:03}"}) for index in range(cameras))]
        readings = tuple(replace(reading(slice_, ece=0.1), model=name) for slice_ in slices)
        statuses.append(ModelStatus(name, Task.BINARY, ("camera",), readings=readings, alerts=held.get(name, ())))
    registry = CollectorRegistry()
    MetricsCollector(registry, max_series=most).swap_snapshot(Published(AT, tuple(statuses)))
    return registry


def shown(registry: CollectorRegistry) -> Counter[str]:
    """Slices beside the whole that have a reading, by model."""
    return Counter(
        sample.labels["model"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "calwatch_samples" and sample.labels["camera"]
    )


def test_a_model_with_many_slices_does_not_starve_the_others(reading: Callable[..., Reading]) -> None:
    models = {"big": 500, "small": 10, "tiny": 1}
    registry = show(models, reading, most=3 * 4 + 4 * 51)
    assert shown(registry) == {"big": 40, "small": 10, "tiny": 1}
    assert registry.get_sample_value("calwatch_series_capped") == 4 * 460
    assert registry.get_sample_value("calwatch_series_beyond_limit") == 0


def test_equal_models_have_equal_shares_whatever_their_names_and_order(reading: Callable[..., Reading]) -> None:
    for models in ({"a": 100, "b": 100, "c": 100}, {"c": 100, "a": 100, "b": 100}):
        assert set(shown(show(models, reading, most=12 + 4 * 30)).values()) == {10}


@pytest.mark.parametrize("most", [0, 5, 100])
def test_the_whole_firing_slices_and_states_of_rules_are_shown_whatever_the_limit(
    most: int, reading: Callable[..., Reading], alert: Callable[..., Alert]
) -> None:
    alerts = (
        replace(alert(Slice.of({"camera": "c007"}), AlertState.FIRING), model="m"),
        replace(alert(Slice.of({"camera": "c009"}), AlertState.PENDING, health=Health.UNKNOWN), model="m"),
    )
    registry = show({"m": 300, "other": 300}, reading, most=most, m=alerts)
    for model in ("m", "other"):
        labels = {"model": model, "version": "v1", "window": "24h", "camera": ""}
        assert registry.get_sample_value("calwatch_ece", labels) == 0.1
    firing = {"model": "m", "version": "v1", "window": "24h", "camera": "c007"}
    assert registry.get_sample_value("calwatch_ece", firing) == 0.1
    state = {"model": "m", "version": "v1", "rule": "ece-high", "camera": "c009", "state": "pending"}
    assert registry.get_sample_value("calwatch_rule_state", state) == 1
    kept = 2 * 4 + 4 + 4 + 3  # the wholes, the firing slice with its alert, and the other alert
    assert registry.get_sample_value("calwatch_series_beyond_limit") == max(kept - most, 0)


def test_series_are_shared_out_fairly_for_any_models() -> None:
    """A model that is cut has within one slice as much as any other; nothing that fits is left out."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        slices = [
            rows(f"m{index}", int(rng.integers(0, 3)), 4) for index in range(5) for _ in range(rng.integers(0, 30))
        ]
        most = int(rng.integers(0, 400))
        found = cap_series(slices, most)
        kept = sum(len(each.kept) for each in slices)
        wanted = Counter({each.model: 0 for each in slices})
        for each in slices:
            wanted[each.model] += 4
        whole = kept + sum(wanted.values())
        assert len(found.rows) + found.capped == whole
        assert found.beyond == max(kept - most, 0)
        assert len(found.rows) <= max(most, kept)
        assert found.capped == 0 or len(found.rows) > most - 4


def test_a_smaller_slice_of_another_model_takes_the_room_that_a_large_one_has_not() -> None:
    found = cap_series([rows("a", 0, 10), rows("a", 0, 10), rows("b", 0, 3), rows("b", 0, 3)], 17)
    assert (len(found.rows), found.capped) == (16, 10)


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\x1b[2J", "cr\rlf", "\x7f", "half \ud800 of a character"])
def test_labels_that_would_end_the_scrape_of_everything_become_signs(
    value: str, reading: Callable[..., Reading]
) -> None:
    registry = CollectorRegistry()
    readings = (reading(Slice.of({"camera": value}), ece=0.1),)
    MetricsCollector(registry).swap_snapshot(
        Published(AT, (ModelStatus("m", Task.BINARY, ("camera",), readings=readings),))
    )
    text = exposition(registry)
    assert text == generate_latest(registry)
    assert not {0, 13, 27, 127} & set(text)
    (back,) = [
        sample.labels["camera"]
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == "calwatch_ece"
    ]
    assert back.isprintable()
    assert len(back) == len(value)


@pytest.mark.parametrize("value", ["line\nbreak", "tab\there", 'quote"', "back\\slash", "é", "e\u0301", "\u212b"])
def test_labels_that_prometheus_can_read_stay_as_they_are(value: str) -> None:
    assert LabelSet({"camera": value}).values == {"camera": value}


def test_long_labels_end_in_their_hash_and_stay_apart() -> None:
    one, other = (LabelSet({"version": "x" * 10_000_000 + end}) for end in "ab")
    assert one.values != other.values
    assert len(one.text) < 400
