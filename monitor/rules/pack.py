"""Rule packs: TOML files of ``[[rule]]`` tables become Rule values, or one error that tells every mistake in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from monitor.config.mistakes import RULES, read_tables
from monitor.config.section import UnreadError
from monitor.config.toml import Location, find_lines, list_words, parse_toml, suggest_nearest
from monitor.model import Rule
from monitor.model.errors import ConfigError
from monitor.rules.tables import Pack, RuleTable

SHIPPED = "monitor.rulepacks"


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of a model in the order of their packs. ``overrides`` says, a sentence each, which rules a later
    pack replaced; ``shipped`` names the pack of each rule that comes with calwatch; ``mapped`` says, a sentence a pack,
    which windows stand in for its own."""

    rules: tuple[Rule, ...] = ()
    overrides: tuple[str, ...] = ()
    shipped: Mapping[str, str] = field(default_factory=dict)
    mapped: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)


class ReadRule(NamedTuple):
    """A ``[[rule]]`` table as far as it could be read. ``number``: from 1; ``lines``: of the keys of its file."""

    table: RuleTable
    file: str
    number: int
    lines: Mapping[Location, int]

    @property
    def origin(self) -> str:
        return f"{self.file}: rule {self.number}"

    @property
    def name(self) -> str | None:
        """None where it could not be read."""
        try:
            return self.table.name
        except UnreadError:
            return None

    def place(self, key: str) -> str:
        """Return ``own.toml:12: rule 2 "night"``, where a mistake at this key is told."""
        at = ("rule", self.number - 1)
        line = self.lines.get((*at, key)) or self.lines.get(at)
        name = f' "{self.name}"' if self.name else ""
        return f"{self.file}:{line}: rule {self.number}{name}" if line else f"{self.origin}{name}"


class Packs(NamedTuple):
    """Several packs joined, as far as they could be read, and every mistake in them. ``overrides``, ``shipped``: as of
    Rulebook."""

    rules: tuple[ReadRule, ...]
    overrides: tuple[str, ...]
    shipped: Mapping[str, str]
    mistakes: tuple[str, ...]
    hint: str

    def make_rulebook(self) -> Rulebook:
        """Return the rules. Raises ConfigError with the mistakes of all packs at once."""
        if self.mistakes:
            raise ConfigError(list(self.mistakes), self.hint)
        rules = tuple(each.table.make_rule(each.origin) for each in self.rules)
        return Rulebook(rules, self.overrides, self.shipped)


def load_rules(names: Sequence[str], base: Path) -> Rulebook:
    """Join the packs ``names`` (see ``load_pack``) in order; a later rule of the same name takes the earlier one's
    place. Raises ConfigError with the mistakes of all packs at once."""
    return read_packs(names, base).make_rulebook()


def read_packs(names: Iterable[str], base: Path) -> Packs:
    """Return the packs joined as by ``load_rules``, with what is wrong in them."""
    mistakes: list[str] = []
    hints: list[str] = []
    rules: dict[str, ReadRule] = {}
    overrides: list[str] = []
    shipped: dict[str, str] = {}
    for name in names:
        try:
            pack, wrong = _read_pack(*_find_pack(name, base))
        except ConfigError as error:
            mistakes += error.mistakes
            hints += [error.hint] if error.hint and error.hint not in hints else []
            continue
        mistakes += wrong
        for rule in pack:
            called = rule.name or rule.origin
            if called in rules:
                overrides.append(f'rule "{called}" of {rules[called].origin} is replaced by {rule.origin}')
            rules[called] = rule
            shipped.pop(called, None)
            shipped |= {} if _is_path(name) else {called: name}
    return Packs(tuple(rules.values()), tuple(overrides), shipped, tuple(mistakes), "; ".join(hints))


def shipped_packs() -> tuple[str, ...]:
    """Names of the packs that come with calwatch, sorted. Raises ConfigError when they are not installed."""
    names = (entry.name for entry in _shipped_folder().iterdir())
    return tuple(sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml") and not n.endswith(".test.toml")))


def load_pack(name_or_path: str, *, base: Path) -> tuple[Rule, ...]:
    """The rules of one pack: a bare name (``default``) is a pack that ships with calwatch; a name with a ``/`` or
    ending in ``.toml`` is a file, relative to ``base``. Raises ConfigError with every mistake of the pack."""
    return parse_pack(*_find_pack(name_or_path, base))


def _find_pack(name_or_path: str, base: Path) -> tuple[str, str]:
    """Its text, and how it is called in messages."""
    if _is_path(name_or_path):
        return read_text(base / name_or_path, name_or_path), name_or_path
    shipped = shipped_packs()
    if name_or_path not in shipped:
        raise ConfigError(
            [f'rule pack "{name_or_path}" does not ship with calwatch{suggest_nearest(name_or_path, shipped)}'],
            f"use one of {list_words(shipped)}, or a path that ends in .toml",
        )
    file_name = f"{name_or_path}.toml"
    return read_text(_shipped_folder() / file_name, file_name), file_name


def _is_path(name_or_path: str) -> bool:
    return "/" in name_or_path or name_or_path.endswith(".toml")


def parse_pack(text: str, origin: str) -> tuple[Rule, ...]:
    """The ``[[rule]]`` tables of a TOML text. Raises ConfigError with every mistake, placed as
    ``origin:line: rule 2 "ece-high": key problem (got value)``."""
    rules, mistakes = _read_pack(text, origin)
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(rule.table.make_rule(rule.origin) for rule in rules)


def _read_pack(text: str, origin: str) -> tuple[list[ReadRule], list[str]]:
    """The rules as far as they can be read, and every mistake. Raises ConfigError where there is no TOML to read."""
    document = parse_toml(text, origin)
    pack, mistakes = read_tables(Pack, document, origin, RULES, text)
    if "rule" not in document and len(mistakes) > 1:  # what is there says better why no rule is
        mistakes = [mistake for mistake in mistakes if mistake != f"{origin}: has no [[rule]]"]
    lines = find_lines(text)
    try:
        rules = [ReadRule(table, origin, number, lines) for number, table in enumerate(pack.rule, start=1)]
    except UnreadError:
        return [], mistakes
    first: dict[str, int] = {}
    for rule in rules:
        if rule.name is not None and first.setdefault(rule.name, rule.number) != rule.number:
            mistakes.append(f"{rule.place('name')}: has the name of rule {first[rule.name]}")
    return rules, mistakes


def read_text(file: Traversable, shown_as: str) -> str:
    """The text of a file that people write. Raises ConfigError, naming it ``shown_as``, when it cannot be read."""
    try:
        # editors of Windows put a mark in front that TOML does not know
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{shown_as}: not UTF-8 text (byte {error.start})"]) from error
    except FileNotFoundError as error:
        raise ConfigError([f"{shown_as}: no such file"], f"check the path: looked for {file}") from error
    except (OSError, ValueError) as error:  # a name that holds NUL is no name to the system
        problem = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([f"{shown_as}: cannot be read: {problem}"]) from error


def _shipped_folder() -> Traversable:
    try:
        return resources.files(SHIPPED)
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"the rule packs that ship with calwatch are not installed (no package {SHIPPED})"],
            "install calwatch, in a source tree with: pip install -e .",
        ) from error
