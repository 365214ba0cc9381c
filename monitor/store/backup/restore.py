"""Restoring a backup: verified whole, unpacked aside, opened once, and only then put in place of what is there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from monitor import __version__
from monitor.model.errors import StoreError, StoreInUseError, UsageError
from monitor.store.backup.archive import KEPT, Manifest, check_archive
from monitor.store.connection import LIVE, known_migrations, make_state_dir, name_writer, open_live
from monitor.store.played import played_until
from monitor.store.published.snapshot import SNAPSHOT, Publisher
from monitor.store.restoring import finish_restore, prepare_restore, put_in_place

_STATE = (LIVE, f"{LIVE}.wal", SNAPSHOT)


def restore_backup(
    archive: Path, state_dir: Path, now: datetime, *, replace: bool, memory_limit: str = "1GB"
) -> Manifest:
    """Make ``state_dir`` what the archive holds, with metrics.duckdb published from it.

    Raises UsageError when a state is there already and ``replace`` is not given, StoreInUseError while a process holds its
    database, and StoreError when the archive is damaged, foreign or of a newer calwatch, or the directory cannot be
    written. Then, and after a crash, the old state is there as it was; or, once all is written, the new one.
    """
    manifest = check_archive(archive)
    _refuse_newer(archive, manifest)
    try:
        make_state_dir(state_dir)
        with _without_daemon(state_dir / LIVE):
            finish_restore(state_dir)
            if not replace and (held := find_state(state_dir)):
                raise UsageError(
                    f"{state_dir}: holds a state already ({held})",
                    "move it away, or let it be replaced, for good: calwatch restore --replace FILE",
                )
            with prepare_restore(state_dir) as new:
                check_archive(archive, new)
                # opened where it is, which says whether it can be, and published as of its last cycle
                with closing(open_live(new, memory_limit=memory_limit, now=now)) as connection:
                    Publisher(new).publish(connection, played_until(connection))
                _give_to_owner(state_dir, new)
                put_in_place(state_dir)
    except OSError as error:
        raise StoreError(
            f"{state_dir}: cannot be restored: {error.strerror} ({error.filename})",
            "check permissions and free space; run it as the daemon's user",
        ) from error
    return manifest


def find_state(state_dir: Path) -> str:
    """What of a state is in the directory, by its first name; "" where there is none."""
    for name in _STATE:
        if os.path.lexists(state_dir / name):
            return name
    return next((name for name in KEPT if any(path.is_file() for path in (state_dir / name).rglob("*"))), "")


def _refuse_newer(archive: Path, manifest: Manifest) -> None:
    unknown = sorted(set(manifest.migrations) - known_migrations())
    if unknown:
        raise StoreError(
            f"{archive}: was written by a newer calwatch, {manifest.calwatch_version} (migration {unknown[-1]!r}); this is "
            f"calwatch {__version__}",
            f"{name_writer(manifest.calwatch_version, unknown[-1])}, or restore an older backup",
        )


@contextmanager
def _without_daemon(live: Path) -> Iterator[None]:
    """Hold the lock that DuckDB takes, so that no daemon has it and none takes it. Raises StoreInUseError and OSError."""
    if not live.is_file():
        yield
        return
    with live.open("rb+") as file:  # no connection of this process has it: only the daemon's process restores nothing
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise StoreInUseError(
                f"{live}: in use by another process, such as a running daemon",
                "stop it, then restore: nothing was changed",
            ) from None
        yield


def _give_to_owner(state_dir: Path, new: Path) -> None:
    """Restored by root, it is still the daemon's."""
    if os.geteuid():
        return
    owner = state_dir.stat()
    for base, directories, names in os.walk(new):
        for name in (*directories, *names):
            os.chown(Path(base) / name, owner.st_uid, owner.st_gid, follow_symlinks=False)
