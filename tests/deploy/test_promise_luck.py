"""How often CalwatchPromiseBroken comes by luck, to a slice that only just keeps its promise: what its texts say."""

import numpy as np
import pytest
from scipy.stats import beta

YEARS = 60
HOURS = 365 * 24
WINDOW = 24  # hours; cycles look once an hour


def _runs(promised: float, predicted_a_day: int, generator: np.random.Generator) -> np.ndarray:
    """For how many hours in a row the upper end of the 95 % interval stays below what is promised, and is true."""
    hours = YEARS * HOURS
    predicted = generator.poisson(predicted_a_day / 24, hours)
    right = generator.binomial(predicted, promised)
    n, k = (np.convolve(each, np.ones(WINDOW, dtype=np.int64), "valid") for each in (predicted, right))
    broken = (k < n) & (beta.ppf(0.975, k + 1, np.maximum(n - k, 1)) < promised)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], broken, [False]]).astype(np.int64)))
    return edges[1::2] - edges[::2]


@pytest.mark.slow
@pytest.mark.parametrize(("promised", "predicted_a_day"), [(0.95, 200), (0.95, 5000), (0.8, 1000)])
def test_an_hour_below_comes_by_luck_all_the_time_and_a_day_once_in_three_years_at_most(
    promised: float, predicted_a_day: int
) -> None:
    generator = np.random.default_rng(20260201)
    runs = _runs(promised, predicted_a_day, generator)
    assert 20 < (runs > 1).sum() / YEARS < 45  # "some thirty times a year"
    assert (runs > 24).sum() / YEARS < 1 / 3
