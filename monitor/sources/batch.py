"""What a source gives: batches of rows under canonical names, and problems with what it could not read."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

import duckdb

from monitor.config.boxes import Holds
from monitor.config.sources import SourceSettings
from monitor.model.problems import Outcome, Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one shape, as the fields of the same names of a batch say it."""

    relation: str
    types: Mapping[str, str]
    unreadable: bool = False
    unused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to ingest in one transaction, together with the cursor entries that say they have been read.

    ``relation`` is a SELECT giving ``_file`` VARCHAR, ``_row`` BIGINT (from 0 in its file), ``_position`` BIGINT (order of
    arrival in the batch), optionally ``_unreadable`` VARCHAR (a line no row could be made of) and ``_conflicting`` BOOLEAN (a
    row that contradicts another of its file), and the columns named in ``types`` under calwatch's names, with the source's own
    SQL types. Of several files the position is the file's place in the batch (from 1), shifted by 40 bits, and the row in it.
    Where they are of several formats or have other columns, ``relation``, ``types``, ``unreadable`` and ``unused`` are those of
    the first, and ``others`` has the rest: ``shapes`` gives all.
    """

    relation: str
    types: Mapping[str, str]
    cursor: Mapping[str, str | None]  # item → fingerprint, committed with the rows; None: the item is forgotten
    meaning: SourceSettings  # how its values are to be read
    files: int = 1
    unreadable: bool = False  # whether the relation has the column _unreadable
    marked: bool = False  # whether the relation has the column _conflicting
    rejects: str | None = None  # SELECT giving _file, _row, _unreadable, _reason, once the relation has been read
    alone: tuple["Batch", ...] = ()  # the same files one by one, for when one of several turns out to be damaged
    on_completed: Callable[[Mapping[str, Outcome]], None] | None = None  # told by _file: committed, or refused
    inbox: str = ""  # of pushes: the directory they lie in, from the state directory
    # of several that are taken as if one by one: those with these indices
    part: Callable[[Sequence[int]], "Batch"] | None = None
    reread: frozenset[str] = frozenset()  # files that were read before, and have changed since
    whole: bool = True  # whether it has all rows of its files, which can then be looked at as a whole
    facts: Mapping[str, str] = field(default_factory=dict)  # found of the source, to be remembered
    others: tuple[Rows, ...] = ()
    unused: frozenset[str] = frozenset()  # of ``types``, those under which no row has a value
    keeps: Hashable = None  # what the relation reads, and is gone without

    @property
    def shapes(self) -> tuple["Batch", ...]:
        """The batch once for each shape of its rows, with these rows only."""
        if not self.others:
            return (self,)
        first = replace(self, others=())
        return (
            first,
            *(
                replace(first, relation=o.relation, types=o.types, unreadable=o.unreadable, unused=o.unused)
                for o in self.others
            ),
        )

    @property
    def used_types(self) -> Mapping[str, str]:
        """``types`` without what is unused."""
        return {name: type_ for name, type_ in self.types.items() if name not in self.unused}

    @property
    def items(self) -> list[str]:
        """The files whose rows it has, in order of their places, by their names in cursors."""
        return [item for item, fingerprint in self.cursor.items() if fingerprint is not None]

    @property
    def columns(self) -> frozenset[str]:
        """The names of ours that any of its rows have a column for, and may have a value."""
        return frozenset[str]().union(*(shape.used_types for shape in self.shapes))

    @property
    def uniform_batches(self) -> tuple["Batch", ...]:
        """Itself where it is of Parquet files of one layout, else its files one by one."""
        return self.alone if self.alone and (self.others or self.rejects) else (self,)


class Guard:
    """Stands between a source and its files, so that one that cannot be read does not stop the others. Items are as in cursors.

    This one lets everything through, for those who read a source once, and can fail.
    """

    def note_files(self, files: Mapping[str, str]) -> None:
        """Take note of all files there are, with their fingerprints; called before any of them is inspected."""

    def inspect_item(self, item: str, inspect: Callable[[], T]) -> T | None:
        """Return what ``inspect`` finds at the item; None when it is not to be inspected now, or that failed unexpectedly: the
        guard tells of that."""
        return inspect()

    def why_set_aside(self, item: str) -> str:
        """Return why the item is no longer to be read, with what to do; "" where it is, or is tried again."""
        return ""

    def wants_alone(self, item: str) -> bool:
        """Whether the item is to be a batch of its own."""
        return False


UNGUARDED = Guard()


class Source(Protocol):
    """A place samples or labels come from."""

    @property
    def name(self) -> str: ...

    @property
    def holds(self) -> Holds: ...

    def read_batches(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime, guard: Guard = UNGUARDED
    ) -> Iterator[Batch | Problem]:
        """Give what is new since ``cursor`` (item → fingerprint as last committed), in order of arrival."""
        ...


@runtime_checkable
class GuardedSource(Source, Protocol):
    """A source whose files can be tried one by one, in another process: it can be pickled."""

    def read_single(self, connection: duckdb.DuckDBPyConnection, item: str, now: datetime) -> Batch | Problem:
        """One of its files alone, as ``read_batches`` would give it; nothing is completed."""
        ...

    def path_of(self, item: str) -> str:
        """Where that file lies."""
        ...


class ConfiguredSource:
    """What sources have of their configuration."""

    config: SourceSettings

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def holds(self) -> Holds:
        return self.config.holds


KEPT_REFUSED = 100  # of one source


def tell_where_kept(directory: str, name: str) -> str:
    """Sentences without the last full stop. ``directory``: of the source's pushes, from the state directory; ``name``: the
    push's file, as cursors name it."""
    return (
        f"It is kept as {directory}/refused/{name} in the state directory, where the newest {KEPT_REFUSED} are: mended, or "
        "once its cause is gone, it can be sent again under another Idempotency-Key"
    )
