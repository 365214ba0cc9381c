"""The simulation of told alarms at reduced size: they keep their budget where all that ever stood would not."""

from pathlib import Path

from tests.benchmarks.told.play import Plan, play


def test_calibrated_cameras_are_told_no_more_alarms_than_promised_where_all_that_ever_stood_are_more(
    tmp_path: Path,
) -> None:
    """Labels a day late, looked at four times a day: to tell whatever a look finds would break the promise here."""
    plan = Plan(cameras=40, days=3, hourly=4.0, delay=24.0, step=6, budget=8.0)
    found = play(plan, 3, tmp_path)
    assert 0 < found.told <= plan.promised < found.ever
    assert found.scratch <= found.ever


def test_calibrated_cameras_that_are_looked_at_once_a_day_are_told_no_more_than_promised(tmp_path: Path) -> None:
    plan = Plan(cameras=10, days=6, hourly=4.0, delay=12.0, step=24)
    found = play(plan, 3, tmp_path)
    assert found.told <= plan.promised
    assert found.ever >= max(found.told, found.scratch)
