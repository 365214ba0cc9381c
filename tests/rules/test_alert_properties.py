"""The alert state machine over random histories."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Alert, AlertState, Health, ThresholdRule
from monitor.rules.conditions import AlertKey
from monitor.rules.state import is_transition
from tests.worlds.alerts import HOUR, NIGHT, RULE, START, evaluate, reading

Look = tuple[int, float | None]  # minutes since the look before, value (None: silence)
LOOKS = st.lists(
    st.tuples(st.integers(1, 180), st.none() | st.sampled_from([0.01, 0.03, 0.04, 0.05, 0.06, 0.5])), max_size=40
)
RULES = st.builds(
    lambda hold, keep, clear: replace(RULE, hold=hold, keep_firing_for=keep, clear_below=clear),
    hold=st.sampled_from([timedelta(0), timedelta(minutes=45), 3 * HOUR]),
    keep=st.sampled_from([timedelta(0), 2 * HOUR]),
    clear=st.sampled_from([None, 0.03, 0.05]),
)
ALLOWED = {
    AlertState.INACTIVE: {AlertState.PENDING, AlertState.FIRING},
    AlertState.PENDING: {AlertState.INACTIVE, AlertState.FIRING},
    AlertState.FIRING: {AlertState.RESOLVED},
    AlertState.RESOLVED: {AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING},
}


def walk(rule: ThresholdRule, looks: list[Look]) -> list[tuple[datetime, float | None, Alert | None]]:
    at, prior = START, dict[AlertKey, Alert]()
    history = []
    for minutes, value in looks:
        at += timedelta(minutes=minutes)
        prior = evaluate(rule, prior, at, reading(value, at))
        history.append((at, value, prior.get(("v1", NIGHT))))
    return history


@given(RULES, LOOKS)
def test_states_change_only_along_the_arrows_and_one_arrow_at_a_time(rule: ThresholdRule, looks: list[Look]) -> None:
    before: Alert | None = None
    for _, _, alert in walk(rule, looks):
        if alert is not None and is_transition(before, alert):
            assert alert.state in ALLOWED[before.state if before else AlertState.INACTIVE]
            if rule.hold:
                assert (before, alert.state) != (None, AlertState.FIRING)
        before = alert


@given(RULES, LOOKS, st.sampled_from([None, 0.01, 0.5]))
def test_looking_twice_at_one_time_changes_nothing_even_when_the_reading_does(
    rule: ThresholdRule, looks: list[Look], other: float | None
) -> None:
    at, prior = START, dict[AlertKey, Alert]()
    for minutes, value in looks:
        at += timedelta(minutes=minutes)
        prior = evaluate(rule, prior, at, reading(value, at))
        assert evaluate(rule, prior, at, reading(value, at)) == prior
        assert {k: v for k, v in evaluate(rule, prior, at, reading(other, at)).items() if k in prior} == prior


@given(RULES, LOOKS)
@settings(max_examples=200)
def test_firing_requires_that_the_condition_was_seen_to_hold_for_the_whole_hold(
    rule: ThresholdRule, looks: list[Look]
) -> None:
    """Oracle: add up the time between looks that both saw the condition; any look that denies it starts anew."""
    held, unbroken, earlier = timedelta(0), False, START
    was_firing = False
    for at, value, alert in walk(rule, looks):
        if value is not None and value > 0.05:
            held += at - earlier if unbroken else timedelta(0)
            unbroken = True
        elif value is not None:
            held, unbroken = timedelta(0), False
        else:
            unbroken = False  # silence: what was held stays, and the time until the next look does not count
        firing = alert is not None and alert.state is AlertState.FIRING
        starts_now = firing and not was_firing
        assert not starts_now or held >= rule.hold
        assert firing or not (unbroken and held >= rule.hold)  # and it is not late either
        was_firing, earlier = firing, at


@given(RULES, LOOKS)
def test_silence_never_changes_a_state(rule: ThresholdRule, looks: list[Look]) -> None:
    before: Alert | None = None
    for _, value, alert in walk(rule, looks):
        if value is None:
            assert (alert.state if alert else None) == (before.state if before else None)
            assert alert is None or alert.health is Health.UNKNOWN
        before = alert


@given(RULES, LOOKS)
def test_a_firing_alert_resolves_only_on_a_value_beyond_the_clearing_bound(
    rule: ThresholdRule, looks: list[Look]
) -> None:
    before: Alert | None = None
    for _, value, alert in walk(rule, looks):
        if (
            before is not None
            and alert is not None
            and before.state is AlertState.FIRING
            and is_transition(before, alert)
        ):
            assert value is not None
            assert value < rule.clear_below if rule.clear_below is not None else value <= 0.05
        before = alert
