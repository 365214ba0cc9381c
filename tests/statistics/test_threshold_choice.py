"""From a policy and samples to a threshold with its figures, words and curve."""

import numpy as np
import pytest
from scipy.special import expit

from monitor.statistics.intervals import clopper_pearson
from monitor.statistics.thresholds.choice import EXACT, GROUPED, Estimate, ScoredSamples, choose_threshold
from monitor.statistics.thresholds.counts import bin_edges, count_at
from monitor.statistics.thresholds.curves import COLUMNS, MOST_POINTS, curve_of, thin_curve
from monitor.statistics.thresholds.policies import parse_policy
from tests.worlds.reasons import sentences


def _traffic(seed: int, n: int, clip: int = 1) -> ScoredSamples:
    rng = np.random.default_rng(seed)
    logit = rng.normal(0.5, 1.5, n)
    clips = np.arange(n, dtype=np.int64) // clip
    level = rng.random(n) if clip == 1 else rng.random(n)[clips * clip]
    return ScoredSamples(expit(logit), (level < expit(logit)).astype(np.float64), clips if clip > 1 else None)


WORKED = ScoredSamples(
    np.array([0.95, 0.80, 0.60, 0.55, 0.52, 0.40, 0.35, 0.20]), np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
)


def test_worked_example_takes_55_hundredths_with_three_of_four_right() -> None:
    choice = choose_threshold(parse_policy("f1"), WORKED)
    assert choice.threshold == 0.55
    assert (choice.precision.estimate, choice.recall.estimate, choice.share) == (0.75, 0.75, 0.5)
    assert choice.kept is None
    low, high = (float(bound[0]) for bound in clopper_pearson(np.array([3.0]), np.array([4.0]), 0.95))
    assert choice.precision == Estimate(0.75, low, high)
    cost = choose_threshold(parse_policy("cost:fp=1,fn=4"), WORKED)
    assert (cost.threshold, cost.empirical) == (0.2, 0.35)
    assert "cheapest in the samples was 0.3500" in sentences(cost)[0]


def test_an_optimum_is_chosen_on_one_part_and_measured_on_the_other() -> None:
    other = ScoredSamples(np.array([0.9, 0.5]), np.array([1.0, 0.0]))
    choice = choose_threshold(parse_policy("f1"), other, chosen_on=WORKED)
    assert choice.threshold == 0.55
    assert (choice.n, choice.precision.estimate, choice.recall.estimate) == (2, 1.0, 1.0)


def test_a_kept_promise_states_it_with_its_confidence() -> None:
    choice = choose_threshold(parse_policy("precision>=0.9"), _traffic(1, 5000), confidence=0.9)
    assert choice.kept
    assert choice.precision.lower is not None
    assert choice.precision.lower >= 0.9
    assert choice.bound == EXACT
    assert f"threshold {choice.threshold:.4f} promises precision >= 0.9 with 90 % confidence" in sentences(choice)[0]


def test_a_promise_that_none_can_make_says_how_near_the_best_comes() -> None:
    choice = choose_threshold(parse_policy("precision>=0.999"), _traffic(2, 2000))
    assert (choice.threshold, choice.kept) == (None, False)
    assert choice.precision == Estimate()
    assert choice.best is not None
    assert 0.9 < choice.best < 0.999
    assert sentences(choice)[0].startswith(
        "no threshold can promise precision >= 0.999 with 95 % confidence on 2,000 samples"
    )
    assert f"the best bound is {choice.best:.4g}" in sentences(choice)[0]
    assert choice.curve is not None


def test_groups_that_decide_alike_make_the_same_promise_dearer() -> None:
    one = _traffic(3, 4000, clip=10)
    grouped = choose_threshold(parse_policy("recall>=0.9"), one)
    alone = choose_threshold(parse_policy("recall>=0.9"), ScoredSamples(one.score, one.outcome))
    assert (grouped.bound, grouped.groups) == (GROUPED, 400)
    assert grouped.threshold is not None
    assert alone.threshold is not None
    assert grouped.threshold < alone.threshold


def test_abstention_states_accuracy_among_the_kept_and_its_coverage() -> None:
    choice = choose_threshold(parse_policy("accuracy>=0.9"), _traffic(4, 8000))
    assert choice.kept
    assert choice.share is not None
    assert f"it covers {100 * choice.share:.3g} % of all samples" in sentences(choice)[0]
    assert choice.precision.lower is not None
    assert choice.precision.lower >= 0.9


def test_what_samples_do_not_determine_is_none_with_the_reason() -> None:
    choice = choose_threshold(parse_policy("f1"), ScoredSamples(np.array([0.3, 0.4]), np.zeros(2)))
    assert choice.threshold is None
    assert "must hold both outcomes" in sentences(choice)[0]
    empty = ScoredSamples(np.empty(0), np.empty(0))
    assert choose_threshold(parse_policy("precision>=0.9"), empty).kept is False
    assert choose_threshold(parse_policy("f1"), empty).kept is None
    with pytest.raises(ValueError, match="confidence must be"):
        choose_threshold(parse_policy("f1"), WORKED, confidence=0.4)


@pytest.mark.parametrize("policy", ["f1", "precision>=0.9", "cost:fp=1,fn=4"])
def test_the_curve_holds_the_chosen_threshold_and_figures_of_every_point(policy: str) -> None:
    samples = _traffic(5, 3000)
    choice = choose_threshold(parse_policy(policy), samples)
    curve = choice.curve
    assert curve is not None
    assert len(curve) <= MOST_POINTS
    assert (np.diff(curve.threshold) > 0).all()
    assert choice.threshold in curve.threshold
    for index in (0, len(curve) // 2, len(curve) - 1):
        above = samples.score >= curve.threshold[index]
        assert curve.share[index] == pytest.approx(above.mean())
        assert curve.precision[index] == pytest.approx(samples.outcome[above].mean())
        assert curve.precision_lower[index] <= curve.precision[index] <= curve.precision_upper[index]
        missed, alarms = (samples.outcome[~above]).sum(), (1 - samples.outcome[above]).sum()
        cost = (alarms + 4 * missed) / 3000 if policy.startswith("cost") else np.nan
        assert curve.cost[index] == pytest.approx(cost, nan_ok=True)


def test_a_curve_is_thinned_evenly_and_keeps_what_must_stay() -> None:
    samples = _traffic(6, 20_000)
    counts = count_at(bin_edges(), samples.score, samples.outcome)
    keep = float(counts.threshold[101])
    few = thin_curve(counts, keep, most=10)
    assert len(few) <= 10
    assert keep in few.threshold
    full = curve_of(thin_curve(counts, None), 0.95)
    assert (np.diff(full.share) < 0).all()  # no two points are the same decision
    assert len(COLUMNS) == 13
