"""Calibrators that do the same to scores: one and what was tuned of it, whose artefact holds operating points beside it.

Evidence of miscalibration is about what is done to scores, so it goes on when production takes up new operating points.
"""

from collections.abc import Mapping

import duckdb

from monitor.store.sql import statement

NONE = ""  # no calibrator: scores as they come


def find_tuned(connection: duckdb.DuckDBPyConnection, model: str) -> dict[str, str]:
    """Return of each calibrator that was tuned the one that it was tuned for, at first: one that was fitted, or none.

    A calibrator that has the method and the parameters of the one it replaced was tuned: a gate turns down a refit that changes
    no score. So was an identity that replaced none.
    """
    rows = connection.execute(statement("calibrators_forms"), {"model": model}).fetchall()
    forms = {id_: (method, parameters) for id_, _, method, parameters in rows}
    forms[NONE] = ("identity", "{}")
    before = {id_: parent or NONE for id_, parent, *_ in rows}
    return {id_: _first_of(id_, before, forms) for id_ in before if _first_of(id_, before, forms) != id_}


def _first_of(id_: str, before: Mapping[str, str], forms: Mapping[str, tuple[str, str]]) -> str:
    seen = {id_}
    while id_ in before and before[id_] not in seen and forms.get(before[id_]) == forms[id_]:
        id_ = before[id_]
        seen.add(id_)
    return id_
