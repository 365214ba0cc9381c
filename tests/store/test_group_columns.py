"""How many groups a reading rests on is stored, published, and unknown where samples are independent."""

from dataclasses import replace

import duckdb

from monitor.model import Slice
from monitor.store import readings as rows
from monitor.store.cells import has_groups
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import SNAPSHOT, Publisher
from tests.store.test_rows import a_reading
from tests.worlds.store import HOUR, NOW, World, a_row

CLIPS = replace(a_reading(slice_=Slice()), groups=9, group_noun="clip")


def test_groups_come_back_beside_readings_without_any(world: World) -> None:
    stored = [CLIPS, a_reading()]
    rows.store_readings(world.connection, "m", stored)
    loaded = {each.slice: (each.groups, each.group_noun) for each in rows.load_readings(world.connection, "m")}
    assert loaded == {Slice(): (9, "clip"), a_reading().slice: (None, None)}
    types = world.rows("SELECT typeof(groups), typeof(group_noun) FROM newest_readings LIMIT 1")
    assert types == [("BIGINT", "VARCHAR")]


def test_history_keeps_them_when_the_window_moves_on(world: World) -> None:
    rows.store_readings(world.connection, "m", [CLIPS])
    rows.store_readings(world.connection, "m", [replace(CLIPS, window_end=NOW + HOUR, groups=11)])
    assert world.rows("SELECT groups, group_noun FROM readings") == [(9, "clip")]
    assert world.rows("SELECT groups, group_noun FROM newest_readings") == [(11, "clip")]


def test_the_snapshot_has_them_in_each_place_that_counts_samples(world: World) -> None:
    rows.store_readings(world.connection, "m", [CLIPS])
    state = world.base / "state"
    Publisher(state).publish(world.connection, NOW)
    with Snapshot(state) as held:
        (whole,) = held.slices("m", None, 5)
        assert (whole["samples"], whole["groups"], whole["group_noun"]) == (90, 9, "clip")
        reading = held.newest_reading("m", Slice())
        assert reading is not None
        assert (reading.groups, reading.group_noun) == (9, "clip")
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as connection:
        for table in ("slice_newest", "slice_metrics"):
            assert connection.execute(f"SELECT groups, group_noun FROM {table}").fetchall() == [(9, "clip")]
        assert connection.execute("SELECT groups FROM worst_slices").fetchall() == [(9,)]


def test_a_snapshot_without_the_columns_is_made_anew(world: World) -> None:
    state = world.base / "state"
    rows.store_readings(world.connection, "m", [CLIPS])
    rows.store_readings(world.connection, "m", [replace(CLIPS, window_end=NOW + HOUR)])
    for path in [Publisher(state).publish(world.connection, NOW), *Publisher(state).free_files(state / SNAPSHOT)]:
        if path.exists():
            with duckdb.connect(str(path)) as connection:
                connection.execute("DROP VIEW slice_metrics")
                connection.execute("ALTER TABLE slice_history DROP COLUMN groups")
                connection.execute("UPDATE snapshot SET schema_version = 8")
    Publisher(state).publish(world.connection, NOW + HOUR)
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as connection:
        assert connection.execute("SELECT groups FROM slice_history").fetchall() == [(9,)]


def test_a_model_has_groups_once_a_labelled_sample_came_in_one(world: World) -> None:
    world.take(a_row("a"))
    assert not has_groups(world.store())
    world.take(a_row("b", group_id="g"))
    assert has_groups(world.store())
