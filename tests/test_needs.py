"""The marks: what a test without one does with processes and databases is noticed, whichever way it goes about it."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import _duckdb
import duckdb
import pytest

from tests.needs import Guard

TRUE = [sys.executable, "-c", ""]


@pytest.fixture
def unmarked(pytestconfig: pytest.Config) -> Iterator[Guard]:
    """The guard of this run, as it watches a test without a mark."""
    guard = pytestconfig.stash[Guard.KEY]
    allowed, guard.allowed = guard.allowed, set()
    yield guard
    guard.allowed = allowed


def _fork() -> None:
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)


def _start_by_spawn() -> None:
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run(TRUE, check=True), lambda: os.system("true"), lambda: os.popen("true").close(), _fork,
        lambda: os.waitpid(os.posix_spawn(TRUE[0], TRUE, os.environ), 0),
        lambda: os.waitpid(os.posix_spawnp(TRUE[0], TRUE, os.environ), 0),
        lambda: os.spawnv(os.P_WAIT, TRUE[0], TRUE), _start_by_spawn,
    ],
    ids=["run", "system", "popen", "fork", "posix_spawn", "posix_spawnp", "spawnv", "multiprocessing"],
)  # fmt: skip
def test_a_process_is_noticed_however_it_is_started(start: Callable[[], object], unmarked: Guard) -> None:
    start()
    assert set(unmarked.noted) == {"process"}
    with pytest.raises(pytest.fail.Exception, match=r"the test starts a process: mark it @pytest\.mark\.process"):
        unmarked.judge()


def _attach(statement: str) -> Callable[[Path], object]:
    return lambda path: duckdb.connect().execute(statement.replace("FILE", f"'{path}'"))


def _attach_and_remove(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as own:
        duckdb.connect().execute(f"ATTACH '{own}/x'")


@pytest.mark.parametrize(
    "open_file",
    [
        duckdb.connect, _duckdb.connect, lambda path: duckdb.connect(database=str(path)),
        _attach("ATTACH FILE AS x"), _attach("SELECT 1; attach or replace database FILE AS x"), _attach_and_remove,
        lambda path: duckdb.connect().execute("ATTACH $file AS x", {"file": str(path)}),
        lambda path: duckdb.connect().cursor().sql(f"ATTACH IF NOT EXISTS '{path}'"),
        lambda path: duckdb.execute(f"ATTACH '{path}'", connection=duckdb.connect()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.duckdb", "live"])
def test_a_database_on_disk_is_noticed_however_it_is_opened(
    open_file: Callable[[Path], object], name: str, unmarked: Guard, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    open_file(tmp_path / "inner" / name)
    with pytest.raises(pytest.fail.Exception, match=r"the test opens a database on disk: mark it @pytest\.mark\.db"):
        unmarked.judge()


def test_a_database_in_memory_needs_no_mark(unmarked: Guard, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.csv").write_text("a,b\n1,2\n", "utf-8")
    connection = duckdb.connect(":memory:own")
    connection.execute("ATTACH ':memory:' AS x; ATTACH '' AS y; DETACH x")
    assert duckdb.connect().execute(f"FROM '{tmp_path}/inner/a.csv'").fetchall() == [(1, 2)]
    unmarked.judge()
    assert unmarked.noted == []
