"""Counts at many thresholds against counting by hand, alone and in groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.statistics.cells import bin_of
from monitor.statistics.thresholds.counts import bin_edges, count_at, promise_grid

ROWS = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.integers(-1, 4)), min_size=1, max_size=40
)  # score, outcome, group


@given(ROWS, st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True))
def test_counts_and_their_squares_over_groups_are_those_counted_by_hand(
    rows: list[tuple[float, bool, int]], wanted: list[float]
) -> None:
    score, outcome, group = (np.array(column) for column in zip(*rows, strict=True))
    thresholds = np.sort(np.array(wanted))
    counts = count_at(thresholds, score, outcome.astype(np.float64), group.astype(np.int64))
    alone = np.where(group < 0, np.arange(len(rows)) + 100, group)
    members = [alone == unit for unit in np.unique(alone)]
    assert counts.groups == len(members)
    for index, threshold in enumerate(thresholds):
        above = score >= threshold
        a = np.array([(above & outcome & own).sum() for own in members])
        f = np.array([(above & ~outcome & own).sum() for own in members])
        q = np.array([(outcome & own).sum() for own in members])
        found = [counts.tp, counts.fp, counts.aa, counts.af, counts.ff, counts.aq, counts.touched]
        by_hand = [a.sum(), f.sum(), (a**2).sum(), (a * f).sum(), (f**2).sum(), (a * q).sum(), (a + f > 0).sum()]
        assert [column[index] for column in found] == by_hand
        assert counts.qq == (q**2).sum()
        assert counts.score[index] == pytest.approx(score[above].sum())


def test_samples_without_groups_are_groups_of_one() -> None:
    score, outcome = np.array([0.9, 0.7, 0.7, 0.1]), np.array([1.0, 0.0, 1.0, 1.0])
    counts = count_at(np.array([0.0, 0.7, 0.95]), score, outcome)
    assert counts.tp.tolist() == [3, 2, 0]
    assert counts.fp.tolist() == [1, 1, 0]
    assert counts.share.tolist() == [1, 0.75, 0]
    assert not counts.grouped
    assert np.isnan(counts.precision().rate[2])
    assert counts.recall().rate.tolist() == pytest.approx([1, 2 / 3, 0])


def test_the_promise_grid_holds_every_edge_at_which_cells_are_cut() -> None:
    edges, grid = bin_edges(), promise_grid()
    assert (len(edges), len(grid)) == (206, 782)
    assert np.isin(edges, grid).all()
    inside = bin_of((edges[1:] + edges[:-1]) / 2)
    assert len(np.unique(inside)) == len(inside)  # a bin for each step, so cells count exactly what an edge selects


@pytest.mark.parametrize(
    ("score", "outcome", "group", "thresholds", "message"),
    [
        ([], [], None, [0.5], "lengths above 0"),
        ([0.5], [1.0, 0.0], None, [0.5], "lengths above 0"),
        ([0.5], [1.0], [1, 2], [0.5], "one code per score"),
        ([1.5], [1.0], None, [0.5], r"lie in \[0, 1\]"),
        ([0.5], [0.5], None, [0.5], "0 or 1"),
        ([0.5], [1.0], None, [0.5, 0.5], "rise"),
        ([0.5], [1.0], None, [], "rise"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    score: list[float], outcome: list[float], group: list[int] | None, thresholds: list[float], message: str
) -> None:
    codes = None if group is None else np.array(group, dtype=np.int64)
    with pytest.raises(ValueError, match=message):
        count_at(np.array(thresholds), np.array(score), np.array(outcome), codes)
