"""Coverage at reduced size, and that the harness would notice intervals that do not hold."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from tests.benchmarks.coverage.judge import INTERVALS, judge
from tests.benchmarks.coverage.worlds import (
    FEW,
    GROUPINGS,
    MASKS,
    TRAFFIC,
    TRUTHS,
    Grouping,
    Truth,
    World,
    known,
    worlds,
)

ROOT = Path(__file__).parents[3]
OURS = (
    "ECE",
    "squared error",
    "gap",
    "reliability bin",
    "precision",
    "recall",
)  # exact counts; live ones are told apart
USUAL, RARE, SATURATED = TRAFFIC
ALONE, LOOSE, TOGETHER = GROUPINGS
CALIBRATED, SHIFT, TEMPERATURE, ONE_BIN = TRUTHS


@pytest.mark.parametrize(
    ("world", "slices"),
    [
        (World(USUAL, ALONE, ONE_BIN, 1_000), 800),
        (World(USUAL, TOGETHER, CALIBRATED, 1_000), 800),
        (World(USUAL, FEW[0], TEMPERATURE, 160), 2_000),
        (World(USUAL, MASKS, SHIFT, 10_000), 150),
        (World(RARE, ALONE, CALIBRATED, 1_000), 800),
        (World(RARE, LOOSE, CALIBRATED, 1_000), 800),
        (World(RARE, LOOSE, TEMPERATURE, 200), 2_000),
        (World(RARE, TOGETHER, ONE_BIN, 1_000), 800),
        (World(SATURATED, LOOSE, SHIFT, 200), 2_000),
        (World(SATURATED, ALONE, TEMPERATURE, 1_000), 800),
    ],
    ids=lambda value: value.title if isinstance(value, World) else "",
)
def test_intervals_hold_the_truth_in_at_least_93_percent(world: World, slices: int) -> None:
    found = judge(world, slices)
    missed = {name: found[name] for name in OURS if found[name].coverage + 3 * found[name].error < 93}
    assert not missed


def test_clips_taken_for_independent_samples_are_seen_to_fall_short() -> None:
    world = World(USUAL, TOGETHER, CALIBRATED, 200)
    alone, grouped = judge(world, 300, with_groups=False), judge(world, 300)
    for name in OURS:
        assert alone[name].coverage < 85 < 93 - 3 * grouped[name].error <= grouped[name].coverage, name


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
@pytest.mark.parametrize("grouping", [ALONE, LOOSE, TOGETHER], ids=lambda grouping: grouping.name)
def test_what_is_known_of_a_world_is_what_many_samples_show(truth: Truth, grouping: Grouping) -> None:
    world = next(one for one in worlds() if one.truth is truth and one.grouping is grouping and one.samples == 10_000)
    score, outcome, group = world.draw(np.random.default_rng(4), 30)
    found = known(world)
    assert group.max() + 1 == group.size / world.grouping.clip
    assert (score - outcome).mean() == pytest.approx(found.gap, abs=0.01)
    above = score >= world.traffic.threshold
    assert outcome[above].mean() == pytest.approx(found.precision, abs=0.015)
    assert outcome[above].sum() / outcome.sum() == pytest.approx(found.recall, abs=0.015)


def test_the_truth_of_a_calibrated_and_of_a_shifted_world_follows_its_definition() -> None:
    calm, shifted = known(World(USUAL, ALONE, CALIBRATED, 200)), known(World(USUAL, ALONE, SHIFT, 200))
    assert (calm.ece, calm.ece_squared, calm.gap) == pytest.approx((0, 0, 0), abs=1e-12)
    draws = 0.5 + 1.5 * np.random.default_rng(1).standard_normal(400_000)
    assert shifted.gap == pytest.approx((expit(draws) - expit(draws - 0.5)).mean(), abs=5e-4)
    assert shifted.ece == pytest.approx(shifted.gap, abs=1e-9)  # every bin is off the same way


def test_the_command_prints_every_interval_of_the_worlds_asked_for() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.coverage", "--scale", "tiny", "--only", "20 clips of 8, loose, shift"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.count("shift -0.5") == len(TRAFFIC)
    assert all(name in found.stdout for name in INTERVALS)
    assert not found.stderr
