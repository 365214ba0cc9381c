"""Boxes as (n, 4) float64 arrays of x1, y1, x2, y2 in pixels: from other layouts, their areas and how they overlap."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.statistics.arrays import Floats, Ints, ratio

Layout = Literal["xyxy", "xywh", "cxcywh"]
LAYOUTS: tuple[Layout, ...] = ("xyxy", "xywh", "cxcywh")
SIZES = ("small", "medium", "large")
_DECIMALS = 6  # of pixels that people and programs write


def convert_boxes(boxes: ArrayLike, layout: Layout, sizes: ArrayLike | None = None) -> Floats:
    """Return boxes (n, 4) of any layout as x1, y1, x2, y2 in pixels; x to the right, y down.

    ``xywh`` is the upper left corner with width and height, ``cxcywh`` the centre with them. With ``sizes`` (n, 2), the
    width and height in pixels of each box's image, the boxes are shares of it in [0, 1]; None: pixels. Raises ValueError
    on another layout or shape, on numbers that are not finite, and on widths or heights below 0.

    >>> convert_boxes([[10, 20, 30, 40]], "xywh").tolist()
    [[10.0, 20.0, 40.0, 60.0]]
    >>> convert_boxes([[0.5, 0.5, 0.2, 0.4]], "cxcywh", [[100, 50]]).round(9).tolist()
    [[40.0, 15.0, 60.0, 35.0]]
    """
    given = np.asarray(boxes, dtype=np.float64)
    if layout not in LAYOUTS:
        raise ValueError(f"boxes must be {', '.join(LAYOUTS)} (got {layout!r})")
    if given.ndim != 2 or given.shape[1] != 4:
        raise ValueError(f"boxes must have the shape (n, 4) (got {given.shape})")
    first, second = given[:, :2], given[:, 2:]
    if layout == "xywh":
        second = first + second
    elif layout == "cxcywh":
        first, second = first - second / 2, first + second / 2
    found = np.concatenate([first, second], axis=1)
    if sizes is not None:
        size = np.asarray(sizes, dtype=np.float64)
        if size.shape != (len(given), 2) or not (size > 0).all():
            raise ValueError(
                f"sizes must be a width and a height above 0 per box, ({len(given)}, 2) (got {size.shape})"
            )
        found = found * np.concatenate([size, size], axis=1)
    bad = ~(np.isfinite(found).all(axis=1) & (found[:, 2:] >= found[:, :2]).all(axis=1))
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"box {place} has no width or height of at least 0 as {layout} (got {given[place].tolist()}): "
            f"is its layout another of {', '.join(LAYOUTS)}?"
        )
    return found


def box_areas(boxes: Floats) -> Floats:
    """Return the area of each box, (n,), in square pixels.

    Where a side is a decimal up to what adding it to a corner took off, it is that decimal: so areas are those of boxes that
    were given as corner and size, to the last digit, as pycocotools has them, and an IoU of exactly ½ is decided alike.

    >>> box_areas(np.array([[0.0, 0.0, 4.0, 5.0]])).tolist()
    [20.0]
    >>> bool(0.7 + 0.1 - 0.7 == 0.1), box_areas(np.array([[0.7, 0.0, 0.7 + 0.1, 1.0]])).tolist()
    (False, [0.1])
    """
    areas: Floats = _sides(boxes[..., 0], boxes[..., 2]) * _sides(boxes[..., 1], boxes[..., 3])
    return areas


def _sides(near: Floats, far: Floats) -> Floats:
    side: Floats = far - near
    plain = np.round(side, _DECIMALS)
    # half a unit in the last place of the far edge, which is where rounding took place, and a little for that of the side
    slack = np.spacing(np.maximum(np.abs(near), np.abs(far)))
    sides: Floats = np.where(np.abs(plain - side) <= slack, plain, side)
    return sides


def overlap_pairs(one: Floats, other: Floats, crowd: NDArray[np.bool_] | None = None) -> Floats:
    """Return the IoU of one box with the other, row by row, in [0, 1]; (..., 4) arrays are broadcast.

    Where ``crowd``, the other is a region with many objects: the intersection over the area of the *one*. Boxes without
    an area overlap nothing.

    >>> one, other = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])
    >>> overlap_pairs(one, other).round(3).tolist(), overlap_pairs(one, other, np.array([True])).tolist()
    ([0.333], [0.5])
    """
    width = np.minimum(one[..., 2], other[..., 2]) - np.maximum(one[..., 0], other[..., 0])
    height = np.minimum(one[..., 3], other[..., 3]) - np.maximum(one[..., 1], other[..., 1])
    shared = np.where((width > 0) & (height > 0), width * height, 0.0)
    own = box_areas(one)
    union = own + box_areas(other) - shared
    return ratio(shared, union if crowd is None else np.where(crowd, own, union), 0.0)


def overlap_matrix(ones: Floats, others: Floats, crowd: NDArray[np.bool_] | None = None) -> Floats:
    """Return the IoU of each of n boxes with each of m, (n, m); ``crowd`` (m,) as in ``overlap_pairs``.

    >>> box = np.array([[0.0, 0.0, 2.0, 2.0]])
    >>> overlap_matrix(box, np.array([[0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]])).tolist()
    [[1.0, 0.0]]
    """
    return overlap_pairs(ones[:, None, :], others[None, :, :], crowd)


def size_classes(areas: Floats, limits: Sequence[float] = (32, 96)) -> Ints:
    """Return the size of each area: 0 below the square of the first limit in pixels, 1 from it on, 2 from the next on.

    With two limits these are the ``SIZES`` of COCO. Raises ValueError unless limits are above 0 and rise.

    >>> size_classes(np.array([1023.0, 1024.0, 9216.0])).tolist()
    [0, 1, 2]
    """
    edges = np.asarray(limits, dtype=np.float64)
    if edges.ndim != 1 or not edges.size or not (edges > 0).all() or not (np.diff(edges) > 0).all():
        raise ValueError(f"limits of sizes must be pixels above 0 that rise, such as [32, 96] (got {list(limits)})")
    return np.searchsorted(edges**2, areas, side="right").astype(np.int64)
