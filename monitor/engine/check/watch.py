"""What ``calwatch check`` knows of files that cannot be read, and which one it reads: so that one of them stops nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import duckdb

from monitor.model.problems import Problem
from monitor.sources.batch import Batch, Guard, Source
from monitor.sources.isolation.guard import REMEDIES
from monitor.sources.isolation.journal import Entry, Journal
from monitor.store.blame import first_line, is_unexpected

T = TypeVar("T")


@dataclass(slots=True)
class CheckWatch(Guard):
    """``known``: files found out before, in a process that ended over them → why; ``journal``: where to note what is read."""

    known: Mapping[str, str] = field(default_factory=dict)
    journal: Journal = field(default_factory=lambda: Journal(None))
    _files: Mapping[str, str] = field(default_factory=dict)
    _why: dict[str, str] = field(default_factory=dict)

    def read(self, connection: duckdb.DuckDBPyConnection, source: Source) -> Iterator[Batch | Problem]:
        """All files of a source."""
        now = datetime.max.replace(tzinfo=UTC)
        return source.read_batches(connection, {}, now, self)

    def try_batch(self, batch: Batch, take: Callable[[Batch], None]) -> Iterator[Batch]:
        """The batch once it could be taken, or of its files those that could. Raises what says that a file is damaged."""
        items = batch.items
        try:
            self._noted(items, lambda: take(batch))
        # a file may raise anything: it is named, and the others are tried
        except Exception as error:
            if not is_unexpected(error) or _says_damaged(error):
                raise
            if batch.files == 1:
                self._why[items[0]] = _said(error)
            for member in batch.alone:
                yield from self.try_batch(member, take)
            return
        yield batch

    def note_files(self, files: Mapping[str, str]) -> None:
        """See ``monitor.sources.batch.Guard``."""
        self._files = files

    def inspect_item(self, item: str, inspect: Callable[[], T]) -> T | None:
        """See ``monitor.sources.batch.Guard``."""
        if item in self.known:
            self._why[item] = self.known[item]
            return None
        try:
            return self._noted([item], inspect)
        # looking at a file may raise anything: it is named, and the next is looked at
        except Exception as error:
            if not is_unexpected(error):
                raise
            self._why[item] = _said(error)
            return None

    def why_set_aside(self, item: str) -> str:
        """See ``monitor.sources.batch.Guard``."""
        return self._why.get(item, "")

    def take_problems(self) -> list[str]:
        """A sentence for each file that could not be read since this was asked last."""
        said = [f"{item}: {why}" for item, why in self._why.items()]
        self._why.clear()
        return said

    def _noted(self, items: list[str], act: Callable[[], T]) -> T:
        self.journal.note_entry(Entry("", "", {item: self._files.get(item, "") for item in items}))
        try:
            return act()
        finally:
            self.journal.clear_entry()


def _says_damaged(error: Exception) -> bool:
    """Whether DuckDB found a file damaged inside, which ends the look at its source."""
    grave = (duckdb.OutOfMemoryException, duckdb.InternalException)
    return isinstance(error, duckdb.Error) and not isinstance(error, grave)


def _said(error: Exception) -> str:
    if isinstance(error, (MemoryError, duckdb.OutOfMemoryException)):
        return f"takes more memory to read than memory_limit ({first_line(error)}). {REMEDIES['out_of_memory']}"
    return f"cannot be read: {type(error).__name__}: {first_line(error)}. {REMEDIES['failed']}"
