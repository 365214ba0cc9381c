"""Rows of a whole image each, with a list of its boxes: what many programs write, and what is no row of ours."""

from collections.abc import Iterator, Mapping

from monitor.cli.guess.columns import Column, Table
from monitor.cli.guess.words import BOXES, LAYOUTS
from monitor.sources.column_hints import strip_marks

_CORNERS = frozenset(name for ways in LAYOUTS.values() for names in ways for name in names)
NESTED = "has a row for each image, with a list of boxes"
_TRIED = 200  # lists of a column


def describe_nested(table: Table) -> str | None:
    """Return what to do with a table whose rows have lists of boxes; None where they have none."""
    for column in table.columns:
        keys = next(_keys(column), None)
        if keys is None:
            continue
        image = next((one.name for one in table.columns if one.last in BOXES["image_id"]), "image_id")
        return (
            f'{NESTED} in "{column.name}" ({", ".join(keys)}): calwatch needs a row for '
            f"each box, with the image's id: such as jq -c '. as $image | .{column.name}[] | "
            f"{{{image}: $image.{image}}} + .' a.jsonl > boxes.jsonl; and a table of all images with their times "
            '(holds = "images"), those without a box too'
        )
    return None


def _keys(column: Column) -> Iterator[list[str]]:
    """The keys of boxes in the lists of a column, as far as they are any."""
    lists = [cell for cell in column.raw if isinstance(cell, list) and cell][:_TRIED]
    for cell in lists:
        first = cell[0]
        if isinstance(first, Mapping):
            plain = {strip_marks(str(key)) for key in first}
            if plain & {*BOXES["box"]} or len(plain & _CORNERS) >= len(("x", "y", "w", "h")):
                yield [str(key) for key in first]
