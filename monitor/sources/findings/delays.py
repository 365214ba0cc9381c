"""How long labels take in rows that were tried, against the lengths of time that the configuration allows them.

All functions read the temporary table `tried_delays`, of labels beside their predictions: labelled_at, observed_at, the
observed_at that the label names (`said`) and whether it ``joins``.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb

from monitor.config.settings import Model
from monitor.model.durations import format_duration
from monitor.model.wording import quantity, rough_duration
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.joins import guess_times
from monitor.sources.remedies import Lateness
from monitor.store.connection import fetch_row, make_aware, make_naive
from monitor.store.sql import statement

_LARGE = 0.05  # part of the labels, above which something is wrong
_ENOUGH = 20  # labels of which shares are told


def keep_delays(connection: duckdb.DuckDBPyConnection) -> list[Lateness]:
    """Fill `tried_delays` from the rows in `tried`; how late those are that would be set aside, as one entry or none."""
    connection.execute(statement("tried_delays_beside"))
    late: Lateness = fetch_row(connection, statement("tried_too_late"))
    return [late] if late[-1] else []


def find_unjoined(connection: duckdb.DuckDBPyConnection, model: Model, at: datetime | None) -> Iterator[Finding]:
    """Find labels of a source of their own that do not join the prediction of their id, and fill `tried_delays` with all.

    ``at``: when labels that say no time count as given; None: those are left out.
    """
    horizon = {"horizon_seconds": model.label_horizon.total_seconds()}
    connection.execute(statement("tried_delays_apart"), {**horizon, "at": make_naive(at) if at else None})
    (met,) = fetch_row(connection, "SELECT count(*) FROM tried_delays")
    rows = connection.execute("SELECT labelled_at, said, observed_at FROM tried_delays WHERE NOT joins").fetchall()
    waits = [(make_aware(labelled), make_aware(said), make_aware(seen) or seen) for labelled, said, seen in rows]
    if why := guess_times(waits, model.label_horizon):
        weight = Weight.SUSPICIOUS if len(waits) > _LARGE * met else Weight.NOTE
        text = f"of {quantity(met, 'label')} whose prediction was tried {len(waits):,} would not join it: {why}"
        yield Finding(text, weight)


def find_short_spans(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Finding]:
    """Find labels that take longer than windows and label_maturity, or fold_after, wait for them; after one of the above."""
    labels, median, later = fetch_row(
        connection, statement("tried_delays_counted"), {"fold_seconds": model.fold_after.total_seconds()}
    )
    if labels < _ENOUGH:
        return
    half = timedelta(seconds=median)
    empty = [window for window in model.windows if window + model.label_maturity <= half]
    if empty:
        lengths = ", ".join(map(format_duration, sorted(empty)))
        yield Finding(
            f"half of the {quantity(labels, 'label')} tried come {rough_duration(half)} or more after their prediction: "
            f"windows of {lengths}, which end label_maturity ({format_duration(model.label_maturity)}) before now, "
            "hold the others at most; a longer label_maturity waits for them",
            Weight.NOTE,
        )
    if later > _LARGE * labels:
        yield Finding(
            f"{later:,} of {quantity(labels, 'label')} tried come later than fold_after ({format_duration(model.fold_after)}): "
            "they would be measured, but not judged for drift; set fold_after longer than labels take",
            Weight.NOTE,
        )
