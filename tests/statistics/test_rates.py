"""Exact bounds of rates against published values and their own definition, and effective sizes of groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from monitor.statistics.intervals import GroupSums, clopper_pearson, poisson_bounds


def one(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(values[0])


def test_clopper_pearson_gives_the_textbook_values() -> None:
    # 10 of 100 at 95 % two-sided: 4.90 % to 17.62 % (Clopper & Pearson 1934, tables); 0 of 10: rule-of-three kin
    lower, upper = clopper_pearson(np.array([10.0, 0.0, 10.0]), np.array([100.0, 10.0, 10.0]), 0.975)
    np.testing.assert_allclose(lower, [0.04900469, 0.0, 0.69150289], atol=1e-8)
    np.testing.assert_allclose(upper, [0.17622260, 0.30849711, 1.0], atol=1e-8)


@given(st.integers(1, 200), st.integers(0, 200), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_each_bound_leaves_exactly_delta_in_its_tail(n: int, k: int, confidence: float) -> None:
    hits = min(k, n)
    lower, upper = (one(b) for b in clopper_pearson(np.array([float(hits)]), np.array([float(n)]), confidence))
    assert 0 <= lower <= hits / n <= upper <= 1
    if hits:
        assert binom.sf(hits - 1, n, lower) == pytest.approx(1 - confidence, rel=1e-6)
    if hits < n:
        assert binom.cdf(hits, n, upper) == pytest.approx(1 - confidence, rel=1e-6)


def test_without_trials_nothing_is_known() -> None:
    lower, upper = clopper_pearson(np.zeros(1), np.zeros(1), 0.95)
    assert np.isnan(lower).all()
    assert np.isnan(upper).all()


def test_poisson_bounds_leave_exactly_delta_in_their_tails() -> None:
    lower, upper = poisson_bounds(np.array([7.0]), np.array([2.0]), 0.95)
    assert poisson.sf(6, 2 * one(lower)) == pytest.approx(0.05)
    assert poisson.cdf(7, 2 * one(upper)) == pytest.approx(0.05)
    lower, upper = poisson_bounds(np.zeros(1), np.ones(1), 0.95)
    assert one(lower) == 0
    assert one(upper) == pytest.approx(-np.log(0.05))


def _sums(successes: list[int], trials: list[int]) -> GroupSums:
    a, m = np.array(successes, dtype=np.float64), np.array(trials, dtype=np.float64)
    return GroupSums(
        *(np.array([value]) for value in (a.sum(), m.sum(), (a**2).sum(), (a * m).sum(), (m**2).sum(), float(a.size)))
    )


def test_groups_that_are_all_or_nothing_count_once_each() -> None:
    sums = _sums([5] * 80 + [0] * 20, [5] * 100)
    assert one(sums.rate) == 0.8
    assert one(sums.count_effective(0.95)) == pytest.approx(100, rel=0.05)


def test_groups_whose_members_differ_count_by_their_members() -> None:
    rng = np.random.default_rng(1)
    sums = _sums(rng.binomial(5, 0.8, 2000).tolist(), [5] * 2000)
    assert one(sums.count_effective(0.95)) == pytest.approx(10_000, rel=0.05)


def test_groups_without_a_failure_are_not_taken_for_independent_samples() -> None:
    clean = _sums([10] * 50, [10] * 50)
    assert one(clean.count_effective(0.95)) < 75  # one failure still unseen would have been a whole group
    none = _sums([0] * 50, [10] * 50)
    assert one(none.count_effective(0.95)) <= 50


def test_samples_that_stand_alone_keep_their_number() -> None:
    alone = _sums([1] * 900 + [0] * 100, [1] * 1000)
    lower, _ = alone.bounds(0.95, grouped=False)
    assert one(lower) == one(clopper_pearson(np.array([900.0]), np.array([1000.0]), 0.95)[0])
    assert one(alone.count_effective(0.95)) == pytest.approx(1000, rel=0.01)
