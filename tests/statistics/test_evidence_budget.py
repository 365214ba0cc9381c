import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.statistics.evidence_budget import (
    alarm_threshold,
    class_share,
    parse_budget,
    rank_share,
    slice_threshold,
)


@pytest.mark.parametrize(
    ("text", "per_year"),
    [("1/year", 1), ("0.1/year", 0.1), ("1/month", 12), ("2/week", 2 * 365 / 7), ("1/day", 365), (" 3 / year ", 3)],
)
def test_budgets_are_read_as_alarms_per_year(text: str, per_year: float) -> None:
    assert parse_budget(text) == pytest.approx(per_year)


@pytest.mark.parametrize("text", ["", "1", "1/decade", "-1/year", "0/year", "2/day", "1e3/year", "one/year", "1/years"])
def test_other_budgets_are_refused_with_what_was_written(text: str) -> None:
    with pytest.raises(ValueError, match="got"):
        parse_budget(text)


@pytest.mark.parametrize("max_order", [0, 1, 2, 3])
def test_the_kinds_of_slices_share_the_whole_budget(max_order: int) -> None:
    assert sum(class_share(order, max_order) for order in range(min(max_order, 2) + 1)) == pytest.approx(1)


@given(st.integers(1, 3000), st.integers(1, 500))
def test_shares_of_any_number_of_slices_never_exceed_one(slices: int, expected: int) -> None:
    total = sum(rank_share(rank, expected) for rank in range(1, slices + 1))
    assert total == pytest.approx(slices / (expected + slices), abs=1e-12)
    assert total < 1


def test_the_whole_of_a_model_with_crosses_has_a_quarter() -> None:
    assert slice_threshold(1.0, 0, 1, 2) == pytest.approx(4 * 365)
    assert slice_threshold(12.0, 0, 1, 2) == pytest.approx(4 * 365 / 12)


def test_expected_alarms_of_all_slices_stay_within_the_budget() -> None:
    thresholds = [slice_threshold(1.0, 0, 1, 2)]
    thresholds += [slice_threshold(1.0, 1, rank, 2) for rank in range(1, 40)]
    thresholds += [slice_threshold(1.0, 2, rank, 2) for rank in range(1, 2000)]
    assert np.sum(365 / np.array(thresholds)) < 1.0


def test_a_generous_budget_still_asks_for_tenfold_evidence() -> None:
    assert alarm_threshold(365, 1.0) == 10


@pytest.mark.parametrize(("budget", "share"), [(0, 1), (1, 0), (1, 1.1), (float("nan"), 0.5)])
def test_impossible_budgets_and_shares_are_refused(budget: float, share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        alarm_threshold(budget, share)


def test_ranks_count_from_one() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        rank_share(0, 10)
