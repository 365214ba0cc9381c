"""Properties: however a stream is cut and ordered, the store holds what a single load would; SQL equals numpy."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlog1py, xlogy

from monitor.model import Slice
from monitor.statistics.cells import LOG_LOSS_CLIP, Cells, bin_of, fine_edges
from monitor.store.cells import list_measured_slices, load_bucket_cells, load_window_cells
from monitor.store.sql import statement
from tests.worlds.store import DAY, HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples

IDENTITIES = [(f"s{index % 4}", f"2026-03-{8 + index % 3:02} {index:02}:30:00") for index in range(9)]


@st.composite
def events(draw: st.DrawFn) -> list[tuple[int, Row]]:
    """(arrival, row): predictions, labels at rising times, corrections, and copies of any of them."""
    sent: list[tuple[int, Row]] = []
    for sample_id, observed_at in draw(st.lists(st.sampled_from(IDENTITIES), min_size=1, max_size=6, unique=True)):
        for version in range(draw(st.integers(1, 4))):
            labelled = version > 0
            row = a_row(
                sample_id, observed_at=observed_at, score=draw(st.floats(0, 1)), camera=draw(st.sampled_from("ab")),
                version=draw(st.sampled_from(["v1", "v2"])), outcome=draw(st.integers(0, 1)) if labelled else None,
                labelled_at=f"2026-03-10 11:{version:02}:00" if labelled else None,
            )  # fmt: skip
            if version == 0 or labelled:
                sent.append((version, row))
            if labelled and draw(st.booleans()):
                sent.append((version, dict(row)))
    return sent


def expected(sent: list[tuple[int, Row]]) -> dict[tuple[str, str], Row]:
    """Of each identity the row labelled last."""
    newest: dict[tuple[str, str], tuple[int, Row]] = {}
    for version, row in sent:
        key = row["sample_id"], row["observed_at"]
        if key not in newest or version >= newest[key][0]:
            newest[key] = version, row
    return {key: row for key, (_, row) in newest.items()}


PREDICTION = ("score", "camera", "version")


def cut(order: list[tuple[int, Row]], size: int) -> list[list[Row]]:
    """Files of at most ``size`` rows, in none of which one identity has two predictions: that would be no correction."""
    files: list[list[Row]] = [[]]
    said: dict[tuple[str, str], list[object]] = {}
    for _, row in order:
        own = [row[name] for name in PREDICTION]
        if len(files[-1]) == size or said.get((row["sample_id"], row["observed_at"]), own) != own:
            files.append([])
            said = {}
        said[row["sample_id"], row["observed_at"]] = own
        files[-1].append(row)
    return files


@settings(max_examples=12, deadline=None)
@given(events(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_and_cutting_of_a_stream_gives_what_one_load_of_its_newest_rows_gives(
    sent: list[tuple[int, Row]], random: Any, files: int
) -> None:
    order = list(sent)
    # predictions come in order before labels of the same row; labels and their corrections in any order
    random.shuffle(order)
    order.sort(key=lambda event: event[0] > 0)
    with TemporaryDirectory() as base:
        world = World.make(Path(base) / "world")
        try:
            for rows in cut(order, math.ceil(len(order) / files)):
                world.take(*rows)
            found = {(row[0], str(row[1])): (row[3], row[6], row[10], row[12]) for row in world.samples()}
            assert found == {
                key: (row["score"], row["outcome"], row["version"], f"{{camera={row['camera']}}}")
                for key, row in expected(sent).items()
            }
            assert_cells_match_their_samples(world, Path(base) / "again")
        finally:
            world.connection.close()


@settings(max_examples=12, deadline=None)
@given(events(), st.randoms(use_true_random=False), st.lists(st.integers(1, 20), max_size=3))
def test_a_file_that_grows_and_contradicts_itself_ends_as_if_it_had_been_read_at_once(
    sent: list[tuple[int, Row]], random: Any, lengths: list[int]
) -> None:
    rows = [row for _, row in sent]
    random.shuffle(rows)
    said: dict[tuple[str, str], set[object]] = {}
    for row in rows:
        said.setdefault((row["sample_id"], row["observed_at"]), set()).add(tuple(row[name] for name in PREDICTION))
    with TemporaryDirectory() as base:
        grown, whole = World.make(Path(base) / "grown"), World.make(Path(base) / "whole")
        try:
            for length in [*sorted(length for length in lengths if length < len(rows)), len(rows)]:
                grown.send(*rows[:length], name="x.jsonl")
                grown.take()
            whole.send(*rows, name="x.jsonl")
            whole.take()
            assert grown.samples() == whole.samples()
            assert {(row[0], str(row[1])) for row in grown.samples()} == {
                key for key, predictions in said.items() if len(predictions) == 1
            }
            assert [row for _, row, _ in grown.quarantined()] == [row for _, row, _ in whole.quarantined()]
            assert_cells_match_their_samples(grown, Path(base) / "again")
        finally:
            grown.connection.close()
            whole.connection.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_long_random_stream_gives_the_same_cells_as_its_final_rows(world: World, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known: list[Row] = []
    for batch in range(6):
        rows = []
        for index in range(60):
            if known and rng.random() < 0.5:
                row = dict(known[int(rng.integers(len(known)))])
                row.update(outcome=int(rng.integers(2)), labelled_at=f"2026-03-10 {10 + batch // 6:02}:{batch:02}:00")
                if rng.random() < 0.3:
                    row.update(score=float(rng.random()), camera=f"c{rng.integers(3)}")
            else:
                row = a_row(
                    f"{batch}-{index}", score=float(rng.random()), camera=f"c{rng.integers(3)}", outcome=None,
                    labelled_at=None, version=f"v{rng.integers(2)}",
                    observed_at=f"2026-03-{rng.integers(7, 10):02} {rng.integers(24):02}:00:00",
                )  # fmt: skip
                known.append(row)
            rows.append(row)
        world.take(*rows, ending="parquet")
    assert_cells_match_their_samples(world, tmp_path / "again")
    assert_windows_match_samples(world)


def assert_windows_match_samples(world: World) -> None:
    """Each version and shown slice of a window sums exactly its samples."""
    start, end = NOW - 2 * DAY, NOW - 6 * HOUR
    found = load_window_cells(world.store(), start, end)
    rows = world.rows(
        "SELECT t.version, l.labels, s.score, s.positives FROM samples AS s JOIN streams AS t USING (stream_id) "
        f"JOIN slices AS l USING (slice_id) WHERE observed_at >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}' "
        f"AND observed_at < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}'"
    )
    units = {
        (version, shown)
        for version, labels, *_ in rows
        for shown in list_measured_slices([Slice.of(labels)], world.model.slices, world.model.max_order)
    }
    assert set(zip(found.versions, found.slices, strict=True)) == units
    for unit, (version, shown) in enumerate(zip(found.versions, found.slices, strict=True)):
        own = [row for row in rows if row[0] == version and shown.contains(Slice.of(row[1]))]
        labelled = [(score, positives) for _, _, score, positives in own if positives is not None]
        assert found.unlabelled[unit] == len(own) - len(labelled)
        if not labelled:
            continue
        oracle = Cells.from_samples([pair[0] for pair in labelled], [pair[1] for pair in labelled])
        mine = found.cells.regroup(np.array([[unit, 0]]))
        keep = mine.n > 0  # cells of unlabelled rows alone have no sums
        assert mine.bin[keep].tolist() == oracle.bin.tolist()
        for name in ("n", "score", "outcome", "score_squared", "score_outcome", "log_loss", "weight"):
            np.testing.assert_allclose(getattr(mine, name)[keep], getattr(oracle, name), rtol=1e-9, atol=1e-9)


def test_the_cells_of_a_slice_bucket_by_bucket_sum_to_its_window(world: World) -> None:
    rng = np.random.default_rng(7)
    world.take(
        *(
            a_row(
                f"s{index}",
                score=float(rng.random()),
                camera=f"c{index % 2}",
                observed_at=f"2026-03-10 {index % 10:02}:00:00",
            )
            for index in range(50)
        )
    )
    starts, cells = load_bucket_cells(
        world.store(), "v1", world.store().registry.slices_inside(Slice.parse("camera=c1")), NOW - DAY, NOW
    )
    assert [start.hour for start in starts] == [1, 3, 5, 7, 9]
    assert all(start.tzinfo is not None for start in starts)
    assert np.bincount(cells.unit, weights=cells.n).tolist() == [5.0] * 5
    assert (
        load_bucket_cells(world.store(), "v2", world.store().registry.slices_inside(Slice()), NOW - DAY, NOW)[0] == ()
    )


def macros() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in ("macro_bin", "macro_log_loss"):
        connection.execute(statement(name))
    return connection


def sql_bins(scores: np.ndarray[Any, np.dtype[np.float64]]) -> list[int]:
    with macros() as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT cell_bin(p) FROM (SELECT unnest($1) AS p)", [scores.tolist()]
            ).fetchall()
        ]


def test_sql_and_numpy_put_scores_on_and_beside_every_edge_into_the_same_bin() -> None:
    edges = np.concatenate([np.arange(16) / 15, fine_edges(), [0.0, 1.0, 0.5, 5e-324, 1e-300, 1 - 2**-53]])
    scores = np.clip(np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1)]), 0, 1)
    assert sql_bins(scores) == bin_of(scores).tolist()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_sql_and_numpy_put_any_score_into_the_same_bin(scores: list[float]) -> None:
    column = np.array(scores)
    assert sql_bins(column) == bin_of(column).tolist()


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-13, 1 - 1e-13]), st.integers(1, 1000), st.floats(0, 1))
def test_sql_log_loss_equals_numpy(score: float, n: int, share: float) -> None:
    positives = int(n * share)
    with macros() as connection:
        found = connection.execute(
            "SELECT log_loss($1::DOUBLE, $2::BIGINT, $3::BIGINT)", [score, n, positives]
        ).fetchone()
    clipped = np.clip(score, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    expected_loss = -(xlogy(positives, clipped) + xlog1py(n - positives, -clipped))
    assert found is not None
    assert found[0] == pytest.approx(expected_loss, rel=1e-6, abs=1e-8)
