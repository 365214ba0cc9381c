from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.statistics.cells import Cells
from monitor.statistics.drift.onset import Onset, bucket_residuals, estimate_onset

Floats = NDArray[np.float64]
BUCKETS = 60


def onset_of(rng: np.random.Generator, n: int, start: int, drifted: Callable[[Floats], Floats], before: float) -> Onset:
    """The estimate for 60 buckets of n samples, off by ``before`` in logit throughout and drifted from ``start`` on."""
    logit = rng.normal(0.5, 1.5, (BUCKETS, n))
    true = logit + before
    true[start:] = drifted(true[start:])
    outcome = rng.random(logit.shape) < expit(true)
    cells = Cells.from_samples(expit(logit).ravel(), outcome.ravel(), unit=np.repeat(np.arange(BUCKETS), n))
    return estimate_onset(*bucket_residuals(cells, BUCKETS))


@pytest.mark.parametrize(
    ("drifted", "n", "before", "within"),
    [
        (lambda logit: logit - 0.5, 20, 0.0, 5),
        (lambda logit: logit - 0.5, 100, 0.0, 1),
        (lambda logit: logit / 1.5, 100, 0.0, 2),
        (lambda logit: logit - 0.5, 100, -0.15, 2),
        (lambda logit: logit - 0.2, 1000, 0.0, 1),
    ],
)
def test_a_planted_onset_is_found_within_a_few_buckets(
    drifted: Callable[[Floats], Floats], n: int, before: float, within: float
) -> None:
    rng = np.random.default_rng(21)
    misses = []
    for _ in range(40):
        start = int(rng.integers(20, 50))
        misses.append(abs(onset_of(rng, n, start, drifted, before).bucket - start))
    assert np.median(misses) <= within


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_a_quiet_stream_has_a_low_statistic(n: int) -> None:
    rng = np.random.default_rng(22)
    statistics = np.array([onset_of(rng, n, BUCKETS, lambda logit: logit, 0.0).statistic for _ in range(40)])
    assert (statistics > 3).sum() <= 2  # measured on 6,000 streams: 0.03 to 0.1 %
    assert (statistics > 0).sum() <= 4  # 0.5 to 0.8 %
    assert np.median(statistics) < -2


def test_a_strong_drift_has_a_high_statistic() -> None:
    assert onset_of(np.random.default_rng(23), 200, 30, lambda logit: logit - 0.8, 0.0).statistic > 20


def test_miscalibration_from_the_first_bucket_on_begins_at_zero() -> None:
    onset = estimate_onset(np.full((10, 2), 30.0), np.full((10, 2), 50.0))
    assert onset.bucket == 0
    assert onset.statistic > 3


def test_empty_buckets_and_bins_carry_no_evidence() -> None:
    residual, variance = np.zeros((8, 3)), np.zeros((8, 3))
    assert estimate_onset(residual, variance).statistic < 0
    residual[5:, 1], variance[[1, 2, 5, 6, 7], 1] = 30.0, 50.0
    assert estimate_onset(residual, variance).bucket in {3, 4, 5}


def test_residuals_are_summed_per_bucket_and_coarse_bin() -> None:
    cells = Cells.from_samples([0.2, 0.3, 0.85, 1.0], [0, 1, 1, 0], unit=[0, 0, 0, 1])
    residual, variance = bucket_residuals(cells, 3)
    expected = np.array([[-0.5, 0.0, -0.15, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0], [0.0] * 5])
    np.testing.assert_allclose(residual, expected, atol=1e-12)
    np.testing.assert_allclose(variance[0], [0.37, 0, 0.1275, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("residual", "variance"),
    [
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.zeros((3, 2)), np.zeros((2, 2))),
        (np.full((3, 2), np.nan), np.ones((3, 2))),
        (np.zeros((3, 2)), np.full((3, 2), -1.0)),
    ],
)
def test_sums_that_make_no_sense_are_refused(residual: Floats, variance: Floats) -> None:
    with pytest.raises(ValueError, match="residual"):
        estimate_onset(residual, variance)


def test_a_bucket_beyond_the_announced_number_is_refused() -> None:
    with pytest.raises(ValueError, match="buckets up to 4"):
        bucket_residuals(Cells.from_samples([0.5], [1], unit=[4]), 4)
