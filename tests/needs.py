"""What a test needs, as marks: none (pure and in memory), ``db``, ``process``, ``server``, ``slow``.

``db`` and ``process`` follow from what a file of tests imports, through tests/worlds too. A test that has no mark and opens a
database on disk or starts a process all the same fails, and is told which mark to set; ``server`` and ``slow`` are set by hand.
"""

import ast
import multiprocessing.process
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any, ClassVar

import _duckdb
import duckdb
import pytest

ROOT = Path(__file__).parents[1]
TELLING = {
    "process": ("subprocess", "multiprocessing", "tests.worlds.process"),
    "db": (
        "duckdb",
        "monitor.store.connection",
        "monitor.engine.check.check",
        "tests.worlds.fixtures",
        "tests.worlds.honest",
    ),
}
# what Python tells of itself before it starts one, however it was asked to
STARTING = frozenset({"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"})
MAGIC = slice(8, 12), b"DUCK"  # where a file of DuckDB says what it is
WHAT = {"process": "starts a process", "db": "opens a database on disk"}  # as errors tell it


@cache
def needs_of(path: Path) -> frozenset[str]:
    """Return the marks that the imports of a file of tests tell, of all that it imports from tests too."""
    imported = set(_imported(path))
    found = {mark for mark, modules in TELLING.items() if imported & set(modules)}
    for name in imported:
        inner = ROOT / f"{name.replace('.', '/')}.py"
        if name.startswith("tests.") and inner.exists():
            found |= needs_of(inner)
    return frozenset(found)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def mark(items: list[pytest.Item]) -> None:
    """Set the marks that can be told."""
    for item in items:
        for name in needs_of(item.path):
            item.add_marker(name)


class Guard:
    """Notes what a test does that its marks do not allow; the test then fails, whoever swallows errors inside it."""

    KEY: ClassVar = pytest.StashKey["Guard"]()  # where a run keeps its own

    def __init__(self) -> None:
        self.allowed: set[str] | None = None
        self.noted: list[str] = []
        self.made: set[Path] = set()  # directories, while a test is watched that may open no database
        sys.addaudithook(self._hears)
        # "spawn" and "forkserver" start one without a word
        self._wrap(multiprocessing.process.BaseProcess, "start", lambda *_, **__: self._note("process"))
        for module in (duckdb, _duckdb):
            self._wrap(module, "connect", self._connects)

    def watch(self, item: pytest.Item) -> None:
        marks = {each.name for each in item.iter_markers()}
        # with a database come the processes in which calwatch reads files
        self.allowed = {"db", "process"} if marks & {"db", "process", "server", "slow"} else set()
        self.noted.clear()
        self.made.clear()

    def judge(self) -> None:
        """End watching; fail the test that did what its marks do not allow."""
        for directory in tuple(self.made):
            self._look_below(directory)
        self.made.clear()
        self.allowed, noted = None, sorted(set(self.noted))
        self.noted.clear()
        for name in noted:
            pytest.fail(f"the test {WHAT[name]}: mark it @pytest.mark.{name}, or its file by pytestmark", pytrace=False)

    def _note(self, name: str) -> None:
        if self.allowed is not None and name not in self.allowed:
            self.noted.append(name)

    def _hears(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTING:
            self._note("process")
        elif self.allowed is not None and "db" not in self.allowed:
            # DuckDB opens files past Python, by ATTACH too: seen is what it leaves in directories made meanwhile
            if event == "os.mkdir":
                self.made.add(Path(os.fsdecode(arguments[0])))
            elif event == "shutil.rmtree":
                self._look_below(Path(os.fsdecode(arguments[0])))

    def _look_below(self, directory: Path) -> None:
        place, magic = MAGIC
        for file in directory.glob("*"):
            if file.is_file():
                with file.open("rb") as held:
                    if held.read(place.stop)[place] == magic:
                        self._note("db")

    def _connects(self, database: object = ":memory:", *_: object, **__: object) -> None:
        if not str(database).startswith(":memory:"):
            self._note("db")

    def _wrap(self, owner: Any, name: str, told: Callable[..., None]) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def noted(*arguments: Any, **named: Any) -> Any:
            told(*arguments, **named)
            return original(*arguments, **named)

        setattr(owner, name, noted)
