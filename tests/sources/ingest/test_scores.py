"""Scores a hair outside [0, 1], and scores that are percentages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.sources.pulled import Pulled
from tests.worlds.arrivals import PUSHED, in_inbox, play, push, take_pushed
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, assert_cells_match_their_samples, reasons, write_parquet

FORMATS = ["csv", "jsonl", "parquet"]
PERCENT = '[[model.source]]\npath = "in/*"\nscore_unit = "percent"\n'


def scored(*scores: Any, first: int = 0, **values: Any) -> list[Row]:
    return [a_row(f"{index:05}", score=score, **values) for index, score in enumerate(scores, first)]


def mostly_small(count: int, percentages: int, first: int = 0) -> list[Row]:
    """Percentages of a rare class: most of them look like probabilities."""
    return scored(*(3.5 if index < percentages else 0.004 for index in range(count)), first=first)


def taken_back(brought: Pulled) -> int:
    return brought.quarantined.get("taken_back", 0)


def nothing_is_left(world: World) -> bool:
    sums = world.one(
        "SELECT coalesce(sum(n), 0) + coalesce(sum(unlabelled), 0) + coalesce(sum(abs(score)), 0) FROM cells"
    )
    return bool(world.one("SELECT count(*) FROM samples") == 0 and abs(sums) < 1e-9)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("score", "taken"),
    [(1.0000001, 1.0), (1.00001, 1.0), (1.0000099, 1.0), (-1e-9, 0.0), (-0.00001, 0.0), (float(np.float32(1.0000001)), 1.0)],
)  # fmt: skip
def test_scores_a_hair_outside_are_clipped_and_counted(
    world: World, tmp_path: Path, ending: str, score: float, taken: float
) -> None:
    brought = world.take(*scored(score, 0.4), ending=ending)
    assert (brought.new, brought.clipped, brought.quarantined, brought.problems) == (2, 1, {}, [])
    assert world.one("SELECT score FROM samples ORDER BY sample_id LIMIT 1") == taken
    assert world.one("SELECT clipped FROM pulls") == 1
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_a_raw_score_is_clipped_too_and_a_row_counts_once(world: World) -> None:
    brought = world.take(*scored(1.0000001, raw_score=-0.0000001))
    assert (brought.clipped, world.one("SELECT score, raw_score FROM samples")) == (1, (1.0, 0.0))


def test_a_clipped_row_sent_again_is_a_duplicate_and_not_counted_again(world: World) -> None:
    world.take(*scored(1.0000001))
    brought = world.take(*scored(1.0))
    assert (brought.clipped, brought.duplicates, brought.corrected) == (0, 1, 0)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("score", [1.00002, 57, -0.00002, 100, 101, -3, 1e300])
def test_a_stray_score_is_set_aside_alone(world: World, ending: str, score: float) -> None:
    brought = world.take(*scored(*[0.4] * 40), *scored(score, first=90), ending=ending)
    assert (brought.new, brought.quarantined, brought.problems) == (40, {"score_outside_0_1": 1}, [])


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(("count", "percentages"), [(20, 20), (600, 40), (2000, 20), (100, 95)])
def test_a_file_of_percentages_is_refused_with_all_it_holds(
    world: World, ending: str, count: int, percentages: int
) -> None:
    brought = world.take(*mostly_small(count, percentages), ending=ending)
    assert (brought.new, reasons(brought.problems), brought.quarantined) == (0, ["percentages"], {})
    assert 'score_unit = "percent"' in brought.problems[0].message
    assert nothing_is_left(world)


@pytest.mark.parametrize(("count", "percentages"), [(19, 19), (2001, 20), (5000, 40)])
def test_too_few_percentages_refuse_nothing(world: World, count: int, percentages: int) -> None:
    brought = world.take(*mostly_small(count, percentages), ending="parquet")
    assert (brought.new, brought.quarantined) == (count - percentages, {"score_outside_0_1": percentages})


@pytest.mark.parametrize("score", [101.0, 1e6, -5.0, 255.0])
def test_scores_that_are_no_percentages_either_refuse_nothing(world: World, score: float) -> None:
    brought = world.take(*scored(*[0.4] * 50), *scored(*[score] * 50, first=50))
    assert (brought.new, brought.quarantined) == (50, {"score_outside_0_1": 50})


@pytest.mark.parametrize("ending", FORMATS)
def test_score_unit_takes_them(make_world: MakeWorld, ending: str) -> None:
    world = make_world(source=PERCENT)
    rows = scored(0.4, 57, 100, 0, 100.0000001, raw_score=50)
    brought = world.take(*rows, ending=ending)
    assert (brought.new, brought.problems, brought.clipped) == (5, [], 1)
    assert [row[0] for row in world.rows("SELECT score FROM samples ORDER BY sample_id")] == [
        0.004,
        0.57,
        1.0,
        0.0,
        1.0,
    ]
    assert world.rows("SELECT DISTINCT raw_score FROM samples") == [(0.5,)]


@pytest.mark.parametrize("score", [101, -1, 1000])
def test_what_is_no_percentage_is_set_aside_under_score_unit(make_world: MakeWorld, score: float) -> None:
    world = make_world(source=PERCENT)
    assert world.take(*scored(score)).quarantined == {"score_outside_0_1": 1}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("score", [0.83, 1, 0.004, 1.000001])
def test_probabilities_of_a_source_said_to_be_of_percentages_are_refused(
    make_world: MakeWorld, ending: str, score: float
) -> None:
    world = make_world(source=PERCENT)
    brought = world.take(*scored(*[score] * 20), ending=ending)
    assert (brought.new, reasons(brought.problems), brought.quarantined) == (0, ["no_percentages"], {})
    assert "score_unit" in brought.problems[0].message


def test_probabilities_in_small_files_of_a_source_of_percentages_are_taken_back(make_world: MakeWorld) -> None:
    world = make_world(source=PERCENT)
    brought = [world.take(*scored(*[0.9] * 6, first=10 * number)) for number in range(5)]
    assert [each.new for each in brought] == [6, 6, 6, 0, 0]
    assert taken_back(brought[3]) == 18
    assert nothing_is_left(world)
    assert "no_percentages" in reasons(world.take(*scored(0.9, first=90)).problems)


def test_small_percentages_are_taken_once_any_score_of_the_source_is_above_1(make_world: MakeWorld) -> None:
    world = make_world(source=PERCENT)
    assert world.take(*scored(*[0.4] * 30)).new == 0
    assert world.take(*scored(97.5, first=100)).new == 1
    world.take(now=NOW + HOUR)
    assert world.one("SELECT count(*) FROM samples") == 31
    assert world.take(*scored(*[0.4] * 30, first=200), now=NOW + HOUR).new == 30


def test_raw_scores_that_are_probabilities_do_not_make_percentages_of_scores(make_world: MakeWorld) -> None:
    world = make_world(source=PERCENT)
    assert reasons(world.take(*scored(*[0.4] * 20, raw_score=0.6)).problems) == ["no_percentages"]
    assert world.take(*scored(*[40] * 20, first=50, raw_score=0.6)).new == 20


def test_raw_scores_that_are_percentages_refuse_the_file_too(world: World) -> None:
    brought = world.take(*scored(*[0.4] * 30, raw_score=40))
    assert (brought.new, reasons(brought.problems)) == (0, ["percentages"])


def test_integers_from_0_to_100_are_percentages(world: World) -> None:
    write_parquet(world.base / "in" / "x.parquet", scored(*range(101)), {"score": "TINYINT"})
    assert reasons(world.take().problems) == ["percentages"]


@pytest.mark.parametrize("ending", FORMATS)
def test_over_small_files_the_source_is_refused_and_earlier_ones_are_taken_back(
    world: World, tmp_path: Path, ending: str
) -> None:
    brought = []
    for number in range(8):
        world.send(*mostly_small(30, 0 if number < 3 else 4, 100 * number), ending=ending)
        brought.append(world.take())
    assert [each.new for each in brought] == [30, 30, 30, 26, 26, 26, 26, 0]
    assert (taken_back(brought[-1]), reasons(brought[-1].problems)) == (194, ["percentages"])
    assert nothing_is_left(world)
    for hours in range(1, 4):
        again = world.take(now=NOW + hours * HOUR)
        assert (again.new, set(reasons(again.problems))) == (0, {"percentages"})
    assert nothing_is_left(world)
    assert world.one("SELECT count(*) FROM quarantine WHERE reason = 'taken_back'") == 194


def test_files_that_are_read_in_one_batch_are_looked_at_in_order(world: World) -> None:
    for number in range(8):
        world.send(*mostly_small(30, 4, 100 * number), ending="parquet")
    assert set(reasons(world.take().problems)) >= {"percentages"}
    world.take(now=NOW + HOUR)
    assert nothing_is_left(world)


def test_probabilities_that_came_long_before_are_not_taken_back(world: World) -> None:
    world.take(*mostly_small(1500, 0))
    for number in range(1, 6):
        brought = world.take(*mostly_small(30, 4, 10_000 * number))
    assert reasons(brought.problems) == ["percentages"]
    assert world.one("SELECT count(*) FROM samples") == 1500


def test_a_newer_file_without_percentages_lets_no_refused_file_in(world: World) -> None:
    world.take(*mostly_small(600, 12))
    assert reasons(world.take(*mostly_small(600, 12, 1_000)).problems) == ["percentages"]
    for number in range(2, 6):
        world.take(*mostly_small(600, 0, 1_000 * number), now=NOW + number * HOUR)
        again = world.take(now=NOW + number * HOUR)
        assert "percentages" in reasons(again.problems)
    assert world.one("SELECT count(*) FROM samples WHERE sample_id < '02000'") == 0
    assert world.one("SELECT count(*) FROM quarantine WHERE reason = 'taken_back'") == 588


def test_files_that_were_mended_come_in(world: World, tmp_path: Path) -> None:
    files = [mostly_small(30, 6, 100 * number) for number in range(4)]
    for number, rows in enumerate(files):
        world.send(*rows, name=f"{number}.jsonl")
        world.take()
    assert nothing_is_left(world)
    for number, rows in enumerate(files):
        world.send(*({**row, "score": row["score"] / 100} for row in rows), name=f"{number}.jsonl")
    world.take(now=NOW + HOUR)
    brought = world.take(now=NOW + 2 * HOUR)
    assert brought.problems == []
    assert world.one("SELECT count(*), max(score) FROM samples") == (120, 0.035)
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_the_rest_comes_in_once_the_files_that_spoke_against_it_are_gone(world: World) -> None:
    for number in range(4):
        world.send(*mostly_small(30, 8 if number else 0, 100 * number), name=f"{number}.jsonl")
        world.take()
    assert nothing_is_left(world)
    for number in (1, 2, 3):
        (world.base / "in" / f"{number}.jsonl").unlink()
    world.take(*mostly_small(1200, 0, 5_000), now=NOW + HOUR)
    world.take(now=NOW + 72 * HOUR)
    assert world.one("SELECT count(*) FROM samples WHERE sample_id < '00100'") == 30


@pytest.mark.parametrize("together", [True, False])
def test_over_pushes_nothing_of_the_source_is_left(make_world: MakeWorld, together: bool) -> None:
    world = make_world(source=PUSHED)
    back = 0
    for number in range(30):
        push(world, *mostly_small(3, 1, 10 * number))
        if not together:
            back += taken_back(take_pushed(world))
    if together:
        back = taken_back(take_pushed(world))
    assert nothing_is_left(world)
    assert back == 2 * 19
    assert in_inbox(world, "refused") == 11
    assert in_inbox(world) == 0


def test_a_backtest_refuses_them_as_pulls_do(make_world: MakeWorld) -> None:
    for name, files in (("one", [mostly_small(600, 40)]), ("small", [mostly_small(30, 4, 100 * n) for n in range(8)])):
        world = make_world(folder=name)
        for rows in files:
            world.send(*rows)
        brought = play(world, NOW - 3 * HOUR)
        assert {reason for each in brought for reason in reasons(each.problems)} == {"percentages"}
        assert nothing_is_left(world)


def test_a_backtest_clips_as_pulls_do(world: World) -> None:
    world.send(*scored(1.0000001, -0.0000001, 0.5), ending="csv")
    assert sum(each.clipped for each in play(world, NOW - 3 * HOUR)) == 2
    assert [row[0] for row in world.rows("SELECT score FROM samples ORDER BY sample_id")] == [1.0, 0.0, 0.5]
