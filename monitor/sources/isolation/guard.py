"""Keeps one bad file from stopping the others: what fails unexpectedly is tried alone, named, and set aside after two tries.

a file fails here        → it is tried alone, in a process of its own; where that can read it, once more here, alone
calwatch ended over it   → the journal names it on the next start: the process of its own comes first
… three times over it alone, which others can read: it waits, an hour at first, and nothing is held against it
it fails alone           → one try, told; in the next cycle once more alone; then it is set aside, a push refused
it changes, or is gone   → what is held of it is forgotten; so it is by ``calwatch retry``, another version, another
                           memory_limit
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import duckdb

from monitor.config.settings import Model
from monitor.model.problems import Problem, ProblemReason
from monitor.sources.batch import Guard, GuardedSource
from monitor.sources.isolation import alone
from monitor.sources.isolation.alone import Failure, FailureKind, NotTriedError
from monitor.sources.isolation.journal import Entry, Journal
from monitor.sources.isolation.patience import OverdueError, Patience, seconds_for
from monitor.sources.isolation.room import Room, spill_room
from monitor.sources.isolation.set_aside import (
    MOST_TRIES,
    TOGETHER,
    Suspect,
    describe_circumstances,
    drop_suspects,
    load_suspects,
    memory_limit,
    store_suspect,
)
from monitor.sources.remedies import TEXTS
from monitor.store.blame import first_line, is_of_the_disk, is_unexpected, lacks_room
from monitor.store.connection import fetch_row
from monitor.store.damage import demand_sound, is_of_the_database

T = TypeVar("T")

REMEDIES: Mapping[FailureKind, str] = TEXTS["files"]
_ONCE_MORE = 10  # times the usual patience with a file that a process of its own could read
_MEMORY = (MemoryError, duckdb.OutOfMemoryException)


class FileGuard(Guard):
    """Over one source in one cycle. ``problems`` grows by what there is to tell."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, model: Model, source: GuardedSource, journal: Journal, now: datetime,
        cursor: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.problems: list[Problem] = []
        self._connection, self._model, self._source, self._now = connection, model, source, now
        self._journal, self._cursor = journal, cursor
        self._held = load_suspects(connection, model.name, source.name)
        self._fingerprints: Mapping[str, str] = {}
        self._passed: set[str] = set()  # alone, in this cycle
        self._patience = Patience(connection)
        self._bounded = False
        self._room = Room(0, is_short=False)  # as it was before the last reading
        self._pushed = source.name in {each.name for each in model.source if each.kind == "http"}

    def close(self) -> None:
        """To be called at the end of the cycle's reading."""
        self._patience.close()

    def note_files(self, files: Mapping[str, str]) -> None:
        """Forget what is held of other files; try those alone that failed once, or were read when calwatch ended."""
        self._fingerprints = files
        if not self._held:
            return
        self._forget(
            [
                item for item, held in self._held.items()
                # those that were committed a moment before calwatch ended are read no more
                if files.get(item) != held.fingerprint or self._cursor.get(item) == held.fingerprint
            ]
        )  # fmt: skip
        circumstances = describe_circumstances(self._connection)
        for held in self._held.values():
            if held.set_aside and held.tried_with == circumstances:
                if not self._pushed:
                    self._tell(held, news=False)
            elif held.set_aside:  # another version, or another memory_limit, may read it
                held.tries, held.crashes, held.set_aside = 0, 0, False
        suspects = [held for held in self._held.values() if not held.set_aside and not self._waits(held)]
        self._try_alone([held.item for held in suspects])

    def _waits(self, held: Suspect) -> bool:
        """Whether the file is not to be read yet, though nothing is known against it: that is told."""
        if held.kind == "no_room" and not held.may_fit(describe_circumstances(self._connection), self._room_now()):
            self._tell_short(held, news=False)
            return True
        until = held.waits_until()
        if until is None or until <= self._now:
            return False
        demand_sound(self._connection)
        text = (
            f"calwatch was ended {held.crashes_alone} times while it read it alone, though a process of its own can "
            "read it: look in the system's log whether it was killed, for memory or by a probe. Nothing of it was taken, and "
            f"nothing is held against it: it is read again after {until:%Y-%m-%d %H:%M} UTC, or by: calwatch retry "
            f"{self._model.name}"
        )
        self._add_problem(held, "unreadable_file", text, news=False)
        return True

    def _bound_spilling(self) -> None:
        """Once, where there is something to read."""
        if not self._bounded:
            self._bounded = True
            self._room = self._room_now()
            with suppress(duckdb.Error):  # more is spilled already
                self._connection.execute(f"SET max_temp_directory_size = '{self._room.limit}'")

    def _room_now(self) -> Room:
        return spill_room(self._spill(), memory_limit(self._connection))

    def inspect_item(self, item: str, inspect: Callable[[], T]) -> T | None:
        """See ``monitor.sources.batch.Guard``."""
        if item in self._held and item not in self._passed:
            return None
        try:
            with self.note_reading([item]):
                return inspect()
        except Exception as error:  # noqa: BLE001  # what is no fault of a file is raised again
            if not self.may_try_again(item, error):
                return None
        return self.inspect_item(item, inspect)

    def why_set_aside(self, item: str) -> str:
        """See ``monitor.sources.batch.Guard``."""
        held = self._held.get(item)
        return held.sentence if held is not None and held.set_aside else ""

    def wants_alone(self, item: str) -> bool:
        """See ``monitor.sources.batch.Guard``."""
        held = self._held.get(item)
        return held is not None and held.crashes >= TOGETHER

    @contextmanager
    def note_reading(self, items: Sequence[str]) -> Iterator[None]:
        """Within the block they are being read: should it never end, they are found. Raises OverdueError."""
        files = {item: self._fingerprints.get(item, "") for item in items}
        seconds = seconds_for(sum(map(_size, files.values())))
        if self._passed.issuperset(items):  # in the time that a process of its own had: this one may be slower
            seconds *= _ONCE_MORE
        self._bound_spilling()
        self._journal.note_entry(Entry(self._model.name, self._source.name, files))
        try:
            with self._patience.limit_time(seconds):
                yield
        # whatever ends it, a stop too: what the journal names afterwards is what is blamed at the next start
        except BaseException as error:
            if isinstance(error, duckdb.InternalException):
                # FatalException where the mistake has made the database unusable
                self._connection.execute("SELECT 1")
            # of a fatal one the database must be opened anew; then the journal names them
            if not isinstance(error, duckdb.FatalException) or is_of_the_disk(error) or is_of_the_database(error):
                self._journal.clear_entry()
            raise
        self._journal.clear_entry()

    def is_fault_of_file(self, error: Exception) -> bool:
        """Whether an error met while files were read is one that no file should be able to cause."""
        return isinstance(error, OverdueError) or is_unexpected(error)

    def may_try_again(self, item: str, error: Exception) -> bool:
        """Whether the item, which failed here by ``error``, can be read by a process of its own; else it is told, and held.

        Raises the error where it is no fault of a file, and DamageError where the database cannot be read.
        """
        if not self.is_fault_of_file(error):
            raise error
        if item not in self._passed:
            self._held.setdefault(item, Suspect(item, self._fingerprints.get(item, "")))
            self._try_alone([item])
            return item in self._passed
        if alone.disk_is_full(self._spill().parent):
            raise error
        if not isinstance(error, (OverdueError, *_MEMORY)):  # nothing of the file's own: then perhaps of the database
            demand_sound(self._connection)
        self._passed.discard(item)
        said, but = first_line(error), "can be read by itself, but not be taken into the store:"
        if isinstance(error, OverdueError):
            failed = Failure("timed_out", f"{but} {said}")
        elif self._room.is_short and lacks_room(error):
            failed = Failure(
                "no_room", f"needs more room to be taken than the disk of the state directory has ({said})"
            )
        else:
            kind: FailureKind = "out_of_memory" if isinstance(error, _MEMORY) else "failed"
            failed = Failure(kind, f"{but} {type(error).__name__}: {said}")
        self._blame(item, failed)
        return False

    def forget_failures(self, items: Sequence[str]) -> None:
        """They were read, or refused as files are: nothing is held of them any more."""
        self._forget([item for item in items if item in self._held])

    def _try_alone(self, items: Sequence[str]) -> None:
        if not items:
            return
        self._room = self._room_now()
        try:
            for item, failed in alone.try_alone(
                self._source, self._model, [(item, 2 * seconds_for(_size(self._fingerprints.get(item, "")))) for item in items],
                self._now, memory_limit=memory_limit(self._connection), spill=self._spill(),
            ):  # fmt: skip
                if failed is None:
                    self._passed.add(item)
                else:
                    self._blame(item, failed)
        except NotTriedError as error:
            untold = [item for item in items if item not in self._passed and not self._held[item].tried_with]
            for item in untold:
                text = f"{item}: could not be tried in a process of its own ({error.message}); it is tried again"
                self.problems.append(Problem(item, "unreadable_file", text))

    def _blame(self, item: str, failed: Failure) -> None:
        """One try has failed."""
        held = self._held.get(item) or Suspect(item, self._fingerprints.get(item, ""))
        is_try = failed.kind != "no_room"  # else a push waits, and a file is read once there is room
        tries, circumstances = held.tries + is_try, describe_circumstances(self._connection)
        self._held[item] = held = replace(
            held, tries=tries, set_aside=tries >= MOST_TRIES if is_try else held.set_aside, kind=failed.kind,
            reason=failed.reason, remedy=failed.remedy or REMEDIES[failed.kind],
            tried_with=circumstances if is_try else f"{circumstances}, room {self._room.size}",
        )  # fmt: skip
        store_suspect(self._connection, self._model.name, self._source.name, held, self._now)
        if not is_try:
            self._tell_short(held, news=True)
        elif not (self._pushed and held.set_aside):  # the source refuses it, and tells
            self._tell(held, news=True)

    def _tell_short(self, held: Suspect, *, news: bool) -> None:
        text = f"{held.sentence}: once there is more, it is read. Nothing of it was taken"
        self._add_problem(held, "unreadable_file", text, news=news)

    def _tell(self, held: Suspect, *, news: bool) -> None:
        then = (
            f"it is set aside until it changes, or is let go by: calwatch retry {self._model.name}" if held.set_aside
            else "tried once; it is tried once more in the next cycle, and then "
            f"{'refused' if self._pushed else 'set aside'}"
        )  # fmt: skip
        self._add_problem(held, "file_set_aside", f"{held.sentence}. Nothing of it was taken; {then}", news=news)

    def _add_problem(self, held: Suspect, reason: ProblemReason, text: str, *, news: bool) -> None:
        name = f"push {held.item}" if self._pushed else held.item
        listed = held.set_aside and reason == "file_set_aside"
        self.problems.append(Problem(held.item, reason, f"{name}: {text}", news=news, is_listed=listed))

    def _forget(self, items: Sequence[str]) -> None:
        if items:
            drop_suspects(self._connection, self._model.name, self._source.name, items)
            for item in items:
                del self._held[item]

    def _spill(self) -> Path:
        (directory,) = fetch_row(self._connection, "SELECT current_setting('temp_directory')")
        return Path(directory or ".").with_name("spill-alone")


def _size(fingerprint: str) -> int:
    """Fingerprints of files begin with their size; of others it is not known."""
    size = fingerprint.partition(":")[0]
    return int(size) if size.isdecimal() and ":" in fingerprint else 0
