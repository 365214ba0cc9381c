"""Long lists on pages: links that carry the question, and the part of a list that a page shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

Item = TypeVar("Item")


def link(path: str, /, **query: str | int | None) -> str:
    """``path?name=value…`` relative to the pages, which all stand on one level; what is None or empty is left out."""
    asked = {name: value for name, value in query.items() if value is not None and value != ""}
    return f"{path}?{urlencode(asked)}" if asked else path


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """One page of a list; ``total`` counts the whole list."""

    items: Sequence[Item]
    total: int
    number: int
    pages: int
    previous: str | None
    next: str | None


def part(items: Sequence[Item], number: int, size: int, to: Callable[[int], str]) -> Part[Item]:
    """Page ``number`` (from 1) of a list that is all there; a number beyond the last shows the last."""
    pages = max(-(-len(items) // size), 1)
    number = min(number, pages)
    return part_of(items[(number - 1) * size : number * size], len(items), number, size, to)


def part_of(items: Sequence[Item], total: int, number: int, size: int, to: Callable[[int], str]) -> Part[Item]:
    """The same where only the items of this page are there."""
    pages = max(-(-total // size), 1)
    return Part(
        items, total, number, pages, to(number - 1) if number > 1 else None, to(number + 1) if number < pages else None
    )
