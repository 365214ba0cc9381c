"""Two rules and the readings they look at, for the tests of the alert state machine."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from monitor.model import AbsenceRule, Alert, LastSeen, Reading, ReadingState, Rule, Severity, Slice, ThresholdRule
from monitor.rules.conditions import AlertKey
from monitor.rules.state import Observations, evaluate_rule

START = datetime(2026, 2, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
NIGHT = Slice.of({"camera": "c3", "lighting": "night"})
C3 = Slice.of({"camera": "c3"})
ALL = Slice()

RULE = ThresholdRule(
    name="ece-high",
    severity=Severity.TICKET,
    origin="default.toml: rule 1",
    actions=("recalibrate",),
    cooldown=timedelta(hours=24),
    hold=2 * HOUR,
    metric="ece_lower",
    above=0.05,
    clear_below=0.03,
    window="24h",
    min_samples=200,
)
LABELS = AbsenceRule(
    name="labels-absent",
    severity=Severity.PAGE,
    origin="default.toml: rule 2",
    orders=(0,),
    absent="labels",
    longer_than=2 * HOUR,
)


def reading(
    value: float | None,
    at: datetime,
    *,
    slice_: Slice = NIGHT,
    version: str = "v1",
    samples: int = 1204,
    window: str = "24h",
    metric: str = "ece_lower",
    state: ReadingState = ReadingState.OK,
) -> Reading:
    return Reading(
        model="m",
        version=version,
        slice=slice_,
        window=window,
        window_start=at - timedelta(hours=25),
        window_end=at - HOUR,
        computed_at=at,
        state=state,
        samples=samples,
        unlabelled=0,
        label_lag_seconds=None,
        metrics={metric: value},
    )


def evaluate(
    rule: Rule,
    prior: Mapping[AlertKey, Alert],
    at: datetime,
    *readings: Reading,
    last_seen: Sequence[LastSeen] = (),
    last_pull: datetime | None = None,
) -> dict[AlertKey, Alert]:
    found = evaluate_rule(rule, Observations(START, readings, last_seen, last_pull), prior, at, model="m")
    return {(alert.version, alert.slice): alert for alert in found}


def play(rule: Rule, values: Sequence[float | None], samples: int = 1204) -> list[Alert | None]:
    """The alert of the night slice after each hourly value; None in ``values`` is a reading without the metric."""
    prior: dict[AlertKey, Alert] = {}
    history: list[Alert | None] = []
    for hour, value in enumerate(values):
        at = START + hour * HOUR
        prior = evaluate(rule, prior, at, reading(value, at, samples=samples))
        history.append(prior.get(("v1", NIGHT)))
    return history


def states(history: Sequence[Alert | None]) -> list[str]:
    return [alert.state.value if alert else "-" for alert in history]


def last(history: Sequence[Alert | None]) -> Alert:
    alert = history[-1]
    assert alert is not None
    return alert
