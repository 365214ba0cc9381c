"""What is the database's, the disk's or an outsider's fault is never put on a file."""

from contextlib import suppress
from typing import Any

import duckdb
import pytest

from monitor.errors import StoreError
from monitor.store.connection import LIVE, open_live
from monitor.store.damage import DamagedError, demand_sound
from monitor.store.ingest import ingest as ingest_batch
from monitor.store.pulled import Pulled
from tests.store.builder import NOW, World, a_row
from tests.store.conftest import MakeWorld

CORRUPT = "Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3"


def _fail_after_reading(patch: pytest.MonkeyPatch, error: Exception) -> None:
    """From now on taking rows raises this in this process, and in this one only."""

    def ingest(*arguments: Any, **named: Any) -> Pulled:
        raise error

    patch.setattr("monitor.store.pull.ingest", ingest)


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
    monkeypatch.setattr("monitor.store.pull.ingest", ingest_batch)
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
            with suppress(DamagedError):
                demand_sound(world.connection)
                world.connection.close()
                continue
            break
    world.send(a_row("good"))
    _fail_after_reading(monkeypatch, error)
    with pytest.raises(DamagedError, match="is damaged"):
        world.take()


def test_a_database_as_it_should_be_is_sound(make_world: MakeWorld) -> None:
    world = make_world()
    world.take(a_row("a"))
    demand_sound(world.connection)
