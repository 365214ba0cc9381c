import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit, softmax

from monitor.recalibration.calibrators import Calibrator, Identity, Isotonic, Temperature, calibrator_from

temperatures = st.builds(Temperature, st.floats(0.01, 100), st.booleans())


@st.composite
def isotonics(draw: st.DrawFn) -> Isotonic:
    x = sorted(draw(st.sets(st.floats(0, 1), min_size=1, max_size=20)))
    inside = st.floats(0, 1, exclude_min=True, exclude_max=True)
    y = sorted(draw(st.lists(inside, min_size=len(x), max_size=len(x))))
    return Isotonic(tuple(x), tuple(y))


calibrators = st.one_of(st.just(Identity()), temperatures, isotonics())
score_lists = arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 1))


@given(calibrators)
def test_a_calibrator_survives_json_exactly(calibrator: Calibrator) -> None:
    parameters = json.loads(json.dumps(calibrator.parameters(), allow_nan=False))
    assert calibrator_from(calibrator.method, parameters) == calibrator


@given(st.one_of(st.builds(Temperature, st.floats(0.01, 100)), isotonics()), score_lists)
def test_a_calibrator_never_reverses_the_order_of_scores(calibrator: Calibrator, score: np.ndarray) -> None:
    calibrated = calibrator.apply(np.sort(score))
    assert np.all(np.diff(calibrated) >= -1e-15)  # the power function may be one rounding error out of order
    assert np.all((calibrated >= 0) & (calibrated <= 1))


@given(st.floats(0.05, 20), score_lists)
def test_binary_temperature_is_the_sigmoid_of_the_divided_logit(temperature: float, score: np.ndarray) -> None:
    with np.errstate(divide="ignore"):
        expected = expit(logit(score) / temperature)
    np.testing.assert_allclose(Temperature(temperature).apply(score), expected, rtol=1e-12, atol=1e-15)


def test_temperature_leaves_the_scores_zero_and_one_and_nan_as_they_are() -> None:
    calibrated = Temperature(3.0).apply(np.array([0.0, 1.0, 0.5, np.nan]))
    np.testing.assert_array_equal(calibrated, [0.0, 1.0, 0.5, np.nan])


def test_applying_a_calibrator_leaves_the_given_scores_untouched() -> None:
    score = np.array([0.2, 0.9])
    logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    Temperature(2.0).apply(score)
    Temperature(2.0, multiclass=True).apply(score, logits)
    assert score.tolist() == [0.2, 0.9]
    assert logits.tolist() == [[0.0, 1.0], [2.0, 0.0]]


def test_multiclass_temperature_is_the_top_of_the_softmax_of_divided_logits() -> None:
    logits = np.random.default_rng(1).normal(0, 300, (40, 7))  # large enough to overflow a naive exponential
    calibrated = Temperature(1.7, multiclass=True).apply(np.zeros(40), logits)
    np.testing.assert_allclose(calibrated, softmax(logits / 1.7, axis=1).max(axis=1), rtol=1e-12)


def test_a_class_of_probability_zero_does_not_spoil_its_row() -> None:
    logits = np.log(np.array([[0.75, 0.25]]))
    with_zero = np.append(logits, [[-np.inf]], axis=1)
    calibrator = Temperature(2.0, multiclass=True)
    assert calibrator.apply(np.zeros(1), with_zero) == calibrator.apply(np.zeros(1), logits)


def test_multiclass_temperature_refuses_rows_without_logits_and_counts_them() -> None:
    calibrator = Temperature(2.0, multiclass=True)
    logits = np.array([[1.0, 2.0], [np.nan, np.nan], [np.nan, np.nan]])
    with pytest.raises(ValueError, match="2 of 3 have none"):
        calibrator.apply(np.ones(3), logits)
    with pytest.raises(ValueError, match=r"got none"):
        calibrator.apply(np.ones(3))


def test_isotonic_is_linear_between_knots_and_constant_outside() -> None:
    calibrated = Isotonic((0.2, 0.6), (0.1, 0.5)).apply(np.array([0.0, 0.2, 0.4, 0.6, 1.0]))
    np.testing.assert_allclose(calibrated, [0.1, 0.1, 0.3, 0.5, 0.5], rtol=1e-15)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        Temperature(temperature)


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        ((), (), "at least one"),
        ((0.1, 0.2), (0.3,), "got 2 x and 1 y"),
        ((0.2, 0.2), (0.3, 0.4), "rise strictly"),
        ((0.2, 1.5), (0.3, 0.4), "within"),
        ((0.2, 0.3), (0.5, 0.4), "must not fall"),
        ((0.2, 0.3), (0.0, 0.4), "strictly between 0 and 1"),
        ((0.2, 0.3), (0.1, float("nan")), "must not fall"),
    ],
)
def test_isotonic_knots_out_of_order_or_range_are_refused(x: tuple[float, ...], y: tuple[float, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Isotonic(x, y)


@pytest.mark.parametrize(
    ("method", "parameters", "why"),
    [
        ("platt", {}, r"method must be one of identity, temperature, isotonic \(got 'platt'\)"),
        ("temperature", {"temperature": 1.0}, r"takes the parameters multiclass, temperature \(got temperature\)"),
        ("identity", {"a": 1}, r"takes the parameters none \(got a\)"),
        ("temperature", {"temperature": "2", "multiclass": False}, "temperature must be a number"),
        ("temperature", {"temperature": True, "multiclass": False}, "temperature must be a number"),
        ("temperature", {"temperature": 2.0, "multiclass": 1}, "multiclass must be true or false"),
        ("isotonic", {"x": "0.1", "y": [0.1]}, "x must be a list of numbers"),
        ("isotonic", {"x": [0.1], "y": [None]}, "y must be a number"),
    ],
)
def test_parameters_that_do_not_fit_the_method_are_refused(
    method: str, parameters: Mapping[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        calibrator_from(method, parameters)
