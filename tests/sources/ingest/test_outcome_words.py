"""Outcomes in people's own words, and −1 beside 1."""

from pathlib import Path

import pytest

from tests.worlds.arrivals import PUSHED, in_inbox, play, push, take_pushed
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples, reasons, write_parquet

FILES = '[[model.source]]\npath = "in/*"\n'
YES_NO = 'outcomes = { true = ["yes", "Pass", "1+"], false = ["no", "FAIL"] }\n'


def outcomes(world: World) -> list[int | None]:
    return [row[0] for row in world.rows("SELECT positives FROM samples ORDER BY sample_id")]


def signs(*values: object, first: int = 0) -> list[Row]:
    return [a_row(f"{index:03}", outcome=value) for index, value in enumerate(values, first)]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("yes", 1), ("YES", 1), (" Yes ", 1), ("pass", 1), ("no", 0), ("fail", 0), ("1+", 1), ("1", 1), ("0", 0), ("true", 1),
        ("False", 0), ("1.00", 1), ("nan", None), ("", None),
    ],
)  # fmt: skip
def test_own_words_are_outcomes_beside_those_that_need_none(
    make_world: MakeWorld, ending: str, word: str, outcome: int | None
) -> None:
    world = make_world(source=FILES + YES_NO)
    rows = [a_row("a", outcome=word)]
    if ending == "parquet":
        write_parquet(world.base / "in" / "x.parquet", rows, {"outcome": "VARCHAR"})
    else:
        world.send(*rows, ending=ending)
    assert world.take().quarantined == {}
    assert outcomes(world) == [outcome]


@pytest.mark.parametrize("word", ["maybe", "2", "0.5", "yess", "y", "-2", "none of these"])
def test_a_word_that_nobody_explained_is_set_aside(make_world: MakeWorld, word: str) -> None:
    world = make_world(source=FILES + YES_NO)
    assert world.take(*signs(word), ending="csv").quarantined == {"unknown_outcome": 1}


@pytest.mark.parametrize("word", ["True", "1.00", "1.0", "1", "TRUE", " true ", "1e0", "+1"])
def test_usual_ways_to_write_one_need_no_words(world: World, word: str) -> None:
    assert world.take(*signs(word), ending="csv").quarantined == {}
    assert outcomes(world) == [1]


@pytest.mark.parametrize(("true", "false"), [("-1", "1"), ("0", "1"), ("none", "nan")])
def test_own_words_go_before_what_words_mean_else(make_world: MakeWorld, true: str, false: str) -> None:
    world = make_world(source=f'{FILES}outcomes = {{ true = ["{true}"], false = ["{false}"] }}\n')
    assert world.take(*signs(true, false), ending="csv").problems == []
    assert outcomes(world) == [1, 0]


@pytest.mark.parametrize(("kind", "one", "zero"), [("BOOLEAN", True, False), ("BIGINT", 1, 0), ("DOUBLE", 1.0, 0.0)])
def test_own_words_leave_columns_of_other_types_alone(
    make_world: MakeWorld, kind: str, one: object, zero: object
) -> None:
    world = make_world(source=FILES + YES_NO)
    write_parquet(world.base / "in" / "x.parquet", signs(one, zero, None), {"outcome": kind})
    world.take()
    assert outcomes(world) == [1, 0, None]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_minus_one_beside_one_is_the_other_outcome(world: World, ending: str) -> None:
    brought = world.take(*signs(-1, 1, 1), ending=ending)
    assert (brought.problems, outcomes(world)) == ([], [0, 1, 1])
    later = world.take(*signs(-1, first=3), ending=ending)
    assert (later.problems, outcomes(world)) == ([], [0, 1, 1, 0]), "decided once, remembered"


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "VARCHAR", "TINYINT", "DECIMAL(4,1)"])
def test_minus_one_is_understood_in_every_type(world: World, kind: str) -> None:
    rows = [a_row(f"{index}", outcome=value) for index, value in enumerate((-1, 1, None))]
    write_parquet(world.base / "in" / "x.parquet", rows, {"outcome": kind})
    assert world.take().problems == []
    assert outcomes(world) == [0, 1, None]


def test_minus_one_alone_is_undecided_and_read_again_once_it_is_decided(world: World, tmp_path: Path) -> None:
    brought = world.take(*signs(-1, -1))
    assert (brought.new, reasons(brought.problems)) == (0, ["undecided_outcome"])
    assert 'outcomes = { false = ["-1"] }' in brought.problems[0].message
    assert 'missing_labels = ["-1"]' in brought.problems[0].message
    assert world.take(now=NOW + HOUR).problems == brought.problems
    world.take(*signs(1, first=2), now=NOW + 2 * HOUR)
    world.take(now=NOW + 3 * HOUR)
    assert outcomes(world) == [0, 0, 1]
    assert world.one("SELECT problem FROM pulls ORDER BY pulled_at DESC LIMIT 1") is None
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_ones_that_came_first_decide_too(world: World) -> None:
    assert world.take(*signs(1, 1)).problems == []
    assert world.take(*signs(-1, first=2)).problems == []
    assert outcomes(world) == [1, 1, 0]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_that_is_undecided_is_read_once_a_later_one_of_its_pull_has_decided(world: World, ending: str) -> None:
    world.send(*signs(-1, -1), ending=ending)
    world.send(*signs(1, 1, first=2), ending=ending)
    assert reasons(world.take().problems) == ["undecided_outcome"]
    assert outcomes(world) == [1, 1]
    assert world.take().problems == []
    assert outcomes(world) == [0, 0, 1, 1]


@pytest.mark.parametrize("values", [(-1, 0, 1), (-1, 0, 0), ("-1", "0", "1"), (-1.0, 0.0, 1.0)])
def test_minus_one_beside_zero_is_refused_with_the_remedy(world: World, values: tuple[object, ...]) -> None:
    brought = world.take(*signs(*values))
    assert (brought.new, reasons(brought.problems)) == (0, ["undecided_outcome"])
    assert 'missing_labels = ["-1"]' in brought.problems[0].message


def test_zero_after_minus_one_was_decided_is_refused(world: World) -> None:
    world.take(*signs(-1, 1))
    brought = world.take(*signs(0, 1, first=2))
    assert (brought.new, reasons(brought.problems)) == (0, ["undecided_outcome"])
    assert world.take(*signs(-1, 1, first=4)).new == 2


@pytest.mark.parametrize(("remedy", "first"), [('outcomes = { false = ["-1"] }', 0), ('missing_labels = ["-1"]', None)])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_each_remedy_takes_the_file(make_world: MakeWorld, remedy: str, first: int | None, ending: str) -> None:
    world = make_world(source=f"{FILES}{remedy}\n")
    brought = world.take(*signs(-1, 0, 1), ending=ending)
    assert (brought.problems, outcomes(world)) == ([], [first, 0, 1])


def test_labels_of_a_binary_model_may_be_minus_one_too(world: World) -> None:
    rows = [{**row, "label": row.pop("outcome")} for row in signs(-1, 1)]
    assert world.take(*rows).problems == []
    assert outcomes(world) == [0, 1]


def test_an_undecided_push_waits_until_another_decides(make_world: MakeWorld) -> None:
    world = make_world('task = "binary"\n', PUSHED)
    push(world, *signs(-1, -1))
    brought = take_pushed(world)
    assert (brought.new, reasons(brought.problems), in_inbox(world)) == (0, ["undecided_outcome"], 1)
    push(world, *signs(1, first=2))
    take_pushed(world)
    take_pushed(world)
    assert (outcomes(world), in_inbox(world), in_inbox(world, "refused")) == ([0, 0, 1], 0, 0)


def test_a_push_that_nothing_can_decide_is_kept_aside(make_world: MakeWorld) -> None:
    world = make_world('task = "binary"\n', PUSHED)
    push(world, *signs(-1, 0))
    assert reasons(take_pushed(world).problems) == ["undecided_outcome"]
    assert (in_inbox(world), in_inbox(world, "refused")) == (0, 1)


@pytest.mark.parametrize("order", [((-1, -1), (1, 1)), ((1, 1), (-1, -1))])
def test_a_backtest_decides_as_pulls_do(make_world: MakeWorld, order: tuple[tuple[int, ...], ...]) -> None:
    played, pulled = make_world(folder="played"), make_world(folder="pulled")
    for world in (played, pulled):
        for place, values in enumerate(order):
            world.send(*signs(*values, first=10 * place), ending="csv")
    assert not [each for total in play(played, NOW - 3 * HOUR) for each in total.problems]
    pulled.take()
    pulled.take(now=NOW + HOUR)
    assert played.samples() == pulled.samples()


def test_a_backtest_refuses_what_stays_undecided(world: World) -> None:
    world.send(*signs(-1, -1))
    brought = play(world, NOW - 3 * HOUR)
    assert [each for total in brought for each in reasons(total.problems)] == ["undecided_outcome"]
    assert outcomes(world) == []
