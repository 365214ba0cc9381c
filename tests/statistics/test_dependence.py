import numpy as np
import pytest

from monitor.statistics.calibration.bins import (
    ResidualVariance,
    ScoreBins,
    belief_weight,
    effect_freedom,
    estimate_sharing,
    group_freedom,
    student_quantile,
)
from monitor.statistics.cells import Cells, Clusters


@pytest.mark.parametrize(("groups", "rate"), [(200, 0.03), (60, 0.1), (20, 0.3)])
def test_freedom_is_a_little_below_two_over_the_relative_variance_of_a_sample_variance(
    groups: int, rate: float
) -> None:
    rng = np.random.default_rng(groups)
    variances = (rng.random((40_000, groups)) < rate).astype(float).var(axis=1, ddof=1)
    expected = 2 * variances.mean() ** 2 / variances.var()
    freedom = group_freedom(np.array([float(groups)]), np.array([rate * (1 - rate)]))[0]
    assert freedom < 1.03 * expected
    assert 1 / freedom == pytest.approx(1 / expected + 1 / groups, rel=0.05)


def test_even_odds_leave_one_degree_less_than_there_are_groups_and_one_group_none() -> None:
    freedom = group_freedom(np.array([20.0, 1.0, 0.0]), np.full(3, 0.25))
    assert freedom.tolist() == pytest.approx([19.0, 0.0, 0.0])


def test_sharing_is_believed_until_the_groups_tell_otherwise() -> None:
    found = estimate_sharing(np.zeros(3), np.ones(3), np.array([0.0, 1.0, 1e6]), 1.0, 1.0)
    assert found.tolist() == pytest.approx([1.0, 0.5, 0.0], abs=1e-5)


def test_independent_samples_keep_the_normal_quantile_and_few_groups_do_not() -> None:
    freedom = effect_freedom(np.array([3.0, 3.0]), np.array([1.0, 8.0]))
    quantile = student_quantile(freedom, 0.95)
    assert quantile[0] == pytest.approx(1.95996, abs=1e-5)
    assert 2.0 < quantile[1] < 2.3


def test_the_belief_fades_with_the_groups_that_would_have_shown_the_rarer_outcome() -> None:
    weight = belief_weight(np.array([20.0, 20.0, 200.0]), np.array([0.03, 0.2, 0.03]))
    assert weight.tolist() == pytest.approx([2 * np.exp(-0.6), 2 * np.exp(-4), 2 * np.exp(-6)])


def variance_of(clips: int, frames: int, rate: float, seed: int, shared: bool) -> tuple[ResidualVariance, ScoreBins]:
    rng = np.random.default_rng(seed)
    score = np.full((500, clips, frames), rate)
    fate = rng.random((500, clips, 1)) if shared else rng.random(score.shape)
    outcome = np.broadcast_to(fate < rate, score.shape).astype(float).ravel()
    unit = np.repeat(np.arange(500), clips * frames)
    bins = ScoreBins.from_cells(Cells.from_samples(score.ravel(), outcome, unit=unit), 500)
    clusters = Clusters.from_samples(score.ravel(), outcome, np.arange(outcome.size) // frames, unit)
    return ResidualVariance.estimate(bins, clusters), bins


@pytest.mark.parametrize("shared", [True, False])
def test_many_clips_tell_the_design_effect(shared: bool) -> None:
    variance, _ = variance_of(300, 8, 0.4, 1, shared)
    assert variance.design is not None
    assert variance.design[:, 6].mean() == pytest.approx(8.0 if shared else 1.0, rel=0.06)
    assert variance.total.mean() == pytest.approx(2400 * 0.24 * (8 if shared else 1), rel=0.06)


def test_clips_that_never_showed_a_rare_event_count_as_showing_it_in_all_frames() -> None:
    variance, bins = variance_of(20, 8, 0.01, 2, True)
    silent = bins.outcome.sum(axis=1) == 0
    assert silent.mean() > 0.7
    assert variance.design is not None
    assert variance.design[silent, 0].min() > 6
    assert variance.total_design is not None
    assert variance.total_design[silent].min() > 6
    assert variance.total_quantile(0.95)[silent].min() > 2.1


def test_pixels_of_few_images_keep_the_small_dependence_they_show() -> None:
    rng = np.random.default_rng(3)
    fate = np.where(rng.random((200, 25, 400)) < 0.1, rng.random((200, 25, 1)), rng.random((200, 25, 400)))
    outcome, score = (fate < 0.4).astype(float).ravel(), np.full(fate.size, 0.4)
    unit = np.repeat(np.arange(200), 25 * 400)
    bins = ScoreBins.from_cells(Cells.from_samples(score, outcome, unit=unit), 200)
    clusters = Clusters.from_samples(score, outcome, np.arange(outcome.size) // 400, unit)
    variance = ResidualVariance.estimate(bins, clusters)
    assert np.median(variance.total) == pytest.approx(bins.residual.sum(axis=1).var(), rel=0.3)
