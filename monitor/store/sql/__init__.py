"""Several statements of one file, one after the other: DuckDB binds parameters to one statement at a time."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import duckdb


@cache
def statement(name: str) -> str:
    """The text of ``name.sql`` in this package."""
    return files(__name__).joinpath(f"{name}.sql").read_text("utf-8")


def run_script(connection: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object]) -> None:
    """Execute all statements of ``name.sql``, each ends in a semicolon and an empty line. Those that use none of the values
    do not mind them."""
    for part in statement(name).split(";\n\n"):
        connection.execute(part, {key: value for key, value in values.items() if f"${key}" in part})
