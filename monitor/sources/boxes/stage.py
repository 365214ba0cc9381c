"""A batch of boxes as one typed temporary table `staged`, and what the values of a file say about the whole of it."""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from monitor.config.boxes import BoxLayout
from monitor.config.settings import Model
from monitor.config.sources import MISSING_LABELS
from monitor.sources.batch import Batch
from monitor.sources.boxes.columns import DETECTION_CHECKS, OBJECT_CHECKS, image_checks, staged_columns
from monitor.sources.boxes.settings import matching_of
from monitor.sources.ingest.percentages import Refusal, Review, Seen, review_fractions, review_percent
from monitor.sources.ingest.staging import CLOCK_SKEW, believing_values_only, forget_rejects, take_rejects, tell_record
from monitor.store.connection import BOX_MACROS, fetch_row, make_naive, quote_text
from monitor.store.sql import statement

SAID_BY = {"images": 0, "detections": 1, "truth": 2}
MIXED_SHARE = 0.05  # of a file's boxes that may look like shares of the image among pixels, or the other way round
LEAST_BOXES = 20  # of which shares are judged
WRONG_SHARE = 0.2  # of a file's boxes, read as they are, that are none or lie outside of their image
OVER_EDGE = "boxes_over_edge"  # a fact: how many boxes reached over the edge when any first did
CORNERED_BOXES = 50  # all of which could be two corners
_OTHERS: Mapping[BoxLayout, str] = {
    "xywh": '"xyxy" (two corners) or "cxcywh" (centre and size)',
    "xyxy": '"xywh" (corner and size) or "cxcywh" (centre and size)',
    "cxcywh": '"xywh" (corner and size) or "xyxy" (two corners)',
}


def stage_boxes(
    connection: duckdb.DuckDBPyConnection, model: Model, model_id: int, batch: Batch, times: tuple[datetime, datetime]
) -> int:
    """Fill `staged` from the batch. Return how many times had to be guessed. ``times``: the oldest that is taken, and now."""
    oldest, latest = times[0], times[1] + CLOCK_SKEW
    boxes = matching_of(model).boxes
    holds = batch.meaning.holds
    counts = says_when(model, holds)
    checks = image_checks(_stamp(oldest), _stamp(latest), counts=counts)
    checks += DETECTION_CHECKS if holds == "detections" else OBJECT_CHECKS if holds == "truth" else ()
    cases = "\n        ".join(f"WHEN {condition} THEN {quote_text(reason)}" for reason, condition in checks)
    forget_rejects(connection)
    # also in databases of a moment, as check has
    for name in BOX_MACROS:
        connection.execute(statement(name))
    rows = "\nUNION ALL BY NAME\n".join(
        statement(
            "box_rows", cases=cases, boxes=boxes, rows=shape.relation, latest=_stamp(latest),
            missing=", ".join(quote_text(word.lower()) for word in MISSING_LABELS),
            unreadable="_unreadable" if shape.unreadable else "NULL::VARCHAR",
            conflicting="_conflicting" if shape.marked else "false",
            typed=", ".join(f"{sql} AS {name}" for name, sql in staged_columns(shape, model.slices, boxes).items()),
        )
        for shape in batch.shapes
    )  # fmt: skip
    with believing_values_only(connection):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS\n{rows}")
    if not counts:
        connection.execute(statement("box_times_unused", oldest=_stamp(oldest), latest=_stamp(latest)))
    (ambiguous,) = fetch_row(
        connection, "SELECT count(*) FROM staged WHERE observed_other IS NOT NULL AND reason IS NULL"
    )
    if batch.rejects is not None:
        take_rejects(connection, batch.rejects)
    connection.execute(statement("box_sizes"), {"model_id": model_id})
    return int(ambiguous)


def says_when(model: Model, holds: str) -> bool:
    """Whether anything hangs on when such a table says that an image was taken: not beside a table of images on what truth
    says, which is often the date of an export."""
    return holds != "truth" or all(own.holds != "images" for own in model.source)


def review_boxes(
    connection: duckdb.DuckDBPyConnection, batch: Batch, facts: Mapping[str, str], numbers: Mapping[str, int],
    now: datetime | None = None,
) -> Review:  # fmt: skip
    """Look at `staged` file by file: of which nothing can be taken; of the others it is settled whether boxes are pixels
    and which lie mostly outside. ``facts`` are those of the source, ``numbers``: file → its number; ``now`` as for
    ``review_files``."""
    found = Review()
    shares: list[str] = []
    scored: list[Seen] = []
    for (
        file,
        layout,
        listed,
        boxes,
        small,
        cornered,
        none,
        far,
        beyond,
        known,
        percent,
        scores,
        taken,
        above,
    ) in connection.execute(statement("box_review")).fetchall():
        if MIXED_SHARE * boxes < small < (1 - MIXED_SHARE) * boxes:
            found.refused[file] = _mixed(small, boxes)
        elif why := (
            _odd_layout(layout, boxes, none=none, far=far, known=known)
            or _cornered(layout, boxes, cornered=cornered, fit=not far if not listed else not beyond and known == boxes)
        ):
            found.refused[file] = _another_layout(why, layout, listed=listed)
        else:
            scored.append(
                Seen(file, numbers.get(file, 0), boxes, scores=scores, percent=percent, taken=taken, above=above)
            )
        if small > boxes / 2:
            shares.append(file)
        if beyond > far and OVER_EDGE not in facts:
            found.facts[OVER_EDGE] = str(int(found.facts.get(OVER_EDGE, "0")) + beyond - far)
    connection.execute(statement("box_units"), {"files": shares})
    connection.execute(statement("box_outside"))
    if batch.meaning.holds == "detections":
        arrival = {file: place for place, file in enumerate(numbers)}
        scored.sort(key=lambda one: arrival.get(one.file, 0))
        if batch.meaning.score_unit == "probability":
            review_percent(scored, facts, found, now.toordinal() if now else 0)
        else:
            review_fractions(scored, facts, found)
    return found


def _mixed(small: int, boxes: int) -> Refusal:
    return Refusal(
        "mixed_boxes",
        f"{small:,} of its {boxes:,} boxes have no number above 1.5, as shares of the image have, and the "
        "others are pixels; nothing of it was taken. Give boxes of pixels and boxes of shares in files apart",
    )


def _odd_layout(layout: BoxLayout, boxes: int, *, none: int, far: int, known: int) -> str:
    """Why the boxes of a file seem to be of another layout; "" where they do not."""
    if boxes >= LEAST_BOXES and none > WRONG_SHARE * boxes:
        return f"read as {layout}, {none:,} of its {boxes:,} boxes have no width or height"
    if known >= LEAST_BOXES and far > WRONG_SHARE * known:
        return f"read as {layout}, {far:,} of its {boxes:,} boxes reach far beyond their image"
    return ""


def _cornered(layout: BoxLayout, boxes: int, *, cornered: int, fit: bool) -> str:
    """Why the boxes of a file seem to be two corners, which large objects do as well: those are believed that ``fit``."""
    if layout == "xyxy" or boxes < CORNERED_BOXES or cornered < boxes or fit:
        return ""
    return (
        f"in each of its {boxes:,} boxes the third number is above the first and the fourth above the "
        f"second, as corners have it, and not {layout}"
    )


def _another_layout(why: str, layout: BoxLayout, *, listed: bool) -> Refusal:
    what = (
        f"boxes = {_OTHERS[layout]} in [model.matching]" if listed
        else "columns that are called what they are: x, y, w, h (corner and size), x1, y1, x2, y2 (two corners) or cx, cy, w, h"
    )  # fmt: skip
    return Refusal("box_layout", f"{why}; nothing of it was taken. Set {what}")


def _stamp(moment: datetime) -> str:
    return f"TIMESTAMP {quote_text(str(make_naive(moment)))}"


def keep_records(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Give bad rows of `staged` their text, which is read again for it."""
    lacks = "SELECT 1 FROM staged WHERE reason IS NOT NULL AND record IS NULL LIMIT 1"
    if connection.execute(lacks).fetchone():
        for shape in batch.shapes:
            connection.execute(statement("stage_records", record=tell_record(shape), rows=shape.relation))
