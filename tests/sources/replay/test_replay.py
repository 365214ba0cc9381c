"""A source's history seen row by row on a simulated clock."""

from datetime import timedelta
from typing import Any

import pytest

from monitor.sources.pull import file_sources
from monitor.sources.pulled import Pulled
from monitor.sources.replay.source import ReplaySource
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, at


def history(sample_id: str, hour: int, **values: Any) -> Row:
    return a_row(
        sample_id, observed_at=f"2026-03-10 {hour:02}:00:00", labelled_at=f"2026-03-10 {hour + 1:02}:00:00", **values
    )


@pytest.fixture
def replayed(make_world: MakeWorld) -> World:
    world = make_world()
    world.connection.execute("ATTACH ':memory:' AS replay")
    return world


def playing(world: World) -> ReplaySource:
    return ReplaySource(file_sources(world.model, world.base)[0], "m/samples", world.model)


def step(world: World, source: ReplaySource, hour: int) -> Pulled:
    now = NOW.replace(hour=hour)
    return world.pull(now, sources=[source])["samples"]


def test_a_row_is_seen_once_its_label_has_arrived(replayed: World) -> None:
    replayed.send(history("a", 5), history("b", 6), history("open", 7, outcome=None) | {"labelled_at": None})
    source = playing(replayed)
    assert [step(replayed, source, hour).new for hour in range(5, 10)] == [0, 1, 2, 0, 0]
    assert replayed.one("SELECT max(observed_at) FROM samples") == at("2026-03-10 07:00:00")


def test_rows_with_unreadable_times_and_lines_come_first_with_their_own_reasons(replayed: World) -> None:
    path = replayed.send(a_row("bad", observed_at="never", labelled_at=None), history("a", 9), name="a.jsonl")
    path.write_text(path.read_text() + "garbage\n")
    replayed.send(history("b", 9), name="b.csv")
    csv = replayed.base / "in" / "b.csv"
    csv.write_text(csv.read_text() + "too,short\n")
    source = playing(replayed)
    first = step(replayed, source, 1)
    assert (first.new, first.quarantined) == (0, {"unreadable_time": 1, "unreadable_line": 2})
    assert step(replayed, source, 10).new == 2


def test_a_history_in_two_layouts_is_not_replayed_twice(replayed: World) -> None:
    replayed.send(*(history(f"a{hour}", hour) for hour in range(4)), ending="csv")
    replayed.send(*(history(f"b{hour}", hour, group_id="g") for hour in range(6, 9)), ending="csv")
    source = playing(replayed)
    brought = [step(replayed, source, hour) for hour in range(11)]
    assert [each.new for each in brought] == [0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0]
    assert sum(each.duplicates for each in brought) == 0


def test_problems_of_the_history_are_passed_on_once(replayed: World) -> None:
    (replayed.base / "in" / "empty.csv").touch()
    source = playing(replayed)
    assert [len(step(replayed, source, hour).problems) for hour in (1, 2)] == [1, 0]


def test_a_replay_ends_with_what_a_plain_pull_takes(replayed: World, make_world: MakeWorld) -> None:
    rows = [history(f"s{index % 20}", index % 9, score=index / 60, outcome=index % 2) for index in range(60)]
    plain = make_world(folder="plain")
    for world in (replayed, plain):
        world.send(*rows[:30])
        world.send(*rows[30:], ending="parquet")
    source = playing(replayed)
    moment = NOW - timedelta(hours=12)
    while moment <= NOW:
        replayed.pull(moment, sources=[source])
        moment += HOUR
    plain.take()
    assert replayed.samples() == plain.samples()
