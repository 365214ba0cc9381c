"""The house rules, read off the source: imports point down, one clock, no I/O in statistics, short files, docstrings."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "monitor"
FILES = sorted(PACKAGE.rglob("*.py"))

# Top first. A package imports from packages of lower lines only; ``monitor`` itself and ``__main__`` are the front door.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("engine",),
    ("publish", "jobs"),
    ("sources", "recalibration"),
    ("vision",),
    ("store", "rules"),
    ("config", "charts"),
    ("statistics",),
    ("model",),
)
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"),
          ("time", "time_ns")}  # fmt: skip
INPUT_AND_OUTPUT = {"open", "print", "input", "exec", "eval"}
OUTSIDE = {
    "numpy",
    "scipy",
    "math",
    "collections",
    "dataclasses",
    "typing",
    "itertools",
    "functools",
    "datetime",
    "re",
    "struct",
    "json",
}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _module(path: Path) -> str:
    """``store.cells`` for monitor/store/cells.py; the package itself is ``""``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything imported, ``from monitor import requests`` as ``monitor.jobs.requests``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                path = ROOT / inner.replace(".", "/")
                is_module = path.is_dir() or path.with_suffix(".py").exists()
                yield node.lineno, inner if is_module else str(node.module)


def test_packages_import_from_lower_ones_only() -> None:
    wrong = []
    for path in FILES:
        own = _module(path).partition(".")[0]
        for line, name in _imports(_tree(path)):
            target = name.removeprefix("monitor.").partition(".")[0]
            if name.startswith("monitor.") and own and target != own and LEVELS[target] <= LEVELS[own]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_the_layers_are_the_packages_there_are() -> None:
    assert set(LEVELS) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"__main__"}
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
    assert len(LEVELS) <= 14


def test_the_top_level_is_what_it_was_agreed_to_be() -> None:
    # what an installation leaves there is not of the repository
    tops = {path.name for path in ROOT.iterdir() if path.name not in ("build", "dist") and path.suffix != ".egg-info"}
    agreed = {"monitor", "rules", "tests", "deploy", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert {name for name in tops if not name.startswith(".")} <= agreed


def test_no_folder_has_more_than_twenty_files() -> None:
    for folder in {path.parent for path in FILES}:
        assert len(list(folder.glob("*.py"))) <= 20, folder


def test_the_wall_clock_is_read_in_one_place() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} reads a clock"
        for path in FILES
        if path.name != "clock.py"
        for node in ast.walk(_tree(path))
        if isinstance(node, (ast.Attribute, ast.ImportFrom)) and _reads_a_clock(node)
    ]
    assert found == []


def _reads_a_clock(node: ast.Attribute | ast.ImportFrom) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and not {alias.name for alias in node.names} <= {"perf_counter"}
    owner = getattr(node.value, "id", None) or getattr(node.value, "attr", None)
    return (owner, node.attr) in CLOCKS


def test_no_sql_reads_a_clock() -> None:
    for path in PACKAGE.rglob("*.sql"):
        text = path.read_text("utf-8").lower()
        for clock in ("now()", "current_timestamp", "current_date", "get_current_time", "today()"):
            assert clock not in text, f"{path.relative_to(ROOT)} uses {clock}"


def test_statistics_does_no_input_and_no_output() -> None:
    wrong = []
    for path in sorted((PACKAGE / "statistics").rglob("*.py")):
        for line, name in _imports(_tree(path)):
            inside = name.startswith("monitor.statistics") or name == "monitor.model"
            if not inside and name.partition(".")[0] not in OUTSIDE:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}"
            for node in ast.walk(_tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in INPUT_AND_OUTPUT
        ]
    assert wrong == []


def test_a_file_can_be_read_in_one_sitting() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {path: count for path, count in lines.items() if count > 400} == {}


def test_a_file_of_a_few_lines_says_why_it_stands_by_itself() -> None:
    short = [
        path for path in FILES if len(path.read_text("utf-8").splitlines()) < 30 and not path.stem.startswith("__")
    ]
    silent = [str(path) for path in short if "by itself, because" not in (ast.get_docstring(_tree(path)) or "").lower()]
    assert not silent, f"fold it into its neighbour, or say why not: {silent}"


def test_whoever_catches_everything_says_why() -> None:
    silent = []
    for path in FILES:
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            if "except BaseException" in line and "#" not in line and not lines[number - 1].lstrip().startswith("#"):
                silent.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert not silent


def test_every_file_and_every_public_function_says_what_it_is() -> None:
    silent = [f"{path.relative_to(ROOT)}" for path in FILES if _tree(path).body and not ast.get_docstring(_tree(path))]
    silent += [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in _tree(path).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_")
        if not ast.get_docstring(node) and not _says_itself(node)
    ]
    assert silent == [], "no docstring"


# Functions that take more: what calls them names each of these by itself, so that nothing would be bundled but their list.
TAKE_MORE = {
    "cli/report.py report",  # a command: each is an option of its own
    "publish/web/api/read.py readings",  # an address: each is a parameter of the query
}


def test_no_function_takes_more_than_seven_parameters() -> None:
    many = {
        f"{path.relative_to(PACKAGE)} {node.name}"
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and len(_parameters(node.args)) > 7
    }
    assert many == TAKE_MORE
    assert len(TAKE_MORE) <= 5


def test_a_models_connection_numbers_and_configuration_travel_as_one() -> None:
    apart = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if {"connection", "registry"} <= set(_parameters(node.args))
    ]
    assert apart == [], "takes the parts of a ModelStore"


def _parameters(taken: ast.arguments) -> list[str]:
    """Names of all parameters but the receiver, and ``**_``, which takes what is not used."""
    found = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs, *filter(None, (taken.vararg, taken.kwarg))]
    return [each.arg for each in found if each.arg not in ("self", "cls", "_")]


def _says_itself(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A body of one return needs no words."""
    return len(node.body) == 1 and isinstance(node.body[0], ast.Return)
