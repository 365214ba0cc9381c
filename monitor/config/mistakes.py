"""What is wrong with a TOML document, in words: place, what was found, what to do; every mistake at once.

pydantic finds the mistakes, in the order of the models' fields. Its error types are put into our words here, for
calwatch.toml, rule packs and rule tests alike.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from monitor.config.partly import list_own_keys, read_table
from monitor.config.section import AnotherFileError, At, MisfitError, MustError, Section, Words
from monitor.config.tables import choices_of, item_of, keys_of, members_of, table_of
from monitor.config.toml import Location, find_lines, find_nearest, list_words, quote_value, suggest_nearest

M = TypeVar("M", bound=Section)
CLOSE = 0.75  # of words where another may well be meant: values, and keys that are there already
LONGEST_NAME = 100  # characters; a longer one is a mistake of its own
FEW = 3  # keys of a table that are named where one is unknown
_MUST = {  # error type of pydantic → what must be, its context filled in
    "greater_than": "be greater than {gt:g}", "greater_than_equal": "be greater than or equal to {ge:g}",
    "less_than": "be less than {lt:g}", "less_than_equal": "be less than or equal to {le:g}",
    "string_pattern_mismatch": "match pattern '{pattern}'", "string_type": "be text", "path_type": "be a path",
    "int_type": "be a whole number", "int_parsing": "be a whole number", "int_from_float": "be a whole number",
    "int_parsing_size": "be a smaller number", "float_type": "be a number", "float_parsing": "be a number",
    "finite_number": "be a finite number", "bool_type": "be true or false", "bool_parsing": "be true or false",
    "tuple_type": "be a list", "dict_type": "be a table", "model_type": "be a table", "model_attributes_type": "be a table",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """How messages about one kind of file speak."""

    quoted: Callable[[object], str]  # a value as it is shown
    # tables by number and name, a table's unknown and missing keys first, and examples for the missing; else by name alone
    numbered: bool = False


CONFIGURATION = Voice(partial(quote_value, text=repr))
RULES = Voice(quote_value, numbered=True)


def read_tables(
    model: type[M], document: Mapping[str, Any], origin: str, voice: Voice, text: str, context: object = None
) -> tuple[M, list[str]]:
    """Return the document as ``model`` and every mistake as ``origin:line: place: key problem (got …)``.

    With mistakes, what was read raises UnreadError when asked for what could not be. ``text``: the document as it is
    written. ``context`` is handed to the validators of the models; with one nothing is read in part.
    """
    try:
        return model.model_validate(document, context=context), []
    except ValidationError as error:
        part, details = read_table(model, document) if context is None else (model.model_construct(), error.errors())
        printer = _Printer(model, document, origin, voice, find_lines(text))
        return part, [line for detail in _ordered(details, voice) for line in printer.lines(detail)]


def _ordered(details: list[ErrorDetails], voice: Voice) -> list[ErrorDetails]:
    # a section with a mistake inside makes its parent look empty to pydantic: only the mistake inside is news
    inside = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    own = [detail for detail in details if not (detail["type"] == "too_short" and detail["loc"] in inside)]
    if not voice.numbered:
        return own
    early = ("missing", "extra_forbidden")
    ordered = [detail for detail in own if detail["type"] not in early]
    for type_ in early:
        for detail in reversed([detail for detail in own if detail["type"] == type_]):
            table = detail["loc"][:-1]
            first = (n for n, other in enumerate(ordered) if other["loc"][: len(table)] == table)
            ordered.insert(next(first, len(ordered)), detail)
    return ordered


class _Place:
    """Where a mistake is: its location walked through the models and the document side by side."""

    def __init__(self, model: type[Section], document: Any, location: tuple[int | str, ...], voice: Voice) -> None:
        self.words: list[str] = []  # of the tables around it: ``model "defects"``, ``rule 2 "ece-high"``
        self.tables: list[str] = []  # keys of those that stand in lists
        self.key = ""
        self.is_item = False  # of the list that the key holds
        self.field: FieldInfo | None = None
        self.holder: type[Section] = model  # the table that has the key
        self.union: dict[str, type[BaseModel]] = {}  # what else that table might have been
        self.table: Mapping[str, Any] = document  # that holder as it is written
        self.path: Location = ()  # as in the document
        self._annotation: Any = model
        self._node = document
        for step in location:
            members = members_of(self._annotation)
            if step in members:
                self._annotation = members[str(step)]
                self.union = members if "kind" in self._annotation.model_fields else {}
            elif isinstance(step, int):
                self._enter_item(step, voice)
            else:
                self._enter_key(step, voice)
        self.members = members_of(self._annotation)  # what should stand there, if one of several tables

    def _enter_item(self, index: int, voice: Voice) -> None:
        self._annotation = item_of(self._annotation)
        if isinstance(self._node, list) and index < len(self._node):
            self._node = self._node[index]
            self.path = (*self.path, index)
        if not isinstance(self._node, dict):
            self.key = f"{self.key}[{index + 1}]"
            self.is_item = True
            return
        name = self._node.get("name")
        usual = getattr(table_of(self._annotation), "model_fields", {}).get("name")
        if name is None and usual is not None and not usual.is_required():
            name = usual.default
        named = (
            "" if name is None or (voice.numbered and not isinstance(name, str)) else f' "{str(name)[:LONGEST_NAME]}"'
        )
        self.words.append(self.key + (f" {index + 1}" if voice.numbered or not named else "") + named)
        self.tables.append(self.key)
        self.key = ""

    def _enter_key(self, key: str, voice: Voice) -> None:
        if self.key and not voice.numbered:
            self.words.append(self.key)
        self.key = f"{self.key}.{key}" if self.key and voice.numbered else key
        if (table := table_of(self._annotation)) is not None and issubclass(table, Section):
            self.holder, self.table = table, self._node if isinstance(self._node, dict) else {}
        self.field = keys_of(table).get(key) if table else None
        self._annotation = self.field.annotation if self.field else None
        if isinstance(self._node, dict) and key in self._node:
            self._node = self._node[key]
            self.path = (*self.path, key)

    @property
    def is_inside(self) -> bool:
        """Whether the table that has the key stands in another."""
        return len(self.path) > 1

    @property
    def holds_tables(self) -> bool:
        """Whether the key is that of ``[[tables]]``."""
        item = item_of(self.field.annotation) if self.field else None
        return not self.is_item and item is not None and (table_of(item) is not None or bool(members_of(item)))


@dataclass(frozen=True, slots=True)
class _Printer:
    model: type[Section]
    document: Mapping[str, Any]
    origin: str
    voice: Voice
    where: Mapping[Location, int]  # the line of each key and table

    def lines(self, detail: ErrorDetails) -> Iterator[str]:
        """The mistake, a line or more."""
        place = _Place(self.model, self.document, detail["loc"], self.voice)
        error = detail.get("ctx", {}).get("error")
        if isinstance(error, AnotherFileError):
            yield from error.mistakes
            return
        for problem in self._problems(detail, place, error):
            inner = problem.place if isinstance(problem, At) else ()
            found = _Place(self.model, self.document, (*detail["loc"], *inner), self.voice) if inner else place
            line = self._line(found.path, problem)
            yield ": ".join([f"{self.origin}:{line}" if line else self.origin, *found.words, problem])

    def _line(self, path: Location, problem: str) -> int | None:
        """Where it stands: what a table has wrong often begins with the key that it is about."""
        for word in re.findall(r"\w+", problem[:100]):
            if (*path, word) not in self.where:
                break
            path = (*path, word)
        return self.where.get(path)

    def _problems(self, detail: ErrorDetails, place: _Place, error: object) -> Iterator[str]:
        subject = f"{place.key} " if place.key else ""
        got = f"(got {self.voice.quoted(detail['input'])})"
        match detail["type"]:
            case "extra_forbidden":
                yield self._unknown(place)
            case "missing":
                yield self._missing(place)
            case "union_tag_invalid" | "union_tag_not_found":
                yield from self._of_no_kind(place, detail["input"])
            case "value_error" if isinstance(error, MustError):
                yield f"{subject}must {error} (got {self.voice.quoted(error.got.get('got', detail['input']))}){error.near}"
            case "value_error" if isinstance(error, MisfitError):
                yield from (f"{subject}{text}" if text.startswith("must") else text for text in error.mistakes)
            case "value_error":
                yield (subject if str(error).startswith("must") else "") + str(error)
            case "too_short" if place.holds_tables and self.voice.numbered:
                yield self._missing(place)
            case "tuple_type" | "model_type" | "model_attributes_type" if place.holds_tables and self.voice.numbered:
                yield f"{place.key} must be written as [[{'.'.join([*place.tables, place.key])}]] {got}"
            case "too_short":
                yield f"{subject}must have at least one entry"
            case "literal_error" | "enum" if place.field is not None:
                near = suggest_nearest(detail["input"], choices_of(place.field.annotation), CLOSE)
                yield f"{subject}{self._must(detail, place)} {got}{near}"
            case _:
                yield f"{subject}{self._must(detail, place)} {got}"

    def _must(self, detail: ErrorDetails, place: _Place) -> str:
        """What must be, by the words of the field or by the type of the mistake."""
        context, type_ = detail.get("ctx", {}), detail["type"]
        if place.field is not None and not place.is_item and (own := words_of(place.field).must):
            return f"must {own}"
        if type_ in ("literal_error", "enum") and place.field is not None:
            return f"must be {list_words(choices_of(place.field.annotation), quoted=self.voice.quoted)}"
        if type_ in ("string_too_short", "string_too_long"):
            count, word = context.get("min_length") or context["max_length"], type_.removeprefix("string_too_")
            return f"must have at {'least' if word == 'short' else 'most'} {count} character{'' if count == 1 else 's'}"
        return "must " + _MUST[type_].format(**context) if type_ in _MUST else detail["msg"]

    def _missing(self, place: _Place) -> str:
        if not self.voice.numbered:
            return f'needs "{place.key}"'
        if place.holds_tables:
            return f"has no [[{'.'.join([*place.tables, place.key])}]]"
        found = place.field
        what = found and (words_of(found).missing or _example(found) or list_words(choices_of(found.annotation)))
        return f"{place.key} is missing{f': {what}' if what else ''}"

    def _unknown(self, place: _Place) -> str:
        key = place.key
        owners = [kind for kind, table in place.union.items() if key in keys_of(table)]
        if owners:
            own = next(kind for kind, table in place.union.items() if table is place.holder)
            return f'{key} belongs to kind {list_words(owners)}, and this {place.tables[-1]} is of kind "{own}"'
        known = list_own_keys(place.holder, place.table)
        word = key.rpartition(".")[2] if self.voice.numbered else key
        near = suggest_nearest(word, [key for key in known if key not in place.table])
        near = near or suggest_nearest(word, [key for key in known if key in place.table], cutoff=CLOSE)
        few = f"; known here: {list_words(known, 'and')}" if len(known) <= FEW and place.is_inside else ""
        return f"unknown key {quote_value(key)}{near or few}"

    def _of_no_kind(self, place: _Place, table: Mapping[str, object]) -> Iterator[str]:
        kinds = list(place.members)
        near = find_nearest(table.get("kind"), kinds)
        if "kind" not in table:
            yield f"kind is missing: {list_words(kinds)}"
        else:
            kind, hint = self.voice.quoted(table["kind"]), f', did you mean "{near}"?' if near else ""
            yield f"kind {kind} is not one this version knows ({list_words(kinds, 'and')}){hint}"
        known = {key for member in place.members.values() for key in keys_of(member)}
        meant = keys_of(place.members[near]) if near else known
        yield from (f"unknown key {quote_value(key)}{suggest_nearest(key, meant)}" for key in table if key not in known)


def words_of(found: FieldInfo) -> Words:
    """Return the words that a field has for its mistakes, the outermost there are; empty ones if it has none."""
    return next(
        (mark for mark in reversed([*_marks(found.annotation), *found.metadata]) if isinstance(mark, Words)), Words()
    )


def _marks(annotation: Any) -> list[Any]:
    """What an annotation says beside the type, also that of what may be None."""
    if get_origin(annotation) in (Union, UnionType):
        return [mark for each in get_args(annotation) for mark in _marks(each)]
    return list(get_args(annotation)[1:]) if get_origin(annotation) is Annotated else []


def _example(found: FieldInfo) -> str:
    return f'such as "{found.examples[0]}"' if found.examples else ""
