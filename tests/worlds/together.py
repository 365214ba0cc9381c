"""The same small inputs taken together and one by one, in two worlds."""

import gzip
import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.sources.inspect import BATCH_FILES
from monitor.sources.pull import configured_sources
from tests.sources.ingest.test_small_inputs import counting, left, put
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row

FILES = 8
KINDS = ("csv", "jsonl", "parquet")
Write = Callable[[World, int], None]


def compare(
    make_world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    write: Write,
    *,
    pulls: int = 2,
    now: datetime = NOW,
    seen: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    **made: Any,
) -> tuple[World, dict[str, Any]]:
    """The world in which what ``write(world, pull)`` writes was taken together, and what is left in it: the same as where it
    was taken one by one."""
    found: list[dict[str, Any]] = []
    worlds = []
    for most in (BATCH_FILES, 1):
        world = make_world(folder=f"most-{most}", **made)
        worlds.append(world)
        with monkeypatch.context() as patched, counting(monkeypatch) as sizes:
            patched.setattr("monitor.sources.inspect.BATCH_FILES", most)
            if most == 1:
                patched.setattr("monitor.sources.inspect.BATCH_ROWS", 0)
            sources = configured_sources(world.model, world.base, world.base / "state")
            brought = []
            for number in range(pulls):
                write(world, number)
                brought.append(world.pull(now=now + number * HOUR, sources=sources))
        assert max(sizes, default=1) > 1 or most == 1
        found.append(seen({**left(world, brought), **_also_left(world)}))
    different = [name for name, value in found[1].items() if found[0][name] != value]
    assert {name: found[0][name] for name in different} == {name: found[1][name] for name in different}
    return worlds[0], found[0]


def _also_left(world: World) -> dict[str, Any]:
    receipts = (world.base / "state" / "inbox").rglob("receipts/*.json")
    held = {path.name: json.loads(path.read_text("utf-8")) for path in receipts}
    return {
        "aside": world.rows("SELECT parse_filename(item), tries, set_aside, kind FROM files_set_aside ORDER BY ALL"),
        "values": world.rows("SELECT dimension, value FROM slice_values ORDER BY ALL"),
        "streams": world.rows("SELECT version, calibrator, placed FROM streams ORDER BY ALL"),
        "folded": world.rows("SELECT kind, name, most, rows FROM folded_values ORDER BY ALL"),
        "logits": world.rows("SELECT sample_id, observed_at, logits FROM samples ORDER BY ALL"),
        "receipts": {name: {**each, "received_at": "", "settled_at": ""} for name, each in held.items()},
        "waiting": sorted(path.name for path in (world.base / "state" / "inbox").rglob("*.jsonl")),
    }  # fmt: skip


def write(folder: Path, number: int, kind: str, rows: Sequence[Row | str]) -> Path:
    """``put``, never compressed."""
    put(folder, number, kind, list(rows), np.random.default_rng(number))
    path = folder / f"{number:03}.{kind}"
    packed = path.with_name(f"{path.name}.gz")
    if packed.exists():
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
        stamp(path, number)
    return path


def stamp(path: Path, number: int) -> None:
    os.utime(path, (NOW.timestamp() - 1000 + number,) * 2)


def some_rows(rng: np.random.Generator, count: int = 3, ids: int = 40, **values: Any) -> list[Row]:
    """Rows of few ids, so that later files correct earlier ones."""
    return [
        a_row(f"s{index}", observed_at=f"2026-03-10 {8 + index // 20:02}:{index % 20 + 10}:00", camera=f"c{index % 3}",
              score=float(rng.choice([0.25, 0.5, 0.75])), outcome=int(rng.integers(0, 2)), **values)
        for index in rng.integers(0, ids, count)
    ]  # fmt: skip


def vector(kind: str, rng: np.random.Generator) -> list[float]:
    plain = rng.normal(0, 3, 3)
    if kind == "logits":
        return [float(value) for value in plain.round(3)]
    powers = np.exp(plain)
    return [float(value) for value in powers / powers.sum() * (100 if kind == "percent" else 1)]
