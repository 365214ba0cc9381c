"""What is the database's, the disk's or an outsider's fault is never put on a file."""

import errno
import os
from contextlib import suppress
from typing import Any

import duckdb
import pytest

from monitor.model.errors import DamageError, StoreError
from monitor.sources.ingest.ingest import ingest_batch as ingest_batch
from monitor.sources.isolation.room import Room
from monitor.sources.pulled import Pulled
from monitor.store.blame import is_disk_full, is_of_the_disk
from monitor.store.connection import LIVE, open_live
from monitor.store.damage import demand_sound
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import NOW, World, a_row

CORRUPT = "Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3"


def _fail_after_reading(patch: pytest.MonkeyPatch, error: Exception) -> None:
    """From now on taking rows raises this in this process, and in this one only."""

    def ingest(*arguments: Any, **named: Any) -> Pulled:
        raise error

    patch.setattr("monitor.sources.pull.ingest_batch", ingest)


@pytest.mark.parametrize(
    "kind", [duckdb.Error, duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException]
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_damaged_database_is_no_files_fault_whatever_the_error_is_called(
    world: World, kind: type[duckdb.Error], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send(a_row("a"), ending=ending)
    _fail_after_reading(monkeypatch, kind(CORRUPT))
    for _ in range(3):
        with pytest.raises(kind, match="Corrupt database file"):
            world.take()
    assert world.one("SELECT count(*) FROM files_set_aside") == 0
    monkeypatch.setattr("monitor.sources.pull.ingest_batch", ingest_batch)
    assert world.take().new == 1


def test_words_of_damage_in_a_value_of_a_file_excuse_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send(a_row("a"))
    _fail_after_reading(monkeypatch, duckdb.ConversionException(f"Could not convert {CORRUPT!r}"))
    assert [each.reason for each in world.take().problems] == ["file_set_aside"]


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), duckdb.InternalException("INTERNAL Error: x")])
def test_what_only_the_store_fails_at_is_the_stores_where_a_table_cannot_be_read(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        world.send(*(a_row(f"{at}-{each}", score=each / 2000) for each in range(2000)))
    world.take()
    world.connection.execute("CHECKPOINT")
    world.connection.close()
    live = world.base / "state" / LIVE
    whole = live.read_bytes()
    for block in range((len(whole) - 12288) // 262144):  # the first that opening does not read
        live.write_bytes(_flipped(whole, 12288 + block * 262144 + 1000))
        with suppress(StoreError):
            world.connection = open_live(world.base / "state", now=NOW)
            with suppress(DamageError):
                demand_sound(world.connection)
                world.connection.close()
                continue
            break
    world.send(a_row("good"))
    _fail_after_reading(monkeypatch, error)
    with pytest.raises(DamageError, match="is damaged"):
        world.take()


def test_a_database_as_it_should_be_is_sound(make_world: MakeWorld) -> None:
    world = make_world()
    world.take(a_row("a"))
    demand_sound(world.connection)


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[Room]:
    """How much room there is on the disk: the last of them."""
    held = [Room(10**9, is_short=True)]
    monkeypatch.setattr("monitor.sources.isolation.guard.spill_room", lambda *_: held[-1])
    return held


SHORT = duckdb.OutOfMemoryException("failed to offload data block of size 256.0 KiB (63.0 MiB/63.2 MiB used)")


def test_a_file_for_which_the_disk_has_too_little_room_is_not_blamed_and_is_read_once_there_is_more(
    world: World, rooms: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send(a_row("a"))
    _fail_after_reading(monkeypatch, SHORT)
    for news in (True, False, False):
        (told,) = world.take().problems
        assert "needs more room" in told.message
        assert "Make room on the disk" in told.message
        assert told.news is news
    assert world.rows("SELECT tries, set_aside FROM files_set_aside") == [(0, False)]
    monkeypatch.setattr("monitor.sources.pull.ingest_batch", ingest_batch)
    rooms.append(Room(11 * 10**8, is_short=True))
    assert world.take().new == 0, "hardly more than there was"
    rooms.append(Room(2 * 10**9, is_short=False))
    assert world.take().new == 1
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


def test_with_all_the_room_it_may_take_a_file_that_needs_more_is_blamed(
    world: World, rooms: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms.append(Room(10**9, is_short=False))
    world.send(a_row("a"))
    _fail_after_reading(monkeypatch, SHORT)
    world.take()
    world.take()
    assert world.rows("SELECT tries, set_aside, kind FROM files_set_aside") == [(2, True, "out_of_memory")]


@pytest.mark.parametrize(
    ("code", "is_full", "is_disk"),
    [(errno.ENOSPC, True, True), (errno.EDQUOT, True, True), (errno.EIO, False, True), (errno.EROFS, False, True),
     (errno.ENOENT, False, False), (errno.EACCES, False, False)],
)  # fmt: skip
def test_a_disk_is_known_by_what_the_system_calls_its_trouble(code: int, is_full: bool, is_disk: bool) -> None:
    error = duckdb.IOException(f'IO Error: Could not write file "/x/live.duckdb.wal": {os.strerror(code)}')
    assert (is_disk_full(error), is_of_the_disk(error)) == (is_full, is_disk)
