"""Commands beside a running daemon: until a command holds the database, nothing in the state directory is its own."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.store.connection import LIVE, open_live
from tests.worlds.daemon import configured, sampled
from tests.worlds.levels import files_below
from tests.worlds.process import calwatch, free_port

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
UNDER_WAY = (  # of the daemon: files that a sweep at its own start would remove, or mend
    "work/job-x/work",
    "inbox/m/pushed/.body.jsonl",
    "spill/duckdb_temp_storage-0.tmp",
    "reading.json",
    ".backup/state/live.duckdb",
    "backups/.nightly.tar.part",
    "calibrators/m/.current.json.tmp",
    "calibrators/m/current.json",
    ".snapshot-a.duckdb",
)
COMMANDS = (
    ("once",), ("run",), ("snapshot",), ("recalibrate", "m"), ("rollback", "m"), ("retry",), ("check",), ("status",),
    ("backup", "b.tar", "--wait", "1"), ("restore", "--replace", "b.tar"),
)  # fmt: skip


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose database another process holds, in the middle of everything; one for all, as no command changes it."""
    tmp_path = tmp_path_factory.mktemp("held")
    configured(tmp_path, free_port())
    sampled(tmp_path, 1, 200, NOW)
    state = tmp_path / "state"
    open_live(state, now=NOW).close()
    assert calwatch("backup", "b.tar", cwd=tmp_path).returncode == 0
    for name in UNDER_WAY:
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"under way")
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb\nc = duckdb.connect({str(state / LIVE)!r})\nprint(1, flush=True)\ninput()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    yield tmp_path
    holder.communicate(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_beside_a_running_daemon_a_command_touches_nothing_of_what_it_is_at(
    held: Path, command: tuple[str, ...]
) -> None:
    before = files_below(held / "state")
    done = calwatch(*command, cwd=held)
    after = files_below(held / "state")
    assert before.keys() <= after.keys(), done.stderr
    assert {name: after[name] for name in before} == before
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} <= {"requests", "backups"}
