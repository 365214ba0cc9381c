"""Labels that come later than fold_after are measured and not judged for drift, and that is told with how many they are."""

from pathlib import Path

import pytest

from monitor.store.cells import fold_and_drop
from tests.worlds.store import DAY, NOW, World, a_row

LABELS = '[[model.source]]\npath = "in/*"\n[[model.source]]\nname = "labels"\npath = "labels/*"\nholds = "labels"\n'
TOLD = "later than fold_after (14d): measured, but not judged for drift; set fold_after longer than labels take"


def folded(base: Path, source: str = "") -> World:
    """A world with two unlabelled samples, an old and a new one, whose old days are final."""
    world = World.make(base, source=source)
    old = a_row("old", observed_at="2026-02-10 10:00:00", outcome=None, labelled_at=None)
    assert world.take(old, a_row("new", outcome=None, labelled_at=None)).problems == []
    assert fold_and_drop(world.store(), NOW)
    return world


def not_judged(world: World) -> list[tuple[str, str]]:
    return world.rows("SELECT source, message FROM source_notes WHERE reason = 'labels_not_judged'")


def test_labels_of_final_days_are_told_and_counted(tmp_path: Path) -> None:
    world = folded(tmp_path)
    brought = world.take(a_row("old", observed_at="2026-02-10 10:00:00"), a_row("new"))
    assert brought.labelled == 2
    (problem,) = brought.problems
    assert (problem.reason, problem.message) == ("labels_not_judged", f"1 label came {TOLD}")
    assert not_judged(world) == [(world.model.source[0].name, f"1 label came {TOLD}")]
    assert TOLD in world.one("SELECT problem FROM pulls WHERE problem IS NOT NULL")


def test_labels_of_days_that_are_open_are_told_by_nothing(tmp_path: Path) -> None:
    world = folded(tmp_path)
    assert world.take(a_row("new")).problems == []
    assert not_judged(world) == []


@pytest.mark.parametrize("again", [{}, {"outcome": 0, "labelled_at": "2026-03-10 11:30:00"}], ids=["same", "corrected"])
def test_what_says_the_same_again_is_not_counted_and_a_correction_is(tmp_path: Path, again: dict[str, object]) -> None:
    world = folded(tmp_path)
    old = a_row("old", observed_at="2026-02-10 10:00:00")
    world.take(old)
    assert [each.reason for each in world.take({**old, **again}).problems] == ["labels_not_judged"] * bool(again)


def test_rows_that_come_late_with_their_labels_are_counted_and_those_without_are_not(tmp_path: Path) -> None:
    world = folded(tmp_path)
    late = {"observed_at": "2026-02-11 10:00:00"}
    (problem,) = world.take(a_row("a", **late), a_row("b", **late), a_row("c", **late, outcome=None)).problems
    assert problem.message.startswith("2 labels came later")


def test_files_of_labels_alone_are_counted_by_their_own_source_and_all_files_of_a_pull_together(tmp_path: Path) -> None:
    world = folded(tmp_path, LABELS)
    world.take(*(a_row(f"s{n}", observed_at="2026-02-12 10:00:00", outcome=None, labelled_at=None) for n in range(3)))
    for number in range(3):
        world.send({"sample_id": f"s{number}", "outcome": 1, "labelled_at": "2026-03-10 11:00:00"}, folder="labels")
    brought = world.pull(now=NOW + DAY)
    assert [each.message for each in brought["labels"].problems] == [f"3 labels came {TOLD}"]
    assert not_judged(world) == [("labels", f"3 labels came {TOLD}")]
