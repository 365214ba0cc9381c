"""The file format of rule tests, from TOML to values; every mistake of a file at once.

    pack = "default.toml"                        # relative to the test file; a bare name is a shipped pack

    [[test]]
    name = "night camera goes bad"
    start = 2026-01-01T00:00:00Z
    interval = "1h"                              # readings arrive and rules are evaluated this often
      [[test.series]]
      slice = "camera=c3,lighting=night"         # default "all"; version = "v1" is the default
      window = "24h"
      metric = "ece_lower"
      values = "0.01x12 0.09x6 _x3 0.01x10"
      samples = "500x31"                         # labelled samples; 1,000 when left out
      [[test.series]]
      of = "pulls"                               # for absence rules: samples, labels or pulls
      values = "1x20"                            # a number: something came then; "_" : nothing did
      [[test.series]]
      slice = "camera=c3"
      metric = "drift_evidence_ratio"            # for drift rules, all of the pack: evidence over the alarm threshold
      values = "0.1x20 1.4 0.1x200"              # 1 and more is an alarm, in force until it has been quiet; "_" : as it was
      direction = "over-confident above 0.8"     # optional, as are samples (those since the onset) and the onset of the
      onset = 2026-01-01T06:00:00Z               # first alarm (else the first value's time; later ones: the alarm before)
      [[test.series]]
      slice = "camera=c3"
      window = "7d"
      metric = "disparity"                       # for disparity rules on that window: how much worse than the rest
      values = "0.01x20 0.08x10"                 # of the model, whose own gap or error is taken as 0; "_" : no reading
      lower = "-0.02x20 0.05x10"                 # and at least, for all slices at once (else as values)
      lower_alone = "-0.01x20 0.06x10"           # and at least, this slice alone (else as values); samples as above
      [[test.expect]]
      at = "14h"
      rule = "ece-high"
      slice = "camera=c3,lighting=night"
      state = "firing"                           # also: health, reason, actions (those started at that time)

In ``values``, ``_`` is no reading, ``axn`` is n times a, ``a+bxn`` and ``a-bxn`` are n numbers from a in steps of b
(promtool counts n + 1 of them). After its last value a series is silent. With metric = "label_coverage" the samples
are the predictions, of which that share is labelled.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.config.toml import Table, nearest, parse_toml, tables
from monitor.model import COUNTS, METRICS, AlertState, Health, Rule, RuleKind, Slice
from monitor.model.errors import ConfigError
from monitor.rules.conditions import ALL_VERSIONS, AlertKey
from monitor.rules.pack import ABSENT, load_pack, read_text

MAX_STEPS = 100_000
DRIFT_EVIDENCE = "drift_evidence_ratio"  # series of tests only: threshold rules cannot name them
DISPARITY = "disparity"
_TERM = re.compile(
    r"(?P<first>_|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"(?:(?P<step>[+-]\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?=x))?"
    r"(?:x(?P<times>\d{1,6}))?"
)


@dataclass(frozen=True, slots=True)
class Series:
    """One input over the steps of a test: a metric of a window or, without a window, arrivals of what ``of`` names."""

    key: AlertKey
    watched: str
    window: str | None
    values: tuple[float | None, ...]
    samples: tuple[float | None, ...]  # empty: enough at each step


@dataclass(frozen=True, slots=True)
class EvidenceSeries:
    """The drift evidence of one slice over the steps of a test, as a share of the alarm threshold; None: as it was."""

    key: AlertKey
    values: tuple[float | None, ...]
    samples: tuple[float | None, ...]  # since the onset; empty: enough at each step
    direction: str
    onset: datetime | None  # of the first alarm; None: the time of the first value


@dataclass(frozen=True, slots=True)
class DisparitySeries:
    """How much worse one slice is than the rest of its model over the steps of a test; None: no reading."""

    key: AlertKey
    window: str
    values: tuple[float | None, ...]
    lower: tuple[float | None, ...]  # at least, for all slices at once
    lower_alone: tuple[float | None, ...]  # at least, this slice alone
    samples: tuple[float | None, ...]  # of the slice; empty: enough at each step


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one rule says of one slice at a time; None leaves a field open."""

    at: str  # as written
    step: int
    rule: str
    key: AlertKey
    state: AlertState
    health: Health | None
    reason: str | None
    actions: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Case:
    """One ``[[test]]``."""

    name: str
    place: str
    start: datetime
    interval: timedelta
    series: tuple[Series, ...]
    evidence: tuple[EvidenceSeries, ...]
    disparities: tuple[DisparitySeries, ...]
    expected: tuple[Expectation, ...]


def read_test_file(path: Path) -> tuple[tuple[Rule, ...], tuple[Case, ...]]:
    """The rules under test and the cases. Raises ConfigError with every mistake of the file and of its pack."""
    origin = path.name
    document = parse_toml(read_text(path, str(path)), origin)
    mistakes: list[str] = []
    top = Table(document, origin, mistakes)
    top.reject_unknown(["pack", "test"])
    top.require("pack", "the rule pack under test")
    rules: tuple[Rule, ...] = ()
    if pack := top.text("pack"):
        try:
            rules = load_pack(pack, base=path.parent)
        except ConfigError as error:
            mistakes += error.mistakes
    entries = tables(document, "test", origin, mistakes)
    if "test" not in document:
        mistakes.append(f"{origin}: has no [[test]]")
    cases = [_read_case(entry, f"{origin}: test {n}", rules, mistakes) for n, entry in enumerate(entries, start=1)]
    if mistakes:
        raise ConfigError(mistakes)
    return rules, tuple(cases)


def expand_values(text: str) -> tuple[float | None, ...]:
    """``"0.01x2 _ 0.1+0.1x3"`` → (0.01, 0.01, None, 0.1, 0.2, 0.3). Raises ValueError with the term that is wrong."""
    values: list[float | None] = []
    for term in text.split():
        match = _TERM.fullmatch(term)
        if match is None or (match["first"] == "_" and match["step"]):
            raise ValueError(f'"{term}" is not a number, "_", or one of these with xN as in "0.01x12" or "0.1+0.05x4"')
        first = None if match["first"] == "_" else float(match["first"])
        step = float(match["step"] or 0)
        times = int(match["times"] or 1)
        values += [None if first is None else round(first + step * i, 12) for i in range(times)]
        if len(values) > MAX_STEPS:
            raise ValueError(f"more than {MAX_STEPS:,} values")
    return tuple(values)


def _read_case(entries: Mapping[str, object], place: str, rules: tuple[Rule, ...], mistakes: list[str]) -> Case:
    name = entries.get("name")
    place = f'{place} "{name}"' if isinstance(name, str) else place
    table = Table(entries, place, mistakes)
    table.reject_unknown(["name", "start", "interval", "series", "expect"])
    for key, what in (("name", "what the test shows"), ("start", "such as 2026-01-01T00:00:00Z")):
        table.require(key, what)
    table.require("interval", 'such as "1h"')
    start = _time(table, "start") or datetime(2026, 1, 1, tzinfo=UTC)
    interval = table.duration("interval", timedelta(hours=1), positive=True)
    expectations = tables(entries, "expect", place, mistakes)
    if not expectations:
        table.note("has no [[test.expect]]")
    series = [
        _read_series(Table(entry, f"{place}: series {n}", mistakes), start, interval)
        for n, entry in enumerate(tables(entries, "series", place, mistakes), start=1)
    ]
    return Case(
        name=table.text("name"),
        place=place,
        start=start,
        interval=interval,
        series=tuple(one for one in series if isinstance(one, Series)),
        evidence=tuple(one for one in series if isinstance(one, EvidenceSeries)),
        disparities=tuple(one for one in series if isinstance(one, DisparitySeries)),
        expected=tuple(
            _read_expectation(Table(entry, f"{place}: expect {n}", mistakes), interval, rules)
            for n, entry in enumerate(expectations, start=1)
        ),
    )


def _read_series(table: Table, start: datetime, interval: timedelta) -> Series | EvidenceSeries | DisparitySeries:
    table.require("values", 'such as "0.01x12 0.09x6"')
    if "of" not in table and table.entries.get("metric") == DRIFT_EVIDENCE:
        return _read_evidence(table, start, interval)
    if "of" not in table and table.entries.get("metric") == DISPARITY:
        return _read_disparity(table)
    if "of" in table:
        table.reject_unknown(["of", "slice", "values"])
        watched, window, version = table.choice("of", ABSENT) or "", None, ALL_VERSIONS
        if watched == "pulls" and _slice(table) != Slice():
            table.note('slice does not go with of = "pulls": a pull brings all slices')
    else:
        table.reject_unknown(["of", "slice", "version", "window", "metric", "values", "samples"])
        table.require("metric", 'such as "ece_lower", or of for an absence rule')
        table.require("window", 'such as "24h"')
        table.duration("window", timedelta(0), positive=True)
        watched, window, version = table.text("metric"), table.text("window"), table.text("version", "v1")
        if "metric" in table and watched not in (*METRICS, *COUNTS):
            table.note(f'unknown metric "{watched}"{nearest(watched, (*METRICS, *COUNTS, DRIFT_EVIDENCE, DISPARITY))}')
    return Series((version, _slice(table)), watched, window, _values(table, "values"), _values(table, "samples"))


def _read_evidence(table: Table, start: datetime, interval: timedelta) -> EvidenceSeries:
    table.reject_unknown(["slice", "version", "window", "metric", "values", "samples", "direction", "onset"])
    if "window" in table:
        table.note(f'window does not go with metric = "{DRIFT_EVIDENCE}": evidence has no window')
    values, onset = _values(table, "values"), _time(table, "onset")
    if (lowest := min((value for value in values if value is not None), default=0.0)) < 0:
        table.note(f"values: evidence is never below 0 (got {lowest:g})")
    alarm = next((step for step, value in enumerate(values) if value is not None and value >= 1), None)
    if onset is not None and alarm is not None and onset > start + alarm * interval:
        table.note(
            f"onset must not be later than the first alarm, at {start + alarm * interval:%Y-%m-%dT%H:%M:%SZ} "
            f"(got {onset:%Y-%m-%dT%H:%M:%SZ})"
        )
    return EvidenceSeries(
        key=(table.text("version", "v1"), _slice(table)),
        values=values,
        samples=_values(table, "samples"),
        direction=table.text("direction", "over-confident"),
        onset=onset,
    )


def _read_disparity(table: Table) -> DisparitySeries:
    table.reject_unknown(["slice", "version", "window", "metric", "values", "lower", "lower_alone", "samples"])
    table.require("window", 'such as "7d"')
    table.duration("window", timedelta(0), positive=True)
    if (slice_ := _slice(table)) == Slice():
        table.note(f'slice is missing: with metric = "{DISPARITY}" one that has a rest, such as "camera=c3"')
    values = _values(table, "values")
    return DisparitySeries(
        key=(table.text("version", "v1"), slice_),
        window=table.text("window"),
        values=values,
        lower=_values(table, "lower") if "lower" in table else values,
        lower_alone=_values(table, "lower_alone") if "lower_alone" in table else values,
        samples=_values(table, "samples"),
    )


def _read_expectation(table: Table, interval: timedelta, rules: tuple[Rule, ...]) -> Expectation:
    table.reject_unknown(["at", "rule", "slice", "version", "state", "health", "reason", "actions"])
    for key, what in (("at", 'such as "13h"'), ("rule", "its name"), ("state", "such as " + '"firing"')):
        table.require(key, what)
    at = table.duration("at", timedelta(0))
    step, rest = divmod(at, interval)
    if rest:
        table.note(f"at {table.text('at')} falls between two evaluations: use a multiple of the interval")
    if step > MAX_STEPS:
        table.note(f"at {table.text('at')} is more than {MAX_STEPS:,} intervals after the start")
    name = table.text("rule")
    rule = next((rule for rule in rules if rule.name == name), None)
    if "rule" in table and rule is None and rules:
        table.note(f'the pack has no rule "{name}"{nearest(name, [rule.name for rule in rules])}')
    of_model = rule is not None and rule.kind is RuleKind.ABSENCE
    if of_model and "version" in table:
        table.note(f'version does not go with "{name}": an absence is of the whole model')
    health = table.choice("health", list(Health))
    return Expectation(
        at=table.text("at"),
        step=step,
        rule=name,
        key=(ALL_VERSIONS if of_model else table.text("version", "v1"), _slice(table)),
        state=AlertState(table.choice("state", list(AlertState)) or AlertState.INACTIVE),
        health=Health(health) if health else None,
        reason=table.text("reason") if "reason" in table else None,
        actions=table.texts("actions") if "actions" in table else None,
    )


def _time(table: Table, key: str) -> datetime | None:
    value = table.entries.get(key)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if key in table:
        table.wrong(key, "a time with its zone such as 2026-01-01T00:00:00Z")
    return None


def _slice(table: Table) -> Slice:
    try:
        return Slice.parse(table.text("slice", "all"))
    except ValueError as error:
        table.note(str(error))
        return Slice()


def _values(table: Table, key: str) -> tuple[float | None, ...]:
    try:
        return expand_values(table.text(key))
    except ValueError as error:
        table.note(f"{key}: {error}")
        return ()
