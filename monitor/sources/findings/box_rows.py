"""Rows of boxes that were tried, as arrays: what the findings of boxes look at."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.config.boxes import BOX_COLUMNS, BoxLayout
from monitor.statistics.arrays import Floats
from monitor.store.connection import quote_name
from monitor.store.values import plain_text

ROWS = 20_000  # of a source
MOST_SHARE = 1.5  # no share of an image is larger
Sizes = Mapping[str, tuple[float, float]]  # image → its width and height in pixels


@dataclass(frozen=True, slots=True)
class BoxRows:
    """Rows of one source that have a box: of equal length, ``boxes`` (n, 4) as they are given, finite.

    ``images``: the ids of all images it speaks of, those without a box too; ``files``: where each row comes from.
    """

    layout: BoxLayout
    ids: Sequence[str] = ()
    classes: Sequence[str] = ()
    boxes: Floats = field(default_factory=lambda: np.empty((0, 4)))
    scores: Floats = field(default_factory=lambda: np.empty(0))
    files: Sequence[str] = ()
    images: Sequence[str] = ()
    sizes: Sizes = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)  # image → observed_at as it is written
    labelled: Sequence[str] = ()  # labelled_at of each row as it is written, "" where it has none
    named: Sequence[str] = ()  # detection_id of each row, likewise

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, files: Collection[str]) -> "BoxRows":
        """The rows of all other files."""
        kept = [place for place, file in enumerate(self.files) if file not in files]
        return replace(
            self, ids=[self.ids[place] for place in kept], classes=[self.classes[place] for place in kept],
            boxes=self.boxes[kept], scores=self.scores[kept], files=[self.files[place] for place in kept],
            labelled=[self.labelled[place] for place in kept if self.labelled],
            named=[self.named[place] for place in kept if self.named],
        )  # fmt: skip

    @property
    def shares(self) -> NDArray[np.bool_]:
        """Which boxes have no number above 1.5, as shares of an image have."""
        found: NDArray[np.bool_] = (np.abs(self.boxes) <= MOST_SHARE).all(axis=1) & (self.boxes[:, 2:] != 0).any(axis=1)
        return found


def join_rows(parts: Sequence[BoxRows]) -> BoxRows:
    """Rows of several batches of one source; of other layouts than the first's none."""
    layout = parts[0].layout if parts else "xywh"
    alike = [part for part in parts if part.layout == layout]
    return BoxRows(
        layout,
        [each for part in alike for each in part.ids],
        [each for part in alike for each in part.classes],
        np.concatenate([np.empty((0, 4)), *(part.boxes for part in alike)]),
        np.concatenate([np.empty(0), *(part.scores for part in alike)]),
        [each for part in alike for each in part.files],
        list(dict.fromkeys(each for part in parts for each in part.images)),
        {image: size for part in parts for image, size in part.sizes.items()},
        {image: time for part in parts for image, time in part.times.items()},
        [each for part in alike for each in part.labelled],
        [each for part in alike for each in part.named],
    )


def read_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, types: Mapping[str, str], boxes: BoxLayout, most: int = ROWS
) -> BoxRows:
    """The first rows of a relation with our columns. ``types``: those it has; ``boxes``: what a column ``box`` holds. Raises
    duckdb.Error where it cannot be read."""
    layout, numbers = _box_sql(connection, relation, types, boxes)
    size = ("width", "height") if "width" in types else ("image_width", "image_height")
    asked = {
        "image": _text("image_id", types), "class": _text("class", types), "score": _number("score", types),
        "wide": _number(size[0], types), "high": _number(size[1], types), "time": _text("observed_at", types),
        "labelled": _text("labelled_at", types), "named": _text("detection_id", types),
        **{f"n{place}": sql for place, sql in enumerate(numbers)},
    }  # fmt: skip
    listed = ", ".join(f"{sql} AS {name}" for name, sql in asked.items())
    rows: dict[str, Any] = connection.execute(
        f"SELECT {listed}, _file AS file FROM ({relation}) LIMIT {most}"
    ).fetchnumpy()
    ids, classes, files, times, labelled, named = (
        _texts(rows[name]) for name in ("image", "class", "file", "time", "labelled", "named")
    )
    given = np.stack([_floats(rows[f"n{place}"]) for place in range(4)], axis=1)
    wide, high, scores = (_floats(rows[name]) for name in ("wide", "high", "score"))
    kept = np.flatnonzero(np.isfinite(given).all(axis=1) & np.array([bool(each) for each in ids], dtype=bool))
    return BoxRows(
        layout,
        [ids[place] for place in kept],
        [classes[place] for place in kept],
        given[kept],
        scores[kept],
        [files[place] for place in kept],
        list(dict.fromkeys(each for each in ids if each)),
        {ids[at]: (float(wide[at]), float(high[at])) for at in np.flatnonzero((wide > 0) & (high > 0)) if ids[at]},
        {each: time for each, time in zip(ids, times, strict=True) if each and time},
        [labelled[place] for place in kept],
        [named[place] for place in kept],
    )


def _box_sql(
    connection: duckdb.DuckDBPyConnection, relation: str, types: Mapping[str, str], boxes: BoxLayout
) -> tuple[BoxLayout, Sequence[str]]:
    """How the box is given, and SQL of its four numbers: of several ways that the columns know, that which has most values. Of
    JSON Lines they know all, whatever is in the lines."""
    ways: list[tuple[BoxLayout, Sequence[str]]] = [
        (layout, [_number(name, types) for name in names])
        for layout, names in BOX_COLUMNS.items()
        if set(names) <= types.keys()
    ]
    if "box" in types:
        column = quote_name("box")
        if types["box"] == "VARCHAR":
            bare = f"trim({column}, ' ()[]')"
            column = f"TRY_CAST('[' || regexp_replace({bare}, '[,;[:space:]]+', ',', 'g') || ']' AS DOUBLE[])"
        listed = [
            f"CASE WHEN len({column}) = 4 THEN TRY_CAST({column}[{place}] AS DOUBLE) END" for place in range(1, 5)
        ]
        ways.append((boxes, listed))
    if len(ways) < 2:
        return ways[0] if ways else (boxes, ["NULL::DOUBLE"] * 4)
    counted = ", ".join(f"count({' + '.join(numbers)})" for _, numbers in ways)
    counts = connection.execute(f"SELECT {counted} FROM (SELECT * FROM ({relation}) LIMIT {ROWS})").fetchone() or ()
    return ways[counts.index(max(counts))]


def _text(name: str, types: Mapping[str, str]) -> str:
    return plain_text(quote_name(name), types[name]) if name in types else "NULL::VARCHAR"


def _number(name: str, types: Mapping[str, str]) -> str:
    return f"TRY_CAST({quote_name(name)} AS DOUBLE)" if name in types else "NULL::DOUBLE"


def _texts(column: Any) -> list[str]:
    """Values as text, "" where there is none."""
    return ["" if value is None else str(value) for value in np.ma.asarray(column).tolist()]


def _floats(column: Any) -> Floats:
    """Values as numbers, NaN where there is none."""
    masked: Any = np.ma.asarray(column, dtype=np.float64)
    return np.asarray(masked.filled(np.nan))
