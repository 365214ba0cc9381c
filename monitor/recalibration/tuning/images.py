"""The labelled images of a detector, with their boxes and objects, as tuning takes them out of the database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from monitor.config.boxes import CLASS_DIMENSIONS, SIZE
from monitor.model import MISSING, OTHER, Slice, finest_scope
from monitor.model.reasons import Code, Reason
from monitor.statistics.arrays import Floats, Ints
from monitor.store.connection import fetch_column, make_naive
from monitor.store.dictionaries import plain_value
from monitor.store.model_store import ModelStore
from monitor.store.sql import run_script, statement
from monitor.vision.objects import Detections, Truths

_PARTS = 1 << 16
_CORNERS = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True, slots=True, eq=False)
class BoxInputs:
    """Labelled ``images`` in the order of time with when each was taken; scores are those from before any calibration."""

    images: Ints
    observed_at: Floats  # seconds since the epoch
    detections: Detections
    truths: Truths
    classes: tuple[str, ...]  # by category

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class _Scoped:
    """What is in the scope of tuning: a slice of images, of classes, or of both."""

    scope: Slice
    scopes: tuple[Slice, ...]  # that have a calibrator of their own, and this one

    @property
    def dimensions(self) -> set[str]:
        """Return those that decide on what is in it."""
        inside = [one for one in self.scopes if self.scope.contains(one)]
        return {name for one in inside for name, _ in one.labels}

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether this scope is in charge of a slice."""
        slice_ = Slice.of(labels)
        return self.scope.contains(slice_) and finest_scope(slice_, self.scopes) == self.scope


def load_boxes(
    store: ModelStore, version: str, scope: Slice, charge: Sequence[Slice], span: tuple[datetime, datetime], now: datetime
) -> tuple[BoxInputs | None, tuple[Reason, ...]]:  # fmt: skip
    """Return the labelled images of a version observed in the ``span`` that ``scope`` is in charge of, and what to say of them.

    ``charge``: scopes with a calibrator of their own; what those inside ``scope`` serve is theirs. Of more boxes than
    ``max_samples`` whole images are taken, chosen by a hash of their id. None where the scope, or one inside, cuts boxes of
    one class and image apart by their size or by what else boxes alone say: the reason says so. The temporary table
    ``class_names`` must be filled.
    """
    scoped = _Scoped(scope, tuple(dict.fromkeys([*charge, scope])))
    if SIZE in scoped.dimensions:
        return None, (Reason.of(Code.TUNE_SPLITS_IMAGES, dimension=SIZE, scope=scope.text),)
    notes = _find_due(store, span, now)
    images = store.execute(statement("tune_images")).fetchnumpy()
    boxes = store.execute(statement("tune_detections")).fetchnumpy()
    objects = store.execute(statement("tune_truths")).fetchnumpy()
    classes = tuple(map(str, fetch_column(store.connection, statement("tune_classes"))))
    run_script(store.connection, "tune_done", {})
    usable, without_raw = _of_version(images, version)
    if without_raw:
        notes.append(Reason.of(Code.IMAGES_WITHOUT_RAW, images=without_raw))
    own = np.ones((len(images["number"]), len(classes)), np.bool_)
    dimensions = sorted(scoped.dimensions & {*store.model.slices})
    if dimensions:
        cut = sorted(set(dimensions) - {*CLASS_DIMENSIONS})
        differ = next(
            (name for name in cut for row in np.flatnonzero(usable).tolist() if _differs(images, row, name)), None
        )
        if differ is not None:
            return None, (Reason.of(Code.TUNE_SPLITS_IMAGES, dimension=differ, scope=scope.text),)
        own = _in_scope(store, scoped, images, classes)
        finer = [one.text for one in scoped.scopes if scope.contains(one) and one != scope]
        if finer:
            notes.append(Reason.of(Code.SAMPLES_LEFT_TO_CALIBRATORS, scopes=finer, count=len(finer)))
    usable &= own.any(axis=1)
    found = _pick(images, boxes, objects, classes, usable, own)
    return found, tuple(notes)


def _find_due(store: ModelStore, span: tuple[datetime, datetime], now: datetime) -> list[Reason]:
    """Fill the temporary tables with what is known of the images that are due, all or some of them."""
    model, most = store.model, store.model.recalibration.max_samples
    own = {"model_id": store.model_id}
    due = {**own, "start": make_naive(span[0]), "end": make_naive(span[1])}
    store.execute(statement("tune_due"), {**due, "parts": _PARTS})
    (total,) = store.fetch_row(statement("tune_count"), own)
    notes, parts, kept = list[Reason](), _PARTS, total
    while kept > most:
        parts = min(parts * most // kept, parts - 1)
        store.execute(statement("tune_due"), {**due, "parts": parts})
        (kept,) = store.fetch_row(statement("tune_count"), own)
    if kept < total:
        notes.append(Reason.of(Code.SAMPLES_CHOSEN, kept=kept, usable=total, logits=None, by="image"))
    listed = any(source.holds == "images" for source in model.source)
    oldest = make_naive(now - model.retention)
    sized = SIZE in model.slices
    store.execute(statement("match_lot"), {**own, "lot": 0, "listed": listed, "oldest": oldest, "sized": sized})
    run_script(store.connection, "match_detections", own)
    return notes


def _of_version(images: Mapping[str, Any], version: str) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], int]:
    """Which images are of the version and can be used, and how many are left out for a score that was calibrated already.

    An image of which no version is said belongs to the one in use when it was taken: from its first image on.
    """
    texts = np.ma.asarray(images["version"])
    said = ~np.ma.getmaskarray(texts)
    named = np.where(said, np.ma.getdata(texts).astype(str), "") == version
    seen = np.asarray(images["observed_at"], np.float64)
    first = seen[named & said].min(initial=np.inf) if (named & said).any() else -np.inf
    own = named | (~said & (seen >= first))
    raw, blank = np.asarray(images["without_raw"], np.int64) == 0, np.asarray(images["blank"], np.bool_)
    # an image without a detection is left out with the image before it, as what scored that would have scored it
    before = np.maximum.accumulate(np.where(blank, -1, np.arange(len(raw))))
    raw = np.where(blank & (before >= 0), raw[before], raw)
    return own & raw, int(np.count_nonzero(own & ~raw))


def _cuts(images: Mapping[str, Any], row: int) -> Iterator[Mapping[str, str]]:
    """What an image's boxes say of their slice, then what is said of itself."""
    for column in ("of_boxes", "cuts"):
        held = images[column][row]
        if held is not None and held is not np.ma.masked:
            yield dict(zip(held["key"], held["value"], strict=True)) if "key" in held else held


def _differs(images: Mapping[str, Any], row: int, dimension: str) -> bool:
    """Whether boxes of one image may lie in several slices of the dimension."""
    return bool(images["differ"][row]) and any(dimension in held for held in list(_cuts(images, row))[:1])


def _in_scope(
    store: ModelStore, scoped: _Scoped, images: Mapping[str, Any], classes: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(images, classes): whether the scope is in charge of that class in that image."""
    own = np.zeros((len(images["number"]), len(classes)), np.bool_)
    known: dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.bool_]]] = {}
    names = [name for name in store.model.slices if name not in (*CLASS_DIMENSIONS, SIZE)]
    by_class = [name for name in store.model.slices if name in CLASS_DIMENSIONS]
    for row in range(len(own)):
        held = list(_cuts(images, row))
        values = tuple(_placed(store, name, next((one[name] for one in held if one.get(name)), "")) for name in names)
        if values not in known:
            labels = dict(zip(names, values, strict=True))
            known[values] = np.array(
                [scoped.holds(labels | {name: _placed(store, name, one) for name in by_class}) for one in classes],
                np.bool_,
            )
        own[row] = known[values]
    return own


def _placed(store: ModelStore, dimension: str, value: str) -> str:
    """The value as slices have it: those beyond ``max_slice_values`` are one."""
    plain = plain_value(value)
    return plain if plain == MISSING or plain in store.registry.values.get(dimension, ()) else OTHER


def _pick(
    images: Mapping[str, Any], boxes: Mapping[str, Any], objects: Mapping[str, Any], classes: tuple[str, ...],
    usable: np.ndarray[Any, np.dtype[np.bool_]], own: np.ndarray[Any, np.dtype[np.bool_]],
) -> BoxInputs:  # fmt: skip
    """What belongs to usable images and, within each, to the classes that are in scope."""
    number = np.asarray(images["number"], np.int64)
    places = np.zeros(number.max(initial=-1) + 1, np.int64)  # others have no boxes here
    places[number] = np.arange(len(number))
    sides = []
    for held in (boxes, objects):
        place, category = places[np.asarray(held["image"], np.int64)], np.asarray(held["category"], np.int64)
        rows = usable[place] & own[place, category]
        corners = np.column_stack([np.asarray(held[name], np.float64)[rows] for name in _CORNERS])
        sides.append((rows, place[rows], category[rows], corners))
    (rows, image, category, corners), (there, of_object, kind, around) = sides
    return BoxInputs(
        np.flatnonzero(usable), np.asarray(images["observed_at"], np.float64)[usable],
        Detections(image, category, corners, np.asarray(boxes["score"], np.float64)[rows]),
        Truths(of_object, kind, around, np.asarray(objects["crowd"], np.bool_)[there]), classes,
    )  # fmt: skip
