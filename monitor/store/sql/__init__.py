"""Statements by name: each file holds those of one subject, each after a line ``-- name: its_name``.

A mark ``/*name*/`` in one stands for another statement of that name, or for SQL that its caller computes.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import duckdb

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_MARK = re.compile(r"/\*(\w+)\*/")


@cache
def _load_statements() -> Mapping[str, str]:
    texts = [entry.read_text("utf-8") for entry in files(__name__).iterdir() if entry.name.endswith(".sql")]
    pieces = [piece for text in texts for piece in _NAME.split(text)[1:]]
    held = {name: body.strip().removesuffix(";") for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
    return {name: _MARK.sub(lambda mark: held.get(mark[1], mark[0]), body) for name, body in held.items()}


def statement(name: str, **parts: str) -> str:
    """Return the SQL called ``name``, without a semicolon at its end; ``parts``: SQL in place of its marks of these names.

    Raises KeyError where there is none of this name, and where some of its marks are given and others are not.
    """
    text = _load_statements()[name]
    return _MARK.sub(lambda mark: parts[mark[1]], text) if parts else text


def run_script(connection: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object]) -> None:
    """Execute all statements that stand under ``name``, each ends in a semicolon and an empty line: DuckDB binds parameters
    to one statement at a time. Those that use none of the values do not mind them."""
    for part in statement(name).split(";\n\n"):
        connection.execute(part, {key: value for key, value in values.items() if f"${key}" in part})
