"""JSON Lines: which keys there are, and what other JSON than one object a line becomes it by."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import duckdb

from monitor.model.errors import SourceError
from monitor.sources.column_hints import CLASSES, SCORES
from monitor.sources.formats.folders import demand_agreement
from monitor.sources.formats.heads import Head, demand_utf8, pipe_command, read_head
from monitor.sources.formats.layout import TIMES, Layout, are_numbers, are_times, lines_of, rejects_of
from monitor.sources.formats.paths import is_reached, json_text, nested_values, parse_json, split_path
from monitor.store.connection import quote_name, quote_text

_LOOKED = 100  # objects whose values are looked at
_ENOUGH = 20  # objects, where they have all that is asked for
_BY_PANDAS = 'calwatch reads one object a line: with pandas, to_json(orient="records", lines=True)'
_LIST_KEY = re.compile(r'"(\w+)"\s*:\s*\[\s*\{')


def json_layout(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    wanted: Mapping[str, str],
    folders: Mapping[str, str | None],
    is_enough: Callable[[Collection[str]], bool],
    *,
    pushed: bool,
) -> Layout:
    """Look at the first lines, and where ``is_enough`` says that they lack something, at all of them.

    Raises SourceError with what to do when no line can be an object; not for what is ``pushed``, which is taken line by line.
    """
    head = read_head(connection, path)
    objects, seen = _first_objects(head.lines, wanted, folders.keys(), is_enough)
    valid = f"(SELECT CASE WHEN json_valid(line) THEN line END AS valid FROM {lines_of([path])})"
    if not pushed:
        demand_utf8(path, head, header=False)
        _demand_lines(connection, path, head, objects, valid)
        _demand_rows(head, objects, wanted.get("sample_id", wanted.get("image_id", "")))
    absent = set[str]()
    if not is_enough(seen):
        absent = _absent(connection, valid, {name: own for name, own in wanted.items() if name not in seen})
    for name, own in wanted.items():
        if own in folders and name not in TIMES and any(is_reached(each, own) for each in objects):
            demand_agreement(connection, valid, json_text("valid", own), own, folders[own])
    told = _texts(objects if absent else objects[:_ENOUGH])
    times = {name: _texts(objects, wanted[name])[wanted[name]] for name in TIMES if name in wanted}
    return Layout(
        "json",
        dict.fromkeys(wanted, "VARCHAR"),
        {name: _expression(own, folders) for name, own in wanted.items()},
        (*told, *(own for own in folders if own not in told)),
        0,
        absent=frozenset(absent),
        unused=_unused(head, wanted, folders),
        times=tuple(own for own, held in told.items() if are_times(held)),
        numbered={name: held[0] for name, held in times.items() if are_numbers(held)},
        nested=_nested(objects, wanted),
        lists={
            name: len(value) for each in objects[:1] for name, value in nested_values(each) if isinstance(value, list)
        },
        hint=_hint(head, objects) if absent else "",
    )


def _first_objects(
    lines: Iterable[str],
    wanted: Mapping[str, str],
    folders: Collection[str],
    is_enough: Callable[[Collection[str]], bool],
) -> tuple[list[Mapping[str, Any]], set[str]]:
    """The objects on the first lines, as many as it takes, and the names of ours that they have."""
    objects, seen = list[Mapping[str, Any]](), {name for name, own in wanted.items() if own in folders}
    paths = [name for name, own in wanted.items() if len(split_path(own)) > 1]
    keys = set[str]()
    for line in lines:
        value = parse_json(line)
        if not isinstance(value, dict):
            continue
        objects.append(value)
        if not value.keys() <= keys:
            keys |= value.keys()
            seen |= {name for name, own in wanted.items() if own in keys}
        seen |= {name for name in paths if name not in seen and is_reached(value, wanted[name])}
        if len(objects) >= _ENOUGH and is_enough(seen):
            break
    return objects, seen


def _unused(head: Head, wanted: Mapping[str, str], folders: Collection[str]) -> frozenset[str]:
    """Of our own names, those that no line has, where all lines are in the head, and each is an object: nothing else could
    have a value under them."""
    if not head.whole:
        return frozenset()
    keys = set[str](folders)
    for line in head.lines:
        value = parse_json(line)
        if isinstance(value, dict):
            keys |= value.keys()
        elif line.strip():
            return frozenset()
    return frozenset(name for name, own in wanted.items() if name == own and own.isidentifier() and own not in keys)


def _texts(objects: Sequence[Mapping[str, Any]], only: str = "") -> dict[str, list[str]]:
    """The first values of each name, or of one: texts and numbers, as texts."""
    held: dict[str, list[str]] = {only: []} if only else {}
    for each in objects[:_LOOKED]:
        for name, value in nested_values(each) if not only or only not in each else ((only, each[only]),):
            if only and name != only:
                continue
            values = held.setdefault(name, [])
            if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
                values.append(str(value))
    return held


def _nested(objects: Sequence[Mapping[str, Any]], wanted: Mapping[str, str]) -> dict[str, str]:
    """The names of ours under which all objects looked at hold objects or lists, each with a path to a value in them."""
    found = {}
    for name, own in wanted.items():
        reached = [each[own] if own in each else dict(nested_values(each)).get(own) for each in objects[:_LOOKED]]
        held = [value for value in reached if value is not None]
        if name not in ("logits", "box") and held and all(isinstance(value, dict | list) for value in held):
            place = int(name in SCORES and len(held[0]) == CLASSES)
            found[name] = f"{own}.{next(iter(held[0]), 'x') if isinstance(held[0], dict) else place}"
    return found


def _expression(own: str, folders: Mapping[str, str | None]) -> str:
    text = json_text("valid", own)
    value = folders.get(own)
    return text if value is None else f"coalesce({text}, CASE WHEN valid IS NOT NULL THEN {quote_text(value)} END)"


def _absent(connection: duckdb.DuckDBPyConnection, valid: str, unseen: Mapping[str, str]) -> set[str]:
    """Of these, the names that no line of the file has; none where no line is an object."""
    has = ", ".join(
        f"coalesce(bool_or({json_text('valid', own)} IS NOT NULL "
        f"OR json_exists(valid, {quote_text('$.' + quote_name(own))})), false)"
        for own in unseen.values()
    )
    found = connection.execute(
        f"SELECT {has} FROM {valid} WHERE json_type(valid) = 'OBJECT' HAVING count(*) > 0"
    ).fetchone()
    return {name for name, there in zip(unseen, found, strict=True) if not there} if found else set()


def _demand_lines(
    connection: duckdb.DuckDBPyConnection, path: str, head: Head, objects: Sequence[Any], valid: str
) -> None:
    """Raises SourceError when the file is one JSON value over many lines, or a list."""
    text = head.text.lstrip()
    first = next((line.strip() for line in head.lines if line.strip()), "")
    if text.startswith("["):
        alone = parse_json(first)
        is_a_line = isinstance(alone, list) or not first  # among others, or longer than the head
        has_rows = not first or (isinstance(alone, list) and any(isinstance(each, dict) for each in alone))
        if is_a_line and (objects or not has_rows or _has_object(connection, valid)):
            return
        raise SourceError(f"is one JSON list; {_remedy('.[]', path)}")
    if isinstance(parse_json(first.removesuffix(",")), dict) and first.endswith(",") and len(objects) <= 1:
        command = pipe_command("sed 's/,$//'", path)
        raise SourceError(f"its lines end with commas; take them away: {command} > lines.jsonl")
    if objects or not text.startswith("{") or not (first.endswith(("{", "[", ",")) or not _is_one_object(text)):
        return
    if not _has_object(connection, valid):
        raise SourceError(f"is JSON over several lines, or several on one; {_remedy(_rows_within(text) or '.', path)}")


def _demand_rows(head: Head, objects: Sequence[Mapping[str, Any]], sample_id: str) -> None:
    """Raises SourceError when the only object holds whole columns."""
    is_alone = (len(objects) == 1 and head.whole) or not head.lines  # or longer than the head
    if is_alone and re.search(rf'"{re.escape(sample_id)}"\s*:\s*[\[{{]', head.text):
        raise SourceError(f"holds whole columns; {_BY_PANDAS}")


def _hint(head: Head, objects: Sequence[Mapping[str, Any]]) -> str:
    """What to do where the file's only object holds the rows."""
    if len(objects) > 1:
        return ""
    filter_ = _rows_within(head.text)
    if filter_:
        return f'its rows lie within "{filter_[1:-2]}"; {_remedy(filter_, "")}'
    holds_lists = head.whole and any(isinstance(value, list) for each in objects for value in each.values())
    return f"its only object seems to hold whole columns; {_BY_PANDAS}" if holds_lists else ""


def _rows_within(text: str) -> str:
    """The jq filter giving the rows that an object holds as a list of objects; "" where it does not."""
    key = _LIST_KEY.search(text)
    return f".{key[1]}[]" if key else ""


def _remedy(filter_: str, path: str) -> str:
    by_pandas = "" if filter_ not in (".", ".[]") else ', or with pandas to_json(orient="records", lines=True)'
    command = pipe_command(f"jq -c '{filter_}'", path or "…")
    return f"calwatch reads one object a line: {command} > lines.jsonl{by_pandas}"


def _is_one_object(text: str) -> bool:
    """Whether the text is no JSON, or one value on a line of its own."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return True
    return "\n" not in text[:end] and not text[end:].lstrip(" \t").startswith("{")


def _has_object(connection: duckdb.DuckDBPyConnection, valid: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {valid} WHERE json_type(valid) = 'OBJECT' LIMIT 1").fetchone() is not None


def json_relation(paths: Sequence[str], columns: str) -> tuple[str, str]:
    """The SELECT over these files, and the SELECT of lines that made no row."""
    listed = ", ".join(quote_text(path) for path in paths)
    row = "number - min(number) OVER (PARTITION BY _path)" if len(paths) > 1 else "number"
    return (
        f"SELECT _path AS _file, _row, (list_position([{listed}], _path)::BIGINT << 40) + _row AS _position, "
        f"CASE WHEN coalesce(json_type(valid), '') <> 'OBJECT' THEN line END AS _unreadable{columns} "
        f"FROM (SELECT _path, {row} AS _row, CASE WHEN json_valid(line) THEN line END AS valid, line "
        f"FROM (SELECT _path, row_number() OVER () - 1 AS number, line FROM {lines_of(paths)})) "
        "WHERE trim(coalesce(line, '')) <> ''"
    ), rejects_of(1)
