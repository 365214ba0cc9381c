import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from monitor.statistics.arrays import concatenate_columns
from monitor.statistics.cells import (
    ALL_BINS,
    FINE_BINS,
    SCORE_BINS,
    Cells,
    Clusters,
    bin_of,
    fine_bin_middle,
    fine_bin_of,
    fine_edges,
    score_bin_of,
)

SCORES = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5, *(k / 15 for k in range(16))])
SAMPLES = st.lists(st.tuples(SCORES, st.booleans(), st.integers(0, 3)), max_size=40)
Drawn = list[tuple[float, bool, int]]


def cells_of(samples: Drawn) -> Cells:
    score, outcome, unit = (np.array([sample[i] for sample in samples], dtype=float) for i in range(3))
    return Cells.from_samples(score, outcome, unit=unit.astype(int)) if samples else Cells.from_samples([], [])


def assert_equal(left: Cells, right: Cells) -> None:
    for field in dataclasses.fields(Cells):
        np.testing.assert_allclose(
            getattr(left, field.name), getattr(right, field.name), rtol=1e-12, atol=1e-12, err_msg=field.name
        )


@pytest.mark.parametrize("k", range(15))
def test_a_score_on_an_edge_belongs_to_the_bin_above(k: int) -> None:
    assert score_bin_of(bin_of(k / 15))[0] == k


@pytest.mark.parametrize("k", range(1, 15))
def test_the_next_score_below_an_edge_belongs_to_the_bin_the_product_rule_gives(k: int) -> None:
    below = np.nextafter(k / 15, 0)
    assert score_bin_of(bin_of(below))[0] == min(int(np.floor(below * 15)), 14)
    assert score_bin_of(bin_of(k / 15 - 1e-12))[0] == k - 1


def test_score_exactly_one_lands_in_the_last_bins() -> None:
    assert bin_of(1.0)[0] == SCORE_BINS * FINE_BINS - 1
    assert score_bin_of(bin_of(np.nextafter(1.0, 0)))[0] == 14


def test_score_exactly_zero_lands_in_the_first_bins() -> None:
    assert bin_of([0.0, 5e-324]).tolist() == [0, 0]


def test_one_half_opens_the_upper_half_of_the_fine_bins() -> None:
    assert fine_bin_of(bin_of([0.5, 0.5 - 1e-14])).tolist() == [96, 95]


def test_fine_bins_clip_at_twelve() -> None:
    assert fine_bin_of(bin_of(expit([-30.0, -12.1, -11.99, 11.99, 12.1, 30.0]))).tolist() == [0, 0, 0, 191, 191, 191]


def test_each_fine_middle_lies_in_its_own_bin_and_between_its_edges() -> None:
    middle, edges = fine_bin_middle(), fine_edges()
    assert fine_bin_of(bin_of(middle)).tolist() == list(range(FINE_BINS))
    assert edges.shape == (FINE_BINS + 1,)
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    assert ((edges[:-1] < middle) & (middle < edges[1:])).all()


@given(st.lists(SCORES, min_size=2))
def test_a_higher_score_never_has_a_lower_bin(scores: list[float]) -> None:
    bins = bin_of(np.sort(scores))
    assert bins.dtype == np.int16
    assert (np.diff(bins) >= 0).all()


@pytest.mark.parametrize("score", [np.nan, -1e-9, 1.0000001, np.inf])
def test_a_score_that_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="position 1"):
        bin_of([0.5, score])


def test_sums_are_those_of_the_definition() -> None:
    cells = Cells.from_samples([0.25, 0.25, 0.75], [1, 0, 1], unit=[0, 0, 4], weight=[1, 0.5, 0.25])
    assert cells.unit.tolist() == [0, 4]
    assert score_bin_of(cells.bin).tolist() == [3, 11]
    assert cells.n.tolist() == [2, 1]
    assert cells.score.tolist() == [0.5, 0.75]
    assert cells.outcome.tolist() == [1, 1]
    assert cells.score_squared.tolist() == [0.125, 0.5625]
    assert cells.score_outcome.tolist() == [0.25, 0.75]
    np.testing.assert_allclose(cells.log_loss, [-np.log(0.25) - np.log(0.75), -np.log(0.75)])
    assert cells.weight.tolist() == [1.5, 0.25]
    assert cells.weight_score.tolist() == [0.375, 0.1875]
    assert cells.weight_outcome.tolist() == [1, 0.25]


def test_log_loss_of_a_certain_error_is_clipped() -> None:
    cells = Cells.from_samples([0.0, 1.0], [1, 0])
    np.testing.assert_allclose(cells.log_loss, -np.log(1e-12), rtol=1e-4)


def test_pre_counted_rows_equal_the_samples_they_count() -> None:
    counted = Cells.from_samples([0.3, 0.9], n=[5, 3], positives=[2, 3], weight=[0.5, 1])
    single = Cells.from_samples(
        np.repeat([0.3, 0.9], [5, 3]), [1, 1, 0, 0, 0, 1, 1, 1], weight=np.repeat([0.5, 1], [5, 3])
    )
    assert_equal(counted, single)


@pytest.mark.parametrize(
    ("n", "positives", "outcome"), [([2], [3], None), ([2], [-1], None), ([np.nan], [0], None), (None, None, [2])]
)
def test_counts_that_cannot_be_are_refused(
    n: list[float] | None, positives: list[float] | None, outcome: list[float] | None
) -> None:
    with pytest.raises(ValueError, match="0 <= positives <= n"):
        Cells.from_samples([0.5], outcome, n=n, positives=positives)


def test_a_column_of_another_length_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="weight must have one value per score, 2"):
        Cells.from_samples([0.5, 0.6], [0, 1], weight=[1.0])


def joined(*cells: Cells) -> Cells:
    return concatenate_columns(cells).merge()


@given(SAMPLES, SAMPLES, SAMPLES)
def test_merging_is_associative_and_commutative(one: Drawn, two: Drawn, three: Drawn) -> None:
    a, b, c = cells_of(one), cells_of(two), cells_of(three)
    left = joined(joined(a, b), c)
    right = joined(a, joined(b, c))
    assert_equal(left, right)
    assert_equal(left, joined(c, b, a))


@given(SAMPLES, st.integers(0, 40))
def test_a_batch_equals_its_parts_added_one_after_another(samples: Drawn, cut: int) -> None:
    parts = concatenate_columns([cells_of(samples[:cut]), cells_of(samples[cut:])])
    assert_equal(cells_of(samples), parts.merge())


@given(SAMPLES)
def test_cells_of_slices_regrouped_equal_cells_of_regrouped_samples(samples: Drawn) -> None:
    mapping = np.array([(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (2, 1), (1, 5)])
    direct = [
        (score, outcome, target) for score, outcome, unit in samples for source, target in mapping if source == unit
    ]
    assert_equal(cells_of(samples).regroup(mapping), cells_of(direct))


def test_a_pair_listed_twice_counts_once() -> None:
    cells = Cells.from_samples([0.5], [1]).regroup(np.array([(0, 3), (0, 3)]))
    assert (cells.unit.tolist(), cells.n.tolist()) == ([3], [1])


def test_a_mapping_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="pairs, 2"):
        Cells.from_samples([], []).regroup(np.array([1, 2, 3]))


def cluster_value(clusters: Clusters, score_bin: int, unit: int = 0) -> tuple[float, float]:
    row = int(np.flatnonzero((clusters.score_bin == score_bin) & (clusters.unit == unit))[0])
    return float(clusters.squared_residual[row]), float(clusters.groups[row])


def test_clusters_keep_the_covariance_within_a_bin_and_across_bins() -> None:
    clusters = Clusters.from_samples([0.5, 0.51, 0.9, 0.5], [1, 1, 0, 0], ["a", "a", "a", "b"])
    np.testing.assert_allclose(cluster_value(clusters, 7), ((-0.5 - 0.49) ** 2 + 0.5**2, 2))
    np.testing.assert_allclose(cluster_value(clusters, 13), (0.9**2, 1))
    np.testing.assert_allclose(cluster_value(clusters, ALL_BINS), ((-0.5 - 0.49 + 0.9) ** 2 + 0.5**2, 2))


def test_samples_that_are_their_own_groups_have_the_plain_squared_residual() -> None:
    rng = np.random.default_rng(11)
    score, outcome = rng.random(50), rng.integers(0, 2, 50)
    clusters = Clusters.from_samples(score, outcome, np.arange(50))
    np.testing.assert_allclose(cluster_value(clusters, ALL_BINS), (((score - outcome) ** 2).sum(), 50))


def test_clusters_of_pre_counted_rows_equal_those_of_their_samples() -> None:
    counted = Clusters.from_samples([0.3, 0.9], None, [7, 7], n=[5, 3], positives=[2, 3])
    single = Clusters.from_samples(np.repeat([0.3, 0.9], [5, 3]), [1, 1, 0, 0, 0, 1, 1, 1], np.full(8, 7))
    np.testing.assert_allclose(counted.squared_residual, single.squared_residual)
    assert counted.groups.tolist() == single.groups.tolist()


def test_nothing_gives_empty_cells_and_clusters() -> None:
    assert len(Cells.from_samples([], []).merge()) == 0
    assert len(Clusters.from_samples([], [], []).merge()) == 0
    assert len(Cells.from_samples([], []).regroup(np.array([(0, 1)]))) == 0
