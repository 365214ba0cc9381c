"""The comparison at reduced size, with bounds that hold for any honest implementation of the rule."""

import numpy as np
import pytest

from tests.benchmarks.detectors.compare import detectors, judge, judged
from tests.benchmarks.detectors.ours import ALLOWED
from tests.benchmarks.detectors.streams import SCENARIOS, Scenario, nested

NAMED = {scenario.name: scenario for scenario in SCENARIOS}
COVERED = [scenario for scenario in SCENARIOS if scenario.covered]
OURS = detectors(False)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", COVERED, ids=lambda scenario: scenario.name)
def test_false_alarms_stay_within_the_budget_where_it_is_promised(scenario: Scenario) -> None:
    for labels, runs in ((20, 24), (100, 20)):
        found = judge(scenario, OURS["calwatch"], labels, runs)
        assert found.value <= ALLOWED + 3 * found.error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "detector", "labels", "longest"),
    [
        ("shift -0.5", "calwatch", 20, 16),
        ("shift -0.5", "calwatch", 100, 5),
        ("shift -0.5", "calwatch, odds 1.1", 20, 23),
        ("temperature 1.5", "calwatch", 20, 19),
        ("temperature 1.5", "calwatch, odds 1.1", 100, 9),
        ("shift -0.2", "calwatch", 100, 19),
        ("shift -0.8 in 1 of 20 nested slices", "calwatch", 20, 72),
        ("shift -0.8 in 1 of 20 nested slices", "calwatch", 100, 21),
    ],
)
def test_drift_is_found_in_time(name: str, detector: str, labels: int, longest: float) -> None:
    assert judge(NAMED[name], OURS[detector], labels, 60).value <= longest


def test_labels_that_come_late_by_outcome_break_the_promise_and_the_table_says_so() -> None:
    scenario = NAMED["quiet, labels late by outcome"]
    assert scenario.covered is False
    assert judge(scenario, OURS["calwatch"], 100, 14).value > 10 * ALLOWED


def test_every_part_lies_in_the_whole_and_in_slices_of_each_order() -> None:
    slices = nested(12)
    assert len(slices) == 20
    for part in range(12):
        assert [order for order, inside in slices if inside[part]] == [0, 1, 1, 2]


def test_delay_counts_from_the_change_and_misses_are_infinite() -> None:
    alarms = np.zeros((3, 100), np.int64)
    alarms[0, 10] = alarms[0, 60] = alarms[1, 64] = 1
    found = judged(NAMED["shift -0.5"], alarms)
    assert found.value == 5
    assert found.missed == pytest.approx(1 / 3)
