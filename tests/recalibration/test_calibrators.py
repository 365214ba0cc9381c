import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit, softmax

from monitor.model.methods import METHOD_NAMES
from monitor.recalibration.calibrators import (
    Beta,
    Calibrator,
    Identity,
    Isotonic,
    Platt,
    Temperature,
    Vector,
    power_curve,
)
from monitor.recalibration.methods import calibrator_from
from tests.recalibration.examples import EVERY_METHOD, inputs

temperatures = st.builds(Temperature, st.floats(0.01, 100), st.booleans())
platts = st.builds(Platt, st.floats(0, 1000), st.floats(-700, 700))
betas = st.builds(Beta, st.floats(0, 1000), st.floats(0, 1000), st.floats(-700, 700))
finite = st.floats(allow_nan=False, allow_infinity=False)
vectors = st.lists(st.tuples(finite, finite), min_size=2, max_size=5).map(
    lambda pairs: Vector(*zip(*pairs, strict=True))
)


@st.composite
def isotonics(draw: st.DrawFn) -> Isotonic:
    x = sorted(draw(st.sets(st.floats(0, 1), min_size=1, max_size=20)))
    inside = st.floats(0, 1, exclude_min=True, exclude_max=True)
    y = sorted(draw(st.lists(inside, min_size=len(x), max_size=len(x))))
    return Isotonic(tuple(x), tuple(y))


calibrators = st.one_of(st.just(Identity()), temperatures, platts, betas, isotonics(), vectors)
on_scores = st.one_of(st.builds(Temperature, st.floats(0.01, 100)), platts, betas, isotonics())
score_lists = arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 1))


@given(calibrators)
def test_a_calibrator_survives_json_exactly(calibrator: Calibrator) -> None:
    parameters = json.loads(json.dumps(calibrator.parameters(), allow_nan=False))
    assert calibrator_from(calibrator.method, parameters) == calibrator


@given(on_scores, score_lists)
def test_a_calibrator_never_reverses_the_order_of_scores(calibrator: Calibrator, score: np.ndarray) -> None:
    calibrated = calibrator.apply(np.sort(score))
    assert np.all(np.diff(calibrated) >= -1e-15)  # the power function may be a rounding error out of order
    assert np.all((calibrated >= 0) & (calibrated <= 1))


@given(st.floats(0.05, 20), score_lists)
def test_binary_temperature_is_the_sigmoid_of_the_divided_logit(temperature: float, score: np.ndarray) -> None:
    with np.errstate(divide="ignore"):
        expected = expit(logit(score) / temperature)
    np.testing.assert_allclose(Temperature(temperature).apply(score), expected, rtol=1e-12, atol=1e-15)


@given(st.floats(0, 20), st.floats(-30, 30), score_lists)
def test_platt_is_the_sigmoid_of_a_line_in_the_logit(slope: float, intercept: float, score: np.ndarray) -> None:
    inside = score[(score > 1e-300) & (score < 1)]  # (1 − p)/p of smaller ones is ∞, so they count as 0
    expected = expit(slope * logit(inside) + intercept)
    np.testing.assert_allclose(Platt(slope, intercept).apply(inside), expected, rtol=1e-9, atol=1e-15)


@given(st.floats(0, 20), st.floats(0, 20), st.floats(-30, 30), score_lists)
def test_beta_is_the_sigmoid_of_its_two_logarithms(a: float, b: float, c: float, score: np.ndarray) -> None:
    inside = score[(score > 1e-300) & (score < 1)]  # (1 − p)/p of smaller ones is ∞, so they count as 0
    expected = expit(a * np.log(inside) - b * np.log1p(-inside) + c)
    np.testing.assert_allclose(Beta(a, b, c).apply(inside), expected, rtol=1e-9, atol=1e-15)


def test_beta_with_equal_exponents_is_platt() -> None:
    score = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(Beta(0.7, 0.7, -0.3).apply(score), Platt(0.7, -0.3).apply(score))


@pytest.mark.parametrize("calibrator", [Platt(0.0, 0.3), Beta(0.0, 0.0, 0.3)])
def test_a_slope_of_zero_says_one_rate_for_every_score_but_not_for_nan(calibrator: Calibrator) -> None:
    calibrated = calibrator.apply(np.array([0.0, 1e-300, 0.5, 1.0, np.nan]))
    np.testing.assert_allclose(calibrated, [*[expit(0.3)] * 4, np.nan], rtol=1e-15)


@pytest.mark.parametrize("calibrator", [Beta(1000.0, 1000.0, 700.0), Beta(1000.0, 999.0, -700.0), Platt(1000.0, 700.0)])
def test_the_steepest_curves_give_no_nan(calibrator: Calibrator) -> None:
    calibrated = calibrator.apply(np.array([0.0, 5e-324, 1e-9, 0.5, 1 - 1e-9, 1.0]))
    assert np.all((calibrated >= 0) & (calibrated <= 1))
    assert calibrated[0] == 0
    assert calibrated[-1] == 1


def test_scores_are_worked_on_in_blocks_without_a_seam_and_in_any_shape_and_kind() -> None:
    score = np.random.default_rng(2).random(40_001)  # two blocks and a part
    whole = power_curve(score, 0.8, 1.1, 0.2)
    apart = np.concatenate([power_curve(part, 0.8, 1.1, 0.2) for part in np.array_split(score, 7)])
    np.testing.assert_allclose(whole, apart, rtol=1e-15)
    np.testing.assert_array_equal(power_curve(score[:40_000].reshape(200, 200), 0.8, 1.1, 0.2).ravel(), whole[:40_000])
    np.testing.assert_array_equal(power_curve(score[::3], 0.8, 1.1, 0.2), power_curve(score[::3].copy(), 0.8, 1.1, 0.2))
    single = score.astype(np.float32)
    np.testing.assert_array_equal(
        power_curve(single, 0.8, 1.1, 0.2), power_curve(single.astype(np.float64), 0.8, 1.1, 0.2)
    )
    assert power_curve(np.empty(0), 1.0, 1.0, 0.0).shape == (0,)


def test_vector_is_the_scaled_softmax_at_the_class_production_predicted() -> None:
    logits = np.random.default_rng(3).normal(0, 3, (60, 4))
    weights, biases = np.array([0.5, 1.5, 1.0, -0.3]), np.array([0.0, 2.0, -1.0, 0.3])
    scaled = softmax(logits * weights + biases, axis=1)
    expected = scaled[np.arange(60), logits.argmax(axis=1)]
    assert np.any(expected < scaled.max(axis=1))  # the greatest new probability is sometimes another class's
    calibrated = Vector(tuple(weights), tuple(biases)).apply(np.zeros(60), logits)
    np.testing.assert_allclose(calibrated, expected, rtol=1e-12)


def test_vector_of_ones_and_zeros_leaves_the_softmax_and_equal_weights_are_a_temperature() -> None:
    logits = np.random.default_rng(4).normal(0, 3, (60, 4))
    ones = Vector((1.0,) * 4, (0.0,) * 4).apply(np.zeros(60), logits)
    np.testing.assert_allclose(ones, softmax(logits, axis=1).max(axis=1), rtol=1e-12)
    halves = Vector((0.5,) * 4, (0.0,) * 4).apply(np.zeros(60), logits)
    np.testing.assert_allclose(halves, Temperature(2.0, multiclass=True).apply(np.zeros(60), logits), rtol=1e-12)


@pytest.mark.parametrize("weight", [1.0, 0.0, -1.0])
def test_a_class_of_probability_zero_stays_impossible_under_any_weight(weight: float) -> None:
    logits = np.array([[1.0, 0.0, -np.inf]])
    calibrated = Vector((1.0, 1.0, weight), (0.0, 0.0, 5.0)).apply(np.zeros(1), logits)
    np.testing.assert_allclose(calibrated, expit(1.0))


def test_vector_refuses_rows_without_logits_and_another_number_of_classes() -> None:
    calibrator = Vector((1.0, 1.0), (0.0, 0.0))
    with pytest.raises(ValueError, match=r"vector scaling needs logits .* \(got none\)"):
        calibrator.apply(np.ones(1))
    with pytest.raises(ValueError, match="1 of 2 have none"):
        calibrator.apply(np.ones(2), np.array([[1.0, 2.0], [np.nan, np.nan]]))
    with pytest.raises(ValueError, match=r"fitted on 2 classes \(got 3 logits\)"):
        calibrator.apply(np.ones(1), np.ones((1, 3)))


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_a_calibrator_that_needs_no_logits_ignores_them_and_one_that_does_ignores_scores(name: str) -> None:
    calibrator = EVERY_METHOD[name]
    score, logits = inputs()
    if calibrator.needs_logits:
        np.testing.assert_array_equal(calibrator.apply(score, logits), calibrator.apply(1 - score, logits))
        with pytest.raises(ValueError, match="needs logits"):
            calibrator.apply(score)
    else:
        np.testing.assert_array_equal(calibrator.apply(score, logits), calibrator.apply(score))


def test_temperature_leaves_the_scores_zero_and_one_and_nan_as_they_are() -> None:
    calibrated = Temperature(3.0).apply(np.array([0.0, 1.0, 0.5, np.nan]))
    np.testing.assert_array_equal(calibrated, [0.0, 1.0, 0.5, np.nan])


def test_applying_a_calibrator_leaves_the_given_scores_untouched() -> None:
    calibrator: Calibrator
    score = np.array([0.2, 0.9])
    logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    for calibrator in (Temperature(2.0), Beta(0.5, 2.0, 0.1), Platt(2.0, 0.1), Platt(0.0, 0.1)):
        calibrator.apply(score)
    for calibrator in (Temperature(2.0, multiclass=True), Vector((0.5, 2.0), (0.1, 0.2))):
        calibrator.apply(score, logits)
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
        ("magic", {}, rf"one of {', '.join(METHOD_NAMES)} \(got 'magic'\)"),
        ("platt", {"slope": -0.1, "intercept": 0}, r"slope must lie in 0\.\.1000 \(got -0\.1\)"),
        ("platt", {"slope": 1, "intercept": 701.0}, r"intercept must lie in -700\.\.700"),
        ("platt", {"slope": float("nan"), "intercept": 0}, "slope must lie in"),
        ("beta", {"a": 1, "b": -1e-9, "c": 0}, "b must lie in"),
        ("beta", {"a": 1001, "b": 1, "c": 0}, "a must lie in"),
        ("beta", {"a": 1, "b": 1, "c": float("inf")}, "c must lie in"),
        ("beta", {"a": 1, "b": 1}, r"takes the parameters a, b, c \(got a, b\)"),
        ("vector", {"weights": [1.0, 2.0], "biases": [0.0]}, r"one weight and one bias per class.*\(got 2 and 1\)"),
        ("vector", {"weights": [1.0], "biases": [0.0]}, "at least two"),
        ("vector", {"weights": [1.0, float("inf")], "biases": [0.0, 0.0]}, "must be finite"),
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
