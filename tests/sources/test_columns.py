"""Columns of files: mapped, missing, of the wrong type, named twice, changing from file to file."""

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World, a_row, reasons, write_parquet

FORMATS = ["csv", "jsonl", "parquet"]


def test_own_column_names_are_mapped(make_world: MakeWorld) -> None:
    columns = '{ sample_id = "image id", score = "p\\"1", camera = "Kamera", observed_at = "ts" }'
    for ending in FORMATS:
        world = make_world(source=f'[[model.source]]\npath = "in/*"\ncolumns = {columns}\n', folder=ending)
        row = a_row("a")
        own = {
            "image id": row["sample_id"], 'p"1': row["score"], "Kamera": "c9", "ts": row["observed_at"],
            "outcome": 1, "labelled_at": row["labelled_at"],
        }  # fmt: skip
        if ending == "jsonl":
            own["p1"] = own.pop('p"1')
            world = make_world(
                source='[[model.source]]\npath = "in/*"\ncolumns = { sample_id = "image id", score = "p1", '
                'camera = "Kamera", observed_at = "ts" }\n',
                folder="again",
            )
        world.send(own, ending=ending)
        assert world.take().new == 1
        assert world.one("SELECT labels FROM slices") == {"camera": "c9"}


def test_a_parquet_file_may_have_a_column_called_filename(world: World) -> None:
    write_parquet(world.base / "in" / "a.parquet", [a_row("a", filename="frame-1.png")])
    write_parquet(world.base / "in" / "b.parquet", [a_row("b", file_row_number="7")])
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["unreadable_file"])
    assert (
        "has a column file_row_number, a name that DuckDB keeps for its own; rename it" in brought.problems[0].message
    )


def test_a_csv_column_without_a_name_is_left_alone_and_one_named_twice_is_told(world: World) -> None:
    (world.base / "in" / "pandas.csv").write_text(",sample_id,observed_at,score\n0,a,2026-03-10 10:00:00,0.7\n")
    (world.base / "in" / "twice.csv").write_text("sample_id,observed_at,score,Score\nb,2026-03-10 10:00:00,0.7,0.6\n")
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["missing_slice_column", "unreadable_file"])
    assert "names a column twice" in brought.problems[1].message


@pytest.mark.parametrize("ending", FORMATS)
def test_a_schema_that_changes_between_files_is_followed(world: World, ending: str) -> None:
    world.send({**a_row("a"), "unused": 1}, ending=ending)
    world.send(a_row("b", group_id="g"), ending=ending)
    world.send(dict(reversed(a_row("c").items())), ending=ending)
    brought = world.take()
    assert (brought.new, brought.problems) == (3, [])
    assert world.rows("SELECT sample_id, group_id FROM samples ORDER BY 1") == [("a", None), ("b", "g"), ("c", None)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_missing_column_is_told_with_those_there_are_and_the_file_is_read_when_mended(
    world: World, ending: str
) -> None:
    row = a_row("a")
    own = {"id": row["sample_id"], **{name: row[name] for name in ("observed_at", "outcome", "camera")}}
    path = world.send(own, name=f"a.{ending}")
    world.send(a_row("other"), ending=ending)
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["missing_column"])
    assert brought.problems[0].message == (
        f"{path}: has no column sample_id, score; it has id, observed_at, outcome, camera. Map your own names in "
        '[model.source] columns of source "samples", perhaps columns = { sample_id = "id" }; nothing of the file was taken, '
        "it is tried again"
    )
    world.send(row, name=path.name)
    assert world.take().new == 1


def test_a_column_without_any_value_is_as_if_each_row_lacked_it(world: World) -> None:
    write_parquet(world.base / "in" / "a.parquet", [a_row("a", outcome=None)], {"outcome": '"NULL"'})
    brought = world.take()
    assert (brought.new, brought.problems) == (1, [])
    assert world.one("SELECT positives FROM samples") is None


def test_json_lines_without_a_required_key_are_quarantined_row_by_row(world: World) -> None:
    rows = [a_row("a"), a_row("b")]
    del rows[0]["score"]
    assert world.take(*rows).quarantined == {"missing_score": 1}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_missing_slice_column_is_told_and_its_rows_count_as_missing(world: World, ending: str) -> None:
    row = a_row("a")
    del row["camera"]
    path = world.send(row, ending=ending)
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["missing_slice_column"])
    assert (
        brought.problems[0].message == f"{path}: has no column camera; its rows count under the slice value __missing__"
    )


@pytest.mark.parametrize(
    ("column", "type_", "value", "message"),
    [
        (
            "observed_at",
            "BIGINT",
            1,
            'column "observed_at" is BIGINT: say time_unit = "s", "ms", "us" or "ns" in [model.source]',
        ),
        ("observed_at", "BOOLEAN", True, 'column "observed_at" is BOOLEAN; observed_at must be a time'),
        ("score", "DATE", "2026-01-01", 'column "score" is DATE; score must be a number'),
        ("score", "DOUBLE[]", [0.7], 'column "score" is DOUBLE[]; score must be a number: name one in it, such as "score.1"'),
        ("outcome", "DATE", "2026-01-01", 'column "outcome" is DATE; outcome must be 0 or 1'),
        ("logits", "DOUBLE", 0.1, 'column "logits" is DOUBLE; logits must be a list of numbers'),
        ("sample_id", "INTEGER[]", [1], 'column "sample_id" is INTEGER[]; sample_id must be text or a number'),
    ],
)
def test_a_column_of_a_type_that_holds_no_such_value_is_told(
    world: World, column: str, type_: str, value: object, message: str
) -> None:
    path = world.base / "in" / "a.parquet"
    write_parquet(
        path,
        [a_row("a", **{column: value})] if column != "sample_id" else [{**a_row("a"), column: value}],
        {column: type_},
    )
    world.send(a_row("other"), ending="parquet")
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["wrong_type"])
    assert brought.problems[0].message == f"{path}: {message}; nothing of the file was taken, it is tried again"
