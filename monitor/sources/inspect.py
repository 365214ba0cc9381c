"""A look at one file before its rows are read: how to read it, or why nothing of it can be taken; and which files go
together."""

import errno
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import duckdb

from monitor.config.sources import SourceSettings
from monitor.model.errors import SourceError
from monitor.model.problems import Problem, ProblemReason
from monitor.model.wording import first_few
from monitor.sources import column_hints as own_names
from monitor.sources.batch import Batch
from monitor.sources.formats import relations as formats
from monitor.sources.formats.layout import Needs, missing_columns
from monitor.store.blame import is_grave

BATCH_ROWS = 1_000_000  # rows of one transaction: bounds memory, keeps progress when a first pull is huge
BATCH_FILES = 100  # small ones of one transaction: what has to be taken apart again is no more than that
SMALL_ROWS = 10_000  # files of at most so many go together whatever their formats and columns
SMALL = "small"  # their kind
_LINE_BYTES = 50  # a line of text has about so many
_PACKED_AS = 20  # times its size a packed text may well be, unpacked
_NOT_OF_WRITING = (errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENAMETOOLONG, errno.EIO, errno.ENXIO)
_MOST_NAMED = 30  # columns in a message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """Nothing of a file can be taken. ``why`` goes on from the file's name: "has no column score; it has …"."""

    reason: Literal["unreadable_file", "missing_column", "wrong_type"]
    why: str
    perhaps_unfinished: bool = False  # somebody may still be writing it


def hide_path(text: str, path: Path) -> str:
    """Return what a reader said of the file that holds a push, for those who know it as the body they sent."""
    return text.replace(str(path), "the body")


def inspect_file(
    connection: duckdb.DuckDBPyConnection, path: str, config: SourceSettings, needs: Needs, *, pushed: bool = False
) -> "formats.Layout | UnusableFile":
    """``needs``: what the model asks of the columns; ``pushed``: whether it came as the body of a push. Raises what no file
    should be able to cause, such as duckdb.OutOfMemoryException."""
    if "://" not in path and os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  # a plain string
        return UnusableFile("unreadable_file", "is a pipe, a socket or a device, not a file: nothing of it can be read")
    try:
        layout = formats.layout_of(connection, path, config, needs, pushed=pushed)
    except (duckdb.Error, OSError) as error:
        if isinstance(error, duckdb.Error) and is_grave(error):
            raise
        told = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        is_here = not isinstance(error, OSError) or error.errno not in _NOT_OF_WRITING
        return UnusableFile("unreadable_file", f"cannot be read ({told.splitlines()[0]})", perhaps_unfinished=is_here)
    except SourceError as error:
        return UnusableFile("unreadable_file", f"cannot be read: {error.message}")
    missing = missing_columns(layout.present, config.holds, needs)
    if missing:
        proposal = own_names.propose_columns(
            {**missing, **_also_unmapped(layout, config)}, config.columns, layout.found, layout.times, layout.lists
        )
        listed = first_few(layout.found, _MOST_NAMED)
        return UnusableFile(
            "missing_column",
            f"has no column {own_names.name_missing(missing, config.columns)}; it has {listed or 'none'}. Map "
            f'your own names in [model.source] columns of source "{config.name}"{proposal and f", perhaps {proposal}"}'
            f"{layout.hint and f'; {layout.hint}'}",
        )
    wrong = formats.wrong_types(layout, config, needs.slices)
    return UnusableFile("wrong_type", wrong) if wrong else layout


def _also_unmapped(layout: "formats.Layout", config: SourceSettings) -> dict[str, str]:
    """Columns that a file can do without, for a proposal that maps all of it at once."""
    has = layout.present if layout.format != "json" else set(layout.found)
    if config.is_of_boxes or config.columns.keys() & own_names.OUTCOMES or not has.isdisjoint(own_names.OUTCOMES):
        return {}
    return dict.fromkeys(own_names.OUTCOMES, "")


def tell_missing(layout: "formats.Layout", config: SourceSettings, slices: Sequence[str]) -> dict[ProblemReason, str]:
    """Return what rows of a file are taken without: slice columns, and others that ``columns`` names. Sentences go on from the
    file's name."""
    absent_slices = [name for name in config.slice_columns(slices) if name not in layout.present]
    absent_mapped = [name for name in config.columns if name not in layout.present and name not in slices]
    told: dict[ProblemReason, str] = {}
    if absent_slices:
        told["missing_slice_column"] = _without(
            absent_slices, "count under the slice value __missing__", layout, config
        )
    if absent_mapped:
        told["missing_mapped_column"] = _without(absent_mapped, "are taken without", layout, config)
    return told


def _without(absent: Sequence[str], consequence: str, layout: "formats.Layout", config: SourceSettings) -> str:
    proposal = own_names.propose_columns(absent, config.columns, layout.found)
    return (
        f"has no column {own_names.name_missing(dict.fromkeys(absent, ''), config.columns)}; its rows {consequence}"
        f"{proposal and f'. Perhaps meant: {proposal}'}"
    )


def estimated_rows(layout: "formats.Layout", path: str, size: int) -> int:
    """Rows of a file of ``size`` bytes: exact for Parquet, and for boxes where it is known."""
    if layout.format == "parquet" or ((layout.source or layout.text) and layout.rows):
        return layout.rows
    packed = path.lower().endswith((".gz", ".zst"))
    return size * (_PACKED_AS if packed else 1) // _LINE_BYTES


def is_small(layout: "formats.Layout", path: str, size: int) -> bool:
    """Whether a file goes together with others of any kind."""
    return max(estimated_rows(layout, path, size), size // _LINE_BYTES) <= SMALL_ROWS


def give_batches(
    inspected: Iterable[Problem | tuple[T, Hashable, int]], batch_of: Callable[[list[T]], Batch]
) -> Iterator[Batch | Problem]:
    """Give files that were inspected, each with its kind and rows, as batches: runs of one kind that one transaction takes, in
    order; small ones at most ``BATCH_FILES``. Problems of other files come before the batch after them."""
    problems: list[Problem] = []
    run: list[T] = []
    kind_of_run: Hashable = None
    held = 0
    for each in inspected:
        if isinstance(each, Problem):
            problems.append(each)
            continue
        thing, kind, rows = each
        is_full = held + rows > BATCH_ROWS or (kind == SMALL and len(run) == BATCH_FILES)
        if run and (kind != kind_of_run or is_full):
            yield from problems
            yield batch_of(run)
            problems, run, held = [], [], 0
        run.append(thing)
        kind_of_run, held = kind, held + rows
    yield from problems
    if run:
        yield batch_of(run)
