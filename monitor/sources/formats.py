"""Parquet, CSV and JSON Lines as SQL relations with calwatch's column names."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from monitor.config import CANONICAL_COLUMNS
from monitor.config import Source as SourceConfig
from monitor.errors import SourceError
from monitor.store.connection import literal, quoted

_LINE_BYTES = 16 * 1024 * 1024  # a JSON line may carry long logit vectors
_TIMES = ("observed_at", "labelled_at")
_NUMBERS = ("score", "raw_score", "n", "positives")
_NUMERIC_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
                  "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """What one file holds: calwatch's columns found in it with their SQL types, and how to read them."""

    format: str
    types: Mapping[str, str]  # canonical or slice name → SQL type, of those present
    expressions: Mapping[str, str]  # the same names → SQL expression over the file's own columns
    found: tuple[str, ...]  # the file's own column names, for messages
    rows: int  # exact for Parquet, estimated from the size otherwise
    dialect: str = ""  # CSV: options of read_csv

    @property
    def signature(self) -> object:
        """Files of equal signature are read by one statement; CSV and JSON one by one, for their row numbers."""
        if self.format == "parquet":
            return self.format, tuple(self.types.items()), tuple(self.expressions.items())
        return object()


def layout_of(connection: duckdb.DuckDBPyConnection, path: str, config: SourceConfig, slices: Sequence[str]) -> Layout:
    """Look at one file. Raises duckdb.Error or SourceError when it is not a readable file of its format."""
    wanted = {name: config.columns.get(name, name) for name in (*CANONICAL_COLUMNS, *slices)}
    format_ = config.format if config.format != "auto" else _format_by_name(path)
    if format_ == "parquet":
        return _parquet(connection, path, wanted)
    if format_ == "csv":
        return _csv(connection, path, wanted)
    expressions = {name: f"json_extract_string(valid, {literal('$.' + quoted(own))})" for name, own in wanted.items()}
    return Layout("json", dict.fromkeys(wanted, "VARCHAR"), expressions, (), 0)


def _format_by_name(path: str) -> str:
    name = path.lower().removesuffix(".gz").removesuffix(".zst")
    for ending, format_ in (
        (".parquet", "parquet"), (".pq", "parquet"), (".csv", "csv"), (".tsv", "csv"), (".txt", "csv"),
        (".jsonl", "json"), (".ndjson", "json"), (".json", "json"),
    ):  # fmt: skip
        if name.endswith(ending):
            return format_
    raise SourceError(f'{path}: its name does not tell the format; set format = "parquet", "csv" or "json"')


def _parquet(connection: duckdb.DuckDBPyConnection, path: str, wanted: Mapping[str, str]) -> Layout:
    described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(path)})").fetchall()
    own_types = {row[0]: row[1] for row in described}
    empty = {name for name, type_ in own_types.items() if type_.strip('"') == "NULL"}  # no value in it has a type
    if "file_row_number" in own_types:
        raise SourceError(f"{path}: has a column file_row_number, a name that DuckDB keeps for its own; rename it")
    count = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({literal(path)})").fetchone()
    present = {name: own for name, own in wanted.items() if own in own_types}
    return Layout(
        "parquet",
        {name: "VARCHAR" if own in empty else own_types[own] for name, own in present.items()},
        {name: f"{quoted(own)}::VARCHAR" if own in empty else quoted(own) for name, own in present.items()},
        tuple(own_types),
        int(count[0]) if count else 0,
    )


def _csv(connection: duckdb.DuckDBPyConnection, path: str, wanted: Mapping[str, str]) -> Layout:
    first = connection.execute(f"SELECT line FROM {_lines(path)} LIMIT 1").fetchone()
    if not first or not first[0]:
        raise SourceError(f"{path}: its first line is empty, so it names no columns")
    header = first[0].lstrip("\ufeff")
    delimiter = max(",;\t|", key=header.count)
    read = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
    names = [name or f"column {position}" for position, name in enumerate(read, 1)]  # an index column often has no name
    if len({name.lower() for name in names}) != len(names):
        raise SourceError(f"{path}: names a column twice (upper and lower case are alike): {', '.join(names)}")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    dialect = (
        f"columns = {{{columns}}}, delim = {literal(delimiter)}, quote = '\"', escape = '\"', header = true, "
        "auto_detect = false, null_padding = false, store_rejects = true, rejects_limit = 0, nullstr = ''"
    )
    present = {name: own for name, own in wanted.items() if own in names}
    return Layout(
        "csv",
        dict.fromkeys(present, "VARCHAR"),
        {name: f"trim({quoted(own)})" for name, own in present.items()},
        tuple(names),
        0,
        dialect,
    )


def _lines(*paths: str) -> str:
    """Each line as one text beside its _path; those that are not UTF-8, or hold the delimiter, are rejected and told
    apart."""
    listed = ", ".join(literal(path) for path in paths)
    return (
        f"read_csv([{listed}], filename = '_path', columns = {{'line': 'VARCHAR'}}, delim = chr(1), quote = '', "
        f"escape = '', header = false, auto_detect = false, max_line_size = {_LINE_BYTES}, store_rejects = true, "
        "rejects_limit = 0)"
    )


def relation_of(paths: Sequence[str], layout: Layout) -> tuple[str, str | None]:
    """The SELECT over these files (CSV only one), and the SELECT of lines that made no row."""
    columns = "".join(f", {expression} AS {quoted(name)}" for name, expression in layout.expressions.items())
    if layout.format == "parquet":
        listed = ", ".join(literal(path) for path in paths)
        return (
            f"SELECT _path AS _file, file_row_number AS _row, (list_position([{listed}], _path)::BIGINT << 40) "
            f"+ file_row_number AS _position{columns} "
            f"FROM read_parquet([{listed}], filename = '_path', file_row_number = true, union_by_name = false)"
        ), None
    number = "row_number() OVER () - 1"  # DuckDB keeps the order of files and lines
    if layout.format == "csv":
        (path,) = paths
        relation = (
            f"SELECT {literal(path)} AS _file, {number} AS _row, {number} AS _position{columns} "
            f"FROM read_csv({literal(path)}, {layout.dialect})"
        )
        return relation, _rejects(2)
    listed = ", ".join(literal(path) for path in paths)
    row = "number - min(number) OVER (PARTITION BY _path)" if len(paths) > 1 else "number"
    relation = (
        f"SELECT _path AS _file, _row, (list_position([{listed}], _path)::BIGINT << 40) + _row AS _position, "
        f"CASE WHEN coalesce(json_type(valid), '') <> 'OBJECT' THEN line END AS _unreadable{columns} "
        f"FROM (SELECT _path, {row} AS _row, CASE WHEN json_valid(line) THEN line END AS valid, line "
        f"FROM (SELECT _path, {number} AS number, line FROM {_lines(*paths)})) WHERE trim(coalesce(line, '')) <> ''"
    )
    return relation, _rejects(1)


def _rejects(first: int) -> str:
    """The SELECT of lines that made no row; ``first`` is the line number of the first row."""
    return (
        f"SELECT file_path AS _file, line - {first} AS _row, trim(csv_line, chr(10) || chr(13)) AS _unreadable "
        "FROM reject_errors JOIN reject_scans USING (scan_id, file_id)"
    )


def lacking(layout: Layout, holds: str, *, raw_scores: bool) -> dict[str, str]:
    """The required columns that the file does not have, each with a word on what else would do, or ""."""
    has = layout.types.keys()
    missing = {} if "sample_id" in has else {"sample_id": ""}
    if holds == "labels":
        if not has & {"outcome", "label"}:
            missing["outcome"] = "or label"
        return missing
    if "observed_at" not in has:
        missing["observed_at"] = ""
    if "score" not in has and not (raw_scores and "raw_score" in has):
        missing["score"] = ""
    if "label" in has and not has & {"outcome", "predicted_class"}:
        missing["predicted_class"] = "or outcome, beside label"
    if "n" in has and "positives" not in has:
        missing["positives"] = "beside n"
    return missing


def wrong_types(layout: Layout, config: SourceConfig) -> str:
    """A sentence about a column whose type holds no such value; "" when all fit."""
    for name, type_ in layout.types.items():
        kind = type_.split("(")[0]
        own = config.columns.get(name, name)
        if name in _TIMES and kind in _NUMERIC_TYPES and config.time_unit is None:
            return f'column "{own}" is {type_}: say time_unit = "s", "ms" or "us" in [model.source]'
        if name in _TIMES and not (kind.startswith("TIMESTAMP") or kind in ("DATE", "VARCHAR", *_NUMERIC_TYPES)):
            return f'column "{own}" is {type_}; {name} must be a time'
        if name in _NUMBERS and kind not in ("VARCHAR", "BOOLEAN", *_NUMERIC_TYPES):
            return f'column "{own}" is {type_}; {name} must be a number'
        if name == "outcome" and kind not in ("VARCHAR", "BOOLEAN", *_NUMERIC_TYPES):
            return f'column "{own}" is {type_}; outcome must be 0 or 1'
        if name == "logits" and not type_.endswith("]") and kind != "VARCHAR":
            return f'column "{own}" is {type_}; logits must be a list of numbers'
        if name == "sample_id" and (type_.endswith("]") or kind in ("STRUCT", "MAP", "BLOB")):
            return f'column "{own}" is {type_}; sample_id must be text or a number'
    return ""
