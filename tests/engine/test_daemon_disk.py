"""A state directory that cannot be made, written or read, and a disk that runs full: told, and nothing is lost."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.model.errors import StoreError
from monitor.store.connection import open_live
from tests.worlds.daemon import FAILURES, configured, many, running, told
from tests.worlds.process import calwatch, free_port, wait_for


def test_a_state_directory_that_cannot_be_made_or_written_is_told(tmp_path: Path) -> None:
    path = configured(tmp_path, free_port())
    (tmp_path / "state").write_text("a file where the directory should be", "utf-8")
    told = calwatch("run", "--config", path, cwd=tmp_path)
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "state: cannot be made" in told.stderr


def _mount(target: Path, options: str) -> None:
    """A small tmpfs; the test is skipped where mounting is not allowed."""
    target.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full or read-only disk needs root, to mount a tmpfs")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"NOT TESTED: a full or read-only disk; mount says {done.stderr.strip()}")


def _remount(target: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", target], check=True)


def _unmount(target: Path) -> None:
    subprocess.run(["umount", "-l", target], check=False)


def test_a_read_only_state_directory_is_told(tmp_path: Path) -> None:
    path = configured(tmp_path, free_port())
    _mount(tmp_path / "state", "size=1m,ro")
    try:
        told = calwatch("run", "--config", path, cwd=tmp_path)
    finally:
        _unmount(tmp_path / "state")
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "state: is not writable for this user" in told.stderr


def _published(state: Path) -> int | None:
    """New rows over all pulls, as the snapshot for ops tells it."""
    return told(state, "SELECT sum(new) FROM pulls")


@pytest.mark.slow
@pytest.mark.parametrize(("size", "rows"), [("2m", 4_000), ("14m", 80_000)])  # full at a commit, full at a checkpoint
def test_a_full_disk_fails_cycles_clearly_and_nothing_is_lost_once_there_is_space(
    tmp_path: Path, size: str, rows: int
) -> None:
    port = free_port()
    state = tmp_path / "state"
    _mount(state, f"size={size}")
    try:
        with running(tmp_path, port) as daemon:
            daemon.wait_ready()
            files = 0
            while not daemon.metric(FAILURES):
                files += 1
                assert files < 40, "the disk never ran full"
                before = daemon.metric('calwatch_last_success_timestamp_seconds{model="m",stage="fold"}')
                many(tmp_path / "in" / f"f{files:02}.parquet", rows, datetime.now(UTC))
                wait_for(
                    lambda before=before: (
                        bool(daemon.metric(FAILURES))  # type: ignore[misc]  # bound
                        or daemon.metric('calwatch_last_success_timestamp_seconds{model="m",stage="fold"}') != before
                    ),
                    "a cycle over the new file",
                )
            assert "No space left" in daemon.text() or "space" in daemon.text()
            assert daemon.get("/metrics")[0] == 200
            _remount(state, "size=500m")
            recovered = daemon.metric(FAILURES)
            assert recovered is not None
            many(tmp_path / "in" / "last.parquet", 10, datetime.now(UTC))
            wait_for(lambda: _published(state) == files * rows + 10, "every row to be there again")
            assert daemon.stop() == 0
        with open_live(state, now=datetime.now(UTC)) as connection:
            found = connection.execute("SELECT count(*), count(DISTINCT sample_id) FROM samples").fetchone()
            assert found == (files * rows + 10,) * 2
            assert connection.execute("SELECT sum(n) FROM cells").fetchone() == (files * rows + 10,)
    finally:
        _unmount(state)


def test_an_unreadable_database_is_told_with_a_way_out(tmp_path: Path) -> None:
    path = configured(tmp_path, free_port())
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "live.duckdb").write_bytes(b"not a database at all" * 1000)
    told = calwatch("once", "--config", path, cwd=tmp_path)
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "live.duckdb" in told.stderr
    with pytest.raises(StoreError):
        open_live(tmp_path / "state", now=datetime.now(UTC))
