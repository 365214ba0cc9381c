"""A restored state put in place of another so that a crash at any point leaves the one or the other, whole.

    state_dir/.restore/lock     held by the process at work
                      /new/…    the state to be
                      /ready    there once new/ is whole and durable: from here on it will be in place
                      /old/…    what gave way

What ``ready`` promised and a crash cut short is finished by whoever opens the database next.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from monitor.model.errors import StoreError, StoreInUseError
from monitor.model.files import flush_directory

_MOUNTS = Path("/proc/self/mountinfo")
_REMEDY = (
    "nothing was changed. Restore into a [monitor] state_dir whose parts are plain files and directories of its own, then "
    "copy them to where this one leads; or take the {kind} away first, restore, and put it back"
)


def refuse_immovable(state_dir: Path, names: Iterable[str]) -> None:
    """Raises StoreError where one of the parts, or a directory in it, is a mount point, a symbolic link or on another file
    system than the state directory; and OSError."""
    mounts = _mount_points()
    device = state_dir.stat().st_dev
    for name in names:
        for path in _directories(state_dir / name):
            if path.is_symlink():
                raise _refused(path, f"is a symbolic link to {path.readlink()}", "link")
            if path.resolve() in mounts:
                raise _refused(path, "is a mount point", "volume")
            if path.lstat().st_dev != device:
                raise _refused(path, f"is on another file system than {state_dir}", "volume")


def _refused(path: Path, what: str, kind: str) -> StoreError:
    return StoreError(
        f"{path}: {what}, so a restore cannot put another in its place in one step", _REMEDY.format(kind=kind)
    )


def _directories(part: Path) -> Iterator[Path]:
    """The part itself, and each directory below it."""
    if not os.path.lexists(part):
        return
    yield part
    if part.is_symlink():
        return
    for base, directories, _ in os.walk(part):
        yield from (Path(base) / name for name in directories)


def _mount_points() -> frozenset[Path]:
    """Also those of one file system within itself, which no device number tells; none where the system does not say."""
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return frozenset()
    named = (line.split(" ")[4] for line in lines if line.count(" ") > 4)
    # blanks and backslashes are written in octal digits there
    return frozenset(Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)) for name in named)


log = structlog.get_logger("calwatch")
RESTORE = ".restore"
NEW = "new"
_READY, _OLD, _LOCK = "ready", "old", "lock"
PARTS = ("calibrators", "inbox", "requests", "metrics.duckdb")  # each is replaced whole
_LIVE = "live.duckdb"
_GIVE_WAY = ("live.duckdb.wal", *(f".snapshot-{letter}.duckdb{wal}" for letter in "abc" for wal in ("", ".wal")))


@contextmanager
def prepare_restore(state_dir: Path) -> Iterator[Path]:
    """The empty directory that is to hold the new state. What is in it without ``put_in_place`` goes again.

    Raises StoreInUseError while another process restores, StoreError where a part of the old state cannot give way, and
    OSError.
    """
    refuse_immovable(state_dir, (*PARTS, _LIVE, *_GIVE_WAY))
    with _locked(state_dir / RESTORE) as directory:
        try:
            (directory / NEW).mkdir()
            yield directory / NEW
        finally:
            if not (directory / _READY).exists():
                shutil.rmtree(directory, ignore_errors=True)


def put_in_place(state_dir: Path) -> None:
    """Replace the state by what is in ``new``, whole by now; within ``prepare_restore``. Raises OSError; then the old state is
    in place again."""
    directory = state_dir / RESTORE
    for part in PARTS:
        if not (directory / NEW / part).exists() and not part.endswith(".duckdb"):
            (directory / NEW / part).mkdir(mode=0o750)
    _make_durable(directory / NEW)
    (directory / _READY).touch()
    flush_directory(directory)
    _replace_or_put_back(state_dir, directory)


def finish_restore(state_dir: Path) -> None:
    """Do what a crash kept a restore from doing, or clear away what it had not finished writing.

    Raises StoreInUseError while a restore is under way, StoreError when the new state cannot be put in place, after which the
    old one is there again, and OSError.
    """
    directory = state_dir / RESTORE
    if not directory.is_dir():
        return
    if not (directory / _READY).exists():
        with _locked(directory):
            shutil.rmtree(directory, ignore_errors=True)
        log.warning("an interrupted restore left the state as it was; what it had begun to write is cleared away")
        return
    with _locked(directory, keep=True):
        try:
            _replace_or_put_back(state_dir, directory)
        except OSError as error:
            if (directory / _READY).exists():
                raise
            shutil.rmtree(directory, ignore_errors=True)
            raise StoreError(
                f"{error.filename or state_dir}: an interrupted restore could not be finished: {error.strerror}; the state "
                "is the old one again",
                "mend that and restore again, or go on with the old state: run this again",
            ) from error
    log.warning("an interrupted restore is finished: the state is the restored one", state_dir=str(state_dir))


@contextmanager
def _locked(directory: Path, *, keep: bool = False) -> Iterator[Path]:
    """Hold the directory for this process; without ``keep`` what is in it goes first."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / _LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreInUseError(
                f"{directory.parent}: a backup is being restored into it by another process", "wait until it has ended"
            ) from None
        if not keep and not (directory / _READY).exists():
            for name in (NEW, _OLD):
                shutil.rmtree(directory / name, ignore_errors=True)
        yield directory


def _replace(state_dir: Path, directory: Path) -> None:
    """Each step may have been done before. The database comes last: until then its lock keeps daemons away."""
    new, old = directory / NEW, directory / _OLD
    old.mkdir(exist_ok=True)
    for part in PARTS:
        if (new / part).exists():
            _move_away(state_dir / part, old)
            (new / part).rename(state_dir / part)
    if (new / _LIVE).exists():
        for name in _GIVE_WAY:
            _move_away(state_dir / name, old)
        if (state_dir / _LIVE).is_dir():
            _move_away(state_dir / _LIVE, old)
        (new / _LIVE).replace(state_dir / _LIVE)
    flush_directory(state_dir)
    shutil.rmtree(old)
    shutil.rmtree(new)
    (directory / _READY).unlink()
    shutil.rmtree(directory)


def _replace_or_put_back(state_dir: Path, directory: Path) -> None:
    """Raises OSError; unless the database is replaced by then, the old state is in place again, and nothing is promised."""
    try:
        _replace(state_dir, directory)
    except OSError:
        if (directory / NEW / _LIVE).exists():
            _put_back(state_dir, directory)
            (directory / _READY).unlink()
        raise


def _put_back(state_dir: Path, directory: Path) -> None:
    """Undo what ``_replace`` has done so far: of each part, what is not in ``new`` any more has been put in place."""
    new, old = directory / NEW, directory / _OLD
    for part in PARTS:
        if not (new / part).exists() and os.path.lexists(state_dir / part):
            (state_dir / part).rename(new / part)
    for name in (*PARTS, *_GIVE_WAY, _LIVE):
        if os.path.lexists(old / name) and not os.path.lexists(state_dir / name):
            (old / name).rename(state_dir / name)
    flush_directory(state_dir)


def _move_away(path: Path, old: Path) -> None:
    target = old / path.name
    if not os.path.lexists(path):
        return
    if os.path.lexists(target):  # a crash in between, and somebody has made it anew
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
    path.rename(target)


def _make_durable(directory: Path) -> None:
    for base, _, names in os.walk(directory):
        for name in names:
            with (Path(base) / name).open("rb") as file:
                os.fsync(file.fileno())
        flush_directory(Path(base))
