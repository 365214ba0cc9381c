"""The newest disparities of a model, kept for the snapshot alone: a restart computes them anew."""

from collections.abc import Sequence

import duckdb

from monitor.model import Disparity
from monitor.store.rows import insert_columns

_COLUMNS = (
    "model", "rule", "version", "slice", "window", "window_start", "window_end", "measure", "samples", "rest_samples",
    "needed_samples", "slices", "own", "rest", "difference", "lower", "lower_alone", "p_value",
)  # fmt: skip


def store_disparities(connection: duckdb.DuckDBPyConnection, model: str, disparities: Sequence[Disparity]) -> None:
    """Make these the disparities of the model, in place of those before."""
    connection.execute("DELETE FROM disparities WHERE model = $model", {"model": model})
    insert_columns(
        connection,
        "disparities",
        _COLUMNS,
        (
            tuple(held.slice.text if name == "slice" else getattr(held, name) for name in _COLUMNS)
            for held in disparities
        ),
    )
