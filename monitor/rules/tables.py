"""What a ``[[rule]]`` may say, a table for each kind: the reference of rule packs, and what their JSON Schema is made of."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from monitor.config.fields import DURATION_SCHEMA, POSITIVE_DURATION_SCHEMA, Number, Whole
from monitor.config.section import MisfitError, MustError, Section, Words
from monitor.config.toml import list_words, suggest_nearest
from monitor.model import (
    COUNTS,
    METRICS,
    AbsenceRule,
    DisparityRule,
    DriftRule,
    Rule,
    RuleKind,
    Severity,
    Slice,
    ThresholdRule,
)
from monitor.model.durations import parse_duration
from monitor.statistics.drift.budget import parse_budget

BUILT_IN_ACTIONS = ("recalibrate",)
# 2 stands for every order from 2 on
ORDERS: dict[str, int] = {"all": 0, "marginals": 1, "crosses": 2}
# differences smaller than this are real but wake nobody
DEFAULT_TOLERANCE_ODDS = 1.1
LEAST_REFERENCE_SAMPLES = 200
MAX_LEVEL = 0.25
_UNBOUNDED = ("log_loss", "samples", "unlabelled", "label_lag_seconds")
_SIGNED = (
    *("ece_debiased", "ece_lower", "ece_upper", "ece_squared_debiased", "ece_squared_lower", "ece_squared_upper"),
    *("calibration_gap", "gap_lower", "gap_upper"),
)
_NOT_COUNTED_BY_LABELS = ("samples", "unlabelled", "label_coverage")


def _duration(value: Any, *, positive: bool = False) -> Any:
    try:
        duration = value if isinstance(value, timedelta) else parse_duration(value if isinstance(value, str) else "")
    # overflow: more years than a timedelta can hold
    except (ValueError, OverflowError):
        raise MustError('be a duration such as "30m"') from None
    if positive and not duration:
        raise MustError("be longer than nothing")
    return duration


def _window(value: str) -> str:
    _duration(value, positive=True)
    return value


def known_metric(value: str, others: Iterable[str] = ()) -> str:
    """Return the name of a metric as it is. Raises ValueError, with the nearest of all and ``others``, for any other name."""
    if value not in (*METRICS, *COUNTS):
        near = suggest_nearest(value, (*METRICS, *COUNTS, *others)) or f"; one of {', '.join((*METRICS, *COUNTS))}"
        raise ValueError(f'unknown metric "{value}"{near}')
    return value


def _differing(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if value.count(name) > 1:
            raise ValueError(f'actions names "{name}" twice')
    return value


def _orders(value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name in ORDERS for name in names):
        wrong = next((name for name in names if not isinstance(name, str) or name not in ORDERS), value)
        raise MustError(f"be {list_words(ORDERS)}, or a list of them", near=suggest_nearest(wrong, ORDERS), got=wrong)
    return tuple(names)


def _budget(value: Any) -> Any:
    try:
        return parse_budget(value)
    except ValueError:
        raise MustError('be a number per year, month, week or day, such as "1/year", at most "1/day"') from None


_ORDER = {"enum": list(ORDERS)}
Length = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema(DURATION_SCHEMA)]
PositiveLength = Annotated[
    timedelta, BeforeValidator(partial(_duration, positive=True)), WithJsonSchema(POSITIVE_DURATION_SCHEMA)
]
WindowName = Annotated[
    str,
    AfterValidator(_window),
    Words('be a duration such as "30m"'),
    Field(json_schema_extra={**POSITIVE_DURATION_SCHEMA}),
]
Bound = Annotated[Number, Words("be a finite number")]
Count = Annotated[Whole, Field(ge=0, json_schema_extra={"minimum": 0}), Words("be a whole number of 0 or more")]
Absent = Literal["samples", "labels", "pulls"]
Order = Literal["all", "marginals", "crosses"]
Orders = Annotated[
    tuple[Order, ...],
    BeforeValidator(_orders),
    WithJsonSchema({"anyOf": [_ORDER, {"type": "array", "minItems": 1, "items": _ORDER}]}),
]
Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    AfterValidator(_differing),
    Words('be a list of names such as ["recalibrate"]'),
    Field(json_schema_extra={"uniqueItems": True}),
]


_TOLERANCES = "be { odds = 1.1 }, { probability = 0.02 } or {} for none"


class Tolerance(Section):
    """Differences this small are none; neither key: any difference counts."""

    odds: Annotated[Number, Field(ge=1, le=100), Words("be a factor of at least 1")] | None = None
    probability: Annotated[Number, Field(ge=0, lt=1), Words("lie between 0 and 1")] | None = None

    def _check_keys(self) -> Iterator[str]:
        if self.odds is not None and self.probability is not None:
            yield f"must {_TOLERANCES} (got both)"


class RuleTable(Section):
    """The keys of every kind."""

    made: ClassVar[type[Rule]]
    default_orders: ClassVar[tuple[int, ...]] = (0, 1, 2)

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"), Words('be letters, digits, ".", "_" and "-"')
    ] = Field(description="a later pack's rule of the same name replaces it")
    severity: Severity = Field(description="how urgent")
    summary: str = Field("", description="what to tell people, in a sentence")
    actions: Texts = Field(
        (), description=f"what to do when it fires: {', '.join(BUILT_IN_ACTIONS)}, or names of [[action]]"
    )
    cooldown: PositiveLength = Field(
        timedelta(hours=24), description="while it fires, actions run again after this long"
    )
    hold: Length = Field(timedelta(0), alias="for", description="it must hold this long before it fires")
    keep_firing_for: Length = Field(timedelta(0), description="it fires this long after it last held")
    only: Annotated[dict[str, str], Words('be a table such as { camera = "c3" }')] = Field(
        default_factory=dict, description='only inside this slice, e.g. { lighting = "night" }'
    )
    slices: Orders | None = Field(None, description="which slices it covers; default: every one")

    @field_validator("slices")
    @classmethod
    def _some_inside_only(cls, slices: tuple[Order, ...], info: ValidationInfo) -> tuple[Order, ...]:
        only = Slice.of(info.data.get("only", {}))
        if max(ORDERS[name] for name in slices) < min(only.order, 2):
            raise ValueError(f"slices leaves out every slice inside only ({only.text})")
        return slices

    def make_rule(self, origin: str) -> Rule:
        """Return the rule that the table describes; ``origin`` is its place in messages."""
        values = self._values()
        slices, only = values.pop("slices"), Slice.of(values.pop("only"))
        named = tuple(sorted({ORDERS[name] for name in slices or ()}))
        orders = named or self.default_orders or (min(only.order, 2),)
        del values["kind"]
        return self.made(origin=origin, orders=orders, only=only, **values)

    def _values(self) -> dict[str, Any]:
        return dict(self)


class ThresholdTable(RuleTable):
    """A metric above or below a value."""

    made = ThresholdRule

    kind: Literal[RuleKind.THRESHOLD] = Field(description="a metric above or below a value")
    metric: Annotated[str, AfterValidator(known_metric)] = Field(
        examples=["ece_lower"], json_schema_extra={"enum": [*METRICS, *COUNTS]},
        description="what is compared; alert on ece_lower",
    )  # fmt: skip
    above: Bound | None = Field(None, description="fires above this")
    below: Bound | None = Field(None, validate_default=True, description="fires below this")
    clear_below: Bound | None = Field(None, description="with above: resolves only below this")
    clear_above: Bound | None = Field(None, description="with below: resolves only above this")
    window: WindowName = Field(examples=["24h"], description="one of the model's windows")
    min_samples: Count = Field(0, description="labelled samples below which nothing is judged")

    @field_validator("above", "below")
    @classmethod
    def _can_hold(cls, bound: float | None, info: ValidationInfo) -> float | None:
        metric, key = info.data.get("metric"), info.field_name
        # an upper bound that is wrong is there, too
        if key == "below" and (bound is None) == (info.data.get("above", 0) is None):
            raise ValueError(f"give either above or below ({'neither is' if bound is None else 'both are'} there)")
        if metric is not None and bound is not None:
            low, high = -1.0 if metric in _SIGNED else 0.0, 1.0
            span = f"{metric} lies between {low:g} and {high:g}"
            if metric in _UNBOUNDED:
                high, span = float("inf"), f"{metric} is never below 0"
            if bound >= high if key == "above" else bound <= low:
                raise ValueError(f"{key} {bound:g} can never hold: {span}")
        return bound

    @field_validator("clear_below", "clear_above")
    @classmethod
    def _clears_behind_the_bound(cls, clear: float | None, info: ValidationInfo) -> float | None:
        own, other = ("above", "below") if info.field_name == "clear_below" else ("below", "above")
        bound, wrong = info.data.get(own), info.data.get(other)
        if clear is None or (bound is None and wrong is None):
            return clear
        if bound is None:
            raise ValueError(f"clear_{other} goes with {own}; with {other}, write clear_{own}")
        if own == "above" and clear > bound:
            raise ValueError(f"clear_below must not exceed above (got {clear:g} and {bound:g})")
        if own == "below" and clear < bound:
            raise ValueError(f"clear_above must not be less than below (got {clear:g} and {bound:g})")
        return clear

    @field_validator("min_samples")
    @classmethod
    def _counts_what_it_watches(cls, count: int, info: ValidationInfo) -> int:
        if (metric := info.data.get("metric")) in _NOT_COUNTED_BY_LABELS:
            raise ValueError(
                f"min_samples counts labelled samples and would silence a rule on {metric} when it matters"
            )
        return count


class AbsenceTable(RuleTable):
    """Nothing came."""

    made = AbsenceRule
    # the slice that ``only`` names, which is the whole without it
    default_orders = ()

    kind: Literal[RuleKind.ABSENCE] = Field(description="nothing came")
    absent: Absent = Field(alias="of", description="what does not come")
    longer_than: PositiveLength = Field(examples=["2h"], description="for how long")

    @field_validator("absent")
    @classmethod
    def _pulls_are_of_the_whole(cls, absent: str, info: ValidationInfo) -> str:
        given = [key for key in ("slices", "only") if info.data.get(key)] if absent == "pulls" else []
        if given:
            raise MisfitError([f'{key} does not go with of = "pulls": a pull brings all slices' for key in given])
        return absent


class DriftTable(RuleTable):
    """Evidence with a false-alarm budget."""

    made = DriftRule

    kind: Literal[RuleKind.DRIFT] = Field(description="evidence with a false-alarm budget")
    false_alarms_per_year: Annotated[
        float,
        BeforeValidator(_budget),
        WithJsonSchema({"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*(year|month|week|day)\s*$"}),
    ] = Field(
        1.0,
        alias="false_alarms",
        description="alarms told by luck, over all slices together, on average at most",
        json_schema_extra={"default": "1/year"},
    )
    tolerance: Annotated[Tolerance, Words(_TOLERANCES), Field(json_schema_extra={"maxProperties": 1})] | None = Field(
        None, description="differences this small are none; {} for none at all"
    )
    reference: Literal["score", "deployment"] = Field(
        "score", description="drift away from perfect calibration, or from how it was at deployment"
    )
    reference_samples: Count = Field(
        2000, description='with reference = "deployment": its first samples',
        json_schema_extra={"minimum": LEAST_REFERENCE_SAMPLES},
    )  # fmt: skip

    @field_validator("reference_samples")
    @classmethod
    def _enough_for_a_reference(cls, count: int, info: ValidationInfo) -> int:
        mistakes = []
        if info.data.get("reference", "deployment") != "deployment":
            mistakes.append('reference_samples goes with reference = "deployment"')
        if count < LEAST_REFERENCE_SAMPLES:
            mistakes.append(f"reference_samples must be at least {LEAST_REFERENCE_SAMPLES} (got {count})")
        if mistakes:
            raise MisfitError(mistakes)
        return count

    def _values(self) -> dict[str, Any]:
        values = dict(self)
        # who only takes notes wants to know of all differences
        usual = Tolerance(odds=None if self.severity is Severity.INFO else DEFAULT_TOLERANCE_ODDS)
        held = values.pop("tolerance") or usual
        return {**values, "tolerance_odds": held.odds, "tolerance_probability": held.probability}


class DisparityTable(RuleTable):
    """A slice worse than the rest of its model."""

    made = DisparityRule
    default_orders = (1, 2)  # outside of the whole there is no rest

    kind: Literal[RuleKind.DISPARITY] = Field(description="a slice worse than the rest of its model")
    measure: Literal["gap", "error"] = Field(description="error: debiased ECE; gap: calibration gap in size")
    above: Annotated[
        Number,
        Field(ge=0, lt=1),
        Words("be a difference of at least 0 and below 1: how much worse than the rest is too much"),
    ] = Field(0.0, description="the least difference that matters")
    level: Annotated[
        Number,
        Field(gt=0, le=MAX_LEVEL),
        Words(f"be a probability above 0 and at most {MAX_LEVEL:g}, of naming any slice wrongly"),
    ] = Field(0.05, description="how often any slice may be named by luck")
    window: WindowName = Field(examples=["24h"], description="one of the model's windows")
    min_samples: Count = Field(0, description="labelled samples below which nothing is judged")

    @field_validator("slices")
    @classmethod
    def _have_a_rest(cls, slices: tuple[Order, ...]) -> tuple[Order, ...]:
        if "all" in slices:
            raise ValueError('slices "all" has no rest to be compared with: use "marginals", "crosses" or both')
        return slices


AnyRule = Annotated[ThresholdTable | AbsenceTable | DriftTable | DisparityTable, Field(discriminator="kind")]


class Pack(Section):
    """A rule pack."""

    rule: tuple[AnyRule, ...] = Field(min_length=1)
