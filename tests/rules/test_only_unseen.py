"""A rule whose `only` names what no sample is of: it watches nothing, which is unknown and not healthy."""

from dataclasses import replace

import pytest

from monitor.model import Alert, AlertState, Health, LastSeen, Rule, Slice
from monitor.model.reasons import Code
from monitor.rules.conditions import AlertKey, find_unseen, find_unseen_scope
from tests.worlds.alerts import C3, HOUR, LABELS, NIGHT, RULE, START, evaluate, reading

NIGTH = Slice.of({"lighting": "nigth"})
DAY = Slice.of({"lighting": "day"})
SEEN = [LastSeen(slice_, START, START) for slice_ in (Slice(), NIGHT, Slice.of({"lighting": "night"}), DAY)]


@pytest.mark.parametrize("orders", [(1,), (2,)])
def test_it_is_unknown_for_what_it_names_and_stays_so(orders: tuple[int, ...]) -> None:
    rule, prior = replace(RULE, only=NIGTH, orders=orders), dict[AlertKey, Alert]()
    for hour in range(3):
        now = START + hour * HOUR
        prior = evaluate(rule, prior, now, reading(0.01, now), last_seen=SEEN)
        (alert,) = prior.values()
        assert (alert.version, alert.slice, alert.state, alert.health) == (
            "",
            NIGTH,
            AlertState.INACTIVE,
            Health.UNKNOWN,
        )
        assert alert.why.code == Code.ONLY_UNSEEN
    assert alert.reason == (
        "this rule watches nothing: no sample of lighting=nigth was seen yet: "
        'lighting="nigth" is not among day, night, did you mean "night"?'
    )


def test_it_is_told_no_more_once_such_a_sample_comes() -> None:
    rule = replace(RULE, only=NIGTH, orders=(1,))
    before = evaluate(rule, {}, START, reading(0.01, START), last_seen=SEEN)
    now = START + HOUR
    after = evaluate(rule, before, now, reading(0.01, now, slice_=NIGTH), last_seen=[*SEEN, LastSeen(NIGTH, now, None)])
    assert [alert for alert in after.values() if alert.health is not Health.OK] == []


@pytest.mark.parametrize("rule", [replace(RULE, only=Slice.of({"lighting": "night"}), orders=(1, 2)), RULE])
def test_a_rule_whose_only_was_seen_once_or_that_names_none_is_not_told(rule: Rule) -> None:
    assert evaluate(rule, {}, START, reading(0.01, START, slice_=C3), last_seen=SEEN) == {}


def test_nothing_is_said_while_the_model_has_no_sample() -> None:
    assert evaluate(replace(RULE, only=NIGTH, orders=(1,)), {}, START) == {}


def test_an_absence_rule_fires_for_it_as_it_always_did() -> None:
    rule = replace(LABELS, only=NIGTH, orders=(1,))
    before = evaluate(rule, {}, START, last_seen=SEEN)
    (alert,) = evaluate(rule, before, START + 3 * HOUR, last_seen=SEEN).values()
    assert (alert.slice, alert.state) == (NIGTH, AlertState.FIRING)


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ({"camera": "C3"}, 'camera="C3" is not among c3, did you mean "c3"?'),
        ({"shift": "day"}, 'shift="day" is not among none'),
        ({"camera": "c3", "lighting": "day"}, "its values come, but never together"),
        ({"camera": "c3"}, None),
        ({}, None),
    ],
)
def test_what_there_is_instead_is_told(only: dict[str, str], told: str | None) -> None:
    assert find_unseen(Slice.of(only), [seen.slice for seen in SEEN]) == told


@pytest.mark.parametrize(
    ("scope", "most", "told"),
    [
        ({"camera": "c3", "lighting": "day"}, 2, "its values come, but never together"),
        # slices of two dimensions are not shown: nobody knows which come together
        ({"camera": "c3", "lighting": "day"}, 1, None),
        ({"camera": "C3", "lighting": "day"}, 1, 'camera="C3" is not among c3, did you mean "c3"?'),
        ({"camera": "none"}, 0, None),
    ],
)
def test_of_a_scope_finer_than_what_is_shown_each_value_is_looked_for(
    scope: dict[str, str], most: int, told: str | None
) -> None:
    assert find_unseen_scope(Slice.of(scope), [seen.slice for seen in SEEN], most) == told
