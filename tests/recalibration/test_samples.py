import numpy as np
import pytest

from monitor.model.samples import Samples


def _samples(group: list[int] | None, n: int = 5) -> Samples:
    return Samples(
        score=np.linspace(0.1, 0.9, n),
        outcome=np.ones(n),
        logits=None,
        label_index=None,
        group=None if group is None else np.array(group),
        observed_at=np.arange(n, dtype=np.float64),
        slice_index=np.zeros(n, dtype=np.int64),
    )


def test_samples_without_groups_are_units_of_their_own() -> None:
    assert len(set(_samples(None).units().tolist())) == 5


def test_negative_codes_stand_alone_even_where_a_row_number_equals_a_group_code() -> None:
    units = _samples([3, 3, -1, -1, 2]).units()  # rows 2 and 3 are alone; their numbers are also group codes
    assert units[0] == units[1]
    assert len(set(units.tolist())) == 4
    assert set(units.tolist()) == {0, 1, 2, 3}


def test_all_columns_of_wrong_length_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"outcome has shape \(3,\) beside 2 scores; slice_index has shape \(1,\)"):
        Samples(np.array([0.1, 0.2]), np.ones(3), None, None, None, np.zeros(2), np.zeros(1, dtype=np.int64))


@pytest.mark.parametrize("score", [-0.1, 1.0000001, float("nan"), float("inf")])
def test_a_score_outside_the_unit_interval_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="score must lie in"):
        Samples(np.array([score]), np.ones(1), None, None, None, np.zeros(1), np.zeros(1, dtype=np.int64))


def test_a_subset_takes_the_rows_of_every_column() -> None:
    n = 6
    whole = Samples(
        score=np.linspace(0, 1, n),
        outcome=np.array([0.0, 1, 0, 1, 0, 1]),
        logits=np.arange(12.0).reshape(n, 2),
        label_index=np.array([0, 1, 1, 0, 0, 1]),
        group=np.array([0, 0, 1, 1, 2, 2]),
        observed_at=np.arange(n, dtype=np.float64),
        slice_index=np.arange(n),
    )
    part = whole.subset(np.array([4, 1]))
    assert part.score.tolist() == [0.8, 0.2]
    assert part.outcome.tolist() == [0.0, 1.0]
    assert part.logits is not None
    assert part.logits.tolist() == [[8.0, 9.0], [2.0, 3.0]]
    assert part.label_index is not None
    assert part.label_index.tolist() == [0, 1]
    assert part.group is not None
    assert part.group.tolist() == [2, 0]
    assert part.observed_at.tolist() == [4.0, 1.0]
    assert part.slice_index.tolist() == [4, 1]


def test_one_row_without_logits_means_not_all_have_them() -> None:
    logits = np.array([[1.0, 2.0], [np.nan, np.nan]])
    columns = (np.ones(2), np.ones(2), logits, np.zeros(2, dtype=np.int64), None)
    samples = Samples(*columns, np.zeros(2), np.zeros(2, dtype=np.int64))
    assert not samples.has_all_logits
    assert samples.subset(np.array([True, False])).has_all_logits
