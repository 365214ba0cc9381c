"""The same predictions exported twice, with times that differ in fractions of a second."""

from datetime import timedelta

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, at, reasons

START = at("2026-03-10 08:00:00.123456")
CUT = '[[model.source]]\npath = "in/*"\ntime_precision = "1s"\n'


def export(digits: int, count: int = 30, *, rounded: bool = False, step: int = 7) -> list[Row]:
    """The same predictions with times of so many decimal places."""
    rows = []
    for index in range(count):
        moment = START + timedelta(seconds=step * index, microseconds=1_237 * index)
        unit = 10 ** (6 - digits)
        micros = round(moment.microsecond / unit) * unit if rounded else moment.microsecond // unit * unit
        moment = moment.replace(microsecond=0) + timedelta(microseconds=micros)
        text = moment.strftime("%Y-%m-%d %H:%M:%S.%f")
        rows.append(a_row(f"{index}", observed_at=text if digits == 6 else text[: -7 + digits + bool(digits)]))
    return rows


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("first", "second"), [(6, 0), (0, 6), (6, 3), (3, 0), (3, 6), (3, 2), (3, 1), (6, 2), (0, 3)])
def test_an_export_with_other_fractions_is_told(world: World, ending: str, first: int, second: int) -> None:
    assert world.take(*export(first), ending=ending).problems == []
    brought = world.take(*export(second), ending=ending)
    assert reasons(brought.problems) == ["near_repeats"]
    assert 'time_precision = "1s"' in brought.problems[0].message
    assert world.rows("SELECT reason FROM source_notes") == [("near_repeats",)]


@pytest.mark.parametrize(("first", "second"), [(6, 0), (3, 0)])
def test_rounded_times_are_told_too(world: World, first: int, second: int) -> None:
    world.take(*export(first))
    assert reasons(world.take(*export(second, rounded=True)).problems) == ["near_repeats"]


def test_both_exports_in_one_file_are_told(world: World) -> None:
    assert reasons(world.take(*export(6), *export(0)).problems) == ["near_repeats"]


def test_both_exports_in_two_files_read_together_are_told(world: World) -> None:
    world.send(*export(6), ending="parquet")
    world.send(*export(0), ending="parquet")
    assert "near_repeats" in reasons(world.take().problems)


@pytest.mark.parametrize(("first", "second"), [(6, 0), (0, 6), (3, 0)])
def test_time_precision_makes_them_one(make_world: MakeWorld, first: int, second: int) -> None:
    world = make_world(source=CUT)
    world.take(*export(first))
    brought = world.take(*export(second))
    assert (brought.new, brought.duplicates, brought.problems) == (0, 30, [])


def test_an_export_like_the_first_is_told_by_nothing(world: World) -> None:
    world.take(*export(6))
    brought = world.take(*export(6))
    assert (brought.duplicates, brought.problems) == (30, [])


@pytest.mark.parametrize("digits", [0, 3, 6])
def test_new_predictions_with_other_fractions_are_fine(world: World, digits: int) -> None:
    world.take(*export(6 if digits != 6 else 0))
    fresh = [{**row, "sample_id": f"x{row['sample_id']}"} for row in export(digits)]
    assert world.take(*fresh).problems == []


def test_a_tracked_object_seen_often_within_a_second_is_told_by_nothing(world: World) -> None:
    frames = [
        a_row(f"track{track}", observed_at=(START + timedelta(seconds=track, milliseconds=40 * frame)).isoformat())
        for track in range(5)
        for frame in range(20)
    ]
    assert world.take(*frames).problems == []
    assert world.take(now=NOW + HOUR).problems == []


def test_one_close_pair_in_many_rows_is_told_by_nothing(world: World) -> None:
    world.take(*export(6, 300))
    others = [{**row, "sample_id": f"x{row['sample_id']}"} for row in export(0, 300)[1:]]
    assert world.take(*others, export(0, 1)[0]).problems == []
