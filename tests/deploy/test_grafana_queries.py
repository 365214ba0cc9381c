"""Every query of dashboards, variables, marks and Grafana's alerts, on a real Prometheus with a played demo."""

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.played import BEGAN, ENDED, Asked, played, times
from tests.deploy.substituted import substituted, values

pytestmark = [pytest.mark.server, pytest.mark.slow]
GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
NAMES = ("fleet", "model", "slice", "monitor")
CHOSEN = {"model": "digits", "version": "digits-1", "window": "24h"}
HAZED = {"camera": "c3", "lighting": "night"}
ONE_SLICE = {**HAZED, "window": "7d"}  # a day of it holds fewer samples than a reading needs

NOTHING_IN_THE_DEMO = {
    ("monitor", "Source problems"): "every file of the demo can be read",
    ("monitor", "Rule evaluations failed"): "no rule of the demo fails",
    ("monitor", "Labels that wait for their prediction"): "the demo has no source that holds labels only",
    ("model", "Recall in production: promised at least"): "the policy played promises precision",
    ("slice", "Recall in production: promised at least"): "the same",
    ("model", "Thresholds in use: B"): "it is no detector, whose suppression would be tuned",
    **{
        (name, title): "it is no detector"
        for name in ("model", "slice")
        for title in (
            "Objects found: precision",
            "Objects found: recall",
            "Objects found: recall at most, by any score",
            "False positives per image: per image",
            "False positives per image: promised at most",
        )
    },
}
UP_TO_THE_GATE = {  # of one slice: whether a rule has cause there, whether it gets a calibrator of its own, and in time
    "Rules", "Calibrators in use", "Calibrators adopted by production", "Thresholds in use", "Precision in production",
    "Recall in production",
}  # fmt: skip
SLICES = [{}, {"camera": "c3"}, {"lighting": "night"}, HAZED, {"camera": "c3", "lighting": "day"}]
SERIES_NOT_IN_THE_DEMO = {  # it has no source that holds labels only; promtool's tests have these series
    "calwatch_waiting_labels", "calwatch_waiting_labels_ratio",
}  # fmt: skip
QUIET_ALERTS = {
    "CalwatchEceHigh": "the demo's model has rules of its own, and this one is for models that have none",
    "CalwatchEceSevere": "the same",
    "CalwatchNoSamples": "the same",
    "CalwatchLabelsLate": "the same",
    "CalwatchNoLabels": "the same",
    "CalwatchLabelCoverageLow": "the same",
    "CalwatchDown": "it was up",
    "CalwatchRestarting": "it was started once",
    "CalwatchModelUnhealthy": "no cycle failed",
    "CalwatchCycleFailing": "no cycle failed",
    "CalwatchSourceProblem": "every file could be read",
    "CalwatchQuarantineGrowing": "there are 25 bad rows in two months",
    "CalwatchRuleEvaluationFailing": "no rule failed",
    "CalwatchJobFailing": "no job failed",
    "CalwatchCalibratorNotAdopted": "calwatch itself applies the demo's calibrators",
    "CalwatchSnapshotNotReplaced": "the disk was not full",
    "CalwatchSeriesCapped": "there are few series",
    "CalwatchReloadFailed": "nothing was reloaded",
    "CalwatchLabelDelayDependsOnOutcome": "the demo's delays do not depend on the outcome",
    "CalwatchFileSetAside": "every file could be read",
    "CalwatchLabelsJoinNothing": "the demo's labels come with their predictions",
    "CalwatchDriftEvidenceRising": "the haze is so plain that evidence leaps over the limit from one cycle to the next",
    "CalwatchCyclesOverlap": "a played cycle cannot overlap",
    "CalwatchPromiseBroken": "the haze is on one camera at night: over all traffic the promise looks broken for 16 hours",
}  # fmt: skip


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with played(tmp_path_factory.mktemp("played")) as asked:
        yield asked


def _dashboard(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text("utf-8"))
    return found


def _known(series: list[dict[str, Any]]) -> bool:
    """Whether any sample is a number."""
    samples = [sample for each in series for sample in each.get("values") or [each["value"]]]
    return any(math.isfinite(float(value)) for _, value in samples)


def _answers(prometheus: Asked, target: dict[str, Any], known: dict[str, str]) -> bool:
    query = substituted(target["expr"], known)
    if target.get("instant"):
        return any(_known(prometheus.instant(query, at)) for at in times())
    return _known(prometheus.ranged(query))


def _called(panel: dict[str, Any], target: dict[str, Any]) -> str:
    """The panel, and which of its series, where it has several."""
    return (
        panel["title"]
        if len(panel["targets"]) == 1
        else f"{panel['title']}: {target.get('legendFormat') or target['refId']}"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("narrowed", [{}, ONE_SLICE], ids=["all", "one-slice"])
def test_every_query_of_a_dashboard_brings_samples(prometheus: Asked, name: str, narrowed: dict[str, str]) -> None:
    dashboard = _dashboard(name)
    known = values(dashboard, {**CHOSEN, **narrowed})
    silent = _silent(prometheus, dashboard, known)
    if name == "slice" or narrowed:
        silent = {each for each in silent if each.split(": ")[0] not in UP_TO_THE_GATE}
    silent = {each for each in silent if (name, each) not in NOTHING_IN_THE_DEMO}
    assert not silent


@pytest.mark.parametrize(("name", "title"), [("model", "Strongest drift evidence"), ("slice", "Drift evidence now")])
def test_drift_evidence_shows_an_alarm_for_as_long_as_its_alert_fires(prometheus: Asked, name: str, title: str) -> None:
    """An alarm empties the evidence itself: an hour later it is near 0."""
    dashboard = _dashboard(name)
    (panel,) = (each for each in dashboard["panels"] if each["title"] == title)
    known = values(dashboard, {**CHOSEN, **HAZED})
    firing = prometheus.ranged('calwatch_rule_firing{rule="calibration-drift", camera="c3", lighting="night"} == 1')
    at = [moment for moment, _ in firing[0]["values"]]
    assert len(at) > 3
    shown = dict(prometheus.ranged(substituted(panel["targets"][0]["expr"], known))[0]["values"])
    assert all(float(shown[moment]) >= 1 for moment in at)
    bare = prometheus.ranged('max(calwatch_drift_evidence_ratio{camera="c3", lighting="night"})')
    assert any(float(value) < 0.5 for moment, value in bare[0]["values"] if moment in at)


def test_of_some_slice_every_query_brings_samples(prometheus: Asked) -> None:
    dashboard = _dashboard("slice")
    silent = set.intersection(*(
        _silent(prometheus, dashboard, values(dashboard, {**CHOSEN, "window": "7d", **slice_})) for slice_ in SLICES
    ))  # fmt: skip
    assert not {each for each in silent if ("slice", each) not in NOTHING_IN_THE_DEMO}


@pytest.mark.parametrize(("name", "title"), sorted(NOTHING_IN_THE_DEMO))
def test_what_brings_nothing_does_bring_nothing(prometheus: Asked, name: str, title: str) -> None:
    dashboard = _dashboard(name)
    assert title in _silent(prometheus, dashboard, values(dashboard, CHOSEN))


def _silent(prometheus: Asked, dashboard: dict[str, Any], known: dict[str, str]) -> set[str]:
    """Panels, and series of panels, that bring nothing."""
    silent = set()
    for panel in dashboard["panels"]:
        here = dict(known)
        if repeated := panel.get("repeat"):  # Grafana gives each copy one value
            here[repeated] = HAZED[repeated]
        for target in panel.get("targets", ()):
            if not _answers(prometheus, target, here):
                silent.add(_called(panel, target))
    return silent


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_finds_its_choices(prometheus: Asked, name: str) -> None:
    dashboard = _dashboard(name)
    known = values(dashboard, CHOSEN)
    found = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert asked is not None, variable["query"]
            found[variable["name"]] = prometheus.label_values(asked[2], substituted(asked[1], known))
    everything = {
        "model": ["digits"], "version": ["digits-1"], "window": ["24h", "7d"], "camera": ["c1", "c2", "c3", "c4"],
        "lighting": ["day", "dusk", "night"], "instance": ["127.0.0.1:9464"],
    }  # fmt: skip
    assert found == {name: everything[name] for name in found}


@pytest.mark.parametrize("name", NAMES)
def test_every_mark_falls_into_what_was_played(prometheus: Asked, name: str) -> None:
    dashboard = _dashboard(name)
    for mark in dashboard["annotations"]["list"]:
        series = []
        for narrowed in ({}, ONE_SLICE):
            series += prometheus.ranged(substituted(mark["expr"], values(dashboard, {**CHOSEN, **narrowed})))
        assert _known(series), mark["name"]
        if mark["useValueForTime"]:
            at = {
                datetime.fromtimestamp(float(value) / 1000, BEGAN.tzinfo)
                for each in series
                for _, value in each["values"]
            }
            assert all(BEGAN <= moment <= ENDED for moment in at), at


def _alerts() -> dict[str, str]:
    """Title and query of each Grafana-managed alert."""
    found = yaml.safe_load((GRAFANA / "alerting" / "calwatch.yaml").read_text("utf-8"))
    return {rule["title"]: rule["data"][0]["model"]["expr"] for group in found["groups"] for rule in group["rules"]}


def test_alerts_fire_in_the_demo_or_it_is_said_why_not(prometheus: Asked) -> None:
    fired = {title for title, query in _alerts().items() if _known(prometheus.ranged(query))}
    # on the hazed slice no threshold can promise what is asked
    assert {"CalwatchDrift", "CalwatchRuleFiring", "CalwatchNoThreshold"} <= fired
    assert set(_alerts()) - fired == set(QUIET_ALERTS)


@pytest.mark.parametrize("title", sorted(_alerts()))
def test_an_alert_that_stays_quiet_asks_for_series_that_exist(prometheus: Asked, title: str) -> None:
    asked = re.findall(r"\b(?:calwatch_\w+|up)(?:\{[^}]*\})?", _alerts()[title])
    assert asked
    for series in asked:
        if series.partition("{")[0] in SERIES_NOT_IN_THE_DEMO:
            continue
        any_rule_and_policy = re.sub(r'\b(?:rule|policy)=~"[^"]*",? ?', "", series)
        assert prometheus.ranged(any_rule_and_policy), series


def test_a_firing_drift_names_its_slice(prometheus: Asked) -> None:
    found = [each["metric"] for each in prometheus.ranged(_alerts()["CalwatchDrift"])]
    assert any(HAZED.items() <= labels.items() for labels in found)
