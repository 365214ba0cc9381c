"""Texts that mean the same are one label, id or slice value, in SQL and in Python alike."""

import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store.values import is_integer_type, normalize_word, normalized_text, plain_text
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World, a_row, write_parquet

_ODD = " \t\n\r\x0b\x0c\u00a0\u2007\u202f\u3000\u200b\ufeff!~.0123456789-aZé漢"
_BLANKS = " \t\n\r\u00a0\u3000\ufeff"


def in_sql(words: list[str]) -> list[str | None]:
    with duckdb.connect() as connection:
        query = f"SELECT {normalized_text('word')} FROM (SELECT unnest($words::VARCHAR[]) AS word)"
        return [row[0] for row in connection.execute(query, {"words": words}).fetchall()]


def as_column(value: object, kind: str) -> str | None:
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {plain_text('v', kind)} FROM (SELECT $value::{kind} AS v)", {"value": value})
        found = row.fetchone()
    assert found is not None
    text: str | None = found[0]
    return text


words = st.text(st.sampled_from(_ODD), max_size=12) | st.text(max_size=12).filter(lambda word: "\x00" not in word)
numbers = st.builds(
    "{}{}.{}{}".format, st.sampled_from(["", " ", "-"]), st.integers(0, 999), st.sampled_from(["0", "00", "10", ""]),
    st.sampled_from(["", " ", "\t"]),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(words | numbers, min_size=1, max_size=40))
def test_sql_and_python_bring_every_word_into_the_same_form(found: list[str]) -> None:
    assert in_sql(found) == [normalize_word(word) or None for word in found]


@settings(deadline=None, max_examples=60)
@given(words | numbers)
def test_a_form_once_reached_stays(word: str) -> None:
    assert normalize_word(normalize_word(word)) == normalize_word(word)


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("3", "3"), ("3.0", "3"), (" 3 ", "3"), ("3.000", "3"), ("-3.0", "-3"), ("12.0\t", "12"), ("0.0", "0"),
        ("007.0", "007"),        ("\ufeff3.0", "3"), ("\u00a0c1\u00a0", "c1"), ("\u3000東京\u3000", "東京"),
        # no number that is whole, so nothing but blanks goes
        ("1.10", "1.10"), ("1.1", "1.1"), ("3.5", "3.5"), ("3.", "3."), (".0", ".0"), ("v3.0", "v3.0"), ("3.0.0", "3.0.0"),
        ("1e3", "1e3"), ("--3.0", "--3.0"), ("3.0 m", "3.0 m"), ("two words", "two words"), ("٣.0", "٣.0"),
    ],
)  # fmt: skip
def test_only_whole_numbers_lose_their_zeros_and_only_the_ends_their_blanks(word: str, plain: str) -> None:
    assert in_sql([word]) == [plain]
    assert normalize_word(word) == plain


@pytest.mark.parametrize("word", ["", " ", "\t\n", "\u00a0", "\ufeff", "\u3000"])
def test_blanks_alone_say_nothing(word: str) -> None:
    assert in_sql([word]) == [None]


@pytest.mark.parametrize(
    ("value", "kind", "plain"),
    [
        (3, "BIGINT", "3"), (3, "UTINYINT", "3"), (3.0, "DOUBLE", "3"), (3.0, "FLOAT", "3"), (-3.0, "DOUBLE", "-3"),
        (3.5, "DOUBLE", "3.5"), (1e15, "DOUBLE", "1000000000000000"), (float("nan"), "DOUBLE", None), (None, "DOUBLE", None),
        (Decimal("3.00"), "DECIMAL(9,2)", "3"), (Decimal("3.10"), "DECIMAL(9,2)", "3.1"), (Decimal("30"), "DECIMAL(9,0)", "30"),
        ("3.0", "VARCHAR", "3"), (True, "BOOLEAN", "true"), (-0.0, "DOUBLE", "0"),
        (datetime.date(2026, 3, 1), "DATE", "2026-03-01"),
    ],
)  # fmt: skip
def test_a_column_of_any_type_gives_the_text_that_others_give(value: object, kind: str, plain: str | None) -> None:
    assert as_column(value, kind) == plain


@pytest.mark.parametrize(
    ("kind", "whole"), [("HUGEINT", True), ("UBIGINT", True), ("DOUBLE", False), ("VARCHAR", False)]
)
def test_types_of_whole_numbers_are_known(kind: str, whole: bool) -> None:
    assert is_integer_type(kind) is whole


SPELLINGS: list[tuple[str, str, Any]] = [
    ("jsonl", "", 12), ("jsonl", "", 12.0), ("jsonl", "", "12"), ("jsonl", "", " 12 "), ("csv", "", "12.0"), ("csv", "", " 12"),
    ("parquet", "BIGINT", 12), ("parquet", "DOUBLE", 12.0), ("parquet", "FLOAT", 12.0), ("parquet", "VARCHAR", "12.00"),
    ("parquet", "DECIMAL(9,1)", 12),
]  # fmt: skip


def send(world: World, ending: str, kind: str, column: str, value: Any, **row: Any) -> None:
    rows = [{**a_row("a"), **row, column: value}]
    if ending == "parquet":
        world.written += 1
        write_parquet(world.base / "in" / f"{world.written:03}.parquet", rows, {column: kind})
    else:
        world.send(*rows, ending=ending)


@pytest.mark.parametrize("kind", ["UUID", "DATE", "ENUM('a', 'b')", "BLOB", "TIME"])
@pytest.mark.parametrize("column", ["camera", "sample_id", "group_id"])
def test_a_column_of_a_rarer_type_is_taken_as_the_text_it_shows(world: World, kind: str, column: str) -> None:
    if (column, kind) == ("sample_id", "BLOB"):
        return  # refused: bytes are no id
    value = {"UUID": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "DATE": "2026-03-01", "TIME": "10:00:00"}.get(kind, "a")
    write_parquet(world.base / "in" / "x.parquet", [{**a_row("a"), column: value}], {column: kind})
    brought = world.take()
    assert (brought.new, brought.problems) == (1, [])
    shown = "labels['camera'] FROM slices" if column == "camera" else f"{column} FROM samples"
    assert world.one(f"SELECT {shown}") == value


def test_an_id_is_one_however_it_is_written(world: World) -> None:
    for ending, kind, value in SPELLINGS:
        send(world, ending, kind, "sample_id", value)
    brought = world.take()
    assert (brought.new, brought.duplicates, brought.problems) == (1, len(SPELLINGS) - 1, [])
    assert world.rows("SELECT sample_id FROM samples") == [("12",)]


def test_a_slice_value_is_one_however_it_is_written(world: World) -> None:
    for index, (ending, kind, value) in enumerate(SPELLINGS):
        send(world, ending, kind, "camera", value, observed_at=f"2026-03-10 10:{index:02}:00")
    assert world.take().new == len(SPELLINGS)
    assert world.rows("SELECT labels['camera'] FROM slices") == [("12",)]
    assert world.rows("SELECT value FROM slice_values") == [("12",)]


def test_a_label_equals_its_class_however_both_are_written(make_world: MakeWorld) -> None:
    world = make_world('task = "multiclass"\n')
    for index, (ending, kind, value) in enumerate(SPELLINGS):
        send(
            world, ending, kind, "label", value, outcome=None, predicted_class="12.0",
            observed_at=f"2026-03-10 10:{index:02}:00",
        )  # fmt: skip
    world.take()
    assert world.rows("SELECT DISTINCT positives, label, predicted_class FROM samples") == [(1, "12", "12")]


@pytest.mark.parametrize(("label", "predicted"), [("1.10", "1.1"), ("3", "30"), ("3.5", "3"), ("cat", "Cat")])
def test_labels_that_are_other_values_stay_other_values(make_world: MakeWorld, label: str, predicted: str) -> None:
    world = make_world('task = "multiclass"\n')
    world.take(a_row("a", outcome=None, label=label, predicted_class=predicted), ending="csv")
    assert world.one("SELECT positives FROM samples") == 0


def test_ids_of_labels_in_a_table_of_their_own_join_however_they_are_written(make_world: MakeWorld) -> None:
    world = make_world(
        source='[[model.source]]\nname = "predictions"\npath = "in/*"\n'
        '[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels/*"\n'
    )
    world.send(*(a_row(str(index), outcome=None, labelled_at=None) for index in range(3)), ending="csv")
    rows = [{"sample_id": float(index), "outcome": 1, "labelled_at": "2026-03-10 11:00:00"} for index in range(3)]
    write_parquet(world.base / "labels" / "l.parquet", rows, {"sample_id": "DOUBLE"})
    assert world.take().labelled == 3
