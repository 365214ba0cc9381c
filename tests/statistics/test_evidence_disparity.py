import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.evidence_disparity import Measure, compare_with_rest, holm, rest_pairs

Floats = NDArray[np.float64]
EACH = np.eye(8, dtype=np.bool_)


def drawn(rng: np.random.Generator, size: int, shift: Floats) -> Cells:
    """Eight finest slices of ``size`` samples; outcomes of slice k follow logit p + shift[k]."""
    score = rng.normal(0.5, 1.5, (8, size))
    outcome = rng.random(score.shape) < expit(score + shift[:, None])
    return Cells.from_samples(expit(score).ravel(), outcome.ravel(), unit=np.repeat(np.arange(8), size))


def test_the_rest_of_a_slice_is_every_finest_slice_outside_it() -> None:
    inside = np.array([[True, True, False], [False, True, False]])
    assert rest_pairs(inside).tolist() == [[2, 0], [0, 1], [2, 1]]


def test_holm_equals_the_textbook_example() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("measure", ["gap", "error"])
def test_the_slice_that_is_off_is_named_and_no_other(measure: Measure) -> None:
    shift = np.zeros(8)
    shift[3] = -0.9
    found = compare_with_rest(drawn(np.random.default_rng(1), 1500, shift), None, EACH, measure)
    assert np.flatnonzero(found.named()).tolist() == [3]
    assert found.lower[3] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("measure", "shift"), [("gap", 0.0), ("gap", -0.5), ("error", 0.0), ("error", -0.5)])
def test_slices_that_are_alike_are_seldom_named_whatever_they_share(measure: Measure, shift: float) -> None:
    rng, wrong, runs = np.random.default_rng(2), 0, 200
    for _ in range(runs):
        found = compare_with_rest(drawn(rng, 300, np.full(8, shift)), None, EACH, measure)
        wrong += bool((found.p_value <= 0.05).any())
    assert wrong <= 0.05 * runs + 3 * np.sqrt(0.0475 * runs)


def test_grouped_samples_are_compared_by_their_groups() -> None:
    rng = np.random.default_rng(3)
    wrong = {"groups": 0, "ignored": 0}
    for _ in range(40):
        score = np.repeat(rng.normal(0.5, 1.5, (8, 50)), 10, axis=1)
        outcome = np.repeat(rng.random((8, 50)), 10, axis=1) < expit(score)
        unit, group = np.repeat(np.arange(8), 500), np.repeat(np.arange(400), 10)
        cells = Cells.from_samples(expit(score).ravel(), outcome.ravel(), unit=unit)
        clusters = Clusters.from_samples(expit(score).ravel(), outcome.ravel().astype(float), group, unit)
        for name, chosen in (("groups", clusters), ("ignored", None)):
            wrong[name] += bool((compare_with_rest(cells, chosen, EACH, "gap").p_value <= 0.05).any())
    assert wrong["groups"] <= 6
    assert wrong["ignored"] >= 20


def test_small_slices_are_unknown_and_cost_the_others_nothing() -> None:
    rng = np.random.default_rng(4)
    cells = drawn(rng, 400, np.zeros(8))
    few = Cells.from_samples([0.5, 0.6], [1, 0], unit=[8, 8])
    inside = np.eye(9, dtype=np.bool_)
    found = compare_with_rest(cells.concatenated([few]), None, inside, "gap")
    assert np.isnan(found.p_value[8])
    assert np.isnan(found.difference[8])
    assert np.isfinite(found.p_value[:8]).all()


def test_a_slice_that_is_the_whole_model_has_no_rest() -> None:
    cells = drawn(np.random.default_rng(5), 200, np.zeros(8))
    assert np.isnan(compare_with_rest(cells, None, np.ones((1, 8), dtype=np.bool_), "error").p_value).all()
