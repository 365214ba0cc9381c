"""Each slice against the rest of its model: exact subtraction, groups, and simulated error rates of the naming."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.statistics.arrays import concatenate_columns, expand_units, pick_rows
from monitor.statistics.calibration.disparity import (
    Comparison,
    Disparities,
    Measure,
    assess_disparities,
    compare_with_rest,
    holm,
)
from monitor.statistics.cells import Cells, Clusters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEVEL = 0.05
CAMERAS, LIGHTINGS = 4, 3
CROSSES = CAMERAS * LIGHTINGS
WHOLE, SLICES = 0, CAMERAS + LIGHTINGS + CROSSES
OF_WHOLE = np.zeros(1 + SLICES, dtype=np.int64)
KIN = np.array([0] + [1] * CAMERAS + [2] * LIGHTINGS + [3] * CROSSES)
FINEST_TO_SHOWN = np.array(
    [
        (camera * LIGHTINGS + lighting, shown)
        for camera in range(CAMERAS)
        for lighting in range(LIGHTINGS)
        for shown in (
            WHOLE,
            1 + camera,
            1 + CAMERAS + lighting,
            1 + CAMERAS + LIGHTINGS + camera * LIGHTINGS + lighting,
        )
    ]
)
BAD = 5  # a cross, with what holds it: its camera and its lighting
BAD_UNIT = 1 + CAMERAS + LIGHTINGS + BAD
HOLD_BAD = {BAD_UNIT, 1 + BAD // LIGHTINGS, 1 + CAMERAS + BAD % LIGHTINGS}


def regrouped(clusters: Clusters, mapping: Ints) -> Clusters:
    """Merged clusters of other units, as ``Cells.regroup``."""
    rows, unit = expand_units(clusters.unit, mapping)
    return replace(pick_rows(clusters, rows), unit=unit).merge()


@dataclass(frozen=True)
class Drawn:
    """Samples in groups, each group within one cross, and their sums."""

    score: Floats
    outcome: Floats
    cross: Ints
    group: Ints

    @property
    def cells(self) -> Cells:
        return Cells.from_samples(self.score, self.outcome, unit=self.cross).regroup(FINEST_TO_SHOWN)

    @property
    def clusters(self) -> Clusters:
        found = Clusters.from_samples(self.score, self.outcome, self.group, self.cross)
        return regrouped(found, FINEST_TO_SHOWN)

    def compared(self, measure: Measure, *, grouped: bool = False) -> Comparison:
        return compare_with_rest(self.cells, self.clusters if grouped else None, OF_WHOLE, KIN, measure)


def drawn(rng: np.random.Generator, groups: int, size: int = 1, shift: float = 0.0, bad: float = 0.0) -> Drawn:
    """Groups of unequal crosses, whose members share their luck; outcomes follow logit p + shift (+ bad in one cross)."""
    cross = rng.choice(CROSSES, groups, p=rng.dirichlet(np.full(CROSSES, 4.0)))
    logit = rng.normal(0.5, 1.5, (groups, size))
    true = expit(logit + shift + np.where(cross == BAD, bad, 0.0)[:, None])
    outcome = (rng.random((groups, 1)) < true).astype(np.float64)
    return Drawn(expit(logit).ravel(), outcome.ravel(), np.repeat(cross, size), np.repeat(np.arange(groups), size))


def verdict(found: Comparison, above: float = 0.0, least: int = 100) -> Disparities:
    enough = np.minimum(found.samples, found.rest_samples) >= least
    return assess_disparities(found, enough & (np.arange(1 + SLICES) > 0), level=LEVEL, above=above)


def named(found: Disparities, above: float = 0.0) -> set[int]:
    return set(np.flatnonzero(found.lower >= above).tolist())


def within_monte_carlo_error(wrong: int, runs: int) -> bool:
    """At most the level, and three standard errors of the estimate: 0.05 + 0.033 for 400 runs."""
    return bool(wrong <= runs * LEVEL + 3 * np.sqrt(runs * LEVEL * (1 - LEVEL)))


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("measure", ["gap", "error"])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_rest_by_subtraction_equals_the_rest_computed_from_its_samples(measure: Measure, grouped: bool) -> None:
    held = drawn(np.random.default_rng(1), 900, 4, bad=-0.8)
    found = held.compared(measure, grouped=grouped)
    inside = held.cross == BAD
    unit = inside.astype(np.int64)  # 1 the slice, 0 the rest: two units that are each other's rest, and their whole
    pairs = np.array([[0, 0], [1, 0], [0, 1], [1, 2]])
    cells = Cells.from_samples(held.score, held.outcome, unit=unit).regroup(pairs)
    clusters = regrouped(Clusters.from_samples(held.score, held.outcome, held.group, unit), pairs)
    two = compare_with_rest(
        cells, clusters if grouped else None, np.zeros(3, dtype=np.int64), np.array([0, 1, 1]), measure
    )
    assert (found.samples[BAD_UNIT], found.rest_samples[BAD_UNIT]) == (inside.sum(), (~inside).sum())
    for own, other in ((two.own[2], two.own[1]), (two.rest[1], two.rest[2])):
        assert found.own[BAD_UNIT] == pytest.approx(own, abs=1e-9)
        assert found.rest[BAD_UNIT] == pytest.approx(other, abs=1e-9)
    np.testing.assert_allclose(found.deviations[:, BAD_UNIT], two.deviations[:, 2], rtol=1e-6)
    assert found.freedom[BAD_UNIT] == (inside.sum() / (4 if grouped else 1)) - 1


def test_the_gap_is_compared_in_size_whichever_sign_it_has() -> None:
    """Slice 1 is as much under-confident as slice 2 is over-confident: they differ, and neither is worse."""
    score = np.full(4000, 0.5)
    outcome = np.concatenate([np.arange(2000) % 5 < 4, np.arange(2000) % 5 < 1]).astype(np.float64)
    cells = Cells.from_samples(score, outcome, unit=np.repeat([0, 1], 2000))
    cells = cells.regroup(np.array([[0, 0], [1, 0], [0, 1], [1, 2]]))
    found = compare_with_rest(cells, None, np.zeros(3, dtype=np.int64), np.array([0, 1, 1]), "gap")
    np.testing.assert_allclose(found.own[1:], [-0.3, 0.3])
    np.testing.assert_allclose(found.difference[1:], 0.0, atol=1e-12)
    np.testing.assert_allclose(np.sort(found.contrasts[:, 1]), [0.0, 0.6], atol=1e-12)
    assert assess_disparities(found, np.array([False, True, True]), level=LEVEL).p_value[1:].min() > 0.9


def test_groups_that_span_slices_are_seen_by_their_numbers_and_taken_at_their_worst() -> None:
    """The same residuals, once with each pair of samples inside one slice, once across the two slices."""
    rng = np.random.default_rng(2)
    logit = rng.normal(0.5, 1.5, 2000)
    score, outcome = expit(logit), (rng.random(2000) < expit(logit)).astype(np.float64)
    unit = np.repeat([0, 1], 1000)
    pairs = np.array([[0, 1], [1, 2]])
    cells = Cells.from_samples(score, outcome, unit=unit).regroup(np.array([[0, 0], [1, 0], [0, 1], [1, 2]]))
    whole, kin = np.zeros(3, dtype=np.int64), np.array([0, 1, 1])
    found = {}
    for name, group in (("inside", np.arange(2000) // 2), ("across", np.arange(2000) % 1000)):
        parts = regrouped(Clusters.from_samples(score, outcome, group, unit), pairs)
        together = Clusters.from_samples(score, outcome, group, np.zeros(2000, dtype=np.int64))
        clusters = concatenate_columns([together, parts])
        found[name] = compare_with_rest(cells, clusters, whole, kin, "gap").deviations[0, 1]
    independent = np.sqrt(np.mean((score - outcome) ** 2) * (1 / 1000 + 1 / 1000))
    assert found["inside"] == pytest.approx(independent, rel=0.1)
    # sd(slice) + sd(whole) + sd(slice) over 1,000 samples each, against sd(slice)·√2: (2 + √2)/√2 times as much
    assert found["across"] == pytest.approx(independent * (1 + np.sqrt(2)), rel=0.1)


def test_a_slice_that_is_its_whole_model_has_no_rest() -> None:
    cells = drawn(np.random.default_rng(5), 300).cells
    found = compare_with_rest(cells, None, np.arange(1 + SLICES), KIN, "error")
    assert np.isnan(found.difference).all()
    assert np.isnan(assess_disparities(found, np.ones(1 + SLICES, dtype=np.bool_), level=LEVEL).p_value).all()


# ── the verdict ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_holm_equals_the_textbook_example() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("measure", ["gap", "error"])
@pytest.mark.parametrize("above", [0.0, 0.02])
def test_bounds_and_p_values_name_the_same_slices(measure: Measure, above: float) -> None:
    seen = 0
    for seed in range(20):
        found = verdict(drawn(np.random.default_rng(seed), 6000, bad=-1.0).compared(measure), above)
        by_bound = named(found, above)
        assert by_bound == set(np.flatnonzero(found.p_value <= LEVEL).tolist())
        known = np.isfinite(found.lower)
        assert (found.lower_alone[known] >= found.lower[known]).all()
        seen += len(by_bound)
    assert seen >= 15


@pytest.mark.parametrize("measure", ["gap", "error"])
def test_a_slice_not_to_be_judged_is_unknown_and_costs_the_others_nothing(measure: Measure) -> None:
    found = drawn(np.random.default_rng(4), 3000, bad=-1.0).compared(measure)
    some, all_of_them = np.zeros(1 + SLICES, dtype=np.bool_), np.ones(1 + SLICES, dtype=np.bool_)
    some[[BAD_UNIT, 1]] = True
    few, many = assess_disparities(found, some, level=LEVEL), assess_disparities(found, all_of_them, level=LEVEL)
    assert (few.family, many.family) == (2, SLICES)  # the whole has no rest
    assert np.isnan(few.lower[~some]).all()
    assert np.isnan(few.p_value[~some]).all()
    assert few.p_value[BAD_UNIT] < many.p_value[BAD_UNIT]
    assert few.lower[BAD_UNIT] > many.lower[BAD_UNIT]


# ── simulated, seeded: 19 nested slices of 4 cameras × 3 lightings ──────────────────────────────────────────────────

SHARED = [(0.0, 1), (-0.5, 1), (0.8, 1), (-0.5, 8)]  # miscalibration of all, samples in a group


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["gap", "error"])
@pytest.mark.parametrize(("shift", "size"), SHARED)
def test_slices_that_share_one_miscalibration_are_seldom_named(measure: Measure, shift: float, size: int) -> None:
    rng, runs = np.random.default_rng(11), 400
    wrong = sum(
        bool(named(verdict(drawn(rng, 2500, size, shift).compared(measure, grouped=size > 1)))) for _ in range(runs)
    )
    assert within_monte_carlo_error(wrong, runs)


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["gap", "error"])
def test_a_slice_that_is_off_is_named_and_those_beside_it_seldom(measure: Measure) -> None:
    rng, runs, right, wrong = np.random.default_rng(12), 200, 0, 0
    for _ in range(runs):
        found = named(verdict(drawn(rng, 8000, bad=-1.0).compared(measure)))
        right += BAD_UNIT in found
        wrong += bool(found - HOLD_BAD)
    assert right >= 0.9 * runs
    assert within_monte_carlo_error(wrong, runs)


def test_the_bound_of_what_is_worse_holds_for_all_slices_at_once() -> None:
    """One cross is off by a known amount; no bound, its own included, may exceed the true excess."""
    rng, runs, wrong = np.random.default_rng(13), 100, 0
    logit = np.random.default_rng(0).normal(0.5, 1.5, 400_000)
    excess = float(np.mean(expit(logit) - expit(logit - 1.0)))  # of the bad cross over a rest that is calibrated
    for _ in range(runs):
        found = verdict(drawn(rng, 8000, bad=-1.0).compared("gap"))
        clean = [unit for unit in range(1, 1 + SLICES) if unit not in HOLD_BAD]
        wrong += bool(found.lower[BAD_UNIT] > excess or (found.lower[clean] > 0).any())
    assert within_monte_carlo_error(wrong, runs)


def test_ignoring_groups_would_name_slices_by_luck() -> None:
    rng, wrong = np.random.default_rng(3), {True: 0, False: 0}
    for _ in range(40):
        held = drawn(rng, 600, 20)
        for grouped in wrong:
            wrong[grouped] += bool(named(verdict(held.compared("gap", grouped=grouped))))
    assert wrong[True] <= 6
    assert wrong[False] >= 20


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["gap", "error"])
@pytest.mark.parametrize("together", [True, False])
def test_images_whose_boxes_lie_in_two_slices_name_none_by_luck(measure: Measure, together: bool) -> None:
    """Boxes of both classes share an image's luck, or one class has what the other lacks (negative covariance)."""
    rng, runs, wrong = np.random.default_rng(6), 300, 0
    pairs = np.array([[0, 0], [1, 0], [0, 1], [1, 2]])
    unit, group = np.tile(np.repeat([0, 1], 3), 200), np.repeat(np.arange(200), 6)
    for _ in range(runs):
        logit, luck = rng.normal(0.5, 1.5, 1200), rng.random(200)[group]
        outcome = (np.where((unit == 1) & (not together), 1 - luck, luck) < expit(logit)).astype(np.float64)
        cells = Cells.from_samples(expit(logit), outcome, unit=unit).regroup(pairs)
        whole = Clusters.from_samples(expit(logit), outcome, group)
        clusters = concatenate_columns([whole, Clusters.from_samples(expit(logit), outcome, group, unit + 1)])
        found = compare_with_rest(cells, clusters, np.zeros(3, dtype=np.int64), np.array([0, 1, 1]), measure)
        wrong += bool((assess_disparities(found, np.array([False, True, True]), level=LEVEL).lower >= 0).any())
    assert within_monte_carlo_error(wrong, runs)
