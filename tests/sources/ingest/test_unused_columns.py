"""Columns under which no line of small JSON Lines files has a value are left out; those under which one has are not."""

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World, a_row

RARE = [("group_id", "g1"), ("predicted_class", "1"), ("calibrator", "k1"), ("raw_score", 0.25)]


def found(world: World, name: str) -> list[object]:
    place = {"raw_score": 4, "group_id": 7, "predicted_class": 8, "calibrator": 11}[name]
    return [row[place] for row in world.samples() if row[place] not in (None, "")]


@pytest.mark.parametrize(("name", "value"), RARE)
def test_what_only_the_last_line_has_is_taken(world: World, name: str, value: object) -> None:
    world.take(*[a_row(f"s{number}") for number in range(30)], a_row("last", **{name: value}))
    assert found(world, name) == [value]


@pytest.mark.parametrize(("name", "value"), RARE)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_only_one_of_several_files_has_is_taken(world: World, name: str, value: object, place: int) -> None:
    for number in range(3):
        world.send(a_row(f"s{number}", **({name: value} if number == place else {})))
    world.take()
    assert found(world, name) == [value]


@pytest.mark.parametrize(("name", "value"), RARE)
def test_what_comes_only_below_the_first_lines_that_are_looked_at_is_taken(
    world: World, name: str, value: object
) -> None:
    world.take(*[a_row(f"s{number:04}") for number in range(1_000)], a_row("last", **{name: value}))
    assert found(world, name) == [value]


def test_what_a_column_of_ones_own_is_mapped_to_is_taken(make_world: MakeWorld) -> None:
    source = '[[model.source]]\npath = "in/*"\ncolumns = { group_id = "clip.id", raw_score = "raw" }\n'
    world = make_world(source=source)
    world.take(a_row("s1"), a_row("s2", clip={"id": "g1"}, raw=0.25))
    assert (found(world, "group_id"), found(world, "raw_score")) == (["g1"], [0.25])


def test_a_row_in_quarantine_tells_all_columns_that_there_could_have_been(world: World) -> None:
    world.take(a_row("s1", observed_at="yesterday"))
    (record,) = world.rows("SELECT record FROM quarantine")[0]
    assert '"group_id":null' in record
    assert '"observed_at":"yesterday"' in record
