"""The words that guesses go by: those of ``words.toml``, as ordered sets.

By itself, because every kind of guess goes by them.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_HELD: dict[str, Any] = tomllib.loads(files("monitor.cli.guess").joinpath("words.toml").read_text("utf-8"))
CORNERS: list[set[str]] = [set(names) for names in _HELD["corners"]["all"]]
ZONES: Mapping[str, str] = _HELD["zones"]
LAYOUTS: Mapping[str, list[list[str]]] = _HELD["layouts"]
ROLES, NAMES, VALUES, BOXES = (
    {key: dict.fromkeys(words).keys() for key, words in _HELD[table].items()}
    for table in ("roles", "names", "values", "boxes")
)
