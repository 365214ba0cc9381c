"""Precision and recall from cells at thresholds in use: exact on bin edges, bracketed inside a bin."""

import numpy as np
import pytest

from monitor.model import THRESHOLD_METRICS
from monitor.statistics.cells import Cells, Clusters, bin_of
from monitor.statistics.intervals import clopper_pearson
from monitor.statistics.thresholds.counts import bin_edges
from monitor.statistics.thresholds.live import CONFIDENCE, Units, design_effects, live_rates, part_above


def _rates(cells: Cells, threshold: float, effect: float = 1.0) -> dict[str, float]:
    found = live_rates(
        cells.unit, cells.bin.astype(np.int64), cells.n, cells.outcome, np.array([threshold]),
        Units(np.array([[0, 0]], dtype=np.int64), np.full((2, 1), effect)),
    )  # fmt: skip
    return {name: float(values[0]) for name, values in found.items()}


def _samples(
    n: int = 4000,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    rng = np.random.default_rng(1)
    score = rng.uniform(0.01, 0.99, n)
    return score, (rng.random(n) < score).astype(np.float64)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.6, 12 / 15, float(bin_edges()[110])])
def test_on_an_edge_the_figures_are_those_of_the_samples(threshold: float) -> None:
    score, outcome = _samples()
    found = _rates(Cells.from_samples(score, outcome), threshold)
    assert set(found) == set(THRESHOLD_METRICS)
    above = score >= threshold
    tp = outcome[above].sum()
    assert found["threshold_precision"] == pytest.approx(tp / above.sum())
    assert found["threshold_recall"] == pytest.approx(tp / outcome.sum())
    low, high = clopper_pearson(np.array([tp]), np.array([float(above.sum())]), CONFIDENCE)
    assert found["threshold_precision_lower"] == pytest.approx(low[0])
    assert found["threshold_precision_upper"] == pytest.approx(high[0])


def test_inside_a_bin_the_figures_lie_between_those_of_its_edges() -> None:
    score, outcome = _samples()
    cells = Cells.from_samples(score, outcome)
    threshold = 0.553
    edges = bin_edges()
    below, above = (float(edges[np.searchsorted(edges, threshold) + step]) for step in (-1, 0))
    inside, low, high = (_rates(cells, each) for each in (threshold, below, above))
    assert high["threshold_recall"] < inside["threshold_recall"] < low["threshold_recall"]
    exact = outcome[score >= threshold].sum() / outcome.sum()
    assert inside["threshold_recall"] == pytest.approx(exact, abs=0.01)
    assert inside["threshold_recall_lower"] == min(low["threshold_recall_lower"], high["threshold_recall_lower"])
    assert inside["threshold_recall_upper"] == max(low["threshold_recall_upper"], high["threshold_recall_upper"])
    assert inside["threshold_precision_upper"] == max(
        low["threshold_precision_upper"], high["threshold_precision_upper"]
    )


def test_each_bin_is_wholly_above_its_own_lower_edge_and_wholly_below_its_upper() -> None:
    edges = bin_edges()
    own = bin_of((edges[1:] + edges[:-1]) / 2).astype(np.int64)
    np.testing.assert_array_equal(part_above(own, edges[:-1]), 1.0)
    np.testing.assert_array_equal(part_above(own[:-1], edges[1:-1]), 0.0)
    assert part_above(bin_of(np.array([0.5])).astype(np.int64), np.array([1 / (1 + np.exp(-1 / 16))])) == pytest.approx(
        0.5
    )


def test_without_predicted_positives_precision_is_unknown_and_recall_is_zero() -> None:
    found = _rates(Cells.from_samples(np.array([0.1, 0.2]), np.array([1.0, 0.0])), 0.9)
    assert np.isnan(found["threshold_precision"])
    assert np.isnan(found["threshold_precision_upper"])
    assert found["threshold_recall"] == 0
    nothing = _rates(Cells.from_samples([], []), 0.5)
    assert all(np.isnan(value) for value in nothing.values())


def test_groups_that_decide_alike_widen_the_bounds() -> None:
    score = np.repeat(np.random.default_rng(2).uniform(0.05, 0.95, 300), 10)
    outcome = np.repeat((np.random.default_rng(3).random(300) < score[::10]).astype(np.float64), 10)
    cells = Cells.from_samples(score, outcome)
    clusters = Clusters.from_samples(score, outcome, np.arange(3000) // 10)
    precision, recall = design_effects(cells, clusters, 1)[:, 0]
    assert precision == pytest.approx(10, rel=0.05)
    assert recall == max(precision, 10)
    assert (design_effects(cells, None, 1) == 1).all()
    wide, narrow = _rates(cells, 0.5, float(precision)), _rates(cells, 0.5)
    assert wide["threshold_precision"] == narrow["threshold_precision"]
    assert wide["threshold_precision_lower"] < narrow["threshold_precision_lower"]
    assert wide["threshold_recall_upper"] > narrow["threshold_recall_upper"]


def test_a_slice_over_parts_with_thresholds_of_their_own_is_their_sum() -> None:
    score, outcome = _samples()
    part = np.arange(score.size) % 3
    cells = Cells.from_samples(score, outcome, unit=part)
    links = np.array([[0, 0], [0, 1], [1, 1]], dtype=np.int64)  # the third part belongs to nobody
    found = live_rates(
        cells.unit,
        cells.bin.astype(np.int64),
        cells.n,
        cells.outcome,
        np.array([0.2, 0.6, np.nan]),
        Units(links, np.ones((2, 2))),
    )
    first, second = (part == 0) & (score >= 0.2), (part == 1) & (score >= 0.6)
    assert found["threshold_precision"][0] == pytest.approx(outcome[first].mean())
    assert found["threshold_precision"][1] == pytest.approx(outcome[first | second].mean())
    assert found["threshold_recall"][1] == pytest.approx(outcome[first | second].sum() / outcome[part < 2].sum())
