"""A look at one file before its rows are read: how to read it, or why nothing of it can be taken; and which files go
together."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import duckdb

from monitor.config import Source as SourceConfig
from monitor.errors import SourceError
from monitor.sources import formats, own_names

BATCH_ROWS = 1_000_000  # rows of one transaction: bounds memory, keeps progress when a first pull is huge
_MOST_NAMED = 30  # columns in a message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of a file can be taken. ``why`` goes on from the file's name: "has no column score; it has …"."""

    reason: Literal["unreadable_file", "missing_column", "wrong_type"]
    why: str
    perhaps_unfinished: bool = False  # somebody may still be writing it


def look(
    connection: duckdb.DuckDBPyConnection, path: str, config: SourceConfig, slices: tuple[str, ...], *, raw_scores: bool
) -> "formats.Layout | Refused":
    """``raw_scores``: whether a column raw_score may stand in for score."""
    try:
        layout = formats.layout_of(connection, path, config, slices)
    except duckdb.Error as error:
        return Refused("unreadable_file", f"cannot be read ({str(error).splitlines()[0]})", perhaps_unfinished=True)
    except SourceError as error:
        return Refused("unreadable_file", f"cannot be read: {error.message.removeprefix(f'{path}: ')}")
    if layout.format == "json":
        return layout  # line by line, each with its own columns
    lacking = formats.lacking(layout, config.holds, raw_scores=raw_scores)
    if lacking:
        proposal = own_names.proposed(lacking, config.columns, layout.found)
        return Refused(
            "missing_column",
            f"has no column {own_names.told(lacking, config.columns)}; it has {_listed(layout.found)}. Map your own names in "
            f'[model.source] columns of source "{config.name}"{proposal and f", perhaps {proposal}"}',
        )
    wrong = formats.wrong_types(layout, config)
    return Refused("wrong_type", wrong) if wrong else layout


def _listed(names: Sequence[str]) -> str:
    beyond = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {beyond:,} more" if beyond > 0 else "")


def together(looked: Iterable[tuple[T, Hashable, int]]) -> Iterator[list[T]]:
    """Things with their kind and their rows → runs of one kind that one transaction takes, in order."""
    run: list[T] = []
    kind_of_run: Hashable = None
    held = 0
    for thing, kind, rows in looked:
        if run and (kind != kind_of_run or held + rows > BATCH_ROWS):
            yield run
            run, held = [], 0
        run.append(thing)
        kind_of_run, held = kind, held + rows
    if run:
        yield run
