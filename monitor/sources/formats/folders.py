"""What the folders around a file say of all its rows, as Hive and Spark lay them out: ``…/camera=c3/day=2026-11-29/x.csv``."""

import re
from urllib.parse import unquote

import duckdb

from monitor.model.errors import SourceError
from monitor.store.connection import quote_text

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def folder_values(path: str) -> dict[str, str | None]:
    """What Hive-like folders say of a file: ``…/camera=c3/day=2026-11-29/x.csv``. None: without a value.

    >>> folder_values("/data/camera=c%203/x.csv")
    {'camera': 'c 3'}
    """
    said: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        key, mark, value = folder.partition("=")
        if key and mark and "=" not in value and "?" not in folder:
            said.setdefault(unquote(key), None if value == _NO_VALUE else unquote(value))
    return said


def folder_value(own: str, path_column: str) -> str:
    """SQL giving what the folders of the file in ``path_column`` say of ``own``, for files of several folders at once."""
    pattern = f"/{re.escape(own)}=([^/=?]*)/"
    return f"nullif(url_decode(regexp_extract({path_column}, {quote_text(pattern)}, 1)), '{_NO_VALUE}')"


def demand_agreement(
    connection: duckdb.DuckDBPyConnection, relation: str, expression: str, own: str, said: str | None
) -> None:
    """Raises SourceError when a row of ``relation`` holds another value than the one its folder says."""
    value = f"regexp_replace(trim(({expression})::VARCHAR), '\\.0+$', '')"
    other = connection.execute(
        f"SELECT ({expression})::VARCHAR FROM {relation} WHERE {value} <> coalesce($said, '') AND {value} <> '' "
        f"AND coalesce(TRY_CAST({value} AS DOUBLE) <> TRY_CAST($said AS DOUBLE), true) LIMIT 1",
        {"said": said},
    ).fetchone()
    if other:
        folder = f"{own}={_NO_VALUE if said is None else said}"
        raise SourceError(
            f'has a column {own} that holds "{other[0]}", and lies in a folder {folder}: see which is right, and '
            "rename the other"
        )
