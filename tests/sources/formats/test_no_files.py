"""What a glob matches and is no file is told by what it is, once, and stops no file."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worlds.store import World, a_row


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # its address may not be long
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


@pytest.mark.parametrize(
    ("make", "told"),
    [(os.mkfifo, "a pipe, a socket or a device"), (_socket, "a pipe, a socket or a device"),
     (lambda path: path.symlink_to("/dev/null"), "a pipe, a socket or a device"),
     (lambda path: path.symlink_to("nowhere"), "a link to something that is not there"),
     (lambda path: path.symlink_to(path.name), "is"), (Path.mkdir, "a directory, not a file")],
    ids=["fifo", "socket", "device", "dangling", "itself", "directory"],
)  # fmt: skip
@pytest.mark.parametrize("pattern", ["in/*", "in/*.csv"])
def test_what_is_no_file_is_told_by_what_it_is(
    tmp_path: Path, make: Callable[[Path], None], told: str, pattern: str
) -> None:
    world = World.make(tmp_path, source=f'[[model.source]]\npath = "{pattern}"\n')
    make(tmp_path / "in" / "odd.csv")
    brought = world.take(a_row("a"), ending="csv")
    assert brought.new == 1
    (problem,) = brought.problems
    assert "odd.csv" in problem.message
    assert told in problem.message
    assert "empty" not in problem.message


@pytest.mark.parametrize("kind", ["dangling", "directory"])
def test_a_link_to_nothing_and_a_directory_are_told_once_and_read_when_they_become_files(
    tmp_path: Path, kind: str
) -> None:
    world = World.make(tmp_path, source='[[model.source]]\npath = "in/*.csv"\n')
    odd = tmp_path / "in" / "odd.csv"
    odd.mkdir() if kind == "directory" else odd.symlink_to(tmp_path / "later.csv")
    assert [each.reason for each in world.take().problems] == ["unreadable_file"]
    assert world.take().problems == []
    sent = world.send(a_row("a"), ending="csv")
    if kind == "directory":
        odd.rmdir()
        sent.rename(odd)
    else:
        sent.rename(tmp_path / "later.csv")
    assert world.take().new == 1


@pytest.mark.parametrize("pattern", ["in/*", "in/**/*", "in/**/*.csv"])
def test_folders_that_nobody_takes_for_files_are_not_told(tmp_path: Path, pattern: str) -> None:
    world = World.make(tmp_path, source=f'[[model.source]]\npath = "{pattern}"\n')
    (tmp_path / "in" / "day=2026-03-10").mkdir()
    if "**" in pattern:
        (tmp_path / "in" / "part.csv").mkdir()
    assert world.take(a_row("a"), ending="csv").problems == []
