import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import mannwhitneyu

from monitor.statistics.drift.label_delay import compare_delays


def test_delays_that_follow_the_score_alone_give_no_warning() -> None:
    rng, small = np.random.default_rng(1), 0
    for _ in range(200):
        score = expit(rng.normal(0.5, 1.5, 400))
        outcome = rng.random(400) < score
        found = compare_delays(score, outcome, rng.exponential(1 + 10 * (score > 0.5)))
        assert found.p_value is not None
        small += found.p_value <= 0.05
        assert not found.depends(level=1e-4)
    assert small <= 0.05 * 200 + 3 * np.sqrt(0.05 * 200)


def test_labels_of_failures_that_come_sooner_give_a_warning() -> None:
    rng = np.random.default_rng(2)
    score = expit(rng.normal(0.5, 1.5, 2000))
    outcome = rng.random(2000) < score
    found = compare_delays(score, outcome, rng.exponential(np.where(outcome, 3.0, 1.0)))
    assert found.depends()
    assert found.earlier == pytest.approx(0.25, abs=0.04)
    assert found.median_true is not None
    assert found.median_false is not None
    assert found.median_true > found.median_false


def test_one_bin_equals_the_mann_whitney_test() -> None:
    rng = np.random.default_rng(3)
    outcome, delay = rng.random(300) < 0.5, np.floor(rng.exponential(5, 300))
    found = compare_delays(np.full(300, 0.55), outcome, delay)
    oracle = mannwhitneyu(delay[outcome], delay[~outcome], method="asymptotic", use_continuity=False)
    assert found.p_value == pytest.approx(float(oracle.pvalue))
    pairs = outcome.sum() * (~outcome).sum()
    assert found.earlier == pytest.approx(1 - float(oracle.statistic) / pairs)


def test_too_few_labels_or_equal_delays_are_unknown_and_no_warning() -> None:
    assert compare_delays([0.5] * 30, [1] * 29 + [0], range(30)).p_value is None
    equal = compare_delays([0.5] * 60, [1, 0] * 30, [1.0] * 60)
    assert equal.p_value is None
    assert not equal.depends()


def test_slow_days_on_which_much_goes_wrong_are_no_dependence() -> None:
    rng = np.random.default_rng(4)
    day = rng.integers(0, 30, 4000)
    bad = day % 3 == 0
    outcome = rng.random(4000) < np.where(bad, 0.3, 0.8)
    delay = rng.exponential(np.where(bad, 9.0, 2.0))
    together = compare_delays(np.full(4000, 0.8), outcome, delay)
    apart = compare_delays(np.full(4000, 0.8), outcome, delay, day)
    assert together.depends()
    assert not apart.depends()
    assert apart.earlier == pytest.approx(0.5, abs=0.04)
    slow = compare_delays(np.full(4000, 0.8), outcome, delay * (2 - outcome), day)
    assert slow.depends()


def test_negative_delays_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        compare_delays([0.5], [1], [-1.0])
