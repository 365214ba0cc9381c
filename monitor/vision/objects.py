"""What a detector gave and what there was: boxes of many images and classes, and who chooses first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.arrays import Floats, Ints

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """n boxes that a detector gave, in any order: of equal scores the earlier chooses first."""

    image: Ints  # (n,): codes
    category: Ints  # (n,): codes of classes
    box: Floats  # (n, 4): x1, y1, x2, y2
    score: Floats  # (n,)

    def __post_init__(self) -> None:
        _check_columns(self.image, self.category, self.box, self.score)
        if np.isnan(self.score).any():
            raise ValueError("scores must be numbers (got NaN): they say which detection chooses first")

    def __len__(self) -> int:
        return len(self.image)

    def pick(self, rows: Flags | Ints) -> "Detections":
        """Return those that a mask or indices pick."""
        return Detections(self.image[rows], self.category[rows], self.box[rows], self.score[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Truths:
    """m boxes of objects. ``ignored`` ones (crowds always are) make a detection neither right nor wrong."""

    image: Ints  # (m,)
    category: Ints  # (m,)
    box: Floats  # (m, 4)
    crowd: Flags | None = None  # (m,); None: no crowds
    ignored: Flags | None = None  # (m,); None: the crowds

    def __post_init__(self) -> None:
        _check_columns(self.image, self.category, self.box, self.crowd, self.ignored)

    def __len__(self) -> int:
        return len(self.image)

    @property
    def crowds(self) -> Flags:
        """(m,): which are regions of many objects."""
        return np.zeros(len(self), np.bool_) if self.crowd is None else self.crowd

    @property
    def left_out(self) -> Flags:
        """(m,): which are no objects to be found, crowds among them."""
        return self.crowds if self.ignored is None else self.crowds | self.ignored

    def pick(self, rows: Flags | Ints) -> "Truths":
        """Return those that a mask or indices pick."""
        crowd = None if self.crowd is None else self.crowd[rows]
        ignored = None if self.ignored is None else self.ignored[rows]
        return Truths(self.image[rows], self.category[rows], self.box[rows], crowd, ignored)


def _check_columns(image: Ints, category: Ints, box: Floats, *others: NDArray[Any] | None) -> None:
    count = len(image)
    if category.shape != (count,) or box.shape != (count, 4):
        raise ValueError(
            f"image, category and box must have the shapes (n,), (n,) and (n, 4) "
            f"(got {image.shape}, {category.shape} and {box.shape})"
        )
    if any(column is not None and column.shape != (count,) for column in others):
        raise ValueError(f"every column must have one value per box, {count}")


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Detections in the order of choice: by image and class, falling scores within, the earlier first among equals."""

    order: Ints  # (n,): indices in that order
    key: Ints  # (n,): of image and class, of each detection as given
    rank: Ints  # (n,): of each detection as given, within its image and class, from 0
    span: tuple[int, int, int, int]  # what keys are made of: first and last image, first class, classes

    def keys_of(self, image: Ints, category: Ints) -> Ints:
        """Keys of other rows; −1 where no detection has that class or image."""
        first_image, last_image, first_category, width = self.span
        key = (image - first_image) * width + category - first_category
        known = (category >= first_category) & (category < first_category + width)
        return np.where(known & (image >= first_image) & (image <= last_image), key, -1)


def rank_detections(detections: Detections) -> Ranked:
    """Return who chooses first. Cost O(n log n). Raises ValueError on codes that lie too far apart to be told apart together,
    as hashes do: they must be numbered first."""
    if not len(detections):
        nothing = np.zeros(0, np.int64)
        return Ranked(nothing, nothing, nothing, (0, 0, 0, 0))
    first, last = int(detections.image.min()), int(detections.image.max())
    first_category = int(detections.category.min())
    width = int(detections.category.max()) - first_category + 1
    if (last - first + 1) * width >= 2**62:
        raise ValueError("codes of images and classes lie too far apart (hashes?): number them from 0 on")
    key = (detections.image - first) * width + detections.category - first_category
    order = np.lexsort((-detections.score, key))
    rank = np.empty(len(key), np.int64)
    rank[order] = place_in_run(key[order])
    return Ranked(order, key, rank, (first, last, first_category, width))


def place_in_run(key: NDArray[Any]) -> Ints:
    """Return the place of each entry within its run of equal ones, from 0.

    >>> place_in_run(np.array([5, 5, 7, 5])).tolist()
    [0, 1, 0, 0]
    """
    if not len(key):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    lengths = np.diff(np.append(starts, len(key)))
    return np.arange(len(key), dtype=np.int64) - np.repeat(starts, lengths)


def spread_ranges(first: Ints, last: Ints, at_once: int = 2_000_000) -> Iterator[tuple[Ints, Ints]]:
    """Yield (i, j) for each j from first[i] on and below last[i], in parts of about ``at_once`` pairs, one at least.

    >>> [(i.tolist(), j.tolist()) for i, j in spread_ranges(np.array([0, 5]), np.array([2, 6]))]
    [([0, 0, 1], [0, 1, 5])]
    """
    lengths = np.maximum(last - first, 0)
    ends = np.cumsum(lengths)
    start, done = 0, 0
    while True:
        stop = max(int(np.searchsorted(ends, done + at_once, side="right")), start + 1)
        part = lengths[start:stop]
        rows = np.repeat(np.arange(start, start + len(part), dtype=np.int64), part)
        yield rows, first[rows] + place_in_run(rows)
        if stop >= len(lengths):
            return
        start, done = stop, int(ends[stop - 1])
