"""Keeps a file that cannot be read from stopping a backtest: it is named with what to do, and the others are played.

Where a file ends or hangs the whole process, its journal names it: ``monitor.cli.backtest`` then plays again without it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import duckdb

from monitor.model.problems import Problem
from monitor.sources.batch import Guard
from monitor.sources.ingest.staging import forget_rejects
from monitor.sources.isolation.alone import Failure
from monitor.sources.isolation.guard import REMEDIES
from monitor.sources.isolation.journal import Entry, Journal
from monitor.sources.isolation.set_aside import Suspect, describe_circumstances, store_suspect
from monitor.store.blame import first_line, is_of_the_disk, is_unexpected

T = TypeVar("T")


@dataclass(slots=True)
class ReplayGuard(Guard):
    """Over one source. ``known``: files that ended or hung a process before this one → how; ``journal``: where to note what is
    being read."""

    model: str = ""
    source: str = ""
    known: Mapping[str, Failure] = field(default_factory=dict)
    journal: Journal = field(default_factory=lambda: Journal(None))
    _files: Mapping[str, str] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)

    def note_files(self, files: Mapping[str, str]) -> None:
        """See ``monitor.sources.batch.Guard``."""
        self._files = files

    def inspect_item(self, item: str, inspect: Callable[[], T]) -> T | None:
        """See ``monitor.sources.batch.Guard``."""
        if item in self.known:
            self.failed[item] = self.known[item]
            return None
        try:
            with self.note_reading(item):
                return inspect()
        except Exception as error:
            if not is_unexpected(error):
                raise
            self.failed[item] = describe_failure(error)
            return None

    def why_set_aside(self, item: str) -> str:
        """See ``monitor.sources.batch.Guard``."""
        failed = self.failed.get(item)
        return f"{failed.reason}. {REMEDIES[failed.kind]}" if failed else ""

    @contextmanager
    def note_reading(self, *items: str) -> Iterator[None]:
        """Within the block they are being read: should it never end, or spoil the database, the journal names them."""
        self.journal.note_entry(Entry(self.model, self.source, {item: self._files.get(item, "") for item in items}))
        try:
            yield
        # whatever ends it, a stop too: what the journal names afterwards is what is blamed
        except BaseException as error:
            if not isinstance(error, duckdb.FatalException) or is_of_the_disk(error):
                self.journal.clear_entry()
            raise
        self.journal.clear_entry()

    @contextmanager
    def leave_out(self, item: str, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Play without a file at which something fails within the block that no file should be able to cause. Raises the error
        where that is no fault of a file."""
        try:
            yield
        # whatever it is, it is told of this file
        except Exception as error:
            if not is_unexpected(error):
                raise
            self.failed[item] = describe_failure(error)
            forget_rejects(connection)

    def enter_left_out(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> list[Problem]:
        """Enter the files that are left out as set aside; a problem for each."""
        told = []
        for item, failed in sorted(self.failed.items()):
            held = Suspect(
                item, self._files.get(item, ""), 1, 0, True, failed.kind, failed.reason, REMEDIES[failed.kind],
                describe_circumstances(connection),
            )  # fmt: skip
            store_suspect(connection, self.model, self.source, held, now)
            told.append(
                Problem(item, "file_set_aside", f"{item}: {held.sentence}. Nothing of it is played", is_listed=True)
            )
        return told


def describe_failure(error: Exception) -> Failure:
    """What to tell of a file at which something failed that no file should be able to cause."""
    if isinstance(error, (MemoryError, duckdb.OutOfMemoryException)):
        return Failure("out_of_memory", f"takes more memory to read than memory_limit ({first_line(error)})")
    return Failure("failed", f"cannot be read: {type(error).__name__}: {first_line(error)}")
