"""The reference of calwatch.toml and of rules as tables in Markdown, from the models that read them."""

from collections.abc import Iterable, Iterator, Set
from datetime import timedelta
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from monitor.config.settings import Config, window_name
from monitor.config.tables import choices_of, core_of, item_of, keys_of, members_of, table_of
from monitor.model.durations import format_duration

_TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", timedelta: "duration", Path: "path",
          dict: "table of texts", dict[str, float]: "number, or table of them"}  # fmt: skip


def sections(model: type[BaseModel] = Config, above: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the tables of a configuration, as ``("[[model.source]]", Source)``, each before the tables inside it."""
    for key, found in keys_of(model).items():
        item = table_of(item_of(found.annotation))
        if (table := item or table_of(found.annotation)) is not None:
            path = f"{above}.{key}" if above else key
            yield f"[[{path}]]" if item else f"[{path}]", table
            yield from sections(table, path)


def rules_table(pack: type[BaseModel]) -> str:
    """Return the like over all keys of a rule but its kind, those of every kind first. ``pack``: the model of a rule pack."""
    kinds = members_of(item_of(pack.model_fields["rule"].annotation))
    every = set.intersection(*(set(keys_of(table)) for table in kinds.values())) - {"kind"}
    rows = [*_rows("every kind", next(iter(kinds.values())), every)]
    rows += [
        row for kind, table in kinds.items() for row in _rows(kind, table, keys_of(table).keys() - every - {"kind"})
    ]
    return _table("kind", rows)


def configuration_table() -> str:
    """Return one Markdown table over all keys of calwatch.toml: section, key, type, default, meaning."""
    rows: list[str] = []
    for section, model in sections():
        below = {heading.strip("[]").rpartition(".")[2] for heading, _ in sections(model)}
        rows += _rows(section, model, keys_of(model).keys() - below)
    return _table("section", rows)


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([f"| {head} | key | type | default | |", "| --- | --- | --- | --- | --- |", *rows]) + "\n"


def _rows(where: str, model: type[BaseModel], keys: Set[str]) -> Iterator[str]:
    for key, found in keys_of(model).items():
        if key in keys:
            cells = (f"`{where}`", f"`{key}`", _type(found.annotation), _default(found), found.description or "")
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(annotation: Any) -> str:
    item, core = item_of(annotation), core_of(annotation)
    if choices := choices_of(annotation):
        words = ", ".join(f"`{word}`" for word in choices)
        return f"some of {words}" if item else f"one of {words}"
    if item is not None:
        return f"list of {_type(item)}s"
    return "table" if table_of(core) else _TYPES.get(core) or _TYPES.get(get_origin(core), "text")


def _default(found: FieldInfo) -> str:
    if found.is_required():
        return "required"
    extra = found.json_schema_extra
    return f"`{extra['default'] if isinstance(extra, dict) and 'default' in extra else _shown(found.default)}`"


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "{}"
    if isinstance(value, timedelta):
        return window_name(value) if value else format_duration(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{_shown(part)}"' for part in value) + "]"
    # of an empty text nothing would be seen
    return "none" if value is None else str(value) or '""'
