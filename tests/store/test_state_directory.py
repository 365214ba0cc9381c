"""Who may look into the state directory: whoever made it decides, and calwatch lets nobody else in."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.jobs.requests import leave_request
from monitor.model import Slice
from monitor.store.connection import LIVE, open_live

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_state_directory_that_calwatch_makes_is_shut_to_the_world_and_those_around_it_are_as_usual(
    tmp_path: Path,
) -> None:
    open_live(tmp_path / "var" / "state", now=NOW).close()
    assert (mode(tmp_path / "var" / "state"), mode(tmp_path / "var")) == (0o750, 0o755)


def test_a_request_left_before_the_first_cycle_makes_it_so_too(tmp_path: Path) -> None:
    leave_request(tmp_path / "state", "m", "recalibrate", Slice(), NOW)
    assert mode(tmp_path / "state") == 0o750


@pytest.mark.parametrize("made", [0o755, 0o750, 0o2770])
def test_a_state_directory_that_was_there_stays_as_it_was_made(tmp_path: Path, made: int) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(made)
    open_live(state, now=NOW).close()
    assert state.stat().st_mode & 0o7777 == made


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o640), (0o027, 0o640), (0o077, 0o600)])
def test_a_database_that_calwatch_makes_is_not_for_the_world_even_where_the_directory_is(
    tmp_path: Path, umask: int, expected: int
) -> None:
    tmp_path.chmod(0o755)
    os.umask(umask)
    open_live(tmp_path, now=NOW).close()
    assert mode(tmp_path / LIVE) == expected


def test_a_database_that_was_there_keeps_the_mode_it_was_given(tmp_path: Path) -> None:
    open_live(tmp_path, now=NOW).close()
    (tmp_path / LIVE).chmod(0o644)
    open_live(tmp_path, now=NOW).close()
    assert mode(tmp_path / LIVE) == 0o644
