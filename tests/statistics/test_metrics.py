import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

from monitor.model import CALIBRATION_METRICS
from monitor.statistics.calibration.metrics import measure_calibration, reliability
from monitor.statistics.cells import Cells, Clusters

Floats = NDArray[np.float64]


def sample(n: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Scores and outcomes of an over-confident model."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0.5, 1.5, n)
    return expit(logit), (rng.random(n) < expit(logit / 1.5)).astype(float)


def metrics_of(score: Floats, outcome: Floats) -> dict[str, float]:
    return {
        name: float(values[0]) for name, values in measure_calibration(Cells.from_samples(score, outcome), 1).items()
    }


def test_measure_names_every_metric_of_the_model_and_samples() -> None:
    assert set(measure_calibration(Cells.from_samples([0.5], [1]), 1)) == {*CALIBRATION_METRICS, "samples"}


def test_metrics_follow_their_definitions_on_samples() -> None:
    score, outcome = sample(500)
    metrics = metrics_of(score, outcome)
    bins = np.minimum(np.floor(score * 15), 14)
    ece = mce = l2 = 0.0
    for k in range(15):
        inside = bins == k
        n = int(inside.sum())
        gap, rate = float((score - outcome)[inside].mean()), float(outcome[inside].mean())
        ece += n / 500 * abs(gap)
        mce = max(mce, abs(gap))
        l2 += n / 500 * (gap**2 - rate * (1 - rate) / (n - 1)) if n >= 2 else 0.0
    ranks = rankdata(score)
    positives = outcome.sum()
    auroc = (ranks[outcome == 1].sum() - positives * (positives + 1) / 2) / (positives * (500 - positives))
    expected = {
        "samples": 500,
        "ece": ece,
        "mce": mce,
        "ece_squared_debiased": l2,
        "calibration_gap": (score - outcome).mean(),
        "brier_score": ((score - outcome) ** 2).mean(),
        "log_loss": -np.log(np.where(outcome == 1, score, 1 - score)).mean(),
        "outcome_rate": outcome.mean(),
        "mean_score": score.mean(),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=1e-9), name
    assert metrics["auroc"] == pytest.approx(auroc, abs=3e-3)  # ties within a fine bin


def test_auroc_counts_ties_one_half_and_orders_bins() -> None:
    assert metrics_of(np.array([0.5, 0.5]), np.array([0.0, 1.0]))["auroc"] == 0.5
    assert metrics_of(np.array([0.2, 0.9, 0.5, 0.5]), np.array([0.0, 1.0, 0.0, 1.0]))["auroc"] == pytest.approx(0.875)
    assert metrics_of(np.array([0.2, 0.9]), np.array([1.0, 0.0]))["auroc"] == 0.0


def test_brier_parts_add_up_exactly_to_the_score() -> None:
    metrics = metrics_of(*sample(700))
    parts = metrics["brier_reliability"] - metrics["brier_resolution"] + metrics["brier_uncertainty"]
    assert parts == pytest.approx(metrics["brier_score"], rel=1e-12)


def test_brier_resolution_is_murphys_where_a_bin_has_one_score() -> None:
    score = np.repeat([0.1, 0.7], [10, 30])
    outcome = np.repeat([1.0, 0.0, 1.0, 0.0], [2, 8, 24, 6])
    metrics = metrics_of(score, outcome)
    assert metrics["brier_resolution"] == pytest.approx(0.25 * (0.2 - 0.65) ** 2 + 0.75 * (0.8 - 0.65) ** 2)
    assert metrics["brier_reliability"] == pytest.approx(0.25 * 0.1**2 + 0.75 * 0.1**2)


def test_units_are_measured_as_if_they_were_alone() -> None:
    first, second = sample(80, 2), sample(300, 3)
    both = Cells.from_samples(
        np.concatenate([second[0], first[0]]), np.concatenate([second[1], first[1]]), unit=[2] * 300 + [0] * 80
    )
    together = measure_calibration(both, 4)
    for unit, (score, outcome) in ((0, first), (2, second)):
        for name, value in metrics_of(score, outcome).items():
            assert together[name][unit] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert together["samples"].tolist() == [80, 0, 300, 0]


def test_an_empty_unit_is_unknown_not_zero() -> None:
    metrics = measure_calibration(Cells.from_samples([], []), 2)
    assert metrics["samples"].tolist() == [0, 0]
    assert all(np.isnan(metrics[name]).all() for name in CALIBRATION_METRICS)


def test_too_few_samples_leave_every_metric_unknown_but_the_count() -> None:
    cells = Cells.from_samples(np.full(30, 0.7), np.repeat([0, 1], 15), unit=np.repeat([0, 1], [10, 20]))
    metrics = measure_calibration(cells, 2, min_samples=20)
    assert metrics["samples"].tolist() == [10, 20]
    assert all(np.isnan(metrics[name][0]) for name in CALIBRATION_METRICS)
    assert np.isfinite(metrics["ece"][1])


def test_one_outcome_alone_leaves_only_the_auroc_unknown() -> None:
    metrics = metrics_of(np.array([1.0] * 50), np.ones(50))
    assert [name for name, value in metrics.items() if np.isnan(value)] == ["auroc"]
    assert metrics["ece"] == 0.0


def test_certainty_that_was_never_wrong_in_fifty_may_still_be_off() -> None:
    metrics = metrics_of(np.full(50, 1.0), np.ones(50))
    assert (metrics["ece_lower"], metrics["gap_lower"]) == (0.0, 0.0)
    assert metrics["gap_upper"] == pytest.approx(0.0713, abs=1e-3)  # Wilson: 50 of 50
    assert metrics["ece_upper"] >= metrics["gap_upper"]


def test_a_single_sample_gives_no_infinite_or_missing_bound() -> None:
    metrics = metrics_of(np.array([0.8]), np.array([0.0]))
    for name in ("ece", "gap", "ece_squared"):
        assert 0 <= metrics[f"{name}_upper"] <= 1, name


def test_groups_widen_the_intervals_and_raise_the_null_quantile() -> None:
    rng = np.random.default_rng(4)
    score = np.repeat(expit(rng.normal(0.5, 1.5, 100)), 10)
    outcome = np.repeat((rng.random(100) < score[::10]).astype(float), 10)
    cells = Cells.from_samples(score, outcome)
    alone = measure_calibration(cells, 1)
    grouped = measure_calibration(cells, 1, Clusters.from_samples(score, outcome, np.arange(1000) // 10))
    for name in ("ece", "gap", "ece_squared"):
        width = grouped[f"{name}_upper"] - grouped[f"{name}_lower"]
        assert width > 1.5 * (alone[f"{name}_upper"] - alone[f"{name}_lower"]), name
    assert grouped["ece_null_quantile"][0] > 2 * alone["ece_null_quantile"][0]
    assert grouped["ece_squared_debiased"][0] < alone["ece_squared_debiased"][0]
    assert grouped["ece"][0] == alone["ece"][0]


def test_groups_of_one_give_the_intervals_of_independent_samples() -> None:
    score, outcome = sample(400)
    cells = Cells.from_samples(score, outcome)
    alone = measure_calibration(cells, 1)
    grouped = measure_calibration(cells, 1, Clusters.from_samples(score, outcome, np.arange(400)))
    for name in ("ece_lower", "ece_upper", "gap_lower", "gap_upper", "ece_debiased"):
        assert grouped[name][0] == pytest.approx(alone[name][0], abs=1e-7), name


def test_a_unit_without_clusters_is_taken_sample_by_sample() -> None:
    score, outcome = sample(400)
    cells = Cells.from_samples(score, outcome)
    alone, beside = (
        measure_calibration(cells, 1),
        measure_calibration(cells, 1, Clusters.from_samples([0.5], [1], [0], unit=[7])),
    )
    for name in CALIBRATION_METRICS:
        assert beside[name][0] == pytest.approx(alone[name][0], rel=1e-12), name


def test_a_unit_beyond_the_announced_number_is_refused() -> None:
    with pytest.raises(ValueError, match="units up to 3, but only 3"):
        measure_calibration(Cells.from_samples([0.5], [1], unit=[3]), 3)


def test_reliability_has_exact_intervals_and_unknown_empty_bins() -> None:
    curve = reliability(Cells.from_samples([0.9] * 10, [1] * 8 + [0] * 2, unit=[1] * 10), 2)
    assert {values.shape for values in curve.values()} == {(2, 15)}
    assert curve["samples"][1, 13] == 10
    assert curve["mean_score"][1, 13] == pytest.approx(0.9)
    assert curve["outcome_rate"][1, 13] == pytest.approx(0.8)
    assert curve["rate_lower"][1, 13] == pytest.approx(0.4439, abs=1e-4)  # Clopper–Pearson: 8 of 10
    assert curve["rate_upper"][1, 13] == pytest.approx(0.9748, abs=1e-4)
    assert np.isnan(curve["outcome_rate"][1, 12])
    assert curve["samples"][0].sum() == 0


def test_reliability_of_clips_is_that_of_as_many_samples_as_there_are_clips() -> None:
    rng = np.random.default_rng(6)
    outcome = np.repeat((rng.random(400) < 0.4).astype(float), 8)
    score = np.full(outcome.size, 0.42)
    cells = Cells.from_samples(score, outcome)
    grouped = reliability(cells, 1, Clusters.from_samples(score, outcome, np.arange(3200) // 8))
    clips = reliability(Cells.from_samples(score[::8], outcome[::8]), 1)
    alone = reliability(cells, 1)
    for bound in ("rate_lower", "rate_upper"):
        assert grouped[bound][0, 6] == pytest.approx(clips[bound][0, 6], abs=0.004)
        assert abs(grouped[bound][0, 6] - alone[bound][0, 6]) > 0.02
    assert grouped["outcome_rate"][0, 6] == alone["outcome_rate"][0, 6]


def test_a_sure_gap_lifts_the_lower_bound_of_the_ece() -> None:
    # Every bin is off by about its own noise: no bin shows it, all together do.
    score = (np.arange(15) + 0.5) / 15
    n = np.full(15, 60.0)
    metrics = measure_calibration(Cells.from_samples(score, n=n, positives=np.maximum(60 * (score - 0.06), 0)), 1)
    assert 0 < metrics["ece_lower"][0] < metrics["gap_lower"][0]
    assert metrics["ece_lower"][0] == pytest.approx(0.057 - 2.576 * 0.0136, abs=0.004)


def test_the_squared_error_is_never_allowed_more_than_the_ece() -> None:
    rng = np.random.default_rng(7)
    score = np.repeat(expit(rng.normal(-4, 1.4, 12)), 8)
    outcome = np.repeat((rng.random(12) < score[::8]).astype(float), 8)
    metrics = measure_calibration(
        Cells.from_samples(score, outcome), 1, Clusters.from_samples(score, outcome, np.arange(96) // 8)
    )
    assert metrics["ece_squared_upper"][0] <= metrics["ece_upper"][0] < 1
