import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.model.errors import StoreError
from monitor.store.published import snapshot
from monitor.store.published.snapshot import SNAPSHOT, Publisher
from monitor.store.readings import store_readings
from tests.store.test_rows import a_reading
from tests.worlds.store import HOUR, NOW, World, a_row

ASK = """
import duckdb, json, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(json.dumps({name: con.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in sys.argv[2:]}))
print(json.dumps([name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]))
"""
HOLD = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("SELECT count(*) FROM pulls").fetchone()[0], flush=True)
for line in sys.stdin:
    print(con.execute("SELECT count(*) FROM pulls").fetchone()[0], flush=True)
"""
PROMISED = (
    "slice_metrics", "reliability", "alerts", "jobs", "calibrators", "thresholds", "quarantine", "pulls", "worst_slices",
    "drift_now", "last_refits", "label_delays", "problems", "waiting_labels", "group_spans",
)  # fmt: skip


def ask(path: Path, *names: str) -> tuple[dict[str, int], list[str]]:
    """Row counts as another process sees them, and all table names."""
    done = subprocess.run([sys.executable, "-c", ASK, path, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts, tables = done.stdout.splitlines()
    return json.loads(counts), json.loads(tables)


@contextmanager
def reader(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the snapshot open, and counts its pulls when sent a line."""
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        assert process.stdin is not None
        process.stdin.close()


def count_again(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("again\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def pulls_shown(world: World) -> int:
    return ask(world.base / "state" / SNAPSHOT, "pulls")[0]["pulls"]


@pytest.fixture
def publisher(world: World) -> Publisher:
    return Publisher(world.base / "state")


def test_another_process_sees_all_that_is_promised_and_no_samples(world: World, publisher: Publisher) -> None:
    world.take(a_row("a"), a_row("bad", score=3.0))
    store_readings(world.connection, "m", [a_reading()])
    counts, tables = ask(publisher.publish(world.connection, NOW), *PROMISED)
    assert counts == {
        **dict.fromkeys(PROMISED, 0), "slice_metrics": 1, "reliability": 2, "quarantine": 1, "pulls": 1, "worst_slices": 1,
    }  # fmt: skip
    assert "samples" not in tables
    assert "cells" not in tables


def test_two_files_take_turns_behind_one_name(world: World, publisher: Publisher) -> None:
    inodes = [publisher.publish(world.connection, NOW).stat().st_ino for _ in range(4)]
    assert inodes[0] != inodes[1]
    assert inodes[0:2] == inodes[2:4]
    names = {path.name for path in publisher.state_dir.iterdir()}
    assert {".snapshot-a.duckdb", ".snapshot-b.duckdb", SNAPSHOT, "live.duckdb"} <= names
    assert not any(name.endswith(".new") for name in names)


def test_readings_become_history_in_both_files_and_leave_with_it(world: World, publisher: Publisher) -> None:
    for hour in range(5):
        store_readings(world.connection, "m", [a_reading(NOW + hour * HOUR)])
        path = publisher.publish(world.connection, NOW + hour * HOUR)
        assert ask(path, "slice_metrics")[0] == {"slice_metrics": hour + 1}
    world.connection.execute("DELETE FROM readings WHERE sequence <= 2")
    for _ in range(2):
        assert ask(publisher.publish(world.connection, NOW), "slice_history")[0] == {"slice_history": 2}


def test_an_open_reader_keeps_its_rows_and_does_not_stop_publishing(world: World, publisher: Publisher) -> None:
    world.take(a_row("a"))
    with reader(publisher.publish(world.connection, NOW)) as process:
        for cycle in range(4):
            world.take(a_row(f"b{cycle}"), now=NOW + cycle * HOUR)
            publisher.publish(world.connection, NOW + cycle * HOUR)
            assert pulls_shown(world) == cycle + 2
            assert count_again(process) == 1
    publisher.publish(world.connection, NOW)
    assert pulls_shown(world) == 5


def test_another_schema_version_is_built_afresh(
    world: World, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_readings(world.connection, "m", [a_reading()])
    for _ in range(2):
        publisher.publish(world.connection, NOW)
    monkeypatch.setattr(snapshot, "SCHEMA_VERSION", snapshot.SCHEMA_VERSION + 1)
    for _ in range(2):
        path = publisher.publish(world.connection, NOW)
        with duckdb.connect(str(path), read_only=True) as connection:
            assert connection.execute("SELECT schema_version FROM snapshot").fetchone() == (snapshot.SCHEMA_VERSION,)
            assert connection.execute("SELECT count(*) FROM slice_metrics").fetchone() == (1,)


def spoil(aside: Path, how: str) -> None:
    """What a crash may leave of the file that is not published."""
    whole = aside.read_bytes()
    journal = aside.with_name(aside.name + ".wal")
    match how:
        case "empty":
            aside.write_bytes(b"")
        case "header cut":
            aside.write_bytes(whole[:5000])
        case "half":
            aside.write_bytes(whole[: len(whole) // 2])
        case "zeros inside":
            aside.write_bytes(whole[:12288] + bytes(len(whole) - 12288))
        case "foreign":
            aside.write_bytes(b"x" * 100_000)
        case "stale journal":
            journal.write_bytes(b"journal" * 500)
        case "journal alone":
            aside.unlink()
            journal.write_bytes(b"journal" * 500)
        case "gone":
            aside.unlink()


@pytest.mark.parametrize(
    "how", ["empty", "header cut", "half", "zeros inside", "foreign", "stale journal", "journal alone", "gone"]
)
def test_what_a_crash_left_is_built_afresh_at_the_latest_in_the_next_cycle(
    world: World, publisher: Publisher, how: str
) -> None:
    world.take(*(a_row(f"a{index}") for index in range(500)))
    for _ in range(2):
        publisher.publish(world.connection, NOW)
    spoil(publisher.free_files(publisher.state_dir / SNAPSHOT)[0], how)
    world.take(a_row("b"))
    try:
        publisher.publish(world.connection, NOW)
    except StoreError:
        publisher.publish(world.connection, NOW)
    assert pulls_shown(world) == 2
    publisher.publish(world.connection, NOW)
    assert pulls_shown(world) == 2
    assert world.one("SELECT count(*) FROM samples") == 501


def full(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("failing", [("link", "copyfile"), ("replace",)])
def test_a_full_disk_is_told_and_the_old_snapshot_stays(
    world: World, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
) -> None:
    world.take(a_row("a"))
    publisher.publish(world.connection, NOW)
    world.take(a_row("b"))
    with monkeypatch.context() as patched:
        for name in failing:
            patched.setattr(shutil if name == "copyfile" else os, name, full)
        with pytest.raises(StoreError) as raised:
            publisher.publish(world.connection, NOW)
    assert raised.value.message == (
        f"{publisher.state_dir / SNAPSHOT}: cannot be replaced: [Errno 28] No space left on device"
    )
    assert raised.value.hint == "check free space and permissions of the state directory"
    assert pulls_shown(world) == 1
    publisher.publish(world.connection, NOW)
    assert pulls_shown(world) == 2


def test_a_file_system_without_hard_links_gets_a_copy(
    world: World, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for cycle in range(3):
        world.take(a_row(f"a{cycle}"), now=NOW + cycle * HOUR)
        publisher.publish(world.connection, NOW)
        assert pulls_shown(world) == cycle + 1


def test_a_failure_while_writing_leaves_nothing_attached(
    world: World, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> str:
        raise RuntimeError(name)

    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "statement", fail)
        with pytest.raises(RuntimeError):
            publisher.publish(world.connection, NOW)
    assert world.rows("SELECT database_name FROM duckdb_databases() WHERE database_name = 'snap'") == []
    publisher.publish(world.connection, NOW)
    assert ask(publisher.state_dir / SNAPSHOT, "pulls")[0] == {"pulls": 0}
