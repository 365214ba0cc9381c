"""Vector scaling, and the root finder behind the multi-class temperature."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from monitor.recalibration.calibrators import Temperature, Vector
from monitor.recalibration.fit_logits import RIDGE, fit_temperature_multiclass, fit_vector

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TRUE = (np.array([0.5, 0.8, 1.2, 0.6]), np.array([0.5, -0.5, 0.3, -0.3]))


def _labelled(rng: np.random.Generator, n: int) -> tuple[Floats, Ints]:
    """Logits (n, 4), and labels drawn from the softmax of ``TRUE`` weights and biases."""
    logits = rng.normal(0, 2, (n, 4))
    return logits, (logits * TRUE[0] + TRUE[1] + rng.gumbel(size=(n, 4))).argmax(axis=1)


def _loss(theta: Floats, logits: Floats, label: Ints) -> float:
    weights, biases = np.split(theta, 2)
    likelihood = log_softmax(logits * weights + biases, axis=1)[np.arange(len(label)), label].mean()
    return float(RIDGE * (np.sum((weights - 1) ** 2) + np.sum(biases**2)) - likelihood)


def _theta(vector: Vector) -> Floats:
    return np.array([*vector.weights, *vector.biases])


def test_vector_is_the_optimum_that_another_optimiser_finds() -> None:
    logits, label = _labelled(np.random.default_rng(1), 600)
    fitted = _theta(fit_vector(logits, label))
    found = minimize(_loss, np.r_[np.ones(4), np.zeros(4)], (logits, label), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(fitted, found.x, atol=1e-3)
    assert _loss(fitted, logits, label) <= found.fun + 1e-12


def test_vector_recovers_weights_and_biases_that_sum_to_zero() -> None:
    logits, label = _labelled(np.random.default_rng(2), 60_000)
    fitted = fit_vector(logits, label)
    np.testing.assert_allclose(fitted.weights, TRUE[0], atol=0.05)
    np.testing.assert_allclose(fitted.biases, TRUE[1], atol=0.06)
    assert sum(fitted.biases) == pytest.approx(0, abs=1e-6)


def test_the_start_and_the_blocks_do_not_change_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, label = _labelled(np.random.default_rng(3), 900)
    plain = _theta(fit_vector(logits, label))
    for start in (Temperature(3.0, multiclass=True), Vector((0.1, 2.0, 1.0, 1.0), (3.0, 0.0, 0.0, -1.0))):
        np.testing.assert_allclose(_theta(fit_vector(logits, label, start=start)), plain, atol=1e-6)
    monkeypatch.setattr("monitor.recalibration.fit_logits._BLOCK_VALUES", 64)
    np.testing.assert_allclose(_theta(fit_vector(logits, label)), plain, atol=1e-6)
    for beginning in (0.05, 20.0, 300.0):
        found = fit_temperature_multiclass(logits, label, start=Temperature(beginning)).temperature
        assert found == pytest.approx(fit_temperature_multiclass(logits, label).temperature, rel=1e-8)


def test_a_weight_counts_like_as_many_equal_rows() -> None:
    logits, label = _labelled(np.random.default_rng(4), 500)
    weight = np.random.default_rng(5).integers(1, 4, 500)
    rows = np.repeat(np.arange(500), weight)
    fitted = fit_vector(logits, label, weight.astype(np.float64))
    np.testing.assert_allclose(_theta(fitted), _theta(fit_vector(logits[rows], label[rows])), atol=1e-6)


def test_classes_that_separate_are_kept_finite_by_the_ridge() -> None:
    logits = np.random.default_rng(6).normal(0, 2, (300, 3))
    label = logits.argmax(axis=1)
    label[:5] = logits[:5].argmin(axis=1)  # not even the fit may lack both events
    separable = np.vstack([logits[5:], logits[5:]])
    vector = fit_vector(np.vstack([separable, logits[:5]]), np.r_[label[5:], label[5:], label[:5]])
    assert np.all(np.isfinite(_theta(vector)))
    assert np.abs(_theta(vector)).max() < 800


def test_a_probability_of_zero_takes_no_part() -> None:
    logits, label = _labelled(np.random.default_rng(7), 800)
    other = (label + 1) % 4
    rows = np.arange(0, 800, 9)
    logits[rows, other[rows]] = -np.inf
    fitted = fit_vector(logits, label)
    floor = np.where(np.isneginf(logits), -1e4, logits)
    np.testing.assert_allclose(_theta(fitted), _theta(fit_vector(floor, label)), atol=1e-5)


def test_a_class_with_too_few_rows_is_named() -> None:
    logits, label = _labelled(np.random.default_rng(8), 400)
    label[label == 2] = 1
    label[:4] = 2
    with pytest.raises(ValueError, match=r"vector scaling needs 10 rows of each class \(class 2 has 4\)"):
        fit_vector(logits, label)
    with pytest.raises(ValueError, match="vector scaling needs at least 50 samples"):
        fit_vector(logits[:30], label[:30])
    with pytest.raises(ValueError, match="weight must be finite and above 0"):
        fit_vector(logits, label, np.zeros(400))
