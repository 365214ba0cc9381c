"""What ``calwatch check`` finds in scores of two units and in slices that are the answer, and must not find in honest ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.worlds import honest
from tests.worlds.honest import Random, Table, changed, checked, outcomes, table

Change = Callable[[Random], Sequence[Table]]


def _percentages(random: Random) -> list[Table]:
    score = random.random(300)
    return [table("binary", 100 * score, outcome=outcomes(random, score), source='score_unit = "percent"')]


def _percentages_of_a_rare_class(random: Random) -> list[Table]:
    score = random.beta(0.4, 10, 600)
    return [table("binary", 100 * score, outcome=outcomes(random, score), source='score_unit = "percent"')]


def _cut_as_predicted(random: Random) -> list[Table]:
    made = honest.numbers_as_classes(random, 300)
    return [changed(made, camera=made.columns["predicted_class"])]


def _cut_by_a_perfect_model(random: Random) -> list[Table]:
    outcome = random.integers(0, 2, 300)
    score = np.where(outcome == 1, random.uniform(0.6, 1, 300), random.uniform(0, 0.4, 300))
    return [table("binary", score, outcome=outcome, camera=["alarm" if one else "none" for one in outcome])]


def _a_camera_for_each_row(random: Random) -> list[Table]:
    made = honest.calibrated(random, 300)
    return [changed(made, camera=[f"c{i}" for i in range(300)])]


_HONEST = (
    _percentages, _percentages_of_a_rare_class, _cut_as_predicted, _cut_by_a_perfect_model, _a_camera_for_each_row,
)  # fmt: skip


@pytest.mark.parametrize("made", _HONEST, ids=lambda made: made.__name__)
def test_honest_files_are_fine(made: Change, tmp_path: Path) -> None:
    found = checked(tmp_path, *made(np.random.default_rng(5)))
    assert (found.mistakes, found.suspicions) == ([], [])


def _cut_by(camera: Callable[[Table, Random], Sequence[object]], task: str = "binary") -> Change:
    """400 rows whose slice is made from other columns."""

    def made(random: Random) -> list[Table]:
        score = random.uniform(0.4, 1, 400)
        if task == "binary":
            own = table("binary", score, outcome=outcomes(random, score))
        else:
            own = honest.named(random, 400, ["cat", "dog", "fox"], score, score)
        return [changed(own, camera=camera(own, random))]

    return made


def _in_two_units(share: float) -> Change:
    def made(random: Random) -> list[Table]:
        score = random.random(400)
        written = np.where(random.random(400) < share, score, 100 * score)
        return [table("binary", written, outcome=outcomes(random, score), source='score_unit = "percent"')]

    return made


SUSPICIOUS: Sequence[tuple[str, Change, str, str]] = (
    (
        "slices that are the label",
        _cut_by(lambda own, _: own.columns["label"], "multiclass"),
        'slices has "camera", whose values are the labels',
        "before the label came",
    ),
    (
        "slices that are the outcome",
        _cut_by(lambda own, _: ["nok" if one else "ok" for one in own.columns["outcome"]]),
        'slices has "camera", each value of which has one outcome alone',
        "before the label came",
    ),
    (
        "slices made from the outcome",
        _cut_by(lambda own, _: [f"{'scrap' if y else 'box'}{i % 4}" for i, y in enumerate(own.columns["outcome"])]),
        'slices has "camera", each value of which has one outcome alone',
        "is it the label",
    ),
    ("two units", _in_two_units(0.5), "lie between 0.1 and 1", "write all of them alike"),
    ("some of another unit", _in_two_units(0.2), "lie between 0.1 and 1", "write all of them alike"),
)


@pytest.mark.parametrize(
    ("made", "what", "remedy"), [each[1:] for each in SUSPICIOUS], ids=[each[0] for each in SUSPICIOUS]
)
def test_what_looks_wrong_is_told_with_what_to_do(made: Change, what: str, remedy: str, tmp_path: Path) -> None:
    found = checked(tmp_path, *made(np.random.default_rng(7)))
    assert found.mistakes == []
    told = [each for each in found.suspicions if what in each]
    assert len(told) == 1, found.suspicions
    assert remedy in told[0]


def test_slices_that_go_with_the_labels_one_to_one_are_a_note(tmp_path: Path) -> None:
    words = {"cat": "k1", "dog": "k2", "fox": "k3"}
    (made,) = _cut_by(lambda own, _: [words[str(each)] for each in own.columns["label"]], "multiclass")(
        np.random.default_rng(7)
    )
    found = checked(tmp_path, made)
    assert (found.mistakes, found.suspicions) == ([], [])
    assert sum("goes with the labels one to one" in each for each in found.notes) == 1
