"""States that earlier releases left, and what of them is compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.worlds.store import World
from tests.worlds.upgraded import left_by_old

STATE = (
    "samples",
    "cells",
    "group_cells",
    "slices",
    "slice_values",
    "parked_labels",
    "evidence_reach",
    "alerts",
    "serving",
)


@contextmanager
def old(base: Path, kind: str, **settings: str) -> Iterator[World]:
    world = left_by_old(base, kind, **settings)
    try:
        yield world
    finally:
        world.connection.close()


def told(world: World) -> list[str]:
    """What a pull says of rows that were stored."""
    problems = [problem for pulled in world.pull().values() for problem in pulled.problems]
    return [problem.message for problem in problems if problem.reason == "labels_judged_anew"]


def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    return {table: world.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in STATE}


def outcomes(world: World) -> dict[str, int | None]:
    return dict(world.rows("SELECT sample_id, positives FROM samples"))


def labels(world: World) -> dict[str, str]:
    return dict(world.rows("SELECT sample_id, label FROM samples"))
