import numpy as np
import pytest

from monitor.statistics.drift.budget import drifted_slices


def test_the_list_holds_the_largest_set_that_its_own_size_justifies() -> None:
    values = np.log([1.0, 45.0, 60.0, 30.0, 2.0])  # of 5 at rate 0.1: one needs 50, two 25 each, three 16.7 each
    assert drifted_slices(values).tolist() == [2, 1, 3]


def test_nothing_is_listed_without_enough_evidence() -> None:
    assert drifted_slices(np.log([9.0, 9.0, 9.0])).tolist() == []
    assert drifted_slices([]).tolist() == []


def test_unknown_evidence_counts_among_the_slices_but_is_not_listed() -> None:
    assert drifted_slices([np.log(11.0)]).tolist() == [0]
    assert drifted_slices([np.nan, np.log(11.0)]).tolist() == []


def test_the_share_of_wrong_entries_stays_below_the_rate() -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(2000):
        common = rng.normal()  # null e-values exp(x − 1/2) that all depend on one draw
        null = np.full(15, common - 0.5)
        listed = drifted_slices(np.concatenate([null, rng.normal(6, 1, 5)]))
        shares.append((listed < 15).sum() / max(listed.size, 1))
    assert np.mean(shares) <= 0.1


def test_a_rate_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="rate"):
        drifted_slices([1.0], 1.0)
