import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.statistics.drift.budget import (
    alarm_threshold,
    class_share,
    parse_budget,
    slice_threshold,
    whole_share,
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


def test_the_whole_of_a_model_with_crosses_has_a_quarter_and_its_first_version_most_of_it() -> None:
    assert slice_threshold(1.0, 0, 1, 2, 2) == pytest.approx(4 * 365 / 0.8)
    assert slice_threshold(12.0, 0, 1, 2, 2) == pytest.approx(4 * 365 / 0.8 / 12)
    assert slice_threshold(1.0, 0, 2, 2, 2) == pytest.approx(4 * 365 / 0.16)


@given(st.integers(1, 300))
def test_versions_of_the_whole_never_share_more_than_the_whole(versions: int) -> None:
    assert sum(whole_share(rank) for rank in range(1, versions + 1)) == pytest.approx(1 - 0.2**versions)


@given(st.integers(1, 2), st.integers(1, 2000))
def test_slices_that_are_present_share_alike_and_use_up_what_their_kind_has(order: int, present: int) -> None:
    thresholds = {slice_threshold(1.0, order, rank, 2, present) for rank in range(1, present + 1)}
    assert len(thresholds) == 1
    assert present * 365 / thresholds.pop() == pytest.approx(class_share(order, 2))


def test_the_whole_has_all_of_its_share_until_a_second_version_is_there() -> None:
    assert slice_threshold(1.0, 0, 1, 0, 1) == 365
    assert slice_threshold(1.0, 0, 1, 0, 2) == pytest.approx(365 / 0.8)
    assert slice_threshold(1.0, 0, 2, 0, 2) == pytest.approx(365 / 0.16)


@pytest.mark.parametrize(("rank", "present"), [(0, 5), (6, 5)])
def test_a_rank_beyond_the_slices_present_is_refused(rank: int, present: int) -> None:
    with pytest.raises(ValueError, match=f"in 1..{present}"):
        slice_threshold(1.0, 1, rank, 2, present)


def test_equal_shares_of_slices_that_appear_one_by_one_keep_the_budget() -> None:
    """Start mass counted at the share of its day, over 40 days in which slice k appears on day k."""
    spent = [1 / slice_threshold(1.0, 1, rank, 1, day) for day in range(1, 41) for rank in range(1, day + 1)]
    assert sum(spent) == pytest.approx(0.5 * 40 / 365)


def test_expected_alarms_of_all_slices_stay_within_the_budget() -> None:
    thresholds = [slice_threshold(1.0, 0, rank, 2, 4) for rank in range(1, 5)]
    thresholds += [slice_threshold(1.0, 1, rank, 2, 39) for rank in range(1, 40)]
    thresholds += [slice_threshold(1.0, 2, rank, 2, 1999) for rank in range(1, 2000)]
    assert np.sum(365 / np.array(thresholds)) < 1.0


def test_a_generous_budget_still_asks_for_tenfold_evidence() -> None:
    assert alarm_threshold(365, 1.0) == 10


@pytest.mark.parametrize(("budget", "share"), [(0, 1), (1, 0), (1, 1.1), (float("nan"), 0.5)])
def test_impossible_budgets_and_shares_are_refused(budget: float, share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        alarm_threshold(budget, share)


def test_ranks_count_from_one() -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        whole_share(0)


@pytest.mark.parametrize("rank", [440, 464, 600, 5000])
def test_versions_whose_share_is_too_small_for_a_float_never_raise_an_alarm_and_are_no_error(rank: int) -> None:
    assert slice_threshold(1.0, 0, rank, 2, rank) > 1e300
