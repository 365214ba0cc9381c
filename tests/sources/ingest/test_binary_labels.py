"""Binary models with a label: the outcome is whether it is the positive class."""

from pathlib import Path
from typing import Any

import pytest

from monitor.sources.pulled import Pulled
from tests.worlds.arrivals import PUSHED, in_inbox, play, push, take_pushed
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples, reasons, write_parquet

TWO_TABLES = (
    '[[model.source]]\nname = "predictions"\npath = "in/*"\n'
    '[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels/*"\n'
)


def binary(positive: str = "", source: str = 'path = "in/*"') -> dict[str, str]:
    named = f'positive = "{positive}"\n' if positive else ""
    return {"extra": f'task = "binary"\n{named}', "source": f"[[model.source]]\n{source}\n"}


def labelled(sample_id: str, label: object, predicted: object = None, score: float = 0.2, **values: Any) -> Row:
    return a_row(sample_id, outcome=None, label=label, predicted_class=predicted, score=score, **values)


def outcomes(world: World) -> list[int | None]:
    return [row[0] for row in world.rows("SELECT positives FROM samples ORDER BY sample_id")]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("one", "zero"),
    [("1", "0"), ("1.0", "0.0"), ("true", "false"), ("True", "False"), ("TRUE", "FALSE"), (" 1 ", " 0"), ("1.00", "0.00")],
)  # fmt: skip
def test_labels_that_speak_for_themselves_are_the_outcome_whatever_was_predicted(
    make_world: MakeWorld, ending: str, one: str, zero: str
) -> None:
    world = make_world(**binary())
    world.send(labelled("a", one, zero), labelled("b", one, one), labelled("c", zero, zero), labelled("d", zero, one),
               ending=ending)  # fmt: skip
    assert world.take().problems == []
    assert outcomes(world) == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("kind", "one", "zero"), [("BIGINT", 1, 0), ("DOUBLE", 1.0, 0.0), ("BOOLEAN", True, False), ("UTINYINT", 1, 0)]
)
def test_labels_of_any_type_speak_for_themselves(make_world: MakeWorld, kind: str, one: object, zero: object) -> None:
    world = make_world(**binary())
    rows = [labelled("a", one, zero), labelled("b", zero, zero), labelled("c", None, zero)]
    write_parquet(world.base / "in" / "x.parquet", rows, {"label": kind, "predicted_class": kind})
    assert world.take().problems == []
    assert outcomes(world) == [1, 0, None]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_names_without_positive_refuse_the_file_with_the_remedy(make_world: MakeWorld, ending: str) -> None:
    world = make_world(**binary())
    world.send(labelled("a", "ok", "ok"), labelled("b", "defect", "ok"), ending=ending)
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (0, ["unknown_positive"])
    message = brought.problems[0].message
    assert '"defect", "ok"' in message
    assert 'Set positive = "defect"' in message
    assert 'task = "multiclass"' in message
    assert world.take(now=NOW + HOUR).problems == brought.problems, "it is tried again every cycle"


@pytest.mark.parametrize(("one", "two"), [("1", "2"), ("1.0", "2.0")])
def test_labels_that_count_from_1_refuse_the_file_too(make_world: MakeWorld, one: str, two: str) -> None:
    world = make_world(**binary())
    rows = [labelled(f"{index:03}", two if index % 40 == 0 else one, one) for index in range(200)]
    brought = world.take(*rows, ending="csv")
    assert (brought.new, reasons(brought.problems)) == (0, ["unknown_positive"])
    assert '"1", "2"' in brought.problems[0].message


def test_a_stray_name_beside_both_outcomes_is_set_aside_alone(make_world: MakeWorld) -> None:
    world = make_world(**binary())
    rows = [labelled(f"{index:03}", index % 2) for index in range(40)]
    brought = world.take(*rows, labelled("z", "oops"), ending="csv")
    assert (brought.new, brought.quarantined, brought.problems) == (40, {"unknown_outcome": 1}, [])


@pytest.mark.parametrize("label", ["defect", "Defect", "DEFECT", " defect "])
def test_positive_names_the_class_in_any_case(make_world: MakeWorld, label: str) -> None:
    world = make_world(**binary("defect"))
    brought = world.take(labelled("a", label, "ok"), labelled("b", "ok", "defect"), ending="csv")
    assert brought.problems == []
    assert outcomes(world) == [1, 0]


def test_classes_that_differ_by_case_alone_stay_apart(make_world: MakeWorld) -> None:
    extra = 'task = "binary"\npositive = "P"\nclasses = ["p", "P"]\n'
    world = make_world(extra)
    world.take(labelled("a", "P", "p"), labelled("b", "p", "P"))
    assert outcomes(world) == [1, 0]


@pytest.mark.parametrize(("positive", "label"), [("2", 2), ("2", "2.0"), ("2.0", "2"), ("2", 2.0)])
def test_positive_may_be_a_number(make_world: MakeWorld, positive: str, label: object) -> None:
    world = make_world(**binary(positive))
    world.take(labelled("a", label), labelled("b", "1"))
    assert outcomes(world) == [1, 0]


def test_words_of_outcomes_do_for_labels_and_the_others_are_set_aside(make_world: MakeWorld) -> None:
    world = make_world(**binary(source='path = "in/*"\noutcomes = { true = ["Defect"], false = ["OK"] }'))
    brought = world.take(labelled("a", "defect"), labelled("b", "ok"), labelled("c", "unsure"))
    assert (outcomes(world), brought.quarantined) == ([1, 0], {"unknown_outcome": 1})


def test_words_missing_beside_positive_are_not_negative(make_world: MakeWorld) -> None:
    world = make_world(**binary("defect"))
    rows = [labelled(f"{index}", word) for index, word in enumerate(("defect", "ok", "nan", "None", "", "N/A"))]
    world.take(*rows, ending="csv")
    assert outcomes(world) == [1, 0, None, None, None, None]


def test_a_corrected_prediction_leaves_the_outcome_of_a_binary_label(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(**binary("defect"))
    world.take(labelled("a", "defect", "ok"))
    world.take(labelled("a", None, "defect", labelled_at=None))
    assert world.rows("SELECT positives, predicted_class FROM samples") == [(1, "defect")]
    assert_cells_match_their_samples(world, tmp_path / "again")


@pytest.mark.parametrize("positive", ["", "defect"])
def test_labels_of_a_table_of_their_own_follow_the_same_rule(make_world: MakeWorld, positive: str) -> None:
    world = make_world(binary(positive)["extra"], TWO_TABLES)
    world.send(*(a_row(each, outcome=None, labelled_at=None, predicted_class="defect", score=0.2) for each in "ab"))
    arrived = {"labelled_at": "2026-03-10 11:00:00"}
    world.send(
        {"sample_id": "a", "label": "defect", **arrived}, {"sample_id": "b", "label": "ok", **arrived}, folder="labels"
    )
    brought = world.take()
    assert outcomes(world) == ([1, 0] if positive else [None, None])
    assert reasons(brought.problems) == ([] if positive else ["unknown_positive"])


def one_sided(count: int, first: int = 0) -> list[Row]:
    """Scores of the class that is predicted, be it ok or defect: none is below one half."""
    return [
        labelled(f"{index:04}", index % 3 % 2, "defect" if index % 5 == 0 else "ok", 0.5 + index % 50 / 100)
        for index in range(first, first + count)
    ]


def taken_back(brought: Pulled) -> int:
    return brought.quarantined.get("taken_back", 0)


def test_scores_of_the_predicted_class_refuse_the_file_with_the_remedy(make_world: MakeWorld) -> None:
    world = make_world(**binary())
    brought = world.take(*one_sided(50))
    assert (brought.new, reasons(brought.problems)) == (0, ["scores_of_predicted_class"])
    assert 'task = "multiclass"' in brought.problems[0].message


def test_one_half_that_was_rounded_down_is_still_one_half(make_world: MakeWorld) -> None:
    world = make_world(**binary())
    rows = one_sided(60)
    rows[7]["score"] = 0.49999998
    assert reasons(world.take(*rows).problems) == ["scores_of_predicted_class"]


@pytest.mark.parametrize(
    "rows",
    [
        one_sided(49),
        [{**row, "predicted_class": "defect"} for row in one_sided(80)],
        [{**row, "predicted_class": None} for row in one_sided(80)],
        [*one_sided(80), labelled("low", 1, "ok", 0.4)],
    ],
    ids=["few", "one class", "no class", "one low"],
)
def test_what_does_not_show_the_predicted_class_is_taken(make_world: MakeWorld, rows: list[Row]) -> None:
    world = make_world(**binary())
    brought = world.take(*rows)
    assert (brought.new, brought.problems) == (len(rows), [])


def test_over_small_files_the_earlier_ones_are_taken_back(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(**binary())
    brought = [world.take(*one_sided(10, first), now=NOW) for first in range(0, 50, 10)]
    assert [each.new for each in brought] == [10, 10, 10, 10, 0]
    assert (taken_back(brought[-1]), reasons(brought[-1].problems)) == (40, ["scores_of_predicted_class"])
    assert world.one("SELECT count(*) FROM samples") == 0
    assert world.one("SELECT coalesce(sum(n), 0) + coalesce(sum(unlabelled), 0) FROM cells") == 0
    assert world.rows("SELECT reason, count(*) FROM quarantine GROUP BY ALL") == [("taken_back", 40)]
    again = world.take(now=NOW + HOUR)
    assert (again.new, set(reasons(again.problems))) == (0, {"scores_of_predicted_class"})
    assert world.one("SELECT count(*) FROM quarantine") == 40


def test_a_low_score_lets_all_refused_files_in(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(**binary())
    for first in range(0, 60, 10):
        world.take(*one_sided(10, first))
    world.take(labelled("low", 1, "ok", 0.1), now=NOW + HOUR)
    world.take(now=NOW + 2 * HOUR)
    assert world.one("SELECT count(*) FROM samples") == 61
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_over_pushes_the_earlier_ones_are_taken_back(make_world: MakeWorld) -> None:
    world = make_world('task = "binary"\n', PUSHED)
    for first in range(0, 50, 10):
        push(world, *one_sided(10, first))
        brought = take_pushed(world)
    assert (brought.new, taken_back(brought)) == (0, 40)
    assert world.one("SELECT count(*) FROM samples") == 0
    assert (in_inbox(world), in_inbox(world, "refused")) == (0, 1)


def test_pushes_taken_together_are_refused_like_those_taken_one_by_one(make_world: MakeWorld) -> None:
    world = make_world('task = "binary"\n', PUSHED)
    for first in range(0, 70, 10):
        push(world, *one_sided(10, first))
    brought = take_pushed(world)
    assert (world.one("SELECT count(*) FROM samples"), taken_back(brought)) == (0, 40)
    assert in_inbox(world, "refused") == 3


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (one_sided(60), "scores_of_predicted_class"),
        ([labelled("a", "ok"), labelled("b", "defect")], "unknown_positive"),
    ],
)
def test_a_backtest_refuses_what_a_pull_refuses(make_world: MakeWorld, rows: list[Row], reason: str) -> None:
    world = make_world(**binary())
    world.send(*rows)
    brought = play(world, NOW - 3 * HOUR)
    assert [each for total in brought for each in reasons(total.problems)] == [reason]
    assert world.one("SELECT count(*) FROM samples") == 0


def test_a_backtest_lets_go_of_earlier_files_too(make_world: MakeWorld) -> None:
    world = make_world(**binary())
    for first in range(0, 60, 10):
        world.send(*one_sided(10, first))
    brought = play(world, NOW - 3 * HOUR)
    assert {each for total in brought for each in reasons(total.problems)} == {"scores_of_predicted_class"}
    assert world.one("SELECT count(*) FROM samples") == 0
