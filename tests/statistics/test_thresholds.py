import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.statistics.thresholds.operating_points import (
    NEVER,
    OperatingPoint,
    best_fbeta,
    cost_threshold,
    minimum_cost,
    operating_points,
    youden,
)
from tests.worlds.statistics import rate_fbeta, rate_precision, rate_recall

SCORES = [0.95, 0.80, 0.60, 0.55, 0.52, 0.40, 0.35, 0.20]
LABELS = [1, 1, 0, 1, 0, 0, 1, 0]
POINTS = operating_points(SCORES, LABELS)
SAMPLES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


def test_worked_example_has_its_best_f1_at_55_hundredths() -> None:
    best = best_fbeta(POINTS, 1.0)
    assert best == OperatingPoint(0.55, tp=3, fp=1, fn=1, tn=3)
    assert (rate_fbeta(best, 1.0), rate_precision(best), rate_recall(best)) == (0.75, 0.75, 0.75)


def test_beta_above_one_values_recall_and_below_one_precision() -> None:
    lenient, strict = best_fbeta(POINTS, 2), best_fbeta(POINTS, 0.5)
    assert lenient == OperatingPoint(0.35, tp=4, fp=3, fn=0, tn=1)
    assert rate_fbeta(lenient, 2) == pytest.approx(20 / 23)
    assert strict == OperatingPoint(0.80, tp=2, fp=0, fn=2, tn=4)
    assert rate_fbeta(strict, 0.5) == pytest.approx(2.5 / 3)


def test_youden_takes_the_higher_threshold_on_a_tie() -> None:
    assert youden(POINTS) == OperatingPoint(0.80, tp=2, fp=0, fn=2, tn=4)  # 0.55 gives 0.5 as well


def test_cost_threshold_is_where_both_decisions_cost_the_same() -> None:
    assert cost_threshold(1, 4) == 0.2
    assert minimum_cost(POINTS, 1, 4) == OperatingPoint(0.35, tp=4, fp=3, fn=0, tn=1)
    assert minimum_cost(POINTS, 1, 1) == OperatingPoint(0.80, tp=2, fp=0, fn=2, tn=4)


def test_a_rarer_event_in_use_raises_the_threshold_as_much_as_its_odds_fall() -> None:
    # odds 1/4 for the costs, times 1 for the samples' odds, over 1/49 for those in use: 49/4
    assert cost_threshold(1, 4, rate=0.5, prior=0.02) == pytest.approx(12.25 / 13.25)
    assert cost_threshold(1, 4, rate=0.3, prior=0.3) == pytest.approx(0.2)
    score = 0.6  # shifting the score by hand gives the same decision
    odds = score / (1 - score) * (0.02 / 0.98) / (0.1 / 0.9)
    assert (odds / (1 + odds) >= 0.2) == (score >= cost_threshold(1, 4, rate=0.1, prior=0.02))
    with pytest.raises(ValueError, match="rate and prior must lie between 0 and 1"):
        cost_threshold(1, 4, rate=0.0, prior=0.5)


def test_never_predicting_positive_can_be_the_cheapest() -> None:
    best = minimum_cost(operating_points([0.9, 0.8], [0, 0]), 1, 1)
    assert best == OperatingPoint(NEVER, tp=0, fp=0, fn=0, tn=2)
    assert best.threshold > 1
    assert rate_precision(best) is None
    assert rate_recall(best) is None
    assert rate_fbeta(best, 1.0) is None


def test_what_samples_cannot_determine_is_none() -> None:
    assert best_fbeta(operating_points([0.4], [0]), 1.0) is None
    assert youden(operating_points([0.4], [1])) is None
    nothing = operating_points([], [])
    assert (best_fbeta(nothing, 1.0), youden(nothing), minimum_cost(nothing, 1, 1)) == (None, None, None)


def test_equal_scores_are_one_candidate_and_counts_weigh_rows() -> None:
    single = operating_points([0.5, 0.5, 0.5, 0.2], [1, 0, 1, 0])
    counted = operating_points([0.5, 0.2], [2 / 3, 0], n=[3, 1])
    for points in (single, counted):
        assert [points[i] for i in range(len(points))] == [
            OperatingPoint(NEVER, 0, 0, 2, 2),
            OperatingPoint(0.5, 2, 1, 0, 1),
            OperatingPoint(0.2, 2, 2, 0, 0),
        ]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.3, 0.55, 0.951, 1.0])
def test_counts_at_any_threshold_are_those_of_the_rule(threshold: float) -> None:
    positive = np.array(SCORES) >= threshold
    true = np.array(LABELS) == 1
    expected = [(positive & true).sum(), (positive & ~true).sum(), (~positive & true).sum(), (~positive & ~true).sum()]
    assert POINTS.at(threshold) == OperatingPoint(threshold, *(float(count) for count in expected))


@given(SAMPLES)
def test_best_f1_is_not_beaten_by_any_observed_threshold(samples: list[tuple[float, bool]]) -> None:
    score, outcome = np.array([s for s, _ in samples]), np.array([y for _, y in samples])
    best = best_fbeta(operating_points(score, outcome), 1.0)
    values = [2 * (outcome & (score >= t)).sum() / (outcome.sum() + (score >= t).sum()) for t in score if outcome.any()]
    assert (best is None) == (not outcome.any())
    assert best is None or rate_fbeta(best, 1.0) == pytest.approx(max(values))


def test_costs_and_scores_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="costs must be positive"):
        cost_threshold(0, 1)
    with pytest.raises(ValueError, match="costs must be positive"):
        minimum_cost(POINTS, 1, float("nan"))
    with pytest.raises(ValueError, match="scores must lie"):
        operating_points([1.2], [1])
    with pytest.raises(ValueError, match="equal length"):
        operating_points([0.2, 0.3], [1, 0], n=[1.0])
