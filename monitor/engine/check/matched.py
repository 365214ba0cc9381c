"""Rows of a detector that its users matched themselves, in ``calwatch check``: boxes that lie in the same files tell whether
one object counts for several detections."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import duckdb
import numpy as np

from monitor.config.boxes import BOX_COLUMNS, BoxLayout
from monitor.config.settings import Model
from monitor.config.sources import SourceSettings
from monitor.model import Task
from monitor.model.errors import SourceError
from monitor.sources.batch import Source
from monitor.sources.files import FileSource
from monitor.sources.findings import Finding
from monitor.sources.findings.box_pairs import find_double_matches, find_image_ids
from monitor.sources.findings.boxes import corners_of
from monitor.sources.formats.layout import Layout, Needs
from monitor.sources.formats.relations import layout_of, relation_of
from monitor.store.connection import fetch_column, quote_text

_FILES = 3  # that are looked at
_NAMES: Mapping[BoxLayout, Sequence[Sequence[str]]] = {  # how people call the four columns, without case and marks
    "xyxy": (
        ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"),
        ("bboxx1", "bboxy1", "bboxx2", "bboxy2"), ("boxx1", "boxy1", "boxx2", "boxy2"),
        ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"), ("x0", "y0", "x1", "y1"),
    ),
    "xywh": (
        ("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"),
        ("bboxx", "bboxy", "bboxw", "bboxh"), ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ),
    "cxcywh": (("cx", "cy", "w", "h"), ("xcenter", "ycenter", "width", "height"), ("cx", "cy", "width", "height")),
}  # fmt: skip


def find_odd_matches(connection: duckdb.DuckDBPyConnection, model: Model, source: Source) -> Iterator[Finding]:
    """What looks wrong in the rows of `tried`, which a source of a detector gave."""
    if model.task is not Task.DETECTION:
        return
    rows = connection.execute("SELECT sample_id, group_id FROM tried WHERE sample_id IS NOT NULL").fetchall()
    conflicting = fetch_column(connection, "SELECT count(*) FROM tried WHERE reason = 'conflicting_identity'")
    yield from find_image_ids([row[0] for row in rows], [row[1] for row in rows], conflicting[0])
    if isinstance(source, FileSource):
        # a file that changes meanwhile was tried before: nothing is told of its boxes
        with suppress(SourceError, OSError, duckdb.Error):
            yield from _double_matches(connection, model, source.config)


def _double_matches(connection: duckdb.DuckDBPyConnection, model: Model, config: SourceSettings) -> Iterator[Finding]:
    files = fetch_column(connection, f"SELECT file FROM tried GROUP BY file ORDER BY min(place) LIMIT {_FILES}")
    needs, held = Needs.of(model), list[tuple[str, str, float, float, float, float, bool]]()
    for path in files:
        layout = layout_of(connection, path, config, needs)
        kind, own = box_columns(layout)
        if not own:
            return
        names = BOX_COLUMNS[kind]
        as_boxes = config.model_copy(update={"columns": {**config.columns, **dict(zip(names, own, strict=True))}})
        boxed = layout_of(connection, path, as_boxes, replace(needs, slices=(*model.slices, *names)))
        relation, _ = relation_of([path], boxed)
        numbers = ", ".join(f'TRY_CAST(r."{name}" AS DOUBLE)' for name in names)
        held += connection.execute(
            r"SELECT coalesce(t.group_id, regexp_replace(t.sample_id, '[^0-9A-Za-z][0-9A-Za-z]*$', '')), "
            f"coalesce(t.predicted_class, ''), {numbers}, t.positives > 0 FROM tried AS t JOIN ({relation}) AS r "
            f"ON t.row = r._row WHERE t.file = {quote_text(path)} AND t.reason IS NULL AND t.positives IS NOT NULL AND t.n = 1"
        ).fetchall()
        if held and np.isfinite(np.array([row[2:6] for row in held], dtype=np.float64)).all():
            given = np.array([row[2:6] for row in held], dtype=np.float64)
            yield from find_double_matches(
                [row[0] for row in held],
                [row[1] for row in held],
                corners_of(given, kind),
                np.array([row[6] for row in held]),
            )
            return


def box_columns(layout: Layout) -> tuple[BoxLayout, Sequence[str]]:
    """The file's own columns that seem to hold a box, and how; none where no four do."""
    plain = {re.sub(r"[\W_]", "", own.casefold()): own for own in layout.found}
    for kind, ways in _NAMES.items():
        for way in ways:
            if set(way) <= plain.keys():
                return kind, [plain[name] for name in way]
    return "xywh", ()
