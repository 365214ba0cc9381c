"""What pydantic knows of the tables people write: their keys, what a list holds, the kinds of a table, the words of a key."""

from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by the keys that people write."""
    return {
        found.alias or name: found
        for name, found in model.model_fields.items()
        if not any(isinstance(mark, SkipJsonSchema) for mark in found.metadata)  # type: ignore[misc]  # a class at run time
    }


def members_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the tables of a union by their tag or kind; nothing where the annotation is no union of tables."""
    members = {}
    core = core_of(annotation)
    for each in get_args(core) if get_origin(core) in (Union, UnionType) else ():
        table = core_of(each)
        if isinstance(table, type) and issubclass(table, BaseModel):
            tags = [mark.tag for mark in get_args(each)[1:] if isinstance(mark, Tag)]
            members[(tags or get_args(table.model_fields["kind"].annotation))[0]] = table
    return members


def core_of(annotation: Any) -> Any:
    """Return the type inside ``Annotated`` and beside None."""
    if get_origin(annotation) is Annotated:
        return core_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        held = [each for each in get_args(annotation) if each is not type(None)]
        return core_of(held[0]) if len(held) == 1 else annotation
    return annotation


def item_of(annotation: Any) -> Any:
    """Return what a list holds, None for anything but a list."""
    core = core_of(annotation)
    return get_args(core)[0] if get_origin(core) is tuple else None


def table_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a table, None for anything but one."""
    core = core_of(annotation)
    return core if isinstance(core, type) and issubclass(core, BaseModel) else None


def choices_of(annotation: Any) -> list[str]:
    """Return the words that a field may hold, in order; none where it is not one of a few words."""
    core = core_of(annotation)
    if get_origin(core) is Literal:
        return [str(each) for each in get_args(core)]
    if isinstance(core, type) and issubclass(core, Enum):
        return [str(each.value) for each in core]
    return next((found for each in get_args(core) if (found := choices_of(each))), [])
