"""Worlds with poisoned files among good ones."""

import os
from pathlib import Path
from typing import Any

import pytest

from monitor.model import FileSetAside
from monitor.sources.ingest.ingest import ingest_batch as ingest_batch
from monitor.sources.isolation.set_aside import load_set_aside
from tests.worlds.poison import MEMORY, POISON
from tests.worlds.store import World, a_row

DEEP = '[[model.source]]\npath = "in/**/*"\n'


def world_of(base: Path, source: str = DEEP) -> World:
    world = World.make(base, source=source)
    world.connection.execute(f"SET memory_limit = '{MEMORY}'")
    return world


def number(world: World, path: Path, at: int) -> Path:
    """The same file, changed so many seconds after the first: files are read in that order."""
    os.utime(path, (1_773_000_000 + at, 1_773_000_000 + at))
    return path


def good(world: World, at: int, *ids: str, ending: str = "jsonl", folder: str = "in") -> None:
    (world.base / folder).mkdir(parents=True, exist_ok=True)
    number(world, world.send(*[a_row(each) for each in ids], ending=ending, folder=folder), at)


def poison(world: World, name: str, at: int, folder: str = "in") -> Path:
    path = world.base / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    POISON[name](path)
    return number(world, path, at)


def taken(world: World) -> set[str]:
    return {sample_id for (sample_id,) in world.rows("SELECT sample_id FROM samples")}


def aside(world: World) -> list[FileSetAside]:
    return list(load_set_aside(world.connection, "m"))


def no_process_is_started(patch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("a process was started")

    patch.setattr("monitor.sources.isolation.alone.subprocess.Popen", refuse)
