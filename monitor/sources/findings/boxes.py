"""Boxes of another layout or unit than they are read as, outside their images, and images that are two or all of one time.

Each function looks at the rows of one source; sentences go on from its name.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.config.boxes import BoxLayout
from monitor.model.wording import first_few, quantity
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.box_rows import BoxRows, Sizes
from monitor.statistics.arrays import Floats

ENOUGH = 20  # boxes of which shares are judged
_FITS, _FITS_NOT = 0.95, 0.8  # share of boxes that lie in their images where the layout is right, and where it is not
_CORNERED = 50  # boxes, all of which could be two corners
_NO_SIZE = 0.02  # of boxes read as two corners that have no width or height
_MIXED = 0.02  # of boxes in the other unit
_SLACK_PIXELS, _SLACK = 1.0, 0.01  # by which a box may reach beyond its image
_LAYOUTS: Mapping[BoxLayout, str] = {
    "xywh": "a corner and a size (xywh)",
    "xyxy": "two corners (xyxy)",
    "cxcywh": "a centre and a size (cxcywh)",
}
_COLUMNS: Mapping[BoxLayout, str] = {"xywh": "x, y, w, h", "xyxy": "x1, y1, x2, y2", "cxcywh": "cx, cy, w, h"}


def find_odd_boxes(rows: BoxRows, sizes: Sizes) -> Iterator[Finding]:
    """All of one source. ``sizes``: of images, from whichever source knows them."""
    known = {**rows.sizes, **sizes}
    turned = [*find_mixed_units(rows)] or [*find_turned_images(rows, known)]
    yield from turned or find_other_layout(rows, known)
    yield from find_repeated_images(rows)
    yield from find_single_time(rows.times)


def count_boxes(count: int) -> str:
    """``1 box``, ``1,204 boxes``."""
    return f"{count:,} box{'' if count == 1 else 'es'}"


def corners_of(boxes: Floats, layout: BoxLayout) -> Floats:
    """x1, y1, x2, y2 of boxes (n, 4) in a layout, whatever they are: a width may be below 0.

    >>> corners_of(np.array([[10.0, 20.0, 4.0, 6.0]]), "cxcywh").tolist()
    [[8.0, 17.0, 12.0, 23.0]]
    """
    first, second = boxes[:, :2], boxes[:, 2:]
    if layout == "xywh":
        second = first + second
    elif layout == "cxcywh":
        first, second = first - second / 2, first + second / 2
    return np.concatenate([first, second], axis=1)


def image_sizes(rows: BoxRows, sizes: Sizes) -> Floats:
    """Width and height of the image of each box (n, 2), in the unit of the box: 1 and 1 of shares; NaN where not known."""
    nothing = (np.nan, np.nan)
    found = np.array([sizes.get(image, nothing) for image in rows.ids], dtype=np.float64).reshape(-1, 2)
    found[rows.shares] = 1.0
    return found


def are_inside(corners: Floats, size: Floats) -> NDArray[np.bool_]:
    """Which boxes lie in their image, by a pixel and a hundredth, and have a width and a height."""
    slack = np.where(size <= 1, _SLACK, np.maximum(_SLACK_PIXELS, _SLACK * size))
    inside = (corners[:, 2:] > corners[:, :2]) & (corners[:, :2] >= -slack) & (corners[:, 2:] <= size + slack)
    found: NDArray[np.bool_] = np.all(inside, axis=1)
    return found


def share_inside(corners: Floats, size: Floats) -> Floats:
    """Return the share of the area of each box that lies in its image; boxes have a width and a height."""
    clipped = np.clip(corners[:, 2:], 0, size) - np.clip(corners[:, :2], 0, size)
    shares: Floats = np.prod(clipped / (corners[:, 2:] - corners[:, :2]), axis=1)
    return shares


def find_other_layout(rows: BoxRows, sizes: Sizes) -> Iterator[Finding]:
    """Boxes that are no boxes, or lie outside of their images, as they are read, and lie inside of them read otherwise."""
    if len(rows) < ENOUGH:
        return
    size = image_sizes(rows, sizes)
    known = np.isfinite(size).all(axis=1)
    fits = {
        layout: float(are_inside(corners_of(rows.boxes[known], layout), size[known]).mean()) if known.any() else np.nan
        for layout in _LAYOUTS
    }
    best = max(fits, key=lambda layout: fits[layout])
    if known.sum() >= ENOUGH and fits[rows.layout] < _FITS_NOT and fits[best] >= _FITS:
        outside = np.flatnonzero(known)[~are_inside(corners_of(rows.boxes[known], rows.layout), size[known])]
        yield _other_layout(
            rows,
            best,
            f"{len(outside):,} of {count_boxes(int(known.sum()))} do not lie in their image",
            int(outside[0]),
        )
        return
    corners = corners_of(rows.boxes, rows.layout)
    none = np.flatnonzero(~(corners[:, 2:] > corners[:, :2]).all(axis=1))
    cornered = (rows.boxes[:, 2:] > rows.boxes[:, :2]).all(axis=1)
    if rows.layout == "xyxy" and len(none) >= max(2, _NO_SIZE * len(rows)):
        yield _other_layout(
            rows,
            "xywh",
            f"{len(none):,} of {len(rows):,} boxes have a second corner above or left of the first",
            int(none[0]),
        )
    elif rows.layout != "xyxy" and len(rows) >= _CORNERED and cornered.all():
        told = f"in each of {len(rows):,} boxes the third number is above the first and the fourth above the second"
        yield _other_layout(rows, "xyxy", told, 0)


def _other_layout(rows: BoxRows, other: BoxLayout, told: str, example: int) -> Finding:
    return Finding(
        f"read as {_LAYOUTS[rows.layout]} {told}, such as {_box(rows, example)}: they look like {_LAYOUTS[other]}. For "
        f'a column box set boxes = "{other}" in [model.matching], of COCO columns = {{ box = "bbox" }} too; or call four '
        f"columns {_COLUMNS[other]}",
        Weight.SUSPICIOUS,
    )


def _box(rows: BoxRows, place: int) -> str:
    numbers = ", ".join(f"{number:g}" for number in rows.boxes[place])
    return f'[{numbers}] of image "{rows.ids[place]}"'


def find_mixed_units(rows: BoxRows) -> Iterator[Finding]:
    """Shares of the image among pixels."""
    if len(rows) < ENOUGH:
        return
    shares = rows.shares
    fewer = int(min(shares.sum(), (~shares).sum()))
    if fewer > _MIXED * len(rows):
        example = int(np.flatnonzero(shares if shares.sum() <= len(rows) / 2 else ~shares)[0])
        yield Finding(
            f"{int(shares.sum()):,} of {len(rows):,} boxes have no number above {1.5:g}, as shares of the image have, and the "
            f"others are pixels, such as {_box(rows, example)}: give one or the other in a file, best pixels",
            Weight.SUSPICIOUS,
        )


def find_turned_images(rows: BoxRows, sizes: Sizes) -> Iterator[Finding]:
    """Boxes that reach beyond their image, and do not where its width is taken for its height. Others are told as they are set
    aside."""
    size = image_sizes(rows, sizes)
    corners = corners_of(rows.boxes, rows.layout)
    boxed = np.isfinite(size).all(axis=1) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
    outside = np.flatnonzero(boxed & ~are_inside(corners, size))
    if len(outside) < ENOUGH or are_inside(corners[outside], size[outside][:, ::-1]).mean() < _FITS:
        return
    wide, high = size[outside[0]]
    yield Finding(
        f"{len(outside):,} of {count_boxes(int(boxed.sum()))} reach beyond their image, such as {_box(rows, int(outside[0]))} "
        f"({wide:g} × {high:g}), and do not where its width is taken for its height: map width and height the other way round, "
        "or see whether boxes were made after images were turned (EXIF)",
        Weight.SUSPICIOUS,
    )


def find_repeated_images(rows: BoxRows) -> Iterator[Finding]:
    """Images that several files of one image each speak of: the later would take the place of the earlier."""
    alone = _files_of_one_image(rows)
    by_image: dict[str, set[str]] = {}
    for image, file in alone.items():
        by_image.setdefault(file, set()).add(image)
    several = {image: sorted(files) for image, files in by_image.items() if len(files) > 1}
    if not several:
        return
    image, files = next(iter(several.items()))
    yield Finding(
        f'{quantity(len(several), "image")} tried come in several files of an image each, such as "{image}" in '
        f"{first_few(files)}: the later would take the place of the earlier. Where folders tell images apart, name them by "
        'both: columns = { image_id = "folder_stem" } for format "yolo" and "voc"',
        Weight.SUSPICIOUS,
    )


def _files_of_one_image(rows: BoxRows) -> dict[str, str]:
    """File → its image, where every file has one alone."""
    found: dict[str, str] = {}
    for image, file in zip(rows.ids, rows.files, strict=True):
        if found.setdefault(file, image) != image:
            return {}
    return found if len(found) > 1 else {}


def find_single_time(times: Mapping[str, str]) -> Iterator[Finding]:
    """Images that were all taken at one moment: that of an export, as date_captured often is."""
    told = set(times.values())
    if len(times) >= ENOUGH and len(told) == 1:
        yield Finding(
            f"all {len(times):,} images tried were observed at {min(told)}: is it when they were exported, as date_captured of "
            'COCO often is? Map the time they were taken: columns = { observed_at = "…" }, or give it with holds = "images"',
            Weight.SUSPICIOUS,
        )
