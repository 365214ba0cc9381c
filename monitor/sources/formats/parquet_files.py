"""Parquet as SQL: its columns, fields of nested ones, and what the folders around it say."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.folders import demand_agreement, folder_value
from monitor.sources.formats.layout import TIMES, Layout, read_path
from monitor.sources.formats.paths import field_of, parted_paths, type_names
from monitor.store.connection import quote_name, quote_text

_LOOKED_INTO = ("json_", "element_at", "list_extract")  # SQL of what may be in some rows, and a type does not tell


def parquet_layout(
    connection: duckdb.DuckDBPyConnection, path: str, wanted: Mapping[str, str], folders: Mapping[str, str | None]
) -> Layout:
    """Look at a file's columns. Raises duckdb.Error or SourceError when it is not a readable Parquet file."""
    file = f"read_parquet({read_path(path)}, hive_partitioning = false)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {file}").fetchall()
    own_types = {row[0]: row[1] for row in described}
    empty = {name for name, type_ in own_types.items() if type_.strip('"') == "NULL"}  # no value in it has a type
    if "file_row_number" in own_types:
        raise SourceError("has a column file_row_number, a name that DuckDB keeps for its own; rename it")
    count = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({read_path(path)})").fetchone()
    types, expressions = dict[str, str](), dict[str, str]()
    for name, own in wanted.items():
        if own in own_types:
            types[name] = "VARCHAR" if own in empty else own_types[own]
            expressions[name] = f"{quote_name(own)}::VARCHAR" if own in empty else quote_name(own)
            if own in folders and name not in TIMES:
                demand_agreement(connection, file, quote_name(own), own, folders[own])
        elif own in folders:
            types[name], expressions[name] = "VARCHAR", folder_value(own, "_path")
        elif reached := _nested(connection, file, own, own_types):
            expressions[name], types[name] = reached
    lists = [own for own, type_ in own_types.items() if type_.endswith("]")] if "score" not in types else []
    return Layout(
        "parquet",
        types,
        expressions,
        (*_names(connection, file, own_types), *(own for own in folders if own not in own_types)),
        int(count[0]) if count else 0,
        lists={own: size for own in lists if (size := _first(connection, file, f"len({quote_name(own)})")) is not None},
        times=tuple(own for own, type_ in own_types.items() if type_.startswith("TIMESTAMP")),
        numbered={
            name: number
            for name in TIMES
            if _is_number(types.get(name, ""))
            if (number := _first(connection, file, f"{expressions[name]}::VARCHAR")) is not None
        },
    )


def _first(connection: duckdb.DuckDBPyConnection, file: str, value: str) -> Any:
    """The first that an expression gives; None where it gives nothing."""
    found = connection.execute(f"SELECT {value} FROM {file} WHERE {value} IS NOT NULL LIMIT 1").fetchone()
    return found[0] if found else None


def _nested(
    connection: duckdb.DuckDBPyConnection, file: str, own: str, own_types: Mapping[str, str]
) -> tuple[str, str] | None:
    """SQL and type of what a dotted path reaches; None where it leads nowhere."""
    column, steps = next(((column, steps) for column, steps in parted_paths(own) if column in own_types), ("", ()))
    if not column:
        return None
    (type_,) = connection.sql(f"SELECT {quote_name(column)} FROM {file}").types
    reached = field_of(quote_name(column), type_, steps)
    if reached is None or not any(word in reached[0] for word in _LOOKED_INTO):
        return reached
    return reached if _first(connection, file, f"{reached[0]}::VARCHAR") is not None else None


def _names(connection: duckdb.DuckDBPyConnection, file: str, own_types: Mapping[str, str]) -> Sequence[str]:
    """The columns; the fields of a STRUCT each for itself."""
    if not any(type_.startswith("STRUCT") for type_ in own_types.values()):
        return tuple(own_types)
    relation = connection.sql(f"SELECT * FROM {file}")
    return [
        each for name, type_ in zip(relation.columns, relation.types, strict=True) for each in type_names(name, type_)
    ]


def _is_number(type_: str) -> bool:
    return type_.removeprefix("U") in ("INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT") or type_.startswith("DECIMAL")


def parquet_relation(paths: Sequence[str], columns: str) -> str:
    """The SELECT over these files."""
    listed, read = ", ".join(map(quote_text, paths)), ", ".join(map(read_path, paths))
    return (
        f"SELECT _path AS _file, file_row_number AS _row, (list_position([{listed}], _path)::BIGINT << 40) "
        f"+ file_row_number AS _position{columns} FROM read_parquet([{read}], filename = '_path', file_row_number = true, "
        "union_by_name = false, hive_partitioning = false)"
    )
