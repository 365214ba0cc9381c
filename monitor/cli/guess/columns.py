"""A sample of a file's rows, column by column, and what its values look like."""

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from monitor.cli.guess.words import VALUES
from monitor.sources.column_hints import strip_marks
from monitor.store.values import MISSING_WORDS

Kind = Literal["text", "number", "flag", "time", "list", "other"]
MISSING = frozenset({"", *MISSING_WORDS})  # in lower case: not labelled yet
MOSTLY = 0.95  # of the values there are: a stray one does not change what a column is
# Seconds since 1970 of the years 2000 to 2100, and the units that numbers of such times come in
_ERA = (946_684_800.0, 4_102_444_800.0)
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_ISO = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]\d{1,2}:\d{2}.*)?")
_DATED = re.compile(r"(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}\.\d{1,2}\.\d{1,2}|\d{8}T?\d{4,6})\b.*")
_OFFSET = re.compile(r".*\d{1,2}:\d{2}.*(Z|[A-Za-z]{3,}(/\w+)?|[+-]\d{1,2}(:?\d{2})?)")
_COMMA = re.compile(r"-?\d*,\d+")


@dataclass(frozen=True)
class Column:
    """One column; ``raw`` has a text or a list for each row tried, None where the file has nothing there."""

    name: str
    kind: Kind
    raw: tuple[str | list[object] | None, ...]

    @cached_property
    def words(self) -> set[str]:
        """The words of its name, and all of it as one."""
        return {*split_words(self.name), strip_marks(self.name)}

    @cached_property
    def last(self) -> str:
        """The last part of its name, without marks."""
        return strip_marks(self.name.rpartition(".")[2])

    @cached_property
    def cells(self) -> tuple[str | None, ...]:
        """Text by row; words for "nothing there" and lists are None."""
        return tuple(None if not isinstance(one, str) or one.casefold() in MISSING else one for one in self.raw)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value comes."""
        return Counter(one for one in self.cells if one is not None)

    @cached_property
    def numbers(self) -> tuple[float | None, ...]:
        """By row; None where it is no finite number."""
        return tuple(_number(one) for one in self.cells)

    @cached_property
    def known(self) -> list[float]:
        """Its finite numbers."""
        return [number for number in self.numbers if number is not None]

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.counts.total()

    @property
    def values(self) -> list[str]:
        """The different values, the most frequent first."""
        return [value for value, _ in self.counts.most_common()]

    @cached_property
    def is_numeric(self) -> bool:
        return self._mostly(len(self.known))

    @cached_property
    def is_whole(self) -> bool:
        """Whether its numbers have no fraction."""
        return self.is_numeric and all(number == int(number) for number in self.known)

    @cached_property
    def has_decimal_commas(self) -> bool:
        return not self.is_numeric and self._mostly(
            sum(count for value, count in self.counts.items() if _COMMA.fullmatch(value) or value.isdecimal())
        )

    @cached_property
    def time_shape(self) -> Literal["iso", "number", "other"] | None:
        """How its values write a time, if they do; "other": so that calwatch does not read it."""
        if self.kind == "time" or self._matches(_ISO):
            return "iso"
        if self.is_numeric and self.time_unit is not None:
            return "number"
        return "other" if self._matches(_DATED) else None

    @cached_property
    def time_unit(self) -> str | None:
        """The unit in which its numbers are times of this century."""
        for unit, size in UNITS.items():
            within = sum(_ERA[0] * size <= number < _ERA[1] * size for number in self.known)
            if self.known and within >= MOSTLY * len(self.known):
                return unit
        return None

    @cached_property
    def has_offsets(self) -> bool:
        """Whether its times say their zone."""
        return self._matches(_OFFSET)

    def share(self, low: float, high: float) -> float:
        """Of its numbers those that lie in [low, high]; 0 without any."""
        return sum(low <= number <= high for number in self.known) / len(self.known) if self.known else 0.0

    def _matches(self, pattern: re.Pattern[str]) -> bool:
        return self._mostly(sum(count for value, count in self.counts.items() if pattern.fullmatch(value)))

    def _mostly(self, fitting: int) -> bool:
        return self.filled > 0 and fitting >= MOSTLY * self.filled


@dataclass(frozen=True)
class Table:
    """Rows of one or several alike files. ``files`` has the number of each row's file, from 0."""

    columns: tuple[Column, ...]
    files: tuple[int, ...]

    @property
    def rows(self) -> int:
        return len(self.files)


def table_of(records: Sequence[Mapping[str, object]], files: Sequence[int] = (), times: Iterable[str] = ()) -> Table:
    """Rows as dicts (nested ones become dotted names) → a Table. ``times``: columns whose SQL type is a time."""
    flat = [_flat(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    known = set(times)
    columns = tuple(_column(name, [record.get(name) for record in flat], name in known) for name in names)
    return Table(columns, tuple(files) or (0,) * len(records))


def pair_values(one: Column, other: Column) -> list[tuple[str, str]]:
    """The values of two columns in the rows where both have one."""
    return [(a, b) for a, b in zip(one.cells, other.cells, strict=True) if a is not None and b is not None]


def list_elements(column: Column) -> list[Column]:
    """A column for each place of a column of lists, by the dotted paths that reach them; none unless all are equally long."""
    rows = [cell for cell in column.raw if isinstance(cell, list)]
    if len({len(cell) for cell in rows}) != 1:
        return []
    return [
        Column(f"{column.name}.{place}", "number", tuple(
            _cell(cell[place]) if isinstance(cell, list) and not isinstance(cell[place], list) else None for cell in column.raw
        ))
        for place in range(len(rows[0]))
    ]  # fmt: skip


def split_words(name: str) -> list[str]:
    """The words of the last part of a name: ``"meta.modelVersion2"`` → model, version, 2."""
    last = name.rpartition(".")[2] or name
    spaced = re.sub(r"(?<=[a-zäöü])(?=[A-Z])|(?<=[^\W\d_])(?=\d)", " ", last)
    return [word for word in re.split(r"[\W_]+", spaced.casefold()) if word]


def auroc(scores: Column | None, of: Column, value: str) -> float | None:
    """Chance that a score beside the value is above one beside another, ties half; None without 10 of each."""
    pairs = zip(scores.numbers, of.cells, strict=True) if scores is not None else ()
    known = [(score, cell == value) for score, cell in pairs if score is not None and cell is not None]
    true = [score for score, is_one in known if is_one]
    false = sorted(score for score, is_one in known if not is_one)
    if min(len(true), len(false)) < 10:
        return None
    above = sum(bisect_left(false, score) + bisect_right(false, score) for score in true) / 2
    return above / (len(true) * len(false))


def _flat(record: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _column(name: str, values: Sequence[object], is_time: bool) -> Column:
    known = [value for value in values if value is not None]
    kinds: dict[Kind, bool] = {
        "time": is_time,
        "list": any(isinstance(value, list) for value in known),
        "flag": bool(known) and all(isinstance(value, bool) for value in known),
        "number": bool(known) and all(isinstance(value, int | float) for value in known),
        "other": any(isinstance(value, bytes) for value in known),
    }
    kind: Kind = next((kind for kind, holds in kinds.items() if holds), "text")
    raw = tuple(_cell(value) for value in values)
    texts = [one for one in raw if isinstance(one, str) and one.casefold() not in MISSING]
    if kind == "text" and texts and all(one.startswith("[") and one.endswith("]") for one in texts):
        kind, raw = "list", tuple(_listed(one) for one in raw)
    return Column(name, kind, raw)


def _cell(value: object) -> str | list[object] | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).strip()
    return text.split(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def _listed(text: object) -> str | list[object] | None:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def sign_of(name: str) -> int:
    """1 for a usual name of the positive class, −1 of the negative one, 0 for neither; "not ok" and "defect-free" turn it."""
    found = split_words(re.sub(r"\.", " ", name))
    if strip_marks(name) in VALUES["bad"] | VALUES["good"]:
        return 1 if strip_marks(name) in VALUES["bad"] else -1
    if not found:
        return 0
    turned = -1 if VALUES["not"] & set(found) else 1
    if VALUES["bad"] & set(found):
        return turned
    return -turned if VALUES["good"] & set(found) else -1 if found == ["no"] else 0
