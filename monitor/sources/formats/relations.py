"""Parquet, CSV and JSON Lines as SQL relations with calwatch's column names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import duckdb

from monitor.config.boxes import BOX_NUMBERS
from monitor.config.sources import SourceSettings
from monitor.model.errors import SourceError
from monitor.sources.formats import long_lines
from monitor.sources.formats.boxes.coco import coco_layout, demand_no_coco
from monitor.sources.formats.boxes.elements import source_relation, texts_relation
from monitor.sources.formats.boxes.voc import voc_layout
from monitor.sources.formats.boxes.yolo import yolo_layout
from monitor.sources.formats.csv_files import csv_layout, csv_relation
from monitor.sources.formats.folders import folder_values
from monitor.sources.formats.heads import demand_readable_packing
from monitor.sources.formats.json_files import json_layout, json_relation
from monitor.sources.formats.layout import TIMES, Layout, Needs, missing_columns, time_unit
from monitor.sources.formats.parquet_files import parquet_layout, parquet_relation
from monitor.sources.formats.zstd_lines import demand_no_lost_lines
from monitor.store.connection import quote_name

__all__ = ["Layout", "layout_of", "relation_of", "wrong_types"]

_ENDINGS = {"parquet": (".parquet", ".pq"), "csv": (".csv", ".tsv", ".txt"), "json": (".jsonl", ".ndjson", ".json")}
_BOX_ENDINGS = {  # of files of boxes that name no table
    ".txt": 'of YOLO set format = "yolo", of a table format = "csv"',
    ".xml": 'of Pascal VOC set format = "voc"',
}
_NUMBERS = ("score", "raw_score", "n", "positives", *BOX_NUMBERS)
_PLAIN = ("sample_id", "observed_at", "score", "outcome", "image_id", "class")  # of which an object is nothing
_IDS = ("sample_id", "image_id", "class", "detection_id")
_NUMERIC_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
                  "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip


def layout_of(
    connection: duckdb.DuckDBPyConnection, path: str, config: SourceSettings, needs: Needs, *, pushed: bool = False
) -> Layout:
    """Look at one file; of one that was ``pushed``, folders say nothing. Raises duckdb.Error, OSError or SourceError when it is
    not a readable file of its format."""
    wanted = {name: config.columns.get(name, name) for name in config.known_columns(needs.slices)}
    if config.is_of_boxes:  # a column x that is mapped as cx is no x any more
        claimed = {own for name, own in config.columns.items() if name in BOX_NUMBERS}
        wanted = {name: own for name, own in wanted.items() if name in config.columns or own not in claimed}
    folders = {} if pushed else folder_values(path)
    format_ = config.format if config.format != "auto" else _format_by_name(path, of_boxes=config.is_of_boxes)
    if format_ in ("coco", "yolo", "voc"):
        return _boxes_layout(connection, path, folders, config, needs)
    if format_ == "parquet":
        return parquet_layout(connection, path, wanted, folders)
    if format_ == "json" and config.is_of_boxes and not pushed:
        demand_no_coco(connection, path)
    longest = long_lines.CSV_LINE if format_ == "csv" else long_lines.JSON_LINE
    demand_no_lost_lines(connection, path, longest)
    asked_for = {*config.columns, *config.slice_columns(needs.slices)}

    def is_enough(has: Collection[str]) -> bool:
        return asked_for <= set(has) and not missing_columns(has, config.holds, needs)

    if format_ == "csv":
        layout = csv_layout(connection, path, wanted, folders)
    else:
        layout = json_layout(connection, path, wanted, folders, is_enough, pushed=pushed)
        if config.is_of_boxes:
            layout = replace(layout, unused=frozenset())
    return replace(layout, long=long_lines.find_long_lines(path, longest))


def _boxes_layout(
    connection: duckdb.DuckDBPyConnection, path: str, folders: Mapping[str, str | None], config: SourceSettings,
    needs: Needs,
) -> Layout:  # fmt: skip
    demand_readable_packing(path)
    wanted = {name: config.columns.get(name, name) for name in config.known_columns(needs.slices)}
    if config.format == "coco":
        return coco_layout(connection, path, wanted, folders, config.holds)
    if config.format == "yolo":
        return yolo_layout(connection, path, wanted, folders, config.holds, needs.classes)
    return voc_layout(connection, path, wanted, folders, config.holds)


def _format_by_name(path: str, *, of_boxes: bool) -> str:
    demand_readable_packing(path)
    name = path.lower().removesuffix(".gz").removesuffix(".zst")
    for ending, what in _BOX_ENDINGS.items():
        if of_boxes and name.endswith(ending):
            raise SourceError(f"is read as no table by its name; {what}")
    for format_, endings in _ENDINGS.items():
        if name.endswith(endings):
            return format_
    raise SourceError('its name does not tell the format; set format = "parquet", "csv" or "json"')


def relation_of(paths: Sequence[str], layout: Layout) -> tuple[str, str | None]:
    """The SELECT over these files (CSV only one), and the SELECT of lines that made no row."""
    columns = _columns(layout)
    if layout.source:
        (path,) = paths
        return source_relation(path, layout.source, columns), None
    if layout.format == "parquet":
        return parquet_relation(paths, columns), None
    if layout.format == "csv":
        (path,) = paths
        return csv_relation(path, layout, columns)
    return json_relation(paths, columns)


def texts_of(files: Sequence[tuple[str, str]], layout: Layout) -> str:
    """The SELECT over small files of one layout, each with its own rows as text."""
    return texts_relation(files, _columns(layout))


def _columns(layout: Layout) -> str:
    return "".join(f", {expression} AS {quote_name(name)}" for name, expression in layout.expressions.items())


def wrong_types(layout: Layout, config: SourceSettings, slices: Collection[str]) -> str:
    """A sentence about a column whose type holds no such value; "" when all fit."""
    for name, type_ in layout.types.items():
        kind = type_.split("(")[0]
        own = config.columns.get(name, name)
        if name in layout.nested and name in (*_PLAIN, *slices, *config.columns):
            return (
                f'column "{own}" holds objects or lists; name a value in them, such as {name} = "{layout.nested[name]}"'
            )
        if name in slices and (type_.endswith("]") or kind in ("STRUCT", "MAP")):
            return f'column "{own}" is {type_}; {name} must be text or a number: name a value in it, such as "{own}.x"'
        if name in TIMES and (wrong := _wrong_unit(layout, name, config)):
            return f'column "{own}" {wrong}'
        if name in TIMES and not (kind.startswith("TIMESTAMP") or kind in ("DATE", "VARCHAR", *_NUMERIC_TYPES)):
            return f'column "{own}" is {type_}; {name} must be a time'
        if name in _NUMBERS and kind not in ("VARCHAR", "BOOLEAN", *_NUMERIC_TYPES):
            one = f': name one in it, of which the first is "{own}.0"' if type_.endswith("]") else ""
            return f'column "{own}" is {type_}; {name} must be a number{one}'
        if name == "outcome" and kind not in ("VARCHAR", "BOOLEAN", *_NUMERIC_TYPES):
            return f'column "{own}" is {type_}; outcome must be 0 or 1'
        if name == "logits" and not type_.endswith("]") and kind != "VARCHAR":
            return f'column "{own}" is {type_}; logits must be a list of numbers'
        if name == "box" and not type_.endswith("]") and kind != "VARCHAR":
            return f'column "{own}" is {type_}; box must be a list of four numbers'
        if name in _IDS and (type_.endswith("]") or kind in ("STRUCT", "MAP", "BLOB")):
            return f'column "{own}" is {type_}; {name} must be text or a number'
    return ""


def _wrong_unit(layout: Layout, name: str, config: SourceSettings) -> str:
    """What to do about a time column of numbers; "" where it holds none, or they are in the unit that is set."""
    kind, number = layout.types[name].split("(")[0], layout.numbered.get(name, "")
    guess = time_unit(number)
    is_ = f"is {layout.types[name]}" if kind in _NUMERIC_TYPES else "holds numbers"
    if config.time_unit is None and guess:
        return (
            f'{is_}, such as {number}: say time_unit = "{guess}" in [model.source] (they seem to count so since 1970)'
        )
    if config.time_unit is None and kind in _NUMERIC_TYPES:
        return f'{is_}: say time_unit = "s", "ms", "us" or "ns" in [model.source]'
    if guess and guess != config.time_unit:
        return f'{is_}, such as {number}: [model.source] time_unit = "{config.time_unit}" should be "{guess}"'
    return ""
