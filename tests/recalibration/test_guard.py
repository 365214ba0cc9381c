"""The guard's evidence: false rollbacks within their budget, blunders found, sums that do not depend on the order."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from monitor.statistics.sequential_comparison import (
    ALPHA,
    BETS,
    BOUND,
    LEAST_BOUND,
    NOTHING,
    LossComparison,
    bound_gain,
    compare_losses,
)

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


def _walk(bound: float, differences: Floats) -> Truths:
    """(runs,) whether the evidence of each run (row) ever reaches the limit: looked at after every group."""
    wealth = np.zeros((len(BETS), *differences.shape))
    for index, bet in enumerate(BETS):
        wealth[index] = np.cumsum(np.log1p(bet / bound * np.maximum(differences, -bound)), axis=1)
    return np.asarray((np.exp(wealth).mean(axis=0) >= 1 / ALPHA).any(axis=1))


def _losses(score: Floats, outcome: Truths) -> Floats:
    clipped = np.clip(score, 0.001, 0.999)
    return np.asarray(-np.where(outcome, np.log(clipped), np.log1p(-clipped)))


def test_the_walk_of_these_tests_is_that_of_the_guard() -> None:
    rng = np.random.default_rng(1)
    ours, theirs, outcome = rng.random(50), rng.random(50), (rng.random(50) < 0.5).astype(float)
    found = compare_losses(ours, theirs, outcome, np.arange(50))
    difference = _losses(ours[None], outcome[None] > 0.5) - _losses(theirs[None], outcome[None] > 0.5)
    by_hand = np.exp(np.log1p(BETS[:, None] / BOUND * difference).sum(axis=1)).mean()
    assert found.evidence == pytest.approx(by_hand)
    assert found.loss == pytest.approx(difference.sum())
    assert (found.groups, found.samples) == (50, 50)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (0.55, 0.45),  # equally wrong about a fair coin: the border of the null hypothesis
        (0.9, 0.1),  # equally wrong by a lot: large steps
        (0.5, 0.7),  # better than its parent
    ],
)
def test_a_calibrator_that_is_no_worse_is_rolled_back_at_most_as_often_as_promised(ours: float, theirs: float) -> None:
    rng = np.random.default_rng(2)
    runs, samples = 2_000, 2_000
    outcome = rng.random((runs, samples)) < 0.5
    full = np.ones_like(outcome, dtype=float)
    bound = max(abs(logit(ours) - logit(theirs)), abs(math.log(ours / theirs)))
    false = _walk(bound, _losses(ours * full, outcome) - _losses(theirs * full, outcome)).mean()
    assert false <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def _scaled(factor: float) -> Callable[[Floats], Floats]:
    return lambda score: np.asarray(expit(factor * logit(score)))


@pytest.mark.slow
def test_a_good_temperature_over_an_over_confident_parent_is_safe() -> None:
    rng = np.random.default_rng(3)
    raw = rng.normal(1.5, 2.5, (1_000, 2_000))
    outcome = rng.random(raw.shape) < expit(raw / 2)
    bound = bound_gain(_scaled(1 / 2.1), _scaled(1))
    assert not _walk(bound, _losses(expit(raw / 2.1), outcome) - _losses(expit(raw), outcome)).any()


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.25, 0.8])
def test_calibrators_equally_far_from_the_truth_are_kept_as_promised(factor: float) -> None:
    """Truth between the two, such that their expected log-losses agree: the border of the null, with real bounds."""
    rng = np.random.default_rng(6)
    raw = rng.choice([-1.0, 1.0], (2_000, 1_500)) * 2.0
    ours, theirs = expit(factor * raw), expit(raw)
    high, low = max(expit(2 * factor), expit(2.0)), min(expit(2 * factor), expit(2.0))
    right = math.log((1 - low) / (1 - high)) / (math.log(high / low) + math.log((1 - low) / (1 - high)))
    outcome = rng.random(raw.shape) < np.where(raw > 0, right, 1 - right)
    difference = _losses(ours, outcome) - _losses(theirs, outcome)
    assert abs(difference.mean()) < 3 * difference.std() / math.sqrt(difference.size)
    false = _walk(bound_gain(_scaled(factor), _scaled(1)), difference).mean()
    assert 0 < false <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / len(raw))


@pytest.mark.parametrize(("factor", "samples"), [(2.0, 800), (0.5, 1_600)])
def test_a_bad_promotion_is_found_within_a_night_of_labels(factor: float, samples: int) -> None:
    rng = np.random.default_rng(4)
    raw = rng.normal(0.5, 1.5, (200, samples))
    outcome = rng.random(raw.shape) < expit(raw)
    worse = _losses(expit(raw * factor), outcome) - _losses(expit(raw), outcome)  # twice too sure, half as sure
    found = _walk(bound_gain(_scaled(factor), _scaled(1)), worse).mean()
    assert found >= 0.9


def test_the_bound_is_never_exceeded() -> None:
    score = np.concatenate([[0.0, 1.0], np.random.default_rng(7).random(50_000)])
    for one, other in ((_scaled(2), _scaled(1)), (_scaled(0.5), _scaled(1)), (_scaled(1), lambda p: p**2)):
        bound = bound_gain(one, other)
        for outcome in (True, False):
            full = np.full((1, len(score)), outcome)
            assert (_losses(other(score)[None], full) - _losses(one(score)[None], full)).max() <= bound
    assert bound_gain(_scaled(1), _scaled(1)) == LEAST_BOUND


def test_groups_count_once() -> None:
    outcome = np.zeros(1_000)
    ours, theirs = np.full(1_000, 0.9), np.full(1_000, 0.1)
    one = compare_losses(ours, theirs, outcome, np.zeros(1_000, dtype=np.int64))
    assert (one.groups, one.samples) == (1, 1_000)
    assert not one.is_worse
    assert compare_losses(ours, theirs, outcome, np.arange(1_000)).is_worse


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    rng = np.random.default_rng(5)
    ours, theirs, outcome = rng.random(300), rng.random(300), (rng.random(300) < 0.5).astype(float)
    units = np.arange(300)
    whole = compare_losses(ours, theirs, outcome, units)
    parts = [
        compare_losses(ours[span], theirs[span], outcome[span], units[span])
        for span in (slice(200, 300), slice(0, 200))
    ]
    summed = parts[0] + parts[1] + NOTHING
    assert summed.log_factors == pytest.approx(whole.log_factors)
    assert (summed.groups, summed.samples) == (whole.groups, whole.samples)


def test_wealth_stays_positive_whatever_happens_and_evidence_stays_a_number() -> None:
    sure = compare_losses(np.zeros(1), np.ones(1), np.ones(1), np.zeros(1, dtype=np.int64))  # the largest loss there is
    assert sure.loss == pytest.approx(BOUND)
    lucky = compare_losses(np.ones(1), np.zeros(1), np.ones(1), np.zeros(1, dtype=np.int64))
    assert all(math.isfinite(factor) for factor in lucky.log_factors)
    assert LossComparison((1e6,) * len(BETS), 1, 1, 1.0).evidence == pytest.approx(math.exp(690))
    assert NOTHING.evidence == 1
    assert not NOTHING.is_worse
    assert logit(0.999) == pytest.approx(BOUND)
