"""The marks: what a test without one does with processes and databases is noticed, whichever way it goes about it."""

import multiprocessing
import os
import subprocess
import sys
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


@pytest.mark.parametrize(
    "open_file",
    [
        duckdb.connect, _duckdb.connect, lambda path: duckdb.connect(database=str(path)),
        _attach("ATTACH FILE AS x"), _attach("ATTACH FILE"), _attach("attach or replace database FILE AS x"),
        _attach("SELECT 1; ATTACH\nIF NOT EXISTS FILE AS x (READ_WRITE)"),
        lambda path: duckdb.connect().execute("ATTACH $file AS x", {"file": str(path)}),
        lambda path: duckdb.connect().sql(f"ATTACH '{path}'"), lambda path: duckdb.connect().query(f"ATTACH '{path}'"),
        lambda path: duckdb.connect().cursor().execute(query=f"ATTACH '{path}'"),
        lambda path: duckdb.execute(f"ATTACH '{path}'", connection=duckdb.connect()),
        lambda path: duckdb.connect().execute(duckdb.extract_statements(f"ATTACH '{path}'")[0]),
    ],
)  # fmt: skip
def test_a_database_on_disk_is_noticed_however_it_is_opened(
    open_file: Callable[[Path], object], unmarked: Guard, tmp_path: Path
) -> None:
    open_file(tmp_path / "x.duckdb")
    assert list(tmp_path.iterdir())
    assert set(unmarked.noted) == {"db"}
    with pytest.raises(pytest.fail.Exception, match=r"the test opens a database on disk: mark it @pytest\.mark\.db"):
        unmarked.judge()


def test_a_database_in_memory_needs_no_mark(unmarked: Guard) -> None:
    connection = duckdb.connect()
    duckdb.connect(":memory:own").execute("ATTACH ':memory:' AS x; ATTACH '' AS y; DETACH x; SELECT 'ATTACH it'")
    connection.sql("ATTACH IF NOT EXISTS ':memory:z' AS z")
    assert unmarked.noted == []
    unmarked.judge()
