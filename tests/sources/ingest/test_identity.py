"""The same identity with other predictions: a contradiction within a file, a correction across files."""

from pathlib import Path
from typing import Any

import pytest

from tests.worlds.arrivals import PUSHED, play, push, take_pushed
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import (
    HOUR,
    NOW,
    Row,
    World,
    a_row,
    assert_cells_match_their_samples,
    reasons,
    unreadable,
    write_parquet,
)

FORMATS = ["csv", "jsonl", "parquet"]
OTHERWISE: list[Row] = [
    {"score": 0.2}, {"raw_score": 0.2}, {"logits": [1.0, 3.0]}, {"camera": "c2"}, {"version": "v2"}, {"predicted_class": "dog"},
    {"n": 2, "positives": 1},
]  # fmt: skip


def full(sample_id: str, **values: Any) -> Row:
    return {
        **a_row(sample_id), "outcome": None, "raw_score": 0.6, "logits": [1.0, 2.0], "predicted_class": "cat", "n": 1,
        "positives": 1, **values,
    }  # fmt: skip


def ids(world: World) -> list[str]:
    return [row[0] for row in world.rows("SELECT sample_id FROM samples ORDER BY 1")]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("change", OTHERWISE, ids=lambda change: next(iter(change)))
def test_rows_of_one_file_that_contradict_each_other_are_all_set_aside(
    world: World, tmp_path: Path, ending: str, change: Row
) -> None:
    brought = world.take(full("a"), full("b"), full("a", **change), full("c"), ending=ending)
    assert (brought.new, brought.quarantined) == (2, {"conflicting_identity": 2})
    assert (ids(world), [row for _, row, _ in world.quarantined()]) == (["b", "c"], [0, 2])
    assert all(record for (record,) in world.rows("SELECT record FROM quarantine"))
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize("ending", FORMATS)
def test_three_of_one_identity_go_even_where_two_agree(world: World, ending: str) -> None:
    brought = world.take(full("a"), full("a"), full("a", score=0.1), ending=ending)
    assert (brought.new, brought.quarantined) == (0, {"conflicting_identity": 3})


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"camera": "1"}, {"camera": "1.0"}), ({"camera": " 1"}, {"camera": "1"}), ({"score": "0.70"}, {"score": "0.7"}),
        ({"predicted_class": "3"}, {"predicted_class": "3.0"}), ({"score": "1"}, {"score": "1.0000001"}),
        ({"raw_score": None}, {}), ({"logits": None}, {}), ({"version": None}, {}), ({"predicted_class": None}, {}),
        ({"labelled_at": "2026-03-10 11:20:00", "positives": 0}, {}),
    ],
    ids=str,
)  # fmt: skip
def test_values_written_in_two_ways_or_absent_are_no_contradiction(
    world: World, ending: str, one: Row, two: Row
) -> None:
    rows = [full("a", **one), full("a", **two)]
    if ending == "parquet":
        texts = dict.fromkeys(("camera", "score", "predicted_class"), "VARCHAR")
        write_parquet(world.base / "in" / "x.parquet", rows, texts)
    else:
        world.send(*rows, ending=ending)
    brought = world.take()
    assert (brought.new, brought.quarantined) == (1, {})


def test_a_push_that_contradicts_itself_is_set_aside_and_the_rest_taken(make_world: MakeWorld) -> None:
    world = make_world(source=PUSHED)
    push(world, full("a"), full("a", score=0.1), full("b"))
    push(world, full("c"))
    brought = take_pushed(world)
    assert (ids(world), brought.quarantined) == (["b", "c"], {"conflicting_identity": 2})


def test_two_pushes_that_differ_are_a_correction(make_world: MakeWorld) -> None:
    world = make_world(source=PUSHED)
    push(world, full("a"))
    push(world, full("a", score=0.1))
    brought = take_pushed(world)
    assert (brought.new, brought.corrected, brought.changed_predictions, brought.quarantined) == (1, 1, 1, {})
    assert world.one("SELECT score FROM samples") == 0.1


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_grows_into_a_contradiction_ends_as_one_read_at_once(
    make_world: MakeWorld, tmp_path: Path, ending: str
) -> None:
    grown, whole = make_world(folder="grown"), make_world(folder="whole")
    rows = [full("a"), full("b"), full("c"), full("a", score=0.1), full("d"), full("b", camera="c2")]
    for length in (2, 4, 6):
        grown.send(*rows[:length], name=f"x.{ending}")
        brought = grown.take()
    assert brought.removed == 1
    whole.take(*rows, ending=ending)
    assert grown.samples() == whole.samples()
    assert ids(grown) == ["c", "d"]
    assert [row for _, row, _ in grown.quarantined()] == [row for _, row, _ in whole.quarantined()]
    assert_cells_match_their_samples(grown, tmp_path / "again")


def test_a_third_of_its_kind_comes_in_no_more_than_the_first_two(world: World) -> None:
    rows = [full("a"), full("a", score=0.1), full("a")]
    for length in (1, 2, 3):
        world.send(*rows[:length], name="x.jsonl")
        world.take()
    assert ids(world) == []


def test_what_another_file_says_too_outlives_a_contradiction(world: World, tmp_path: Path) -> None:
    world.send(full("a"), full("b"), name="one.jsonl")
    world.take()
    world.take(full("a"))
    world.send(full("a"), full("b"), full("a", score=0.1), full("b", score=0.1), name="one.jsonl")
    assert world.take().removed == 1
    assert ids(world) == ["a"]
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_label_that_changes_across_files_is_a_correction_and_no_changed_prediction(world: World) -> None:
    world.take(*(full(f"{index}") for index in range(10)))
    brought = world.take(*(full(f"{index}", positives=0, labelled_at="2026-03-10 11:30:00") for index in range(10)))
    assert (brought.corrected, brought.changed_predictions, brought.problems) == (10, 0, [])


@pytest.mark.parametrize("change", OTHERWISE, ids=lambda change: next(iter(change)))
def test_a_prediction_that_changes_across_files_is_counted_apart_and_told(world: World, change: Row) -> None:
    world.take(*(full(f"{index}") for index in range(10)))
    brought = world.take(full("3", **change), full("new"), now=NOW + HOUR)
    assert (brought.new, brought.changed_predictions) == (1, 1)
    assert reasons(brought.problems) == ["changed_predictions"]
    assert "1 of 2 rows" in brought.problems[0].message
    assert world.one("SELECT changed_predictions FROM pulls ORDER BY pulled_at DESC LIMIT 1") == 1
    assert world.rows("SELECT reason FROM source_notes") == [("changed_predictions",)]


def test_one_changed_prediction_in_a_hundred_rows_is_counted_and_not_told(world: World) -> None:
    world.take(full("0"))
    brought = world.take(*(full(f"{index}", score=0.2) for index in range(100)))
    assert (brought.changed_predictions, brought.problems) == (1, [])


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("together", [True, False])
def test_camera_files_whose_ids_start_anew_are_told(world: World, ending: str, together: bool) -> None:
    told = changed = 0
    for camera in range(3):
        world.send(
            *(full(f"{index}", camera=f"c{camera}", score=(camera + 1) / 10) for index in range(50)), ending=ending
        )
        if not together:
            brought = world.take()
            told, changed = told + len(brought.problems), changed + brought.changed_predictions
    if together:
        brought = world.take()
        told, changed = len(brought.problems), brought.changed_predictions
    assert world.one("SELECT count(*) FROM samples") == 50
    assert set(reasons(brought.problems)) == {"changed_predictions"}
    assert (told, changed) == (2, 100)
    assert "make sample_id differ" in brought.problems[-1].message


def test_an_image_as_sample_id_leaves_nothing_and_is_told(world: World) -> None:
    boxes = [full(f"image{index // 6}", score=index % 6 / 10) for index in range(60)]
    brought = world.take(*boxes)
    assert (brought.new, brought.quarantined) == (0, {"conflicting_identity": 60})
    assert reasons(brought.problems) == ["rows_set_aside"]


def test_a_backtest_sets_the_same_rows_aside_though_they_arrive_apart(make_world: MakeWorld) -> None:
    played, pulled = make_world(folder="played"), make_world(folder="pulled")
    arrivals = [("a", 0.1, 8), ("b", 0.1, 8), ("a", 0.2, 9), ("a", 0.3, 10), ("c", 0.1, 10), ("c", 0.1, 11)]
    rows = [
        full(name, score=score, observed_at="2026-03-10 07:00:00", labelled_at=f"2026-03-10 {hour:02}:30:00")
        for name, score, hour in arrivals
    ]
    for world in (played, pulled):
        world.send(*rows, ending="csv")
    brought = play(played, NOW - 6 * HOUR)
    pulled.take()
    assert ids(played) == ids(pulled) == ["b", "c"]
    assert played.samples() == pulled.samples()
    assert sum(each.quarantined.get("conflicting_identity", 0) for each in brought) == 3
    assert [row for _, row, _ in played.quarantined()] == [row for _, row, _ in pulled.quarantined()]
    assert not [reason for each in brought for reason in unreadable(each.problems)]
