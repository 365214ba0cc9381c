"""Platt and beta: against an independent optimiser, at their bounds, and where no best curve exists."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Beta, Calibrator, Platt
from monitor.recalibration.fit_scores import REACH, RIDGE, fit_beta, fit_logistic, fit_platt, fit_temperature

Floats = NDArray[np.float64]
Stream = Callable[..., Samples]


def _mean_log_loss(calibrator: Calibrator, score: Floats, outcome: Floats) -> float:
    rate = calibrator.apply(score)
    return float(-np.mean(outcome * np.log(rate) + (1 - outcome) * np.log1p(-rate)))


def test_platt_is_the_optimum_that_a_simplex_search_finds_for_smoothed_targets(stream: Stream) -> None:
    samples = stream(np.random.default_rng(1), 800, temperature=1.6, shift=-0.5)
    fitted = fit_platt(samples.score, samples.outcome)
    positives = samples.outcome.sum()
    target = np.where(samples.outcome == 1, (positives + 1) / (positives + 2), 1 / (800 - positives + 2))

    def loss(theta: Floats) -> float:
        return _mean_log_loss(Platt(abs(theta[0]), theta[1]), samples.score, target)

    found = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13})
    assert (fitted.slope, fitted.intercept) == pytest.approx(tuple(found.x), abs=2e-4)
    assert fitted.slope == pytest.approx(1 / 1.6, abs=0.2)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.3)


def test_beta_recovers_a_curve_that_platt_cannot(stream: Stream) -> None:
    rng = np.random.default_rng(2)
    score = expit(rng.normal(0, 2, 40_000))
    true = Beta(0.5, 1.4, 0.3)
    outcome = (rng.random(40_000) < true.apply(score)).astype(np.float64)
    fitted = fit_beta(score, outcome)
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx((true.a, true.b, true.c), abs=0.07)
    beta, platt = (_mean_log_loss(each, score, outcome) for each in (fitted, fit_platt(score, outcome)))
    assert beta < platt - 0.003


def test_a_shift_is_platts_business_and_leaves_no_slope(stream: Stream) -> None:
    samples = stream(np.random.default_rng(3), 20_000, shift=1.0)
    fitted = fit_platt(samples.score, samples.outcome)
    assert fitted.intercept == pytest.approx(1.0, abs=0.1)
    assert fitted.slope == pytest.approx(1.0, abs=0.06)


def test_with_one_slope_and_no_shift_platt_is_about_temperature(stream: Stream) -> None:
    samples = stream(np.random.default_rng(4), 50_000, temperature=2.0)
    slope = fit_platt(samples.score, samples.outcome).slope
    assert slope == pytest.approx(1 / fit_temperature(samples.score, samples.outcome).temperature, abs=0.01)


def test_where_high_scores_go_with_fewer_events_the_best_is_the_rate_and_not_a_reversal() -> None:
    rng = np.random.default_rng(5)
    score = expit(rng.normal(0, 2, 2000))
    outcome = (rng.random(2000) < 1 - score).astype(np.float64)
    rate = outcome.mean()
    for fitted in (fit_platt(score, outcome), fit_beta(score, outcome)):
        np.testing.assert_allclose(fitted.apply(np.array([0.01, 0.5, 0.99])), rate, atol=1e-3)
    assert fit_platt(score, outcome).slope == 0


@pytest.mark.parametrize(("curve", "bounded"), [(lambda p: p**3, "b"), (lambda p: 1 - (1 - p) ** 3, "a")])
def test_beta_at_a_bound_is_the_best_of_what_the_bound_allows(curve: Callable[[Floats], Floats], bounded: str) -> None:
    """The unbounded optimum has a negative exponent here; a fine grid over the face at 0 finds nothing better."""
    rng = np.random.default_rng(6)
    score = rng.uniform(0.02, 0.98, 6000)
    distorted = np.where(score < 0.5, curve(score), 1 - curve(1 - score)) if bounded == "b" else curve(score)
    steeper = expit(3 * logit(np.clip(distorted, 1e-9, 1 - 1e-9)) * (np.where(score < 0.5, 1, -0.4)))
    outcome = (rng.random(6000) < steeper).astype(np.float64)
    fitted = fit_beta(score, outcome)
    loss = _mean_log_loss(fitted, score, outcome)
    near = [
        Beta(max(fitted.a + i * 0.02, 0.0), max(fitted.b + j * 0.02, 0.0), fitted.c + k * 0.02)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        for k in (-1, 0, 1)
    ]
    assert min(fitted.a, fitted.b) == 0
    assert loss <= min(_mean_log_loss(each, score, outcome) for each in near) + 1e-7


@pytest.mark.parametrize("spread", [3.0, 1e-3, 1e-9])
def test_separable_scores_give_a_steep_curve_within_reach(spread: float) -> None:
    line = np.linspace(-spread, spread, 60)
    outcome = (line > 0).astype(np.float64)
    score = expit(line)
    for fitted in (fit_platt(score, outcome), fit_beta(score, outcome)):
        assert all(abs(float(str(value))) <= REACH + 1 for value in fitted.parameters().values())
        calibrated = fitted.apply(score)
        assert np.all(np.diff(calibrated) >= -1e-15)
        assert calibrated[-1] >= calibrated[0]


def test_equal_scores_are_given_their_rate() -> None:
    outcome = np.repeat([1.0, 0.0], [30, 70])
    for fitted in (fit_platt(np.full(100, 0.6), outcome), fit_beta(np.full(100, 0.6), outcome)):
        assert fitted.apply(np.array([0.6]))[0] == pytest.approx(0.3, abs=0.01)


def test_scores_of_exactly_zero_and_one_do_not_move_the_fit(stream: Stream) -> None:
    samples = stream(np.random.default_rng(7), 500)
    score, outcome = np.append(samples.score, [0.0, 1.0]), np.append(samples.outcome, [1.0, 0.0])
    assert fit_platt(score, outcome) == fit_platt(samples.score, samples.outcome)
    assert fit_beta(score, outcome) == fit_beta(samples.score, samples.outcome)


def test_the_ridge_moves_real_fits_by_next_to_nothing() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(0, 1.5, 300)
    outcome = (rng.random(300) < expit(0.5 * x + 0.2)).astype(np.float64)
    features = np.stack([x, np.ones(300)])

    def loss(theta: Floats) -> float:
        eta = theta @ features
        return float(np.mean(np.logaddexp(0, eta) - outcome * eta))

    free = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9})
    fitted = fit_logistic(features, outcome, np.ones(300), (1.0, 0.0), nonnegative=(0,))
    np.testing.assert_allclose(fitted, free.x, atol=10 * RIDGE)
