"""Every public statistic has an example in its docstring, and examples say what comes out."""

import ast
import doctest
import importlib
from pathlib import Path

from tests.loops import each

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "monitor" / "statistics").rglob("*.py"))
MODULES = {str(path.relative_to(ROOT)): ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES}


@each("module", MODULES)
def test_examples_give_what_they_say(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module.removesuffix(".__init__")), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0, "see above, where doctest prints it"


def test_every_public_statistic_has_an_example() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if ">>> " not in (ast.get_docstring(node) or "")
    ]
    assert silent == []
