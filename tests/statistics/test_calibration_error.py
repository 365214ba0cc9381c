import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import foldnorm

from monitor.statistics.calibration.bins import ResidualVariance, ScoreBins
from monitor.statistics.calibration.ece import ece_null_quantile, plug_in_ece
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.cells import Cells


@pytest.mark.parametrize("occupied", [1, 2, 5, 15])
def test_null_quantile_is_that_of_the_half_normal_sum(occupied: int) -> None:
    rng = np.random.default_rng(occupied)
    score = (np.arange(occupied) + 0.5) / 15
    count = rng.integers(50, 2000, occupied)
    bins = ScoreBins.from_cells(Cells.from_samples(score, n=count, positives=np.zeros(occupied)), 1)
    quantile = ece_null_quantile(bins, ResidualVariance.estimate(bins, None))[0]
    deviation = np.sqrt(count * score * (1 - score))
    drawn = np.abs(rng.normal(size=(100_000, occupied)) * deviation).sum(axis=1) / count.sum()
    assert quantile == pytest.approx(np.quantile(drawn, 0.95), rel=0.02)  # Monte Carlo error below 0.5 %


def test_debiased_ece_is_twice_the_plug_in_minus_its_folded_normal_mean() -> None:
    score, n, positives = 0.7, 400, 250
    cells = Cells.from_samples([score], n=[n], positives=[positives])
    bins = ScoreBins.from_cells(cells, 1)
    deviation = np.sqrt(ResidualVariance.estimate(bins, None).per_bin[0, 10]) / n
    gap = score - positives / n
    expected = 2 * gap - foldnorm(gap / deviation, scale=deviation).mean()
    assert measure_calibration(cells, 1)["ece_debiased"][0] == pytest.approx(expected, rel=1e-9)
    assert deviation == pytest.approx(np.sqrt(0.625 * 0.375 / n), rel=0.01)


def test_debiasing_takes_off_most_of_the_plug_ins_bias() -> None:
    rng = np.random.default_rng(5)
    logit = rng.normal(0.5, 1.5, 500_000)
    outcome = rng.random(500_000) < expit(logit / 1.5)
    whole = plug_in_ece(ScoreBins.from_cells(Cells.from_samples(expit(logit), outcome), 1))[0]  # bias below 0.0005
    parts = measure_calibration(Cells.from_samples(expit(logit), outcome, unit=np.arange(500_000) // 500), 1000)
    assert parts["ece"].mean() - whole > 0.02
    assert abs(parts["ece_debiased"].mean() - whole) < 0.4 * (parts["ece"].mean() - whole)
    assert parts["ece_squared_debiased"].mean() == pytest.approx(0.0043, abs=0.0004)


def test_interval_leaves_zero_only_when_luck_is_excluded() -> None:
    calibrated = Cells.from_samples([0.5], n=[1000], positives=[505])
    off = Cells.from_samples([0.5], n=[1000], positives=[440])
    assert measure_calibration(calibrated, 1)["ece_lower"][0] == 0.0
    assert measure_calibration(off, 1)["ece_lower"][0] == pytest.approx(0.06 - 1.96 * 0.0157, abs=0.003)
    assert measure_calibration(off, 1)["ece_upper"][0] == pytest.approx(0.06 + 1.96 * 0.0157, abs=0.003)


def test_luck_does_not_promise_perfection() -> None:
    score = (np.arange(15) + 0.5) / 15
    exact = measure_calibration(Cells.from_samples(score, n=np.full(15, 30), positives=30 * score), 1)
    assert exact["ece"][0] == pytest.approx(0.0, abs=1e-12)
    assert exact["ece_upper"][0] > 0.03
    assert exact["ece_squared_debiased"][0] < 0
    assert exact["ece_squared_lower"][0] == 0
    assert exact["ece_squared_upper"][0] > 0


def test_intervals_shrink_with_the_root_of_the_sample() -> None:
    score = (np.arange(15) + 0.5) / 15
    rate = expit(np.log(score / (1 - score)) - 0.8)
    widths = []
    for n in (1_000, 100_000):
        metrics = measure_calibration(Cells.from_samples(score, n=np.full(15, n), positives=np.round(n * rate)), 1)
        truth = np.abs(score - rate).mean()
        assert metrics["ece_lower"][0] < truth < metrics["ece_upper"][0]
        widths.append(metrics["ece_upper"][0] - metrics["ece_lower"][0])
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.15)
