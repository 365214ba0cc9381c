"""A backup: one tar archive of all that a state is, as of one moment between two cycles.

    calwatch-backup.json    which calwatch wrote it, when, and each file with its size and SHA-256
    live.duckdb             a copy that DuckDB made: the file itself is never opened beside the connection that holds it
    calibrators/…           the artefacts and who is in charge
    inbox/…                 pushes that wait, receipts, what was refused
    requests/…              requests that no cycle has taken up yet

Not in it: calwatch.toml, rule packs, secrets and token hashes, which are the operator's files; metrics.duckdb, which is
published from the database; and work/ and spill/, which live as long as a process.
"""

import fcntl
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from monitor import __version__
from monitor.model.errors import StoreError, StoreInUseError
from monitor.model.files import flush_directory
from monitor.store.backup.archive import FORMAT, KEPT, MANIFEST, check_archive, hash_file, hash_manifest
from monitor.store.connection import LIVE, quote_name, quote_text
from monitor.store.damage import refuse_damage
from monitor.store.played import is_played

ASIDE = ".backup"
BACKUPS = "backups"  # those that a daemon is asked for
_HIDDEN, _PART = ".", ".part"  # around the name of one that is being written
_NOTE = "aside"  # what it is written to, for whoever comes after a kill
_COPY = "backup_copy"
_CHUNK = 1024 * 1024
_BUSY = "wait until it has ended"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written and checked."""

    path: Path
    bytes: int
    files: int


def write_backup(
    connection: duckdb.DuckDBPyConnection,
    state_dir: Path,
    target: Path,
    now: datetime,
    *,
    between_cycles: AbstractContextManager[object] | None = None,
) -> Backup:
    """Write ``target``: aside first, checked, then renamed; a backup that is there already gives way, nothing else does.

    ``connection``: a cursor of its own on the database. ``between_cycles`` is held only while files are linked and the
    transaction begins, so cycles go on while rows are copied. Raises StoreError, StoreInUseError while another backup is
    under way, and duckdb.InterruptException.
    """
    aside = target.with_name(f"{_HIDDEN}{target.name}{_PART}")
    try:
        _demand_place(target, aside)
        with _working(state_dir, aside) as work:
            with between_cycles or nullcontext():
                for name in KEPT:
                    _link_tree(state_dir / name, work / name)
                played, migrations = _begin_copy(connection, work / LIVE)
            _copy_database(connection)
            files = _listed(work)
            about = {
                "format": FORMAT, "calwatch_version": __version__, "written_at": now.isoformat(), "played": played,
                "migrations": migrations,
                "files": {name: {"bytes": (work / name).stat().st_size, "sha256": hash_file(work / name)} for name in files},
            }  # fmt: skip
            _pack(work, about, aside)
            check_archive(aside)
            aside.replace(target)
        flush_directory(target.parent)
        return Backup(target, target.stat().st_size, len(files))
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written: {error.strerror}", "check the path, its permissions and free space"
        ) from error
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        refuse_damage(error, state_dir)
        raise StoreError(
            f"{state_dir / LIVE}: cannot be copied: {str(error).splitlines()[0]}", "check free space and the disk"
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def clear_cut_backups(state_dir: Path) -> list[Path]:
    """Remove what backups that were killed left beside their targets; returns what was there. Call it while the database is
    held; where another backup is being written, nothing is touched."""
    left = [path for path in (state_dir / BACKUPS).glob(f"{_HIDDEN}*{_PART}") if path.is_file()]
    if not left and not (state_dir / ASIDE).is_dir():
        return []
    with suppress(StoreInUseError), _working(state_dir, None) as work:
        if noted := _noted_aside(work.parent):
            left.append(noted)
        for path in left:
            path.unlink(missing_ok=True)
        return left
    return []


def _noted_aside(directory: Path) -> Path | None:
    """What a backup that was killed had begun to write."""
    try:
        noted = Path((directory / _NOTE).read_text("utf-8", "surrogateescape"))
        named = noted.is_absolute() and noted.name.startswith(_HIDDEN) and noted.name.endswith(_PART)
        return noted if named and noted.is_file() and not noted.is_symlink() else None
    except (OSError, ValueError):
        return None


def _demand_place(target: Path, aside: Path) -> None:
    """Raises StoreError when something else than a backup stands there, or nothing can be written there, and OSError when it
    cannot be looked at."""
    with suppress(FileNotFoundError):
        aside.lstat()  # a name that is too long, before all rows are copied
    if target.is_dir():
        raise StoreError(f"{target}: is a directory", "name a file, such as calwatch-backup.tar in it")
    if not target.parent.is_dir():
        raise StoreError(f"{target}: there is no directory {target.parent}", "make it, or name another place")
    if target.exists() and not _is_backup(target):
        raise StoreError(f"{target}: is there already, and is no backup", "name another file, or move it away")


def _is_backup(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MANIFEST)).decode("utf-8", "replace") == MANIFEST
    except OSError:
        return False


@contextmanager
def _working(state_dir: Path, aside: Path | None) -> Iterator[Path]:
    """A directory beside the files, where they can be linked; what a backup that was killed left there goes first, and what
    it had begun to write where ``aside`` is noted now."""
    directory = state_dir / ASIDE
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreInUseError(f"{state_dir}: a backup of it is being written already", _BUSY) from None
        try:
            shutil.rmtree(directory / "state", ignore_errors=True)
            (directory / "state").mkdir()
            if aside is not None:
                if (left := _noted_aside(directory)) is not None:
                    left.unlink(missing_ok=True)
                (directory / _NOTE).write_text(str(aside.absolute()), "utf-8", "surrogateescape")
            yield directory / "state"
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _link_tree(source: Path, target: Path) -> None:
    """Files are replaced, never changed: a link keeps what was there. What is half written begins with a dot."""
    if not source.is_dir():
        return
    for base, directories, names in os.walk(source):
        directories[:] = [name for name in directories if not name.startswith(".")]
        into = target / Path(base).relative_to(source)
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(base) / name
            if name.startswith(".") or name.endswith(".tmp") or path.is_symlink() or not path.is_file():
                continue
            try:
                os.link(path, into / name)
            except FileNotFoundError:  # taken meanwhile by a process that is not ours
                continue
            except OSError:  # a file system without hard links
                shutil.copy2(path, into / name)


def _begin_copy(connection: duckdb.DuckDBPyConnection, target: Path) -> tuple[bool, list[str]]:
    """Begin the transaction whose view of the rows is copied. Returns whether they were played, and their migrations."""
    connection.execute(f"ATTACH {quote_text(str(target))} AS {_COPY}")
    connection.execute("BEGIN TRANSACTION")
    migrations = [name for (name,) in connection.execute("SELECT name FROM migrations ORDER BY name").fetchall()]
    return is_played(connection), migrations


def _copy_database(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy all tables and count them; ends the transaction."""
    try:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        connection.execute(f"COPY FROM DATABASE {quote_name(name)} TO {_COPY}")
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = $name ORDER BY table_name", {"name": name}
        ).fetchall()
        for (table,) in tables:
            of_both = [
                connection.execute(f"SELECT count(*) FROM {quote_name(database)}.{quote_name(table)}").fetchone()
                for database in (name, _COPY)
            ]
            if of_both[0] != of_both[1]:
                raise StoreError(f"{table}: {of_both[1]} of {of_both[0]} rows were copied", "try again; check the disk")
        connection.execute("COMMIT")
    # whatever it is, Ctrl-C too: a half-done transaction must not linger on the connection
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"DETACH {_COPY}")


def _listed(work: Path) -> list[str]:
    """Names below ``work``, the database first."""
    names = sorted(path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file())
    return sorted(names, key=lambda name: name != LIVE)


def _pack(work: Path, manifest: Mapping[str, Any], target: Path) -> None:
    """One tar archive, readable for this user only, durable when it is whole."""
    text = json.dumps({"id": hash_manifest(manifest), **manifest}, indent=1).encode()
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            head = tarfile.TarInfo(MANIFEST)
            head.size, head.mode = len(text), 0o600
            tar.addfile(head, io.BytesIO(text))
            for name in manifest["files"]:
                path = work / name
                held = path.stat()
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = held.st_size, held.st_mode & 0o777, int(held.st_mtime)
                with path.open("rb") as content:
                    tar.addfile(member, content)
        file.flush()
        os.fsync(file.fileno())
