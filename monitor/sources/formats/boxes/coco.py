"""COCO: lists of results, which DuckDB reads as they are, and documents of images, annotations and categories, read in parts.

A class is the name of its category where the file says categories; lists of results have numbers alone, which stay numbers
here. The names of a file's categories are in ``Layout.categories``, by which both meet.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.formats.boxes.coco_parts import LOOKED, CocoDocument, look_at_results, read_document
from monitor.sources.formats.boxes.coco_small import (
    BOX,
    NO_DATES,
    NOT_OF_IMAGES,
    OF_IMAGES,
    OF_ROWS,
    STEM,
    is_small,
    small_rows,
)
from monitor.sources.formats.boxes.elements import elements_of, write_rows
from monitor.sources.formats.heads import demand_utf8, read_head
from monitor.sources.formats.layout import TIMES, Layout, are_numbers, are_times
from monitor.sources.formats.paths import is_reached, json_text, nested_values, parse_json
from monitor.store.connection import fetch_row, quote_name, quote_text

_RESULTS = re.compile(r'\[\s*\{[^{}]*"(image_id|category_id)"')
_DOCUMENT = re.compile(r'\{\s*"(info|licenses|images|annotations|categories)"\s*:\s*[\[{]')
_OTHER_BOXES = ("box", "x1", "y1", "x2", "y2", "cx", "cy")


def coco_layout(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    wanted: Mapping[str, str],
    folders: Mapping[str, str | None],
    holds: str,
) -> Layout:
    """Look at a file. ``wanted``: our names → those of the file, the same where the configuration maps none.

    Raises SourceError with what to do where it is no COCO, or has nothing of what the source holds; OSError, duckdb.Error.
    """
    head = read_head(connection, path)
    demand_utf8(path, head, header=True)
    start = head.text.lstrip()[:1]
    if start == "[":
        found = look_at_results(connection, path, holds, parse_json(head.text) if head.whole else None)
    elif start == "{":
        found = read_document(connection, path, holds)
    else:
        raise SourceError(
            f"is no COCO: it begins {head.text.lstrip()[:40]!r}. COCO is one JSON list of results, or an object with "
            '"images", "annotations" and "categories"; of tables set format = "auto"',
        )
    return _layout(connection, path, found, wanted, folders, holds)


def demand_no_coco(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raises SourceError where a file that is to be read as JSON Lines is COCO; OSError and duckdb.Error."""
    text = read_head(connection, path).text.lstrip()
    if _RESULTS.match(text) or _DOCUMENT.match(text):
        raise SourceError('seems to be COCO: set format = "coco" in [model.source]')


def _layout(
    connection: duckdb.DuckDBPyConnection, path: str, found: CocoDocument, wanted: Mapping[str, str],
    folders: Mapping[str, str | None], holds: str,
) -> Layout:  # fmt: skip
    wanted = own_boxes(wanted)
    said = {name: folders[own] for name, own in wanted.items() if folders.get(own) is not None}
    if is_small(found):
        rows = [{**said, **row} for row in small_rows(found, wanted, holds)]
        present = {name for row in rows for name in row} | _reached(found, wanted)
        _demand_what_it_holds(path, found, present, holds)
        names = [name for name in wanted if name in present]
        expressions = {name: f"json_extract_string(v, '$.{quote_name(name)}')" for name in names}
        times = {name: [str(row[name]) for row in rows if name in row] for name in TIMES if name in present}
        how: dict[str, Any] = {"text": write_rows(rows)}
    else:
        source = _source(found, holds)
        expressions = {name: _expression(name, own, found, holds) for name, own in wanted.items()}
        for name, value in said.items():
            expressions[name] = f"coalesce({expressions[name]}, {quote_text(value or '')})"
        present = _present(connection, source, expressions, found, wanted)
        _demand_what_it_holds(path, found, present, holds)
        names = [name for name in wanted if name in present]
        times = _values(connection, source, expressions, [name for name in TIMES if name in present])
        how = {"source": source, "keeps": found.keeps}
    looked_at = found.first_images if holds == "images" else found.first
    seen = dict.fromkeys(name for each in looked_at for name, _ in nested_values(each))
    return Layout(
        "coco",
        dict.fromkeys(names, "VARCHAR"),
        {name: expressions[name] for name in names},
        (*seen, *(own for own in folders if own not in seen)),
        (found.count or 0) + (found.images.count if found.images else 0),
        times=tuple(wanted[name] for name, held in times.items() if are_times(held)),
        numbered={name: held[0] for name, held in times.items() if are_numbers(held)},
        categories=found.categories if holds == "truth" else {},
        **how,
    )


def _demand_what_it_holds(path: str, found: CocoDocument, present: Collection[str], holds: str) -> None:
    """Raises SourceError when there are rows, but without boxes, or of another kind than the source holds."""
    if holds != "images" and "box" not in present:
        _demand_boxes(path, found, present)
    if holds == "detections" and "score" not in present and found.key and found.count:
        raise SourceError(
            f'has no score in any of the {found.count:,} elements of "{found.key}": it seems to be what is true, a source that '
            'holds "truth"',
        )
    if holds == "truth" and any("score" in each for each in found.first):
        raise SourceError(
            f'has scores in its "{found.key}": it seems to be what was predicted, a source that holds "detections"',
        )


def own_boxes(wanted: Mapping[str, str]) -> dict[str, str]:
    """Without the columns that could hold boxes, but for those that are mapped; where none is, x, y, w and h, of bbox."""
    boxes = (*BOX, *_OTHER_BOXES)
    is_mapped = any(wanted.get(name, name) != name for name in boxes)
    return {
        name: own for name, own in wanted.items() if name not in boxes or (own != name if is_mapped else name in BOX)
    }


def _source(found: CocoDocument, holds: str) -> str:
    """SQL giving rows: ``v`` an annotation or result, ``i`` its image, or an image by itself, ``category`` its name; and
    ``number`` and ``unreadable``."""
    images = found.images
    if holds == "images":
        assert images is not None
        return f"SELECT NULL::JSON AS v, v AS i, number, {_UNREADABLE}, NULL AS category FROM {images.scan}"
    rows = f"SELECT v, number, {_UNREADABLE} FROM {found.rows}"
    if images is None:
        of_image, joined, listed_images = "NULL::JSON", "", ""
    else:
        id_ = _plain("json_extract_string(v, '$.\"id\"')")
        of_image, listed_images = "i", f"WITH images AS (SELECT v, number FROM {images.scan}) "
        joined = (
            f" LEFT JOIN (SELECT {id_} AS id, any_value(v) AS i FROM images GROUP BY ALL) "
            f"ON id = {_plain(_text('v', 'image_id'))}"
        )
    category, named = "NULL", ""
    if found.has_categories:
        listed = elements_of([{"id": id_, "name": name} for id_, name in found.categories.items()]).scan
        category = "name"
        named = (
            f" LEFT JOIN (SELECT json_extract_string(v, '$.id') AS category_id, json_extract_string(v, '$.name') AS name "
            f"FROM {listed}) ON category_id = {_plain(_text('v', 'category_id'))}"
        )
    told = f"SELECT v, {of_image} AS i, number, unreadable, {category} AS category FROM ({rows}){joined}{named}"
    if images is not None:
        by_itself = f"SELECT NULL AS v, v AS i, number + {found.count} AS number, {_UNREADABLE}, NULL AS category"
        told += f" UNION ALL {by_itself} FROM images"
    return listed_images + told


_UNREADABLE = "CASE WHEN json_type(v) <> 'OBJECT' THEN v::VARCHAR END AS unreadable"


def _plain(text: str) -> str:
    """SQL giving an id as ``plain_id`` does."""
    return rf"regexp_replace(trim({text}), '^(-?\d+)\.0+$', '\1')"


def _text(document: str, own: str) -> str:
    """SQL giving the text of a key or path; ``file_stem`` is file_name without folders and ending."""
    flat = json_text(document, own)
    if own != STEM:
        return flat
    name = f"parse_filename({json_text(document, 'file_name')}, false, 'both_slash')"
    stem = rf"nullif(regexp_replace({name}, '(.)\.[^.]*$', '\1'), '')"
    return f"coalesce({flat}, {stem})"


def _expression(name: str, own: str, found: CocoDocument, holds: str) -> str:
    """SQL giving a column of ours."""
    is_mapped = own != name
    if holds == "images":
        return _of_image(name, own)
    if name in BOX and not is_mapped:
        box = "json_extract(v, '$.\"bbox\"')"
        return f"CASE WHEN json_array_length({box}) = 4 THEN json_extract_string({box}, '$[{BOX[name]}]') END"
    if name == "class" and not is_mapped and found.has_categories:
        return "category"
    of_row = _text("v", own if is_mapped else OF_ROWS.get(name, own))
    return of_row if found.images is None else f"coalesce({of_row}, {_of_image(name, own)})"


def _of_image(name: str, own: str) -> str:
    if name in NOT_OF_IMAGES:
        return "NULL"
    text = _text("i", own if own != name else OF_IMAGES.get(name, own))
    if name != "observed_at":
        return text
    unknown = ", ".join(map(quote_text, NO_DATES))
    return f"CASE WHEN lower(trim({text})) NOT IN ({unknown}) AND {text} NOT LIKE '0000%' THEN {text} END"


def _present(
    connection: duckdb.DuckDBPyConnection, source: str, expressions: Mapping[str, str], found: CocoDocument,
    wanted: Mapping[str, str],
) -> set[str]:  # fmt: skip
    """Of our names those that any row has a value of: by the first rows, and where these lack one by all."""
    has = _reached(found, wanted)
    unseen = [name for name in wanted if name not in has]
    if not unseen:
        return has
    for rows in (f"SELECT * FROM ({source}) LIMIT {2 * LOOKED}", source):
        asked = ", ".join(f"coalesce(bool_or({expressions[name]} IS NOT NULL), false)" for name in unseen)
        answers = fetch_row(connection, f"SELECT {asked} FROM ({rows})")
        has |= {name for name, there in zip(unseen, answers, strict=True) if there}
        unseen = [name for name in unseen if name not in has and (name in _ASKED_OF_ALL or wanted[name] != name)]
        if not unseen:
            break
    return has


def _reached(found: CocoDocument, wanted: Mapping[str, str]) -> set[str]:
    """Of our names those that the first rows have; where there is no row, all that could be."""
    if not found.first:
        return {name for name in _ASKED_OF_ALL if name in wanted}
    has = {
        name
        for name, own in wanted.items()
        if any(is_reached(each, own if own != name else OF_ROWS.get(name, own)) for each in found.first)
    }
    if any(isinstance(each.get("bbox"), list) and len(each["bbox"]) == len(BOX) for each in found.first):
        has |= {name for name in BOX if wanted.get(name) == name}
    return has


_ASKED_OF_ALL = ("image_id", "class", "score", "crowd", *BOX)


def _demand_boxes(path: str, found: CocoDocument, present: Collection[str]) -> None:
    """Raises SourceError when there are rows, and no box in any."""
    if not found.first or not set(present).isdisjoint(("x", "x1", "cx")):
        return
    if any("segmentation" in each for each in found.first):
        raise SourceError(
            'its objects have outlines or masks (segmentation) and no "bbox"; boxes are what is read: pycocotools gives them, '
            "bbox = mask.toBbox(rle).tolist()",
        )
    raise SourceError(
        f'no object has a "bbox" of four numbers; it has {", ".join(found.first[0])}. Name it in columns of [model.source], '
        'such as box = "xywh"',
    )


def _values(
    connection: duckdb.DuckDBPyConnection, source: str, expressions: Mapping[str, str], names: Sequence[str]
) -> dict[str, list[str]]:
    """The first values of these columns of ours."""
    return {
        name: [
            value
            for (value,) in connection.execute(
                f"SELECT {expressions[name]} AS value FROM ({source}) WHERE value IS NOT NULL LIMIT 20"
            ).fetchall()
        ]
        for name in names
    }
