"""Rule packs: TOML files of ``[[rule]]`` tables become Rule values, or one error that tells every mistake in them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from monitor.config.mistakes import RULES, read_tables
from monitor.config.toml import list_words, parse_toml, suggest_nearest
from monitor.model import DisparityRule, Rule, ThresholdRule
from monitor.model.errors import ConfigError
from monitor.rules.tables import BUILT_IN_ACTIONS, Pack

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

    def mistakes(self, *, windows: Collection[str], dimensions: Collection[str], actions: Collection[str]) -> list[str]:
        """What a model's configuration does not offer although a rule names it: windows (``"24h"``), slice
        dimensions (``"camera"``) and actions beside the built-in ``recalibrate``. Empty when all is there."""
        found = []
        for rule in self.rules:
            place = f'{rule.origin} "{rule.name}"'
            if isinstance(rule, ThresholdRule | DisparityRule) and rule.window not in windows:
                offered = list_words(windows) if windows else "none"
                found.append(f'{place}: window "{rule.window}" is none of the model\'s windows ({offered})')
            found += [
                f'{place}: only.{name}: "{name}" is no slice dimension of the model{suggest_nearest(name, dimensions)}'
                for name, _ in rule.only.labels
                if name not in dimensions
            ]
            known = (*BUILT_IN_ACTIONS, *actions)
            found += [
                f'{place}: unknown action "{name}"{suggest_nearest(name, known)}'
                for name in rule.actions
                if name not in known
            ]
        return found


def load_rules(names: Sequence[str], base: Path) -> Rulebook:
    """Join the packs ``names`` (see ``load_pack``) in order; a later rule of the same name takes the earlier one's
    place. Raises ConfigError with the mistakes of all packs at once."""
    mistakes: list[str] = []
    hints: list[str] = []
    rules: dict[str, Rule] = {}
    overrides: list[str] = []
    shipped: dict[str, str] = {}
    for name in names:
        try:
            pack = load_pack(name, base=base)
        except ConfigError as error:
            mistakes += error.mistakes
            hints += [error.hint] if error.hint and error.hint not in hints else []
            continue
        for rule in pack:
            if rule.name in rules:
                overrides.append(f'rule "{rule.name}" of {rules[rule.name].origin} is replaced by {rule.origin}')
            rules[rule.name] = rule
            shipped.pop(rule.name, None)
            shipped |= {} if _is_path(name) else {rule.name: name}
    if mistakes:
        raise ConfigError(mistakes, "; ".join(hints))
    return Rulebook(tuple(rules.values()), tuple(overrides), shipped)


def shipped_packs() -> tuple[str, ...]:
    """Names of the packs that come with calwatch, sorted. Raises ConfigError when they are not installed."""
    names = (entry.name for entry in _shipped_folder().iterdir())
    return tuple(sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml") and not n.endswith(".test.toml")))


def load_pack(name_or_path: str, *, base: Path) -> tuple[Rule, ...]:
    """The rules of one pack: a bare name (``default``) is a pack that ships with calwatch; a name with a ``/`` or
    ending in ``.toml`` is a file, relative to ``base``. Raises ConfigError with every mistake of the pack."""
    if _is_path(name_or_path):
        return parse_pack(read_text(base / name_or_path, name_or_path), name_or_path)
    shipped = shipped_packs()
    if name_or_path not in shipped:
        raise ConfigError(
            [f'rule pack "{name_or_path}" does not ship with calwatch{suggest_nearest(name_or_path, shipped)}'],
            f"use one of {list_words(shipped)}, or a path that ends in .toml",
        )
    file_name = f"{name_or_path}.toml"
    return parse_pack(read_text(_shipped_folder() / file_name, file_name), file_name)


def _is_path(name_or_path: str) -> bool:
    return "/" in name_or_path or name_or_path.endswith(".toml")


def parse_pack(text: str, origin: str) -> tuple[Rule, ...]:
    """The ``[[rule]]`` tables of a TOML text. Raises ConfigError with every mistake, placed as
    ``origin: rule 2 "ece-high": key problem (got value)``."""
    document = parse_toml(text, origin)
    pack, mistakes = read_tables(Pack, document, origin, RULES)
    if "rule" not in document and len(mistakes) > 1:  # what is there says better why no rule is
        mistakes = [mistake for mistake in mistakes if mistake != f"{origin}: has no [[rule]]"]
    tables = document.get("rule")
    first: dict[str, int] = {}
    for number, table in enumerate(tables if isinstance(tables, list) else (), start=1):
        name = table.get("name") if isinstance(table, dict) else None
        if isinstance(name, str) and first.setdefault(name, number) != number:
            mistakes.append(f'{origin}: rule {number} "{name}": has the name of rule {first[name]}')
    if mistakes or pack is None:
        raise ConfigError(mistakes)
    return tuple(table.make_rule(f"{origin}: rule {number}") for number, table in enumerate(pack.rule, start=1))


def read_text(file: Traversable, shown_as: str) -> str:
    """The text of a file that people write. Raises ConfigError, naming it ``shown_as``, when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{shown_as}: not UTF-8 text (byte {error.start})"]) from error
    except FileNotFoundError as error:
        raise ConfigError([f"{shown_as}: no such file"], f"check the path: looked for {file}") from error
    except OSError as error:
        raise ConfigError([f"{shown_as}: cannot be read: {error.strerror}"]) from error


def _shipped_folder() -> Traversable:
    try:
        return resources.files(SHIPPED)
    except ModuleNotFoundError as error:
        raise ConfigError(
            [f"the rule packs that ship with calwatch are not installed (no package {SHIPPED})"],
            "install calwatch, in a source tree with: pip install -e .",
        ) from error
