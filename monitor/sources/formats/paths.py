"""Values that are no column of a file, but lie within one: dotted paths.

``meta.camera``, ``a.b.c``, ``preds.0.score`` and ``preds[0].score`` reach into objects and lists, and into text that holds
JSON, or values between commas: ``response.predictions.0``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.store.connection import quote_name, quote_text

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def split_path(own: str) -> tuple[str, ...]:
    """Its steps, an index as ``[0]`` or ``0``; one alone where the name is no path.

    >>> split_path("preds[0].score")
    ('preds', '[0]', 'score')
    """
    return tuple(_STEP.findall(own)) if "." in own or "[" in own else (own,)


def parted_paths(own: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The ways to read a path as a column and steps in it, the longest column first.

    >>> list(parted_paths("a.b.c"))
    [('a.b', ('c',)), ('a', ('b', 'c'))]
    """
    for cut in range(len(own) - 1, 0, -1):
        steps = split_path("." + own[cut:].removeprefix(".")) if own[cut] in ".[" else ()
        if steps:
            yield own[:cut], steps


def json_text(document: str, own: str) -> str:
    """SQL giving the text of a key or a path in the JSON ``document``; a key that holds the dots itself wins."""
    flat = f"json_extract_string({document}, {quote_text('$.' + quote_name(own))})"
    steps = split_path(own)
    return flat if len(steps) < 2 else f"coalesce({flat}, {', '.join(_reached(document, steps))})"


def text_in_text(text: str, steps: Sequence[str]) -> str:
    """SQL giving what a path reaches in a ``text`` that holds JSON, or values between commas."""
    return f"coalesce({', '.join(_reached(_opened(text), steps))}, NULL)"


def _reached(document: str, steps: Sequence[str]) -> Iterator[str]:
    """In one go, and with each way to stop at a text between that holds JSON itself; COALESCE tries one after the other."""
    for as_index in (True, False) if any(step.isdecimal() for step in steps) else (True,):
        yield f"json_extract_string({document}, {quote_text(_json_path(steps, as_index=as_index))})"
        for stop in range(1, len(steps)):
            text = f"json_extract_string({document}, {quote_text(_json_path(steps[:stop], as_index=as_index))})"
            rest = _json_path(steps[stop:], as_index=as_index)
            yield f"json_extract_string({_opened(text)}, {quote_text(rest)})"


def _opened(text: str) -> str:
    """A text as JSON: as it is, or ``0.1,0.9`` as the list it stands for; NULL where it is neither."""
    guess = rf"CASE WHEN regexp_matches({text}, '^\s*[\[{{]') THEN {text} ELSE '[' || {text} || ']' END"
    return f"CASE WHEN json_valid({guess}) THEN {guess} END"


def _json_path(steps: Sequence[str], *, as_index: bool) -> str:
    return "$" + "".join(
        f"[{int(step)}]" if as_index and step.isdecimal() else step if step.startswith("[") else "." + quote_name(step)
        for step in steps
    )


_NOWHERE = object()


def is_reached(value: Any, own: str) -> bool:
    """Whether an object has the key, or the path leads somewhere in it."""
    return _follow(value, own) is not _NOWHERE


def find_value(value: Any, own: str) -> Any:
    """What an object has under a key or path; None where that leads nowhere."""
    found = _follow(value, own)
    return None if found is _NOWHERE else found


def _follow(value: Any, own: str) -> Any:
    if not isinstance(value, dict):
        return _NOWHERE
    if own in value:
        return value[own]
    steps = split_path(own)
    if len(steps) < 2:
        return _NOWHERE
    for step in steps:
        if isinstance(value, str):
            # as ``_opened``
            value = parse_json(value if value.lstrip().startswith(("[", "{")) else f"[{value}]")
        index = step.strip("[]")
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and index.isdecimal() and int(index) < len(value):
            value = value[int(index)]
        else:
            return _NOWHERE
    return value


def parse_json(text: str) -> Any:
    """Return the JSON value that a text holds; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def nested_values(value: Mapping[str, Any], depth: int = 4) -> Iterator[tuple[str, Any]]:
    """The names of what an object holds, those in objects in it as dotted paths, with their values."""
    for name, inner in value.items():
        if isinstance(inner, dict) and inner and depth > 1:
            yield from ((f"{name}.{below}", found) for below, found in nested_values(inner, depth - 1))
        else:
            yield name, inner


def field_of(column: str, type_: Any, steps: Sequence[str]) -> tuple[str, str] | None:
    """SQL of what a path reaches in a column of nested ``type_`` (a DuckDBPyType), and its type; None: there is none such."""
    if not steps:
        return column, str(type_)
    first, rest, kind = steps[0], steps[1:], type_.id
    index = first.strip("[]")
    if kind == "struct":
        for name, inner in type_.children:
            if name == first or name.casefold() == first.casefold():
                return field_of(f"struct_extract({column}, {quote_text(name)})", inner, rest)
        return None
    if kind in ("list", "array") and index.isdecimal():
        inner = type_.children[0][1]
        return field_of(f"list_extract({column}, {int(index) + 1})", inner, rest)
    if kind == "map":
        return field_of(f"element_at({column}, {quote_text(first)})[1]", type_.children[1][1], rest)
    return (text_in_text(f"{column}::VARCHAR", steps), "VARCHAR") if kind == "varchar" else None


def type_names(name: str, type_: Any) -> Iterator[str]:
    """The names of a column: dotted paths where it is a STRUCT."""
    if type_.id == "struct":
        for inner, inner_type in type_.children:
            yield from type_names(f"{name}.{inner}", inner_type)
    else:
        yield name
