"""Bets on samples in groups: the guarantee over every joint law, and what they must equal."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.statistics.arrays import Floats
from monitor.statistics.cells import Cells, bin_of
from monitor.statistics.drift.bets import (
    DETECTOR_BINS,
    Bank,
    BinSums,
    Tolerance,
    bin_middles,
    default_bank,
    detector_bin_of,
)
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.explain import explain_drift, find_shifts
from monitor.statistics.drift.groups import MEMORY, GroupSums, place_bets

TOLERANCES = (Tolerance(), Tolerance("odds", 1.1), Tolerance("odds", 1.5), Tolerance("probability", 0.02))


def one_group(score: Floats, outcome: Floats) -> GroupSums:
    size = len(score)
    return GroupSums.of(
        np.zeros(size, int), np.zeros(size, int), np.zeros(size, int), detector_bin_of(bin_of(score)), np.ones(size), score,
        outcome,
    )  # fmt: skip


def empty(slices: int, buckets: int) -> BinSums:
    none = np.zeros((slices, buckets, DETECTOR_BINS))
    return BinSums(none, none, none, none[:, :, 0])


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(2, 7), which=st.integers(0, len(TOLERANCES) - 1))
def test_under_any_joint_law_with_tolerated_rates_no_tilt_expects_to_win(seed: int, size: int, which: int) -> None:
    # a law over all outcomes of the group, with marginals at a corner of the band: any mixture of them keeps to the bound, too
    rng, tolerance = np.random.default_rng(seed), TOLERANCES[which]
    score = np.clip(rng.beta(rng.uniform(0.2, 3), rng.uniform(0.2, 3), size), 1e-6, 1 - 1e-6)
    side = rng.random(DETECTOR_BINS) < 0.5  # of each bin, whether outcomes are as frequent as tolerated, or as rare
    column = detector_bin_of(bin_of(score))
    rate = np.where(side[column], tolerance.upper_rate(score), tolerance.lower_rate(score))
    bank, typical = default_bank(), rng.exponential(0.2, (1, len(default_bank().supports))) * rng.integers(0, 2)
    # a coupling at random: each outcome is rate > a shared, a mirrored or an own uniform number, with the threshold's law exact
    cuts = np.unique(np.concatenate([[0.0, 1.0], rate, 1 - rate]))
    flip = rng.random(size) < 0.5
    shared = rng.random(size) < 0.6
    expected = np.zeros(len(bank))
    own = np.flatnonzero(~shared)
    for low, high in pairwise(cuts.tolist()):
        middle = (low + high) / 2
        fixed = np.where(flip, middle > 1 - rate, middle < rate).astype(float)
        for drawn in product((0.0, 1.0), repeat=own.size):
            outcome = fixed.copy()
            outcome[own] = drawn
            chance = (high - low) * np.prod(np.where(outcome[own] > 0, rate[own], 1 - rate[own]))
            bets = place_bets(one_group(score, outcome).against_scores(tolerance), 1, typical, bank)
            expected += chance * np.exp(bets.increment[0])
    assert expected.max() <= 1 + 1e-12


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_group_stakes_at_most_one_and_loses_at_most_its_largest_tilt(seed: int) -> None:
    rng, bank = np.random.default_rng(seed), default_bank()
    groups, size = 5, int(rng.integers(1, 40))
    score = np.clip(rng.beta(0.4, 0.4, groups * size), 0, 1)
    outcome = (rng.random(groups * size) < rng.random()).astype(float)
    group = np.repeat(np.arange(groups), size)
    zero = np.zeros(groups * size, int)
    sums = GroupSums.of(zero, zero, group, detector_bin_of(bin_of(score)), np.ones(group.size), score, outcome)
    typical = rng.exponential(0.2, (1, len(bank.supports)))
    assert sums.against_scores(Tolerance()).weigh(1, 1).sums[0].sum() <= groups + 1e-9
    bets = place_bets(sums.against_scores(Tolerance()), 1, typical, bank)
    most = np.abs(bank.tilts).max(axis=1)
    assert (bets.increment[0] >= -groups * most - 1e-9).all()
    assert (
        (bets.spread(np.zeros((1, DETECTOR_BINS)), bank) >= 0) & (bets.spread(np.zeros((1, DETECTOR_BINS)), bank) < 1)
    ).all()


def test_increments_are_those_of_the_formulas_written_out() -> None:
    rng, bank, tolerance = np.random.default_rng(3), default_bank(), Tolerance("odds", 1.1)
    sizes = [1, 2, 9, 30]
    group = np.repeat(np.arange(4), sizes)
    score = rng.beta(0.5, 0.5, group.size)
    outcome = (rng.random(group.size) < score).astype(float)
    column = detector_bin_of(bin_of(score))
    zero = np.zeros(group.size, int)
    sums = GroupSums.of(zero, zero, group, column, np.ones(group.size), score, outcome)
    typical = rng.exponential(0.1, (1, len(bank.supports)))
    bets = place_bets(sums.against_scores(tolerance), 1, typical, bank)
    told = bin_middles() * (1 - bin_middles())
    for j, tilt in enumerate(bank.tilts):
        support = tilt != 0
        increment, growth = 0.0, 0.0
        for g, m in enumerate(sizes):
            own = group == g
            s = sum((own & (column == b)).sum() * told[b] / m for b in np.flatnonzero(support))
            if s == 0:
                continue
            most = max(s, typical[0, bank.support_of[j]]) if m > 1 else s
            gain = 0.0
            for b in np.flatnonzero(support):
                inside = own & (column == b)
                if not inside.any():
                    continue
                weight = inside.sum() * told[b] / m / most
                mean = score[inside].mean()
                rate = float((tolerance.upper_rate if tilt[b] > 0 else tolerance.lower_rate)(np.array(mean)))
                factor = np.expm1(tilt[b])
                gain += weight * factor * (outcome[inside].mean() - rate) / (1 + rate * factor)
                growth += weight * rate * (1 - rate) * tilt[b] ** 2 / 2
            increment += np.log1p(gain)
        assert bets.increment[0, j] == pytest.approx(increment, abs=1e-12)
        assert bets.growth[0, j] == pytest.approx(growth, abs=1e-12)


def test_a_group_of_one_is_bet_on_as_a_sample_by_itself() -> None:
    rng, bank = np.random.default_rng(4), default_bank()
    score = np.clip(rng.random(12 * 3), 0.001, 0.999)
    for p, y in zip(score, (rng.random(score.size) < score).astype(float), strict=True):
        groups = one_group(np.array([p]), np.array([y])).against_scores(Tolerance("odds", 1.2))
        typical = np.full((1, len(bank.supports)), 0.2)
        alone = BinSums.from_cells(Cells.from_samples([p], [y]), 1, 1)
        block = Block.against_scores(alone, [0], Tolerance("odds", 1.2))
        np.testing.assert_allclose(
            place_bets(groups, 1, typical, bank).increment, block.increments(0, bank), atol=1e-12
        )


def test_streams_without_groups_are_as_if_there_were_no_tilts_for_groups() -> None:
    rng, bank = np.random.default_rng(5), default_bank()
    kept = ~bank.for_groups
    old = Bank.of(bank.tilts[kept], bank.weights[kept])
    score = rng.normal(0.5, 1.5, (6, 60, 25))
    shift = np.array([0, 0, -0.3, 0.5, -1.0, 0.2])[:, None, None] * (np.arange(60) > 20)[None, :, None]
    p = 1 / (1 + np.exp(-score))
    outcome = rng.random(p.shape) < 1 / (1 + np.exp(-score - shift))
    unit = np.repeat(np.arange(360), 25)
    cells = Cells.from_samples(p.ravel(), outcome.ravel().astype(float), unit=unit)
    block = Block.against_scores(BinSums.from_cells(cells, 6, 60), np.arange(60), Tolerance("odds", 1.1))
    new = advance_evidence(EvidenceState.begin(6), block, 100.0, 1 / 24)
    before = advance_evidence(EvidenceState.begin(6, old), block, 100.0, 1 / 24, old)
    np.testing.assert_allclose(new.log_evidence, before.log_evidence, atol=1e-12)
    np.testing.assert_allclose(new.state.log_standing_evidence(), before.state.log_standing_evidence(old), atol=1e-12)
    assert [(a.row, a.bucket, a.onset, a.samples) for a in new.alarms] == [
        (a.row, a.bucket, a.onset, a.samples) for a in before.alarms
    ]
    assert before.alarms


def clips(rng: np.random.Generator, slices: int, buckets: int, shift: float = 0.0) -> GroupSums:
    shape = (slices, buckets, 4, int(rng.integers(2, 9)))
    score = 1 / (1 + np.exp(-rng.normal(0.5, 1.5, shape)))
    odds = score / (1 - score) * np.exp(shift)
    outcome = (rng.random(shape[:3])[..., None] < odds / (1 + odds)).astype(float)
    row, position, group, _ = (axis.ravel() for axis in np.broadcast_arrays(*np.ogrid[tuple(map(slice, shape))]))
    column = detector_bin_of(bin_of(score.ravel()))
    return GroupSums.of(
        row, position, group, column, np.ones(row.size), score.ravel(), np.broadcast_to(outcome, shape).ravel()
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), cut=st.integers(1, 11))
def test_a_rerun_from_a_checkpoint_is_a_run_from_scratch_with_what_groups_could_tell(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    sums = clips(rng, 3, 12, float(rng.normal(0, 1)))
    whole = Block.against_scores(empty(3, 12), np.arange(12), Tolerance(), sums)
    scratch = advance_evidence(EvidenceState.begin(3), whole, 20.0, 1 / 24)

    def part(first: int, last: int) -> Block:
        some = sums.pick((sums.position >= first) & (sums.position < last))
        moved = GroupSums.of(some.row, some.position - first, some.group, some.bin, some.n, some.score, some.outcome)
        return Block.against_scores(empty(3, last - first), np.arange(first, last), Tolerance(), moved)

    before = advance_evidence(EvidenceState.begin(3), part(0, cut), 20.0, 1 / 24).state
    state = EvidenceState.join([EvidenceState.from_bytes(before.to_bytes(row)) for row in range(3)])
    resumed = advance_evidence(state, part(cut, 12), 20.0, 1 / 24)
    np.testing.assert_allclose(resumed.log_evidence, scratch.log_evidence[:, cut:], atol=1e-12)
    np.testing.assert_allclose(resumed.state.typical(), scratch.state.typical(), atol=1e-12)
    assert (scratch.state.typical() > 0).any()


def test_what_groups_could_tell_fades_by_the_number_of_groups() -> None:
    rng = np.random.default_rng(6)
    sums = clips(rng, 1, 30)
    block = Block.against_scores(empty(1, 30), np.arange(30), Tolerance(), sums)
    got = advance_evidence(EvidenceState.begin(1), block, 1e9, 1 / 24).state
    whole = int(default_bank().support_of[0])
    told = bin_middles() * (1 - bin_middles())
    first = second = 0.0
    for position in range(30):
        first, second = first * MEMORY**4, second * MEMORY**4
        for group in range(4):
            own = (sums.position == position) & (sums.group == group)
            s = float((sums.n[own] * told[sums.bin[own]]).sum() / sums.n[own].sum())
            first, second = first + s, second + s**2
    assert got.typical()[0, whole] == pytest.approx(second / first, abs=1e-12)


def test_groups_add_up_over_the_slices_they_lie_in() -> None:
    rng = np.random.default_rng(7)
    sums = clips(rng, 4, 3)
    both = sums.regroup(np.array([[0, 0], [1, 0], [2, 1], [0, 2], [1, 2], [2, 2], [3, 2]]))
    assert both.n[both.row == 2].sum() == sums.n.sum()
    assert both.n[both.row == 1].sum() == sums.n[sums.row == 2].sum()
    # groups of one number in one bucket are one group of the whole
    assert both.pick(both.row == 2).group_starts().size == 3 * 4
    np.testing.assert_allclose(both.group_sizes()[both.row == 2], sums.n.sum() / 12)


@pytest.mark.parametrize(
    "columns",
    [
        ([0], [0], [0], [0], [1.0], [0.5], [2.0]), ([0], [0], [0], [0], [1.0], [1.5], [1.0]),
        ([0], [0], [0], [0], [0.0], [0.0], [0.0]), ([-1], [0], [0], [0], [1.0], [0.5], [1.0]),
        ([0], [0], [0], [0], [1.0], [0.5], [np.nan]), ([0, 0], [0], [0], [0], [1.0], [0.5], [1.0]),
    ],
)  # fmt: skip
def test_sums_that_are_none_are_refused(columns: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError, match="group"):
        GroupSums.of(*columns)


def test_groups_beyond_the_slices_of_a_block_are_refused() -> None:
    sums = GroupSums.of([1], [0], [0], [3], [2.0], [0.4], [1.0])
    with pytest.raises(ValueError, match="1 slices and 1 buckets"):
        Block.against_scores(empty(1, 1), [0], Tolerance(), sums)


def test_few_groups_that_fail_alike_have_a_direction_and_the_plain_rates_of_their_samples() -> None:
    rng = np.random.default_rng(8)
    images, pixels = 15, 300
    group = np.repeat(np.arange(images), pixels)
    score = np.clip(rng.choice([0.01, 0.3, 0.6, 0.9], group.size, p=[0.7, 0.1, 0.1, 0.1]), 0, 1)
    outcome = (rng.random(group.size) < np.where(score > 0.2, score / 2, score)).astype(float)
    zero = np.zeros(group.size, int)
    sums = GroupSums.of(zero, group, group, detector_bin_of(bin_of(score)), np.ones(group.size), score, outcome)
    block = Block.against_scores(empty(1, images), np.arange(images), Tolerance(), sums)
    (shift,) = find_shifts(explain_drift(block, 0, 0, images - 1))
    assert (shift.confidence, shift.high) == ("over", 1.0)
    assert shift.low <= 0.35
    inside = score >= shift.low
    assert shift.expected == pytest.approx(score[inside].mean(), abs=1e-9)
    assert shift.happened == pytest.approx(outcome[inside].mean(), abs=1e-9)


def test_groups_that_keep_what_they_say_have_no_direction() -> None:
    named = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sums = clips(rng, 1, 20)
        block = Block.against_scores(empty(1, 20), np.arange(20), Tolerance(), sums)
        named += bool(find_shifts(explain_drift(block, 0, 0, 19)))
    assert named <= 6
