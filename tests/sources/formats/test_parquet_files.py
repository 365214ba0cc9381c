"""Parquet: fields of nested columns, texts that hold JSON, and numbers as times."""

from typing import Any

import duckdb
import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World, reasons

ROW = "'a' AS sample_id, TIMESTAMP '2026-03-10 10:00:00' AS observed_at, 0.7 AS score"
NESTED = '[[model.source]]\npath = "in/*"\ncolumns = {{ {} }}\n'


def put(world: World, select: str, name: str = "a.parquet") -> None:
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {select}) TO '{world.base / 'in' / name}'")


@pytest.mark.parametrize(
    ("own", "column", "value"),
    [
        ("meta.camera", "{'camera': 'c7', 'x': 1} AS meta", "c7"),
        ("meta.Camera", "{'camera': 'c7', 'x': 1} AS meta", "c7"),
        ("a.b.c.d", "{'b': {'c': {'d': 'c7'}}} AS a", "c7"),
        ("preds.0.cam", "[{'cam': 'c7'}, {'cam': 'c8'}] AS preds", "c7"),
        ("preds[1].cam", "[{'cam': 'c7'}, {'cam': 'c8'}] AS preds", "c8"),
        ("meta.tags.k", "{'tags': MAP {'k': 'c7'}} AS meta", "c7"),
        ("meta.camera", "'c7' AS \"meta.camera\", {'camera': 'c8'} AS meta", "c7"),
        ("meta.v1.camera", "{'camera': 'c7'} AS \"meta.v1\"", "c7"),
        ("meta.camera", '\'{"camera": "c7"}\' AS meta', "c7"),
        ("meta.camera", '\'{"camera": "c7"}\'::JSON AS meta', "c7"),
        ("a.response.predictions.0", "{'response': '{\"predictions\": [\"c7\"]}'} AS a", "c7"),
        ("meta.number", "{'number': 7} AS meta", "7"),
        ("logged.1", "'0.5,7' AS logged", "7"),
    ],
)
def test_a_dotted_path_reaches_into_structs_lists_maps_and_texts(
    make_world: MakeWorld, own: str, column: str, value: str
) -> None:
    world = make_world(source=NESTED.format(f'camera = "{own}"'))
    put(world, f"{ROW}, {column}")
    assert world.take().problems == []
    assert world.one("SELECT labels['camera'] FROM slices") == value


def test_typed_values_in_structs_are_taken_with_their_type(make_world: MakeWorld) -> None:
    columns = 'sample_id = "event.id", observed_at = "event.at", score = "out.p", outcome = "out.ok", logits = "out.z"'
    world = make_world(source=NESTED.format(columns), slices=())
    put(
        world,
        "{'id': 12, 'at': TIMESTAMPTZ '2026-03-10 12:00:00+02'} AS event, {'p': 0.25::FLOAT, 'ok': true, 'z': [1.5, 2]} AS out",
    )
    assert world.take().problems == []
    found = world.rows("SELECT sample_id, observed_at::VARCHAR, score, positives FROM samples")
    assert found == [("12", "2026-03-10 10:00:00", 0.25, 1)]


@pytest.mark.parametrize("own", ["meta.cam", "metadata.camera", "meta.camera.name", "meta.0", "sample_id.x", "preds.7"])
def test_a_dotted_path_that_leads_nowhere_is_told(make_world: MakeWorld, own: str) -> None:
    world = make_world(source=NESTED.format(f'camera = "{own}"'))
    put(world, f"{ROW}, {{'camera': 'c7'}} AS meta, [1, 2] AS preds")
    (problem,) = world.take().problems
    assert problem.reason == "missing_slice_column"
    assert problem.message.endswith('Perhaps meant: columns = { camera = "meta.camera" }')


@pytest.mark.parametrize("value", ["{'camera': 'c7'}", "['c7']", "MAP {'k': 'c7'}"])
def test_a_slice_that_is_nested_is_told(world: World, value: str) -> None:
    put(world, f"{ROW}, {value} AS camera")
    (problem,) = world.take().problems
    assert problem.reason == "wrong_type"
    assert 'camera must be text or a number: name a value in it, such as "camera.x"' in problem.message


def test_files_in_which_a_struct_lies_alike_are_taken_together(make_world: MakeWorld) -> None:
    world = make_world(source=NESTED.format('camera = "meta.camera"'))
    for number in range(3):
        put(
            world,
            f"'s{number}' AS sample_id, {ROW.partition(', ')[2]}, {{'camera': 'c7'}} AS meta",
            f"{number}.parquet",
        )
    assert (world.take().new, world.one("SELECT count(*) FROM pulls")) == (3, 1)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("'c7' AS cam, '{\"camera\": \"c7\"}' AS meta", 'a,2026-03-10 10:00:00,0.7,"{""camera"": ""c7""}"'),
        ("", 'a,2026-03-10 10:00:00,0.7,"{""camera"": ""c7"", ""x"": [1, 2]}"'),
    ],
)
def test_a_dotted_path_reaches_into_json_in_a_column_of_csv(make_world: MakeWorld, column: str, text: str) -> None:
    world = make_world(source=NESTED.format('camera = "meta.camera"'))
    (world.base / "in" / "a.csv").write_text(
        f"sample_id,observed_at,score,meta\n{text}\nb,2026-03-10 10:00:00,0.7,nothing\n"
    )
    assert world.take().problems == []
    assert world.rows("SELECT labels['camera'] FROM slices ORDER BY ALL") == [("__missing__",), ("c7",)]


SCALES = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def numbered(world: World, ending: str, number: Any, type_: str) -> None:
    put(world, f"'a' AS sample_id, {number}::{type_} AS observed_at, 0.7 AS score, 'c1' AS camera", f"a.{ending}")


@pytest.mark.parametrize(
    ("ending", "type_"), [("parquet", "BIGINT"), ("parquet", "DOUBLE"), ("csv", "BIGINT"), ("jsonl", "BIGINT")]
)
@pytest.mark.parametrize("unit", SCALES)
def test_times_that_are_numbers_come_with_the_unit_they_seem_to_be_in(
    world: World, ending: str, type_: str, unit: str
) -> None:
    numbered(world, ending, 1_773_136_800 * SCALES[unit], type_)
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (0, ["wrong_type"])
    assert f'say time_unit = "{unit}" in [model.source]' in brought.problems[0].message


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(("unit", "said"), [("ms", "s"), ("s", "us"), ("us", "ms")])
def test_a_unit_that_puts_all_times_far_off_is_told_with_the_right_one(
    make_world: MakeWorld, ending: str, unit: str, said: str
) -> None:
    world = make_world(source=f'[[model.source]]\npath = "in/*"\ntime_unit = "{said}"\n')
    numbered(world, ending, 1_773_136_800 * SCALES[unit], "BIGINT")
    (problem,) = world.take().problems
    assert problem.reason == "wrong_type"
    assert f'[model.source] time_unit = "{said}" should be "{unit}"' in problem.message


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_times_in_the_unit_that_is_said_are_read(make_world: MakeWorld, ending: str, unit: str) -> None:
    world = make_world(source=f'[[model.source]]\npath = "in/*"\ntime_unit = "{unit}"\n')
    numbered(world, ending, 1_773_136_800 * SCALES[unit], "BIGINT")
    assert world.take().new == 1
    assert str(world.one("SELECT observed_at FROM samples")) == "2026-03-10 10:00:00"


@pytest.mark.parametrize("number", [20260310, 5, 123456])
def test_numbers_that_are_no_times_in_any_unit_are_not_guessed_at(world: World, number: int) -> None:
    numbered(world, "csv", number, "BIGINT")
    assert world.take().quarantined == {"unreadable_time": 1}
