"""A restore over parts that cannot be moved aside, and one that fails in the middle: the old state stays, whole and usable."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.model.errors import StoreError
from monitor.store import restoring as movable
from monitor.store.backup.create import write_backup
from monitor.store.backup.restore import restore_backup
from monitor.store.connection import LIVE, open_live
from tests.worlds.levels import files_below, tables_of

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A state, and the backup of another one."""
    other = tmp_path / "other"
    connection = open_live(other, now=NOW)
    connection.execute("CREATE TABLE mark AS SELECT 1 AS one")
    (other / "calibrators" / "m").mkdir(parents=True)
    (other / "calibrators" / "m" / "of_the_backup.json").write_text("{}")
    write_backup(connection, other, tmp_path / "b.tar", NOW)
    connection.close()
    state = tmp_path / "state"
    open_live(state, now=NOW).close()
    for part in ("calibrators/m", "inbox/m", "requests"):
        (state / part).mkdir(parents=True)
        (state / part / "old.json").write_text("{}")
    (state / "metrics.duckdb").write_bytes(b"old")
    return state, tmp_path / "b.tar"


def _through_a_link(name: str) -> Callable[[Path], None]:
    def link(state: Path) -> None:
        (state / name).rename(state.parent / "elsewhere")
        (state / name).symlink_to(state.parent / "elsewhere")

    return link


@pytest.mark.parametrize("name", ["calibrators", "calibrators/m", "inbox", "requests", "metrics.duckdb", "live.duckdb"])
def test_what_a_link_leads_to_is_not_replaced_without_a_word(
    made: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    state, archive = made
    _through_a_link(name)(state)
    before = files_below(tmp_path)
    with pytest.raises(StoreError, match=r"is a symbolic link to .*elsewhere") as refused:
        restore_backup(archive, state, NOW, replace=True)
    assert "nothing was changed" in refused.value.hint
    assert files_below(tmp_path) == before
    assert (state / name).is_symlink()


@pytest.mark.parametrize("name", ["calibrators", "calibrators/m", "inbox", "live.duckdb"])
def test_a_mount_point_is_refused_before_anything_is_moved(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    state, archive = made
    listed = tmp_path / "mountinfo"
    place = str((state / name).resolve()).replace("_", "\\137")
    listed.write_text(f"36 35 98:0 /vol {place} rw,noatime master:1 - ext4 /dev/root rw\n")
    monkeypatch.setattr(movable, "_MOUNTS", listed)
    before = files_below(state)
    with pytest.raises(StoreError, match=f"{name}: is a mount point"):
        restore_backup(archive, state, NOW, replace=True)
    assert files_below(state) == before


@pytest.mark.parametrize("count", range(1, 10))
def test_a_restore_that_cannot_move_a_part_leaves_the_old_state_usable(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    state, archive = made
    before, tables = files_below(state), tables_of(state / LIVE)
    whole, seen = Path.rename, 0

    def busy(path: Path, target: Path) -> Path:
        nonlocal seen
        seen += 1
        if seen == count:
            raise OSError(16, "Device or resource busy", str(path))
        return whole(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    if count > 8:  # four parts, each moved away and in; then all went well
        restore_backup(archive, state, NOW, replace=True)
        assert (state / "calibrators" / "m" / "of_the_backup.json").exists()
        return
    with pytest.raises(StoreError, match="Device or resource busy"):
        restore_backup(archive, state, NOW, replace=True)
    assert files_below(state).keys() == before.keys()
    open_live(state, now=NOW).close()
    assert tables_of(state / LIVE) == tables
    assert not (state / ".restore").exists()


def test_an_interrupted_restore_that_cannot_be_finished_is_told_and_undone(
    made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, archive = made
    before = files_below(state)
    whole = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda *given, **named: None)  # keep .restore as a kill does
    with monkeypatch.context() as patched:
        patched.setattr("monitor.store.restoring._replace", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore_backup(archive, state, NOW, replace=True)
    monkeypatch.setattr(shutil, "rmtree", whole)
    assert (state / ".restore" / "ready").exists()
    with monkeypatch.context() as patched:
        real = Path.rename
        seen: list[Path] = []

        def busy(path: Path, target: Path) -> Path:
            seen.append(path)
            if len(seen) == 4:
                raise OSError(16, os.strerror(16), str(path))
            return real(path, target)

        patched.setattr(Path, "rename", busy)
        with pytest.raises(
            StoreError, match="could not be finished: Device or resource busy; the state is the old one"
        ):
            open_live(state, now=NOW)
    assert files_below(state) == before
    open_live(state, now=NOW).close()


def _interrupted(*given: object) -> None:
    raise KeyboardInterrupt
