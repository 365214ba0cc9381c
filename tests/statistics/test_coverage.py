"""Coverage of the 95 % intervals by simulation, at reduced size.

At least 93 % is promised; with 1,000 repetitions the Monte Carlo error is 0.7 points (one sd), so below 92 % is a loss.
"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.cells import Cells, Clusters, bin_of, score_bin_of

Floats = NDArray[np.float64]
WORLDS: dict[str, Callable[[Floats], Floats]] = {
    "calibrated": lambda logit: expit(logit),
    "temperature 1.5": lambda logit: expit(logit / 1.5),
    "shift -0.3": lambda logit: expit(logit - 0.3),
    "mixed": lambda logit: expit(logit + np.where(logit > 0, -0.5, 0.4)),
}
REPETITIONS = 1000


def truth_of(logit: Floats, world: Callable[[Floats], Floats]) -> dict[str, float]:
    score = expit(logit)
    bins = score_bin_of(bin_of(score))
    count = np.maximum(np.bincount(bins, minlength=15), 1)
    error = np.bincount(bins, weights=score - world(logit), minlength=15) / count
    weight = count / logit.size
    return {
        "ece": float((weight * np.abs(error)).sum()),
        "ece_squared": float((weight * error**2).sum()),
        "gap": float((score - world(logit)).mean()),
    }


def assert_covered(metrics: dict[str, Floats], truth: dict[str, float]) -> None:
    for name, value in truth.items():
        inside = (metrics[f"{name}_lower"] <= value + 1e-12) & (metrics[f"{name}_upper"] >= value - 1e-12)
        assert inside.mean() >= 0.92, (name, inside.mean())
        assert metrics[f"{name}_upper"].mean() - metrics[f"{name}_lower"].mean() < 0.5, name


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover_the_truth_for_independent_samples(world: str, n: int) -> None:
    rng = np.random.default_rng(n)
    logit = rng.normal(0.5, 1.5, REPETITIONS * n)
    outcome = rng.random(logit.size) < WORLDS[world](logit)
    cells = Cells.from_samples(expit(logit), outcome, unit=np.repeat(np.arange(REPETITIONS), n))
    metrics = measure_calibration(cells, REPETITIONS)
    assert_covered(metrics, truth_of(rng.normal(0.5, 1.5, 1_000_000), WORLDS[world]))


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover_the_truth_for_clips_with_a_shared_outcome(world: str) -> None:
    rng = np.random.default_rng(9)
    n, clip = 1000, np.arange(REPETITIONS * 1000) // 10
    logit = rng.normal(0.5, 1.5, clip[-1] + 1)[clip]
    outcome = rng.random(clip[-1] + 1)[clip] < WORLDS[world](logit)
    unit = np.repeat(np.arange(REPETITIONS), n)
    cells = Cells.from_samples(expit(logit), outcome, unit=unit)
    truth = truth_of(rng.normal(0.5, 1.5, 1_000_000), WORLDS[world])
    metrics = measure_calibration(cells, REPETITIONS, Clusters.from_samples(expit(logit), outcome, clip, unit))
    assert_covered(metrics, truth)
    naive = measure_calibration(cells, REPETITIONS)
    assert ((naive["gap_lower"] <= truth["gap"]) & (truth["gap"] <= naive["gap_upper"])).mean() < 0.7


@pytest.mark.slow
def test_a_calibrated_stream_exceeds_its_null_quantile_once_in_twenty() -> None:
    rng = np.random.default_rng(8)
    n = 500
    logit = rng.normal(0.5, 1.5, 2000 * n)
    cells = Cells.from_samples(expit(logit), rng.random(logit.size) < expit(logit), unit=np.repeat(np.arange(2000), n))
    metrics = measure_calibration(cells, 2000)
    exceeded = (metrics["ece"] > metrics["ece_null_quantile"]).mean()
    assert 0.035 <= exceeded <= 0.068  # 5 %, Monte Carlo error 0.5 points
