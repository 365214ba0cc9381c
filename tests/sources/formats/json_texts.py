"""Texts of JSON Lines, and what is read of them."""

import json
from pathlib import Path
from typing import Any

from tests.worlds.store import Row, World


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def put(world: World, text: str, name: str = "a.jsonl") -> Path:
    path = world.base / "in" / name
    path.write_text(text, "utf-8")
    return path


def cameras(world: World) -> list[tuple[str, str]]:
    return world.rows(
        "SELECT s.sample_id, l.labels['camera'] FROM samples AS s JOIN slices AS l ON l.slice_id = s.slice_id ORDER BY ALL"
    )
