"""Which file a row is of, as a small number: so that a file that is written anew can be compared with what it said before."""

import hashlib
from collections.abc import Mapping, Sequence

import duckdb
import numpy as np

from monitor.store.connection import fetch_row, load_table, quote_text
from monitor.store.sql import statement


def number_files(
    connection: duckdb.DuckDBPyConnection, model_id: int, source: str, files: Sequence[str], *, pushed: bool
) -> dict[str, int]:
    """File → its number; new ones are entered, unless they were pushed: pushes are never written anew, so that a number
    made of their name will do (below 0)."""
    if pushed:
        return {file: -1 - int.from_bytes(hashlib.sha256(file.encode()).digest()[:4], "big") // 2 for file in files}
    where = {"model_id": model_id, "source": source}
    known: dict[str, int] = dict(
        connection.execute(statement("file_numbers_known"), {**where, "files": list(files)}).fetchall()
    )
    new = [file for file in dict.fromkeys(files) if file not in known]
    if new:
        (last,) = fetch_row(connection, "SELECT coalesce(max(file_id), 0) FROM files")
        numbers = range(last + 1, last + 1 + len(new))
        load_table(connection, "new_files", {"file_id": np.array(numbers, dtype=np.int32), "path": new})
        connection.execute("INSERT INTO files SELECT file_id, $model_id, $source, path FROM new_files", where)
        known |= dict(zip(new, numbers, strict=True))
    return {file: known[file] for file in files}


def load_file_numbers(
    connection: duckdb.DuckDBPyConnection, numbers: Mapping[str, int], *, placed: bool = False
) -> None:
    """Make them the temporary table `file_numbers`, and the macro ``number_of_file(position, file)`` of rows of `staged`.

    ``placed``: whether the files stand in order, so that a position tells which it is (see ``formats.relation_of``): texts need
    not be compared.
    """
    numbered = np.array(list(numbers.values()), dtype=np.int32)
    load_table(connection, "file_numbers", {"file": numbers.keys(), "file_id": numbered})
    if len(numbers) == 1:
        number = str(next(iter(numbers.values())))
    elif placed:
        number = f"list_extract({list(numbers.values())}, (position >> 40)::BIGINT)"
    else:
        number = f"map([{', '.join(map(quote_text, numbers))}]::VARCHAR[], {list(numbers.values())}::INTEGER[])[file]"
    connection.execute(f"CREATE OR REPLACE TEMP MACRO number_of_file(position, file) AS ({number})::INTEGER")
