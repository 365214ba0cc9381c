"""COCO of few objects, a file for each image or batch of them: its rows made here, so that a thousand such files are read
together. Each value is the text that ``coco`` has of a long file."""

import json
from collections.abc import Mapping
from typing import Any

from monitor.sources.formats.boxes.coco_parts import LOOKED, CocoDocument, plain_id
from monitor.sources.formats.boxes.elements import NUMBER
from monitor.sources.formats.boxes.small_files import image_stem
from monitor.sources.formats.paths import find_value

BOX = {"x": 0, "y": 1, "w": 2, "h": 3}  # place in bbox
STEM = "file_stem"
# our names → keys of an annotation or result, and of an image, where ``columns`` says no other
OF_ROWS = {"class": "category_id", "crowd": "iscrowd"}
OF_IMAGES = {"image_id": "id", "observed_at": "date_captured", "image_width": "width", "image_height": "height"}
NOT_OF_IMAGES = ("class", "score", "crowd", "box", *BOX)  # whatever keys of an image are called
NO_DATES = ("", "0", "0.0", "null", "none")  # what programs write as date_captured where they know none


def is_small(found: CocoDocument) -> bool:
    """Whether all of a file is known: each of its elements is an object that was looked at."""
    images = found.images.count if found.images is not None else 0
    return found.count == len(found.first) < LOOKED and images == len(found.first_images) < LOOKED


def small_rows(found: CocoDocument, wanted: Mapping[str, str], holds: str) -> list[dict[str, Any]]:
    """The rows of a file by our names, without values that are none."""
    images: dict[str | None, Mapping[str, Any]] = {}
    for image in found.first_images:
        images.setdefault(_id(image, "id"), image)
    rows: list[dict[str, str | None]] = []
    if holds != "images":
        for row in found.first:
            id_ = _id(row, "image_id")
            image = images.get(id_, {}) if id_ is not None else {}
            rows.append({name: _of_row(name, own, row, image, found) for name, own in wanted.items()})
    rows += [{name: _of_image(name, own, image) for name, own in wanted.items()} for image in found.first_images]
    return [
        {NUMBER: number, **{name: value for name, value in row.items() if value is not None}}
        for number, row in enumerate(rows)
    ]


def _of_row(name: str, own: str, row: Mapping[str, Any], image: Mapping[str, Any], found: CocoDocument) -> str | None:
    if name in BOX and own == name:
        box = row.get("bbox")
        return _text(box[BOX[name]]) if isinstance(box, list) and len(box) == len(BOX) else None
    if name == "class" and own == name and found.has_categories:
        return found.categories.get(_id(row, "category_id") or "")
    text = _reach(row, own if own != name else OF_ROWS.get(name, own))
    return _of_image(name, own, image) if text is None else text


def _of_image(name: str, own: str, image: Mapping[str, Any]) -> str | None:
    if name in NOT_OF_IMAGES:
        return None
    text = _reach(image, own if own != name else OF_IMAGES.get(name, own))
    if name == "observed_at" and text is not None and (text.strip().lower() in NO_DATES or text.startswith("0000")):
        return None
    return text


def _id(element: Mapping[str, Any], key: str) -> str | None:
    value = element.get(key)
    return None if value is None else plain_id(value)


def _reach(value: Mapping[str, Any], own: str) -> str | None:
    text = _text(find_value(value, own))
    if text is None and own == STEM and (name := _text(find_value(value, "file_name"))):
        return image_stem(name)
    return text


def _text(value: object) -> str | None:
    """As DuckDB gives the text of JSON."""
    if value is None or isinstance(value, str):
        return value
    return repr(value) if isinstance(value, float) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
