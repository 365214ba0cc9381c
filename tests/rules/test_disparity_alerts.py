"""Disparity rules in the alert state machine: named for certain, kept while it alone is certain, unknown, and gone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import (
    Alert,
    AlertState,
    Disparity,
    DisparityRule,
    Health,
    Reading,
    ReadingState,
    Severity,
    Slice,
)
from monitor.model.words import tell_reason
from monitor.rules.conditions import AlertKey, disparity_findings
from monitor.rules.state import Observations, evaluate_rule

START = datetime(2026, 2, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
C3, C4 = Slice.of({"camera": "c3"}), Slice.of({"camera": "c4"})
RULE = DisparityRule(
    name="worse",
    severity=Severity.TICKET,
    origin="p.toml: rule 1",
    orders=(1, 2),
    window="7d",
    measure="gap",
    above=0.0,
    level=0.05,
)
BAD = Disparity(
    model="m",
    version="v1",
    rule="worse",
    slice=C3,
    window="7d",
    window_start=START - timedelta(days=7),
    window_end=START,
    measure="gap",
    samples=1204,
    rest_samples=18332,
    needed_samples=200,
    slices=22,
    own=0.081,
    rest=0.004,
    difference=0.077,
    lower=0.031,
    lower_alone=0.05,
    p_value=0.0003,
)
MENDED = replace(BAD, own=-0.01, rest=0.004, difference=0.006, lower=-0.04, lower_alone=-0.01, p_value=1.0)
UNSURE = replace(BAD, own=0.05, rest=-0.004, difference=0.046, lower=-0.004, lower_alone=0.0121, p_value=0.08)
UNKNOWN = replace(BAD, samples=40, own=None, rest=None, difference=None, lower=None, lower_alone=None, p_value=None)


def evaluate(
    prior: Mapping[AlertKey, Alert],
    at: datetime,
    *held: Disparity,
    rule: DisparityRule = RULE,
    readings: tuple[Reading, ...] = (),
) -> dict[AlertKey, Alert]:
    found = evaluate_rule(rule, Observations(START, readings, disparities=held), prior, at, model="m")
    return {(alert.version, alert.slice): alert for alert in found}


def reading_of(slice_: Slice, version: str = "v1") -> Reading:
    return Reading(
        model="m",
        version=version,
        slice=slice_,
        window="24h",
        window_start=START - timedelta(days=1),
        window_end=START,
        computed_at=START,
        state=ReadingState.OK,
        samples=500,
        unlabelled=0,
        label_lag_seconds=None,
    )


def test_a_slice_that_is_worse_for_certain_fires_with_all_its_numbers_in_words() -> None:
    alert = evaluate({}, START, BAD)["v1", C3]
    assert (alert.state, alert.health, alert.severity) == (AlertState.FIRING, Health.OK, Severity.TICKET)
    assert (alert.value, alert.onset) == (0.077, BAD.window_start)
    assert alert.reason == (
        "calibration gap +0.081 against +0.004 in the rest of the model: worse by 0.077 (at least 0.031 with 95 % "
        "confidence over 22 slices) over 7d (1,204 samples, rest 18,332) since 2026-02-01 03:00 UTC"
    )


def test_gaps_below_zero_have_a_true_minus_sign() -> None:
    alert = evaluate({}, START, replace(BAD, own=-0.081, rest=-0.004))["v1", C3]
    assert alert.reason.startswith("calibration gap −0.081 against −0.004 in the rest of the model: worse by 0.077 (")


def test_the_difference_that_is_allowed_is_told_and_must_be_passed_for_certain() -> None:
    rule = replace(RULE, measure="error", above=0.03, level=0.01)
    held = replace(BAD, measure="error", slices=1)
    alert = evaluate({}, START, held, rule=rule)["v1", C3]
    assert alert.reason == (
        "debiased ECE 0.081 against 0.004 in the rest of the model: worse by 0.077 (at least 0.031 with 99 % "
        "confidence over 1 slice, 0.03 is allowed) over 7d (1,204 samples, rest 18,332) since 2026-02-01 03:00 UTC"
    )
    assert evaluate({}, START, held, rule=replace(rule, above=0.031)) != {}  # Holm's bound is the allowed difference
    assert evaluate({}, START, held, rule=replace(rule, above=0.0311)) == {}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (
            UNSURE,
            "calibration gap +0.050 against −0.004 in the rest of the model: worse by 0.046 (which luck can bring among "
            "22 slices) over 7d (1,204 samples, rest 18,332)",
        ),
        (
            replace(MENDED, own=0.001, difference=-0.003),
            "calibration gap +0.001 against +0.004 in the rest of the model: better by 0.003 over 7d "
            "(1,204 samples, rest 18,332)",
        ),
    ],
)
def test_what_is_not_certain_does_not_fire_and_says_so(held: Disparity, words: str) -> None:
    (found,) = disparity_findings(RULE, (held,), {}).values()
    assert (found.holds, tell_reason(found.why)) == (False, words)
    assert evaluate({}, START, held) == {}


def test_a_firing_disparity_clears_only_when_the_slice_alone_is_no_longer_certainly_worse() -> None:
    prior = evaluate({}, START, BAD)
    kept = evaluate(prior, START + HOUR, UNSURE)
    assert kept["v1", C3].state is AlertState.FIRING
    assert kept["v1", C3].reason == (
        "calibration gap +0.050 against −0.004 in the rest of the model: worse by 0.046 (still at least 0.0121 with 90 % "
        "confidence for this slice alone) over 7d (1,204 samples, rest 18,332) since 2026-02-01 03:00 UTC"
    )
    healed = evaluate(kept, START + 2 * HOUR, MENDED)["v1", C3]
    assert (healed.state, healed.resolved_at, healed.value) == (AlertState.RESOLVED, START + 2 * HOUR, 0.006)
    pending = evaluate({}, START, BAD, rule=replace(RULE, hold=6 * HOUR))
    assert pending["v1", C3].state is AlertState.PENDING
    lapsed = evaluate(pending, START + HOUR, UNSURE, rule=replace(RULE, hold=6 * HOUR))
    assert lapsed["v1", C3].state is AlertState.INACTIVE, "hysteresis is for what fires, not for what waits"


def test_too_few_samples_neither_raise_nor_heal() -> None:
    assert evaluate({}, START, UNKNOWN) == {}
    kept = evaluate(evaluate({}, START, BAD), START + HOUR, UNKNOWN)["v1", C3]
    assert (kept.state, kept.health, kept.value) == (AlertState.FIRING, Health.UNKNOWN, 0.077)
    assert kept.reason == (
        "calibration gap against the rest of the model is unknown over 7d (40 samples, rest 18,332; 200 needed in both); "
        "stays firing"
    )


def test_silence_keeps_the_state_and_a_slice_that_left_is_resolved() -> None:
    prior = evaluate({}, START, BAD)
    silent = evaluate(prior, START + HOUR, readings=(reading_of(C3),))["v1", C3]
    assert (silent.state, silent.health) == (AlertState.FIRING, Health.UNKNOWN)
    assert silent.reason == "the difference from the rest of the model is unknown: no reading over 7d; stays firing"
    gone = evaluate(prior, START + HOUR, readings=(reading_of(C4),))["v1", C3]
    assert (gone.state, gone.reason) == (AlertState.RESOLVED, "slice camera=c3 has no samples in any window any more")
    replaced = evaluate(prior, START + HOUR, readings=(reading_of(C3, "v2"),))["v1", C3]
    assert (replaced.state, replaced.reason) == (
        AlertState.RESOLVED,
        "version v1 has no samples in any window any more",
    )


def test_disparities_of_other_rules_and_slices_outside_the_rule_are_left_out() -> None:
    assert evaluate({}, START, replace(BAD, rule="other")) == {}
    assert evaluate({}, START, BAD, rule=replace(RULE, only=C4)) == {}
    assert evaluate({}, START, BAD, rule=replace(RULE, orders=(2,))) == {}


MOMENTS = st.lists(st.sampled_from([BAD, UNSURE, MENDED, UNKNOWN]), max_size=20)


@given(MOMENTS)
def test_it_fires_from_certainty_over_all_slices_until_certainty_of_the_slice_alone_ends(seen: list[Disparity]) -> None:
    """Oracle: BAD sets, MENDED clears, UNSURE and UNKNOWN leave it as it was."""
    prior: dict[AlertKey, Alert] = {}
    firing = False
    for hours, held in enumerate(seen):
        prior = evaluate(prior, START + hours * HOUR, held)
        firing = {BAD: True, MENDED: False}.get(held, firing)
        alert = prior.get(("v1", C3))
        assert (alert is not None and alert.state is AlertState.FIRING) == firing
