"""Folders such as camera=c3 as columns, alike for CSV, JSON Lines and Parquet."""

from pathlib import Path

import pytest

from monitor.store.values import normalize_word
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import WRITERS, Row, World, a_row, reasons, unreadable

FORMATS = ["csv", "jsonl", "parquet"]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(source='[[model.source]]\npath = "in/**/*.*"\n')


def put(world: World, folder: str, ending: str, name: str, **values: object) -> Path:
    row: Row = {key: value for key, value in {**a_row(name), **values}.items() if value is not None}
    path = world.base / "in" / folder / f"{name}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[ending](path, [row])
    return path


def cameras(world: World) -> list[tuple[str, str]]:
    return world.rows(
        "SELECT s.sample_id, l.labels['camera'] FROM samples AS s JOIN slices AS l ON l.slice_id = s.slice_id ORDER BY ALL"
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_folders_are_columns_of_the_files_in_them(world: World, ending: str) -> None:
    put(world, "camera=c3/day=2026-11-29", ending, "a", camera=None)
    put(world, "camera=c4/day=2026-11-29", ending, "b", camera=None)
    put(world, "camera=007/day=2026-11-30", ending, "c", camera=None)
    put(world, "camera=c%203%2Fx", ending, "d", camera=None)
    put(world, "camera=__HIVE_DEFAULT_PARTITION__", ending, "e", camera=None)
    put(world, "site=x/camera=c9/deep", ending, "f", camera=None)
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert cameras(world) == [("a", "c3"), ("b", "c4"), ("c", "007"), ("d", "c 3/x"), ("e", "__missing__"), ("f", "c9")]


@pytest.mark.parametrize("ending", FORMATS)
def test_other_columns_may_come_from_folders_and_may_be_mapped(make_world: MakeWorld, ending: str) -> None:
    source = '[[model.source]]\npath = "in/**/*.*"\ncolumns = { camera = "Kamera", version = "release", observed_at = "day" }\n'
    world = make_world(source=source)
    folder = "Kamera=c3/release=v7/day=2026-03-10"
    put(world, folder, ending, "a", camera=None, version=None, observed_at=None)
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert cameras(world) == [("a", "c3")]
    assert world.one("SELECT version FROM streams") == "v7"
    assert str(world.one("SELECT observed_at FROM samples")) == "2026-03-10 00:00:00"


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(("folder", "own"), [("c3", "c3"), ("1", "1"), ("01", "1"), ("1", "1.0"), ("c3", " c3 ")])
def test_a_column_that_agrees_with_its_folder_is_read(world: World, ending: str, folder: str, own: str) -> None:
    put(world, f"camera={folder}", ending, "a", camera=own)
    assert unreadable(world.take().problems) == []
    assert cameras(world)[0][1] == normalize_word(own)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("folder", ["c4", "__HIVE_DEFAULT_PARTITION__"])
def test_a_column_that_contradicts_its_folder_refuses_the_file(world: World, ending: str, folder: str) -> None:
    path = put(world, f"camera={folder}", ending, "a", camera="c3")
    put(world, "camera=c5", ending, "b", camera="c5")
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["unreadable_file"])
    assert brought.problems[0].message.startswith(
        f'{path}: cannot be read: has a column camera that holds "c3", and lies in a folder camera={folder}: see which'
    )


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("folder", ["camera", "=c3", "camera=a=b", "cam=c3", "camera=a?b"])
def test_folders_that_say_nothing_of_it_are_no_columns(world: World, ending: str, folder: str) -> None:
    put(world, folder, ending, "a", camera=None)
    assert reasons(world.take().problems) == ["missing_slice_column"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_called_otherwise_is_proposed(world: World, ending: str) -> None:
    put(world, "Kamera=c3", ending, "a", camera=None)
    assert 'Perhaps meant: columns = { camera = "Kamera" }' in world.take().problems[0].message


def test_parquet_files_of_many_folders_are_taken_together(world: World) -> None:
    for number in range(6):
        put(world, f"camera=c{number}", "parquet", f"s{number}", camera=None)
    brought = world.take()
    assert world.one("SELECT count(*) FROM pulls") == 1
    assert (brought.files, cameras(world)) == (6, [(f"s{number}", f"c{number}") for number in range(6)])
