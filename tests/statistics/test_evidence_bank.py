from typing import Literal

import numpy as np
import pytest
from scipy.special import logit

from monitor.statistics.cells import Cells, bin_of
from monitor.statistics.drift.bets import (
    DETECTOR_BINS,
    EDGES,
    Bank,
    BinSums,
    Tolerance,
    bin_middles,
    default_bank,
    detector_bin_of,
)
from tests.worlds.statistics import detector_edges


def test_weights_are_positive_and_sum_to_one() -> None:
    bank = default_bank()
    assert (bank.weights > 0).all()
    assert bank.weights[~bank.for_groups].sum() == pytest.approx(1)
    assert bank.weights[bank.for_groups].sum() / bank.weights.sum() == pytest.approx(0.3)
    assert bank.tilts.shape == (len(bank), DETECTOR_BINS)


def test_tilts_are_distinct_and_point_both_ways() -> None:
    bank = default_bank()
    assert len(np.unique(bank.tilts, axis=0)) == len(bank)
    assert (bank.tilts > 0).any(axis=0).all()
    assert (bank.tilts < 0).any(axis=0).all()


def test_terms_make_up_the_tilts() -> None:
    bank = default_bank()
    rebuilt = np.zeros_like(bank.tilts)
    for term, (column, tilt) in enumerate(zip(bank.term_bin, bank.term_tilt, strict=True)):
        rebuilt[:, column] += bank.incidence[term] * tilt
    np.testing.assert_array_equal(rebuilt, bank.tilts)


def test_start_shares_spend_the_start_mass_and_no_more() -> None:
    bank = default_bank()
    rng = np.random.default_rng(3)
    growth = rng.exponential(size=(200, len(bank))) * 10.0 ** rng.uniform(-12, 3, (200, 1))
    growth[0], growth[1, 1:] = 0.0, 0.0
    for spread in (None, rng.random(growth.shape)):
        shares = bank.start_shares(growth, spread)
        assert ((shares > 0) | (bank.for_groups & (spread is None))).all()
        np.testing.assert_allclose(shares @ bank.weights, 1.0, rtol=1e-12)


def test_without_samples_the_start_mass_goes_by_the_weights_alone() -> None:
    bank = default_bank()
    np.testing.assert_allclose(
        bank.start_shares(np.zeros((1, len(bank)))), np.where(bank.for_groups, 0.0, 1.0)[None], rtol=1e-12
    )


def test_start_mass_goes_to_large_tilts_where_labels_are_few_and_to_all_where_they_are_many() -> None:
    bank = Bank.of(np.array([[0.1] * 12, [0.8] * 12]), np.array([0.5, 0.5]))
    few, many = bank.start_shares(np.array([[0.001, 0.06], [0.1, 6.0]]))
    assert few[0] < 0.01
    assert few[1] > 1.99
    np.testing.assert_allclose(many, 1.0, atol=0.05)


@pytest.mark.parametrize("growth", [np.full((1, 2), -0.1), np.full((1, 2), np.nan), np.zeros((1, 3)), np.zeros(2)])
def test_growth_that_is_none_is_refused(growth: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="growth must be"):
        Bank.of(np.array([[0.1] * 12, [0.8] * 12]), np.array([0.5, 0.5])).start_shares(growth)


def test_over_confidence_has_more_mass_than_timidity_and_none_is_without() -> None:
    bank = default_bank()
    falls, rises = (bank.weights[(sign * bank.tilts >= 0).all(axis=1)].sum() for sign in (-1, 1))
    assert falls > rises > 0.2


def test_detector_bins_ascend_and_their_edges_are_close_to_the_named_ones() -> None:
    scores = np.linspace(0, 1, 20_001)
    bins = detector_bin_of(bin_of(scores))
    assert (np.diff(bins) >= 0).all()
    assert set(bins) == set(range(DETECTOR_BINS))
    inner = detector_edges()[1:-1]
    assert np.abs(logit(inner) - logit(np.array(EDGES[1:-1]))).max() <= 1 / 16 + 1e-9
    for k, edge in enumerate(inner):
        assert detector_bin_of(bin_of(edge + 1e-9))[0] == k + 1
        assert detector_bin_of(bin_of(edge - 1e-9))[0] == k


def test_the_middle_of_each_bin_lies_in_it() -> None:
    np.testing.assert_array_equal(detector_bin_of(bin_of(bin_middles())), np.arange(DETECTOR_BINS))


def test_sums_of_cells_land_in_their_slice_bucket_and_bin() -> None:
    cells = Cells.from_samples([0.01, 0.97, 0.97], [0, 1, 0], unit=[0, 5, 5], weight=[1.0, 0.5, 0.5])
    sums = BinSums.from_cells(cells, 2, 3)
    assert sums.weight[0, 0, 0] == 1
    assert sums.weight[1, 2, 10] == 1
    assert sums.score[1, 2, 10] == pytest.approx(0.97)
    assert sums.outcome[1, 2, 10] == 0.5
    assert sums.samples.tolist() == [[1, 0, 0], [0, 0, 2]]
    assert sums.weight.sum() == 2


def test_cells_beyond_the_announced_slices_are_refused() -> None:
    with pytest.raises(ValueError, match="units must lie below"):
        BinSums.from_cells(Cells.from_samples([0.5], [1], unit=[6]), 2, 3)


def test_a_bank_whose_weights_do_not_sum_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="sum 1"):
        Bank.of(np.zeros((2, 12)), np.array([0.5, 0.6]))


def test_odds_tolerance_moves_the_odds_by_its_factor() -> None:
    rate = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    tolerance = Tolerance("odds", 1.1)
    low, high = tolerance.lower_rate(rate), tolerance.upper_rate(rate)
    inner = slice(1, 4)
    np.testing.assert_allclose(logit(high[inner]) - logit(rate[inner]), np.log(1.1))
    np.testing.assert_allclose(logit(rate[inner]) - logit(low[inner]), np.log(1.1))
    assert high[[0, -1]].tolist() == low[[0, -1]].tolist() == [0, 1]


def test_probability_tolerance_is_clipped_to_probabilities() -> None:
    rate = np.array([0.0, 0.01, 0.5, 0.99])
    tolerance = Tolerance("probability", 0.02)
    np.testing.assert_allclose(tolerance.upper_rate(rate), [0.02, 0.03, 0.52, 1.0])
    np.testing.assert_allclose(tolerance.lower_rate(rate), [0.0, 0.0, 0.48, 0.97])


@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance("odds", 1.3), Tolerance("probability", 0.05)])
def test_the_band_of_a_pooled_mean_contains_the_mean_of_the_bands(tolerance: Tolerance) -> None:
    rates = np.random.default_rng(1).random((500, 6))
    pooled = rates.mean(axis=1)
    assert (tolerance.upper_rate(pooled) >= tolerance.upper_rate(rates).mean(axis=1) - 1e-12).all()
    assert (tolerance.lower_rate(pooled) <= tolerance.lower_rate(rates).mean(axis=1) + 1e-12).all()


@pytest.mark.parametrize(("kind", "size"), [("odds", 0.9), ("probability", -0.1)])
def test_impossible_tolerances_are_refused(kind: Literal["odds", "probability"], size: float) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        Tolerance(kind, size)
