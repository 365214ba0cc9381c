"""The e-process against its definition, its guarantee, and its checkpoints."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from monitor.statistics.cells import Cells
from monitor.statistics.drift.bets import DETECTOR_BINS, Bank, BinSums, Tolerance, bin_middles, default_bank
from monitor.statistics.drift.eprocess import NEVER, Advance, Block, EvidenceState, advance_evidence

NONE = Tolerance()
Floats = NDArray[np.float64]


def drawn(rng: np.random.Generator, slices: int, buckets: int, samples: int, shift: float, since: int = 0) -> BinSums:
    """Streams with logit p ~ N(0.5, 1.5²) whose outcomes follow logit p + shift from bucket ``since`` on."""
    score = rng.normal(0.5, 1.5, (slices, buckets, samples))
    late = (np.arange(buckets) >= since)[None, :, None]
    outcome = (rng.random(score.shape) < expit(score + shift * late)).astype(float)
    unit = np.repeat(np.arange(slices * buckets), samples)
    return BinSums.from_cells(Cells.from_samples(expit(score).ravel(), outcome.ravel(), unit=unit), slices, buckets)


def run(sums: BinSums, tolerance: Tolerance = NONE, threshold: float = 365.0) -> Advance:
    slices, buckets = sums.samples.shape
    block = Block.against_scores(sums, np.arange(buckets), tolerance)
    return advance_evidence(EvidenceState.begin(slices), block, threshold, 1.0)


def part(sums: BinSums, first: int, last: int) -> BinSums:
    span = (slice(None), slice(first, last))
    return BinSums(sums.weight[span], sums.score[span], sums.outcome[span], sums.samples[span])


def nothing(slices: int, buckets: int) -> BinSums:
    shape = (slices, buckets, DETECTOR_BINS)
    return BinSums(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros((slices, buckets)))


def rows(sums: BinSums, row: int) -> BinSums:
    one = slice(row, row + 1)
    return BinSums(sums.weight[one], sums.score[one], sums.outcome[one], sums.samples[one])


def test_evidence_equals_the_sum_over_all_starts_and_tilts_written_out() -> None:
    rng = np.random.default_rng(1)
    sums, bank = drawn(rng, 1, 12, 30, -0.3), default_bank()
    got = run(sums, Tolerance("odds", 1.1), 1e9).log_evidence[0]
    increments, growth = np.zeros((12, len(bank))), np.zeros((12, len(bank)))
    for t in range(12):
        for j in np.flatnonzero(~bank.for_groups):  # those for groups get no mass without any
            for b in range(DETECTOR_BINS):
                weight, tilt = sums.weight[0, t, b], bank.tilts[j, b]
                if weight > 0 and tilt != 0:
                    mean = sums.score[0, t, b] / weight
                    odds = mean / (1 - mean) * (1.1 if tilt > 0 else 1 / 1.1)
                    rate = odds / (1 + odds)
                    increments[t, j] += tilt * sums.outcome[0, t, b] - weight * np.log(1 + rate * (np.exp(tilt) - 1))
                    growth[t, j] += weight * rate * (1 - rate) * tilt**2 / 2
    dealt = growth**2 / (growth**2 + 0.02**2)
    dealt = (dealt + 1e-6 * dealt.max(axis=1, keepdims=True, where=~bank.for_groups, initial=0)) * ~bank.for_groups
    starts = dealt * bank.weights / (dealt @ bank.weights)[:, None]
    for t in range(12):
        by_start = [
            np.log(starts[s][~bank.for_groups]) + increments[s : t + 1].sum(axis=0)[~bank.for_groups]
            for s in range(t + 1)
        ]
        assert got[t] == pytest.approx(logsumexp(by_start), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), checkpoint=st.integers(1, 19), changed=st.integers(0, 19))
def test_rerun_from_a_checkpoint_equals_a_run_from_scratch(seed: int, checkpoint: int, changed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = drawn(rng, 3, 20, int(rng.integers(1, 60)), float(rng.normal(0, 1)))
    sums.weight[:, 5:7], sums.score[:, 5:7], sums.outcome[:, 5:7], sums.samples[:, 5:7] = 0.0, 0.0, 0.0, 0.0
    checkpoint = min(checkpoint, changed) or 1
    before = run(part(sums, 0, checkpoint), threshold=20.0)
    sums.outcome[:, max(changed, checkpoint)] = 0.0  # a correction that arrives after the checkpoint was written
    saved = [before.state.to_bytes(row) for row in range(3)]
    state = EvidenceState.join([EvidenceState.from_bytes(one) for one in saved])
    again = Block.against_scores(part(sums, checkpoint, 20), np.arange(checkpoint, 20), NONE)
    resumed, scratch = advance_evidence(state, again, 20.0, 1.0), run(sums, threshold=20.0)
    np.testing.assert_allclose(resumed.log_evidence, scratch.log_evidence[:, checkpoint:], atol=1e-9)
    np.testing.assert_allclose(resumed.state.log_standing, scratch.state.log_standing, atol=1e-9)
    np.testing.assert_array_equal(resumed.state.start, scratch.state.start)
    late = [(a.row, a.bucket, a.onset, a.samples) for a in scratch.alarms if a.bucket >= checkpoint]
    assert [(a.row, a.bucket, a.onset, a.samples) for a in resumed.alarms] == late


def test_a_slice_is_judged_alike_alone_and_among_others() -> None:
    sums = drawn(np.random.default_rng(3), 5, 15, 40, -0.4)
    together = run(sums)
    for row in range(5):
        alone = run(rows(sums, row))
        np.testing.assert_allclose(alone.log_evidence[0], together.log_evidence[row], atol=1e-9)


def test_buckets_without_samples_may_be_left_out_or_kept() -> None:
    sums = drawn(np.random.default_rng(4), 2, 10, 25, -0.2)
    busy = np.array([0, 1, 2, 6, 7, 30, 31, 32, 40, 41])
    wide = nothing(2, 42)
    wide.weight[:, busy], wide.score[:, busy] = sums.weight, sums.score
    wide.outcome[:, busy], wide.samples[:, busy] = sums.outcome, sums.samples
    fresh = EvidenceState.begin(2)
    sparse = advance_evidence(fresh, Block.against_scores(sums, busy, NONE), 365.0, 1 / 24)
    dense = advance_evidence(fresh, Block.against_scores(wide, np.arange(42), NONE), 365.0, 1 / 24)
    np.testing.assert_allclose(dense.log_evidence[:, busy], sparse.log_evidence, atol=1e-12)
    np.testing.assert_allclose(dense.state.log_mass, sparse.state.log_mass, atol=1e-12)


def test_start_mass_is_the_time_since_the_last_score_and_at_most_one_day() -> None:
    empty = nothing(1, 3)
    empty.weight[:] = 1e-300  # scored, and without any evidence either way
    state = EvidenceState.begin(1)
    got = advance_evidence(state, Block.against_scores(empty, [0, 6, 100], NONE), 365.0, 1 / 24)
    np.testing.assert_allclose(np.exp(got.log_evidence[0]), [1 / 24, 7 / 24, 31 / 24], atol=1e-12)


def test_a_slice_without_samples_gathers_no_evidence() -> None:
    got = run(nothing(1, 5))
    assert not np.isfinite(got.log_evidence).any()
    assert got.state.last_scored[0] == NEVER
    assert got.alarms == ()


def test_after_an_alarm_evidence_starts_from_later_buckets_only() -> None:
    sums = drawn(np.random.default_rng(5), 1, 30, 400, -0.8, since=10)
    got = run(sums)
    first = got.alarms[0].bucket
    assert first in (10, 11)
    fresh = part(sums, first + 1, 30)
    later = advance_evidence(
        EvidenceState.begin(1), Block.against_scores(fresh, np.arange(first + 1, 30), NONE), 365.0, 1.0
    )
    np.testing.assert_allclose(got.log_evidence[:, first + 1 :], later.log_evidence, atol=1e-9)


def test_the_onset_lies_near_the_change_and_counts_the_samples_since() -> None:
    got = run(drawn(np.random.default_rng(6), 40, 100, 50, -0.5, since=60))
    alarms = {a.row: a for a in reversed(got.alarms) if a.bucket >= 60}
    assert len(alarms) == 40
    assert abs(np.median([a.onset for a in alarms.values()]) - 60) <= 2
    assert all(a.samples == 50 * (a.bucket - a.onset + 1) for a in alarms.values())


def test_miscalibration_inside_the_tolerance_raises_no_alarm() -> None:
    sums = drawn(np.random.default_rng(7), 20, 30, 1000, float(np.log(1.06)))
    assert len(run(sums, Tolerance("odds", 1.1)).alarms) == 0
    assert len(run(sums).alarms) > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tolerance", "shift"), [(NONE, 0.0), (Tolerance("odds", 1.1), np.log(1.1)), (Tolerance("odds", 1.1), -np.log(1.1))]
)
def test_false_alarms_stay_within_the_budget(tolerance: Tolerance, shift: float) -> None:
    alarms = len(run(drawn(np.random.default_rng(8), 60, 400, 40, float(shift)), tolerance, 50.0).alarms)
    expected = 60 * 400 / 50  # at most; Monte Carlo error of the count is about its root
    assert 0 < alarms <= expected + 3 * np.sqrt(expected)


@pytest.mark.slow
def test_groups_with_weights_of_one_share_keep_the_budget_under_any_dependence_inside() -> None:
    rng, groups, size = np.random.default_rng(9), 20, 8
    score = rng.normal(0.5, 1.5, (60, 200, groups, 1)) + rng.normal(0, 0.3, (60, 200, groups, size))
    outcome = rng.random((60, 200, groups, 1)) < expit(score)  # one draw decides the whole group
    unit = np.repeat(np.arange(60 * 200), groups * size)
    flat = expit(score).ravel()

    def alarms(weight: float) -> int:
        cells = Cells.from_samples(flat, outcome.ravel(), unit=unit, weight=np.full(flat.size, weight))
        return len(run(BinSums.from_cells(cells, 60, 200), threshold=50.0).alarms)

    assert alarms(1 / size) <= 60 * 200 / 50 + 3 * np.sqrt(60 * 200 / 50)
    assert alarms(1.0) > 1000  # as if independent: far over


def test_no_tilt_expects_to_win_on_outcomes_that_follow_the_scores() -> None:
    """E[e^inc] of one bucket with one sample, by enumeration, is at most 1 anywhere in the band."""
    bank = default_bank()
    middle = bin_middles()
    for tolerance in (NONE, Tolerance("odds", 1.2), Tolerance("probability", 0.03)):
        low, high = tolerance.lower_rate(middle), tolerance.upper_rate(middle)
        rate = np.where(bank.tilts > 0, high, low)
        for true in (low, (low + high) / 2, high):
            mean = (1 - true + true * np.exp(bank.tilts)) / (1 - rate + rate * np.exp(bank.tilts))
            assert (mean <= 1 + 1e-12).all()


def test_standing_evidence_is_an_e_value_at_a_fixed_time() -> None:
    got = run(drawn(np.random.default_rng(10), 3000, 20, 10, 0.0))
    values = np.exp(got.state.log_standing_evidence())
    assert values.mean() <= 1 + 3 * values.std() / np.sqrt(values.size)
    assert (values > 0).all()


def test_a_checkpoint_is_small_and_foreign_bytes_are_refused() -> None:
    state = run(drawn(np.random.default_rng(11), 1, 3, 5, 0.0)).state
    assert len(state.to_bytes(0)) < 10_000
    with pytest.raises(ValueError, match="not an evidence checkpoint"):
        EvidenceState.from_bytes(state.to_bytes(0)[:-1])
    with pytest.raises(ValueError, match="not an evidence checkpoint"):
        EvidenceState.from_bytes(b"")


def test_a_bucket_that_was_already_taken_is_refused() -> None:
    sums = drawn(np.random.default_rng(12), 1, 3, 5, 0.0)
    state = run(sums).state
    with pytest.raises(ValueError, match="is not after"):
        advance_evidence(state, Block.against_scores(sums, [2, 3, 4], NONE), 365.0, 1.0)
    with pytest.raises(ValueError, match="ascending"):
        Block.against_scores(sums, [3, 3, 4], NONE)


def test_scores_of_exactly_zero_and_one_are_judged_without_infinities() -> None:
    cells = Cells.from_samples([0.0, 1.0, 0.0, 1.0], [0, 1, 1, 0], unit=[0, 0, 1, 1])
    got = run(BinSums.from_cells(cells, 1, 2))
    assert np.isfinite(got.log_evidence).all()
    assert got.log_evidence[0, 1] > got.log_evidence[0, 0]


def test_a_bank_with_other_tilts_can_be_used_throughout() -> None:
    bank = Bank.of(np.stack([np.full(12, -0.5), np.full(12, 0.5)]), np.array([0.5, 0.5]))
    sums = drawn(np.random.default_rng(13), 2, 40, 60, -0.5, since=5)
    block = Block.against_scores(sums, np.arange(40), NONE)
    got = advance_evidence(EvidenceState.begin(2, bank), block, 365.0, 1.0, bank)
    assert {alarm.row for alarm in got.alarms} == {0, 1}
    assert all(alarm.tilt == 0 for alarm in got.alarms)
