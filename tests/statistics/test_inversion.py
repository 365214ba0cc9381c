import numpy as np
import pytest
from scipy.stats import chi2, ncx2, norm

from monitor.statistics.intervals import gamma_quantile, solve


@pytest.mark.parametrize("freedom", [1, 3, 15])
@pytest.mark.parametrize("level", [0.025, 0.5, 0.975])
def test_gamma_quantile_is_that_of_a_chi_square(freedom: int, level: float) -> None:
    mean, z = np.array([float(freedom)]), np.array([norm.ppf(level)])
    found = gamma_quantile(mean, 2 * mean, 8 * mean, z)[0]
    assert abs(found - chi2.ppf(level, freedom)) < 0.07 * np.sqrt(2 * freedom)


def test_gamma_quantile_follows_a_noncentral_chi_square() -> None:
    mean, variance, third = np.array([15 + 20.0]), np.array([30 + 80.0]), np.array([120 + 480.0])
    for level in (0.025, 0.975):
        found = gamma_quantile(mean, variance, third, np.array([norm.ppf(level)]))[0]
        assert found == pytest.approx(ncx2.ppf(level, 15, 20), rel=0.02)


def test_gamma_quantile_without_skewness_is_normal_and_without_variance_the_mean() -> None:
    z, none = np.array([1.96, 1.96]), np.zeros(2)
    assert gamma_quantile(np.ones(2), np.array([4.0, 0.0]), none, z).tolist() == pytest.approx([4.92, 1.0], abs=1e-4)


def test_solve_finds_the_root_and_stops_at_both_ends() -> None:
    roots = solve(lambda theta: theta**2, np.array([-1.0, 0.25, 7.0]))
    assert roots.tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-7)
