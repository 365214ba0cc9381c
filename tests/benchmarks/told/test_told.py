"""The simulation of told alarms at reduced size: it runs, counts, and would notice that labels come late."""

from pathlib import Path

import pytest

from tests.benchmarks.told.play import Plan, play


@pytest.mark.parametrize("step", [6, 24])
def test_calibrated_cameras_with_late_labels_are_told_no_more_alarms_than_promised(tmp_path: Path, step: int) -> None:
    plan = Plan(cameras=10, days=6, hourly=4.0, delay=12.0, step=step)
    found = play(plan, 3, tmp_path)
    assert found.told <= plan.promised + 2 * plan.promised**0.5
    assert found.ever >= max(found.told, found.scratch)
