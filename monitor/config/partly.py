"""Reading a table as far as it can be read: each key by itself, so that one mistake hides no other."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from monitor.config.section import MisfitError, Noted, Section
from monitor.config.tables import item_of, keys_of, members_of, table_of
from monitor.config.toml import Location, find_nearest

S = TypeVar("S", bound=Section)


def list_one(value: Any) -> Any:
    """Return a table as a list of one, for keys that take both."""
    return [value] if isinstance(value, dict) else value


def list_own_keys(model: type[Section], table: Mapping[str, object]) -> list[str]:
    """Return the keys that go with a table of this kind."""
    return [key for key in keys_of(model) if key not in model.foreign_keys(table)]


def read_table(model: type[S], table: Mapping[str, Any], at: Location = ()) -> tuple[S, list[ErrorDetails]]:
    """Return the table as far as it can be read, and what is wrong with it: keys in order, unknown ones, then misfits.

    What was read raises UnreadError for fields that could not be, or that an unknown key was meant for. ``at``: where the
    table stands.
    """
    fields = keys_of(model)
    inside: dict[str, list[ErrorDetails]] = {}
    given = dict(table)
    for key in fields.keys() & given.keys():
        given[key], inside[key] = _read_value(fields[key], given[key], (*at, key))
    noted, own = Noted(), list[ErrorDetails]()
    try:
        read = model.model_validate(given, context=noted)
    except ValidationError as error:
        own = error.errors()
        read = _put_together(model, given, noted, own)
        if all(detail["loc"] for detail in own) and (misfits := read.list_misfits()):
            own.append(
                {"type": "value_error", "loc": (), "msg": "", "input": table, "ctx": {"error": MisfitError(misfits)}}
            )
    read._is_judged = True
    found = [
        each
        for key in (*fields, None)
        for each in (*_placed(own, at, key, fields), *(inside.get(key, ()) if key else ()))
    ]
    return read, found


def _placed(
    own: Iterable[ErrorDetails], at: Location, key: str | None, fields: Mapping[str, object]
) -> Iterator[ErrorDetails]:
    """Those of one key; of None: those of unknown keys and of the table itself."""
    for detail in own:
        first = detail["loc"][0] if detail["loc"] else None
        if first == key if key else first not in fields:
            yield {**detail, "loc": (*at, *detail["loc"])}


def _put_together(model: type[S], given: Mapping[str, Any], noted: Noted, own: Iterable[ErrorDetails]) -> S:
    fields = keys_of(model)
    keys = list_own_keys(model, given)
    wrong = {str(detail["loc"][0]) for detail in own if detail["loc"]}
    wrong |= {near for key in wrong - fields.keys() if (near := find_nearest(key, keys)) and near not in given}
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    read = model.model_construct({names[key] for key in given if key in names})
    for key, name in names.items():
        item = item_of(model.model_fields[name].annotation)
        if key not in wrong:
            read.__dict__[name] = noted.values.get(name, read.__dict__.get(name))
        elif item is not None and _holds_tables(item) and isinstance(given.get(key), list):
            nothing = (table_of(item) or next(iter(members_of(item).values()))).model_construct()
            nothing.__dict__.clear()
            read.__dict__[name] = tuple(each if isinstance(each, Section) else nothing for each in given[key])
        else:
            read.__dict__.pop(name, None)
    return read


def _holds_tables(item: Any) -> bool:
    return table_of(item) is not None or bool(members_of(item))


def _read_value(field: FieldInfo, value: Any, at: Location) -> tuple[Any, list[ErrorDetails]]:
    """A key's value with the tables in it read, as far as they are where tables should be."""
    if any(isinstance(mark, BeforeValidator) and mark.func is list_one for mark in field.metadata):
        value = list_one(value)
    item, table = item_of(field.annotation), table_of(field.annotation)
    if isinstance(value, dict) and table is not None and issubclass(table, Section):
        return read_table(table, value, at)
    if not isinstance(value, list) or item is None or not _holds_tables(item):
        return value, []
    read = [_read_item(item, each, (*at, number)) for number, each in enumerate(value)]
    return [each for each, _ in read], [detail for _, details in read for detail in details]


def _read_item(item: Any, value: Any, at: Location) -> tuple[Any, list[ErrorDetails]]:
    if not isinstance(value, dict):
        return value, []
    if (table := table_of(item)) is not None and issubclass(table, Section):
        return read_table(table, value, at)
    members = {kind: table for kind, table in members_of(item).items() if issubclass(table, Section)}
    kind = value.get("kind")
    if isinstance(kind, str) and kind in members:
        return read_table(members[kind], value, (*at, kind))
    return _read_kindless(members, value, at)


def _read_kindless(
    members: Mapping[str, type[Section]], value: Mapping[str, Any], at: Location
) -> tuple[Section, list[ErrorDetails]]:
    """A table of no kind there is, as far as all kinds agree: wrong is what is so for every kind that takes the key."""
    read = {kind: read_table(table, {**value, "kind": kind}, (*at, kind)) for kind, table in members.items()}
    first = find_nearest(value.get("kind"), members) or next(iter(members))
    found = list[ErrorDetails]()
    for key in dict.fromkeys(key for table in members.values() for key in keys_of(table)):
        takers = [kind for kind in (first, *members) if key in keys_of(members[kind])]
        wrong = {kind: [each for each in read[kind][1] if each["loc"][len(at) + 1 :][:1] == (key,)] for kind in takers}
        if all(wrong.values()) and (key in value or key == "name"):
            found += wrong[takers[0]]
    part = read[first][0]
    shared = set.intersection(*(set(keys_of(table)) for table in members.values()))
    for key, field in keys_of(type(part)).items():
        if key not in shared:
            part.__dict__.pop(next(name for name, each in type(part).model_fields.items() if each is field), None)
    tag: ErrorDetails = {"type": "union_tag_invalid", "loc": at, "msg": "", "input": value}
    return part, [*found, tag]
