"""Positives that no sample stands for, such as objects without a detection: counted where they are known, else unknown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.reasons import Code
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.cells import bin_of
from monitor.statistics.thresholds.choice import ScoredSamples, choose_threshold, is_broken
from monitor.statistics.thresholds.counts import bin_edges, count_at
from monitor.statistics.thresholds.live import Units, live_rates
from monitor.statistics.thresholds.operating_points import best_fbeta, minimum_cost, operating_points
from monitor.statistics.thresholds.policies import parse_policy

ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(-1, 4)), min_size=1, max_size=40)
MISSED = st.lists(st.integers(-1, 7), max_size=12)  # also of groups without a sample
NEED_RECALL = ("f1", "fbeta:2", "fbeta:0.5", "recall>=0.5", "recall>=0.9")
NEED_NEGATIVES = ("youden", "cost:fp=1,fn=4,prior=0.02", "cost:fp=5,fn=1,prior=0.5")
ANSWERED = (
    "cost:fp=1,fn=4",
    "cost:fp=3,fn=1",
    "precision>=0.5",
    "precision>=0.8",
    "fp_per_image<=2",
    "fp_per_image<=0.9",
)


def _traffic(seed: int, images: int = 400, each: int = 6) -> tuple[Floats, Floats, Ints]:
    """Detections with right scores, those of an image one group."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 1, images * each)
    outcome = (rng.random(score.size) < score).astype(np.float64)
    return score, outcome, np.repeat(np.arange(images), each)


def _detections(seed: int, missed: Ints | None = None) -> ScoredSamples:
    return ScoredSamples(*_traffic(seed), missed=missed, has_negatives=False)


@given(ROWS, MISSED, st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True))
def test_recall_and_its_squares_over_groups_are_those_counted_by_hand(
    rows: list[tuple[float, bool, int]], lost: list[int], wanted: list[float]
) -> None:
    score, outcome, group = (np.array(column) for column in zip(*rows, strict=True))
    thresholds, missed = np.sort(np.array(wanted)), np.array(lost, dtype=np.int64)
    counts = count_at(thresholds, score, outcome.astype(np.float64), group.astype(np.int64), missed=missed)
    alone = np.where(group < 0, np.arange(len(rows)) + 100, group)
    elsewhere = np.where(missed < 0, np.arange(missed.size) + 1000, missed)
    units = np.unique(np.concatenate([alone, elsewhere]))
    q = np.array([(outcome & (alone == unit)).sum() + (elsewhere == unit).sum() for unit in units])
    assert (counts.truths, counts.missed) == (q.sum(), missed.size)
    assert (counts.qq, counts.groups_with_positives) == ((q**2).sum(), (q > 0).sum())
    assert counts.groups == len(np.unique(alone))  # of images with a detection
    for index, threshold in enumerate(thresholds):
        a = np.array([((score >= threshold) & outcome & (alone == unit)).sum() for unit in units])
        assert counts.aq[index] == (a * q).sum()
        recall = counts.recall().rate[index]
        assert recall == pytest.approx(a.sum() / q.sum() if q.sum() else np.nan, nan_ok=True)


@given(ROWS, MISSED)
def test_missed_positives_change_nothing_of_precision_and_false_positives(
    rows: list[tuple[float, bool, int]], lost: list[int]
) -> None:
    score, outcome, group = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    at, codes = np.array([0.0, 0.5]), group.astype(np.int64)
    without = count_at(at, score, outcome, codes)
    for missed in (np.array(lost, dtype=np.int64), None):
        counts = count_at(at, score, outcome, codes, missed=missed)
        np.testing.assert_array_equal(counts.precision().rate, without.precision().rate)
        np.testing.assert_array_equal(counts.share, without.share)
        np.testing.assert_array_equal(counts.fp / counts.groups, without.fp / without.groups)


def test_none_missed_is_the_same_as_not_naming_them() -> None:
    score, outcome, group = _traffic(1)
    one, other = (count_at(bin_edges(), score, outcome, group, **given) for given in ({}, {"missed": np.empty(0, int)}))
    for name in ("tp", "aq", "qq", "groups", "positives", "missed", "grouped"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_unknown_misses_leave_recall_unknown_and_never_zero() -> None:
    score, outcome, group = _traffic(2)
    for codes in (group, None):
        counts = count_at(bin_edges(), score, outcome, codes, missed=None)
        assert np.isnan(counts.truths)
        assert np.isnan([counts.recall().rate, *counts.recall_bounds(0.95), counts.false_negatives]).all()
        assert np.isfinite(counts.precision_bounds(0.95)[0][:150]).all()


def test_misses_that_come_together_widen_the_bounds_of_recall() -> None:
    score, outcome = np.full(400, 0.9), np.ones(400)
    group = np.arange(400)
    spread = count_at(np.array([0.5]), score, outcome, group, missed=np.arange(100))
    bunched = count_at(np.array([0.5]), score, outcome, group, missed=np.repeat(np.arange(5), 20))
    assert spread.recall().rate == bunched.recall().rate == pytest.approx(0.8)
    (low, high), (lower, higher) = (each.recall_bounds(0.95) for each in (spread, bunched))
    assert lower < low < 0.8 < high < higher


def test_bounds_of_recall_hold_where_whole_images_are_missed() -> None:
    rng, broken, runs = np.random.default_rng(3), 0, 300
    for _ in range(runs):
        # of each image's objects all are found with probability 0.8, else none: recall is 0.8 of all truths
        found = rng.random(150) < 0.8
        objects = rng.integers(1, 6, 150)
        group = np.repeat(np.arange(150), np.where(found, objects, 0))
        missed = np.repeat(np.arange(150), np.where(found, 0, objects))
        counts = count_at(np.array([0.5]), np.full(group.size, 0.9), np.ones(group.size), group, missed=missed)
        broken += bool(counts.recall_bounds(0.95)[0][0] > 0.8)
    assert broken / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("missed", [0, 10, 1500])
def test_fbeta_counts_the_missed_among_the_false_negatives(missed: int) -> None:
    score, outcome, _ = _traffic(4)
    points = operating_points(score, outcome, missed=missed)
    best = best_fbeta(points, 2.0)
    assert best is not None
    np.testing.assert_array_equal(points.tp + points.fn, outcome.sum() + missed)
    value = 5 * points.tp / (5 * points.tp + 4 * points.fn + points.fp)
    assert 5 * best.tp / (5 * best.tp + 4 * best.fn + best.fp) == value.max()


def test_the_more_is_missed_the_lower_is_the_threshold_of_f1() -> None:
    none, some, most = (
        choose_threshold(parse_policy("f1"), _detections(5, np.full(missed, -1))).threshold for missed in (0, 800, 4000)
    )
    assert none is not None
    assert some is not None
    assert most is not None
    assert none > some > most


@pytest.mark.parametrize("missed", [0.0, 7.0, np.nan])
@pytest.mark.parametrize(("fp", "fn"), [(1, 4), (5, 1), (0.3, 0.1)])
def test_the_cheapest_threshold_is_the_same_however_many_are_missed(missed: float, fp: float, fn: float) -> None:
    score, outcome, _ = _traffic(6)
    found = minimum_cost(operating_points(score, outcome, missed=missed), fp, fn)
    least = minimum_cost(operating_points(score, outcome), fp, fn)
    assert found is not None
    assert least is not None
    assert found.threshold == least.threshold
    assert best_fbeta(operating_points(score, outcome, missed=np.nan), 1.0) is None


@pytest.mark.parametrize("policy", NEED_RECALL)
def test_without_the_missed_a_policy_about_recall_gives_no_threshold_and_says_why(policy: str) -> None:
    choice = choose_threshold(parse_policy(policy), _detections(7))
    assert (choice.threshold, choice.kept, choice.why.code) == (None, None, Code.THRESHOLD_NEEDS_TRUTH)
    assert choice.why.values == {"policy": policy}
    assert (choice.n, choice.groups) == (2400, 400)
    assert choice.curve is not None
    assert np.isnan([choice.curve.recall, choice.curve.recall_upper, choice.curve.f1, choice.curve.cost]).all()
    assert np.isfinite(choice.curve.precision).all()


@pytest.mark.parametrize("policy", NEED_RECALL)
def test_with_the_missed_known_it_gives_real_figures(policy: str) -> None:
    missed = np.repeat(np.arange(390, 600), 2)  # also of images without a detection
    samples = _detections(8, missed)
    choice = choose_threshold(parse_policy(policy), samples)
    truths = samples.outcome.sum() + missed.size
    if policy == "recall>=0.9":  # of all truths more than a tenth is missed whatever the threshold
        assert (choice.threshold, choice.kept) == (None, False)
        return
    assert choice.threshold is not None
    tp = samples.outcome[samples.score >= choice.threshold].sum()
    assert choice.recall.estimate == pytest.approx(tp / truths)
    assert choice.recall.lower is not None
    assert choice.recall.upper is not None
    assert choice.recall.lower < tp / truths < choice.recall.upper
    assert choice.curve is not None
    assert choice.curve.recall.max() <= samples.outcome.sum() / truths


@pytest.mark.parametrize("policy", NEED_NEGATIVES)
@pytest.mark.parametrize("missed", [None, np.arange(5)])
def test_what_needs_true_negatives_is_never_told_where_there_are_none(policy: str, missed: Ints | None) -> None:
    choice = choose_threshold(parse_policy(policy), _detections(9, missed))
    assert (choice.threshold, choice.kept, choice.why.code) == (None, None, Code.THRESHOLD_NEEDS_NEGATIVES)


@pytest.mark.parametrize("policy", ANSWERED)
def test_other_policies_choose_as_ever_and_leave_only_recall_unknown(policy: str) -> None:
    score, outcome, group = _traffic(10)
    ever = choose_threshold(parse_policy(policy), ScoredSamples(score, outcome, group))
    choice = choose_threshold(
        parse_policy(policy), ScoredSamples(score, outcome, group, None, None, has_negatives=False)
    )
    assert choice.threshold is not None
    for name in ("threshold", "kept", "precision", "fp_per_group", "share", "best", "best_threshold", "empirical"):
        assert getattr(choice, name) == getattr(ever, name)
    assert (choice.recall.estimate, choice.recall.lower, choice.recall.upper) == (None, None, None)
    assert ever.recall.estimate is not None
    assert choice.why.code == ever.why.code
    assert choice.why.values["figures"]["recall"] == [None, None, None]


def test_the_cost_of_a_curve_counts_the_missed_and_is_unknown_without_them() -> None:
    score, outcome, _ = _traffic(11)
    curves = [
        choose_threshold(parse_policy("cost:fp=1,fn=4"), ScoredSamples(score, outcome, missed=missed)).curve
        for missed in (np.empty(0, np.int64), np.full(600, -1), None)
    ]
    costs = [curve.cost for curve in curves if curve is not None]
    np.testing.assert_allclose(costs[1] - costs[0], 4 * 600 / 2400)
    assert np.isnan(costs[2]).all()


def test_a_promise_of_recall_is_never_broken_by_what_nobody_knows() -> None:
    samples = _detections(12)
    assert not is_broken(parse_policy("recall>=0.9"), 0.9, samples, 0.95)
    assert is_broken(parse_policy("recall>=0.9"), 0.9, ScoredSamples(samples.score, samples.outcome), 0.95)
    assert is_broken(parse_policy("precision>=0.9"), 0.2, samples, 0.95)


@pytest.mark.parametrize(("missed", "recall"), [(0.0, 16 / 17), (15.0, 16 / 32), (np.nan, np.nan)])
def test_live_recall_is_over_all_truths(missed: float, recall: float) -> None:
    rates = live_rates(
        np.zeros(2, np.int64), bin_of(np.array([0.2, 0.9])).astype(np.int64), np.array([10.0, 20.0]), np.array([1.0, 16.0]),
        np.array([0.5]), Units(np.zeros((1, 2), np.int64), np.ones((2, 1)), missed),
    )  # fmt: skip
    assert rates["threshold_precision"] == pytest.approx([0.8])
    assert rates["threshold_recall"] == pytest.approx([recall], nan_ok=True)
    for bound in ("lower", "upper"):
        assert np.isnan(rates[f"threshold_recall_{bound}"][0]) == np.isnan(recall)
        assert np.isfinite(rates[f"threshold_precision_{bound}"][0])
