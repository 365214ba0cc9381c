"""Fits from cells beside fits from rows."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Identity
from monitor.recalibration.fit_cells import fit_from_cells
from monitor.recalibration.fit_scores import fit_beta, fit_isotonic, fit_platt, fit_temperature
from monitor.statistics.arrays import concatenate_columns
from monitor.statistics.cells import Cells

Floats = NDArray[np.float64]
Stream = Callable[..., Samples]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("n", [500, 5000])
def test_temperature_from_cells_is_within_a_fifth_of_a_percent_of_that_from_rows(
    stream: Stream, temperature: float, n: int
) -> None:
    for seed in range(5):
        samples = stream(np.random.default_rng([9, seed]), n, temperature)
        cells = Cells.from_samples(samples.score, samples.outcome, unit=np.arange(n) % 3)
        rows = fit_temperature(samples.score, samples.outcome).temperature
        assert fit_from_cells("temperature", cells).parameters()["temperature"] == pytest.approx(rows, rel=0.002)


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize(("temperature", "shift"), [(0.5, 0.0), (1.0, -1.0), (2.0, 0.7), (4.0, 0.0)])
def test_platt_and_beta_from_cells_calibrate_within_a_thousandth_of_those_from_rows(
    stream: Stream, n: int, temperature: float, shift: float
) -> None:
    for seed in range(5):
        samples = stream(np.random.default_rng([21, seed]), n, temperature, shift=shift)
        cells = Cells.from_samples(samples.score, samples.outcome, unit=np.arange(n) % 3)
        for method, fit in (("platt", fit_platt), ("beta", fit_beta)):
            rows = fit(samples.score, samples.outcome).apply(samples.score)
            np.testing.assert_allclose(fit_from_cells(method, cells).apply(samples.score), rows, atol=1e-3)


def test_isotonic_from_cells_calibrates_like_that_from_rows_but_for_the_width_of_a_bin(stream: Stream) -> None:
    samples = stream(np.random.default_rng(22), 20_000, temperature=2.0)
    cells = Cells.from_samples(samples.score, samples.outcome, unit=np.arange(20_000) % 3)
    rows = fit_isotonic(samples.score, samples.outcome).apply(samples.score)
    away = np.abs(fit_from_cells("isotonic", cells).apply(samples.score) - rows)
    assert away.mean() < 0.02
    assert away.max() < 0.1


@pytest.mark.parametrize("network", ["wideresnet-16-4-cifar-10", "densenet-bc-100-cifar-100", "lenet-5-cifar-10"])
def test_on_real_networks_cells_calibrate_like_rows(
    cifar: Callable[[str], tuple[Floats, Floats, Floats, NDArray[np.int64]]], network: str
) -> None:
    """Saturated scores, up to exactly 1 in float32, which cells keep in one bin."""
    _, score, outcome, _ = cifar(network)
    cells = Cells.from_samples(score, outcome)
    for method, fit in (("temperature", fit_temperature), ("platt", fit_platt), ("beta", fit_beta)):
        rows = fit(score, outcome).apply(score)
        np.testing.assert_allclose(fit_from_cells(method, cells).apply(score), rows, atol=0.007)
    found, wanted = (
        each.parameters()["temperature"]
        for each in (fit_from_cells("temperature", cells), fit_temperature(score, outcome))
    )
    assert found == pytest.approx(wanted, rel=0.005)


@pytest.mark.parametrize("sign", [1, -1])
def test_samples_in_the_open_end_bins_count_by_their_own_certainty(sign: int) -> None:
    """Logits of 12 to 30, none exactly certain: at the bin's mean score the temperature would be 15 % too low."""
    rng = np.random.default_rng(25)
    logit = sign * (12 + rng.exponential(5, 40_000))
    logit = np.clip(np.concatenate([logit, rng.normal(0, 4, 10_000)]), -30, 30)
    outcome = (rng.random(50_000) < expit(logit / 4)).astype(np.float64)
    cells = Cells.from_samples(expit(logit), outcome)
    rows = fit_temperature(expit(logit), outcome).temperature
    assert fit_from_cells("temperature", cells).parameters()["temperature"] == pytest.approx(rows, rel=0.01)


def test_ten_times_the_cells_are_the_same_fit(stream: Stream) -> None:
    samples = stream(np.random.default_rng(24), 3000, temperature=1.5)
    cells = Cells.from_samples(samples.score, samples.outcome)
    many = concatenate_columns([cells] * 10)
    one, ten = (fit_from_cells("beta", each).apply(samples.score) for each in (cells, many))
    np.testing.assert_allclose(one, ten, rtol=1e-6)


def test_identity_needs_no_cells_and_the_others_say_what_they_need() -> None:
    assert fit_from_cells("identity", Cells.from_samples([], [])) == Identity()
    for method in ("temperature", "platt", "beta", "isotonic"):
        with pytest.raises(ValueError, match=rf"{method} needs at least 50 samples"):
            fit_from_cells(method, Cells.from_samples([], []))
    with pytest.raises(ValueError, match="needs logit vectors, which cells do not hold"):
        fit_from_cells("vector", Cells.from_samples([], []))
    with pytest.raises(ValueError, match=r"one of identity, temperature, platt, beta, isotonic \(got 'magic'\)"):
        fit_from_cells("magic", Cells.from_samples([], []))
