"""Which versions and calibrators have a place of their own, and when they and slice values free it.

A place is held by what has a sample within retention: at most ``max_versions`` versions and as many calibrators that
calwatch did not make, and ``max_slice_values`` of each dimension. Those that come when all are taken fold into ``__other__``.
No version, no calibrator, and calibrators of calwatch's own need no place. What an older release stored beyond the limit
keeps its place, and frees it like all others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import duckdb
import numpy as np

from monitor.config.settings import Model
from monitor.model import OTHER, FoldedValues
from monitor.model.problems import Problem
from monitor.model.wording import describe_folded
from monitor.store.connection import fetch_column, load_table, make_naive
from monitor.store.folded import forget_folded_before, note_folded
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

_NEEDS_NONE = frozenset({"", OTHER})


def map_streams(store: ModelStore, now: datetime, rows_of: str = "fresh") -> list[Problem]:
    """Fill the temporary table stream_keys (version, calibrator → kept version, stream_id) for `fresh` or another view,
    entering new streams.

    Frequent versions first, so that those get the places. Returns what is to be told: that versions, calibrators or slice
    values begin to fold.
    """
    model = store.model
    rows = store.execute(statement("streams_met", rows=rows_of)).fetchall()
    counts = {(version, calibrator): count for version, calibrator, count in rows}
    known = {
        (version, calibrator): (number, placed)
        for version, calibrator, number, placed in store.execute(
            "SELECT version, calibrator, stream_id, placed FROM streams WHERE model_id = $model_id",
            {"model_id": store.model_id},
        ).fetchall()
    }
    placed = [pair for pair, (_, own) in known.items() if own]
    versions = _keep({version for version, _ in placed}, model.max_versions, _NEEDS_NONE, counts, 0)
    _, free = load_placeless(store.connection, model)
    calibrators = _keep({calibrator for _, calibrator in placed}, model.max_versions, free, counts, 1)
    kept = {pair: (versions[pair[0]], calibrators[pair[1]]) for pair in counts}
    numbers = _enter(store, set(kept.values()), known, now)
    columns = {
        "version": np.array([version for version, _ in kept], dtype=object),
        "calibrator": np.array([calibrator for _, calibrator in kept], dtype=object),
        "kept": np.array([version for version, _ in kept.values()], dtype=object),
        "stream_id": np.array([numbers[pair] for pair in kept.values()], dtype=np.int32),
    }
    if kept:
        load_table(store.connection, "stream_keys", columns)
    else:  # labels alone
        store.execute(
            "CREATE OR REPLACE TEMP TABLE stream_keys (version VARCHAR, calibrator VARCHAR, kept VARCHAR, stream_id INTEGER)"
        )
    most = model.max_versions
    met = [
        *_beyond(FoldedValues("version", "", most, now, now, 0), versions, counts, 0),
        *_beyond(FoldedValues("calibrator", "", most, now, now, 0), calibrators, counts, 1),
        *_of_slices(store, now),
    ]
    begun = [told for each in met if (told := note_folded(store.connection, model.name, each))]
    return [Problem(each.name or each.kind, "values_folded", describe_folded(each)) for each in begun]


_Counts = Mapping[tuple[str, str], int]  # rows by (version, calibrator)


def _keep(held: set[str], most: int, free: frozenset[str], counts: _Counts, part: int) -> dict[str, str]:
    """What is kept of each version (``part`` 0) or calibrator (1): itself, or ``__other__`` where all places are taken. Those
    that are ``free`` need none."""
    rows: Counter[str] = Counter()
    for pair, count in counts.items():
        rows[pair[part]] += count
    places, kept = held - free, {}
    for value in sorted(rows, key=lambda value: (-rows[value], value)):
        if value not in free and len(places) < most:
            places.add(value)
        kept[value] = value if value in free or value in places else OTHER
    return kept


def _enter(
    store: ModelStore, wanted: set[tuple[str, str]], known: Mapping[tuple[str, str], tuple[int, bool]], now: datetime
) -> dict[tuple[str, str], int]:
    """The numbers of streams; new ones are entered, and those that had freed their place have one again."""
    again = [known[pair][0] for pair in wanted if pair in known and not known[pair][1]]
    if again:
        store.execute("UPDATE streams SET placed = true WHERE list_contains($again, stream_id)", {"again": again})
    numbers = {pair: number for pair, (number, _) in known.items()}
    new = sorted(wanted - known.keys())
    if new:
        (last,) = store.fetch_row("SELECT coalesce(max(stream_id), 0) FROM streams")
        numbers |= {pair: number for number, pair in enumerate(new, last + 1)}
        columns = {
            "stream_id": np.array([numbers[pair] for pair in new], dtype=np.int32),
            "version": np.array([version for version, _ in new], dtype=object),
            "calibrator": np.array([calibrator for _, calibrator in new], dtype=object),
        }
        load_table(store.connection, "new_streams", columns)
        store.execute(
            "INSERT INTO streams SELECT stream_id, $model_id, version, calibrator, $now, true FROM new_streams",
            {"model_id": store.model_id, "now": make_naive(now)},
        )
    return numbers


def _beyond(blank: FoldedValues, kept: Mapping[str, str], counts: _Counts, part: int) -> Iterator[FoldedValues]:
    """What came of the kind of ``blank`` that has no place, if any."""
    beyond = {value: None for value, own in kept.items() if own == OTHER != value}
    if beyond:
        rows = sum(count for pair, count in counts.items() if pair[part] in beyond)
        yield replace(blank, rows=rows, examples=tuple(beyond))


def _of_slices(store: ModelStore, now: datetime) -> list[FoldedValues]:
    folded, store.registry.folded = store.registry.folded, {}
    most = store.model.max_slice_values
    return [FoldedValues("slice", name, most, now, now, rows, tuple(some)) for name, (rows, some) in folded.items()]


def load_placeless(connection: duckdb.DuckDBPyConnection, model: Model) -> tuple[frozenset[str], frozenset[str]]:
    """The versions, and the calibrators, that need no place."""
    own = connection.execute("SELECT id FROM calibrators WHERE model = $model", {"model": model.name}).fetchall()
    return _NEEDS_NONE, _NEEDS_NONE | {id_ for (id_,) in own}


def placed_pairs(connection: duckdb.DuckDBPyConnection, model_id: int) -> list[tuple[str, str]]:
    """(version, calibrator) of the streams that hold a place."""
    return connection.execute(
        "SELECT version, calibrator FROM streams WHERE model_id = $model_id AND placed", {"model_id": model_id}
    ).fetchall()


def free_places(store: ModelStore, oldest: datetime) -> None:
    """Let versions, calibrators and slice values go that have no sample any more, once those before ``oldest`` (naive UTC)
    are deleted. Call it inside a transaction."""
    where = {"model_id": store.model_id}
    store.execute(statement("places_free_streams"), where)
    store.execute(statement("places_free_values"), where)
    store.registry.load_values(store.connection)
    forget_folded_before(store.connection, store.model.name, oldest)


def placed_versions(connection: duckdb.DuckDBPyConnection, model_id: int) -> set[str]:
    """The versions with a sample within retention, as of the last time that places were freed."""
    query = "SELECT DISTINCT version FROM streams WHERE model_id = $model_id AND placed"
    return set(fetch_column(connection, query, {"model_id": model_id}))
