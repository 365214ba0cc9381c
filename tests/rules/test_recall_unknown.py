"""Rules on recall where nobody knows what was missed: unknown, with the reason; they neither fire nor count as healthy."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.model import Alert, AlertState, Health, Reading, Rule, Slice, ThresholdRule
from monitor.model.readings import METRICS, RECALL_METRICS
from monitor.model.reasons import Code
from monitor.rules.conditions import AlertKey, unknown_recall
from monitor.rules.state import Observations, evaluate_rule
from tests.worlds.alerts import HOUR, NIGHT, RULE, START, reading

OF_RECALL = ("threshold_recall", "threshold_f1", "recall_ceiling")
RECALL = replace(RULE, name="recall-promise-broken", metric="threshold_recall_upper", above=None, below=0.95,
                 clear_below=None, clear_above=0.96, hold=timedelta(0), keep_firing_for=timedelta(0))  # fmt: skip
EVERYTHING = ("", Slice())


def _evaluate(
    rule: Rule, prior: Mapping[AlertKey, Alert], hour: float, *readings: Reading, knows: bool = False
) -> dict[AlertKey, Alert]:
    now = START + hour * HOUR
    observed = Observations(START, readings, counts_missed=knows)
    return {(alert.version, alert.slice): alert for alert in evaluate_rule(rule, observed, prior, now, model="m")}


def _reading(value: float | None, hour: float, slice_: Slice = NIGHT, version: str = "v1") -> Reading:
    found = reading(value, START + hour * HOUR, slice_=slice_, metric=RECALL.metric)
    return replace(found, version=version)


def _firing(version: str, slice_: Slice) -> dict[AlertKey, Alert]:
    found = _evaluate(RECALL, {}, 0, _reading(0.5, 0, slice_, version), knows=True)
    assert found[version, slice_].state is AlertState.FIRING
    return found


@pytest.mark.parametrize("value", [0.2, 0.9999, None])
def test_it_is_unknown_in_one_line_whatever_readings_say_and_stays_so(value: float | None) -> None:
    prior: dict[AlertKey, Alert] = {}
    for hour in range(3):
        prior = _evaluate(RECALL, prior, hour, _reading(value, hour), _reading(value, hour, Slice()))
        ((key, alert),) = prior.items()
        assert (key, alert.state, alert.health, alert.value) == (EVERYTHING, AlertState.INACTIVE, Health.UNKNOWN, None)
        assert alert.why.code == Code.RECALL_UNKNOWN
    assert "threshold_recall_upper is unknown" in alert.reason
    assert 'holds = "truth"' in alert.reason


def test_it_is_unknown_also_before_the_first_sample() -> None:
    assert [alert.health for alert in _evaluate(RECALL, {}, 0).values()] == [Health.UNKNOWN]


@pytest.mark.parametrize(("version", "slice_"), [("v1", NIGHT), ("v1", Slice()), ("", NIGHT), ("", Slice())])
def test_one_that_fires_when_calwatch_learns_better_ends_with_that_reason(version: str, slice_: Slice) -> None:
    alerts = _evaluate(RECALL, _firing(version, slice_), 1, _reading(0.5, 1, slice_, version))
    ended = alerts[version, slice_]
    assert (ended.state, ended.health, ended.why.code) == (AlertState.RESOLVED, Health.UNKNOWN, Code.RECALL_UNKNOWN)
    assert all(alert.health is Health.UNKNOWN for alert in alerts.values())
    alerts = _evaluate(RECALL, alerts, 2, _reading(0.5, 2, slice_, version))
    assert alerts[version, slice_].state is AlertState.RESOLVED
    later = _evaluate(RECALL, alerts, 26, _reading(0.5, 26, slice_, version))
    assert [(key, alert.state, alert.health) for key, alert in later.items()] == [
        (EVERYTHING, AlertState.INACTIVE, Health.UNKNOWN)
    ]


def test_one_that_is_pending_is_so_no_more() -> None:
    rule = replace(RECALL, hold=timedelta(days=1))
    pending = _evaluate(rule, {}, 0, _reading(0.5, 0), knows=True)
    assert pending["v1", NIGHT].state is AlertState.PENDING
    alerts = _evaluate(rule, pending, 1, _reading(0.5, 1))
    assert {alert.state for alert in alerts.values()} == {AlertState.INACTIVE}
    assert {alert.health for alert in alerts.values()} == {Health.UNKNOWN}


def test_it_watches_again_once_the_missed_are_known() -> None:
    prior = _evaluate(RECALL, {}, 0, _reading(0.5, 0))
    alerts = _evaluate(RECALL, prior, 1, _reading(0.5, 1), _reading(0.99, 1, Slice()), knows=True)
    assert alerts["v1", NIGHT].state is AlertState.FIRING
    assert not [alert for alert in alerts.values() if alert.why.code == Code.RECALL_UNKNOWN]


@pytest.mark.parametrize("metric", METRICS)
def test_only_rules_on_recall_are_about_recall(metric: str) -> None:
    assert isinstance(RECALL, ThresholdRule)
    told = unknown_recall(replace(RECALL, metric=metric))
    assert (told is not None) == (metric in RECALL_METRICS) == metric.startswith(OF_RECALL)


def test_rules_on_other_figures_of_thresholds_fire_as_ever() -> None:
    rule = replace(RECALL, metric="threshold_precision_upper")
    found = reading(0.5, START, slice_=NIGHT, metric=rule.metric)
    assert _evaluate(rule, {}, 0, found)["v1", NIGHT].state is AlertState.FIRING
