"""Whether a threshold is better than another: signs, a word on chance, and groups that are alike."""

import numpy as np
import pytest

from monitor.statistics.thresholds.choice import ScoredSamples
from monitor.statistics.thresholds.compare import compare_thresholds
from monitor.statistics.thresholds.policies import parse_policy

UTILITIES = ("f1", "fbeta:2", "youden", "cost:fp=1,fn=4", "cost:fp=1,fn=4,prior=0.1")


def _samples(rng: np.random.Generator, n: int, copies: int = 1) -> ScoredSamples:
    score = np.repeat(rng.random(n), copies)
    outcome = np.repeat((rng.random(n) < score[::copies]).astype(np.float64), copies)
    group = None if copies == 1 else np.repeat(np.arange(n), copies)
    return ScoredSamples(score, outcome, group)


def _by_hand(policy: str, samples: ScoredSamples, threshold: float) -> float:
    shown, y = samples.score >= threshold, samples.outcome
    tp, fp, fn, tn = (shown * y).sum(), (shown * (1 - y)).sum(), (~shown * y).sum(), (~shown * (1 - y)).sum()
    parsed = parse_policy(policy)
    if parsed.kind == "fbeta":
        b = parsed.beta**2
        return float((1 + b) * tp / ((1 + b) * tp + fp + b * fn))
    if parsed.kind == "youden":
        return float(tp / (tp + fn) - fp / (fp + tn))
    wrong, missed, rate = parsed.fp, parsed.fn, y.mean()
    if parsed.prior is not None:
        wrong, missed = wrong * (1 - parsed.prior) / (1 - rate), missed * parsed.prior / rate
    return float(-(wrong * fp + missed * fn) / len(y))


@pytest.mark.parametrize("policy", UTILITIES)
def test_the_gain_is_the_difference_of_what_both_give(policy: str) -> None:
    samples = _samples(np.random.default_rng(1), 500)
    found = compare_thresholds(parse_policy(policy), samples, 0.4, 0.7, 0.95)
    assert found.mean == pytest.approx(_by_hand(policy, samples, 0.4) - _by_hand(policy, samples, 0.7))
    back = compare_thresholds(parse_policy(policy), samples, 0.7, 0.4, 0.95)
    assert (back.mean, back.lower) == pytest.approx((-found.mean, -found.upper))


@pytest.mark.parametrize("policy", UTILITIES)
def test_of_one_threshold_nothing_is_better_than_itself(policy: str) -> None:
    found = compare_thresholds(parse_policy(policy), _samples(np.random.default_rng(2), 300), 0.5, 0.5, 0.95)
    assert (found.mean, found.groups) == (0.0, 0)
    assert np.isnan(found.lower)


@pytest.mark.parametrize("policy", UTILITIES)
def test_samples_that_repeat_themselves_in_their_groups_make_nothing_surer(policy: str) -> None:
    one, many = (_samples(np.random.default_rng(3), 300, copies) for copies in (1, 5))
    alone, together = (compare_thresholds(parse_policy(policy), each, 0.3, 0.6, 0.95) for each in (one, many))
    assert together.mean == pytest.approx(alone.mean)
    assert together.lower == pytest.approx(alone.lower)
    assert together.groups == alone.groups


@pytest.mark.parametrize("policy", ["f1", "youden", "cost:fp=1,fn=1"])
def test_of_two_that_are_alike_in_truth_one_is_called_better_in_no_more_than_1_of_20_runs(policy: str) -> None:
    """The score is uniform, and symmetric in its outcomes, so that for Youden and for equal costs .4 and .6 are alike; for F1
    the pair is found from a large sample."""
    rng, parsed = np.random.default_rng(4), parse_policy(policy)
    large = _samples(np.random.default_rng(0), 400_000)
    low = 0.4
    grid = np.linspace(0.41, 0.8, 400)
    high = 0.6
    if policy == "f1":
        low, wanted = 0.25, _by_hand("f1", large, 0.25)
        high = float(grid[np.argmin([abs(_by_hand("f1", large, one) - wanted) for one in grid])])
    called = sum(compare_thresholds(parsed, _samples(rng, 400), high, low, 0.95).lower > 0 for _ in range(1000))
    assert called / 1000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_pre_counted_rows_weigh_by_their_number() -> None:
    plain = _samples(np.random.default_rng(5), 400)
    whole = ScoredSamples(plain.score[:4], np.array([0.25, 0.5, 1.0, 0.0]), None, np.array([8.0, 4.0, 2.0, 6.0]))
    score = np.repeat(whole.score, [8, 4, 2, 6])
    outcome = np.concatenate([[1] * 2 + [0] * 6, [1] * 2 + [0] * 2, [1] * 2, [0] * 6]).astype(np.float64)
    middle, policy = float(np.sort(whole.score)[2]), parse_policy("f1")
    apart = compare_thresholds(policy, ScoredSamples(score, outcome), middle, 0.0, 0.95)
    assert compare_thresholds(policy, whole, middle, 0.0, 0.95).mean == pytest.approx(apart.mean)


def test_missed_positives_weigh_on_both_sides() -> None:
    samples = _samples(np.random.default_rng(6), 300)
    missed = ScoredSamples(samples.score, samples.outcome, None, None, np.full(200, -1))
    f1 = parse_policy("f1")
    low, high = (compare_thresholds(f1, each, 0.5, 0.2, 0.95).mean for each in (missed, samples))
    assert low < high


def test_a_promise_is_nothing_to_be_better_at_and_what_was_missed_must_be_known() -> None:
    samples = _samples(np.random.default_rng(7), 50)
    with pytest.raises(ValueError, match="is a promise"):
        compare_thresholds(parse_policy("precision>=0.9"), samples, 0.5, 0.4, 0.95)
    unknown = ScoredSamples(samples.score, samples.outcome, None, None, None)
    with pytest.raises(ValueError, match="nobody knows"):
        compare_thresholds(parse_policy("f1"), unknown, 0.5, 0.4, 0.95)
