"""Parts of a state that cannot be moved aside, so that a restore could not put others in their place: found before it."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from monitor.errors import StoreError

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
    return frozenset(Path(_unescaped(line.split(" ")[4])) for line in lines if line.count(" ") > 4)


def _unescaped(text: str) -> str:
    """Blanks and backslashes are written in octal digits there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
