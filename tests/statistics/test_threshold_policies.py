"""Policies as people write them, and what they choose in the worked example."""

import numpy as np
import pytest

from monitor.statistics.thresholds.operating_points import minimum_cost, operating_points
from monitor.statistics.thresholds.policies import Policy, parse_policy

SCORES = [0.95, 0.80, 0.60, 0.55, 0.52, 0.40, 0.35, 0.20]
LABELS = [1, 1, 0, 1, 0, 0, 1, 0]
POINTS = operating_points(SCORES, LABELS)


@pytest.mark.parametrize(
    ("text", "policy", "threshold"),
    [
        ("f1", Policy("f1", "fbeta"), 0.55),
        ("fbeta:2", Policy("fbeta:2", "fbeta", beta=2.0), 0.35),
        ("fbeta:.5", Policy("fbeta:.5", "fbeta", beta=0.5), 0.80),
        ("youden", Policy("youden", "youden"), 0.80),
        ("cost:fp=1,fn=4", Policy("cost:fp=1,fn=4", "cost", fp=1.0, fn=4.0), 0.2),
        ("cost:fp=1,fn=4,prior=.5", Policy("cost:fp=1,fn=4,prior=.5", "cost", fp=1.0, fn=4.0, prior=0.5), 0.2),
    ],
)
def test_policies_parse_and_choose(text: str, policy: Policy, threshold: float) -> None:
    assert parse_policy(text).text == policy.text
    chosen = parse_policy(text).choose_point(POINTS)
    assert chosen is not None
    assert chosen.threshold == pytest.approx(threshold)
    assert not parse_policy(text).is_promise


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("precision>=0.95", "precision", 0.95),
        ("recall>=.98", "recall", 0.98),
        ("accuracy>=0.99", "accuracy", 0.99),
        ("fp_per_image<=2", "fp_per_image", 2.0),
    ],
)
def test_promises_parse_and_leave_the_choice_to_confidence(text: str, kind: str, target: float) -> None:
    policy = parse_policy(text)
    assert (policy.kind, policy.target, policy.is_promise) == (kind, target, True)
    with pytest.raises(ValueError, match="is a promise"):
        policy.choose_point(POINTS)


@pytest.mark.parametrize(
    "text",
    [
        "F1", "", "fbeta", "fbeta:0", "fbeta:-1", "cost:fp=1", "cost:fp=0,fn=1", "f1 ", "cost:fn=1,fp=1",
        "cost:fp=1,fn=1,prior=1", "cost:fp=1,fn=1,prior=0", "precision>=1", "precision>=0", "precision<=0.9",
        "recall>=1.2", "fp_per_image<=0", "fp_per_image>=1", "accuracy>=99",
    ],
)  # fmt: skip
def test_a_policy_that_is_none_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match='must be "f1", "fbeta:BETA", "youden", "cost:fp=COST,fn=COST"') as error:
        parse_policy(text)
    assert repr(text) in str(error.value)


def test_a_prior_needs_both_outcomes_and_reweighs_what_is_cheapest() -> None:
    policy = parse_policy("cost:fp=1,fn=4,prior=0.02")
    assert policy.choose_point(operating_points([0.2, 0.9], [1, 1])) is None
    assert policy.weights(POINTS) == pytest.approx((0.98 / 0.5, 4 * 0.02 / 0.5))
    # by hand: thresholds .95 .80 … cost 0.16·misses + 1.96·false alarms; .80 misses two of four and raises none
    cheapest = minimum_cost(POINTS, *policy.weights(POINTS))
    assert cheapest is not None
    assert (cheapest.threshold, cheapest.fp) == (0.80, 0)


def test_the_shifted_threshold_costs_least_where_the_event_is_rarer() -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 1, 200_000)
    outcome = (rng.random(score.size) < score).astype(np.float64)
    points = operating_points(score, outcome)
    policy = parse_policy("cost:fp=1,fn=4,prior=0.1")
    chosen, cheapest = policy.choose_point(points), minimum_cost(points, *policy.weights(points))
    assert chosen is not None
    assert cheapest is not None
    assert chosen.threshold == pytest.approx(9 / 13, abs=0.005)  # odds 1/4 times 1 over 1/9
    fp, fn = policy.weights(points)
    assert fp * chosen.fp + fn * chosen.fn == pytest.approx(fp * cheapest.fp + fn * cheapest.fn, rel=0.01)
