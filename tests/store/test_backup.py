"""Back-ups: one archive of all that a state is, and the state made of it again; kills."""

import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from monitor.model.errors import StoreError, StoreInUseError, UsageError
from monitor.store.backup.archive import check_archive
from monitor.store.backup.create import write_backup
from monitor.store.backup.restore import restore_backup
from monitor.store.connection import LIVE, open_live
from tests.worlds.backups import NOW, backed_up
from tests.worlds.daemon import configured, running, sampled
from tests.worlds.levels import MINUTE, files_below, run_cycle, tables_of
from tests.worlds.process import calwatch, calwatch_here, free_port, wait_for


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return backed_up(tmp_path_factory.mktemp("made"))


def test_a_restored_state_is_the_same_and_goes_on_without_doubling_rows(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    state, archive = made
    shutil.copytree(state.parent, tmp_path / "line")
    base, other = tmp_path / "line", tmp_path / "line" / "state"
    shutil.rmtree(other)
    held = restore_backup(archive, other, NOW, replace=False)
    assert held.played
    assert tables_of(other / LIVE) == tables_of(state / LIVE)
    for part in ("calibrators", "inbox"):
        assert files_below(other / part) == files_below(state / part)
    with duckdb.connect(str(other / "metrics.duckdb"), read_only=True) as snapshot:
        assert snapshot.execute("SELECT played FROM snapshot").fetchall() == [(True,)]
    with duckdb.connect(str(other / LIVE)) as moved:
        moved.execute("UPDATE cursors SET item = replace(item, ?, ?)", [str(state.parent), str(base)])
    before = len(tables_of(other / LIVE)["samples"])
    assert not run_cycle(base, NOW + MINUTE).failed
    assert len(tables_of(other / LIVE)["samples"]) == before == 1600


def test_modes_keep_a_restored_state_from_others(made: tuple[Path, Path], tmp_path: Path) -> None:
    _, archive = made
    assert archive.stat().st_mode & 0o777 == 0o600
    restore_backup(archive, tmp_path / "state", NOW, replace=False)
    assert (tmp_path / "state").stat().st_mode & 0o007 == 0
    assert (tmp_path / "state" / LIVE).stat().st_mode & 0o007 == 0
    assert not list((tmp_path / "state").glob(".restore"))


def test_a_state_is_not_restored_over_without_being_told_to(made: tuple[Path, Path], tmp_path: Path) -> None:
    _, archive = made
    target = tmp_path / "state"
    open_live(target, now=NOW).close()
    (target / "calibrators").mkdir()
    (target / "calibrators" / "old.json").write_text("{}")
    before = files_below(target)
    with pytest.raises(UsageError, match="holds a state already"):
        restore_backup(archive, target, NOW, replace=False)
    assert files_below(target) == before
    restore_backup(archive, target, NOW, replace=True)
    assert not (target / "calibrators" / "old.json").exists()
    assert len(tables_of(target / LIVE)["samples"]) == 1600


def test_a_snapshot_of_the_replaced_state_is_not_gone_on_with(made: tuple[Path, Path], tmp_path: Path) -> None:
    state, archive = made
    shutil.copytree(state.parent, tmp_path, dirs_exist_ok=True)
    with duckdb.connect(str(tmp_path / "state" / LIVE)) as moved:
        moved.execute("UPDATE cursors SET item = replace(item, ?, ?)", [str(state.parent), str(tmp_path)])
    run_cycle(tmp_path, NOW + 90 * MINUTE)
    restore_backup(archive, tmp_path / "state", NOW, replace=True)
    with duckdb.connect(str(tmp_path / "state" / "metrics.duckdb"), read_only=True) as snapshot:
        shown = snapshot.execute("SELECT max(sequence), count(*) FROM slice_history").fetchall()
    readings = tables_of(tmp_path / "state" / LIVE)["readings"]
    assert shown == [(max(row[0] for row in readings), len(readings))]  # type: ignore[type-var]  # numbers
    assert not list((tmp_path / "state").glob(".snapshot-[bc].duckdb"))


def test_while_another_process_holds_the_database_nothing_is_restored(made: tuple[Path, Path], tmp_path: Path) -> None:
    _, archive = made
    open_live(tmp_path, now=NOW).close()
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb\nc = duckdb.connect({str(tmp_path / LIVE)!r})\nprint(1, flush=True)\ninput()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    try:
        holder.stdout.readline()
        before = files_below(tmp_path)
        with pytest.raises(StoreInUseError, match="in use"):
            restore_backup(archive, tmp_path, NOW, replace=True)
        assert files_below(tmp_path) == before
    finally:
        holder.communicate(b"\n")


# what may be done to the bytes of an archive, or to what it says
def test_a_file_that_is_no_backup_is_not_written_over(made: tuple[Path, Path], tmp_path: Path) -> None:
    state, _ = made
    target = tmp_path / "letters.txt"
    target.write_text("dear")
    connection = open_live(state, now=NOW)
    try:
        with pytest.raises(StoreError, match="is no backup"):
            write_backup(connection, state, target, NOW)
        with pytest.raises(StoreError, match="no directory"):
            write_backup(connection, state, tmp_path / "nowhere" / "b.tar", NOW)
        write_backup(connection, state, tmp_path / "b.tar", NOW)
        write_backup(connection, state, tmp_path / "b.tar", NOW)
    finally:
        connection.close()
    assert target.read_text() == "dear"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "letters.txt"]
    assert not (state / ".backup").exists()


STEPS = [
    "os.replace", "pathlib.Path.replace", "pathlib.Path.rename", "os.fsync", "shutil.rmtree", "pathlib.Path.mkdir",
    "os.link", "tarfile.TarFile.addfile",
]  # fmt: skip
KILLED = """
import os, sys, signal, importlib
from datetime import UTC, datetime
from pathlib import Path
step, count = sys.argv[1], int(sys.argv[2])
from monitor.store.backup import create as backup, restore
from monitor.store.connection import open_live
import pathlib, shutil, tarfile
owner, _, name = step.rpartition(".")
part = importlib.import_module(owner.split(".")[0])
for each in owner.split(".")[1:]:
    part = getattr(part, each)
whole, seen = getattr(part, name), 0
def stepped(*given, **named):
    global seen
    seen += 1
    if seen == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given, **named)
now = datetime(2026, 3, 10, 12, 3, tzinfo=UTC)
state, archive = Path(sys.argv[4]), Path(sys.argv[5])
if sys.argv[3] == "backup":
    connection = open_live(state, now=now)
    setattr(part, name, stepped)
    backup.write_backup(connection, state, archive, now)
else:
    setattr(part, name, stepped)
    restore.restore_backup(archive, state, now, replace=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_backup_that_is_killed_leaves_the_old_archive_or_the_new_one(
    made: tuple[Path, Path], tmp_path: Path, step: str
) -> None:
    state = tmp_path / "state"
    shutil.copytree(made[0], state)
    archive = tmp_path / "b.tar"
    shutil.copy(made[1], archive)
    before = tables_of(state / LIVE)
    for count in range(1, 100):
        ended = _killed(step, count, "backup", state, archive)
        check_archive(archive)
        assert tables_of(state / LIVE) == before
        if ended == 0:
            break
    assert ended == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "state"]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_restore_that_is_killed_leaves_the_old_state_or_the_new_one(
    made: tuple[Path, Path], tmp_path: Path, step: str
) -> None:
    other = tmp_path / "other"
    open_live(other, now=NOW).close()
    (other / "calibrators").mkdir()
    (other / "calibrators" / "note.json").write_text("{}")
    tables = [tables_of(path / LIVE) for path in (other, made[0])]
    files = [files_below(path / "calibrators") for path in (other, made[0])]
    found = set()
    for count in range(1, 100):
        state = tmp_path / f"state{count}"
        shutil.copytree(other, state)
        ended = _killed(step, count, "restore", state, made[1])
        open_live(state, now=NOW).close()  # as the next start does
        which = tables.index(tables_of(state / LIVE))
        assert files_below(state / "calibrators") == files[which]
        assert not (state / ".restore").exists()
        found.add(which)
        if ended == 0:
            assert which == 1
            break
    assert ended == 0


def _killed(step: str, count: int, what: str, state: Path, archive: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step, str(count), what, str(state), str(archive)],
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


@pytest.mark.slow
def test_a_running_daemon_writes_what_it_is_asked_for_beside_its_cycles(tmp_path: Path) -> None:
    sampled(tmp_path, 1, 2000, datetime.now(UTC))
    port = free_port()
    with running(tmp_path, port) as daemon:
        wait_for(lambda: (tmp_path / "state" / "metrics.duckdb").exists(), "a cycle")
        asked = calwatch_here("backup", tmp_path / "b.tar", "--wait", "60", cwd=tmp_path)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        refused = calwatch_here("restore", tmp_path / "b.tar", "--replace", cwd=tmp_path)
        assert refused.returncode == 1
        assert "in use" in refused.stderr
        failed = calwatch_here("backup", tmp_path / "no" / "b.tar", "--wait", "60", cwd=tmp_path)
        assert failed.returncode == 1
        assert "there is no directory" in failed.stderr
        assert daemon.process.poll() is None
    held = check_archive(tmp_path / "b.tar")
    assert not held.played
    shutil.rmtree(tmp_path / "state")
    configured(tmp_path, port)
    restored = calwatch_here("restore", tmp_path / "b.tar", cwd=tmp_path)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    gone_on = calwatch("once", cwd=tmp_path)
    assert gone_on.returncode == 0, gone_on.stdout + gone_on.stderr
    assert len(tables_of(tmp_path / "state" / LIVE)["samples"]) == 2000
