"""The one writing connection to live.duckdb: opened with its limits, migrated, closed; and transactions on it."""

import errno
import os
import re
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor import __version__
from monitor.model.errors import StoreError, StoreInUseError
from monitor.store.damage import REMEDY, describe_damage, has_errno, is_damage, refuse_empty, refuse_lost
from monitor.store.migrations.early import mend_early_meaning
from monitor.store.restoring import finish_restore
from monitor.store.sql import statement

LIVE = "live.duckdb"
Moment = TypeVar("Moment", bound=datetime | None)
_MODES = "check permissions, free space and the disk, or choose another [monitor] state_dir"
_CHANGED = re.compile(r"^UPDATE (\w+)", re.MULTILINE)
_EARLY = "0009_meaning"  # changed before it was left as it is


def make_state_dir(state_dir: Path) -> None:
    """Make it for this user, with its group to read, unless it is there: whoever made it decides who else may look.

    The group is who reads metrics.duckdb and calibrators. Raises OSError.
    """
    state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)


def open_live(state_dir: Path, *, memory_limit: str = "1GB", now: datetime) -> duckdb.DuckDBPyConnection:
    """Open (or create) the daemon's database and bring its schema up to date.

    Raises StoreInUseError when another process holds the database, and StoreError when the directory cannot be written, or
    the file was written by a newer calwatch, is damaged or not a database of calwatch's, or is missing beside calibrators.
    """
    try:
        make_state_dir(state_dir)
    except OSError as error:
        raise StoreError(
            f"{state_dir}: cannot be made: {error.strerror}", "choose another [monitor] state_dir"
        ) from error
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise StoreError(
            f"{state_dir}: is not writable for this user", "give the user write access, or choose another state_dir"
        )
    path = state_dir / LIVE
    try:
        finish_restore(state_dir)
        refuse_lost(state_dir, path)
    except OSError as error:
        raise StoreError(f"{error.filename or state_dir}: cannot be read: {error.strerror}", _MODES) from error
    is_new = not path.exists()
    try:
        connection = duckdb.connect(
            str(path), config={"memory_limit": memory_limit, "temp_directory": str(state_dir / "spill")}
        )
    except duckdb.Error as error:
        raise _cannot_open(path, error) from error
    try:
        if is_new:
            _keep_from_others(path)
        refuse_empty(state_dir, connection, path)
        prepare_database(connection, now, path)
    except duckdb.Error as error:
        connection.close()
        raise describe_damage(path, error) if is_damage(error) else _not_migrated(path, error) from error
    except BaseException:  # also KeyboardInterrupt: or this process would keep the database locked
        connection.close()
        raise
    return connection


BOX_MACROS = ("macro_box_inside", "macro_box_over", "macro_is_beyond", "macro_is_outside")


def prepare_database(connection: duckdb.DuckDBPyConnection, now: datetime, path: Path = Path(LIVE)) -> None:
    """Settings, macros and tables of a database that rows are taken into."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    for name in ("macro_bin", "macro_log_loss", "macro_bucket", *BOX_MACROS):
        connection.execute(statement(name))
    migrate_database(connection, now, path)


def _keep_from_others(path: Path) -> None:
    """Rows of the sources are nobody else's business, also where the operator's directory lets everybody look."""
    with suppress(OSError):  # a file system without modes
        path.chmod(path.stat().st_mode & 0o770)


def _cannot_open(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    holder = re.search(r"lock is held in (.+?) \(PID (\d+)\)", text)
    if holder:
        return StoreInUseError(
            f"{path}: in use by process {holder[2]} ({holder[1]})",
            f"stop that process, or ask the running daemon instead: status, slices and jobs read {path.parent}/metrics.duckdb",
        )
    of_the_system = has_errno(error, errno.EACCES, errno.ENOSPC, errno.EDQUOT) or "set lock" in text
    if isinstance(error, duckdb.IOException) and of_the_system:
        return StoreError(f"{path}: cannot be opened: {text.splitlines()[0]}", _MODES)
    return describe_damage(path, error)


def migrate_database(connection: duckdb.DuckDBPyConnection, now: datetime, path: Path = Path(LIVE)) -> list[str]:
    """Apply the named migrations that are missing, each in one transaction with its own record. Returns their names.

    Raises StoreError naming both versions when the database has migrations that this calwatch does not know.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)")
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}
    scripts = _scripts()
    unknown = sorted(applied - scripts.keys())
    if unknown:
        writer = _writer(connection)
        raise StoreError(
            f"{path}: was written by a newer calwatch, {writer} (migration {unknown[-1]!r}); this is calwatch {__version__}, "
            f"which knows migrations up to {max(scripts)!r}",
            f"{name_writer(writer, unknown[-1])}, or restore a backup made before it: calwatch restore FILE",
        )
    missing = sorted(scripts.keys() - applied)
    if _EARLY in applied and missing:
        with transaction(connection):
            mend_early_meaning(connection)
    for name in missing:
        with transaction(connection):
            for each in connection.extract_statements(scripts[name]):
                if not _is_idle(connection, each):
                    connection.execute(each)
            connection.execute("INSERT INTO migrations VALUES ($name, $now)", {"name": name, "now": make_naive(now)})
    if _writer(connection) != __version__:
        connection.execute("UPDATE state SET calwatch_version = $version", {"version": __version__})
    return missing


def _is_idle(connection: duckdb.DuckDBPyConnection, step: duckdb.Statement) -> bool:
    """Whether a statement changes the rows of a table that has none, as all do in a new database: to plan those of 0017 takes
    ten times as long as all other statements of all migrations."""
    changed = _CHANGED.search(step.query) if step.type == duckdb.StatementType.UPDATE else None
    return changed is not None and connection.execute(f"SELECT 1 FROM {changed[1]} LIMIT 1").fetchone() is None


def _not_migrated(path: Path, error: duckdb.Error) -> StoreError:
    first_line = str(error).splitlines()[0]
    return StoreError(f"{path}: its tables are not those that a calwatch leaves: {first_line}", REMEDY)


def name_writer(writer: str, migration: str) -> str:
    """Return what to run in place of this calwatch, which lacks a migration; of one version there may be several builds."""
    if writer == __version__:
        return f"run the build of calwatch {writer} that wrote it, which has migration {migration!r}: this one is older"
    return f"install calwatch {writer} again"


def known_migrations() -> frozenset[str]:
    """The names of the migrations that this calwatch knows."""
    return frozenset(_scripts())


def _scripts() -> dict[str, str]:
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in files("monitor.store.migrations").iterdir()
        if entry.name.endswith(".sql")
    }


def _writer(connection: duckdb.DuckDBPyConnection) -> str:
    """The version of calwatch that wrote to it last."""
    try:
        row = connection.execute("SELECT calwatch_version FROM state").fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        row = None
    return str(row[0]) if row and row[0] else "of a version that was not kept"


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction: committed at the end of the block, rolled back when the block raises."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # also KeyboardInterrupt: a half-done transaction must never linger on the connection
        with suppress(duckdb.TransactionException):  # a COMMIT that failed has already rolled back
            connection.execute("ROLLBACK")
        raise


def is_ctrl_c(error: BaseException) -> bool:
    """Whether Ctrl-C came while a query ran: DuckDB then raises a RuntimeError of its own in place of KeyboardInterrupt."""
    return type(error) is RuntimeError and str(error) == "Query interrupted"


def load_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, NDArray[Any] | Collection[str | None]]
) -> None:
    """Make the temporary table ``name`` from columns of equal length: texts, or numpy's (masked = NULL)."""
    # by the name of the variable: to register it is refused while the connection has a result that was not read to its end
    held = {  # noqa: F841
        column: values if isinstance(values, np.ndarray) else np.array(list(values), dtype=object)
        for column, values in columns.items()
    }
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quote_name(name)} AS SELECT * FROM held")


def fetch_row(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """Return the first row of a query that always gives one, such as an aggregate or a setting, as a tuple."""
    row: tuple[Any, ...] | None = connection.execute(query, values).fetchone()
    assert row is not None
    return row


def fetch_column(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> list[Any]:
    """Return the first value of each row of a query."""
    return [row[0] for row in connection.execute(query, values).fetchall()]


def fetch_dicts(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a statement by the names of their columns, times with their UTC marker. Raises duckdb.Error."""
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description or ()]
    return [
        {
            name: make_aware(value) if isinstance(value, datetime) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    ]


def insert_row(connection: duckdb.DuckDBPyConnection, table: str, values: Mapping[str, object]) -> None:
    """Insert one row by the names of its columns; times with a zone become UTC without. Raises duckdb.Error."""
    names, marks = ", ".join(map(quote_name, values)), ", ".join(f"${name}" for name in values)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", _strip_zones(values))


def delete_rows(connection: duckdb.DuckDBPyConnection, table: str, where: Mapping[str, object]) -> None:
    """Delete the rows whose columns have these values, times as in ``insert_row``. Raises duckdb.Error."""
    same = " AND ".join(f"{quote_name(name)} = ${name}" for name in where)
    connection.execute(f"DELETE FROM {table} WHERE {same}", _strip_zones(where))


def _strip_zones(values: Mapping[str, object]) -> dict[str, object]:
    zoned = {name: make_naive(v) for name, v in values.items() if isinstance(v, datetime) and v.tzinfo}
    return {**values, **zoned}


def make_naive(moment: Moment) -> Moment:
    """Return UTC without its marker, as the TIMESTAMP columns hold it; None stays None."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment is not None else moment


def make_aware(moment: Moment) -> Moment:
    """Return a TIMESTAMP column's value with its UTC marker; None stays None."""
    return moment.replace(tzinfo=UTC) if moment is not None else moment


def utc_day(moment: datetime) -> datetime:
    """Midnight UTC of that day."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def quote_name(identifier: str) -> str:
    """An SQL identifier in quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """An SQL string literal, for the places where DuckDB takes no bound parameter."""
    return "'" + text.replace("'", "''") + "'"


AGAIN = 0.2  # seconds; an interrupt that comes between two statements is lost


@contextmanager
def ctrl_c_interrupts(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within the block Ctrl-C ends the statement that runs on the connection, and KeyboardInterrupt is raised, also where
    DuckDB raises something else in its place. Nothing outside the main thread.

    Python runs its signal handlers in the main thread alone, and DuckDB 2 lets that one wait, deaf, while another of its
    threads works. So a thread reads the signal from a wakeup descriptor, to which it is written at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, written = socket.socketpair()
    written.setblocking(False)
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(connection, ours, over), name="ctrl-c", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if isinstance(error, duckdb.InterruptException) or is_ctrl_c(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        written.close()
        watcher.join()
        ours.close()


def _watch(connection: duckdb.DuckDBPyConnection, ours: socket.socket, over: threading.Event) -> None:
    while number := ours.recv(1):
        while number[0] == signal.SIGINT and not over.is_set():
            connection.interrupt()
            over.wait(AGAIN)
