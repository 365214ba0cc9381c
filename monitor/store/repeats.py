"""The same predictions sent again in another form: with another score under the same identity, or with a time that is off by
fractions of a second."""

from datetime import datetime, timedelta

import duckdb

from monitor.sources.base import Problem
from monitor.store.source_facts import load_facts, store_fact
from monitor.store.sql import statement
from monitor.wording import counted

TOLD_SHARE = 0.01  # of a file's rows
_EVERY_SOURCE = ""  # facts of a model: its sources may send the same predictions
_FRACTIONS = "time_fractions"
# decimal places that the new times have
_DIGITS = (
    f"SELECT CASE {' '.join(f'WHEN bool_or(micros % {10**zeros} <> 0) THEN {7 - zeros}' for zeros in range(1, 7))} ELSE 0 END "
    "FROM (SELECT epoch_us(observed_at) AS micros FROM incoming WHERE row_key IS NULL)"
)
_PROBED = 1_000  # new rows that are looked for among those a second away


def changed_predictions(connection: duckdb.DuckDBPyConnection, changed: int) -> list[Problem]:
    """A problem for each file of `staged` in which more than ``TOLD_SHARE`` of the rows change a prediction that is known."""
    if not changed:
        return []
    rows = connection.execute(
        "SELECT file, c.changed, s.rows FROM (SELECT own_file_id AS file_id, count(*) AS changed FROM incoming "
        "WHERE changes_prediction GROUP BY own_file_id) AS c JOIN file_numbers USING (file_id) "
        "JOIN (SELECT file, count(*) AS rows FROM staged GROUP BY file) AS s USING (file) ORDER BY file"
    ).fetchall()
    return [
        Problem(
            file, "changed_predictions",
            f"{file}: {count:,} of {counted(total, 'row')} give a known prediction another score, slice or version, and took "
            "its place: where these are other predictions, make sample_id differ, such as by the camera in front of it",
        )
        for file, count, total in rows
        if count > TOLD_SHARE * total
    ]  # fmt: skip


def near_repeats(
    connection: duckdb.DuckDBPyConnection, model_id: int, new: int, now: datetime, *, within: bool
) -> list[Problem]:
    """A problem where new rows have ids that came within a second of them, with other fractions of a second.

    Looked for only where the times of a batch are finer or coarser than those the model had so far, or where ``within`` the
    batch itself some are that close.
    """
    if not new:
        return []
    row = connection.execute(_DIGITS).fetchone()
    assert row is not None  # an aggregate always gives a row
    own: int = row[0]
    told = load_facts(connection, model_id, _EVERY_SOURCE).get(_FRACTIONS)
    known = int(told) if told is not None else own
    if told is None or own > known:
        store_fact(connection, model_id, _EVERY_SOURCE, _FRACTIONS, str(own), now)
    if known == own and not within:
        return []
    span = connection.execute(
        "SELECT min(observed_at), max(observed_at) FROM incoming WHERE row_key IS NULL"
    ).fetchone()
    assert span is not None
    second = timedelta(seconds=1)
    rows = connection.execute(
        statement("near_repeats"),
        {
            "model_id": model_id, "first": span[0] - second, "last": span[1] + second, "probed": _PROBED,
            "unit": 10 ** (6 - min(own, known)),
        },
    ).fetchall()  # fmt: skip
    return [
        Problem(
            file, "near_repeats",
            f"{file}: {found:,} of {counted(probed, 'new row')} looked at have a sample_id that is known from within the same "
            'second, with other fractions of it: where the same predictions were exported twice they count twice now; set '
            'time_precision = "1s" in every [model.source]',
        )
        for file, probed, found in rows
        if found > TOLD_SHARE * probed
    ]  # fmt: skip
