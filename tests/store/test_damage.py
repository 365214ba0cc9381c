"""live.duckdb missing, damaged or foreign: one clear error with the remedy, and nothing is written over what is left."""

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from monitor.model.errors import StoreError
from monitor.recalibration.mending import mend_files
from monitor.store.connection import LIVE, open_live
from monitor.store.published.snapshot import open_snapshot
from tests.worlds.levels import NEWEST, files_below, left_by
from tests.worlds.process import calwatch

NOW = datetime(2026, 3, 10, 12, 2, tzinfo=UTC)
WAL = f"{LIVE}.wal"


def _gone(state: Path) -> None:
    (state / LIVE).unlink()


def _empty(state: Path) -> None:
    (state / LIVE).write_bytes(b"")


def _one_byte(state: Path) -> None:
    (state / LIVE).write_bytes(b"D")


def _head_only(state: Path) -> None:
    (state / LIVE).write_bytes((state / LIVE).read_bytes()[:12288])


def _half(state: Path) -> None:
    content = (state / LIVE).read_bytes()
    (state / LIVE).write_bytes(content[: len(content) // 2])


def _noise(state: Path) -> None:
    (state / LIVE).write_bytes(random.Random(1).randbytes(50_000))


def _head_altered(state: Path) -> None:
    content = bytearray((state / LIVE).read_bytes())
    for at in (5_000, 9_000):
        content[at : at + 64] = random.Random(2).randbytes(64)
    (state / LIVE).write_bytes(content)


def _directory(state: Path) -> None:
    (state / LIVE).unlink()
    (state / LIVE).mkdir()


def _snapshot_instead(state: Path) -> None:
    (state / LIVE).unlink()
    with duckdb.connect(str(state / LIVE)) as other:
        other.execute("CREATE TABLE snapshot AS SELECT 4 AS schema_version")


def _of_another_program(state: Path) -> None:
    (state / LIVE).unlink()
    with duckdb.connect(str(state / LIVE)) as other:
        other.execute("CREATE TABLE orders (id INTEGER)")


def _no_tables(state: Path) -> None:
    (state / LIVE).unlink()
    duckdb.connect(str(state / LIVE)).close()


def _log_of_noise(state: Path) -> None:
    (state / WAL).write_bytes(random.Random(3).randbytes(5_000))


def _log_is_a_directory(state: Path) -> None:
    (state / WAL).mkdir()


def _log_alone(state: Path) -> None:
    (state / LIVE).unlink()
    shutil.rmtree(state / "calibrators")
    (state / WAL).write_bytes(b"\x64\x00\x62" + bytes(300))


DAMAGE = [
    _gone, _empty, _one_byte, _head_only, _half, _noise, _head_altered, _directory, _snapshot_instead, _of_another_program,
    _no_tables, _log_of_noise, _log_is_a_directory, _log_alone,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__.strip("_"))
def test_a_database_that_is_not_as_it_was_is_refused_with_the_remedy(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    state = left_by(tmp_path, NEWEST)
    damage(state)
    left = files_below(state / "calibrators") if (state / "calibrators").exists() else {}
    with pytest.raises(StoreError) as raised:
        open_live(state, now=NOW)
    assert raised.value.message.startswith(f"{state}/live.duckdb")
    assert "\n" not in raised.value.message
    assert "calwatch restore FILE" in raised.value.hint
    assert "calibrators" in raised.value.hint
    assert (files_below(state / "calibrators") if (state / "calibrators").exists() else {}) == left


@pytest.mark.parametrize("command", [("run",), ("once",), ("recalibrate", "m"), ("rollback", "m"), ("backup", "b.tar")])
@pytest.mark.parametrize("damage", [_gone, _half], ids=["gone", "half"])
def test_no_command_begins_afresh_beside_calibrators(
    tmp_path: Path, command: tuple[str, ...], damage: Callable[[Path], None]
) -> None:
    state = left_by(tmp_path, NEWEST, live=True)
    damage(state)
    left = files_below(state)
    done = calwatch(*command, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert str(LIVE) in done.stderr
    assert {name: text for name, text in files_below(state).items() if name in left} == left
    assert not list((state / "requests").glob("*.json")), "it would be done at the next start"


def test_once_calibrators_are_moved_away_it_begins_afresh(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    _gone(state)
    (state / "calibrators").rename(tmp_path / "before")
    connection = open_live(state, now=NOW)
    assert connection.execute("SELECT count(*) FROM models").fetchone() == (0,)
    connection.close()


def test_bytes_altered_within_the_tables_are_told_as_damage_and_not_as_a_failure_of_a_model(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST, live=True)
    open_live(state, now=NOW).close()
    content = bytearray((state / LIVE).read_bytes())
    for at in range(20_000, len(content) - 600_000, 30_000):
        content[at : at + 64] = random.Random(at).randbytes(64)
    (state / LIVE).write_bytes(content)
    done = calwatch("once", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "calwatch restore FILE" in done.stderr
    assert "live.duckdb: is damaged" in done.stderr
    assert "cycle failed" not in done.stderr + done.stdout


def test_a_log_that_a_crash_cut_short_is_no_damage(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    held = []
    for length in (None, 0, 1, 2):
        if length is not None:
            (state / WAL).write_bytes(b"\x64\x00\x62"[:length])
        connection = open_live(state, now=NOW)
        held.append(connection.execute("SELECT count(*), sum(hash(s)) FROM samples AS s").fetchone())
        connection.close()
    assert held[0] is not None
    assert held[0][0] > 0
    assert held == [held[0]] * 4


@pytest.mark.parametrize("content", [b"", b"noise" * 1000, None], ids=["empty", "noise", "directory"])
def test_a_snapshot_that_cannot_be_read_says_how_to_get_another(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "metrics.duckdb"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=r"metrics\.duckdb: ") as raised:
        open_snapshot(tmp_path)
    assert "calwatch snapshot" in raised.value.hint


def _spoil(kind: str, path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    match kind:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "noise":
            path.write_bytes(random.Random(5).randbytes(500))
        case "directory":
            path.mkdir()
        case "altered":
            path.write_bytes(content.replace(b"28", b"82").replace(b"50", b"05").replace(b"1.", b"2."))
        case "nested":
            path.write_bytes(b"[" * 100_000)


@pytest.mark.parametrize("kind", ["missing", "truncated", "empty", "noise", "directory", "altered", "nested"])
@pytest.mark.parametrize("which", ["artefact", "current.json"])
def test_calibrator_files_are_written_again_as_they_were_and_that_is_told(
    tmp_path: Path, kind: str, which: str
) -> None:
    state = left_by(tmp_path, NEWEST)
    connection = open_live(state, now=NOW)
    try:
        assert mend_files(connection, state).written == ()
        before = files_below(state / "calibrators")
        own = state / "calibrators" / "m"
        path = own / which if which == "current.json" else next(p for p in own.iterdir() if p.name != "current.json")
        _spoil(kind, path)
        mended = mend_files(connection, state)
        assert len(mended.written) == 1
        assert str(path) in mended.written[0]
        assert mended.lost == ()
        assert files_below(state / "calibrators") == before
        assert mend_files(connection, state).written == ()
    finally:
        connection.close()


def test_a_database_that_never_had_a_calibrator_does_not_empty_what_production_loads(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    connection = open_live(state, now=NOW)
    try:
        connection.execute("DELETE FROM serving")
        before = files_below(state / "calibrators")
        with pytest.raises(StoreError, match="is not the database that these are of"):
            mend_files(connection, state)
        assert files_below(state / "calibrators") == before
    finally:
        connection.close()
