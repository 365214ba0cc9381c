"""A world per test, its database closed at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

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
        world.connection.close()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
