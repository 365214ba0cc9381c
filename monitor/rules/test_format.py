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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from monitor.config.mistakes import RULES, read_tables
from monitor.config.section import AnotherFileError, MustError, Section, Words
from monitor.config.toml import parse_toml, suggest_nearest
from monitor.model import AlertState, Health, Rule, RuleKind, Slice
from monitor.model.durations import parse_duration
from monitor.model.errors import ConfigError
from monitor.rules.conditions import ALL_VERSIONS, AlertKey
from monitor.rules.pack import load_pack, read_text
from monitor.rules.tables import Absent, PositiveLength, Texts, WindowName, known_metric

MAX_STEPS = 100_000
DRIFT_EVIDENCE = "drift_evidence_ratio"  # series of tests only: threshold rules cannot name them
DISPARITY = "disparity"
_TERM = re.compile(
    r"(?P<first>_|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"(?:(?P<step>[+-]\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?=x))?"
    r"(?:x(?P<times>\d{1,6}))?"
)


@dataclass
class _Before:
    """What stands before a key in the file and decides whether it can be: filled in as it is read."""

    folder: Path
    rules: tuple[Rule, ...] = ()
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    interval: timedelta = timedelta(hours=1)


def _before(info: ValidationInfo) -> _Before:
    assert isinstance(info.context, _Before)  # which read_test_file hands over
    return info.context


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of an expectation, as written and as the number of intervals since the start."""

    text: str
    step: int


def _time(value: Any) -> Any:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise MustError("be a time with its zone such as 2026-01-01T00:00:00Z")
    return value.astimezone(UTC)


def _slice(value: Any) -> Any:
    if not isinstance(value, str):
        raise MustError("be text")
    return Slice.parse(value)


def _values(value: Any, info: ValidationInfo) -> Any:
    if value is None:  # a bound that is not there is the value itself
        return info.data.get("values", ())
    if not isinstance(value, str):
        raise MustError("be text")
    try:
        return expand_values(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name}: {error}") from None


def _moment(value: Any, info: ValidationInfo) -> Any:
    try:
        step, rest = divmod(parse_duration(value if isinstance(value, str) else ""), _before(info).interval)
    except (ValueError, OverflowError):
        raise MustError('be a duration such as "30m"') from None
    if rest:
        raise ValueError(f"at {value} falls between two evaluations: use a multiple of the interval")
    if step > MAX_STEPS:
        raise ValueError(f"at {value} is more than {MAX_STEPS:,} intervals after the start")
    return Moment(value, step)


Time = Annotated[datetime, BeforeValidator(_time)]
SliceText = Annotated[Slice, BeforeValidator(_slice)]
Values = Annotated[tuple[float | None, ...], BeforeValidator(_values)]
SomeValues = Annotated[Values, Words(missing='such as "0.01x12 0.09x6"')]


class ArrivalSeries(Section):
    """Over the steps of a test, whether what ``of`` names came."""

    of: Absent
    slice: SliceText = Slice()
    values: SomeValues

    @field_validator("slice")
    @classmethod
    def _pulls_are_of_the_whole(cls, slice_: Slice, info: ValidationInfo) -> Slice:
        if info.data.get("of") == "pulls" and slice_ != Slice():
            raise ValueError('slice does not go with of = "pulls": a pull brings all slices')
        return slice_


class _OfVersion(Section):
    version: str = "v1"
    slice: SliceText = Slice()
    samples: Values = ()  # empty: enough at each step

    @property
    def key(self) -> AlertKey:
        return self.version, self.slice


class ReadingSeries(_OfVersion):
    """One metric of one window over the steps of a test; None: no reading."""

    window: WindowName = Field(examples=["24h"])
    metric: Annotated[str, Words(missing='such as "ece_lower", or of for an absence rule')]
    values: SomeValues

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        return known_metric(metric, (DRIFT_EVIDENCE, DISPARITY))


class EvidenceSeries(_OfVersion):
    """The drift evidence of one slice over the steps of a test, as a share of the alarm threshold; None: as it was."""

    metric: str
    window: None = None
    values: SomeValues
    direction: str = "over-confident"
    onset: Time | None = None  # of the first alarm; None: the time of the first value

    @field_validator("window", mode="before")
    @classmethod
    def _has_none(cls, window: object) -> object:
        raise ValueError(f'window does not go with metric = "{DRIFT_EVIDENCE}": evidence has no window')

    @field_validator("values")
    @classmethod
    def _are_evidence(cls, values: tuple[float | None, ...]) -> tuple[float | None, ...]:
        if (lowest := min((value for value in values if value is not None), default=0.0)) < 0:
            raise ValueError(f"values: evidence is never below 0 (got {lowest:g})")
        return values

    @field_validator("onset")
    @classmethod
    def _is_before_the_alarm(cls, onset: datetime, info: ValidationInfo) -> datetime:
        values = info.data.get("values", ())
        alarm = next((step for step, value in enumerate(values) if value is not None and value >= 1), None)
        latest = None if alarm is None else _before(info).start + alarm * _before(info).interval
        if latest is not None and onset > latest:
            raise ValueError(
                f"onset must not be later than the first alarm, at {latest:%Y-%m-%dT%H:%M:%SZ} "
                f"(got {onset:%Y-%m-%dT%H:%M:%SZ})"
            )
        return onset


class DisparitySeries(_OfVersion):
    """How much worse one slice is than the rest of its model over the steps of a test; None: no reading."""

    metric: str
    window: WindowName = Field(examples=["7d"])
    slice: SliceText = Field(Slice(), validate_default=True)
    values: SomeValues
    lower: Values = Field(None, validate_default=True)  # at least, for all slices at once
    lower_alone: Values = Field(None, validate_default=True)  # at least, this slice alone

    @field_validator("slice", mode="before")
    @classmethod
    def _has_a_rest(cls, value: object) -> object:
        if value in (Slice(), "all"):
            raise ValueError(f'slice is missing: with metric = "{DISPARITY}" one that has a rest, such as "camera=c3"')
        return value


def _kind_of_series(table: Any) -> str:
    metric = None if "of" in table else table.get("metric")
    return "of" if "of" in table else metric if metric in (DRIFT_EVIDENCE, DISPARITY) else "metric"


Series = Annotated[
    Annotated[ArrivalSeries, Tag("of")]
    | Annotated[ReadingSeries, Tag("metric")]
    | Annotated[EvidenceSeries, Tag(DRIFT_EVIDENCE)]
    | Annotated[DisparitySeries, Tag(DISPARITY)],
    Discriminator(_kind_of_series),
]


class Expectation(Section):
    """What one rule says of one slice at a time; None leaves a field open."""

    at: Annotated[Moment, BeforeValidator(_moment)] = Field(examples=["13h"])
    rule: Annotated[str, Words(missing="its name")]
    health: Health | None = None
    version: str = Field(None, validate_default=True)
    slice: SliceText = Slice()
    state: AlertState = Field(examples=["firing"])
    reason: str | None = None
    actions: Texts | None = None

    @property
    def key(self) -> AlertKey:
        return self.version, self.slice

    @field_validator("rule")
    @classmethod
    def _is_in_the_pack(cls, name: str, info: ValidationInfo) -> str:
        names = [rule.name for rule in _before(info).rules]
        if names and name not in names:
            raise ValueError(f'the pack has no rule "{name}"{suggest_nearest(name, names)}')
        return name

    @field_validator("version", mode="before")
    @classmethod
    def _is_that_of_the_rule(cls, version: object, info: ValidationInfo) -> object:
        name = info.data.get("rule")
        of_model = any(rule.name == name and rule.kind is RuleKind.ABSENCE for rule in _before(info).rules)
        if of_model and version is not None:
            raise ValueError(f'version does not go with "{name}": an absence is of the whole model')
        return ALL_VERSIONS if of_model else "v1" if version is None else version


class Case(Section):
    """One ``[[test]]``."""

    name: Annotated[str, Words(missing="what the test shows")]
    start: Annotated[Time, Words(missing="such as 2026-01-01T00:00:00Z")]
    interval: PositiveLength = Field(examples=["1h"])
    series: tuple[Series, ...] = ()
    expected: tuple[Expectation, ...] = Field(alias="expect", min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _begin(cls, table: object, info: ValidationInfo) -> object:
        before = _before(info)
        before.start, before.interval = _Before.start, _Before.interval
        return table

    @field_validator("start", "interval")
    @classmethod
    def _pass_on(cls, value: object, info: ValidationInfo) -> object:
        setattr(_before(info), str(info.field_name), value)
        return value


class _TestFile(Section):
    pack: Annotated[str, Words(missing="the rule pack under test")]
    test: tuple[Case, ...] = Field(min_length=1)

    @field_validator("pack")
    @classmethod
    def _read(cls, name: str, info: ValidationInfo) -> str:
        try:
            _before(info).rules = load_pack(name, base=_before(info).folder)
        except ConfigError as error:
            raise AnotherFileError(error.mistakes) from error
        return name


def read_test_file(path: Path) -> tuple[tuple[Rule, ...], tuple[Case, ...]]:
    """The rules under test and the cases. Raises ConfigError with every mistake of the file and of its pack."""
    before = _Before(path.parent)
    text = read_text(path, str(path))
    file, mistakes = read_tables(_TestFile, parse_toml(text, path.name), path.name, RULES, text, before)
    if mistakes:
        raise ConfigError(mistakes)
    return before.rules, file.test


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
