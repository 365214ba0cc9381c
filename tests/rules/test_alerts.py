"""The alert state machine: examples of each turn."""

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.model import Alert, AlertState, Health, LastSeen, ReadingState, Severity, Slice
from monitor.model.reasons import Reason
from monitor.rules.conditions import AlertKey, is_covered
from monitor.rules.state import RESOLVED_SHOWN, due_actions, is_transition, note_actions, retire_alert
from tests.worlds.alerts import ALL, C3, HOUR, LABELS, NIGHT, RULE, START, evaluate, last, play, reading, states


def test_an_alert_goes_from_pending_over_firing_to_resolved_and_at_last_inactive() -> None:
    history = play(RULE, [0.01, 0.09, 0.09, 0.083, 0.012, *[0.012] * 24])
    assert states(history)[:5] == ["-", "pending", "pending", "firing", "resolved"]
    assert states(history)[5:] == ["resolved"] * 23 + ["inactive"]
    fired, resolved = history[3], history[4]
    assert fired is not None
    assert resolved is not None
    assert (fired.since, fired.fired_at, fired.last_true_at) == (START + HOUR, START + 3 * HOUR, START + 3 * HOUR)
    assert fired.severity is Severity.TICKET
    assert fired.reason == "ece_lower 0.083 is above 0.05 over 24h (1,204 samples) since 2026-02-01 04:00 UTC"
    assert resolved.resolved_at == START + 4 * HOUR
    assert resolved.reason == "ece_lower 0.012 is below 0.03 over 24h (1,204 samples)"


def test_the_onset_is_the_start_of_the_window_that_first_held_the_condition() -> None:
    fired = last(play(RULE, [0.01, 0.09, 0.09, 0.09]))
    assert fired.onset == START + HOUR - timedelta(hours=25)


def test_negative_numbers_have_a_true_minus_sign() -> None:
    rule = replace(
        RULE, metric="calibration_gap", above=None, clear_below=None, below=-0.05, clear_above=-0.02, hold=HOUR * 0
    )
    for value, told in ((-0.083, "−0.083 is below −0.05"), (-0.05000001, "−0.05000001 is below −0.05")):
        alert = evaluate(rule, {}, START, reading(value, START, metric="calibration_gap"))["v1", NIGHT]
        assert alert.reason.startswith(f"calibration_gap {told} over 24h"), alert.reason


@pytest.mark.parametrize(
    ("value", "told"),
    [(361_376.0, "4d4h is above 3d"), (259_230.0, "3d30s is above 3d"), (900_000.0, "10d10h is above 3d")],
)
def test_a_metric_in_seconds_is_told_as_lengths_of_time_that_differ(value: float, told: str) -> None:
    rule = replace(RULE, metric="label_lag_seconds", above=259_200.0, clear_below=None, hold=HOUR * 0)
    seen = replace(reading(0.1, START), label_lag_seconds=value)
    alert = evaluate(rule, {}, START, seen)["v1", NIGHT]
    assert alert.reason.startswith(f"label_lag_seconds {told} over 24h (1,204 samples)"), alert.reason


def test_a_lag_that_is_unknown_says_why() -> None:
    rule = replace(RULE, metric="label_lag_seconds", above=259_200.0, clear_below=None, hold=HOUR * 0)
    before = evaluate(rule, {}, START, replace(reading(0.1, START), label_lag_seconds=900_000.0))
    after = evaluate(rule, before, START + HOUR, replace(reading(0.1, START + HOUR), label_lag_seconds=None))
    assert "labels from before calwatch first read their source, which say no labelled_at" in after["v1", NIGHT].reason


def test_without_a_hold_the_condition_fires_at_once() -> None:
    assert states(play(replace(RULE, hold=timedelta(0)), [0.09])) == ["firing"]


def test_a_pending_alert_that_no_longer_holds_is_inactive_and_starts_anew() -> None:
    history = play(RULE, [0.09, 0.04, 0.09, 0.09, 0.09])
    assert states(history) == ["pending", "inactive", "pending", "pending", "firing"]


def test_between_the_bounds_a_firing_alert_stays_and_a_quiet_one_does_not_start() -> None:
    history = play(replace(RULE, hold=timedelta(0)), [0.04, 0.09, 0.04, 0.03, 0.029])
    assert states(history) == ["-", "firing", "firing", "firing", "resolved"]
    between = history[2]
    assert between is not None
    assert between.reason == (
        "ece_lower 0.04 is above 0.03, where it clears, over 24h (1,204 samples) since 2026-02-01 04:00 UTC"
    )


def test_a_value_at_the_bound_is_not_above_it() -> None:
    assert states(play(replace(RULE, hold=timedelta(0)), [0.05])) == ["-"]
    below = replace(RULE, hold=timedelta(0), above=None, clear_below=None, below=0.05)
    assert states(play(below, [0.05, 0.049])) == ["-", "firing"]


def test_below_mirrors_above_with_its_own_clearing_bound() -> None:
    rule = replace(RULE, hold=timedelta(0), above=None, clear_below=None, below=0.5, clear_above=0.6)
    history = play(rule, [0.55, 0.45, 0.55, 0.6, 0.61])
    assert states(history) == ["-", "firing", "firing", "firing", "resolved"]
    assert last(history).reason == "ece_lower 0.61 is above 0.6 over 24h (1,204 samples)"


def test_a_value_just_above_the_bound_is_told_with_the_digits_that_show_it() -> None:
    fired = last(play(replace(RULE, hold=timedelta(0)), [0.0500001]))
    assert fired.reason.startswith("ece_lower 0.0500001 is above 0.05 over 24h")


def test_an_alert_keeps_firing_for_a_while_after_the_condition_ended() -> None:
    history = play(replace(RULE, hold=timedelta(0), keep_firing_for=2 * HOUR), [0.09, 0.01, 0.01])
    assert states(history) == ["firing", "firing", "resolved"]
    kept = history[1]
    assert kept is not None
    assert (
        kept.reason == "ece_lower 0.01 is below 0.03 over 24h (1,204 samples); kept firing until 2026-02-01 05:00 UTC"
    )


def test_an_alert_that_comes_back_forgets_when_it_fired_before() -> None:
    again = last(play(RULE, [0.09, 0.09, 0.09, 0.01, 0.09]))
    assert again.state is AlertState.PENDING
    assert (again.since, again.fired_at, again.resolved_at, again.onset) == (START + 4 * HOUR, None, None, None)


def test_an_unknown_value_keeps_the_state_and_the_last_value() -> None:
    alert = last(play(replace(RULE, hold=timedelta(0)), [0.09, None, float("nan")]))
    assert (alert.state, alert.health, alert.value) == (AlertState.FIRING, Health.UNKNOWN, 0.09)
    assert alert.reason == "ece_lower is unknown over 24h (1,204 samples); stays firing"


def test_too_few_samples_are_unknown_whatever_the_value() -> None:
    assert states(play(RULE, [0.9, 0.9, 0.9], samples=199)) == ["-", "-", "-"]
    assert states(play(RULE, [0.9, 0.9, 0.9], samples=200)) == ["pending", "pending", "firing"]


def test_an_insufficient_reading_is_unknown_for_metrics_and_known_for_counts() -> None:
    few = reading(0.9, START, samples=5, state=ReadingState.INSUFFICIENT)
    anything = replace(RULE, hold=timedelta(0), min_samples=0)
    assert evaluate(anything, {}, START, few) == {}
    counting = replace(anything, metric="samples", above=None, clear_below=None, below=100)
    fired = evaluate(counting, {}, START, few)["v1", NIGHT]
    assert fired.reason == "samples 5 is below 100 over 24h since 2026-02-01 03:00 UTC"


def test_a_pending_alert_does_not_advance_while_unknown_and_that_time_does_not_count() -> None:
    history = play(RULE, [0.09, None, None, None, 0.09, 0.09, 0.09])
    assert states(history) == ["pending", "pending", "pending", "pending", "pending", "pending", "firing"]
    silent = history[3]
    assert silent is not None
    assert (silent.health, silent.since) == (Health.UNKNOWN, START)


def test_a_slice_gone_from_every_window_is_resolved_with_that_reason_and_later_left_out() -> None:
    rule = replace(RULE, hold=timedelta(0))
    prior = evaluate(rule, {}, START, reading(0.09, START))
    gone = evaluate(rule, prior, START + HOUR, reading(0.01, START, slice_=C3))["v1", NIGHT]
    assert (gone.state, gone.resolved_at) == (AlertState.RESOLVED, START + HOUR)
    assert gone.reason == "slice camera=c3,lighting=night has no samples in any window any more"
    much_later = START + HOUR + RESOLVED_SHOWN
    assert evaluate(rule, {("v1", NIGHT): gone}, much_later, reading(0.01, START, slice_=C3)) == {}


def test_a_retired_version_is_resolved_with_that_reason() -> None:
    rule = replace(RULE, hold=timedelta(0))
    prior = evaluate(rule, {}, START, reading(0.09, START))
    gone = evaluate(rule, prior, START + HOUR, reading(0.01, START, version="v2"))["v1", NIGHT]
    assert gone.state is AlertState.RESOLVED
    assert gone.reason == "version v1 has no samples in any window any more"


def test_a_slice_that_still_has_another_window_is_unknown_and_not_gone() -> None:
    rule = replace(RULE, hold=timedelta(0))
    prior = evaluate(rule, {}, START, reading(0.09, START))
    kept = evaluate(rule, prior, START + HOUR, reading(0.01, START, window="7d"))["v1", NIGHT]
    assert (kept.state, kept.health) == (AlertState.FIRING, Health.UNKNOWN)
    assert kept.reason == "ece_lower is unknown: no reading over 24h; stays firing"


def test_a_model_without_any_reading_is_silent_and_nothing_of_it_is_gone() -> None:
    rule = replace(RULE, hold=timedelta(0))
    prior = evaluate(rule, {}, START, reading(0.09, START))
    kept = evaluate(rule, prior, START + 30 * RESOLVED_SHOWN)["v1", NIGHT]
    assert (kept.state, kept.health) == (AlertState.FIRING, Health.UNKNOWN)


def test_a_rule_that_no_longer_covers_a_slice_resolves_its_alert() -> None:
    rule = replace(RULE, hold=timedelta(0))
    prior = evaluate(rule, {}, START, reading(0.09, START))
    left = evaluate(replace(rule, orders=(0,)), prior, START + HOUR, reading(0.09, START))["v1", NIGHT]
    assert (left.state, left.reason) == (AlertState.RESOLVED, 'rule "ece-high" no longer covers this slice')


def test_a_withdrawn_rule_resolves_what_fires_and_drops_what_is_inactive() -> None:
    firing = last(play(replace(RULE, hold=timedelta(0)), [0.09]))
    retired = retire_alert(firing, START + HOUR, Reason.from_text("the rule was removed"))
    assert retired is not None
    assert (retired.state, retired.reason) == (AlertState.RESOLVED, "the rule was removed")
    assert (
        retire_alert(replace(firing, state=AlertState.INACTIVE), START + HOUR, Reason.from_text("the rule was removed"))
        is None
    )


def test_a_rule_covers_the_orders_it_names_inside_only() -> None:
    assert is_covered(replace(RULE, orders=(2,)), Slice.of({"a": "1", "b": "2", "c": "3"}))
    assert not is_covered(replace(RULE, orders=(0, 1)), NIGHT)
    assert is_covered(replace(RULE, only=C3), NIGHT)
    assert not is_covered(replace(RULE, only=C3), ALL)


def test_each_version_and_slice_has_its_own_alert_in_a_steady_order() -> None:
    rule = replace(RULE, hold=timedelta(0))
    both = [reading(0.09, START, version=v, slice_=s) for v in ("v2", "v1") for s in (NIGHT, C3, ALL)]
    assert list(evaluate(rule, {}, START, *both)) == [(v, s) for v in ("v1", "v2") for s in (ALL, C3, NIGHT)]


def test_absence_fires_once_the_newest_is_older_than_allowed() -> None:
    seen = [LastSeen(ALL, START, START)]
    assert evaluate(LABELS, {}, START + 2 * HOUR, last_seen=seen) == {}
    fired = evaluate(LABELS, {}, START + 2 * HOUR + timedelta(minutes=1), last_seen=seen)["", ALL]
    assert (fired.state, fired.value, fired.onset) == (AlertState.FIRING, 7260.0, START)
    assert fired.reason == (
        "no labels for 2h1m (last at 2026-02-01 03:00 UTC), longer than 2h since 2026-02-01 05:01 UTC"
    )
    fresh = [LastSeen(ALL, START, START + 3 * HOUR)]
    healed = evaluate(LABELS, {("", ALL): fired}, START + 4 * HOUR, last_seen=fresh)["", ALL]
    assert healed.state is AlertState.RESOLVED
    assert healed.reason == "newest labels are 1h old (last at 2026-02-01 06:00 UTC), not older than 2h"


def test_absence_looks_at_the_times_it_names() -> None:
    seen = [LastSeen(ALL, START + 3 * HOUR, START)]
    at = START + 4 * HOUR
    assert evaluate(LABELS, {}, at, last_seen=seen)["", ALL].state is AlertState.FIRING
    assert evaluate(replace(LABELS, absent="samples"), {}, at, last_seen=seen) == {}
    pulls = replace(LABELS, absent="pulls")
    assert evaluate(pulls, {}, at, last_seen=seen, last_pull=START + 3 * HOUR) == {}
    assert evaluate(pulls, {}, at, last_seen=seen, last_pull=START)["", ALL].state is AlertState.FIRING


def test_what_was_never_seen_is_unknown_first_and_fires_when_it_was_awaited_too_long() -> None:
    waiting = evaluate(LABELS, {}, START + HOUR)
    alert = waiting["", ALL]
    assert (alert.state, alert.health) == (AlertState.INACTIVE, Health.UNKNOWN)
    assert alert.reason == "no labels were seen yet, waiting since 2026-02-01 03:00 UTC"
    fired = evaluate(LABELS, waiting, START + 3 * HOUR)
    assert fired["", ALL].state is AlertState.FIRING
    assert evaluate(LABELS, fired, START + 4 * HOUR)["", ALL].state is AlertState.FIRING
    came = [LastSeen(ALL, START + 5 * HOUR, START + 5 * HOUR)]
    assert evaluate(LABELS, fired, START + 5 * HOUR, last_seen=came)["", ALL].state is AlertState.RESOLVED


def test_a_slice_that_is_new_is_waited_for_from_its_own_first_sight() -> None:
    rule = replace(LABELS, orders=(1,))
    new_camera = [LastSeen(C3, START + 9000 * HOUR, None)]
    at = START + 9000 * HOUR
    waiting = evaluate(rule, {}, at, last_seen=new_camera)
    assert waiting["", C3].health is Health.UNKNOWN
    waiting = evaluate(rule, waiting, at + 2 * HOUR, last_seen=new_camera)
    assert waiting["", C3].state is AlertState.INACTIVE
    fired = evaluate(rule, waiting, at + 3 * HOUR, last_seen=new_camera)
    assert fired["", C3].state is AlertState.FIRING
    still = evaluate(rule, fired, at + 4 * HOUR, last_seen=new_camera)["", C3]
    assert (still.state, still.health) == (AlertState.FIRING, Health.OK)


def test_an_absence_of_a_slice_gone_from_memory_resolves_unless_all_are_gone() -> None:
    rule = replace(LABELS, orders=(1,))
    fired = evaluate(rule, {}, START + 3 * HOUR, last_seen=[LastSeen(C3, START, START)])
    c4 = Slice.of({"camera": "c4"})
    others = evaluate(rule, fired, START + 4 * HOUR, last_seen=[LastSeen(c4, START + 4 * HOUR, START + 4 * HOUR)])
    assert others["", C3].state is AlertState.RESOLVED
    kept = evaluate(rule, fired, START + 4 * HOUR)["", C3]
    assert (kept.state, kept.health) == (AlertState.FIRING, Health.UNKNOWN)


def test_actions_run_on_firing_and_again_every_cooldown_while_the_condition_holds() -> None:
    rule = replace(RULE, hold=timedelta(0), keep_firing_for=100 * HOUR)
    prior: dict[AlertKey, Alert] = {}
    runs = []
    for hour in range(60):
        at = START + hour * HOUR
        prior = evaluate(rule, prior, at, reading(0.09 if hour < 40 else 0.01, at))
        alert = prior["v1", NIGHT]
        if due_actions(rule, alert, at):
            runs.append(hour)
            prior = {("v1", NIGHT): note_actions(alert, at)}
    assert runs == [0, 24]  # not at 48: still firing, but the condition ended at 40


def test_actions_that_a_crash_kept_from_running_run_at_the_next_step() -> None:
    rule = replace(RULE, hold=timedelta(0))
    fired = evaluate(rule, {}, START, reading(0.09, START))
    later = evaluate(rule, fired, START + HOUR, reading(0.09, START + HOUR))["v1", NIGHT]
    assert due_actions(rule, later, START + HOUR) == ("recalibrate",)
    assert due_actions(rule, note_actions(later, START + HOUR), START + HOUR) == ()


def test_actions_run_again_when_the_alert_fires_anew() -> None:
    rule = replace(RULE, hold=timedelta(0))
    prior = evaluate(rule, {}, START, reading(0.09, START))
    prior = {key: note_actions(alert, START) for key, alert in prior.items()}
    for hour, value in ((1, 0.01), (2, 0.09)):
        at = START + hour * HOUR
        prior = evaluate(rule, prior, at, reading(value, at))
    assert due_actions(rule, prior["v1", NIGHT], START + 2 * HOUR) == ("recalibrate",)


def test_a_change_of_health_is_no_transition() -> None:
    pending, unknown = play(RULE, [0.09, None])
    assert pending is not None
    assert unknown is not None
    assert is_transition(None, pending)
    assert not is_transition(pending, unknown)
    assert not is_transition(None, replace(pending, state=AlertState.INACTIVE))
