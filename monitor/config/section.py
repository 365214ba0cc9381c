"""A table that people write, and what a validator raises about it: every mistake is a value of its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)


class MustError(ValueError):
    """Raised by a validator: what its key must be ("be a duration"); what was found is told with it."""

    def __init__(self, be: str, *, near: str = "", **got: object) -> None:
        super().__init__(be)
        self.near = near
        self.got = got


class MisfitError(ValueError):
    """Raised by a validator: one mistake or more, each in words."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__()
        self.mistakes = tuple(mistakes)


class AnotherFileError(MisfitError):
    """Raised by a validator of a key that names another file: the mistakes in that one, with their own places."""


class UnreadError(Exception):
    """Raised by a table that was read in part, when asked for what could not be read: nothing is said about it."""


class At(str):
    """A mistake that one table finds in another, inside of it: with the place of that."""

    place: tuple[int | str, ...]

    def __new__(cls, text: str, *place: int | str) -> Self:
        made = super().__new__(cls, text)
        made.place = place
        return made


@dataclass(frozen=True, slots=True)
class Words:
    """Of a field, among its annotations: what it must ("be text"), whatever is wrong, and what to write if it is missing."""

    must: str = ""
    missing: str = ""


@dataclass(slots=True)
class Noted:
    """The values of one table that could be read, by field: validation fills it in."""

    values: dict[str, Any] = field(default_factory=dict)


class Section(BaseModel):
    """A table that people write: unknown keys are mistakes, and nothing changes once it is read.

    Methods called ``_check_…`` yield what does not go together, in words. Each also runs on a table that could only be read
    in part, and ends where it asks for what could not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    _is_judged: bool = PrivateAttr(False)  # pydantic judges a table once more where it is put into another

    def __getattr__(self, name: str) -> Any:
        if name in type(self).model_fields:
            raise UnreadError(name)
        return super().__getattr__(name)  # type: ignore[misc]  # pydantic hides it from type checkers

    @classmethod
    def foreign_keys(cls, table: Mapping[str, object]) -> frozenset[str]:
        """Return the keys that do not go with the kind of this table."""
        return frozenset()

    def list_misfits(self) -> list[str]:
        """Return what does not go together, as far as it can be told."""
        checks = (name for name in dir(type(self)) if name.startswith("_check_"))
        order = [name for base in reversed(type(self).__mro__) for name in vars(base)]
        return list(judge_each(getattr(self, name) for name in sorted(checks, key=order.index)))

    def got(self, key: str) -> str:
        """Return ``got``, or ``default`` where the key is not written."""
        return "got" if key in self.model_fields_set else "default"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self._is_judged and (found := self.list_misfits()):
            raise MisfitError(found)
        return self

    @field_validator("*")
    @classmethod
    def _note(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(info.context, Noted) and info.field_name:
            info.context.values[info.field_name] = value
        return value


def judge_each(checks: Iterable[Any]) -> Iterator[str]:
    """Yield what each check yields, up to where it asks for what could not be read. Checks: functions of no argument."""
    for check in checks:
        try:
            yield from check()
        except UnreadError:
            continue
