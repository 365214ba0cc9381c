"""Rows and labels that are gone from a file that was written anew."""

from pathlib import Path
from typing import Any

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import (
    DAY,
    HOUR,
    NOW,
    Row,
    World,
    a_row,
    assert_cells_match_their_samples,
    assert_same_cells,
    reasons,
    write_parquet,
)

FORMATS = ["csv", "jsonl", "parquet"]
REMOVE = '[[model.source]]\npath = "in/*"\nwithdrawn = "remove"\n'
TABLES = (
    '[[model.source]]\nname = "predictions"\npath = "in/*"\n'
    '[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels/*"\n'
)


def rows_of(letters: str, **values: Any) -> list[Row]:
    return [a_row(letter, **values) for letter in letters]


def ids(world: World) -> str:
    return "".join(row[0] for row in world.rows("SELECT sample_id FROM samples ORDER BY 1"))


def labelled(world: World) -> str:
    found = world.rows("SELECT sample_id FROM samples WHERE positives IS NOT NULL ORDER BY 1")
    return "".join(row[0] for row in found)


def label(sample_id: str, **values: Any) -> Row:
    return {"sample_id": sample_id, "labelled_at": "2026-03-10 11:00:00", "outcome": 1, **values}


@pytest.mark.parametrize("ending", FORMATS)
def test_rows_that_are_gone_are_kept_and_told_once(world: World, tmp_path: Path, ending: str) -> None:
    world.send(*rows_of("abcde"), name=f"x.{ending}")
    world.take()
    world.send(*rows_of("abc"), name=f"x.{ending}")
    brought = world.take(now=NOW + HOUR)
    assert (reasons(brought.problems), ids(world)) == (["withdrawn_rows"], "abcde")
    assert "2 rows of its earlier version are no longer in it; kept" in brought.problems[0].message
    assert world.rows("SELECT reason FROM source_notes") == [("withdrawn_rows",)]
    world.send(*rows_of("abcf"), name=f"x.{ending}")
    assert world.take(now=NOW + 2 * HOUR).problems == []
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize("ending", FORMATS)
def test_remove_leaves_what_a_load_from_scratch_would(make_world: MakeWorld, tmp_path: Path, ending: str) -> None:
    world, fresh = make_world(source=REMOVE, folder="world"), make_world(source=REMOVE, folder="fresh")
    world.send(*rows_of("abcde"), a_row("g", camera="c2"), name=f"x.{ending}")
    world.take()
    final = [*rows_of("ab"), a_row("c", score=0.1), a_row("f")]
    world.send(*final, name=f"x.{ending}")
    brought = world.take()
    assert "withdrawn_rows" in reasons(brought.problems)
    assert "3 rows of its earlier version are no longer in it; taken out" in brought.problems[-1].message
    fresh.take(*final, ending=ending)
    assert world.samples() == fresh.samples()
    assert_cells_match_their_samples(world, tmp_path / "again")
    assert {key: sums for key, sums in world.cells().items() if sums[0] or sums[1]}.keys() == fresh.cells().keys()


def test_remove_mends_the_sums_of_groups(make_world: MakeWorld, tmp_path: Path) -> None:
    world, fresh = make_world(source=REMOVE, folder="world"), make_world(source=REMOVE, folder="fresh")
    rows = [a_row(letter, group_id=f"g{index // 2}", score=index / 10) for index, letter in enumerate("abcdef")]
    world.send(*rows, name="x.jsonl")
    world.take()
    world.send(*rows[::2], name="x.jsonl")
    world.take()
    fresh.take(*rows[::2])
    assert world.samples() == fresh.samples()
    assert_same_cells(world, fresh)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("source", ["", REMOVE])
def test_a_growing_file_never_says_that_anything_is_gone(make_world: MakeWorld, ending: str, source: str) -> None:
    world = make_world(source=source)
    for length in range(1, 6):
        world.send(*rows_of("abcde"[:length]), *rows_of("z", score=7.0), name=f"x.{ending}")
        assert "withdrawn_rows" not in reasons(world.take(now=NOW + length * HOUR).problems)
    assert ids(world) == "abcde"


@pytest.mark.parametrize("source", ["", REMOVE])
def test_a_row_that_came_to_be_bad_is_not_gone(make_world: MakeWorld, source: str) -> None:
    world = make_world(source=source)
    world.send(*rows_of("ab"), name="x.jsonl")
    world.take()
    world.send(a_row("a"), a_row("b", score=7.0), name="x.jsonl")
    assert reasons(world.take().problems) == ["rows_set_aside"]
    assert ids(world) == "ab"


@pytest.mark.parametrize("order", ["before", "after", "together"])
def test_a_row_that_another_file_holds_too_is_not_gone(make_world: MakeWorld, order: str) -> None:
    world = make_world(source=REMOVE)
    sent = {"x.parquet": rows_of("abcd"), "y.parquet": rows_of("cd")}
    names = ["y.parquet", "x.parquet"] if order == "before" else ["x.parquet", "y.parquet"]
    for name in names:
        world.send(*sent[name], name=name)
        if order != "together":
            world.take()
    world.take()
    world.send(*rows_of("a"), name="x.parquet")
    brought = world.take(now=NOW + HOUR)
    assert "1 row of its earlier version is" in brought.problems[0].message
    assert ids(world) == "acd"
    world.send(*rows_of("c"), name="y.parquet")
    world.take(now=NOW + 2 * HOUR)
    assert ids(world) == "ac", "it is the other file's then, until that loses it too"


def test_a_row_that_both_files_lose_at_once_is_gone(make_world: MakeWorld) -> None:
    world = make_world(source=REMOVE)
    for name in ("x.parquet", "y.parquet"):
        world.send(*rows_of("ab"), name=name)
    world.take()
    for name in ("x.parquet", "y.parquet"):
        world.send(*rows_of("a"), name=name)
    world.take()
    assert ids(world) == "a"


def test_a_log_that_is_rotated_loses_nothing(make_world: MakeWorld) -> None:
    world = make_world(source=REMOVE)
    world.send(*rows_of("abc"), name="app.jsonl")
    world.take()
    (world.base / "in" / "app.jsonl").rename(world.base / "in" / "app.1.jsonl")
    world.send(*rows_of("d"), name="app.jsonl")
    assert world.take(now=NOW + HOUR).problems == []
    assert ids(world) == "abcd"


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("gone", [None, "nan", ""])
def test_a_label_that_is_emptied_is_kept_and_told_once(
    world: World, tmp_path: Path, ending: str, gone: str | None
) -> None:
    rows = [a_row(letter, outcome="1") for letter in "abc"]
    world.send(*rows, name=f"x.{ending}") if ending != "parquet" else _send_texts(world, rows)
    world.take()
    rows[1] = a_row("b", outcome=gone)
    world.send(*rows, name=f"x.{ending}") if ending != "parquet" else _send_texts(world, rows)
    brought = world.take(now=NOW + HOUR)
    assert (reasons(brought.problems), labelled(world)) == (["withdrawn_labels"], "abc")
    assert "1 label of its earlier version is no longer in it; kept" in brought.problems[0].message
    rows.append(a_row("d", outcome="0"))
    world.send(*rows, name=f"x.{ending}") if ending != "parquet" else _send_texts(world, rows)
    assert world.take(now=NOW + 2 * HOUR).problems == []
    assert_cells_match_their_samples(world, tmp_path / "again")


def _send_texts(world: World, rows: list[Row]) -> None:
    write_parquet(world.base / "in" / "x.parquet", rows, {"outcome": "VARCHAR"})


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_remove_takes_emptied_labels_out(make_world: MakeWorld, tmp_path: Path, ending: str) -> None:
    world, fresh = make_world(source=REMOVE, folder="world"), make_world(source=REMOVE, folder="fresh")
    world.send(*rows_of("abc"), name=f"x.{ending}")
    world.take()
    final = [a_row("a"), a_row("b", outcome=None, labelled_at=None), a_row("c", outcome=0)]
    world.send(*final, name=f"x.{ending}")
    assert "taken out" in world.take().problems[0].message
    fresh.take(*final, ending=ending)
    assert world.samples() == fresh.samples()
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_label_that_another_file_says_too_is_not_gone(make_world: MakeWorld) -> None:
    world = make_world(source=REMOVE)
    world.send(*rows_of("ab"), name="x.jsonl")
    world.take()
    world.send(*rows_of("b"), name="y.jsonl")
    world.take()
    world.send(*rows_of("ab", outcome=None, labelled_at=None), name="x.jsonl")
    brought = world.take(now=NOW + HOUR)
    assert (reasons(brought.problems), labelled(world)) == (["withdrawn_labels"], "b")
    world.send(*rows_of("b", outcome=None, labelled_at=None), name="y.jsonl")
    world.take(now=NOW + 2 * HOUR)
    assert labelled(world) == ""


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("remove", [True, False])
def test_labels_gone_from_a_table_of_their_own(
    make_world: MakeWorld, tmp_path: Path, ending: str, remove: bool
) -> None:
    world = make_world(source=TABLES + ('withdrawn = "remove"\n' if remove else ""))
    world.send(*rows_of("abc", outcome=None, labelled_at=None))
    world.send(*(label(letter) for letter in "abc"), name=f"l.{ending}", folder="labels")
    world.take()
    world.send(label("a"), label("b", outcome=None), name=f"l.{ending}", folder="labels")
    brought = world.take(now=NOW + HOUR)
    assert reasons(brought.problems) == ["withdrawn_labels"]
    assert "2 labels of its earlier version are no longer in it" in brought.problems[0].message
    assert labelled(world) == ("a" if remove else "abc")
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize("ending", FORMATS)
def test_a_growing_table_of_labels_without_times_never_says_that_any_is_gone(
    make_world: MakeWorld, ending: str
) -> None:
    world = make_world('label_horizon = "7d"\n', TABLES + 'withdrawn = "remove"\n')
    world.send(*rows_of("abc", outcome=None, labelled_at=None))
    untimed = [label(letter, labelled_at=None) for letter in "abcde"]
    world.send(*untimed[:3], name=f"l.{ending}", folder="labels")
    assert world.take().labelled == 3
    for days in (1, 10, 20):  # far beyond label_horizon the old ones join nothing any more
        world.send(*untimed[: 4 + days // 10], name=f"l.{ending}", folder="labels")
        assert "withdrawn_labels" not in reasons(world.take(now=NOW + days * DAY).problems)
        assert labelled(world) == "abc"


def test_a_label_that_came_to_be_bad_is_not_gone(make_world: MakeWorld) -> None:
    world = make_world(source=TABLES + 'withdrawn = "remove"\n')
    world.send(*rows_of("ab", outcome=None, labelled_at=None))
    world.send(label("a"), label("b"), name="l.jsonl", folder="labels")
    world.take()
    world.send(label("a"), label("b", outcome="maybe"), name="l.jsonl", folder="labels")
    assert reasons(world.take().problems) == ["rows_set_aside"]
    assert labelled(world) == "ab"


def test_what_was_taken_out_comes_in_again_when_it_is_back(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(source=REMOVE)
    for letters in ("abc", "a", "abc"):
        world.send(*rows_of(letters), name="x.jsonl")
        world.take()
    assert ids(world) == labelled(world) == "abc"
    assert_cells_match_their_samples(world, tmp_path / "again")
