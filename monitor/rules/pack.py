"""Rule packs: TOML files of ``[[rule]]`` tables become Rule values, or one error that tells every mistake in them."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from re import fullmatch

from monitor.config.toml import Table, listed, nearest, parse_toml, shown, tables
from monitor.model import COUNTS, METRICS, Rule, RuleKind, Severity, Slice
from monitor.model.errors import ConfigError
from monitor.statistics.drift.budget import parse_budget

SHIPPED = "monitor.rulepacks"
BUILT_IN_ACTIONS = ("recalibrate",)
DEFAULT_TOLERANCE_ODDS = 1.1  # differences smaller than this are real but wake nobody
REFERENCES = ("score", "deployment")
DEFAULT_REFERENCE_SAMPLES, LEAST_REFERENCE_SAMPLES = 2000, 200
ABSENT = ("samples", "labels", "pulls")
MEASURES = ("gap", "error")  # of a disparity: the calibration gap in size, or the debiased ECE
DEFAULT_LEVEL, MAX_LEVEL = 0.05, 0.25

COMMON_KEYS = (
    *("name", "kind", "severity", "summary", "actions", "cooldown"),
    *("for", "keep_firing_for", "slices", "only"),
)
KEYS_OF_KIND = {
    RuleKind.THRESHOLD: ("metric", "above", "below", "clear_below", "clear_above", "window", "min_samples"),
    RuleKind.ABSENCE: ("of", "longer_than"),
    RuleKind.DRIFT: ("false_alarms", "tolerance", "reference", "reference_samples"),
    RuleKind.DISPARITY: ("measure", "above", "level", "window", "min_samples"),
}
ORDERS = {"all": 0, "marginals": 1, "crosses": 2}  # 2 stands for every order from 2 on
_UNBOUNDED = ("log_loss", "samples", "unlabelled", "label_lag_seconds")
_SIGNED = (
    *("ece_debiased", "ece_lower", "ece_upper", "ece_squared_debiased", "ece_squared_lower", "ece_squared_upper"),
    *("calibration_gap", "gap_lower", "gap_upper"),
)
_NOT_COUNTED_BY_LABELS = ("samples", "unlabelled", "label_coverage")


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
            if rule.window is not None and rule.window not in windows:
                offered = listed(windows) if windows else "none"
                found.append(f'{place}: window "{rule.window}" is none of the model\'s windows ({offered})')
            found += [
                f'{place}: only.{name}: "{name}" is no slice dimension of the model{nearest(name, dimensions)}'
                for name, _ in rule.only.labels
                if name not in dimensions
            ]
            known = (*BUILT_IN_ACTIONS, *actions)
            found += [
                f'{place}: unknown action "{name}"{nearest(name, known)}' for name in rule.actions if name not in known
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
            [f'rule pack "{name_or_path}" does not ship with calwatch{nearest(name_or_path, shipped)}'],
            f"use one of {listed(shipped)}, or a path that ends in .toml",
        )
    file_name = f"{name_or_path}.toml"
    return parse_pack(read_text(_shipped_folder() / file_name, file_name), file_name)


def _is_path(name_or_path: str) -> bool:
    return "/" in name_or_path or name_or_path.endswith(".toml")


def parse_pack(text: str, origin: str) -> tuple[Rule, ...]:
    """The ``[[rule]]`` tables of a TOML text. Raises ConfigError with every mistake, placed as
    ``origin: rule 2 "ece-high": key problem (got value)``."""
    document = parse_toml(text, origin)
    mistakes: list[str] = []
    Table(document, origin, mistakes).reject_unknown(["rule"])
    rules = [
        _read_rule(table, origin, number, mistakes)
        for number, table in enumerate(tables(document, "rule", origin, mistakes), start=1)
    ]
    if not rules and not mistakes:
        mistakes.append(f"{origin}: has no [[rule]]")
    first: dict[str, int] = {}
    for number, rule in enumerate(rules, start=1):
        if rule is not None and rule.name and first.setdefault(rule.name, number) != number:
            mistakes.append(f'{origin}: rule {number} "{rule.name}": has the name of rule {first[rule.name]}')
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(rule for rule in rules if rule is not None)


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


def _read_rule(entries: Mapping[str, object], origin: str, number: int, mistakes: list[str]) -> Rule | None:
    """One rule; None when its kind is wrong. Once mistakes are noted, the value returned is never used."""
    place = f"{origin}: rule {number}"
    name = entries.get("name")
    table = Table(entries, f'{place} "{name}"' if isinstance(name, str) else place, mistakes)
    if name is None:
        table.note("name is missing")
    elif not isinstance(name, str) or not fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        table.wrong("name", 'letters, digits, ".", "_" and "-"')
    kind = _kind(table)
    if kind is None:
        table.reject_unknown([*COMMON_KEYS, *(key for keys in KEYS_OF_KIND.values() for key in keys)])
        return None
    table.require("severity", listed(Severity))
    severity = Severity(table.choice("severity", list(Severity)) or Severity.INFO)
    only = _only(table)
    absent, longer_than = _absence(table) if kind is RuleKind.ABSENCE else (None, None)
    drift, disparity = kind is RuleKind.DRIFT, kind is RuleKind.DISPARITY
    metric = _metric(table) if kind is RuleKind.THRESHOLD else None
    above, below, clear_above, clear_below = _bounds(table, metric) if kind is RuleKind.THRESHOLD else (None,) * 4
    measure, least, level = _disparity(table) if disparity else (None, None, None)
    odds, probability = _tolerance(table, severity) if drift else (None, None)
    return Rule(
        name=name if isinstance(name, str) else "",
        kind=kind,
        severity=severity,
        origin=place,
        summary=table.text("summary"),
        actions=table.texts("actions"),
        cooldown=table.duration("cooldown", timedelta(hours=24), positive=True),
        hold=table.duration("for", timedelta(0)),
        keep_firing_for=table.duration("keep_firing_for", timedelta(0)),
        orders=_orders(table, kind, only),
        only=only,
        metric=metric,
        above=least if disparity else above,
        below=below,
        clear_above=clear_above,
        clear_below=clear_below,
        window=_window(table) if kind is RuleKind.THRESHOLD or disparity else None,
        min_samples=_min_samples(table, metric),
        absent=absent,
        longer_than=longer_than,
        false_alarms_per_year=_false_alarms(table) if drift else None,
        tolerance_odds=odds,
        tolerance_probability=probability,
        reference=table.choice("reference", REFERENCES) or "score",
        reference_samples=_reference_samples(table),
        measure=measure,
        level=level,
    )


def _kind(table: Table) -> RuleKind | None:
    """The kind, with keys that belong to another kind or to none noted."""
    if "kind" not in table:
        table.note(f"kind is missing: {listed(RuleKind)}")
        return None
    value = table.entries["kind"]
    if not isinstance(value, str) or value not in list(RuleKind):
        near = nearest(value, RuleKind) if isinstance(value, str) else ""
        table.note(f"kind {shown(value)} is not one this version knows ({listed(RuleKind, 'and')}){near}")
        return None
    kind = RuleKind(value)
    foreign = {key for keys in KEYS_OF_KIND.values() for key in keys} - set(KEYS_OF_KIND[kind])
    for key in table.entries:
        if key in foreign:
            owners = listed(other for other, keys in KEYS_OF_KIND.items() if key in keys)
            table.note(f'{key} belongs to kind {owners}, and this rule is of kind "{kind}"')
    table.reject_unknown([*COMMON_KEYS, *KEYS_OF_KIND[kind], *foreign])
    return kind


def _metric(table: Table) -> str | None:
    names = (*METRICS, *COUNTS)
    table.require("metric", 'such as "ece_lower"')
    metric = table.text("metric")
    if metric not in names and isinstance(table.entries.get("metric"), str):
        near = nearest(metric, names) or f"; one of {', '.join(names)}"
        table.note(f'unknown metric "{metric}"{near}')
    return metric if metric in names else None


def _window(table: Table) -> str | None:
    table.require("window", 'such as "24h"')
    table.duration("window", timedelta(0), positive=True)
    window = table.entries.get("window")
    return window if isinstance(window, str) else None


def _bounds(table: Table, metric: str | None) -> tuple[float | None, float | None, float | None, float | None]:
    """(above, below, clear_above, clear_below), exactly one of the first two given."""
    above, below = table.number("above"), table.number("below")
    clear_above, clear_below = table.number("clear_above"), table.number("clear_below")
    if ("above" in table) == ("below" in table):
        table.note(f"give either above or below ({'both are' if 'above' in table else 'neither is'} there)")
    elif "clear_above" in table and "below" not in table:
        table.note("clear_above goes with below; with above, write clear_below")
    elif "clear_below" in table and "above" not in table:
        table.note("clear_below goes with above; with below, write clear_above")
    if above is not None and clear_below is not None and clear_below > above:
        table.note(f"clear_below must not exceed above (got {clear_below:g} and {above:g})")
    if below is not None and clear_above is not None and clear_above < below:
        table.note(f"clear_above must not be less than below (got {clear_above:g} and {below:g})")
    if metric is not None:
        low = -1.0 if metric in _SIGNED else 0.0
        high = math.inf if metric in _UNBOUNDED else 1.0
        span = f"{metric} lies between {low:g} and {high:g}" if high < math.inf else f"{metric} is never below 0"
        if above is not None and above >= high:
            table.note(f"above {above:g} can never hold: {span}")
        if below is not None and below <= low:
            table.note(f"below {below:g} can never hold: {span}")
    return above, below, clear_above, clear_below


def _min_samples(table: Table, metric: str | None) -> int:
    if "min_samples" in table and metric in _NOT_COUNTED_BY_LABELS:
        table.note(f"min_samples counts labelled samples and would silence a rule on {metric} when it matters")
    return table.count("min_samples")


def _absence(table: Table) -> tuple[str | None, timedelta | None]:
    table.require("of", listed(ABSENT))
    table.require("longer_than", 'such as "2h"')
    absent = table.choice("of", ABSENT)
    if absent == "pulls":
        for key in ("slices", "only"):
            if key in table:
                table.note(f'{key} does not go with of = "pulls": a pull brings all slices')
    return absent, table.duration("longer_than", timedelta(0), positive=True)


def _false_alarms(table: Table) -> float:
    """False alarms a year, "1/year" without the key."""
    value = table.entries.get("false_alarms", "1/year")
    try:
        return parse_budget(value) if isinstance(value, str) else parse_budget("")
    except ValueError:
        table.wrong("false_alarms", 'a number per year, month, week or day, such as "1/year", at most "1/day"')
        return 1.0


def _tolerance(table: Table, severity: Severity) -> tuple[float | None, float | None]:
    """(odds, probability), at most one given. Without the key: odds 1.1, for severity "info" none."""
    if "tolerance" not in table:
        return (None if severity is Severity.INFO else DEFAULT_TOLERANCE_ODDS), None
    value = table.entries["tolerance"]
    if not isinstance(value, dict) or not value.keys() <= {"odds", "probability"} or len(value) > 1:
        table.wrong("tolerance", "{ odds = 1.1 }, { probability = 0.02 } or {} for none")
        return None, None
    odds, probability = value.get("odds"), value.get("probability")
    if odds is not None and not (isinstance(odds, int | float) and not isinstance(odds, bool) and 1 <= odds <= 100):
        table.note(f"tolerance.odds must be a factor of at least 1 (got {shown(odds)})")
        odds = None
    if probability is not None and not (
        isinstance(probability, int | float) and not isinstance(probability, bool) and 0 <= probability < 1
    ):
        table.note(f"tolerance.probability must lie between 0 and 1 (got {shown(probability)})")
        probability = None
    return odds, probability


def _disparity(table: Table) -> tuple[str | None, float, float]:
    """(measure, the least difference that matters, level)."""
    table.require("measure", listed(MEASURES))
    least, level = table.number("above") or 0.0, table.number("level")
    if not 0 <= least < 1:
        table.wrong("above", "a difference of at least 0 and below 1: how much worse than the rest is too much")
    if level is not None and not 0 < level <= MAX_LEVEL:
        table.wrong("level", f"a probability above 0 and at most {MAX_LEVEL:g}, of naming any slice wrongly")
    return table.choice("measure", MEASURES), least, DEFAULT_LEVEL if level is None else level


def _reference_samples(table: Table) -> int:
    """How many first samples make the curve at deployment."""
    if "reference_samples" not in table:
        return DEFAULT_REFERENCE_SAMPLES
    if table.entries.get("reference") != "deployment":
        table.note('reference_samples goes with reference = "deployment"')
    count = table.count("reference_samples")
    if count < LEAST_REFERENCE_SAMPLES:
        table.note(f"reference_samples must be at least {LEAST_REFERENCE_SAMPLES} (got {count})")
    return count


def _only(table: Table) -> Slice:
    value = table.entries.get("only", {})
    if not isinstance(value, dict):
        table.wrong("only", 'a table such as { camera = "c3" }')
        return Slice()
    for name, label in value.items():
        if not isinstance(label, str):
            table.note(f"only.{name} must be text (got {shown(label)})")
    return Slice.of({name: label for name, label in value.items() if isinstance(label, str)})


def _orders(table: Table, kind: RuleKind, only: Slice) -> tuple[int, ...]:
    """The slice orders a rule covers. Without ``slices``: all of them, for an absence the slice that ``only`` names,
    which is the whole without it; for a disparity all but the whole, outside of which there is no rest."""
    least = min(only.order, 2)
    if "slices" not in table:
        return (least,) if kind is RuleKind.ABSENCE else (1, 2) if kind is RuleKind.DISPARITY else (0, 1, 2)
    value = table.entries["slices"]
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name in ORDERS for name in names):
        wrong = next((name for name in names if not isinstance(name, str) or name not in ORDERS), value)
        table.note(f"slices must be {listed(ORDERS)}, or a list of them (got {shown(wrong)})")
        return (0, 1, 2)
    orders = tuple(sorted({order for name, order in ORDERS.items() if name in names}))
    if kind is RuleKind.DISPARITY and 0 in orders:
        table.note('slices "all" has no rest to be compared with: use "marginals", "crosses" or both')
        return (1, 2)
    if orders[-1] < least:
        table.note(f"slices leaves out every slice inside only ({only.text})")
    return orders
