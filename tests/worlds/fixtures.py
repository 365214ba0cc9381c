"""A world per test, its database closed at the end."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from tests.worlds.store import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(extra: str = "", source: str = "", slices: tuple[str, ...] = ("camera",), folder: str = "world") -> World:
        made.append(World.make(tmp_path / folder, extra, source, slices))
        return made[-1]

    yield make
    for world in made:
        # nobody opens it again, so what is in its log need not go into the file
        with suppress(duckdb.Error):
            world.connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        world.connection.close()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
