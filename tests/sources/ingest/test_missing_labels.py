"""Words that people and programs write where there is no label yet."""

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.store.values import MISSING_WORDS
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples, write_parquet

WORDS = ["nan", "None", "NULL", "NA", "N/A", "<NA>", "\\N", "-"]
CASES = [
    word for each in WORDS for word in dict.fromkeys((each, each.lower(), each.upper(), each.title(), f" {each} "))
]
MULTICLASS = 'task = "multiclass"\n'
TWO_TABLES = (
    '[[model.source]]\nname = "predictions"\npath = "in/*"\n'
    '[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels/*"\n'
)


def named(sample_id: str, label: object, predicted: str = "cat", **values: Any) -> Row:
    return a_row(sample_id, outcome=None, label=label, predicted_class=predicted, **values)


def outcomes(world: World) -> list[int | None]:
    return [row[0] for row in world.rows("SELECT positives FROM samples ORDER BY sample_id")]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("column", ["label", "outcome"])
def test_every_word_in_every_case_means_not_labelled_yet(make_world: MakeWorld, ending: str, column: str) -> None:
    world = make_world(MULTICLASS)
    absent = {"outcome": None, "label": None, "predicted_class": "cat"}
    rows = [a_row(f"{index:03}", **{**absent, column: word}) for index, word in enumerate(CASES)]
    if ending == "parquet":
        write_parquet(world.base / "in" / "x.parquet", rows, {"outcome": "VARCHAR"})
    else:
        world.send(*rows, ending=ending)
    brought = world.take()
    assert (brought.new, brought.quarantined, brought.problems) == (len(CASES), {}, [])
    assert set(outcomes(world)) == {None}
    assert world.one("SELECT sum(unlabelled), sum(n) FROM cells") == (len(CASES), 0)


@pytest.mark.parametrize("word", ["nane", "none!", "nano", "n a", "--", "0x", "nullable", "nonesuch"])
def test_words_that_only_look_alike_are_labels(make_world: MakeWorld, word: str) -> None:
    world = make_world(MULTICLASS)
    world.take(named("a", word), ending="csv")
    assert outcomes(world) == [0]


def test_the_words_of_the_documents_are_all_known() -> None:
    assert {word.lower() for word in WORDS} <= set(MISSING_WORDS)


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
@pytest.mark.parametrize("column", ["outcome", "label"])
def test_nan_and_null_in_a_column_of_floats_mean_not_labelled_yet(
    make_world: MakeWorld, kind: str, column: str
) -> None:
    world = make_world(MULTICLASS)
    rows = [
        a_row(f"{index}", **{"outcome": None, "predicted_class": "1", column: value})
        for index, value in enumerate((math.nan, None, 1.0, 0.0))
    ]
    write_parquet(world.base / "in" / "x.parquet", rows, {column: kind})
    brought = world.take()
    assert (brought.new, brought.quarantined) == (4, {})
    assert outcomes(world) == [None, None, 1, 0]


@pytest.mark.parametrize("text", ["NaN", "null", '"NaN"', '""', '"None"'])
@pytest.mark.parametrize("column", ["outcome", "label"])
def test_json_without_a_label_is_not_labelled_yet(make_world: MakeWorld, text: str, column: str) -> None:
    world = make_world(MULTICLASS)
    head = '{"sample_id": "a", "observed_at": "2026-03-10 10:00:00", "score": 0.7, "predicted_class": "cat", "camera": "c1"'
    (world.base / "in" / "x.jsonl").write_text(f'{head}, "{column}": {text}}}\n')
    brought = world.take()
    assert (brought.new, brought.quarantined) == (1, {})
    assert outcomes(world) == [None]


@pytest.mark.parametrize(
    ("extra", "label", "outcome"),
    [
        ('classes = ["none", "scratch"]\n', "none", 1),
        ('classes = ["none", "scratch"]\n', "None", None),  # the class is written "none"
        ('classes = ["NA", "EU"]\n', "NA", 1),
    ],
)
def test_a_word_in_classes_is_a_class(make_world: MakeWorld, extra: str, label: str, outcome: int | None) -> None:
    world = make_world(MULTICLASS + extra)
    predicted = label if outcome else "scratch"
    world.take(named("a", label, predicted))
    assert outcomes(world) == [outcome]


def test_a_word_that_is_positive_is_a_class(make_world: MakeWorld) -> None:
    world = make_world('task = "binary"\npositive = "none"\n')
    world.take(named("a", "none"), named("b", "nan"), named("c", "defect"))
    assert outcomes(world) == [1, None, 0]


def test_a_word_predicted_in_the_same_file_is_a_class(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(MULTICLASS)
    world.take(
        named("a", "none", "none"), named("b", "none", "scratch"), named("c", "scratch", "none"), named("d", "nan"),
    )  # fmt: skip
    assert outcomes(world) == [1, 0, 0, None]
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_labels_taken_as_missing_are_judged_once_their_word_is_predicted(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(MULTICLASS)
    world.take(named("a", "none", "scratch"), named("b", "None", "scratch"), named("c", "nan", "scratch"))
    assert outcomes(world) == [None, None, None]
    brought = world.take(named("d", None, "none", labelled_at=None), now=NOW + HOUR)
    assert (brought.new, brought.labelled) == (1, 1)
    assert outcomes(world) == [0, None, None, None], "what was written None or nan still is no label"
    assert_cells_match_their_samples(world, tmp_path / "again")
    world.take(named("e", "none", "none"), now=NOW + 2 * HOUR)
    assert outcomes(world)[-1] == 1


def test_a_class_of_long_ago_is_none_any_more(make_world: MakeWorld) -> None:
    world = make_world(MULTICLASS + 'retention = "30d"\nfold_after = "7d"\n')
    world.take(named("a", None, "none", labelled_at=None))
    late = NOW + 31 * DAY
    moment = (late - HOUR).strftime("%Y-%m-%d %H:%M:%S")
    world.take(named("b", "none", "scratch", observed_at=moment, labelled_at=None), now=late)
    assert world.rows("SELECT positives FROM samples WHERE sample_id = 'b'") == [(None,)]


def test_a_class_that_goes_on_being_predicted_goes_on_being_one(make_world: MakeWorld) -> None:
    world = make_world(MULTICLASS + 'retention = "30d"\nfold_after = "7d"\n')
    for days in (0, 20, 40):
        moment = (NOW + timedelta(days=days) - HOUR).strftime("%Y-%m-%d %H:%M:%S")
        world.take(
            named(f"p{days}", None, "none", observed_at=moment, labelled_at=None), now=NOW + timedelta(days=days)
        )
    late = NOW + 60 * DAY
    moment = (late - HOUR).strftime("%Y-%m-%d %H:%M:%S")
    world.take(named("z", "none", "none", observed_at=moment, labelled_at=None), now=late)
    assert world.rows("SELECT positives FROM samples WHERE sample_id = 'z'") == [(1,)]


@pytest.mark.parametrize(
    ("words", "label", "outcome"),
    [
        ('["todo", "?"]', "todo", None), ('["todo", "?"]', " TODO ", None), ('["todo", "?"]', "?", None),
        ('["todo", "?"]', "none", 0), ('["todo", "?"]', "", None), ("[]", "nan", 0), ('["-1"]', "-1", None),
        ('["-1"]', "-1.0", None), ('["cat"]', "cat", None),
    ],
)  # fmt: skip
def test_a_source_may_give_its_own_words(make_world: MakeWorld, words: str, label: str, outcome: int | None) -> None:
    world = make_world(MULTICLASS, f'[[model.source]]\npath = "in/*"\nmissing_labels = {words}\n')
    world.take(named("a", label), ending="csv")
    assert outcomes(world) == [outcome]


@pytest.mark.parametrize(("value", "kind"), [(-1, "BIGINT"), (-1.0, "DOUBLE"), ("-1", "VARCHAR"), (-1, "TINYINT")])
def test_own_words_hold_for_outcomes_of_any_type(make_world: MakeWorld, value: object, kind: str) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\nmissing_labels = ["-1"]\n')
    rows = [a_row("a", outcome=value), a_row("b", outcome=1), a_row("c", outcome=0)]
    write_parquet(world.base / "in" / "x.parquet", rows, {"outcome": kind})
    assert world.take().problems == []
    assert outcomes(world) == [None, 1, 0]


@pytest.mark.parametrize("word", ["nan", "None", "", "\\N"])
def test_a_word_erases_no_label(make_world: MakeWorld, word: str) -> None:
    world = make_world(MULTICLASS)
    world.take(named("a", "cat"))
    brought = world.take(named("a", word))
    assert (brought.duplicates, brought.corrected) == (1, 0)
    assert world.rows("SELECT positives, label FROM samples") == [(1, "cat")]


def test_within_a_file_a_word_erases_no_label_either(make_world: MakeWorld) -> None:
    world = make_world(MULTICLASS)
    world.take(named("a", "cat"), named("a", "nan", labelled_at="2026-03-10 11:30:00"))
    assert world.rows("SELECT positives, label FROM samples") == [(1, "cat")]


def test_a_label_takes_the_place_of_a_word(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(MULTICLASS)
    world.take(named("a", "None", labelled_at=None))
    brought = world.take(named("a", "dog"))
    assert (brought.labelled, brought.corrected) == (1, 0)
    assert world.rows("SELECT positives, label FROM samples") == [(0, "dog")]
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize("word", ["nan", "None", "-", ""])
def test_words_in_a_labels_table_label_nothing(make_world: MakeWorld, word: str) -> None:
    world = make_world(MULTICLASS, TWO_TABLES)
    world.send(*(named(each, None, labelled_at=None) for each in "ab"))
    world.send(
        {"sample_id": "a", "label": word, "labelled_at": "2026-03-10 11:00:00"},
        {"sample_id": "b", "label": "cat", "labelled_at": "2026-03-10 11:00:00"}, folder="labels", ending="csv",
    )  # fmt: skip
    brought = world.take()
    assert (brought.quarantined, brought.labelled) == ({}, 1)
    assert outcomes(world) == [None, 1]


def test_words_of_a_labels_table_are_judged_once_they_are_predicted(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(MULTICLASS, TWO_TABLES)
    world.send(named("a", None, "scratch", labelled_at=None))
    world.send({"sample_id": "a", "label": "none", "labelled_at": "2026-03-10 11:00:00"}, folder="labels")
    world.take()
    assert outcomes(world) == [None]
    world.take(named("b", None, "none", labelled_at=None))
    assert outcomes(world) == [0, None]
    assert_cells_match_their_samples(world, tmp_path / "again")
