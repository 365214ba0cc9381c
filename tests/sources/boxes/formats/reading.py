"""Reads files of boxes as a cycle would: their layout, and the rows of their relation."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from monitor.config.boxes import COLUMNS_OF
from monitor.model.errors import SourceError
from monitor.sources.formats.boxes.coco import coco_layout
from monitor.sources.formats.boxes.voc import voc_layout
from monitor.sources.formats.boxes.yolo import yolo_layout
from monitor.sources.formats.layout import Layout
from monitor.sources.formats.mixed import relations_of
from monitor.store.connection import fetch_dicts


def write_document(path: Path, value: object, **how: Any) -> Path:
    """Write a value as JSON, a text as it is; ``how`` as for json.dumps."""
    path.write_text(value if isinstance(value, str) else json.dumps(value, **how), "utf-8")
    return path


def look(
    connection: duckdb.DuckDBPyConnection, path: Path, format_: str, holds: str, *,
    columns: Mapping[str, str] | None = None, folders: Mapping[str, str | None] | None = None,
    classes: tuple[str, ...] = (),
) -> Layout:  # fmt: skip
    """The layout of a file."""
    own = () if holds == "truth" else ("camera",)
    wanted = {name: (columns or {}).get(name, name) for name in (*COLUMNS_OF[holds], *own)}
    said = folders or {}
    if format_ == "coco":
        return coco_layout(connection, str(path), wanted, said, holds)
    if format_ == "yolo":
        return yolo_layout(connection, str(path), wanted, said, holds, classes)
    return voc_layout(connection, str(path), wanted, said, holds)


def rows_of(
    connection: duckdb.DuckDBPyConnection, path: Path, format_: str, holds: str, **more: Any
) -> list[dict[str, Any]]:
    """The rows of a file, by their number."""
    layout = look(connection, path, format_, holds, **more)
    ((rows,), rejects) = relations_of([(str(path), layout)])
    assert rejects is None
    return fetch_dicts(connection, f"SELECT * FROM ({rows.relation}) ORDER BY _row")


def boxes_of(rows: list[dict[str, Any]], names: str = "x y w h") -> list[list[float | None]]:
    """The four numbers of each row."""
    return [[None if row[name] is None else float(row[name]) for name in names.split()] for row in rows]


def refusal(connection: duckdb.DuckDBPyConnection, path: Path, format_: str, holds: str, **more: Any) -> str:
    """Why nothing of a file is taken; "" where it is."""
    try:
        look(connection, path, format_, holds, **more)
    except SourceError as error:
        return error.message.removeprefix(f"{path}: ")
    except (OSError, duckdb.Error) as error:
        return str(error)
    return ""
