"""Twenty-five kills at any moment, while everything goes on: nothing is lost, doubled, or other than from scratch."""

from pathlib import Path

import pytest

from .run import compare_from_scratch, kill_over_and_over


@pytest.mark.slow
def test_kills_lose_and_double_neither_rows_nor_labels_nor_jobs_nor_deliveries(tmp_path: Path) -> None:
    found = kill_over_and_over(tmp_path, 25)
    assert found.cycled > 0, "some kills came after a cycle"
    assert (found.lost, found.doubled, found.wrong) == ([], [], [])
    assert found.looks > 0
    assert found.unread == []
    assert (found.jobs_lost, found.deliveries_lost) == ([], [])
    assert compare_from_scratch(tmp_path, tmp_path / "scratch") == []
