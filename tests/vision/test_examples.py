"""Examples in docstrings of the mathematics of boxes give what they say."""

import doctest
import importlib
from pathlib import Path

from tests.loops import each

ROOT = Path(__file__).parents[2]
MODULES = {path.stem: f"monitor.vision.{path.stem}" for path in sorted((ROOT / "monitor" / "vision").glob("[a-z]*.py"))}


@each("module", MODULES)
def test_examples_give_what_they_say(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0, "see above, where doctest prints it"
