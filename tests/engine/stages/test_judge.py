"""The judge stage: failing rules, retired rules, onsets and the refits that rules ask for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import monitor.engine.stages.judge
from monitor.config.settings import Model, parse_config
from monitor.engine.stages.judge import RuleResults, evaluate_rules, last_seen_of_slices
from monitor.model import Alert, AlertState, Evidence, Health, LastSeen, Reading, ReadingState, Rule, Slice
from monitor.rules.pack import Rulebook, load_rules
from monitor.rules.state import Observations, evaluate_rule
from tests.worlds.line import model_section

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONSET = NOW - 5 * HOUR
RULES = """
[[rule]]
name = "high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
window = "24h"
severity = "ticket"
actions = ["recalibrate"]
cooldown = "6h"

[[rule]]
name = "gap"
kind = "threshold"
metric = "gap_lower"
above = 0.05
window = "24h"
severity = "info"
"""


def _model() -> Model:
    return parse_config(model_section(), "calwatch.toml", Path()).model[0]


def _book(base: Path, text: str = RULES) -> Rulebook:
    (base / "own.toml").write_text(text, "utf-8")
    return load_rules(("own.toml",), base)


def _reading(slice_: str, now: datetime, ece_lower: float, gap_lower: float = 0.0) -> Reading:
    return Reading(
        model="m", version="v1", slice=Slice.parse(slice_), window="24h", window_start=now - timedelta(days=1),
        window_end=now, computed_at=now, state=ReadingState.OK, samples=1000, unlabelled=0, label_lag_seconds=60.0,
        metrics={"ece_lower": ece_lower, "gap_lower": gap_lower},
    )  # fmt: skip


def _judged(book: Rulebook, readings: list[Reading], prior: tuple[Alert, ...] = (), now: datetime = NOW) -> RuleResults:
    observed = Observations(NOW - timedelta(days=9), readings, last_pull=now)
    return evaluate_rules(_model(), book, observed, prior, now, find_onset=lambda version, slice_: ONSET)


def test_a_rule_that_raises_keeps_its_alerts_with_health_error_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_for_gap(rule: Rule, *arguments: Any, **options: Any) -> tuple[Alert, ...]:
        if rule.name == "gap":
            raise ZeroDivisionError("by zero")
        return evaluate_rule(rule, *arguments, **options)

    book = _book(tmp_path)
    before = _judged(book, [_reading("all", NOW, 0.2, 0.2)])
    assert {alert.rule: alert.state for alert in before.alerts} == {"high": AlertState.FIRING, "gap": AlertState.FIRING}
    monkeypatch.setattr(monitor.engine.stages.judge, "evaluate_rule", fails_for_gap)
    later = NOW + HOUR
    after = _judged(book, [_reading("all", later, 0.0, 0.0)], before.alerts, later)
    assert after.failed_rules == ("gap",)
    high, gap = after.alerts
    assert (high.rule, high.state, high.health) == ("high", AlertState.RESOLVED, Health.OK)
    assert (gap.rule, gap.state, gap.health) == ("gap", AlertState.FIRING, Health.ERROR)
    assert gap.reason == "rule could not be evaluated: ZeroDivisionError('by zero')"
    assert [alert.rule for alert in after.changed] == ["high"]


def test_a_failing_rule_without_alerts_is_still_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise KeyError("ece_lower")

    monkeypatch.setattr(monitor.engine.stages.judge, "evaluate_rule", fails)
    judged = _judged(_book(tmp_path), [_reading("all", NOW, 0.2)])
    assert judged.failed_rules == ("high", "gap")
    assert judged.alerts == ()


def test_refits_are_asked_for_with_the_onset_and_noted_on_the_alert(tmp_path: Path) -> None:
    slices = ["all", "camera=c1", "camera=c1,lighting=night", "lighting=night", "camera=c1,lighting=day"]
    judged = _judged(_book(tmp_path), [_reading(slice_, NOW, 0.2, 0.2) for slice_ in slices])
    assert sorted(job.scope.text for job in judged.jobs) == sorted(slices)
    assert {(job.kind, job.trigger, job.onset) for job in judged.jobs} == {("recalibrate", "rule high", ONSET)}
    acted = {alert.rule: alert.last_action_at for alert in judged.alerts}
    assert acted == {"high": NOW, "gap": None}
    assert all(alert.onset == ONSET for alert in judged.alerts)


def test_a_firing_rule_asks_again_only_after_its_cooldown(tmp_path: Path) -> None:
    book = _book(tmp_path)
    judged = _judged(book, [_reading("all", NOW, 0.2)])
    asked = [len(judged.jobs)]
    for hours in (1, 5, 6, 7, 12):
        now = NOW + hours * HOUR
        judged = _judged(book, [_reading("all", now, 0.2)], judged.alerts, now)
        asked.append(len(judged.jobs))
    assert asked == [1, 0, 0, 1, 0, 1]


def test_alerts_of_a_rule_taken_out_of_the_packs_resolve_and_say_why(tmp_path: Path) -> None:
    before = _judged(_book(tmp_path), [_reading("all", NOW, 0.2, 0.2)])
    later = NOW + HOUR
    only_high = RULES.split('[[rule]]\nname = "gap"')[0]
    after = _judged(_book(tmp_path, only_high), [_reading("all", later, 0.2, 0.2)], before.alerts, later)
    (gap,) = [alert for alert in after.alerts if alert.rule == "gap"]
    assert (gap.state, gap.resolved_at) == (AlertState.RESOLVED, later)
    assert gap.reason == 'rule "gap" is no longer in the packs of this model'
    assert [alert.rule for alert in after.changed] == ["gap"]


def test_the_onset_is_looked_for_only_when_an_alert_begins_to_fire(tmp_path: Path) -> None:
    asked: list[str] = []

    def found(version: str, slice_: Slice) -> datetime:
        asked.append(slice_.text)
        return ONSET

    book = _book(tmp_path)
    prior: tuple[Alert, ...] = ()
    for hours, ece in ((0, 0.2), (1, 0.2), (2, 0.0), (3, 0.2)):
        now = NOW + hours * HOUR
        observed = Observations(NOW, [_reading("all", now, ece)], last_pull=now)
        judged = evaluate_rules(_model(), book, observed, prior, now, find_onset=found)
        prior = judged.alerts
    assert asked == ["all", "all"]


DRIFT = """
[[rule]]
name = "drift"
kind = "drift"
severity = "page"
actions = ["recalibrate"]
"""


def test_a_drift_asks_for_a_refit_from_the_onset_of_its_evidence_and_looks_for_no_other(tmp_path: Path) -> None:
    def none_to_find(version: str, slice_: Slice) -> datetime:
        raise AssertionError(f"looked for an onset of {version} {slice_.text}")

    began = NOW - 30 * HOUR
    quiet = Evidence(
        model="m", version="v1", calibrator="", rule="drift", slice=Slice.parse("camera=c1"), opened=NOW - 90 * HOUR,
        until=NOW, ratio=0.3,
    )  # fmt: skip
    drifted = replace(
        quiet, slice=Slice.parse("camera=c2"), alarm_at=NOW, alarm_ratio=1.2, onset=began, direction="over-confident"
    )
    observed = Observations(NOW - timedelta(days=9), last_pull=NOW, evidence=(quiet, drifted))
    judged = evaluate_rules(_model(), _book(tmp_path, DRIFT), observed, (), NOW, find_onset=none_to_find)
    (alert,) = judged.alerts
    assert (alert.slice, alert.state, alert.onset) == (drifted.slice, AlertState.FIRING, began)
    (job,) = judged.jobs
    assert (job.kind, job.trigger, job.scope, job.onset) == ("recalibrate", "rule drift", drifted.slice, began)


def test_last_seen_of_a_shown_slice_is_the_newest_of_the_finest_inside_it() -> None:
    def seen(camera: str, lighting: str, observed: int | None, labelled: int | None) -> LastSeen:
        times = [None if hours is None else NOW + hours * HOUR for hours in (observed, labelled)]
        return LastSeen(Slice.of({"camera": camera, "lighting": lighting}), *times)

    shown = {each.slice.text: each for each in last_seen_of_slices(_model(), [
        seen("c1", "day", 1, None), seen("c1", "night", 3, 2), seen("c2", "day", None, None),
    ])}  # fmt: skip
    assert (shown["all"].observed_at, shown["all"].labelled_at) == (NOW + 3 * HOUR, NOW + 2 * HOUR)
    assert (shown["camera=c1"].observed_at, shown["camera=c1"].labelled_at) == (NOW + 3 * HOUR, NOW + 2 * HOUR)
    assert (shown["lighting=day"].observed_at, shown["lighting=day"].labelled_at) == (NOW + HOUR, None)
    assert (shown["camera=c2"].observed_at, shown["camera=c2"].labelled_at) == (None, None)
    assert set(shown) == {
        "all", "camera=c1", "camera=c2", "lighting=day", "lighting=night", "camera=c1,lighting=day",
        "camera=c1,lighting=night", "camera=c2,lighting=day",
    }  # fmt: skip
