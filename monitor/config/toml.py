"""TOML that people write: every mistake with its place, what was found, and the nearest right word."""

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from monitor.model.durations import parse_duration
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


def shown(value: object) -> str:
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


def listed(names: Iterable[str], last: str = "or") -> str:
    """``"a", "b" or "c"``."""
    *front, final = [f'"{name}"' for name in names]
    return f"{', '.join(front)} {last} {final}" if front else final


def nearest(word: str, known: Iterable[str]) -> str:
    """``, did you mean "threshold"?`` for a word close to a known one, else nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f', did you mean "{found[0]}"?' if found else ""


def tables(document: Mapping[str, object], key: str, place: str, mistakes: list[str]) -> list[Mapping[str, object]]:
    """The ``[[key]]`` tables of a document; anything else under that key is noted as a mistake."""
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        mistakes.append(f"{place}: {key} must be written as [[{key}]] (got {shown(found)})")
        return []
    return found


class Table:
    """One TOML table being read. Each reader returns the checked value, or the default when the key is missing or
    wrong; what is wrong is appended to ``mistakes`` as ``place: key problem (got …)``."""

    def __init__(self, entries: Mapping[str, object], place: str, mistakes: list[str]) -> None:
        self.entries = entries
        self.place = place
        self.mistakes = mistakes

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def note(self, problem: str) -> None:
        self.mistakes.append(f"{self.place}: {problem}")

    def wrong(self, key: str, must: str) -> None:
        self.note(f"{key} must be {must} (got {shown(self.entries[key])})")

    def reject_unknown(self, known: Iterable[str]) -> None:
        known = list(known)
        for key in self.entries:
            if key not in known:
                self.note(f'unknown key "{key}"{nearest(key, known)}')

    def require(self, key: str, what: str) -> None:
        if key not in self.entries:
            self.note(f"{key} is missing: {what}")

    def text(self, key: str, default: str = "") -> str:
        value = self.entries.get(key, default)
        if isinstance(value, str):
            return value
        self.wrong(key, "text")
        return default

    def choice(self, key: str, choices: Iterable[str]) -> str | None:
        choices = list(choices)
        if key not in self.entries:
            return None
        value = self.entries[key]
        if isinstance(value, str) and value in choices:
            return value
        self.wrong(key, listed(choices))
        return None

    def number(self, key: str) -> float | None:
        if key not in self.entries:
            return None
        value = self.entries[key]
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self.wrong(key, "a finite number")
        return None

    def count(self, key: str, default: int = 0) -> int:
        value = self.entries.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.wrong(key, "a whole number of 0 or more")
        return default

    def duration(self, key: str, default: timedelta, *, positive: bool = False) -> timedelta:
        if key not in self.entries:
            return default
        value = self.entries[key]
        try:
            duration = parse_duration(value if isinstance(value, str) else "")
        except (ValueError, OverflowError):  # overflow: more years than a timedelta can hold
            self.wrong(key, 'a duration such as "30m"')
            return default
        if positive and not duration:
            self.wrong(key, "longer than nothing")
            return default
        return duration

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.entries.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
            self.wrong(key, 'a list of names such as ["recalibrate"]')
            return ()
        if len(set(value)) < len(value):
            twice = next(entry for entry in value if value.count(entry) > 1)
            self.note(f'{key} names "{twice}" twice')
        return tuple(value)
