from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from monitor.sources.ingest.ingest import retry_parked
from monitor.store.sql import statement
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, World, a_row, assert_cells_match_their_samples, at


def test_a_new_row_is_stored_and_counted_in_its_cell(world: World, tmp_path: Path) -> None:
    brought = world.take(a_row("a"))
    assert (brought.files, brought.rows, brought.new) == (1, 1, 1)
    assert world.one("SELECT n, unlabelled, score, outcome, lag, bucket FROM cells") == (
        1, 0, 0.7, 1.0, 3600.0, at("2026-03-10 10:00:00"),
    )  # fmt: skip
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_pull_with_nothing_new_changes_nothing(world: World) -> None:
    world.take(a_row("a"))
    revision = world.one("SELECT revision FROM models")
    brought = world.take(now=NOW + HOUR)
    assert (brought.files, brought.rows) == (0, 0)
    assert world.one("SELECT revision FROM models") == revision
    assert world.one("SELECT count(*) FROM pulls") == 1


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_identity_repeated_in_a_file_and_across_files_is_stored_once(world: World, ending: str) -> None:
    first = world.take(a_row("a"), a_row("b"), a_row("a"), ending=ending)
    assert (first.new, first.duplicates, first.corrected) == (2, 1, 0)
    second = world.take(a_row("a"), a_row("c"), ending=ending)
    assert (second.new, second.duplicates, second.corrected) == (1, 1, 0)
    assert world.one("SELECT sum(n) FROM cells") == 3


def test_the_same_sample_id_at_another_time_is_another_sample(world: World) -> None:
    world.take(a_row("a"), a_row("a", observed_at="2026-03-10 10:00:00.000001"))
    assert world.one("SELECT count(*) FROM samples") == 2


def test_two_sources_may_bring_the_same_identity(make_world: MakeWorld) -> None:
    world = make_world(
        source='[[model.source]]\nname="one"\npath="in/*"\n[[model.source]]\nname="two"\npath="labels/*"\n'
    )
    world.send(a_row("a"))
    world.send(a_row("a"), folder="labels")
    brought = world.pull()
    assert (brought["one"].new, brought["two"].new, brought["two"].duplicates) == (1, 0, 1)
    assert world.one("SELECT count(*) FROM samples") == 1


def test_a_file_sent_again_under_another_name_changes_nothing(world: World, tmp_path: Path) -> None:
    world.take(a_row("a"), a_row("b", outcome=0))
    before, revision = world.cells(), world.one("SELECT revision FROM models")
    brought = world.take(a_row("a"), a_row("b", outcome=0))
    assert (brought.new, brought.duplicates) == (0, 2)
    assert (world.cells(), world.one("SELECT revision FROM models")) == (before, revision)


@pytest.mark.parametrize(
    "changed",
    [{"score": 0.2}, {"outcome": 0}, {"camera": "c2"}, {"version": "v2"}, {"calibrator": "k1"}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_correction_moves_the_row_out_of_its_old_cell_into_its_new_one(
    world: World, tmp_path: Path, changed: dict[str, object]
) -> None:
    world.take(a_row("a"), a_row("b"), a_row("c", camera="c2"))
    brought = world.take(a_row("a", **changed))
    assert (brought.new, brought.corrected, brought.duplicates) == (0, 1, 0)
    assert world.one("SELECT count(*) FROM samples") == 3
    assert world.one("SELECT sum(n) FROM cells") == 3
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize("changed", [{"camera": "c2"}, {"version": "v2"}, {"score": 0.2}], ids=str)
def test_a_corrected_unlabelled_row_leaves_no_ghost_in_its_old_cell(
    world: World, tmp_path: Path, changed: dict[str, object]
) -> None:
    world.take(a_row("a", outcome=None, labelled_at=None))
    world.take(a_row("a", outcome=None, labelled_at=None, **changed))
    assert world.one("SELECT sum(unlabelled) FROM cells") == 1
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_correction_within_one_file_counts_once_and_not_again_when_the_file_grows(world: World) -> None:
    rows = [a_row("a", outcome=0, labelled_at="2026-03-10 10:30:00"), a_row("a")]
    world.send(*rows, name="x.jsonl")
    assert (first := world.take()).corrected == 1, first
    world.send(*rows, a_row("b"), name="x.jsonl")
    second = world.take()
    assert (second.new, second.corrected, second.duplicates) == (1, 0, 2)
    assert world.rows("SELECT positives FROM samples ORDER BY sample_id") == [(1,), (1,)]


def test_an_old_row_sent_again_takes_no_correction_back(world: World, tmp_path: Path) -> None:
    world.take(a_row("a", labelled_at="2026-03-10 10:30:00", outcome=1))
    world.take(a_row("a", labelled_at="2026-03-10 11:30:00", outcome=0))
    world.take(a_row("a", labelled_at="2026-03-10 10:30:00", outcome=1))
    assert world.one("SELECT positives, labelled_at FROM samples") == (0, at("2026-03-10 11:30:00"))
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_label_confirmed_later_outranks_a_different_one_from_in_between(world: World, tmp_path: Path) -> None:
    for time, outcome in (("10:30", 1), ("11:30", 1), ("11:00", 0)):
        world.take(a_row("a", labelled_at=f"2026-03-10 {time}:00", outcome=outcome))
    assert world.one("SELECT positives, labelled_at FROM samples") == (1, at("2026-03-10 11:30:00"))
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_late_label_turns_an_unlabelled_row_into_a_labelled_one(world: World, tmp_path: Path) -> None:
    world.take(a_row("a", outcome=None, labelled_at=None))
    assert world.one("SELECT n, unlabelled FROM cells") == (0, 1)
    brought = world.take(a_row("a"))
    assert (brought.new, brought.labelled, brought.corrected) == (0, 1, 0)
    assert world.one("SELECT n, unlabelled FROM cells") == (1, 0)
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_an_unlabelled_row_sent_again_after_its_label_does_not_erase_it(world: World, tmp_path: Path) -> None:
    world.take(a_row("a"))
    brought = world.take(a_row("a", outcome=None, labelled_at=None))
    assert (brought.duplicates, brought.labelled, brought.corrected) == (1, 0, 0)
    assert world.one("SELECT positives, labelled_at FROM samples") == (1, at("2026-03-10 11:00:00"))


def test_a_late_label_with_a_changed_score_is_a_correction(world: World, tmp_path: Path) -> None:
    world.take(a_row("a", outcome=None, labelled_at=None), a_row("b"))
    assert world.take(a_row("a", score=0.1)).corrected == 1
    assert world.one("SELECT sum(unlabelled) FROM cells") == 0
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_label_without_a_time_arrived_when_it_was_pulled(world: World) -> None:
    world.take(a_row("a", outcome=None, labelled_at=None))
    world.take(a_row("a", labelled_at=None), a_row("b", labelled_at=None), now=NOW + HOUR)
    assert world.rows("SELECT DISTINCT labelled_at FROM samples") == [(at("2026-03-10 13:00:00"),)]
    world.take(a_row("a", labelled_at=None), now=NOW + 2 * HOUR)
    assert world.rows("SELECT DISTINCT labelled_at FROM samples") == [(at("2026-03-10 13:00:00"),)]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_that_grew_is_read_again_without_doubling_rows_or_quarantine(world: World, ending: str) -> None:
    rows = [a_row("a"), a_row("bad", score=7.0), a_row("b")]
    world.send(*rows, name=f"x.{ending}")
    first = world.take()
    assert (first.new, first.quarantined) == (2, {"score_outside_0_1": 1})
    world.send(*rows, a_row("c"), a_row("worse", score=-7.0), name=f"x.{ending}")
    second = world.take(now=NOW + HOUR)
    assert (second.new, second.duplicates, second.quarantined) == (1, 2, {"score_outside_0_1": 1})
    assert world.quarantined() == [(f"x.{ending}", 1, "score_outside_0_1"), (f"x.{ending}", 4, "score_outside_0_1")]


def test_a_file_overwritten_with_other_bad_rows_has_those_counted_too(world: World) -> None:
    world.send(a_row("monday", score=7.0), name="latest.jsonl")
    assert world.take().quarantined == {"score_outside_0_1": 1}
    world.send(a_row("tuesday", score=7.0), name="latest.jsonl")
    assert world.take().quarantined == {"score_outside_0_1": 1}
    assert world.one("SELECT count(*) FROM quarantine") == 2


def test_the_quarantine_keeps_the_row_as_it_was_read(world: World) -> None:
    world.take(a_row("bad", score="high", note="unknown columns are left out"), ending="csv")
    record = world.one("SELECT record FROM quarantine")
    assert '"sample_id":"bad"' in record
    assert '"score":"high"' in record
    assert "note" not in record


def test_counted_rows_weigh_their_count_in_sums_and_one_in_weights(world: World, tmp_path: Path) -> None:
    world.take(a_row("a", n=100, positives=60, outcome=None), a_row("b", n=1, positives=1, outcome=None))
    assert world.one("SELECT n, score, outcome, weight, weight_score, weight_outcome FROM cells") == pytest.approx(
        (101, 70.7, 61, 2, 1.4, 1.6)
    )
    world.take(a_row("a", n=200, positives=60, outcome=None))
    assert world.one("SELECT n, outcome FROM cells") == (201, 61)
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0, "positives": 0}, {"n": -1, "positives": 0}, {"n": 10, "positives": 11}, {"n": 10, "positives": -1},
        {"n": 2.5, "positives": 1}, {"n": 10, "positives": 0.5}, {"n": "many", "positives": 1},
        {"n": 10, "positives": "some"}, {"n": 10, "outcome": 1}, {"n": 9_000_000_000_000_000_000, "positives": 1},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_counts_are_quarantined_and_never_rounded(world: World, wrong: dict[str, object]) -> None:
    brought = world.take(a_row("bad", **{"outcome": None, **wrong}), a_row("good", n=3, positives=2, outcome=None))
    assert (brought.new, brought.quarantined) == (1, {"bad_count": 1})


def test_an_outcome_follows_from_label_and_predicted_class(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world('task = "multiclass"\n')
    world.take(
        a_row("right", outcome=None, label="cat", predicted_class="cat"),
        a_row("wrong", outcome=None, label="dog", predicted_class="cat"),
        a_row("open", outcome=None, label=None, predicted_class="cat", labelled_at=None),
    )
    assert world.rows("SELECT sample_id, positives FROM samples ORDER BY 1") == [
        ("open", None), ("right", 1), ("wrong", 0),
    ]  # fmt: skip
    world.take(a_row("right", outcome=None, predicted_class="dog", labelled_at=None))
    assert world.rows("SELECT positives, label FROM samples WHERE sample_id = 'right'") == [(0, "cat")]
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_slices_remember_their_newest_times(world: World) -> None:
    world.take(a_row("a"), a_row("b", observed_at="2026-03-10 09:00:00"))
    world.take(a_row("c", observed_at="2026-03-10 11:30:00", outcome=None, labelled_at=None))
    assert world.one("SELECT last_observed_at, last_labelled_at FROM slices") == (
        at("2026-03-10 11:30:00"), at("2026-03-10 11:00:00"),
    )  # fmt: skip


def test_a_batch_that_fails_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send(a_row("a"))

    def fail(*arguments: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("monitor.store.rewriting.renew_cells", fail)
        (problem,) = world.take().problems
    assert "RuntimeError: power cut" in problem.message
    for table in ("samples", "cells", "cursors", "slices", "streams"):
        assert world.one(f"SELECT count(*) FROM {table}") == 0, table
    assert world.take().new == 1


def test_pulls_record_what_each_source_brought(world: World) -> None:
    world.take(a_row("a"), a_row("a"), a_row("bad", score=2.0))
    assert world.rows("SELECT source, files, rows, new, labelled, duplicates, corrected, quarantined FROM pulls") == [
        ("samples", 1, 3, 1, 0, 1, 0, 1)
    ]
    assert world.one("SELECT problem FROM pulls").startswith(
        "1 of 3 rows that came were set aside: 1 score_outside_0_1 ("
    )


def test_a_pull_that_sets_one_row_in_twenty_aside_tells_no_trouble(world: World) -> None:
    world.take(*(a_row(f"a{index}") for index in range(19)), a_row("bad", score=2.0))
    assert world.one("SELECT quarantined, problem FROM pulls") == (1, None)


def test_pulls_tell_a_trouble_once_and_once_that_it_is_over(world: World) -> None:
    world.take(a_row("a"))
    damaged = world.base / "in" / "damaged.parquet"
    damaged.write_bytes(b"PAR1")
    for step in range(1, 6):
        if step == 3:
            damaged.unlink()
        world.take(now=NOW + step * HOUR)
    problems = [row[0] for row in world.rows("SELECT problem FROM pulls ORDER BY pulled_at")]
    assert len(problems) == 3
    assert "damaged.parquet" in problems[1]
    assert (problems[0], problems[2]) == (None, None)


def test_days_that_follow_one_another_make_one_run() -> None:
    day = at("2026-01-01 00:00:00")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE fresh (observed_at TIMESTAMP)")
        assert connection.execute(statement("ingest_day_runs")).fetchall() == []
        times = [day, day + DAY, day + DAY + HOUR, day + 3 * DAY]
        connection.executemany("INSERT INTO fresh VALUES (?)", [(time,) for time in times])
        runs = connection.execute(statement("ingest_day_runs")).fetchall()
    assert runs == [(day, day + 2 * DAY), (day + 3 * DAY, day + 4 * DAY)]


def test_samples_older_than_retention_are_quarantined(make_world: MakeWorld) -> None:
    world = make_world('retention = "30d"\n')
    brought = world.take(
        a_row("old", observed_at="2026-02-08 11:59:59"),
        a_row("young", observed_at="2026-02-08 12:00:01", labelled_at=None),
    )
    assert (brought.new, brought.quarantined) == (1, {"older_than_retention": 1})


def test_a_label_past_the_horizon_is_quarantined_with_its_row(world: World) -> None:
    brought = world.take(
        a_row("late", observed_at="2026-02-01 10:00:00", labelled_at="2026-03-05 10:00:00"),
        a_row("just", observed_at="2026-02-01 10:00:00", labelled_at="2026-03-03 10:00:00"),
    )
    assert (brought.new, brought.quarantined) == (1, {"label_too_late": 1})


def test_nothing_parked_is_nothing_to_retry(world: World) -> None:
    assert retry_parked(world.store(), NOW + timedelta(days=99)) == {}
