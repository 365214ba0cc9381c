"""TOML that people write: its syntax, where what stands, values as their authors wrote them, and the nearest right word."""

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time
from typing import Any

from monitor.model.errors import ConfigError

MOST_DEPTH = 100  # tables and lists inside each other: no configuration has more than ten
MOST_LINES = 200  # of one statement; below a longer one no lines are told
LONGEST = 200  # characters of a text that are shown
_WHOLE = range(-(2**63), 2**63)  # what TOML asks of whole numbers
Location = tuple[int | str, ...]


class _TooMuchError(ValueError):
    """Raised for what TOML's grammar allows and nobody can have meant."""


def parse_toml(text: str, origin: str) -> dict[str, object]:
    """The document as a dict. Raises ConfigError with ``origin`` and the place when it is not TOML."""
    try:
        return _load(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, where = str(error).partition(" (at ")
        place = re.match(r"line (\d+), column (\d+)", where)
        lines = text.splitlines() or [""]  # without a place the parser stopped at the end of the document
        line, column = place.groups() if place else (str(len(lines)), str(len(lines[-1]) + 1))
        raise ConfigError([f"{origin}: line {line}, column {column}: not TOML: {problem}"]) from error
    except _TooMuchError as error:
        wrong = next((line for line, statement, _ in _statements(text) if statement is None), None)
        raise ConfigError([f"{origin}: line {wrong}: {error}" if wrong else f"{origin}: {error}"]) from error


def _load(text: str) -> dict[str, Any]:
    """Raises ValueError for what is not TOML; _TooMuchError for numbers and depths that would break what comes after."""
    try:
        layer: list[Any] = [document := tomllib.loads(text)]
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # more digits than Python reads
        raise _TooMuchError("a whole number must fit 64 bits") from None
    except RecursionError:
        raise _TooMuchError("lists and tables are nested too deep") from None
    for _ in range(MOST_DEPTH):
        layer = [each for held in layer for each in (held.values() if isinstance(held, dict) else held)]
        if any(isinstance(each, int) and each not in _WHOLE for each in layer):
            raise _TooMuchError("a whole number must fit 64 bits")
        layer = [each for each in layer if isinstance(each, dict | list)]
        if not layer:
            return document
    raise _TooMuchError(f"lists and tables are nested too deep, more than {MOST_DEPTH} in each other")


def find_lines(text: str) -> dict[Location, int]:
    """Return the line, from 1, on which each table and key of a TOML document begins, by its path in the document."""
    found: dict[Location, int] = {}
    tables = Counter[Location]()
    here: Location = ()
    for line, statement, is_header in _statements(text):
        if statement is None:
            break
        if not is_header:
            found |= {path: line for path in _paths(statement, here) if path not in found}
            continue
        here, held = (), statement
        while held:
            ((key, held),) = held.items()
            here = (*here, key)
            if isinstance(held, list):  # [[tables]]: the next of them
                tables[here] += 1
                held = {}
            here = (*here, tables[here] - 1) if tables[here] else here
        found.setdefault(here, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any] | None, bool]]:
    """Yield line, content and whether it is the head of a table, of each statement by itself: a statement ends with the
    first line that makes it TOML. Content None, at the end: from there on nothing can be told apart."""
    lines = text.replace("\r\n", "\n").split("\n")
    start = end = 0
    while start < len(lines):
        end += 1
        statement: dict[str, Any] | None = None
        try:
            statement = _load("\n".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            if end < min(start + MOST_LINES, len(lines)):
                continue
        except _TooMuchError:
            pass
        if statement is None:
            yield start + 1, None, False
            return
        if statement:
            yield start + 1, statement, lines[start].lstrip().startswith("[")
        start = end


def _paths(value: Any, above: Location) -> Iterator[Location]:
    pairs: Iterable[tuple[int | str, Any]] = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


def quote_value(value: object, text: Callable[[str], str] = lambda text: json.dumps(text, ensure_ascii=False)) -> str:
    """A TOML value as its author wrote it, near enough to find it: text in double quotes (or as ``text`` writes it),
    ``true``, ``a list``; no more of a long one than its beginning."""
    match value:
        case str():
            return text(value) if len(value) <= LONGEST else f"{text(value[:40])} and so on, {len(value):,} characters"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list() | tuple():
            return "a list"
        case _:
            return "a table"


def list_words(names: Iterable[str], last: str = "or", *, quoted: Callable[[str], str] = quote_value) -> str:
    """``"a", "b" or "c"``, each as ``quoted`` writes it; nothing for none."""
    *front, final = [quoted(name) for name in names] or [""]
    return f"{', '.join(front)} {last} {final}" if front else final


def find_nearest(word: object, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that one is close to, or is the beginning of as of no other; None where there is none."""
    if not isinstance(word, str) or len(word) > LONGEST:
        return None
    known = list(known)
    alike = [each for each in known if each.casefold() == word.casefold()]
    if alike or len(word) < 3:
        return alike[0] if alike else None
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=cutoff)
    begun = [each for each in known if each.startswith(word.lower())]
    return near[0] if near else begun[0] if len(begun) == 1 else None


def suggest_nearest(word: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``, did you mean "threshold"?`` for a word close to a known one, else nothing."""
    near = find_nearest(word, known, cutoff)
    return f', did you mean "{near}"?' if near and near != word else ""
