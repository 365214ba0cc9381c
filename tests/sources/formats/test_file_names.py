"""Files are what they are called, however they are called: patterns, quotes, line breaks, names that are no text."""

import os

import pytest

from monitor.sources.files import LONGEST_PATH, unusable_name
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import a_row

NAMES = [
    "two\nlines", "quo'te", 'quo"te', "semi;colon", "tab\tname", "\x1b[31mred", "x" * 240, "é" * 100, " spaces ", "{a,b}",
    "back\\slash", "per%20cent", "camera=c3", "#hash", "$home",
]  # fmt: skip
PATTERNS = ["*", "?", "[a]", "[!a]", "a*", "data[1]", "**"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_read_once(make_world: MakeWorld, name: str, ending: str) -> None:
    world = make_world()
    world.send(a_row("good"), a_row("bad", score=7), name=f"{name}.{ending}")
    brought = world.take()
    assert (brought.new, brought.quarantined, brought.problems[1:]) == (1, {"score_outside_0_1": 1}, [])
    assert world.quarantined() == [(f"{name}.{ending}", 1, "score_outside_0_1")]
    assert world.take().rows == 0


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_file_that_is_called_like_a_pattern_is_that_file_and_not_those_that_fit(
    make_world: MakeWorld, name: str, ending: str
) -> None:
    world = make_world()
    for other in ("a", "b", "data1", "aa"):
        world.send(a_row(f"of-{other}"), name=f"{other}.{ending}")
    world.send(a_row("own"), name=f"{name}.{ending}")
    brought = world.take()
    assert (brought.new, brought.duplicates, brought.corrected, brought.problems) == (5, 0, 0, [])
    assert world.rows("SELECT sample_id FROM samples WHERE sample_id = 'own'") == [("own",)]


@pytest.mark.parametrize("ending", [b"jsonl", b"csv", b"parquet"])
@pytest.mark.parametrize("name", [b"\xff\xfe", b"latin-\xe9", b"half-\xed\xa0\x80"])
def test_a_name_that_is_no_text_is_told_and_stops_nothing_else(
    make_world: MakeWorld, name: bytes, ending: bytes
) -> None:
    world = make_world()
    made = world.send(a_row("a"), name=f"made.{ending.decode()}")
    made.rename(made.parent / os.fsdecode(name + b"." + ending))
    world.send(a_row("b"), name=f"good.{ending.decode()}")
    brought = world.take()
    (problem,) = brought.problems
    assert (brought.new, problem.reason) == (1, "unreadable_file")
    assert "is not UTF-8" in problem.message
    problem.message.encode("utf-8")
    problem.item.encode("utf-8")


def test_a_path_that_is_too_long_is_told_by_its_beginning() -> None:
    assert unusable_name("/" + "x" * (LONGEST_PATH - 1)) == ""
    told = unusable_name("/" + "x" * LONGEST_PATH)
    assert len(told) < 500
    assert f"has {LONGEST_PATH + 1:,} characters, at most {LONGEST_PATH:,} are read" in told


def test_messages_of_many_files_stay_small(make_world: MakeWorld) -> None:
    world = make_world()
    for index in range(300):
        (world.base / "in" / f"{'n' * 200}{index}.parquet").write_bytes(b"no parquet")
    world.take()
    assert world.one("SELECT max(length(problem)) FROM pulls") < 21_000
