"""The labelled samples that drift evidence judges: sums per bucket of the traffic, and of samples in groups by group.

Cells tell all there is to know of samples by themselves. Of samples in groups they do not: which sample belongs to which
group is read from the samples, which are kept for as long as a bucket can be judged: ``retention`` is at least ``fold_after``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import concatenate_columns, totals
from monitor.statistics.cells import FINE_BINS, Cells
from monitor.statistics.drift.bets import DETECTOR_BINS, BinSums, detector_bin_of
from monitor.statistics.drift.groups import GroupSums
from monitor.store.cells import build_cells, fill_masked
from monitor.store.connection import make_naive
from monitor.store.evidence.streams import Traffic, group_id
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

_DAY = timedelta(days=1)  # of a folded bucket
_FINE = np.arange(FINE_BINS, dtype=np.int16)
_PARTS = detector_bin_of(_FINE).tolist()  # of each fine bin


def load_cells(store: ModelStore, traffic: Traffic, buckets: Sequence[datetime]) -> tuple[Cells, GroupSums]:
    """All labelled cells of consecutive buckets of the traffic, and samples in groups by fine bin.

    Unit of a cell: group of the traffic · len(buckets) + place among ``buckets``; these two are row and position of a group.
    With all sums and fine bins, as gathering a reference needs; judging needs ``load_sums`` alone.
    """
    found = _fetch(store, "evidence_cells", buckets)
    row, place = _places(found, traffic, buckets)
    cells = build_cells(found, row * len(buckets) + place)
    grouped = _load_groups(store, traffic, buckets, _grouped(found, place), list(range(FINE_BINS)))
    kept = ~np.isin(place, grouped.places)
    return concatenate_columns([cells.pick(kept), _alone_cells(grouped.alone, len(buckets))]), grouped.together


def load_sums(store: ModelStore, traffic: Traffic, buckets: Sequence[datetime]) -> tuple[BinSums, GroupSums]:
    """What ``load_cells`` holds, by detector bin, (groups of the traffic, len(buckets), 12): a seventh of the rows."""
    found = _fetch(store, "evidence_sums", buckets, part=_PARTS)
    row, place = _places(found, traffic, buckets)
    grouped = _load_groups(store, traffic, buckets, _grouped(found, place), _PARTS)
    shape = (len(traffic.groups), len(buckets), DETECTOR_BINS)
    kept = ~np.isin(place, grouped.places)
    alone, slots = grouped.alone, int(np.prod(shape))
    at = (row * shape[1] + place) * shape[2] + found["part"]
    beside = (alone.row * shape[1] + alone.position) * shape[2] + alone.bin
    sums = {
        name: (totals(at[kept], fill_masked(found[name])[kept], slots) + totals(beside, own, slots)).reshape(shape)
        for name, own in (
            ("weight", alone.n), ("score", alone.score), ("outcome", alone.outcome), ("samples", alone.n),
        )
    }  # fmt: skip
    return BinSums(sums["weight"], sums["score"], sums["outcome"], sums["samples"].sum(axis=2)), grouped.together


@dataclass(frozen=True, slots=True, eq=False)
class _Grouped:
    """Of the buckets at ``places``: samples ``alone`` in their group, added up as one group, and those ``together``."""

    places: NDArray[np.int64]
    alone: GroupSums
    together: GroupSums


def _load_groups(
    store: ModelStore, traffic: Traffic, buckets: Sequence[datetime], places: NDArray[np.int64], part: list[int]
) -> _Grouped:
    """Samples of the buckets at ``places``; those of whose samples nothing is kept any more are left out."""
    if not places.size:
        none = GroupSums.of([], [], [], [], [], [], [])
        return _Grouped(places, none, none)
    own = [make_naive(buckets[place]) for place in places.tolist()]
    last = make_naive(buckets[int(places[-1])])
    found = store.execute(
        statement("evidence_groups"),
        {
            "model_id": store.model_id, "start": own[0], "beyond": last + max(store.model.bucket, _DAY), "grouped": own,
            "part": part, "bucket_seconds": int(store.model.bucket.total_seconds()),
        },
    ).fetchnumpy()  # fmt: skip
    row, place = _places(found, traffic, buckets)
    code = np.unique(found["member"], return_inverse=True)[1].astype(np.int64)
    alone = found["member"] == 0
    both = [
        GroupSums.of(
            row[some], place[some], code[some], found["part"][some],
            *(fill_masked(found[name])[some] for name in ("n", "score", "outcome")),
        )
        for some in (alone, ~alone)
    ]  # fmt: skip
    return _Grouped(np.unique(place), *both)


def _alone_cells(alone: GroupSums, width: int) -> Cells:
    """Cells by fine bin, with the sums that are added up for evidence; the others are 0."""
    unit, none = alone.row * width + alone.position, np.zeros(len(alone))
    sums = alone.n, alone.score, alone.outcome
    return Cells(unit, alone.bin.astype(np.int16), *sums, none, none, none, *sums)


def _fetch(store: ModelStore, name: str, buckets: Sequence[datetime], **values: object) -> Mapping[str, NDArray[Any]]:
    span = {"model_id": store.model_id, "first": make_naive(buckets[0]), "last": make_naive(buckets[-1])}
    found: Mapping[str, NDArray[Any]] = store.execute(statement(name), span | values).fetchnumpy()
    return found


def _grouped(found: Mapping[str, NDArray[Any]], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of buckets with samples in groups, rising."""
    return np.unique(place[found["grouped"].astype(np.bool_)])


def _places(
    found: Mapping[str, NDArray[Any]], traffic: Traffic, buckets: Sequence[datetime]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each row its group in the traffic, and its place among the buckets."""
    starts = np.array([make_naive(bucket) for bucket in buckets], dtype="datetime64[us]")
    return (
        np.searchsorted(traffic.ids, group_id(found["stream_id"], found["slice_id"])),
        np.searchsorted(starts, found["bucket"].astype("datetime64[us]")),
    )
