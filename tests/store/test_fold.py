"""Folding of old cells into days, and retention."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.model import Slice
from monitor.store.cells import fold_and_drop, list_measured_slices, load_bucket_cells
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, Row, World, a_row, at, cells_of_whole

SETTINGS = 'windows = ["1h", "24h"]\nfold_after = "30d"\nlabel_horizon = "30d"\nretention = "40d"\nhistory = "60d"\n'


def old_rows(day: int = 3, count: int = 24) -> list[Row]:
    """One row an hour of a day in February, every third unlabelled."""
    return [
        a_row(
            f"s{day}-{hour}", observed_at=f"2026-02-{day:02} {hour:02}:10:00", score=(hour + 0.5) / 24, camera=f"c{hour % 2}",
            outcome=None if hour % 3 == 0 else hour % 2,
            labelled_at=None if hour % 3 == 0 else f"2026-02-{day + 1:02} 00:00:00",
        )
        for hour in range(count)
    ]  # fmt: skip


@pytest.fixture
def aged(make_world: MakeWorld) -> World:
    return make_world(SETTINGS)


def folded(world: World, now: datetime = NOW) -> bool:
    return fold_and_drop(world.store(), now)


SPAN = (datetime(2026, 2, 1, tzinfo=NOW.tzinfo), NOW)


def totals(world: World) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    cells = cells_of_whole(world, *SPAN)
    return np.stack([cells.bin, cells.n, cells.score, cells.outcome, cells.log_loss, cells.weight])


def test_folding_keeps_every_sum_and_makes_one_bucket_a_day(aged: World) -> None:
    aged.take(*old_rows(3), *old_rows(4), a_row("recent"))
    before = totals(aged)
    unlabelled = aged.one("SELECT sum(unlabelled), sum(lag) FROM cells")
    assert folded(aged)
    np.testing.assert_allclose(totals(aged), before, rtol=1e-12)
    assert aged.one("SELECT sum(unlabelled), sum(lag) FROM cells") == unlabelled
    assert aged.rows("SELECT DISTINCT bucket FROM cells ORDER BY 1") == [
        (at("2026-02-03 00:00:00"),), (at("2026-02-04 00:00:00"),), (at("2026-03-10 10:00:00"),),
    ]  # fmt: skip


def test_folding_happens_once_a_day(aged: World) -> None:
    aged.take(*old_rows())
    assert folded(aged)
    assert not folded(aged, NOW + 11 * HOUR)
    assert folded(aged, NOW + 12 * HOUR)


def test_only_days_older_than_the_limit_are_folded(aged: World) -> None:
    aged.take(
        a_row("a", observed_at="2026-02-07 23:10:00", labelled_at=None),
        a_row("b", observed_at="2026-02-08 01:10:00", labelled_at=None),
    )
    folded(aged)
    assert aged.rows("SELECT bucket FROM cells ORDER BY 1") == [
        (at("2026-02-07 00:00:00"),),
        (at("2026-02-08 01:00:00"),),
    ]


def rebuilt_cells(world: World, base: Path) -> World:
    """All samples taken into a store that has folded up to the same day."""
    other = World.make(base, SETTINGS)
    other.registry()
    until = world.one("SELECT folded_until FROM models")
    other.connection.execute("UPDATE models SET folded_until = $until", {"until": until})
    return other


def test_a_correction_to_a_folded_day_changes_its_daily_cells(aged: World, tmp_path: Path) -> None:
    rows = old_rows()
    aged.take(*rows)
    folded(aged)
    late = {**rows[0], "outcome": 1, "labelled_at": "2026-02-20 00:00:00"}
    corrected = {**rows[1], "outcome": 0, "camera": "c0", "labelled_at": "2026-02-20 00:00:00"}
    unlabelled_elsewhere = {**rows[3], "camera": "c7"}
    new = a_row("new", observed_at="2026-02-03 23:59:59", labelled_at=None)
    brought = aged.take(late, corrected, unlabelled_elsewhere, new)
    assert (brought.new, brought.labelled, brought.corrected) == (1, 1, 2)
    assert aged.rows("SELECT DISTINCT bucket FROM cells") == [(at("2026-02-03 00:00:00"),)]
    other = rebuilt_cells(aged, tmp_path / "again")
    try:
        other.take(*rows[4:], rows[2], late, corrected, unlabelled_elsewhere, new)
        mine, theirs = aged.cells(), other.cells()
        assert mine.keys() == theirs.keys()
        for key, sums in mine.items():
            np.testing.assert_allclose(sums, theirs[key], rtol=1e-9, atol=1e-9, err_msg=str(key))
    finally:
        other.connection.close()


def test_group_sums_fold_too(aged: World) -> None:
    aged.take(*({**row, "group_id": f"g{row['observed_at'][:13]}"} for row in old_rows()))
    query = "SELECT slice, score_bin, round(sum(squared_residual), 9), sum(groups) FROM group_cells GROUP BY ALL ORDER BY ALL"
    before = aged.rows(query)
    folded(aged)
    assert aged.rows(query) == before
    assert aged.rows("SELECT DISTINCT bucket FROM group_cells") == [(at("2026-02-03 00:00:00"),)]


def test_samples_go_after_retention_and_cells_after_history(aged: World) -> None:
    aged.take(*old_rows(3), a_row("recent"))
    folded(aged, NOW)
    assert aged.one("SELECT count(*) FROM samples") == 25
    folded(aged, NOW + 10 * DAY)  # 3 February is 45 days ago
    assert aged.one("SELECT count(*) FROM samples") == 1
    assert aged.one("SELECT sum(n + unlabelled) FROM cells") == 25
    folded(aged, NOW + 30 * DAY)  # and 65 days ago
    assert aged.one("SELECT sum(n + unlabelled) FROM cells") == 1


def test_retention_drops_whole_days_so_that_a_folded_day_can_be_recomputed(make_world: MakeWorld) -> None:
    world = make_world(SETTINGS.replace('"40d"', '"40d12h"'))
    world.take(
        a_row("a", observed_at="2026-01-29 03:00:00", labelled_at=None),
        a_row("b", observed_at="2026-01-29 23:30:00", labelled_at=None),
    )
    folded(world)
    folded(world, NOW + 2 * HOUR)
    assert world.one("SELECT count(*) FROM samples") == 2


def test_readings_quarantine_and_pulls_go_after_history(aged: World) -> None:
    aged.take(a_row("bad", score=9.0))
    folded(aged, NOW + 59 * DAY)
    assert aged.one("SELECT (SELECT count(*) FROM quarantine), (SELECT count(*) FROM pulls)") == (1, 1)
    folded(aged, NOW + 61 * DAY)
    assert aged.one("SELECT (SELECT count(*) FROM quarantine), (SELECT count(*) FROM pulls)") == (0, 0)


def test_one_models_folding_leaves_another_alone(aged: World) -> None:
    aged.take(*old_rows())
    aged.connection.execute("INSERT INTO cells SELECT * REPLACE (9 AS model_id) FROM cells")
    folded(aged, NOW + 365 * DAY)
    assert aged.rows("SELECT DISTINCT model_id FROM cells") == [(9,)]


def test_onsets_see_folded_and_unfolded_buckets_in_order(aged: World) -> None:
    aged.take(*old_rows(), a_row("recent"))
    folded(aged)
    starts, _ = load_bucket_cells(aged.store(), "v1", aged.store().registry.slices_inside(Slice()), SPAN[0], SPAN[1])
    assert [(start.day, start.hour) for start in starts] == [(3, 0), (10, 10)]


def test_slices_shown_are_the_whole_marginals_and_crosses_up_to_the_order() -> None:
    finest = [Slice.of({"camera": "c1", "lighting": "night", "shift": "a"})]
    by_order = [len(list_measured_slices(finest, ("camera", "lighting", "shift"), order)) for order in range(4)]
    assert by_order == [1, 4, 7, 8]
    assert [slice_.text for slice_ in list_measured_slices([Slice.of({"camera": "c1"})], ("camera", "lighting"), 1)] == [
        "all", "camera=c1", "lighting=__missing__",
    ]  # fmt: skip
