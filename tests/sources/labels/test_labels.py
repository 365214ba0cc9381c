"""Predictions and labels in two tables."""

from pathlib import Path
from typing import Any

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples, at

TWO_TABLES = (
    '[[model.source]]\nname = "predictions"\npath = "in/*"\n'
    '[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels/*"\n'
)


@pytest.fixture
def two(make_world: MakeWorld) -> World:
    return make_world(source=TWO_TABLES)


@pytest.fixture
def named(make_world: MakeWorld) -> World:
    return make_world('task = "multiclass"\n', TWO_TABLES)


def prediction(sample_id: str, **values: Any) -> Row:
    return a_row(sample_id, outcome=None, labelled_at=None, **values)


def label(sample_id: str, **values: Any) -> Row:
    return {"sample_id": sample_id, "labelled_at": "2026-03-10 11:00:00", "outcome": 1, **values}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_label_joins_its_prediction(two: World, tmp_path: Path, ending: str) -> None:
    two.send(prediction("a"), prediction("b"), ending=ending)
    two.send(label("a"), ending=ending, folder="labels")
    brought = two.pull()
    assert (brought["predictions"].new, brought["labels"].labelled) == (2, 1)
    assert two.rows("SELECT sample_id, positives, score FROM samples ORDER BY 1") == [("a", 1, 0.7), ("b", None, 0.7)]
    assert_cells_match_their_samples(two, tmp_path / "again")


def test_a_label_before_its_prediction_is_parked_and_joined_later(two: World, tmp_path: Path) -> None:
    two.send(label("a"), folder="labels")
    first = two.pull()["labels"]
    assert (two.one("SELECT count(*) FROM parked_labels"), first.labelled, first.quarantined) == (1, 0, {})
    two.send(prediction("a"))
    two.pull(NOW + HOUR)
    assert two.one("SELECT positives, labelled_at FROM samples") == (1, at("2026-03-10 11:00:00"))
    assert two.one("SELECT count(*) FROM parked_labels") == 0
    assert_cells_match_their_samples(two, tmp_path / "again")


def test_labels_named_before_predictions_join_in_the_same_pull(make_world: MakeWorld) -> None:
    labels, predictions = TWO_TABLES.split("[[model.source]]")[:0:-1]
    two = make_world(source=f"[[model.source]]{labels}\n[[model.source]]{predictions}")
    two.send(label("a"), folder="labels")
    two.send(prediction("a"))
    two.pull()
    assert two.one("SELECT positives FROM samples") == 1


def test_a_parked_label_past_the_horizon_is_quarantined(two: World) -> None:
    two.send(label("never"), folder="labels")
    two.pull()
    later = NOW + 31 * DAY
    two.send(prediction("other", observed_at="2026-04-10 10:00:00"))
    brought = two.pull(later)
    assert brought["labels"].quarantined == {"no_prediction": 1}
    assert two.quarantined() == [("001.jsonl", 0, "no_prediction")]
    assert two.one("SELECT source FROM quarantine") == "labels"
    assert two.one("SELECT count(*) FROM parked_labels") == 0


def test_a_label_does_not_join_a_prediction_from_before_the_horizon(two: World) -> None:
    two.send(prediction("a", observed_at="2026-02-01 10:00:00"))
    two.send(label("a"), folder="labels")
    two.pull()
    assert two.one("SELECT count(*) FROM parked_labels") == 1
    assert two.one("SELECT positives FROM samples") is None


def test_a_label_joins_the_newest_prediction_not_after_it(two: World) -> None:
    for hour in ("08", "10", "12"):
        two.send(prediction("a", observed_at=f"2026-03-10 {hour}:00:00"))
    two.send(label("a"), folder="labels")
    two.pull()
    assert two.rows("SELECT observed_at, positives FROM samples ORDER BY 1") == [
        (at("2026-03-10 08:00:00"), None), (at("2026-03-10 10:00:00"), 1), (at("2026-03-10 12:00:00"), None),
    ]  # fmt: skip


def test_a_label_that_names_the_time_of_its_prediction_joins_that_one(two: World) -> None:
    two.send(prediction("a", observed_at="2026-03-10 08:00:00"), prediction("a"))
    two.send(label("a", observed_at="2026-03-10 08:00:00"), folder="labels")
    two.pull()
    assert two.rows("SELECT positives FROM samples ORDER BY observed_at") == [(1,), (None,)]


def test_a_label_may_be_a_class_name(named: World) -> None:
    named.send(prediction("a", predicted_class="cat"), prediction("b", predicted_class="cat"))
    named.send(
        {"sample_id": "a", "label": "cat", "labelled_at": "2026-03-10 11:00:00"},
        {"sample_id": "b", "label": "dog", "labelled_at": "2026-03-10 11:00:00"},
        folder="labels",
    )
    named.pull()
    assert named.rows("SELECT positives, label FROM samples ORDER BY sample_id") == [(1, "cat"), (0, "dog")]


def test_a_class_label_waits_for_the_predicted_class(named: World, tmp_path: Path) -> None:
    named.send(prediction("a"))
    named.send({"sample_id": "a", "label": "cat", "labelled_at": "2026-03-10 11:00:00"}, folder="labels")
    named.pull()
    assert named.one("SELECT positives, label FROM samples") == (None, "cat")
    named.send(prediction("a", predicted_class="cat"))
    named.pull()
    assert named.one("SELECT positives FROM samples") == 1
    assert_cells_match_their_samples(named, tmp_path / "again")


def test_a_corrected_label_replaces_the_first_one(two: World, tmp_path: Path) -> None:
    two.send(prediction("a"))
    two.send(label("a"), folder="labels")
    two.pull()
    two.send(label("a", outcome=0, labelled_at="2026-03-10 11:30:00"), folder="labels")
    assert two.pull()["labels"].corrected == 1
    assert two.one("SELECT positives FROM samples") == 0
    assert_cells_match_their_samples(two, tmp_path / "again")


def test_labels_without_a_time_arrive_when_pulled_and_stay_so(two: World) -> None:
    two.send(prediction("a"), prediction("b"))
    two.send({"sample_id": "a", "outcome": 1}, folder="labels", name="x.jsonl")
    two.pull()
    two.send({"sample_id": "a", "outcome": 1}, {"sample_id": "b", "outcome": 0}, folder="labels", name="x.jsonl")
    brought = two.pull(NOW + HOUR)["labels"]
    assert (brought.labelled, brought.corrected, brought.duplicates) == (1, 0, 1)
    assert two.rows("SELECT labelled_at FROM samples ORDER BY sample_id") == [
        (at("2026-03-10 12:00:00"),), (at("2026-03-10 13:00:00"),),
    ]  # fmt: skip


def test_a_growing_label_file_parks_its_waiting_rows_once(two: World) -> None:
    rows: list[Row] = [{"sample_id": "never", "outcome": 1}]
    for hour in range(3):
        rows.append({"sample_id": f"other{hour}", "outcome": 1})
        two.send(*rows, folder="labels", name="x.jsonl")
        two.pull(NOW + hour * HOUR)
    assert two.rows("SELECT sample_id, labelled_at FROM parked_labels ORDER BY labelled_at, sample_id")[0] == (
        "never", at("2026-03-10 12:00:00"),
    )  # fmt: skip
    assert two.one("SELECT count(*) FROM parked_labels") == 4


def test_a_label_of_a_counted_prediction_keeps_its_count(two: World, tmp_path: Path) -> None:
    two.send(prediction("a", n=100, positives=None), prediction("b", n=10, positives=None))
    two.send(label("a", positives=60), label("b", positives=11), folder="labels")
    brought = two.pull()["labels"]
    assert brought.quarantined == {"bad_count": 1}
    assert two.rows("SELECT n, positives FROM samples ORDER BY sample_id") == [(100, 60), (10, None)]
    assert two.one("SELECT sum(n), sum(unlabelled), sum(outcome) FROM cells") == (100, 10, 60.0)
    assert_cells_match_their_samples(two, tmp_path / "again")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"sample_id": None}, "missing_sample_id"),
        ({"labelled_at": "soon"}, "unreadable_time"),
        ({"labelled_at": "2026-03-10 12:06:00"}, "time_in_future"),
        ({"outcome": "yes"}, "unknown_outcome"),
        ({"outcome": 2}, "unknown_outcome"),
        ({"positives": -1}, "bad_count"),
        ({"positives": "few"}, "bad_count"),
    ],
)
def test_a_bad_label_is_quarantined_and_the_others_join(two: World, wrong: Row, reason: str) -> None:
    two.send(prediction("a"), prediction("b"))
    two.send({**label("a"), **wrong}, label("b"), folder="labels")
    brought = two.pull()["labels"]
    assert (brought.quarantined, brought.labelled) == ({reason: 1}, 1)


def test_a_row_of_a_labels_table_that_says_nothing_yet_is_passed_over(two: World) -> None:
    two.send(prediction("a"), prediction("b"))
    two.send(label("a", outcome=None), label("b"), folder="labels")
    brought = two.pull()["labels"]
    assert (brought.quarantined, brought.labelled, two.one("SELECT count(*) FROM parked_labels")) == ({}, 1, 0)
    assert two.rows("SELECT positives FROM samples ORDER BY sample_id") == [(None,), (1,)]
