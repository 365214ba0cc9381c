"""Objects of a window, found and missed, and the labelled images they are on: what recall and false positives divide by."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.config.boxes import BOX_DIMENSIONS
from monitor.model import MISSING, Slice
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.thresholds.objects import ObjectCounts
from monitor.store.cells import WindowCells, list_measured_slices
from monitor.store.connection import fetch_column, make_naive
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

DRAWN = 50_000  # objects at most, about, from which it is estimated how alike those of one image are
PLACED = 100_000  # detections at most, about, that say how well boxes lie
# version, calibrator, finest slice, whether its images have detections: of those that have none the calibrator is that of the
# image before them
Part = tuple[str, str, Slice, bool]


@dataclass(frozen=True, slots=True, eq=False)
class WindowObjects:
    """What is known of the labelled images of one window; ``counts`` and ``drawn`` number ``parts``.

    ``uncut``: slice dimensions that boxes alone have a value of, and neither objects nor images: there is no recall by these.
    """

    parts: tuple[Part, ...]
    counts: ObjectCounts
    drawn: ObjectCounts
    images: Mapping[Part, int]  # labelled images by part
    uncut: frozenset[str]

    def cut(self, finest: Slice) -> Slice:
        """Return the slice without what nobody says of objects."""
        return Slice(tuple(label for label in finest.labels if label[0] not in self.uncut))

    def count_images(
        self, counts: Callable[[Part], bool], dimensions: Sequence[str], most: int
    ) -> dict[tuple[str, Slice], int]:
        """Labelled images by version and slice, of the parts that count: whatever boxes alone have a value of is left out."""
        own = [name for name in dimensions if name not in self.uncut and name not in BOX_DIMENSIONS]
        found: dict[tuple[str, Slice], int] = {}
        for part, n in self.images.items():
            if counts(part):
                for shown in list_measured_slices([part[2]], own, most):
                    found[part[0], shown] = found.get((part[0], shown), 0) + n
        return found

    def image_slice(self, shown: Slice) -> Slice:
        """Return the slice of images that a slice of boxes is looked for in."""
        gone = {*self.uncut, *BOX_DIMENSIONS}
        return Slice(tuple(label for label in shown.labels if label[0] not in gone))


@dataclass(frozen=True, slots=True, eq=False)
class Placements:
    """Detections of labelled images of a window, those with the highest raw scores first; NaN: neither right nor wrong."""

    version: NDArray[np.str_]
    class_code: Ints
    score: Floats  # as deployed
    found: Floats  # 1 right, 0 wrong, by the IoU of the model
    found_half: Floats
    overlap: Floats
    objects: Mapping[tuple[str, int], int]  # by version and class


def knows_objects(store: ModelStore) -> bool:
    """Whether it is known what was missed. Where not a single detection was ever taken they have not come, or none of them
    could be read, most likely: then it is not known that all was missed."""
    if not (store.model.is_of_boxes and store.model.counts_missed):
        return False
    own = {"model_id": store.model_id}
    return bool(store.fetch_row("SELECT EXISTS (FROM detections WHERE model_id = $model_id)", own)[0])


def hold_objects(store: ModelStore, held: WindowCells, start: datetime, end: datetime) -> WindowCells:
    """Return the window with the objects of its labelled images, and a unit for each slice that has some, though it may have
    no detection. As it was where the model's objects are not known."""
    if not knows_objects(store):
        return held
    objects = load_window_objects(store, start, end)
    units = dict.fromkeys(zip(held.versions, held.slices, strict=True))
    more = dict.fromkeys(
        (part[0], shown) for part in objects.parts for shown in shown_slices(store, objects, part[2])
    )  # fmt: skip
    new = sorted(key for key in more if key not in units)
    zeros = np.zeros(len(new))
    return replace(
        held, versions=(*held.versions, *(version for version, _ in new)), slices=(*held.slices, *(own for _, own in new)),
        unlabelled=np.concatenate([held.unlabelled, zeros]), lag=np.concatenate([held.lag, zeros]), objects=objects,
    )  # fmt: skip


def shown_slices(store: ModelStore, objects: WindowObjects, finest: Slice) -> list[Slice]:
    """Return the slices that an object of a finest slice is counted in."""
    dimensions = [name for name in store.model.slices if name not in objects.uncut]
    return list_measured_slices([objects.cut(finest)], dimensions, store.model.max_order)


def load_window_objects(store: ModelStore, start: datetime, end: datetime) -> WindowObjects:
    """The objects of labelled images observed in [start, end)."""
    span = {"model_id": store.model_id, "start": make_naive(start), "end": make_naive(end)}
    store.execute(statement("objects_blank"), span)
    counted = store.execute(statement("objects_counted"), span).fetchnumpy()
    every = max(1, -(-int(counted["n"].sum()) // DRAWN))
    drawn = store.execute(statement("objects_drawn"), {**span, "every": every}).fetchnumpy()
    images = store.execute(statement("objects_images"), span).fetchnumpy()
    place, streams = _Parts(store), _streams(store)
    counts = ObjectCounts(
        place.number(streams, counted), counted["bin"].astype(np.int64), counted["n"].astype(np.float64)
    )
    some = ObjectCounts(
        place.number(streams, drawn), drawn["bin"].astype(np.int64), np.ones(len(drawn["bin"])),
        np.unique(drawn["image"], return_inverse=True)[1].reshape(-1).astype(np.int64),
    )  # fmt: skip
    of_images = _Parts(store)
    codes = of_images.number(streams, images)
    totals: dict[Part, int] = {}
    for code, n in zip(codes.tolist(), images["n"].tolist(), strict=True):
        totals[of_images.parts[code]] = totals.get(of_images.parts[code], 0) + n
    uncut = _find_uncut(store, span, (finest for _, _, finest, _ in totals))
    return WindowObjects(tuple(place.parts), counts, some, totals, uncut)


def _find_uncut(store: ModelStore, span: Mapping[str, object], of_images: Iterable[Slice]) -> frozenset[str]:
    """Slice dimensions that boxes alone have a value of; ``of_images``: slices of the labelled images of the span."""
    apart = set(fetch_column(store.connection, statement("objects_apart"), span))
    own = [name for name in store.model.slices if name not in BOX_DIMENSIONS]
    said = {name for slice_ in of_images for name, value in slice_.labels if value != MISSING}
    return frozenset(name for name in own if name in apart or name not in said)


def find_image_slices(store: ModelStore, span: Mapping[str, object], covered: Sequence[int]) -> list[int]:
    """Return the slices of labelled images of the span on which boxes of the finest slices ``covered`` may be: the same but
    for what boxes alone have a value of. ``span``: model_id, start and end."""
    finest = {slice_id: slice_ for slice_, slice_id in store.registry.slices.items()}
    there = [int(number) for number in fetch_column(store.connection, statement("objects_image_slices"), span)]
    gone = {*_find_uncut(store, span, (finest[number] for number in there)), *BOX_DIMENSIONS}

    def cut(number: int) -> Slice:
        return Slice(tuple(label for label in finest[number].labels if label[0] not in gone))

    wanted = {cut(number) for number in covered}
    return [number for number in there if cut(number) in wanted]


def load_placements(store: ModelStore, start: datetime, end: datetime) -> Placements:
    """Detections of labelled images observed in [start, end): all, or those of images chosen by a hash of their ids. To be
    called after ``load_window_objects`` of the same window."""
    span = {"model_id": store.model_id, "start": make_naive(start), "end": make_naive(end)}
    (placed,) = store.fetch_row(statement("objects_placed"), span)
    chosen = {**span, "every": max(1, -(-int(placed) // PLACED))}
    rows = store.execute(statement("objects_placements"), chosen).fetchnumpy()
    objects = store.execute(statement("objects_of_classes"), chosen).fetchnumpy()
    versions = store.load_versions()
    both = np.concatenate([rows["class"], objects["class"]])
    code = np.unique(both, return_inverse=True)[1].reshape(-1).astype(np.int64)
    streams, which = np.unique(rows["stream_id"], return_inverse=True)
    names = np.array([versions[int(stream)] for stream in streams], dtype=object)
    held: dict[tuple[str, int], int] = {}
    for stream, class_code, n in zip(
        objects["stream_id"].tolist(), code[len(rows["class"]) :].tolist(), objects["n"].tolist(), strict=True
    ):
        key = (versions.get(stream, ""), class_code)
        held[key] = held.get(key, 0) + n
    return Placements(
        names[which.reshape(-1)] if len(names) else np.array([], dtype=object), code[: len(rows["class"])],
        rows["score"].astype(np.float64), _numbers(rows["found"]), _numbers(rows["found_half"]), _numbers(rows["overlap"]),
        held,
    )  # fmt: skip


def _numbers(column: Any) -> Floats:
    """A column as numbers, NaN where it is NULL."""
    return np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)


def _streams(store: ModelStore) -> dict[int, tuple[str, str]]:
    query = "SELECT stream_id, version, calibrator FROM streams WHERE model_id = $model_id"
    rows: Iterable[tuple[int, str, str]] = store.execute(query, {"model_id": store.model_id}).fetchall()
    return {number: (version, calibrator) for number, version, calibrator in rows}


class _Parts:
    """Numbers for what rows are of: version, calibrator and finest slice."""

    def __init__(self, store: ModelStore) -> None:
        self._finest = {slice_id: slice_ for slice_, slice_id in store.registry.slices.items()}
        self._dimensions = store.model.slices
        self.parts: list[Part] = []
        self._known: dict[Part, int] = {}

    def number(self, streams: Mapping[int, tuple[str, str]], rows: Mapping[str, NDArray[Any]]) -> Ints:
        """(rows,) the number of each row's part."""
        stream, predicted, slice_id = (rows[name].astype(np.int64) for name in ("stream_id", "predicted", "slice_id"))
        distinct, which = np.unique(((stream + 1) << 33) + (predicted << 32) + slice_id, return_inverse=True)
        numbers = []
        for key in distinct.tolist():
            (version, calibrator), predicted, slice_id = (
                streams.get((key >> 33) - 1, ("", "")),
                key >> 32 & 1,
                key & 0xFFFFFFFF,
            )
            labels = self._finest[slice_id].as_dict()
            finest = Slice.of({name: labels.get(name, MISSING) for name in self._dimensions})
            part = (version, calibrator, finest, bool(predicted))
            if part not in self._known:
                self._known[part] = len(self.parts)
                self.parts.append(part)
            numbers.append(self._known[part])
        return np.array(numbers, dtype=np.int64)[which.reshape(-1)]
