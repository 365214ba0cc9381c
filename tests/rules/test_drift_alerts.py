"""Drift rules in the alert state machine: from an alarm until quiet, closed streams, and silence."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import (
    QUIET_AFTER_DRIFT,
    Alert,
    AlertState,
    DriftRule,
    Evidence,
    Health,
    Severity,
    Slice,
)
from monitor.model.reasons import Code
from monitor.model.words import tell_reason
from monitor.rules.conditions import AlertKey, drift_findings
from monitor.rules.state import RESOLVED_SHOWN, Observations, evaluate_rule

START = datetime(2026, 2, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
C3 = Slice.of({"camera": "c3"})
C4 = Slice.of({"camera": "c4"})
RULE = DriftRule(
    name="drift",
    severity=Severity.PAGE,
    origin="p.toml: rule 1",
    false_alarms_per_year=12.0,
    tolerance_odds=1.1,
)
QUIET = Evidence(
    model="m",
    version="v1",
    calibrator="cal-7",
    rule="drift",
    slice=C3,
    opened=START - 40 * DAY,
    until=START,
    ratio=0.25,
)
ALARM = replace(
    QUIET,
    ratio=0.0,
    alarm_at=START,
    alarm_ratio=1.37,
    onset=START - DAY,
    samples_since_onset=2345,
    direction="over-confident above 0.8 (expected 0.93, came true 0.81)",
)


def evaluate(
    prior: Mapping[AlertKey, Alert], at: datetime, *evidence: Evidence, rule: DriftRule = RULE
) -> dict[AlertKey, Alert]:
    found = evaluate_rule(rule, Observations(START, evidence=evidence), prior, at, model="m")
    return {(alert.version, alert.slice): alert for alert in found}


def test_an_alarm_fires_at_once_with_its_onset_and_says_what_scores_since_when_and_how_sure() -> None:
    alert = evaluate({}, START, ALARM)["v1", C3]
    assert (alert.state, alert.health, alert.severity) == (AlertState.FIRING, Health.OK, Severity.PAGE)
    assert (alert.onset, alert.value) == (START - DAY, 0.0)
    assert alert.reason == (
        "Scores of camera=c3 are over-confident above 0.8 (expected 0.93, came true 0.81) since about 2026-01-31 03:00 UTC "
        "(2,345 labelled samples since). The evidence reached 1.37 times what raises an alarm; a calibrated model raises "
        "such an alarm at most once a month over all its slices. In force since 2026-02-01 03:00 UTC"
    )


def words(*evidence: Evidence, rule: DriftRule = RULE) -> str:
    (found,) = drift_findings(rule, evidence, {}, START).values()
    return tell_reason(found.why)


def test_an_alarm_without_a_clear_direction_and_of_all_traffic_says_just_that() -> None:
    text = words(replace(ALARM, slice=Slice(), direction="", samples_since_onset=1))
    assert text.startswith(
        "Scores of all traffic have drifted since about 2026-01-31 03:00 UTC (1 labelled sample since). The evidence"
    )


def test_an_alarm_against_a_deployment_speaks_of_the_deployed_model() -> None:
    text = words(ALARM, rule=replace(RULE, reference="deployment", false_alarms_per_year=0.1))
    assert "; a model that stays as it was deployed raises such an alarm at most once in ten years over all" in text


def test_an_alarm_says_why_its_budget_is_not_guaranteed_while_that_is_so() -> None:
    late = "labels of negatives arrive later than those of positives (median 9 h against 2 h)"
    text = words(replace(ALARM, caveat=late))
    assert text.endswith(
        "raises such an alarm at most once a month over all its slices, which is not guaranteed while labels of negatives "
        "arrive later than those of positives (median 9 h against 2 h)."
    )


def test_a_stream_whose_reference_does_not_stand_yet_is_not_judged() -> None:
    waiting = replace(QUIET, ratio=0.0, reference_missing=1200, calibrator="")
    assert words(waiting) == (
        "drift is not judged yet: its reference lacks 1,200 labelled samples, scores as they come since 2025-12-23 03:00 UTC"
    )


def test_a_stream_whose_reference_does_not_stand_yet_is_unknown_until_it_does_and_then_healthy() -> None:
    waiting, judged = replace(QUIET, ratio=0.0, reference_missing=1200), replace(QUIET, slice=C4)
    prior: dict[AlertKey, Alert] = {}
    for hour in range(3):
        prior = evaluate(prior, START + hour * HOUR, waiting, judged)
        (alert,) = prior.values()
        assert (alert.slice, alert.state, alert.health, alert.value) == (C3, AlertState.INACTIVE, Health.UNKNOWN, None)
        assert (alert.why.code, alert.why.values["lacking"]) == (Code.DRIFT_NOT_JUDGED, 1200)
    alert = evaluate(prior, START + 3 * HOUR, QUIET, judged)["v1", C3]
    assert (alert.state, alert.health, alert.value) == (AlertState.INACTIVE, Health.OK, 0.25)
    assert evaluate(prior, START + 3 * HOUR, judged) == {}, "a stream that is gone is unknown no more"


def test_an_alert_that_fires_stays_while_a_new_stream_lacks_its_reference() -> None:
    fired = evaluate({}, START, ALARM)
    alert = evaluate(fired, START + HOUR, replace(QUIET, ratio=0.0, reference_missing=50))["v1", C3]
    assert (alert.state, alert.health) == (AlertState.FIRING, Health.UNKNOWN)
    assert alert.since == fired["v1", C3].since


def test_evidence_without_an_alarm_says_how_much_there_is_and_of_what() -> None:
    (found,) = drift_findings(RULE, (QUIET,), {}, START).values()
    assert (found.holds, found.value, found.onset) == (False, 0.25, None)
    assert tell_reason(found.why) == (
        "drift evidence is 0.25 of what raises an alarm, calibrator cal-7 since 2025-12-23 03:00 UTC"
    )
    (bare,) = drift_findings(RULE, (replace(QUIET, calibrator=""),), {}, START).values()
    assert tell_reason(bare.why) == (
        "drift evidence is 0.25 of what raises an alarm, scores as they come since 2025-12-23 03:00 UTC"
    )
    assert evaluate({}, START, QUIET) == {}


@pytest.mark.parametrize("late", [timedelta(0), 5 * DAY, 10 * DAY, 100 * DAY])
@pytest.mark.parametrize("step_", [HOUR, DAY])
def test_an_alarm_on_late_labels_fires_when_it_is_told_and_is_quiet_in_labels_or_since_then(
    late: timedelta, step_: timedelta
) -> None:
    """Whichever comes first: labels of a week after it, or a week on the clock when no more labels come."""
    told_at = START + late
    alarm = replace(ALARM, until=START, told_at=told_at)
    fired = evaluate({}, told_at, alarm)
    assert fired["v1", C3].state is AlertState.FIRING
    for labelled in (timedelta(0), DAY, QUIET_AFTER_DRIFT - HOUR):
        seen = replace(alarm, until=START + labelled)
        held = evaluate(fired, told_at + max(step_, labelled), seen)
        assert held["v1", C3].state is AlertState.FIRING
        assert evaluate(held, told_at + QUIET_AFTER_DRIFT, seen)["v1", C3].state is AlertState.RESOLVED
    over = replace(alarm, until=START + QUIET_AFTER_DRIFT)
    early = max(told_at + step_, START + QUIET_AFTER_DRIFT)
    assert evaluate(fired, early, over)["v1", C3].state is AlertState.RESOLVED
    assert evaluate({}, early, over) == {}, "a history that says it is over fires nothing"


@pytest.mark.parametrize(
    ("took", "quiet_after"),
    [(HOUR, QUIET_AFTER_DRIFT), (2 * DAY, QUIET_AFTER_DRIFT), (5 * DAY, 15 * DAY)],
)
def test_a_drift_holds_until_a_week_is_quiet_or_three_times_as_long_as_it_took(
    took: timedelta, quiet_after: timedelta
) -> None:
    alarm = replace(ALARM, onset=START - took)
    prior = evaluate({}, START, alarm)
    still = evaluate(prior, START + quiet_after - HOUR, alarm)
    assert still["v1", C3].state is AlertState.FIRING
    healed = evaluate(still, START + quiet_after, alarm)["v1", C3]
    assert (healed.state, healed.reason) == (
        AlertState.RESOLVED,
        "no further drift alarm since 2026-02-01 03:00 UTC",
    )


def test_another_alarm_begins_the_quiet_anew() -> None:
    again = replace(ALARM, alarm_at=START + 6 * DAY, onset=START + 5 * DAY)
    prior = evaluate({}, START, ALARM)
    prior = evaluate(prior, START + 6 * DAY, again)
    assert evaluate(prior, START + 8 * DAY, again)["v1", C3].state is AlertState.FIRING
    assert evaluate(prior, START + 13 * DAY, again)["v1", C3].state is AlertState.RESOLVED


def test_a_later_alarm_tells_the_same_onset_as_its_alert_and_what_the_alarm_itself_speaks_of() -> None:
    again = replace(ALARM, alarm_at=START + 6 * DAY, onset=START + 5 * DAY, samples_since_onset=700)
    prior = evaluate({}, START, ALARM)
    alert = evaluate(prior, START + 6 * DAY, again)["v1", C3]
    assert alert.onset == START - DAY
    assert alert.reason.startswith(
        "Scores of camera=c3 are over-confident above 0.8 (expected 0.93, came true 0.81) since about 2026-01-31 03:00 UTC "
        "(newest alarm 2026-02-07 03:00 UTC, on 700 labelled samples). The evidence reached 1.37 times"
    )
    assert "2026-02-06" not in alert.reason


def test_an_alert_that_sees_several_alarms_at_once_has_the_onset_of_the_first() -> None:
    """As when history comes in one cycle: a first start, or after days without a daemon."""
    again = replace(ALARM, alarm_at=START + 6 * DAY, onset=START + 5 * DAY, began=START - DAY)
    alert = evaluate({}, START + 6 * DAY, again)["v1", C3]
    assert alert.onset == START - DAY
    assert (
        "since about 2026-01-31 03:00 UTC (newest alarm 2026-02-07 03:00 UTC, on 2,345 labelled samples)"
        in alert.reason
    )


def test_a_drift_that_comes_back_after_it_was_over_begins_anew() -> None:
    prior = evaluate({}, START, ALARM)
    over = evaluate(prior, START + 8 * DAY, ALARM)
    again = replace(ALARM, alarm_at=START + 9 * DAY, onset=START + 8 * DAY)
    alert = evaluate(over, START + 9 * DAY, again)["v1", C3]
    assert alert.onset == START + 8 * DAY
    assert "since about 2026-02-09 03:00 UTC (2,345 labelled samples since)" in alert.reason


def test_an_alarm_seen_only_after_its_quiet_was_over_fires_no_more() -> None:
    assert evaluate({}, START + QUIET_AFTER_DRIFT, ALARM) == {}


def test_a_model_without_any_evidence_leaves_a_drift_firing_with_unknown_health() -> None:
    prior = evaluate({}, START, ALARM)
    kept = evaluate(prior, START + 30 * DAY)["v1", C3]
    assert (kept.state, kept.health, kept.value) == (AlertState.FIRING, Health.UNKNOWN, 0.0)
    assert kept.reason == "drift evidence is unknown for this slice; stays firing"


def test_evidence_of_another_rule_alone_leaves_a_drift_firing_with_unknown_health() -> None:
    prior = evaluate({}, START, ALARM)
    kept = evaluate(prior, START + HOUR, replace(QUIET, rule="drift-info"))["v1", C3]
    assert (kept.state, kept.health) == (AlertState.FIRING, Health.UNKNOWN)
    assert evaluate({}, START, replace(ALARM, rule="drift-info")) == {}


def test_a_closed_stream_of_evidence_resolves_its_drift_and_says_so() -> None:
    prior = evaluate({}, START, ALARM)
    after = evaluate(prior, START + HOUR, replace(QUIET, version="v2"))
    assert set(after) == {("v1", C3)}
    closed = after["v1", C3]
    assert (closed.state, closed.resolved_at) == (AlertState.RESOLVED, START + HOUR)
    assert closed.reason == "its stream of evidence is closed: another model version is in use"
    assert evaluate(after, START + HOUR + RESOLVED_SHOWN, replace(QUIET, version="v2")) == {}


def test_a_slice_that_left_while_its_version_stayed_resolves_its_drift() -> None:
    prior = evaluate({}, START, ALARM)
    gone = evaluate(prior, START + HOUR, replace(QUIET, slice=C4))["v1", C3]
    assert gone.state is AlertState.RESOLVED


def test_a_new_calibrator_resolves_a_drift_and_is_named() -> None:
    prior = evaluate({}, START, ALARM)
    fresh = replace(QUIET, calibrator="cal-8", opened=START + HOUR, until=START + 2 * HOUR, ratio=0.1)
    healed = evaluate(prior, START + 2 * HOUR, fresh)["v1", C3]
    assert (healed.state, healed.value) == (AlertState.RESOLVED, 0.1)
    assert healed.reason == (
        "drift evidence is 0.1 of what raises an alarm, calibrator cal-8 since 2026-02-01 04:00 UTC"
    )


def test_a_drift_rule_leaves_out_slices_it_does_not_cover() -> None:
    assert evaluate({}, START, ALARM, rule=replace(RULE, orders=(0, 2))) == {}
    assert evaluate({}, START, ALARM, rule=replace(RULE, only=C4)) == {}


# ── over random histories ─────────────────────────────────────────────────────────────────────────────────────────

MOMENTS = st.lists(
    st.tuples(st.integers(1, 200), st.booleans(), st.integers(0, 200)), max_size=30
)  # hours since the look before, whether an alarm came then, hours that its drift took


@given(MOMENTS)
def test_a_drift_fires_exactly_while_its_newest_alarm_is_in_force(moments: list[tuple[int, bool, int]]) -> None:
    """Oracle: an alarm is in force for a week, or three times the hours it took; only the newest counts."""
    at, evidence, ends = START, QUIET, START
    prior: dict[AlertKey, Alert] = {}
    for hours, alarmed, took in moments:
        at += hours * HOUR
        if alarmed:
            evidence = replace(ALARM, alarm_at=at, onset=at - took * HOUR)
            ends = at + max(168, 3 * took) * HOUR
        prior = evaluate(prior, at, evidence)
        alert = prior.get(("v1", C3))
        assert (alert is not None and alert.state is AlertState.FIRING) == (at < ends)
        assert alert is None or alert.state is not AlertState.FIRING or alert.onset is not None
