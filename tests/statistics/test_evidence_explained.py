import numpy as np
import pytest
from scipy.special import expit

from monitor.model.wording import describe_shifts
from monitor.statistics.cells import Cells
from monitor.statistics.drift.bets import EDGES, BinSums, Tolerance
from monitor.statistics.drift.eprocess import Alarm, Block, EvidenceState, advance_evidence
from monitor.statistics.drift.explain import BinDrift, explain_drift, find_shifts


def alarm_after(slope: float, shift: float, above: float = -np.inf, seed: int = 1) -> tuple[Block, Alarm]:
    """The first alarm of a stream whose outcomes follow slope·logit + shift where logit > above."""
    rng = np.random.default_rng(seed)
    score = rng.normal(0.5, 2.0, (40, 500))
    truth = np.where(score > above, slope * score + shift, score)
    outcome = rng.random(score.shape) < expit(truth)
    cells = Cells.from_samples(expit(score).ravel(), outcome.ravel(), unit=np.repeat(np.arange(40), 500))
    block = Block.against_scores(BinSums.from_cells(cells, 1, 40), np.arange(40), Tolerance())
    return block, advance_evidence(EvidenceState.begin(1), block, 1e6, 1.0).alarms[0]


def words(block: Block, alarm: Alarm) -> str:
    return describe_shifts(find_shifts(explain_drift(block, 0, alarm.onset, alarm.bucket)), "score")


@pytest.mark.parametrize(
    ("slope", "shift", "kinds"),
    [(1.0, -0.6, {"over"}), (1.0, 0.6, {"under"}), (0.5, 0.0, {"over", "under"})],
)
def test_the_direction_of_a_shift_and_of_a_slope_is_named(slope: float, shift: float, kinds: set[str]) -> None:
    text = words(*alarm_after(slope, shift))
    assert {kind for kind in ("over", "under") if f"{kind}-confident" in text} == kinds


def test_over_confidence_above_one_half_is_named_with_its_range() -> None:
    assert words(*alarm_after(1.0, -0.8, above=0.0)).startswith("over-confident above 0.5 (expected 0.")


def test_over_confidence_above_four_fifths_is_told_from_that_above_one_half() -> None:
    block, alarm = alarm_after(1.0, -0.8, above=float(np.log(4)))
    text = words(block, alarm)
    high = explain_drift(block, 0, alarm.onset, alarm.bucket)[8:]
    weight = sum(one.weight for one in high)
    expected = sum(one.weight * (one.mean_rate or 0) for one in high) / weight
    happened = sum(one.weight * (one.outcome_rate or 0) for one in high) / weight
    assert text == f"over-confident above 0.8 (expected {expected:.2f}, came true {happened:.2f})"
    assert 0.88 < happened + 0.05 < expected < 0.97


def test_rates_that_round_to_the_same_are_told_apart_by_more_digits() -> None:
    bins = [BinDrift(EDGES[b], EDGES[b + 1], 0.0, None, None) for b in range(12)]
    bins[11] = BinDrift(0.98, 1.0, 1e6, 0.9912, 0.9908)
    assert (
        describe_shifts(find_shifts(tuple(bins)), "score")
        == "over-confident at all scores (expected 0.9912, came true 0.9908)"
    )


def test_bins_without_samples_do_not_count_in_the_rates() -> None:
    bins = [BinDrift(EDGES[b], EDGES[b + 1], 1000.0 if b == 3 else 0.0, 0.5 if b == 3 else None, 0.7 if b == 3 else None)
            for b in range(12)]  # fmt: skip
    assert (
        describe_shifts(find_shifts(tuple(bins)), "score")
        == "under-confident at all scores (expected 0.50, came true 0.70)"
    )


def test_too_steep_scores_are_over_confident_above_and_under_confident_below() -> None:
    text = words(*alarm_after(0.5, 0.0))
    assert "over-confident above 0." in text
    assert "under-confident below 0." in text


def test_an_empty_bin_has_unknown_rates() -> None:
    cells = Cells.from_samples([0.7], [0])
    block = Block.against_scores(BinSums.from_cells(cells, 1, 1), [0], Tolerance())
    bins = explain_drift(block, 0, 0, 0)
    assert bins[0].outcome_rate is None
    assert bins[0].mean_rate is None
    assert bins[7].outcome_rate == 0
    assert bins[7].mean_rate == pytest.approx(0.7)


def test_no_evidence_has_no_clear_direction() -> None:
    assert find_shifts(tuple(BinDrift(0, 1, 0.0, None, None) for _ in range(12))) == ()


def test_buckets_that_the_block_lacks_are_refused() -> None:
    block, _ = alarm_after(1.0, -0.6)
    with pytest.raises(ValueError, match="no bucket in"):
        explain_drift(block, 0, 50, 60)
