"""Requests for backups that cannot be done, and backups that were killed: neither is in the way of the next one."""

import signal
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.engine import backups
from monitor.engine.backups import BackupDesk, ask_backup, load_backup
from monitor.engine.opening import make_ready
from monitor.store.backup.create import write_backup
from monitor.store.connection import open_live
from tests.worlds.daemon import configured
from tests.worlds.process import calwatch, free_port

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def _too_long(base: Path) -> Path:
    return base / ("x" * 300 + ".tar")


def _just_too_long_for_what_is_written_first(base: Path) -> Path:
    return base / ("x" * 250)


def _below_a_file(base: Path) -> Path:
    (base / "file").touch()
    return base / "file" / "b.tar"


def _in_a_loop(base: Path) -> Path:
    (base / "loop").symlink_to(base / "loop")
    return base / "loop" / "b.tar"


def _with_a_zero_in_its_name(base: Path) -> Path:
    return base / "b\0.tar"


def _with_half_a_character(base: Path) -> Path:
    return base / "b\ud83d.tar"


BAD = [
    _too_long, _just_too_long_for_what_is_written_first, _below_a_file, _in_a_loop, _with_a_zero_in_its_name,
    _with_half_a_character,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__.strip("_"))
def test_a_request_that_cannot_be_done_fails_with_its_reason_and_the_next_is_done(tmp_path: Path, bad: object) -> None:
    state = tmp_path / "state"
    connection = open_live(state, now=NOW)
    try:
        first = ask_backup(state, bad(tmp_path))  # type: ignore[operator]
        second = ask_backup(state, tmp_path / "good.tar")
        BackupDesk(state, lambda: connection, nullcontext, lambda: NOW).take_requests()
    finally:
        connection.close()
    failed, done = load_backup(state, first), load_backup(state, second)
    assert failed is not None
    assert failed.state == "failed"
    assert failed.problem
    assert failed.hint
    assert done is not None
    assert done.state == "done"
    assert not list((state / "backups").glob("*.json"))


def test_even_a_mistake_of_ours_is_told_to_whoever_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise RuntimeError("no words")

    monkeypatch.setattr(backups, "write_backup", broken)
    connection = open_live(tmp_path, now=NOW)
    try:
        token = ask_backup(tmp_path, tmp_path / "b.tar")
        BackupDesk(tmp_path, lambda: connection, nullcontext, lambda: NOW).take_requests()
    finally:
        connection.close()
    told = load_backup(tmp_path, token)
    assert told is not None
    assert (told.state, told.problem) == ("failed", f"{tmp_path / 'b.tar'}: RuntimeError: no words")


@pytest.mark.parametrize("bad", [_too_long, _below_a_file, _in_a_loop], ids=lambda bad: bad.__name__.strip("_"))
def test_without_a_daemon_it_is_one_clear_error(tmp_path: Path, bad: object) -> None:
    configured(tmp_path, free_port())
    open_live(tmp_path / "state", now=NOW).close()
    done = calwatch("backup", bad(tmp_path), cwd=tmp_path)  # type: ignore[operator]
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "try:" in done.stderr
    assert "Traceback" not in done.stderr


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from monitor.store.backup import create as backup
from monitor.store.connection import open_live
backup.check_archive = lambda path: os.kill(os.getpid(), signal.SIGKILL)
state, now = Path(sys.argv[1]), datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
backup.write_backup(open_live(state, now=now), state, Path(sys.argv[2]), now)
"""


def _killed_at(state: Path, target: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(state), str(target)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert target.with_name(f".{target.name}.part").exists()


def test_what_a_killed_backup_left_goes_with_the_next_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    open_live(state, now=NOW).close()
    (state / "backups").mkdir()
    (state / "backups" / ".older.tar.part").write_bytes(b"left by an older calwatch")
    (tmp_path / ".mine.part").write_bytes(b"somebody else's")
    _killed_at(state, tmp_path / "b1.tar")
    connection = open_live(state, now=NOW)
    make_ready(connection, state)
    connection.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "state"]
    assert not list((state / "backups").iterdir())
    assert not (state / ".backup").exists()


def test_what_a_killed_backup_left_goes_with_the_next_backup_of_another_name(tmp_path: Path) -> None:
    state = tmp_path / "state"
    open_live(state, now=NOW).close()
    _killed_at(state, tmp_path / "b1.tar")
    connection = open_live(state, now=NOW)
    write_backup(connection, state, tmp_path / "b2.tar", NOW)
    connection.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b2.tar", "state"]
