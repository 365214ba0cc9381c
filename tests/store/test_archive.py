"""Archives of backups that are broken, hostile or of a newer calwatch: nothing of them is believed."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.model.errors import StoreError
from monitor.store.backup.archive import MANIFEST, hash_manifest
from monitor.store.backup.restore import restore_backup
from monitor.store.connection import LIVE, open_live
from tests.worlds.backups import NOW, backed_up
from tests.worlds.levels import files_below


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return backed_up(tmp_path_factory.mktemp("made"))


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _nothing(content: bytes) -> bytes:
    return b""


def _other(content: bytes) -> bytes:
    return os.urandom(4096)


def _flipped(content: bytes) -> bytes:
    at = content.index(b'"fit_window"')
    return content[:at] + b'"fit_wind0w"' + content[at + 12 :]


def _edited(content: bytes) -> bytes:
    return content.replace(b'"played": true', b'"played":false')


def _more(content: bytes) -> bytes:
    return _packed(content, lambda tar: tar.addfile(_member("calibrators/m/extra.json", b"{}"), io.BytesIO(b"{}")))


def _tar_of_something(content: bytes) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as tar:
        tar.addfile(_member("notes.txt", b"hello"), io.BytesIO(b"hello"))
    return into.getvalue()


BROKEN = [_cut, _nothing, _other, _flipped, _edited, _more, _tar_of_something]


@pytest.mark.parametrize("breaking", BROKEN, ids=lambda breaking: breaking.__name__.strip("_"))
def test_a_broken_archive_is_one_clear_error_and_changes_nothing(
    made: tuple[Path, Path], tmp_path: Path, breaking: Callable[[bytes], bytes]
) -> None:
    archive = tmp_path / "broken.tar"
    archive.write_bytes(breaking(made[1].read_bytes()))
    target = tmp_path / "state"
    open_live(target, now=NOW).close()
    before = files_below(target)
    with pytest.raises(StoreError) as raised:
        restore_backup(archive, target, NOW, replace=True)
    assert raised.value.message.startswith(f"{archive}: is ")
    assert raised.value.hint
    assert files_below(target) == before


NAMES = [
    "../escaped",
    "/tmp/escaped",
    "calibrators/../../escaped",
    "calibrators//x",
    "work/x",
    "calibrators/./x",
    "inbox",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_state(made: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    archive = tmp_path / "hostile.tar"
    archive.write_bytes(_with(made[1].read_bytes(), name, b"x", _member(name, b"x")))
    with pytest.raises(StoreError, match="no part of a state"):
        restore_backup(archive, tmp_path / "state", NOW, replace=False)
    assert not (tmp_path / "escaped").exists()
    assert not Path("/tmp/escaped").exists()
    assert not (tmp_path / "state" / LIVE).exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_only_plain_files_are_taken(made: tuple[Path, Path], tmp_path: Path, kind: bytes) -> None:
    member = _member("calibrators/m/link.json", b"")
    member.type, member.linkname = kind, "/etc/passwd"
    archive = tmp_path / "hostile.tar"
    archive.write_bytes(_with(made[1].read_bytes(), "calibrators/m/link.json", b"", member))
    with pytest.raises(StoreError, match="is damaged"):
        restore_backup(archive, tmp_path / "state", NOW, replace=False)
    assert not (tmp_path / "state" / LIVE).exists()


def test_an_archive_of_a_newer_calwatch_is_refused_with_both_versions_named(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    archive = tmp_path / "newer.tar"

    def newer(manifest: dict[str, object]) -> None:
        manifest["calwatch_version"] = "9.8.7"
        manifest["migrations"] = ["0999_tomorrow"]

    archive.write_bytes(_changed(made[1].read_bytes(), newer))
    with pytest.raises(StoreError, match=r"newer calwatch, 9\.8\.7 .* this is calwatch \d"):
        restore_backup(archive, tmp_path / "state", NOW, replace=False)


def _member(name: str, content: bytes) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size = len(content)
    return found


def _packed(content: bytes, adding: Callable[[tarfile.TarFile], None], manifest: bytes | None = None) -> bytes:
    """The archive made anew, with another manifest where one is given, and something more at its end."""
    into = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=into, mode="w") as new:
        for member in old:
            held = old.extractfile(member)
            assert held is not None
            body = manifest if member.name == MANIFEST and manifest is not None else held.read()
            member.size = len(body)
            new.addfile(member, io.BytesIO(body))
        adding(new)
    return into.getvalue()


def _changed(
    content: bytes,
    change: Callable[[dict[str, object]], None],
    adding: Callable[[tarfile.TarFile], None] = lambda tar: None,
) -> bytes:
    """The same with another manifest that fits itself: what somebody who knows how would make."""
    with tarfile.open(fileobj=io.BytesIO(content)) as old:
        held = old.extractfile(MANIFEST)
        assert held is not None
        manifest = json.loads(held.read())
    del manifest["id"]
    change(manifest)
    return _packed(content, adding, json.dumps({"id": hash_manifest(manifest), **manifest}).encode())


def _with(content: bytes, name: str, body: bytes, member: tarfile.TarInfo) -> bytes:
    def named(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, dict)
        files[name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}

    return _changed(content, named, lambda tar: tar.addfile(member, io.BytesIO(body)))
