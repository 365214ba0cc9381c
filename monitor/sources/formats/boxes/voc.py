"""Pascal VOC: an XML file an image. Corners are counted from 1 and belong to the box: xmin − 1, ymin − 1, xmax, ymax are its
borders, counted from 0. What is ``difficult`` is passed over in matching, as crowds are."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.boxes.elements import NUMBER, write_rows
from monitor.sources.formats.boxes.small_files import folder_stem_of, image_stem, stem_of, text_of
from monitor.sources.formats.layout import Layout
from monitor.sources.formats.paths import is_reached, json_text

_CORNERS = {"x1": ("xmin", 1), "y1": ("ymin", 1), "x2": ("xmax", 0), "y2": ("ymax", 0)}  # what is taken off
_OWN = {  # our names → keys, where ``columns`` says no other
    "image_id": "filename", "class": "name", "crowd": "difficult", "image_width": "size.width",
    "image_height": "size.height", "width": "size.width", "height": "size.height",
}  # fmt: skip
_DEEPEST = 8


def voc_layout(
    connection: duckdb.DuckDBPyConnection, path: str, wanted: Mapping[str, str], folders: Mapping[str, str | None],
    holds: str,
) -> Layout:  # fmt: skip
    """Read a file. Raises SourceError with what to do where it is no VOC annotation; OSError, duckdb.Error."""
    root = _root(path, text_of(connection, path))
    objects = root.findall("object")
    image = {key: value for key, value in _values(root, 0).items() if key not in ("object", "xml_stem", "folder_stem")}
    image |= {"file_stem": image_stem(str(image.get("filename") or path)), "xml_stem": stem_of(path),
              "folder_stem": folder_stem_of(path)}  # fmt: skip
    image |= {key: value for key, value in folders.items() if value is not None}
    own = {name: _OWN.get(name, name) if mapped == name else mapped for name, mapped in wanted.items()}
    if not is_reached(image, own["image_id"]) and wanted["image_id"] == "image_id":
        raise SourceError(
            'has no filename, which names the image: columns = { image_id = "xml_stem" } in [model.source] takes the name of '
            "the XML file",
        )
    rows: list[dict[str, Any]] = []
    if holds != "images":
        _demand_boxes(path, objects)
        rows = [{**image, **_values(each, 0), **_corners(each)} for each in objects]
    rows = rows or [image]
    names = [name for name, key in own.items() if any(is_reached(row, key) for row in rows)]
    names += [
        name for name in ("class", "x1", "y1", "x2", "y2") if name in wanted and name not in names and holds != "images"
    ]
    return Layout(
        "voc",
        dict.fromkeys(names, "VARCHAR"),
        {name: _expression(name, own[name]) for name in names},
        tuple(dict.fromkeys(key for row in rows for key in row)),
        len(rows),
        text=write_rows([{**row, NUMBER: number} for number, row in enumerate(rows)]),
    )


def _expression(name: str, key: str) -> str:
    text = json_text("v", key)
    if name in ("width", "height", "image_width", "image_height"):
        return f"nullif({text}, '0')"  # as tools write it that do not know
    return f"nullif({text}, '')"


def _root(path: str, text: str) -> ElementTree.Element:
    for word in ("<!DOCTYPE", "<!ENTITY"):
        if word in text:
            raise SourceError(
                f"has a {word}, which could make it read other files or unpack to gigabytes; no VOC annotation needs one: "
                "write it without",
            )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        if text.lstrip().startswith("<") and (not text.rstrip().endswith(">") or "no element found" in str(error)):
            raise OSError(f"ends in line {line:,}, before its XML does: only the beginning of it is there") from None
        raise SourceError(f"is no XML ({error}; line {line:,}, column {column + 1:,})") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"is no XML ({error})") from None
    if root.tag != "annotation":
        many = "; of CVAT or Label Studio export Pascal VOC or COCO" if root.tag == "annotations" else ""
        raise SourceError(f"is XML of <{root.tag[:40]}>, where VOC has <annotation>{many}")
    return root


def _values(element: ElementTree.Element, depth: int) -> dict[str, Any]:
    """What an element holds, by name: texts, and elements within as the same again. The first of several of a name."""
    found: dict[str, Any] = {}
    for each in element:
        if depth == 0 and each.tag in ("object", "part"):
            continue
        inner = _values(each, depth + 1) if len(each) and depth < _DEEPEST else (each.text or "").strip()
        found.setdefault(each.tag, inner)
    return found


def _demand_boxes(path: str, objects: Sequence[ElementTree.Element]) -> None:
    if objects and all(each.find("bndbox") is None for each in objects):
        has = ", ".join(sorted({inner.tag for inner in objects[0]})) or "nothing"
        raise SourceError(f"has no bndbox in any object, which has {has}; boxes are what is read")


def _corners(element: ElementTree.Element) -> dict[str, str | None]:
    """Borders of the box counted from 0, as text; what is no number stays as it is."""
    found: dict[str, str | None] = {}
    for name, (key, less) in _CORNERS.items():
        text = (element.findtext(f"bndbox/{key}") or "").strip()
        try:
            found[name] = repr(float(text) - less)
        except ValueError:
            found[name] = text or None
    return found
