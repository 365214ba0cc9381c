"""Texts from outside are bounded: versions and calibrators by places, all of them by length."""

import json
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.model import OTHER
from monitor.store.cells import fold_and_drop, load_window_cells
from monitor.store.connection import open_live, quote_text
from monitor.store.dictionaries import plain_value
from monitor.store.folded import load_folded
from monitor.store.places import placed_versions
from monitor.store.published.snapshot import SNAPSHOT, Publisher
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, World, a_row, assert_cells_match_their_samples, write_parquet

FORMATS = ["csv", "jsonl", "parquet"]
HUGE = "x" * 10_000_000


def versions(world: World) -> dict[str, int]:
    """Rows stored by version."""
    return dict(
        world.rows("SELECT t.version, count(*) FROM samples AS s JOIN streams AS t USING (stream_id) GROUP BY 1")
    )


def calibrators(world: World) -> dict[str, int]:
    """Rows stored by calibrator."""
    return dict(
        world.rows("SELECT t.calibrator, count(*) FROM samples AS s JOIN streams AS t USING (stream_id) GROUP BY 1")
    )


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("limit", [1, 3])
def test_versions_beyond_the_limit_fold_and_the_most_frequent_have_the_places(
    make_world: MakeWorld, limit: int, ending: str
) -> None:
    world = make_world(f"max_versions = {limit}\n")
    rows = [a_row(f"s{index}", version=f"v{index}") for index in range(50)]
    rows += [a_row(f"often{index}", version="often") for index in range(3)]
    world.take(*rows, ending=ending)
    held = versions(world)
    assert len(held) == limit + 1
    assert (held["often"], held[OTHER]) == (3, 53 - 3 - (limit - 1))
    shown = load_window_cells(world.store(), NOW - 12 * HOUR, NOW)
    assert OTHER in shown.versions
    assert_cells_match_their_samples(world, world.base / "again")


def test_a_version_that_comes_when_all_places_are_taken_folds_and_known_ones_go_on(make_world: MakeWorld) -> None:
    world = make_world("max_versions = 2\n")
    world.take(a_row("a", version="v1"), a_row("b", version="v2"))
    told = world.take(a_row("c", version="v3"), a_row("d", version="v1"), a_row("e", version=None))
    assert versions(world) == {"v1": 2, "v2": 1, OTHER: 1, "": 1}
    (problem,) = told.problems
    assert problem.reason == "values_folded"
    assert 'more than 2 versions within retention (max_versions), 1 row of others, such as "v3"' in problem.message
    assert "measured but not judged for drift" in problem.message


def test_folding_is_told_when_it_begins_and_counted_as_it_goes_on(make_world: MakeWorld) -> None:
    world = make_world("max_versions = 1\nmax_slice_values = 1\n")
    first = world.take(a_row("a"), a_row("b", version="v2", camera="c2", calibrator="k1"))
    again = world.take(*(a_row(f"s{n}", version=f"w{n}", camera=f"d{n}", calibrator=f"k{n}") for n in range(2, 9)))
    assert [problem.reason for problem in first.problems] == ["values_folded", "values_folded"]
    assert [problem.reason for problem in again.problems] == ["values_folded"]  # calibrators begin to
    found = {(each.kind, each.name): (each.most, each.rows) for each in load_folded(world.connection, "m")}
    assert found == {("version", ""): (1, 8), ("calibrator", ""): (1, 7), ("slice", "camera"): (1, 8)}
    notes = world.rows("SELECT reason, item FROM source_notes ORDER BY ALL")
    assert notes == [("values_folded", "calibrator"), ("values_folded", "camera"), ("values_folded", "version")]


def test_calibrators_that_calwatch_made_need_no_place(make_world: MakeWorld) -> None:
    world = make_world("max_versions = 1\n")
    for id_ in ("ours1", "ours2"):
        world.connection.execute(
            "INSERT INTO calibrators (id, model, scope, method, fitted_at, fit_start, fit_end, gate_start, gate_end, before, "
            "after, parameters) SELECT $id, 'm', 'all', 'platt', $now, $now, $now, $now, $now, '{}', '{}', '{}'",
            {"id": id_, "now": NOW.replace(tzinfo=None)},
        )
    world.take(*(a_row(f"s{index}", calibrator=id_) for index, id_ in enumerate(["ours1", "ours2", "x", "y", "x"])))
    assert calibrators(world) == {"ours1": 1, "ours2": 1, "x": 2, OTHER: 1}


def test_rows_that_folded_and_come_again_are_known(make_world: MakeWorld) -> None:
    world = make_world("max_versions = 1\nmax_slice_values = 1\n")
    rows = [a_row("a"), a_row("b"), a_row("c", version="v2", camera="c2")]
    world.take(*rows)
    again = world.take(*rows)
    assert (again.new, again.corrected, again.changed_predictions, again.duplicates) == (0, 0, 0, 3)


def test_a_row_that_folded_moves_to_a_place_that_is_free_by_now_and_was_no_other_prediction(
    make_world: MakeWorld,
) -> None:
    narrow = make_world("max_versions = 1\nmax_slice_values = 1\n")
    rows = [a_row("a"), a_row("b"), a_row("c", version="v2", camera="c2")]
    narrow.take(*rows)
    wide = World(
        narrow.base, narrow.model.model_copy(update={"max_versions": 5, "max_slice_values": 5}), narrow.connection
    )
    again = wide.take(*rows)
    assert (versions(wide), again.changed_predictions) == ({"v1": 2, "v2": 1}, 0)
    assert_cells_match_their_samples(wide, wide.base / "again")


def test_versions_and_slice_values_not_seen_for_retention_free_their_places(make_world: MakeWorld) -> None:
    world = make_world('max_versions = 3\nmax_slice_values = 3\nretention = "40d"\n')
    world.take(*(a_row(f"s{n}", version=f"junk{n}", camera=f"junk{n}") for n in range(500)))
    assert world.one("SELECT count(*) FROM slice_values") == 3
    later = NOW + 20 * DAY
    row = {"observed_at": "2026-03-30 10:00:00", "labelled_at": "2026-03-30 11:00:00"}
    world.take(a_row("folds", version="v1", **row), now=later)
    fold_and_drop(world.store(later), later)
    assert versions(world)[OTHER] == 498
    free = NOW + 41 * DAY
    fold_and_drop(world.store(free), free)
    assert world.one("SELECT count(*) FROM slice_values") == 0  # of the row that folded none has one
    assert placed_versions(world.connection, 1) == {OTHER}
    row = {"observed_at": "2026-04-20 10:00:00", "labelled_at": "2026-04-20 11:00:00"}
    world.take(
        a_row("new", version="v1", camera="c1", **row), a_row("old", version="junk0", camera="junk0", **row), now=free
    )
    assert versions(world) == {OTHER: 1, "v1": 1, "junk0": 1}
    assert sorted(world.rows("SELECT value FROM slice_values")) == [("c1",), ("junk0",)]
    assert world.one("SELECT count(*) FROM streams WHERE version = 'junk0'") == 1  # the same as before


def test_eighty_thousand_values_pushed_once_take_no_place_for_good(make_world: MakeWorld) -> None:
    world = make_world('retention = "40d"\n')
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 's' || range AS sample_id, TIMESTAMP '2026-03-10 10:00:00' AS observed_at, 0.7 AS score, "
            f"1 AS outcome, 'c' || range AS camera FROM range(80000)) TO {quote_text(str(world.base / 'in' / 'many.parquet'))}"
        )
    assert world.take().new == 80_000
    free = NOW + 41 * DAY
    fold_and_drop(world.store(free), free)
    row = {"observed_at": "2026-04-20 10:00:00", "labelled_at": "2026-04-20 11:00:00"}
    told = world.take(*(a_row(f"r{n}", camera=f"real{n}", **row) for n in range(100)), now=free)
    assert world.one("SELECT count(*) FROM slice_values WHERE value LIKE 'real%'") == 100
    assert (told.problems, load_folded(world.connection, "m")) == ([], ())


@pytest.mark.parametrize("ending", FORMATS)
def test_long_versions_end_in_their_hash_and_stay_apart(world: World, ending: str) -> None:
    path = "s3://models/" + "deep/" * 40
    rows = [
        a_row(f"s{n}", version=value, calibrator=value) for n, value in enumerate([path + "a", path + "b", path + "a"])
    ]
    world.take(*rows, ending=ending)
    for held in (versions(world), calibrators(world)):
        assert sorted(held.values()) == [1, 2]
        assert all(len(value) == 120 and value.startswith(path[:111] + "…") for value in held)
    assert world.take(*rows, ending=ending).duplicates == 3


@pytest.mark.parametrize("length", [119, 120])
def test_versions_as_long_as_may_be_stay_as_they_are(world: World, length: int) -> None:
    world.take(a_row("a", version="é" * length))
    assert versions(world) == {"é" * length: 1}


@pytest.mark.parametrize("value", ["", "   ", "\t", "\n", "\u00a0", "\u200b"])
def test_a_version_of_blanks_is_none(world: World, value: str) -> None:
    world.take(a_row("a", version=value))
    assert versions(world) == {"": 1}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("column", "most"), [("sample_id", 500), ("group_id", 500), ("predicted_class", 120), ("label", 120)]
)
def test_ids_and_classes_that_are_too_long_are_set_aside(
    make_world: MakeWorld, column: str, most: int, ending: str
) -> None:
    world = make_world('task = "multiclass"\n')
    good = {"outcome": None, "label": "cat", "predicted_class": "cat", "group_id": "g"}
    rows = [a_row("fits", **good), a_row("long", **good), a_row("longest", **good)]
    for row, length in zip(rows, (most, most + 1, 100_000), strict=True):
        row[column] = "ö" * length
    brought = world.take(*rows, ending=ending)
    assert (brought.new, brought.quarantined) == (1, {"too_long": 2})
    assert world.one("SELECT max(length(record)) FROM quarantine") <= 4_000


def test_labels_apart_with_a_long_id_are_set_aside(make_world: MakeWorld) -> None:
    source = (
        '[[model.source]]\nname = "p"\npath = "in/*"\n'
        '[[model.source]]\nname = "l"\nholds = "labels"\npath = "labels/*"\n'
    )
    world = make_world(source=source)
    world.send({"sample_id": "y" * 501, "labelled_at": "2026-03-10 11:00:00", "outcome": 1}, folder="labels")
    assert world.take().quarantined == {"too_long": 1}
    assert world.one("SELECT count(*) FROM parked_labels") == 0


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("column", ["version", "camera", "calibrator", "sample_id", "group_id", "outcome", "score"])
def test_a_value_of_ten_megabytes_makes_nothing_else_large(world: World, column: str, ending: str) -> None:
    if ending == "parquet" and column in ("outcome", "score"):
        pytest.skip("numbers there")
    row = a_row("a", group_id="g", calibrator="")
    world.take({**row, column: HUGE}, {**row, "sample_id": "bad", "score": 7, "version": HUGE}, ending=ending)
    for table, name in world.rows(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE data_type = 'VARCHAR' AND NOT internal "
        "AND database_name = 'live' AND schema_name = 'main'"
    ):
        assert (world.one(f'SELECT max(length("{name}")) FROM "{table}"') or 0) <= 4_000, (table, name)
    Publisher(world.base / "state").publish(world.connection, NOW)
    assert (world.base / "state" / SNAPSHOT).stat().st_size < 20_000_000


ODD = [
    "nul\x00",
    "tab\tb",
    "two\nlines",
    "bell\x07",
    "\x1b[31mred",
    "e\u0301",
    "\u00e9",
    "\u212b",
    "\u00c5",
    "a\u202eb",
]


@pytest.mark.parametrize("column", ["version", "camera"])
def test_odd_and_look_alike_values_stay_apart(world: World, column: str) -> None:
    world.take(*(a_row(f"s{n}", **{column: value}) for n, value in enumerate(ODD)))
    query = {"version": "SELECT version FROM streams", "camera": "SELECT labels['camera'] FROM slices"}[column]
    assert sorted(value for (value,) in world.rows(query)) == sorted(ODD)


def test_two_thousand_versions_of_an_earlier_release_are_kept_and_free_their_places_later(
    make_world: MakeWorld,
) -> None:
    world = make_world('retention = "40d"\nmax_versions = 1000\n')
    world.take(*(a_row(f"s{n}", version=f"v{n}") for n in range(1000)))
    narrow = World(world.base, world.model.model_copy(update={"max_versions": 100}), world.connection, world.written)
    told = narrow.take(a_row("new", version="new"), a_row("known", version="v999"))
    assert (len(versions(narrow)), versions(narrow)[OTHER], versions(narrow)["v999"]) == (1001, 1, 2)
    assert [problem.reason for problem in told.problems] == ["values_folded"]
    free = NOW + 41 * DAY
    fold_and_drop(narrow.store(free), free)
    row = {"observed_at": "2026-04-20 10:00:00", "labelled_at": "2026-04-20 11:00:00"}
    narrow.take(a_row("newest", version="new", **row), now=free)
    assert versions(narrow) == {"new": 1}


def test_long_texts_that_an_earlier_release_stored_are_cut_when_it_is_opened(world: World) -> None:
    world.take(a_row("a", version="v1"), a_row("b", version="v2", calibrator="k"))
    connection = world.connection
    connection.execute("DELETE FROM migrations WHERE name = '0013_labels'")
    connection.execute("ALTER TABLE streams DROP COLUMN placed")
    connection.execute("DROP TABLE folded_values")
    connection.execute("UPDATE streams SET version = version || repeat('x', 1000000) WHERE version = 'v1'")
    connection.execute(
        "INSERT INTO quarantine VALUES ('m', 'in', 'f', 0, 'bad_count', repeat('y', 20000), TIMESTAMP '2026-03-10')"
    )
    connection.close()
    world.connection = open_live(world.base / "state", now=NOW)
    long, short = sorted(versions(world), key=len, reverse=True)
    assert (len(long), long[:112], short) == (120, "v1" + "x" * 109 + "…", "v2")
    assert world.one("SELECT max(length(record)) FROM quarantine") == 4_000
    again = world.take(a_row("a", version="v1" + "x" * 1_000_000))
    assert (again.duplicates, again.changed_predictions) == (1, 0)


def test_the_snapshot_tells_what_folds(make_world: MakeWorld) -> None:
    world = make_world("max_versions = 1\n")
    world.take(a_row("a"), a_row("b"), a_row("c", version="v2"))
    target = Publisher(world.base / "state").publish(world.connection, NOW)
    with duckdb.connect(str(target), read_only=True) as snapshot:
        (row,) = snapshot.execute("SELECT kind, most, rows, examples, finding FROM folded_values").fetchall()
    assert row[:4] == ("version", 1, 1, ["v2"])
    assert "not judged for drift" in row[4]


@pytest.mark.parametrize("value", ["__other__", "__missing__"])
def test_words_of_calwatch_as_slice_values_take_no_place(make_world: MakeWorld, value: str) -> None:
    world = make_world("max_slice_values = 1\n")
    world.take(a_row("a", camera=value), a_row("b", camera="c1"))
    assert world.rows("SELECT value FROM slice_values") == [("c1",)]


def test_what_is_kept_of_a_row_says_where_it_was_cut(world: World) -> None:
    world.take(a_row("a", score=7, camera="z" * 1_000))
    record: dict[str, Any] = json.loads(world.one("SELECT record FROM quarantine"))
    assert record["camera"] == "z" * 300 + "…"
    assert record["sample_id"] == "a"


def test_places_are_freed_with_the_samples_not_before(make_world: MakeWorld) -> None:
    world = make_world('retention = "40d"\nmax_versions = 1\n')
    world.take(a_row("a", version="v1"))
    kept = NOW + timedelta(days=39)
    fold_and_drop(world.store(kept), kept)
    assert placed_versions(world.connection, 1) == {"v1"}


@pytest.mark.parametrize(
    ("column", "becomes"),
    [
        ("observed_at", "unreadable_time"), ("sample_id", "too_long"), ("group_id", "too_long"),
        ("outcome", "unknown_outcome"), ("camera", ""), ("version", ""), ("calibrator", ""),
    ],
)  # fmt: skip
def test_three_gigabytes_of_text_in_three_kilobytes_are_judged_row_by_row(
    world: World, column: str, becomes: str
) -> None:
    n = 3_000
    world.connection.execute("SET memory_limit = '512MB'")
    row = {**a_row("a", group_id="g", calibrator="c"), "outcome": "1"}
    texts = {name: [str(value)] * n for name, value in row.items() if isinstance(value, str)}
    texts["sample_id"] = [f"s{index}" for index in range(n)]
    table = {name: pa.array(values).dictionary_encode() for name, values in texts.items()}
    enormous = pa.DictionaryArray.from_arrays(pa.array([0] * n, type=pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(
        pa.table({**table, "score": [0.5] * n, column: enormous}),
        world.base / "in" / "bomb.parquet",
        compression="zstd",
    )
    assert (world.base / "in" / "bomb.parquet").stat().st_size < 50_000
    brought = world.take()
    assert brought.quarantined == ({becomes: n} if becomes else {})
    assert world.one("SELECT count(*) FROM samples") == (0 if becomes else n)


@pytest.mark.parametrize("column", ["camera", "calibrator", "version"])
@pytest.mark.parametrize("length", [121, 5_000])
def test_long_values_alike_but_for_their_end_stay_two_whenever_they_were_cut(
    world: World, column: str, length: int
) -> None:
    long = "x" * length
    world.take(a_row("a", **{column: long + "1"}), a_row("b", **{column: long + "2"}), ending="parquet")
    world.take(a_row("c", **{column: long + "1"}), ending="csv")
    held = "slice_id" if column == "camera" else "stream_id"
    assert sorted(n for (n,) in world.rows(f"SELECT count(*) FROM samples GROUP BY {held}")) == [1, 2]


@pytest.mark.parametrize("value", ["x" * 5_000, "y" * 121, "short"])
def test_a_slice_value_that_was_cut_is_not_cut_again(value: str) -> None:
    assert plain_value(plain_value(value)) == plain_value(value)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("width", [400, 8_000])
def test_columns_of_a_fixed_width_are_read_without_their_blanks(world: World, width: int, ending: str) -> None:
    row = {**a_row("a", group_id="g", camera="c3"), "outcome": "1"}
    padded = {name: f"{value:{width}}" if isinstance(value, str) else value for name, value in row.items()}
    padded["observed_at"] = f"{'2026-03-10 06:00:00':{width}}"
    if ending == "parquet":
        write_parquet(world.base / "in" / "wide.parquet", [padded], {"outcome": "VARCHAR", "observed_at": "VARCHAR"})
        brought = world.take()
    else:
        brought = world.take(padded, ending=ending)
    assert (brought.quarantined, brought.new) == ({}, 1)
    assert world.rows("SELECT sample_id, group_id, positives, observed_at FROM samples") == [
        ("a", "g", 1, datetime(2026, 3, 10, 6))  # noqa: DTZ001  # as the store has it
    ]
    assert world.one("SELECT labels['camera'] FROM slices WHERE slice_id = (SELECT slice_id FROM samples)") == "c3"
