"""Cells in the store: renewed after an ingest, read per window, folded into days, and dropped when too old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.model import MISSING, Slice
from monitor.statistics.cells import SUMS, Cells, Clusters
from monitor.store.connection import load_table, make_aware, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.places import free_places
from monitor.store.sql import run_script, statement

if TYPE_CHECKING:
    from monitor.store.seen.objects import WindowObjects


def renew_cells(store: ModelStore, first: datetime, beyond: datetime) -> None:
    """Bring the cells of all rows in `incoming` (observed in [first, beyond), naive UTC) up to date."""
    own = {"model_id": store.model_id}
    (folded,) = store.fetch_row("SELECT folded_until FROM models WHERE model_id = $model_id", own)
    buckets = {"bucket_seconds": int(store.model.bucket.total_seconds()), "folded_until": folded}
    # where a batch names no group, samples may still come in groups
    if store.fetch_row(statement("cells_grouped"), own)[0]:
        # samples of the touched buckets reach beyond the rows themselves, at most to the ends of their days
        span = {**own, "first": _midnight(first), "beyond": _midnight(beyond) + timedelta(days=1)}
        _recompute(store, {**buckets, **span})
    else:
        _add_and_subtract(store, buckets)
    store.execute(statement("cells_revision"), own)


def has_groups(store: ModelStore) -> bool:
    """Whether labelled samples of the model have come in groups."""
    (found,) = store.fetch_row(
        "SELECT EXISTS (FROM group_cells WHERE model_id = $model_id)", {"model_id": store.model_id}
    )
    return bool(found)


def _add_and_subtract(store: ModelStore, buckets: Mapping[str, object]) -> None:
    """The cells of independent samples: plus the batch's rows, less those they replace. No other sample is read."""
    store.execute(statement("cells_added"), buckets)
    reach = _reach(store, "renewed")
    carried = store.execute(statement("cells_carry"), reach).fetchone()
    if carried and carried[0]:
        store.execute(statement("cells_delete_carried"), reach)
        store.execute(statement("cells_insert"))
    else:  # nothing to add up with what was there
        store.execute("INSERT INTO cells FROM renewed WHERE n <> 0 OR unlabelled <> 0")


def _recompute(store: ModelStore, span: Mapping[str, object]) -> None:
    """The cells of samples that come in groups, whole buckets at a time: a new member changes the weight of its group."""
    store.execute(statement("cells_touched"), {name: span[name] for name in ("bucket_seconds", "folded_until")})
    store.execute(statement("cells_touched_groups"), span)
    reach = _reach(store, "touched")
    store.execute(statement("cells_recomputed"), span)
    store.execute(statement("cells_delete_touched"), reach)
    store.execute(statement("cells_insert"))
    members = [
        (slice_id, shown.text)
        for finest, slice_id in store.registry.slices.items()
        for shown in list_measured_slices([finest], store.model.slices, store.model.max_order)
    ]
    columns = {
        "slice_id": np.array([slice_id for slice_id, _ in members], dtype=np.int32),
        "slice": np.array([text for _, text in members], dtype=object),
    }
    load_table(store.connection, "slice_members", columns)
    store.execute(statement("group_cells_delete"), reach)
    store.execute(statement("group_cells_insert"), span)


def _reach(store: ModelStore, table: str) -> dict[str, object]:
    """The model and the buckets between which a temporary table lies, so that row groups are pruned by time."""
    first, last = store.fetch_row(f"SELECT min(bucket), max(bucket) FROM {table}")
    return {"model_id": store.model_id, "first_bucket": first, "last_bucket": last}


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def list_measured_slices(finest: Sequence[Slice], dimensions: Sequence[str], max_order: int) -> list[Slice]:
    """All slices that readings are made for: the whole, marginals and crosses up to ``max_order``, sorted."""
    shown: set[Slice] = set()
    for slice_ in finest:
        labels = slice_.as_dict()
        own = Slice.of({name: labels.get(name, MISSING) for name in dimensions})
        shown.update((Slice(), *own.wider_slices(max_order)))
    return sorted(shown, key=lambda slice_: (slice_.order, slice_.labels))


@dataclass(frozen=True, slots=True)
class WindowCells:
    """The cells of one window: unit i of ``cells`` is (versions[i], slices[i])."""

    versions: tuple[str, ...]
    slices: tuple[Slice, ...]
    cells: Cells
    clusters: Clusters | None
    unlabelled: NDArray[np.float64]  # (units,)
    lag: NDArray[np.float64]  # (units,) sum of label lags in seconds
    objects: "WindowObjects | None" = None  # of a detector, where they are known


def load_window_cells(store: ModelStore, start: datetime, end: datetime) -> WindowCells:
    """Sums over the buckets in [start, end), per version and shown slice."""
    span = {"model_id": store.model_id, "start": make_naive(start), "end": make_naive(end)}
    found = store.execute(statement("window_cells"), span).fetchnumpy()
    versions = store.load_versions()
    finest_of_id = {slice_id: finest for finest, slice_id in store.registry.slices.items()}
    pairs, own_unit = np.unique(
        found["version_key"].astype(np.int64) << 32 | found["slice_id"].astype(np.int64), return_inverse=True
    )
    units: dict[tuple[str, Slice], int] = {}
    links: list[tuple[int, int]] = []
    for index, pair in enumerate(pairs.tolist()):
        version, slice_id = versions[pair >> 32], pair & 0xFFFFFFFF
        shown = list_measured_slices([finest_of_id[slice_id]], store.model.slices, store.model.max_order)
        links += [(index, units.setdefault((version, slice_), len(units))) for slice_ in shown]
    mapping = np.array(links, dtype=np.int64).reshape(-1, 2)
    finest = build_cells(found, own_unit)
    extra = {name: np.zeros(len(units)) for name in ("unlabelled", "lag")}
    for name, sums in extra.items():
        per_pair = np.bincount(own_unit, weights=fill_masked(found[name]), minlength=len(pairs))
        np.add.at(sums, mapping[:, 1], per_pair[mapping[:, 0]])
    return WindowCells(
        tuple(version for version, _ in units), tuple(shown for _, shown in units), finest.regroup(mapping),
        _window_clusters(store.connection, span, units), extra["unlabelled"], extra["lag"],
    )  # fmt: skip


def build_cells(found: Mapping[str, NDArray[Any]], unit: NDArray[np.integer]) -> Cells:
    """Return the cells of fetched rows with the columns ``bin`` and ``SUMS``, of these units (rows,)."""
    sums = {name: fill_masked(found[name]) for name in SUMS}
    return Cells(unit.astype(np.int64), found["bin"].astype(np.int16), **sums)


def fill_masked(column: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.ma.filled(column, 0.0), dtype=np.float64)


def _window_clusters(
    connection: duckdb.DuckDBPyConnection, span: Mapping[str, object], units: dict[tuple[str, Slice], int]
) -> Clusters | None:
    found = connection.execute(statement("window_clusters"), span).fetchnumpy()
    if not len(found["slice"]):
        return None
    by_text = {(version, shown.text): unit for (version, shown), unit in units.items()}
    unit = np.array(
        [by_text.get((str(v), str(s)), -1) for v, s in zip(found["version"], found["slice"], strict=True)],
        dtype=np.int64,
    )
    known = unit >= 0  # a dimension taken out of the configuration leaves sums of slices no longer shown
    return Clusters(
        unit=unit[known], score_bin=found["score_bin"][known].astype(np.int16),
        squared_residual=found["squared_residual"][known], groups=found["groups"][known].astype(np.float64),
    )  # fmt: skip


def load_bucket_cells(
    store: ModelStore, version: str, covered: Sequence[int], start: datetime, end: datetime
) -> tuple[tuple[datetime, ...], Cells]:
    """Return the buckets in [start, end) of the finest slices with the ids ``covered``, in order, and their cells with the
    bucket's index as unit."""
    found = store.execute(statement("bucket_cells"), store.span(version, covered, start, end)).fetchnumpy()
    starts, unit = np.unique(found["bucket"], return_inverse=True)
    return tuple(map(make_aware, starts.astype("datetime64[us]").tolist())), build_cells(found, unit)


def find_bucket_start(store: ModelStore, moment: datetime) -> datetime:
    """The beginning of the bucket that samples observed at ``moment`` are counted in."""
    (found,) = store.fetch_row(
        "SELECT bucket_of($moment::TIMESTAMP, $seconds, folded_until) FROM models WHERE model_id = $model_id",
        {"moment": make_naive(moment), "seconds": int(store.model.bucket.total_seconds()), "model_id": store.model_id},
    )
    start: datetime = make_aware(found)
    return start


def fold_and_drop(store: ModelStore, now: datetime) -> bool:
    """Once a day: fold cells older than fold_after into daily ones, delete what is older than its limits.

    Returns whether anything was due. Sums stay the same, so no reading of a folded day changes.
    """
    midnight = _midnight(make_naive(now))
    until = _midnight(midnight - store.model.fold_after)
    where = {"model_id": store.model_id}
    (since,) = store.fetch_row("SELECT folded_until FROM models WHERE model_id = $model_id", where)
    if since >= until:
        return False
    with store.transaction():
        span = {**where, "since": since, "until": until}
        for table, collect, daily in (
            ("cells", "fold_collect", "folded"), ("group_cells", "fold_groups_collect", "folded_groups")
        ):  # fmt: skip
            store.execute(statement(collect), span)
            store.execute(
                f"DELETE FROM {table} WHERE model_id = $model_id AND bucket >= $since AND bucket < $until", span
            )
            store.execute(f"INSERT INTO {table} SELECT * FROM {daily}")
        store.execute("UPDATE models SET folded_until = $until WHERE model_id = $model_id", {**where, "until": until})
        _drop_old(store, midnight)
        free_places(store, _midnight(midnight - store.model.retention))
    return True


_TIMED = (
    ("readings", "window_end"), ("evidence", "bucket"), ("evidence_alarms", "bucket"), ("evidence_streams", "closed"),
    ("told_alarms", "bucket"),
    ("quarantine", "quarantined_at"), ("pulls", "pulled_at"), ("alert_events", "changed_at"),
    ("jobs", "finished_at"), ("job_log", "finished_at"),  # open jobs have no finished_at
)  # fmt: skip


def _drop_old(store: ModelStore, midnight: datetime) -> None:
    # whole days: a folded day may have to be recomputed, for which it needs all its samples
    oldest = _midnight(midnight - store.model.retention)
    by_id = {"model_id": store.model_id, "limit": oldest}
    for table, column in (("samples", "observed_at"), ("repeated_rows", "day"), ("class_words", "last_observed_at")):
        store.execute(f"DELETE FROM {table} WHERE model_id = $model_id AND {column} < $limit", by_id)
    if store.model.is_of_boxes:
        run_script(store.connection, "boxes_drop", {"model_id": store.model_id, "limit": oldest})
    by_id["limit"] = midnight - store.model.history
    for table in ("cells", "group_cells"):
        store.execute(f"DELETE FROM {table} WHERE model_id = $model_id AND bucket < $limit", by_id)
    by_name = {"model": store.model.name, "limit": midnight - store.model.history}
    for table, column in _TIMED:
        store.execute(f"DELETE FROM {table} WHERE model = $model AND {column} < $limit", by_name)
