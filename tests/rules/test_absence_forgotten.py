"""Slices that are away beyond retention: their absence ends with that reason, what was told of it stays, their series go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from monitor.model import AbsenceRule, Alert, AlertState, LastSeen, Severity, Slice
from monitor.publish.metrics.collector import MetricsCollector
from monitor.rules.state import Observations, evaluate_rule
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
SINCE = datetime(2026, 3, 10, tzinfo=UTC)
GONE, FRESH = Slice.of({"camera": "gone"}), Slice.of({"camera": "fresh"})
RULE = AbsenceRule("away", Severity.TICKET, "own.toml", absent="samples", longer_than=12 * HOUR)
ABSENCE = """
[[rule]]
name = "away"
kind = "absence"
of = "samples"
longer_than = "12h"
slices = ["all", "marginals", "crosses"]
severity = "ticket"
"""


def _stepped(
    rule: AbsenceRule, seen_at: datetime, slice_: Slice = GONE, *, now: datetime = NOW, since: datetime | None = SINCE
) -> Alert:
    """The alert of a slice that was firing since two days after it was seen last, one evaluation on."""
    seen = [LastSeen(slice_, seen_at, seen_at), LastSeen(FRESH, now, now)]
    observed = Observations(seen_at, last_seen=seen)
    before = evaluate_rule(rule, observed, {}, seen_at + 2 * DAY, model="m")
    prior = {(alert.version, alert.slice): alert for alert in before}
    assert prior["", slice_].state is AlertState.FIRING
    found = evaluate_rule(rule, observed, prior, now, model="m", seen_since=since)
    return next(alert for alert in found if alert.slice == slice_)


@pytest.mark.parametrize("absent", ["samples", "labels"])
def test_an_absence_fires_until_retention_and_then_resolves_with_the_reason(
    absent: Literal["samples", "labels"],
) -> None:
    rule = replace(RULE, absent=absent)
    assert _stepped(rule, SINCE).state is AlertState.FIRING
    ended = _stepped(rule, SINCE - timedelta(microseconds=1))
    assert (ended.state, ended.resolved_at) == (AlertState.RESOLVED, NOW)
    assert "nothing of this slice was observed within retention" in ended.reason


@pytest.mark.parametrize("cross", [{"camera": "gone", "lighting": "day"}, {"lighting": "gone"}])
def test_slices_of_every_order_are_forgotten(cross: dict[str, str]) -> None:
    assert _stepped(RULE, SINCE - DAY, Slice.of(cross)).state is AlertState.RESOLVED


def test_the_whole_and_a_slice_that_a_rule_names_are_waited_for_for_ever() -> None:
    assert _stepped(RULE, SINCE - 100 * DAY, Slice()).state is AlertState.FIRING
    assert _stepped(replace(RULE, only=GONE), SINCE - 100 * DAY).state is AlertState.FIRING


def test_a_rule_that_waits_longer_than_retention_fires_all_the_same() -> None:
    rule = replace(RULE, longer_than=30 * DAY)
    seen = [LastSeen(GONE, NOW - 31 * DAY, None), LastSeen(FRESH, NOW, NOW)]
    found = evaluate_rule(rule, Observations(SINCE, last_seen=seen), {}, NOW, model="m", seen_since=SINCE)
    assert [alert.slice for alert in found if alert.state is AlertState.FIRING] == [GONE]
    seen = [LastSeen(GONE, NOW - 45 * DAY, None), LastSeen(FRESH, NOW, NOW)]
    found = evaluate_rule(rule, Observations(SINCE, last_seen=seen), {}, NOW, model="m", seen_since=SINCE)
    assert GONE not in {alert.slice for alert in found}


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_camera_taken_down_is_told_until_retention_and_then_takes_its_series_along(
    tmp_path: Path, comes_back: bool
) -> None:
    (tmp_path / "away.toml").write_text(ABSENCE, "utf-8")
    section = model_section(
        rules="away.toml", extra='retention = "4d"\nlabel_horizon = "2d"\nfold_after = "2d"\nhistory = "30d"'
    )
    with line(tmp_path, section.replace('["24h", "7d"]', '["24h"]')) as held:
        held.arrive(BEGAN, BEGAN + DAY, 200, cameras=("c1", "c2"))
        states: dict[int, str | None] = {}
        for day in range(1, 9):
            now = BEGAN + day * DAY + HOUR
            held.arrive(now - DAY, now - HOUR, 100, cameras=("c1", "c2") if comes_back and day == 8 else ("c1",))
            tick = held.tick(now)
            assert tick.failed == {}
            (status,) = tick.published.models
            found = [alert for alert in status.alerts if alert.slice.text == "camera=c2"]
            states[day] = found[0].state.value if found else None
        assert [states[day] for day in (2, 3, 4)] == ["firing"] * 3
        assert (states[5], states[8]) == ("resolved", None)
        told = held.connection.execute(
            "SELECT state, reason FROM alert_events WHERE slice = 'camera=c2' ORDER BY changed_at"
        ).fetchall()
        assert [state for state, _ in told] == ["firing", "resolved"]
        assert "within retention" in told[1][1]
        registry = CollectorRegistry()
        MetricsCollector(registry).swap_snapshot(tick.published)
        text = generate_latest(registry).decode()
        assert 'calwatch_samples{camera="c1"' in text
        assert ('camera="c2"' in text) is comes_back
        assert 'calwatch_rule_state{camera="c2"' not in text
