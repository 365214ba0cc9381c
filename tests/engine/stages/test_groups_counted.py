"""How many groups a reading rests on: those with a labelled sample in the slice; unknown where some are not counted."""

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.engine.stages.measure import readings_of
from monitor.model import Reading, Slice
from monitor.store.cells import load_window_cells
from tests.worlds.store import NOW, Row, World, a_row

CAMERA = Slice.of({"camera": "c1"})


def read(world: World, hours: int = 24) -> dict[Slice, Reading]:
    start = NOW - timedelta(hours=hours)
    held = load_window_cells(world.store(), start, NOW)
    return {each.slice: each for each in readings_of(world.model, f"{hours}h", start, NOW, held, NOW)}


def clip(name: str, size: int, hour: int = 10, **values: object) -> list[Row]:
    at = f"2026-03-10 {hour:02}:00:00"
    return [a_row(f"{name}-{index}", group_id=name, observed_at=at, **values) for index in range(size)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path, extra='group_noun = "clip"')


def test_each_slice_counts_groups_with_a_labelled_sample_in_it(world: World) -> None:
    spanning = [*clip("a", 3), a_row("a-x", group_id="a", camera="c2")]
    waiting = clip("w", 4, outcome=None, labelled_at=None)
    world.take(*spanning, *clip("b", 5), *waiting, a_row("alone"))
    found = read(world)
    assert (found[Slice()].samples, found[Slice()].groups, found[Slice()].group_noun) == (10, 3, "clip")
    assert (found[CAMERA].samples, found[CAMERA].groups) == (9, 3)
    other = found[Slice.of({"camera": "c2"})]
    assert (other.samples, other.groups) == (1, 1)


def test_pre_counted_rows_of_a_group_count_once(world: World) -> None:
    world.take(*clip("a", 3, n=100, positives=40, outcome=None))
    assert (read(world)[Slice()].samples, read(world)[Slice()].groups) == (300, 1)


def test_a_slice_whose_samples_all_wait_for_labels_has_no_group_yet(world: World) -> None:
    world.take(*clip("a", 2), *clip("w", 4, camera="c9", outcome=None, labelled_at=None))
    waiting = read(world)[Slice.of({"camera": "c9"})]
    assert (waiting.samples, waiting.groups, waiting.group_noun) == (0, 0, "clip")


def test_samples_by_themselves_have_no_groups(world: World) -> None:
    world.take(*(a_row(f"s{index}") for index in range(9)))
    assert (read(world)[Slice()].groups, read(world)[Slice()].group_noun) == (None, None)


def test_samples_from_before_groups_were_told_make_their_number_unknown_until_the_window_has_passed_them(
    world: World,
) -> None:
    world.take(*(a_row(f"s{index}", observed_at="2026-03-10 05:00:00") for index in range(9)))
    world.take(*clip("a", 5))
    assert (read(world)[Slice()].samples, read(world)[Slice()].groups) == (14, None)
    assert (read(world, 6)[Slice()].samples, read(world, 6)[Slice()].groups) == (5, 1)
