from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Temperature
from monitor.recalibration.fit_logits import fit_temperature_multiclass
from monitor.recalibration.fit_scores import fit_beta, fit_isotonic, fit_platt, fit_temperature

Floats = NDArray[np.float64]
Cifar = Callable[[str], tuple[Floats, Floats, Floats, NDArray[np.int64]]]
Stream = Callable[..., Samples]


def _ece(score: Floats, outcome: Floats) -> float:
    bins = np.minimum(np.floor(score * 15), 14).astype(np.int64)
    return float(np.abs(np.bincount(bins, weights=score - outcome)).sum()) / len(score)


def _mean_log_loss(score: Floats, outcome: Floats) -> float:
    return float(-np.mean(np.log(np.where(outcome == 1, score, 1 - score))))


def _labelled_logits(rng: np.random.Generator, n: int, classes: int) -> tuple[Floats, NDArray[np.int64]]:
    """Logits (n, classes), and labels drawn from their softmax at temperature 1.5."""
    logits = rng.normal(0, 2, (n, classes))
    label = np.array([rng.choice(classes, p=np.exp(row)) for row in log_softmax(logits / 1.5, axis=1)])
    return logits, label


# T of rows 0–4999 by log-loss; top-label ECE of all rows, and of rows 5000–9999 before and after.
@pytest.mark.parametrize(
    ("network", "temperature", "ece_all", "before", "after"),
    [
        ("wideresnet-16-4-cifar-10", 2.0592, 0.053716, 0.05517, 0.0069),
        ("densenet-bc-100-cifar-100", 2.1209, 0.142153, 0.14473, 0.0137),
        ("lenet-5-cifar-10", 1.3736, 0.107888, 0.11926, 0.0224),
    ],
)
def test_temperature_of_real_networks_is_the_known_one(
    cifar: Cifar, network: str, temperature: float, ece_all: float, before: float, after: float
) -> None:
    logits, score, outcome, label = cifar(network)
    fitted = fit_temperature_multiclass(logits[:5000], label[:5000])
    assert fitted.multiclass
    assert fitted.temperature == pytest.approx(temperature, abs=6e-5)
    assert _ece(score, outcome) == pytest.approx(ece_all, abs=1e-6)
    assert _ece(score[5000:], outcome[5000:]) == pytest.approx(before, abs=6e-6)
    assert _ece(fitted.apply(score[5000:], logits[5000:]), outcome[5000:]) == pytest.approx(after, abs=6e-5)


def test_among_four_temperatures_one_half_has_the_lowest_log_loss_on_six_separable_logits() -> None:
    score = expit(np.array([2.2, 1.0, 0.2, -0.2, -1.0, -2.0]))
    outcome = np.array([1.0, 1, 1, 0, 0, 0])
    losses = {t: _mean_log_loss(Temperature(t).apply(score), outcome) for t in (0.5, 1.0, 1.5, 2.0)}
    assert min(losses, key=losses.__getitem__) == 0.5
    assert losses[1.0] == pytest.approx(_mean_log_loss(score, outcome))


def test_binary_temperature_minimises_the_log_loss(stream: Stream) -> None:
    samples = stream(np.random.default_rng(2), 3000, temperature=1.8)
    fitted = fit_temperature(samples.score, samples.outcome)
    assert fitted.temperature == pytest.approx(1.8, rel=0.15)  # about four standard errors
    losses = [
        _mean_log_loss(Temperature(fitted.temperature * factor).apply(samples.score), samples.outcome)
        for factor in (0.999, 1.0, 1.001)
    ]
    assert losses[1] == min(losses)


def test_two_class_logits_give_the_same_temperature_as_the_binary_fit(stream: Stream) -> None:
    samples = stream(np.random.default_rng(3), 2000, temperature=1.4)
    logits = np.column_stack([np.log1p(-samples.score), np.log(samples.score)])
    binary = fit_temperature(samples.score, samples.outcome)
    vector = fit_temperature_multiclass(logits, samples.outcome.astype(np.int64))
    assert vector.temperature == pytest.approx(binary.temperature, rel=1e-6)


def test_multiclass_temperature_minimises_the_log_loss_and_ignores_a_shift_of_each_row() -> None:
    rng = np.random.default_rng(4)
    logits, label = _labelled_logits(rng, 800, 5)
    fitted = fit_temperature_multiclass(logits, label).temperature
    losses = [
        float(-log_softmax(logits / (fitted * factor), axis=1)[np.arange(800), label].mean())
        for factor in (0.999, 1.0, 1.001)
    ]
    assert losses[1] == min(losses)
    shifted = logits + rng.normal(0, 1000, (800, 1))
    assert fit_temperature_multiclass(shifted, label).temperature == pytest.approx(fitted, rel=1e-8)


def test_working_in_blocks_does_not_change_the_multiclass_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, label = _labelled_logits(np.random.default_rng(4), 300, 3)
    whole = fit_temperature_multiclass(logits, label)
    monkeypatch.setattr("monitor.recalibration.fit_logits._BLOCK_VALUES", 64)
    assert fit_temperature_multiclass(logits, label).temperature == pytest.approx(whole.temperature, rel=1e-9)


def test_a_class_of_probability_zero_takes_no_part_in_the_multiclass_fit() -> None:
    logits, label = _labelled_logits(np.random.default_rng(5), 300, 3)
    plain = fit_temperature_multiclass(logits, label)
    assert 0.5 < plain.temperature < 5  # no bound, where every fit would agree
    wider = np.column_stack([logits, np.full(300, -np.inf)])
    assert fit_temperature_multiclass(wider, label).temperature == pytest.approx(plain.temperature, rel=1e-9)
    hopeless = np.append(wider, [[0.0, 1.0, 2.0, -np.inf]], axis=0)  # this row's own label has probability 0
    assert fit_temperature_multiclass(hopeless, np.append(label, 3)).temperature == pytest.approx(plain.temperature)


def test_scores_of_exactly_zero_and_one_do_not_move_the_temperature(stream: Stream) -> None:
    samples = stream(np.random.default_rng(6), 500)
    certain, wrong = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    plain = fit_temperature(samples.score, samples.outcome)
    more = fit_temperature(np.append(samples.score, certain), np.append(samples.outcome, wrong))
    assert more.temperature == pytest.approx(plain.temperature, rel=1e-12)


def test_a_weight_counts_like_as_many_equal_rows(stream: Stream) -> None:
    samples = stream(np.random.default_rng(7), 400)
    weight = np.random.default_rng(8).integers(1, 4, 400)
    rows = np.repeat(np.arange(400), weight)
    weights = weight.astype(np.float64)
    score, outcome = samples.score, samples.outcome
    assert fit_temperature(score, outcome, weights).temperature == pytest.approx(
        fit_temperature(score[rows], outcome[rows]).temperature, rel=1e-6
    )
    logits, label = np.column_stack([np.log1p(-score), np.log(score)]), outcome.astype(np.int64)
    assert fit_temperature_multiclass(logits, label, weights).temperature == pytest.approx(
        fit_temperature_multiclass(logits[rows], label[rows]).temperature, rel=1e-9
    )
    grid = np.linspace(0, 1, 101)
    for fit in (fit_platt, fit_beta, fit_isotonic):
        np.testing.assert_allclose(
            fit(score, outcome, weights).apply(grid), fit(score[rows], outcome[rows]).apply(grid), rtol=1e-6
        )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_fit_without_a_best_temperature_ends_at_the_bound(sign: int) -> None:
    logit = np.linspace(-3, 3, 60)
    separable = (logit > 0).astype(np.float64)
    expected = 0.05 if sign > 0 else 20.0
    assert fit_temperature(expit(sign * logit), separable).temperature == pytest.approx(expected, rel=1e-4)


def test_a_multiclass_fit_without_a_best_temperature_ends_at_the_bound() -> None:
    rng = np.random.default_rng(10)
    logits = rng.normal(0, 5, (100, 3))
    worst = logits.argmin(axis=1)
    worst[:10] = logits[:10].argmax(axis=1)
    assert fit_temperature_multiclass(logits, worst).temperature == 20.0
    nearly = np.column_stack([np.full(100, 1e-9), np.zeros(100)])  # no wrong answer costs anything at any temperature
    label = np.zeros(100, dtype=np.int64)
    label[:10] = 1
    assert fit_temperature_multiclass(nearly, label).temperature == 0.05


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.500001, 0.9, 1.0]), st.booleans()), min_size=50, max_size=120
    )
)
def test_isotonic_never_reaches_zero_or_one_and_never_falls(rows: list[tuple[float, bool]]) -> None:
    outcome = np.array([happened for _, happened in rows], dtype=np.float64)
    outcome[:5], outcome[5:10] = 0.0, 1.0
    calibrated = fit_isotonic(np.array([score for score, _ in rows]), outcome).apply(np.linspace(0, 1, 201))
    assert np.all((calibrated > 0) & (calibrated < 1))
    assert np.all(np.diff(calibrated) >= 0)


def test_end_pieces_of_isotonic_say_what_their_size_supports() -> None:
    score = np.repeat([0.1, 0.5, 0.9], [38, 40, 18])
    outcome = np.concatenate([np.zeros(38), np.tile([0.0, 1.0], 20), np.ones(18)])
    fitted = fit_isotonic(score, outcome)
    np.testing.assert_allclose(fitted.apply(np.array([0.1, 0.5, 0.9])), [1 / 39, 0.5, 18 / 19])


def test_isotonic_recovers_a_curve_that_temperature_cannot(stream: Stream) -> None:
    rng = np.random.default_rng(11)
    score = rng.random(20_000)
    outcome = (rng.random(20_000) < score**2).astype(np.float64)
    grid = np.linspace(0.05, 0.95, 19)
    assert np.abs(fit_isotonic(score, outcome).apply(grid) - grid**2).max() < 0.05


FITS = [fit_temperature, fit_platt, fit_beta, fit_isotonic]


@pytest.mark.parametrize("fit", FITS)
def test_too_few_samples_and_one_class_are_refused_with_the_need(fit: Callable[..., object]) -> None:
    score = np.linspace(0.01, 0.99, 60)
    with pytest.raises(
        ValueError, match=r"at least 50 samples with 5 positives .* \(got 10 positives and 30 negatives"
    ):
        fit(score[:40], np.repeat([1.0, 0.0], [10, 30]))
    with pytest.raises(ValueError, match=r"got 60 positives and 0 negatives"):
        fit(score, np.ones(60))
    with pytest.raises(ValueError, match=r"got 0 positives and 0 negatives"):
        fit(np.empty(0), np.empty(0))


def test_the_multiclass_fit_says_what_it_needs() -> None:
    logits = np.tile([[2.0, 0.0]], (60, 1))
    label = np.zeros(60, dtype=np.int64)
    with pytest.raises(ValueError, match="got 60 rows with the top class right and 0 rows with it wrong"):
        fit_temperature_multiclass(logits, label)
    with pytest.raises(ValueError, match="got 0 rows with the top class right"):
        fit_temperature_multiclass(np.empty((0, 2)), np.empty(0, dtype=np.int64))
    with pytest.raises(ValueError, match=r"label_index must lie in 0\.\.1 \(got 0\.\.2\)"):
        fit_temperature_multiclass(logits, np.arange(60) % 3)
    logits[7] = np.nan
    with pytest.raises(ValueError, match="1 of 60 have none"):
        fit_temperature_multiclass(logits, label)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("bad", [-0.1, 1.0000001, float("nan"), float("inf")])
def test_scores_outcomes_and_weights_out_of_range_are_refused(fit: Callable[..., object], bad: float) -> None:
    score, outcome = np.linspace(0.01, 0.99, 60), np.tile([0.0, 1.0], 30)
    with pytest.raises(ValueError, match="score must lie in"):
        fit(np.append(score[1:], bad), outcome)
    with pytest.raises(ValueError, match="outcome must lie in"):
        fit(score, np.append(outcome[1:], bad))
    with pytest.raises(ValueError, match="weight must be finite and above 0"):
        fit(score, outcome, np.append(np.ones(59), -abs(bad)))
    with pytest.raises(ValueError, match="one shape"):
        fit(score, outcome[1:])
