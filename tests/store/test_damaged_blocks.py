"""One byte altered in one block of live.duckdb: whoever meets it says that the database is damaged, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from monitor.model.errors import DamageError, StoreError
from monitor.store.backup.create import write_backup
from monitor.store.connection import LIVE, open_live
from monitor.store.damage import find_damage, has_unreadable_rows
from monitor.store.published.snapshot import SNAPSHOT, Publisher

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HEADS, BLOCK = 12_288, 262_144
CORRUPT = "Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state whose job_log fills some blocks, and is published by nobody yet."""
    state = tmp_path_factory.mktemp("sound") / "state"
    connection = open_live(state, now=NOW)
    connection.execute(
        "INSERT INTO job_log SELECT md5(i::VARCHAR), 'm', 1, TIMESTAMP '2026-03-10', TIMESTAMP '2026-03-10', 1.0, 1, 'done', "
        "md5((i + 1)::VARCHAR), sha256(i::VARCHAR), NULL, NULL FROM range(20000) AS t(i)"
    )
    connection.execute("CHECKPOINT")
    connection.close()
    return state


def _altered(sound: Path, base: Path) -> Iterator[Path]:
    """The state with a byte altered in each block in turn."""
    for block in range(((sound / LIVE).stat().st_size - HEADS) // BLOCK):
        state = base / f"of{block}"
        shutil.copytree(sound, state)
        with (state / LIVE).open("r+b") as file:
            file.seek(HEADS + block * BLOCK + 100_000)
            (byte,) = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte ^ 255]))
        yield state


def _publish(connection: duckdb.DuckDBPyConnection, state: Path) -> None:
    Publisher(state).publish(connection, NOW, {"m": None})


def _back_up(connection: duckdb.DuckDBPyConnection, state: Path) -> None:
    write_backup(connection, state, state.with_suffix(".tar"), NOW)


@pytest.mark.parametrize("act", [_publish, _back_up], ids=["publish", "backup"])
def test_an_altered_block_is_told_as_damage_with_the_remedy(
    sound: Path, tmp_path: Path, act: Callable[[duckdb.DuckDBPyConnection, Path], None]
) -> None:
    met: list[tuple[Path, StoreError]] = []
    for state in _altered(sound, tmp_path):
        try:
            connection = open_live(state, now=NOW)
        except StoreError as error:
            met.append((state, error))
            continue
        try:
            act(connection, state)
        except DamageError as error:
            met.append((state, error))
        finally:
            connection.close()
    assert any(isinstance(error, DamageError) for _, error in met)
    for state, told in met:
        assert told.message.startswith(f"{state / LIVE}: ")
        assert "calwatch restore FILE" in told.hint


def test_a_damaged_copy_is_not_taken_for_a_damaged_database_and_is_written_anew(sound: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(sound, state)
    connection = open_live(state, now=NOW)
    try:
        published = Publisher(state).publish(connection, NOW)
        content = bytearray(published.read_bytes())
        for at in range(HEADS + 50_000, len(content), 50_000):
            content[at] ^= 255
        for name in (SNAPSHOT, *(f".snapshot-{letter}.duckdb" for letter in "abc")):
            (state / name).unlink(missing_ok=True)
            (state / name).write_bytes(content)
        assert not has_unreadable_rows(connection)
        for _ in range(3):
            try:
                Publisher(state).publish(connection, NOW)
                break
            except DamageError:
                raise
            except StoreError:
                continue
        with duckdb.connect(str(state / SNAPSHOT), read_only=True) as copy:
            assert copy.execute("SELECT count(hash(held)) FROM job_log AS held").fetchone() is not None
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "damage"),
    [(CORRUPT, True), ('IO Error: Could not read from file "{live}": nothing', True), ("IO Error: No space left", False),
     ('IO Error: Could not read from file "/in/a.parquet"', False)],
)  # fmt: skip
def test_what_duckdb_says_is_taken_for_damage_where_it_is_of_the_database(
    tmp_path: Path, text: str, damage: bool
) -> None:
    error = duckdb.IOException(text.format(live=tmp_path / LIVE))
    assert isinstance(find_damage(error, tmp_path), DamageError) == damage


def test_where_a_directory_stands_in_place_of_the_snapshot_that_is_said(sound: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(sound, state)
    (state / SNAPSHOT).mkdir()
    connection = open_live(state, now=NOW)
    try:
        with pytest.raises(StoreError, match=r"metrics\.duckdb: is a directory") as told:
            Publisher(state).publish(connection, NOW)
    finally:
        connection.close()
    assert "move it away" in told.value.hint
