"""Reading a backup: nothing in it is believed before all of it has been compared with what its manifest says.

A manifest names every file; the archive must hold just these, in this order, as plain files. So there is no path out of
the directory, no link and no device to be made, and no more bytes than the archive itself has.
"""

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor.model.errors import StoreError

MANIFEST = "calwatch-backup.json"
FORMAT = 1
KEPT = ("calibrators", "inbox", "requests")  # directories that belong to a state, beside its database
_DATABASE = "live.duckdb"
_LONGEST_MANIFEST = 64 * 1024 * 1024
_DEEPEST = 5  # inbox/<model>/<source>/receipts/<name>
_PART = re.compile(r"[^/\0]{1,255}")
_CHUNK = 1024 * 1024
_ANOTHER = "nothing was changed; take another backup, or copy this one again from where it came"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; ``files``: name → (bytes, SHA-256)."""

    calwatch_version: str
    written_at: datetime
    played: bool
    migrations: tuple[str, ...]
    files: Mapping[str, tuple[int, str]]


class _MistakeError(Exception):
    """What does not fit, in words that follow "is damaged: "."""


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_manifest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's content, so that an edited one is found."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def check_archive(path: Path, into: Path | None = None) -> Manifest:
    """Return the manifest of a backup of which every byte is as it was written. ``into``: an empty directory below which its
    files are written, each compared on the way. Raises StoreError saying what is wrong, and OSError where they cannot be
    written."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file", "name the file that calwatch backup wrote") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}", "check the path and its permissions") from error
    with file:
        if file.read(len(MANIFEST)) != MANIFEST.encode():
            raise StoreError(f"{path}: is not a calwatch backup", "name a file that calwatch backup wrote")
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                manifest = _manifest(tar, path.stat().st_size)
                for name, (size, digest) in manifest.files.items():
                    _take(tar, name, size, digest, into)
                if (more := tar.next()) is not None:
                    raise _MistakeError(f"it holds {more.name[:100]!r}, which its manifest does not name")
                return manifest
        except _MistakeError as mistake:
            raise StoreError(f"{path}: is damaged: {mistake}", _ANOTHER) from None
        except (tarfile.TarError, EOFError, ValueError, RecursionError, OverflowError, MemoryError) as error:
            raise StoreError(f"{path}: is damaged: {str(error) or type(error).__name__}", _ANOTHER) from error


def _manifest(tar: tarfile.TarFile, bytes_: int) -> Manifest:
    head = tar.next()
    if head is None or head.name != MANIFEST or not _is_plain(head) or head.size > _LONGEST_MANIFEST:
        raise _MistakeError("it does not begin with its manifest")
    content = tar.extractfile(head)
    assert content is not None  # a plain file
    text = content.read()
    if len(text) != head.size:
        raise _MistakeError("it ends within its manifest")
    held = json.loads(text)
    if not isinstance(held, dict) or not isinstance(held.get("format"), int):
        raise _MistakeError("its manifest is not one of calwatch's")
    if held["format"] > FORMAT:
        raise _MistakeError(
            f"it is of format {held['format']}, written by calwatch {str(held.get('calwatch_version'))[:40]}; this calwatch "
            f"reads up to {FORMAT}"
        )
    if held.pop("id", None) != hash_manifest(held):
        raise _MistakeError("its manifest was edited")
    try:
        files = {str(name): (int(each["bytes"]), str(each["sha256"])) for name, each in held["files"].items()}
        found = Manifest(
            str(held["calwatch_version"]), datetime.fromisoformat(held["written_at"]), held["played"] is True,
            tuple(map(str, held["migrations"])), files,
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise _MistakeError(f"its manifest lacks something: {error!r}") from None
    _demand_sane(found, bytes_)
    return found


def _demand_sane(manifest: Manifest, bytes_: int) -> None:
    if next(iter(manifest.files), "") != _DATABASE:
        raise _MistakeError("it holds no database")
    for name in list(manifest.files)[1:]:
        parts = name.split("/")
        plain = all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
        if not plain or parts[0] not in KEPT or not 2 <= len(parts) <= _DEEPEST:
            raise _MistakeError(f"it holds {name[:100]!r}, which is no part of a state")
    sizes = [size for size, _ in manifest.files.values()]
    if min(sizes) < 0 or sum(sizes) > bytes_:
        raise _MistakeError("its files have more bytes than it has")


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()


def _take(tar: tarfile.TarFile, name: str, size: int, digest: str, into: Path | None) -> None:
    """Compare the next member with what is said of it, and write it where that is asked for."""
    member = tar.next()
    if member is None:
        raise _MistakeError(f"it ends before {name[:100]!r}")
    if member.name != name or member.size != size or not _is_plain(member):
        raise _MistakeError(f"{member.name[:100]!r} is not what its manifest says of {name[:100]!r}")
    content = tar.extractfile(member)
    assert content is not None  # a plain file
    target = None
    if into is not None:
        path = into / name
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        target = path.open("xb")
    found = hashlib.sha256()
    try:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            if target is not None:
                target.write(chunk)
    finally:
        if target is not None:
            target.close()
    if found.hexdigest() != digest:
        raise _MistakeError(f"{name[:100]!r} is not as it was written")
    if into is not None:
        _keep_modes(into / name, member)


def _keep_modes(path: Path, member: tarfile.TarInfo) -> None:
    """Who could read still may; nobody else may write, and what is not of production's is not for everybody."""
    allowed = 0o644 if member.name.startswith("calibrators/") else 0o640
    path.chmod((member.mode & allowed) | 0o600)
    os.utime(path, (member.mtime, member.mtime))
