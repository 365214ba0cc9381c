"""The house rules, read off the source: imports point down, one clock, no I/O in statistics, short files, docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "monitor"
FILES = sorted(PACKAGE.rglob("*.py"))

# Bottom first. A module may import what stands below its own layer, and its neighbours where the layer is marked so.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "",
        "errors",
        "model",
        "durable",
        "durations",
        "ownpython",
        "tomltext",
        "schedule",
        "starter",
        "wording",
        "joins",
        "remedies",
        "recalibration",
        "fields",
        "actions",
        "tokens",
        "httpsettings",
        "sourcesettings",
        "tls",
    ),
    ("statistics",),
    ("config", "rulebook", "conditions"),
    ("sources.base", "store.sql", "recalibration.calibrators", "recalibration.samples"),
    ("store", "recalibration.bars", "recalibration.improvement", "recalibration.artefacts", "recalibration.deciding"),
    (
        "sources",
        "recalibration.fitting",
        "recalibration.gate",
        "recalibration.guard",
        "recalibration.queue",
        "alerts",
        "ruletestfile",
        "rulewindows",
    ),
    ("recalibration.calls", "recalibration.fitting_logits", "recalibration.fitting_cells"),
    (
        "recalibration.selection",
        "recalibration.charge",
        "recalibration.straddling",
        "recalibration.onnx_export",
        "publish",
        "readings",
        "ruletest",
        "evidence_streams",
    ),
    ("recalibration.selection_cells",),
    (
        "recalibration.refit",
        "recalibration.mending",
        "recalibration.guarding",
        "recalibration.rollback",
        "recalibration.export",
    ),
    ("recalibration.work", "recalibration.apart"),
    ("recalibration.runner", "recalibration.worker", "recalibration.refitting"),
    ("recalibration.jobs", "recalibration.processes"),
    ("weights",),
    ("weigh_run",),
    ("weigh_told",),
    ("findings_labels", "findings_scores"),
    ("findings_names",),
    ("judge", "requests", "weigh", "delays", "findings", "intake", "checkwatch"),
    ("cycle", "backups"),
    (
        "server",
        "notify",
        "logs",
        "console",
        "backtest",
        "trial",
        "ask",
        "named",
        "levers",
        "shown",
        "opening",
        "overlaps",
        "configschema",
        "guess",
    ),
    ("tell", "daemon", "exporting", "checking"),
    ("byhand",),
    (
        "jobcommands",
        "backupcommands",
        "retrycommand",
        "playedserver",
        "checkapart",
        "playapart",
        "tokencommands",
        "reportcommands",
        "schemacommands",
    ),
    ("demo", "initcommand"),
    ("cli",),
    ("__main__",),
)
WITHIN = {
    "",
    "model",
    "statistics",
    "store",
    "sources",
    "publish",
    "demo",
    "config",
}  # layers whose members may use each other
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"),
          ("time", "time_ns")}  # fmt: skip
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


def _module(path: Path) -> str:
    """``store.cells`` for monitor/store/cells.py; the package itself is ``""``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


def _layer(module: str) -> tuple[int, str]:
    """The layer of a module and the entry that puts it there: the longest that fits."""
    fitting = [
        (len(entry), level, entry)
        for level, entries in enumerate(LAYERS)
        for entry in entries
        if module == entry or (entry and module.startswith(entry + "."))
    ]
    assert fitting, f"monitor.{module} stands in no layer: add it to LAYERS"
    _, level, entry = max(fitting)
    return level, entry


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything imported, ``from monitor import requests`` as ``monitor.requests``."""
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


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_point_down(path: Path) -> None:
    own = _module(path)
    level, entry = _layer(own)
    for line, name in _imports(ast.parse(path.read_text("utf-8"))):
        if name != "monitor" and not name.startswith("monitor."):
            continue
        target = name.removeprefix("monitor").removeprefix(".")
        below, other = _layer(target)
        beside = below == level and (other == entry or {entry, other} <= WITHIN or not level)
        assert below < level or beside, (
            f"{path.relative_to(ROOT)}:{line} imports {name}: {entry!r} must not use {other!r}, which stands beside or above"
        )


def test_the_layers_name_only_what_there_is() -> None:
    modules = {_module(path) for path in FILES}
    packages = {module.rpartition(".")[0] for module in modules} | modules
    assert {entry for entries in LAYERS for entry in entries} <= packages


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_only_the_daemon_reads_a_clock(path: Path) -> None:
    if path.name == "daemon.py":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            assert (owner, node.attr) not in CLOCKS, f"{path.relative_to(ROOT)}:{node.lineno} reads a clock"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert {alias.name for alias in node.names} <= {"perf_counter"}, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_sql_reads_a_clock() -> None:
    for path in PACKAGE.rglob("*.sql"):
        text = path.read_text("utf-8").lower()
        for clock in ("now()", "current_timestamp", "current_date", "get_current_time", "today()"):
            assert clock not in text, f"{path.relative_to(ROOT)} uses {clock}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "statistics").glob("*.py")), ids=lambda path: path.stem)
def test_statistics_does_no_input_and_no_output(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    for line, name in _imports(tree):
        top = name.partition(".")[0]
        assert name.startswith("monitor.statistics") or name == "monitor.model" or top in OUTSIDE, (
            f"{path.name}:{line}: {name}"
        )
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_every_file_and_every_public_function_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    if tree.body:
        assert ast.get_docstring(tree), f"{path.relative_to(ROOT)} has no docstring"
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        assert ast.get_docstring(node) or _says_itself(node), (
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has no docstring"
        )


def _says_itself(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A body of one return needs no words."""
    return len(node.body) == 1 and isinstance(node.body[0], ast.Return)
