"""TOML that people write: its syntax, values as their authors wrote them, and the nearest right word."""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import date, datetime, time

from monitor.model.errors import ConfigError


def parse_toml(text: str, origin: str) -> dict[str, object]:
    """The document as a dict. Raises ConfigError with ``origin``, line and column when it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, where = str(error).partition(" (at ")
        place = re.match(r"line (\d+), column (\d+)", where)
        lines = text.splitlines() or [""]  # without a place the parser stopped at the end of the document
        line, column = place.groups() if place else (str(len(lines)), str(len(lines[-1]) + 1))
        raise ConfigError([f"{origin}: line {line}, column {column}: not TOML: {problem}"]) from error


def quote_value(value: object) -> str:
    """A TOML value as its author wrote it, near enough to find it: text in double quotes, ``true``, ``a list``."""
    match value:
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            return "a list"
        case _:
            return "a table"


def list_words(names: Iterable[str], last: str = "or", *, quoted: Callable[[str], str] = quote_value) -> str:
    """``"a", "b" or "c"``, each as ``quoted`` writes it; nothing for none."""
    *front, final = [quoted(name) for name in names] or [""]
    return f"{', '.join(front)} {last} {final}" if front else final


def suggest_nearest(word: str, known: Iterable[str]) -> str:
    """``, did you mean "threshold"?`` for a word close to a known one, else nothing."""
    names = list(known)
    alike = [name for name in names if name.casefold() == word.casefold()]
    found = alike or difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f', did you mean "{found[0]}"?' if found else ""
