"""Decision thresholds ↔ table rows: what was chosen with each calibrator, its curve, and which are in charge."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import duckdb

from monitor.model import Slice, ThresholdInUse
from monitor.statistics.threshold_curves import COLUMNS, ThresholdCurve
from monitor.store.connection import aware, naive
from monitor.store.rows import insert_columns

_THRESHOLD = tuple(each.name for each in fields(ThresholdInUse))
_CURVE_KEYS = ("model", "scope", "policy", "per", "class_name", "calibrator", "chosen_at")


def store_thresholds(
    connection: duckdb.DuckDBPyConnection, decided: Sequence[tuple[ThresholdInUse, ThresholdCurve | None]]
) -> None:
    """Enter chosen thresholds with their curves, in place of earlier ones of the same calibrator, scope and class; to be
    called inside a transaction."""
    for threshold, curve in decided:
        values = {name: _plain(getattr(threshold, name)) for name in _THRESHOLD}
        same = " AND ".join(f"{name} = ${name}" for name in ("model", "scope", "calibrator", "per", "class_name"))
        own = {name: values[name] for name in ("model", "scope", "calibrator", "per", "class_name")}
        for table in ("thresholds", "threshold_curves"):
            connection.execute(f"DELETE FROM {table} WHERE {same}", own)
        listed = ", ".join(f'"{name}"' for name in _THRESHOLD)
        bound = ", ".join("$" + name for name in _THRESHOLD)
        connection.execute(f"INSERT INTO thresholds ({listed}) VALUES ({bound})", values)
        if curve is not None:
            keys = [values[name] for name in _CURVE_KEYS]
            points = zip(*(getattr(curve, name).tolist() for name in COLUMNS), strict=True)
            insert_columns(
                connection, "threshold_curves", (*_CURVE_KEYS, *COLUMNS), ((*keys, *point) for point in points)
            )


def _plain(value: Any) -> Any:
    if isinstance(value, Slice):
        return value.text
    return naive(value) if isinstance(value, datetime) else value


def load_thresholds(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[ThresholdInUse, ...]:
    """The thresholds in force: those of the calibrators in charge, or of scores as they come where none is."""
    listed = ", ".join(f'"{name}"' for name in _THRESHOLD)
    rows = connection.execute(
        f"SELECT {listed} FROM thresholds_in_force WHERE model = $model ORDER BY scope, policy, per, class_name",
        {"model": model},
    ).fetchall()
    thresholds = []
    for row in rows:
        held = dict(zip(_THRESHOLD, row, strict=True))
        held["scope"], held["chosen_at"] = Slice.parse(held["scope"]), aware(held["chosen_at"])
        thresholds.append(ThresholdInUse(**held))
    return tuple(thresholds)
