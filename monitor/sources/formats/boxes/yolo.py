"""YOLO text: a file an image, a line a box: ``class cx cy w h [confidence]``, as shares of the image's width and height."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.boxes.elements import NUMBER, UNREADABLE, write_rows
from monitor.sources.formats.boxes.small_files import folder_stem_of, stem_of, text_of
from monitor.sources.formats.layout import Layout
from monitor.sources.formats.paths import json_text

_NO_IMAGES = (
    "classes",
    "obj",
    "names",
    "labels",
    "train",
    "val",
    "test",
    "valid",
    "predefined_classes",
)  # lists beside them
_LINE_END = re.compile(r"\r\n|\n|\r")
_BOX = ("cx", "cy", "w", "h")
_BOXED, _SCORED = 5, 6  # values of a line, without and with a confidence
_FAR = 1.5  # no share of an image is so large


def yolo_layout(
    connection: duckdb.DuckDBPyConnection, path: str, wanted: Mapping[str, str], folders: Mapping[str, str | None],
    holds: str, classes: Sequence[str],
) -> Layout:  # fmt: skip
    """Read a file. ``classes``: names of the numbers 0, 1, …; without any a class is its number.

    Raises SourceError with what to do where its lines are no boxes, or not what the source holds; OSError, duckdb.Error.
    """
    lines = [line.split() for line in _LINE_END.split(text_of(connection, path))]
    said = [(number, values) for number, values in enumerate(lines) if values]
    if stem_of(path).lower() in _NO_IMAGES and said and all(_is_name(values) for _, values in said):
        said, is_image = [], False  # names of classes, or of files: as annotation tools put them beside the boxes
    else:
        is_image = True
        _demand_boxes(path, [values for _, values in said], holds)
    rows = [_row(number, values, classes) for number, values in said]
    if is_image and not said:
        rows = [{NUMBER: 0}]  # an image, and nothing in it
    own: dict[str, Any] = {name: value for name, value in folders.items() if value is not None}
    own |= {"image_id": stem_of(path), "file_stem": stem_of(path), "folder_stem": folder_stem_of(path)}
    columns = {"class", *_BOX, *(["score"] if holds == "detections" else [])}
    names = [name for name, mapped in wanted.items() if mapped in own or (name == mapped and name in columns)]
    return Layout(
        "yolo",
        dict.fromkeys(names, "VARCHAR"),
        {name: json_text("v", wanted[name]) for name in names},
        (*own, *sorted(columns)),
        len(rows),
        text=write_rows([{**own, **row} for row in rows]),
    )


def _is_name(values: Sequence[str]) -> bool:
    return len(values) < _BOXED and not all(_number(value) is not None for value in values)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _demand_boxes(path: str, lines: Sequence[Sequence[str]], holds: str) -> None:
    """Raises SourceError when most lines are something else than boxes of what the source holds."""
    if not lines:
        return
    half = len(lines) / 2
    first = " ".join(lines[0])[:80]
    if sum(len(values) > _SCORED for values in lines) > half:
        raise SourceError(
            f"has lines of {len(lines[0])} values ({first}): outlines, key points or rotated boxes? What is read is "
            "class cx cy w h, and a confidence behind; ultralytics writes that where the task is detect",
        )
    if sum(len(values) < _BOXED for values in lines) > half:
        raise SourceError(
            f"has no boxes: its first line is {first!r}, where YOLO has class cx cy w h; leave it out of path, such as by "
            'path = "labels/*/*.txt"',
        )
    scored = sum(len(values) == _SCORED for values in lines)
    if holds == "truth" and scored:
        raise SourceError(
            f"has a sixth value, a confidence, in {scored:,} of {len(lines):,} lines: it holds what was predicted, for a "
            'source that holds "detections"',
        )
    if holds == "detections" and not scored:
        raise SourceError(
            "has no confidence behind its boxes (class cx cy w h confidence): ultralytics writes it with save_conf=True; what "
            'is true is for a source that holds "truth"',
        )
    far = [values for values in lines if any(abs(_number(each) or 0.0) > _FAR for each in values[1:5])]
    if len(far) > half:
        raise SourceError(
            f"has boxes in pixels ({' '.join(far[0])[:80]}), where YOLO has shares of the image, 0 to 1: divide by its width "
            "and height, or give a table with columns cx, cy, w, h",
        )


def _row(number: int, values: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """The keys that are columns of ours; ``number``: of the line, from 0."""
    class_ = _class_name(values[0], classes)
    if not _BOXED <= len(values) <= _SCORED or class_ is None:
        return {NUMBER: number, UNREADABLE: " ".join(values)}
    return {NUMBER: number, "class": class_, **dict(zip((*_BOX, "score"), values[1:], strict=False))}


def _class_name(text: str, classes: Sequence[str]) -> str | None:
    """The name of a class; None where its number has none among those there are."""
    place = _number(text)
    if place is None or not math.isfinite(place) or not place.is_integer():
        return text if place is None else None
    if not classes:
        return str(int(place))
    return classes[int(place)] if 0 <= place < len(classes) else None
