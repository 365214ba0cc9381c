import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.statistics.calibration.smooth import smooth_ece
from monitor.statistics.cells import Cells

Floats = NDArray[np.float64]


def smooth_ece_of_samples(score: Floats, outcome: Floats) -> float:
    """The definition, by brute force: explicit reflected kernel, fine quadrature, bisection; no bins."""
    points = (np.arange(500) + 0.5) / 500

    def smoothed(sigma: float) -> float:
        curve = np.zeros(points.size)
        for center in (-2.0, 0.0, 2.0):
            for sign in (-1.0, 1.0):
                distance = (points[:, None] - (center + sign * score)) / sigma
                curve += np.exp(-(distance**2) / 2) @ (score - outcome)
        return float(np.abs(curve).mean() / (score.size * sigma * np.sqrt(2 * np.pi)))

    low, high = 0.005, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed(middle) > middle else (low, middle)
    return (low + high) / 2


@pytest.mark.parametrize(("slope", "n"), [(1.0, 200), (1 / 1.5, 500), (0.3, 500), (-1.0, 200)])
def test_smooth_ece_from_fine_bins_is_that_of_the_samples(slope: float, n: int) -> None:
    rng = np.random.default_rng(n)
    logit = rng.normal(0.5, 1.5, n)
    score, outcome = expit(logit), (rng.random(n) < expit(slope * logit)).astype(float)
    exact = smooth_ece_of_samples(score, outcome)
    assert smooth_ece(Cells.from_samples(score, outcome), 1)[0] == pytest.approx(exact, rel=0.05)


def test_a_constant_gap_is_found_whole() -> None:
    score = np.linspace(0.3, 0.7, 401)
    cells = Cells.from_samples(score, n=np.full(401, 1000), positives=1000 * (score - 0.2))
    assert smooth_ece(cells, 1)[0] == pytest.approx(0.2, rel=0.01)


def test_saturated_and_always_wrong_is_nearly_one_and_always_right_is_zero() -> None:
    cells = Cells.from_samples([1.0, 1.0], n=[100, 100], positives=[0, 100], unit=[0, 1])
    wrong, right = smooth_ece(cells, 2)
    assert wrong == pytest.approx(1.0, abs=0.01)
    assert right == 0.0


def test_many_units_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(6)
    score, outcome, unit = rng.random(6000), rng.integers(0, 2, 6000), rng.integers(0, 600, 6000)
    together = smooth_ece(Cells.from_samples(score, outcome, unit=unit), 601)
    for one in (0, 255, 256, 599):
        alone = smooth_ece(Cells.from_samples(score[unit == one], outcome[unit == one]), 1)[0]
        assert together[one] == pytest.approx(alone, rel=1e-9)
    assert np.isnan(together[600])
