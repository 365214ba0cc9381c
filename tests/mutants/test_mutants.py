"""Mutants of files and pushes: none crashes, hangs, fails a cycle twice, or brings values in that no file has."""

from pathlib import Path

import pytest

from .herd import BATCH, STATE, Tally, drive, make_mutant
from .mutant import Mutant
from .worlds import WORLDS

EACH = 60  # mutants for each model: 300 in all


@pytest.mark.slow
@pytest.mark.parametrize("at", range(len(WORLDS)), ids=list(WORLDS))
def test_mutants_stop_nothing_and_bring_no_wrong_value_in(at: int, tmp_path: Path) -> None:
    tally = Tally()
    drive(tmp_path, at * BATCH * STATE, EACH, tally)
    assert tally.mutants == EACH
    assert tally.findings == []


def test_a_mutant_is_the_same_whenever_it_is_made() -> None:
    assert [make_mutant(number) for number in range(40)] == [make_mutant(number) for number in range(40)]


def test_mutants_are_of_every_kind() -> None:
    made = [make_mutant(number) for number in range(300)]
    assert any(mutant.pushed for mutant in made)
    for ending in (".parquet", ".csv", ".jsonl", ".gz", ".zst"):
        assert any(mutant.name.endswith(ending) for mutant in made), ending
    assert sum(_is_told(mutant) for mutant in made) > 50, "rows and values can be told of many"


def _is_told(mutant: Mutant) -> bool:
    return mutant.known is not None and mutant.rows is not None
