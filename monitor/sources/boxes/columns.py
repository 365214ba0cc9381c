"""The values of a file of boxes as SQL, and why a row cannot be taken."""

from collections.abc import Mapping, Sequence

from monitor.config.boxes import BOX_COLUMNS, BOX_DIMENSIONS, BoxLayout
from monitor.config.sources import MISSING_LABELS
from monitor.sources.batch import Batch
from monitor.sources.ingest.staging import (
    CLIPPED,
    cut_slice_value,
    cut_version,
    is_longer,
)
from monitor.sources.times.expressions import other_expression, time_expression
from monitor.store.connection import quote_name, quote_text
from monitor.store.values import cut_enormous, plain_text

# as of samples, see stage_checks_samples
LONGEST_ID = 500
LONGEST_CLASS = 120
_TRUE = "('1', '1.0', 'true', 't', 'yes', 'y')"
_MISSING = ", ".join(quote_text(word.lower()) for word in MISSING_LABELS)
_CROWDS = f"{_TRUE[:-1]}, '0', '0.0', 'false', 'f', 'no', 'n', '', {_MISSING})"


def staged_columns(batch: Batch, slices: Sequence[str], boxes: BoxLayout) -> dict[str, str]:
    """Return each column of `staged` as an expression over a row of one shape; ``boxes``: what a list of four numbers is."""
    types = batch.types

    def text(name: str) -> str:
        if name not in types:
            return "NULL::VARCHAR"
        column = quote_name(name)
        return plain_text(cut_enormous(column) if types[name] == "VARCHAR" else column, types[name])

    def number(name: str) -> str:
        return f"TRY_CAST({quote_name(name)} AS DOUBLE)" if name in types else "NULL::DOUBLE"

    unit = " / 100" if batch.meaning.score_unit == "percent" else ""
    layout, given = _box_sql(types, boxes)
    width, height = ("width", "height") if batch.meaning.holds == "images" else ("image_width", "image_height")
    return {
        "image_id": text("image_id"),
        "detection_id": text("detection_id"),
        "class": text("class"),
        "observed_at": time_expression("observed_at", batch),
        "observed_other": other_expression("observed_at", batch),
        "has_observed": _has("observed_at", types),
        "labelled_at": time_expression("labelled_at", batch),
        "labelled_other": other_expression("labelled_at", batch),
        "has_labelled": _has("labelled_at", types),
        "score": f"({number('score')}{unit})",
        "raw_score": f"({number('raw_score')}{unit})",
        "has_score": _has("score", types),
        "has_raw_score": _has("raw_score", types),
        "version": cut_version(text("version")),
        "calibrator": cut_version(text("calibrator")),
        "crowd": f"coalesce(lower({text('crowd')}) IN {_TRUE}, false)",
        "odd_crowd": f"coalesce(lower({text('crowd')}) NOT IN {_CROWDS}, false)",
        "odd_size": " OR ".join(
            f"({_has(name, types)} AND NOT coalesce({number(name)} >= 0 AND isfinite({number(name)}), false))"
            for name in (width, height)
        ),
        "width": f"CASE WHEN {number(width)} > 0 AND isfinite({number(width)}) THEN {number(width)} END",
        "height": f"CASE WHEN {number(height)} > 0 AND isfinite({number(height)}) THEN {number(height)} END",
        "layout": layout,
        "given": given,
        "cuts": _cuts(types, slices),
    }


def _has(name: str, types: Mapping[str, str]) -> str:
    if name not in types:
        return "false"
    text = f"trim({quote_name(name)}::VARCHAR)"
    return f"coalesce({text} <> '' AND lower({text}) NOT IN ({_MISSING}), false)"


def _cuts(types: Mapping[str, str], slices: Sequence[str]) -> str:
    own = [name for name in slices if name in types and name not in BOX_DIMENSIONS]
    if not own:
        return "NULL::MAP(VARCHAR, VARCHAR)"
    values = [
        cut_slice_value(quote_name(name)) if types[name] == "VARCHAR" else plain_text(quote_name(name), types[name])
        for name in own
    ]
    return f"map([{', '.join(map(quote_text, own))}], [{', '.join(values)}])"


def _box_sql(types: Mapping[str, str], boxes: BoxLayout) -> tuple[str, str]:
    """SQL: how the row gives its box (NULL: it says none; ``list``; a layout); and its four numbers as DOUBLE[]."""
    cases = []
    # of two layouts that share w and h the first two numbers tell which, where a table has the columns of both
    partial: list[tuple[str, str, str]] = []
    if "box" in types:
        column = quote_name("box")
        if types["box"] == "VARCHAR":
            bare = f"trim({column}, ' ()[]')"
            said = f"{bare} <> '' AND lower({bare}) NOT IN ({_MISSING})"
            parted = f"regexp_replace({bare}, '[,;[:space:]]+', ',', 'g')"
            value = f"TRY_CAST('[' || {parted} || ']' AS DOUBLE[])"
        else:
            said, value = f"{column} IS NOT NULL AND len({column}) > 0", f"TRY_CAST({column} AS DOUBLE[])"
        cases.append(("list", f"coalesce({said}, false)", value))
    for named, names in BOX_COLUMNS.items():
        if set(names) <= set(types):
            says, corner = (" OR ".join(_has(name, types) for name in some) for some in (names, names[:2]))
            values = ", ".join(f"TRY_CAST({quote_name(name)} AS DOUBLE)" for name in names)
            cases.append((named, f"({corner})", f"[{values}]"))
            partial.append((named, f"({says})", f"[{values}]"))
    cases += partial
    if not cases:
        return "NULL::VARCHAR", "NULL::DOUBLE[]"
    layout = " ".join(f"WHEN {said} THEN {quote_text(name)}" for name, said, _ in cases)
    given = " ".join(f"WHEN {said} THEN {value}" for _, said, value in cases)
    return f"CASE {layout} END", f"CASE {given} END"


def image_checks(oldest: str, latest: str, *, counts: bool) -> tuple[tuple[str, str], ...]:
    """Reasons why a row of any table of boxes cannot be taken, with their conditions; SQL of times. ``counts``: whether
    anything hangs on the time of the image that the row says."""
    when = (
        ("time_in_future", f"observed_at > {latest}"),
        ("older_than_retention", f"observed_at < {oldest}"),
    )  # fmt: skip
    return (
        ("missing_image_id", "image_id IS NULL"),
        ("too_long", f"{is_longer('image_id', LONGEST_ID)} OR {is_longer('detection_id', LONGEST_ID)} "
                     f"OR {is_longer('class', LONGEST_CLASS)}"),
        ("bad_image_size", "odd_size"),
        ("unreadable_time", "has_observed AND (observed_at IS NULL OR NOT isfinite(observed_at))"),
        ("unreadable_time", "has_labelled AND (labelled_at IS NULL OR NOT isfinite(labelled_at))"),
        ("time_before_1970", "observed_at < TIMESTAMP '1970-01-01' OR labelled_at < TIMESTAMP '1970-01-02'"),
        ("time_in_future", f"labelled_at > {latest}"),
        *(when if counts else ()),
    )  # fmt: skip


_BAD_BOX = (
    "len(given) IS DISTINCT FROM 4 OR list_bool_or(list_transform(given, lambda z: NOT coalesce(isfinite(z), false))) "
    "OR NOT (x2 > x1 AND y2 > y1)"
)
OBJECT_CHECKS = (
    ("unknown_crowd", "odd_crowd"),
    ("missing_class", "class IS NULL AND layout IS NOT NULL"),
    ("bad_box", f"class IS NOT NULL AND coalesce({_BAD_BOX}, true)"),
)
DETECTION_CHECKS = (
    ("missing_class", "class IS NULL AND has_score"),
    *OBJECT_CHECKS,
    ("missing_score", "class IS NOT NULL AND NOT has_score AND NOT has_raw_score"),
    ("score_not_a_number", "has_score AND (score IS NULL OR isnan(score)) "
                           "OR has_raw_score AND (raw_score IS NULL OR isnan(raw_score))"),
    ("score_outside_0_1", f"score < -{CLIPPED} OR score > {1 + CLIPPED} "
                          f"OR raw_score < -{CLIPPED} OR raw_score > {1 + CLIPPED}"),
)  # fmt: skip
