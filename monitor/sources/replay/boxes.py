"""When a detector's images, detections and truth are seen in a replay: each image as one, which any of its sources may date.

    images       once the image was taken
    detections   once theirs, or else their image, was taken; all that a file says of an image together
    truth        once it was labelled, or else once the image was taken; likewise together: a part of an image's truth
                 would stand for all of it

What nobody dates comes first, as in life it waits.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

import duckdb

from monitor.config.settings import Model
from monitor.sources.batch import Batch
from monitor.sources.boxes.stage import SAID_BY, review_boxes, stage_boxes
from monitor.sources.formats.boxes.categories import CATEGORIES, collect_categories
from monitor.sources.ingest.percentages import Review
from monitor.sources.ingest.staging import EVER
from monitor.sources.times.expressions import time_expression
from monitor.store.connection import quote_name
from monitor.store.sql import statement
from monitor.store.values import plain_text

Held = tuple[str, str, Batch]  # what a source holds, its table in the history, and what its columns are


def review_file(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    batch: Batch,
    facts: Mapping[str, str],
    numbers: Mapping[str, int],
) -> Review:
    """Return what the boxes of a batch of one file say as a whole; ``facts`` and ``numbers`` as for ``review_boxes``. Raises
    duckdb.Error where it cannot be read."""
    stage_boxes(connection, model, 0, batch, EVER)
    return review_boxes(connection, batch, facts, numbers)


def collect_names(batches: Iterable[Batch]) -> dict[str, str]:
    """Return the fact that says names of classes, of all batches of a source; {} where none says any."""
    return collect_categories(json.loads(batch.facts[CATEGORIES]) for batch in batches if CATEGORIES in batch.facts)


def settle_arrivals(connection: duckdb.DuckDBPyConnection, held: Sequence[Held], first: str) -> None:
    """Write when its rows are seen into the column _arrival of each table. ``first``: SQL of the time of what nobody dates."""
    said = [
        statement(
            "replay_image_times", said_by=str(SAID_BY[holds]), image=_image(batch.types), table=table,
            observed_at=time_expression("observed_at", batch),
        )
        for holds, table, batch in held
    ]  # fmt: skip
    connection.execute(statement("replay_images", said="\nUNION ALL\n".join(said)))
    for holds, table, batch in held:
        seen = time_expression("observed_at", batch)
        if holds == "truth":
            seen = f"coalesce({time_expression('labelled_at', batch)}, {seen})"
        connection.execute(statement("replay_arrivals", table=table, image=_image(batch.types), first=first, seen=seen))


def _image(types: Mapping[str, str]) -> str:
    return plain_text(quote_name("image_id"), types["image_id"]) if "image_id" in types else "NULL::VARCHAR"
