"""live.duckdb missing, damaged or foreign: found before anything is written over what is left, told with the remedy."""

import os
from pathlib import Path

import duckdb

from monitor.model.errors import DamageError, StoreError
from monitor.store.sql import statement

REMEDY = "restore a backup: calwatch restore FILE; or, to begin afresh, move live.duckdb, live.duckdb.wal and calibrators/ away"
_WAL_BEGINS = b"\x64\x00\x62"  # field 100, type 98: the version, first in every log DuckDB writes
# the types that DuckDB gives to what it cannot read of its own file; what others say may be words of a file that is read
_OF_THE_DATABASE = (
    duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException,
)  # fmt: skip
_MARK = slice(8, 12)  # where a database says that it is one, behind the checksum of its first block
_TELLING = ("Corrupt", "Could not read", "Failed to read", "checksum", "not a valid DuckDB database")


def refuse_lost(state_dir: Path, live: Path) -> None:
    """Raises StoreError where there is no ``live``, or an empty file, and what is beside it says that there was a state."""
    wal = live.with_name(live.name + ".wal")
    if live.exists():
        _refuse_foreign_log(live, wal)
        return
    if wal.exists() and wal.is_file() and wal.stat().st_size:
        raise StoreError(f"{live}: is missing, and {wal.name} beside it holds what was written last", REMEDY)
    if has_calibrators(state_dir):
        raise StoreError(
            f"{live}: is missing beside calibrators: a new one would know none of them and empty every current.json",
            REMEDY,
        )


def refuse_no_database(live: Path) -> None:
    """Raises StoreError where ``live`` is there and does not begin as a DuckDB database does."""
    try:
        with live.open("rb") as file:
            head = file.read(_MARK.stop)
    except OSError:
        return
    if head[_MARK] != b"DUCK":
        raise StoreError(f"{live}: is no DuckDB database", REMEDY)


def refuse_empty(state_dir: Path, connection: duckdb.DuckDBPyConnection, live: Path) -> None:
    """Raises StoreError where the opened database is not one of calwatch's, or knows nothing beside calibrators."""
    tables = {
        name for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall()
    }  # fmt: skip
    if "migrations" in tables:
        return
    if "snapshot" in tables:
        raise StoreError(
            f"{live}: is a copy of metrics.duckdb, which is for queries and lacks what a state needs", REMEDY
        )
    if tables:
        raise StoreError(f"{live}: is a database of another program (it has a table {min(tables)!r})", REMEDY)
    if has_calibrators(state_dir):
        raise StoreError(f"{live}: is empty beside calibrators: a new state would empty every current.json", REMEDY)


def has_calibrators(state_dir: Path) -> bool:
    """Whether anything is kept in calibrators/."""
    return any(path.is_file() for path in (state_dir / "calibrators").rglob("*"))


def is_damage(error: duckdb.Error, live: Path | None = None) -> bool:
    """Whether DuckDB says that bytes of a database are not what they were; of ``live``, where it names a file."""
    text = str(error)
    return "Corrupt database file" in text or (any(word in text for word in _TELLING) and str(live or "") in text)


def has_errno(error: BaseException, *codes: int) -> bool:
    """Whether an error's text holds the system's own words for one of these ``errno`` codes: DuckDB keeps no number."""
    text = str(error).casefold()
    return any(os.strerror(code).casefold() in text for code in codes)


def is_of_the_database(error: BaseException) -> bool:
    """Whether an error met while a file was read says that bytes of the database are not what they were."""
    by_type = type(error) is duckdb.Error or isinstance(error, _OF_THE_DATABASE)
    return by_type and "Corrupt database file" in str(error)


def demand_sound(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every value of every table once: raises DamageError where some cannot be read.

    For who has met an error that may be the database's or a file's: DuckDB tells of damage by errors of many kinds.
    """
    row = connection.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchone()
    live = Path(row[0]) if row and row[0] else None
    for table in _stored_tables(connection):
        try:
            connection.execute(f"SELECT max(hash(t)) FROM {table} AS t").fetchall()
        except duckdb.OutOfMemoryException:
            continue
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise describe_damage(live or Path("live.duckdb"), error) from error


def refuse_damage(error: Exception, state_dir: Path) -> None:
    """Raises DamageError where the error says that bytes of live.duckdb are not what they were: no model's own failure."""
    live = state_dir / "live.duckdb"
    if isinstance(error, DamageError):
        raise error
    if isinstance(error, duckdb.Error) and is_damage(error, live):
        raise describe_damage(live, error) from error


def find_damage(error: Exception, state_dir: Path) -> Exception:
    """The error, or the DamageError that ``refuse_damage`` raises in its place."""
    try:
        refuse_damage(error, state_dir)
    except StoreError as damage:
        return damage
    return error


def describe_damage(live: Path, error: duckdb.Error) -> StoreError:
    """What to tell a person of an error that DuckDB raised over a file it opened, or could not."""
    first_line = str(error).splitlines()[0]
    if "version number" in first_line or "newer version" in first_line.lower():
        return StoreError(
            f"{live}: was written by another version of DuckDB than this one ({duckdb.__version__}): {first_line}",
            "install the version of DuckDB that calwatch had then",
        )
    if live.is_dir():
        return StoreError(f"{live}: is a directory, not a database", REMEDY)
    wal = live.with_name(live.name + ".wal")
    if wal.is_dir() or "WAL" in first_line:
        return StoreError(f"{wal}: is damaged: {first_line}", REMEDY)
    if live.is_file() and not live.stat().st_size:
        return StoreError(f"{live}: is damaged: it has no bytes", REMEDY)
    return DamageError(f"{live}: is damaged: {first_line}", REMEDY)


def has_unreadable_rows(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether some rows of the connection's own database cannot be read for damage; reads all of them. For errors that name
    no file, while others are attached."""
    try:
        for table in _stored_tables(connection):
            connection.execute(f"SELECT count(hash(held)) FROM {table} AS held").fetchone()
    except duckdb.Error as error:
        if is_damage(error):
            return True
        raise
    return False


def _stored_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of the connection's own database, as SQL names them."""
    tables = connection.execute(statement("tables_stored")).fetchall()
    return [".".join('"' + name.replace('"', '""') + '"' for name in names) for names in tables]


def _refuse_foreign_log(live: Path, wal: Path) -> None:
    """DuckDB takes a log that is none for one that a crash cut short, and drops it without a word."""
    if wal.is_file():
        with wal.open("rb") as file:  # the log, not the database: no lock of DuckDB's is lost by closing it
            first = file.read(len(_WAL_BEGINS))
        if first != _WAL_BEGINS[: len(first)]:
            raise StoreError(f"{wal}: is damaged: it does not begin as DuckDB's logs do", REMEDY)
