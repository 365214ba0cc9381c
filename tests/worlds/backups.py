"""A state with its backup, for tests of backups."""

from datetime import UTC, datetime
from pathlib import Path

from monitor.sources.inbox import Inbox
from monitor.store.backup.create import write_backup
from monitor.store.connection import open_live
from tests.worlds.levels import NEWEST, left_by, run_cycle

NOW = datetime(2026, 3, 10, 12, 2, tzinfo=UTC)
ROW = b'{"sample_id": "late", "observed_at": "2026-03-10T11:00:00Z", "score": 0.7, "outcome": 1, "camera": "c1"}\n'


def backed_up(base: Path) -> tuple[Path, Path]:
    """A state with a push that waits, and its backup."""
    state = left_by(base, NEWEST)
    run_cycle(base, NOW)
    inbox = Inbox.of(state, "m", "pushed")
    written = inbox.temporary_path("one.jsonl")
    written.write_bytes(ROW)
    inbox.add_push(written, "a" * 32, "d" * 64, NOW)
    archive = base / "backup.tar"
    connection = open_live(state, now=NOW)
    try:
        write_backup(connection, state, archive, NOW)
    finally:
        connection.close()
    return state, archive
