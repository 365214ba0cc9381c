"""Files that are tried alone, and those that are no longer read: the table `files_set_aside`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import duckdb

from monitor import __version__
from monitor.model import FileSetAside
from monitor.sources.isolation.journal import Journal
from monitor.sources.isolation.room import Room
from monitor.store.connection import delete_rows, fetch_row, insert_row, make_aware, make_naive, transaction
from monitor.store.sql import run_script, statement

MOST_TRIES = 2  # that fail, one a cycle; then a file is set aside
MOST_CRASHES = 3  # of calwatch over one file alone that a process of its own can read; then it waits
FIRST_WAIT = timedelta(hours=1)  # twice as long after each further crash
LONGEST_WAIT = timedelta(days=1)
MORE_ROOM = 1.25  # times what there was on the disk: then it is tried again
TOGETHER = 2  # crashes after which files that were read together are read alone, so that one of them can be named
_COLUMNS = "item, fingerprint, tries, crashes, set_aside, kind, reason, remedy, tried_with, last_tried_at"


@dataclass(slots=True)
class Suspect:
    """One row of the table: a file that failed, or was being read when calwatch ended. ``tries`` = 0: not tried alone yet;
    ``crashes``: up to TOGETHER those over several files, beyond it those over this one alone."""

    item: str
    fingerprint: str
    tries: int = 0
    crashes: int = 0
    set_aside: bool = False
    kind: str = ""
    reason: str = ""
    remedy: str = ""
    tried_with: str = ""  # circumstances, and where the disk had too little room bytes that rows could spill to
    last_tried_at: datetime | None = None  # naive, UTC

    @property
    def crashes_alone(self) -> int:
        """Of calwatch while it read this file and no other."""
        return max(0, self.crashes - TOGETHER)

    def waits_until(self) -> datetime | None:
        """When it may be read again, where calwatch ended so often over it alone that its cause may be something else, and
        that others must be read meanwhile; else None."""
        more, last = self.crashes_alone - MOST_CRASHES, make_aware(self.last_tried_at)
        if more < 0 or last is None:
            return None
        doubled: int = 1 << min(more, 10)
        return last + min(LONGEST_WAIT, FIRST_WAIT * doubled)

    def may_fit(self, circumstances: str, room: Room) -> bool:
        """Whether a file for which the disk had too little room may fit now; or something else has changed since."""
        before, _, had = self.tried_with.partition(", room ")
        return before != circumstances or not room.is_short or room.size >= MORE_ROOM * int(had or 0)

    @property
    def sentence(self) -> str:
        """Why it is not read, and what to do; goes on from the file's name."""
        return f"{self.reason}. {self.remedy}"


def describe_circumstances(connection: duckdb.DuckDBPyConnection) -> str:
    """What decides besides a file whether it can be read: with another version, or more memory, it is tried again."""
    return f"calwatch {__version__}, memory_limit {memory_limit(connection)}"


def memory_limit(connection: duckdb.DuckDBPyConnection) -> str:
    """As DuckDB writes it: ``953.6 MiB``."""
    return str(fetch_row(connection, "SELECT current_setting('memory_limit')")[0])


def load_suspects(connection: duckdb.DuckDBPyConnection, model: str, source: str) -> dict[str, Suspect]:
    """The files of a source that are held, by name."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM files_set_aside WHERE model = $model AND source = $source ORDER BY item",
        {"model": model, "source": source},
    ).fetchall()
    return {row[0]: Suspect(*row) for row in rows}


def store_suspect(connection: duckdb.DuckDBPyConnection, model: str, source: str, held: Suspect, now: datetime) -> None:
    """Enter one file, or renew what is held of it."""
    where = {"model": model, "source": source, "item": held.item}
    with transaction(connection):
        (first,) = fetch_row(connection, statement("set_aside_since"), {**where, "fingerprint": held.fingerprint})
        delete_rows(connection, "files_set_aside", where)
        own = {**where, **asdict(held), "first_tried_at": first or now, "last_tried_at": now}
        insert_row(connection, "files_set_aside", own)


def drop_suspects(connection: duckdb.DuckDBPyConnection, model: str, source: str, items: Sequence[str]) -> None:
    """Forget files that were read, have changed or are gone."""
    connection.execute(
        "DELETE FROM files_set_aside WHERE model = $model AND source = $source AND list_contains($items, item)",
        {"model": model, "source": source, "items": list(items)},
    )


def drop_unknown(connection: duckdb.DuckDBPyConnection, model: str, sources: Sequence[str]) -> None:
    """Forget the files of sources that the model has no longer: nobody will read, change or retry them."""
    connection.execute(
        "DELETE FROM files_set_aside WHERE model = $model AND NOT list_contains($sources, source)",
        {"model": model, "sources": list(sources)},
    )


def load_set_aside(connection: duckdb.DuckDBPyConnection, model: str) -> tuple[FileSetAside, ...]:
    """The files of a model that are no longer read."""
    rows = connection.execute(statement("set_aside_files"), {"model": model}).fetchall()
    return tuple(FileSetAside(*(*told, make_aware(first), make_aware(last))) for *told, first, last in rows)


def release_files(connection: duckdb.DuckDBPyConnection, model: str, source: str | None, item: str | None) -> int:
    """Let files be tried again, once more alone before they are read; how many. Of all, those that are not read now: the
    others have their next try anyhow."""
    which = {"model": model, "source": source, "item": item}
    return int(fetch_row(connection, statement("set_aside_release"), which)[0])


def take_up_journal(connection: duckdb.DuckDBPyConnection, journal: Journal, now: datetime) -> None:
    """What was being read when the process before this one ended is held from now on, and tried alone first."""
    entry = journal.load_entry()
    if entry is None:
        return
    read = {"items": list(entry.items), "fingerprints": list(entry.items.values()), "together": len(entry.items) > 1}
    values = {"model": entry.model, "source": entry.source, **read, "most": TOGETHER, "now": make_naive(now)}
    with transaction(connection):
        run_script(connection, "set_aside_crashed", values)
    journal.clear_entry()
