"""Samples that belong together: weights 1/m and sums of squared group residuals."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.model import Slice
from monitor.statistics.cells import Clusters
from monitor.store.cells import list_measured_slices, load_window_cells
from tests.worlds.store import HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples


def grouped_rows(rng: np.random.Generator, count: int, groups: int) -> list[Row]:
    """Groups lie within one hour and span cameras; some rows have no group."""
    rows = []
    for index in range(count):
        group = int(rng.integers(groups + 3))
        hour = 6 + group % 4
        rows.append(
            a_row(
                f"s{index}", score=float(rng.random()), outcome=int(rng.integers(2)), camera=f"c{rng.integers(3)}",
                group_id=f"g{group}" if group < groups else None,
                observed_at=f"2026-03-10 {hour:02}:{index % 60:02}:00",
            )
        )  # fmt: skip
    return rows


def oracle(world: World) -> dict[tuple[str, int], tuple[float, float]]:
    """(slice, score bin) → (C, groups) from the stored samples, with a group ending at its bucket's end."""
    found = world.rows(
        "SELECT s.score, s.positives, coalesce(s.group_id, s.sample_id) || date_trunc('hour', s.observed_at), "
        "l.labels['camera'] FROM samples AS s JOIN slices AS l USING (slice_id) WHERE s.positives IS NOT NULL"
    )
    sums: dict[tuple[str, int], tuple[float, float]] = {}
    finest = sorted({Slice.of({"camera": camera}) for *_, camera in found})
    for shown in list_measured_slices(finest, ("camera",), 2):
        own = [row for row in found if shown.contains(Slice.of({"camera": row[3]}))]
        score, outcome, group = (np.array([row[index] for row in own]) for index in range(3))
        clusters = Clusters.from_samples(score, outcome.astype(float), group)
        for index in range(len(clusters)):
            key = (shown.text, int(clusters.score_bin[index]))
            sums[key] = (float(clusters.squared_residual[index]), float(clusters.groups[index]))
    return sums


def assert_clusters_match(world: World) -> None:
    found = load_window_cells(world.store(), NOW - timedelta(days=1), NOW)
    assert found.clusters is not None
    clusters = found.clusters
    mine = {
        (found.slices[unit].text, int(level)): (squared, groups)
        for unit, level, squared, groups in zip(
            clusters.unit, clusters.score_bin, clusters.squared_residual, clusters.groups, strict=True
        )
    }
    expected = oracle(world)
    assert mine.keys() == expected.keys()
    for key, sums in expected.items():
        np.testing.assert_allclose(mine[key], sums, rtol=1e-9, atol=1e-9, err_msg=str(key))


@pytest.mark.parametrize("seed", range(4))
def test_group_sums_equal_those_of_the_samples_however_the_stream_is_cut(
    world: World, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = grouped_rows(rng, 120, 12)
    rng.shuffle(rows)
    for part in np.array_split(np.arange(len(rows)), 3):
        world.take(*(rows[index] for index in part), ending="parquet")
    corrections = [{**row, "outcome": 1 - row["outcome"], "labelled_at": "2026-03-10 11:30:00"} for row in rows[:10]]
    world.take(*corrections, ending="parquet")
    assert_clusters_match(world)
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_weights_are_one_over_the_size_of_the_group_over_all_slices(world: World) -> None:
    world.take(*(a_row(f"s{camera}", camera=f"c{camera}", group_id="g") for camera in range(4)))
    assert world.rows("SELECT DISTINCT weight, weight_score, weight_outcome FROM cells") == [(0.25, 0.7 / 4, 0.25)]
    world.take(a_row("s5", camera="c5", group_id="g"))
    assert world.rows("SELECT DISTINCT weight FROM cells") == [(0.2,)]


def test_correcting_a_row_without_group_keeps_the_weights_of_groups_in_its_bucket(world: World, tmp_path: Path) -> None:
    world.take(
        a_row("one", camera="c1", group_id="g"), a_row("two", camera="c2", group_id="g"), a_row("lone", camera="c1")
    )
    world.take(a_row("lone", camera="c1", outcome=0, labelled_at="2026-03-10 11:30:00"))
    assert world.rows("SELECT sum(weight) FROM cells GROUP BY slice_id ORDER BY slice_id") == [(1.5,), (0.5,)]
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_rows_without_group_in_a_grouped_model_are_groups_of_one(world: World, tmp_path: Path) -> None:
    world.take(a_row("a", group_id="g"))
    world.take(a_row("b"), a_row("c", observed_at="2026-03-10 09:00:00"))
    assert world.one("SELECT sum(groups) FROM group_cells WHERE slice = 'all' AND score_bin = -1") == 3
    assert_clusters_match(world)
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_model_without_groups_has_no_clusters(world: World) -> None:
    world.take(a_row("a"))
    assert load_window_cells(world.store(), NOW - 3 * HOUR, NOW).clusters is None
    assert world.one("SELECT count(*) FROM group_cells") == 0


def test_a_group_that_several_calibrators_scored_is_one_of_its_version(world: World) -> None:
    rows = grouped_rows(np.random.default_rng(5), 60, 6)
    mixed = [{**row, "calibrator": f"k{index % 3}"} for index, row in enumerate(rows)]
    world.take(*mixed[:35])
    world.take(*mixed[35:], {**mixed[3], "outcome": 1 - mixed[3]["outcome"]})
    assert_clusters_match(world)
    assert world.one("SELECT count(*) FROM group_cells WHERE across") > 0
    # of each calibrator by itself there is what its own samples say
    for calibrator in ("k0", "k1", "k2"):
        squared, groups = world.rows(
            "SELECT sum(squared_residual), sum(groups) FROM group_cells JOIN streams USING (stream_id) "
            f"WHERE calibrator = '{calibrator}' AND slice = 'all' AND score_bin = -1 AND NOT across"
        )[0]
        own = world.rows(
            "SELECT sum(s.score - s.positives) FROM samples AS s JOIN streams AS t USING (stream_id) "
            f"WHERE calibrator = '{calibrator}' GROUP BY coalesce(s.group_id, s.sample_id), date_trunc('hour', s.observed_at)"
        )
        assert (squared, groups) == (pytest.approx(sum(part**2 for (part,) in own)), len(own))
    weights = world.one("SELECT sum(coalesce(weight, n)) FROM cells")
    assert weights == pytest.approx(
        world.one(
            "SELECT count(DISTINCT (coalesce(group_id, sample_id), date_trunc('hour', observed_at))) FROM samples"
        )
    )


def test_versions_that_score_one_image_have_a_group_each(world: World) -> None:
    rows = grouped_rows(np.random.default_rng(6), 40, 5)
    world.take(*rows, *({**row, "version": "v2"} for row in rows))
    assert world.one("SELECT count(*) FROM group_cells WHERE across") == 0
