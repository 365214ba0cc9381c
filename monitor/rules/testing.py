"""Run the tests of a rule pack: readings, evidence and disparities in, alerts expected at a time out (``calwatch rules test``).

The file format is told in ``test_format``. As in promtool, what a file expects of a rule at a time is complete: any
other alert of that rule that is firing then fails the test. No alert at all is state "inactive".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from monitor.model import (
    COUNTS,
    Alert,
    AlertState,
    Disparity,
    DisparityRule,
    Evidence,
    Health,
    LastSeen,
    Reading,
    ReadingState,
    Rule,
    Slice,
)
from monitor.model.durations import parse_duration
from monitor.rules import state as alerts
from monitor.rules.conditions import AlertKey, is_covered
from monitor.rules.tables import Absent
from monitor.rules.test_format import (
    ArrivalSeries,
    Case,
    DisparitySeries,
    EvidenceSeries,
    Expectation,
    ReadingSeries,
    read_test_file,
)

_Arrivals = Mapping[tuple[Absent, Slice], Sequence[datetime | None]]  # by ("labels", slice): the newest at each step

ENOUGH_SAMPLES = 1_000  # labelled samples of a reading whose series does not say
REST_SAMPLES = 10_000  # outside a slice that is compared with the rest of its model


@dataclass(frozen=True, slots=True)
class TestResult:
    """The outcome of one ``[[test]]``; ``failures`` tells, a line each, what was expected and what came."""

    name: str
    place: str  # 'default.test.toml: test 2 "night camera goes bad"'
    failures: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        return not self.failures


# the alerts of one rule after an evaluation, and the actions that started then
_Moment = tuple[Mapping[AlertKey, Alert], Mapping[AlertKey, tuple[str, ...]]]


def run_tests(path: Path) -> list[TestResult]:
    """Run every ``[[test]]`` of the file, in order. Raises ConfigError with every mistake of the file and its pack."""
    rules, cases = read_test_file(path)
    return [
        TestResult(case.name, f'{path.name}: test {number} "{case.name}"', _run_case(rules, case))
        for number, case in enumerate(cases, start=1)
    ]


def _run_case(rules: Sequence[Rule], case: Case) -> tuple[str, ...]:
    failures: list[str] = []
    for rule in rules:
        expected: dict[int, list[Expectation]] = {}
        for expectation in case.expected:
            if expectation.rule == rule.name:
                expected.setdefault(expectation.at.step, []).append(expectation)
        if expected:
            history = _history(rule, case, max(expected))
            for step in sorted(expected):
                failures += _differences(expected[step], history[step])
    return tuple(failures)


def _history(rule: Rule, case: Case, last_step: int) -> list[_Moment]:
    """What the rule says at each step from 0 to ``last_step``, each evaluation building on the one before."""
    history: list[_Moment] = []
    arrivals = {(s.of, s.slice): _arrivals(s.values, case) for s in case.series if isinstance(s, ArrivalSeries)}
    streams = [_evidence(s, rule, case, last_step) for s in case.series if isinstance(s, EvidenceSeries)]
    current: dict[AlertKey, Alert] = {}
    for step in range(last_step + 1):
        now = case.start + step * case.interval
        observed = alerts.Observations(
            case.start, _readings(case, step, now), _last_seen(arrivals, step), _newest(arrivals, step, "pulls", Slice()),
            [held for stream in streams if (held := stream[step]) is not None], _disparities(rule, case, step, now),
        )  # fmt: skip
        after = alerts.evaluate_rule(rule, observed, current, now, model="model")
        actions = {(alert.version, alert.slice): alerts.due_actions(rule, alert, now) for alert in after}
        current = {
            (alert.version, alert.slice): alerts.note_actions(alert, now)
            if actions[alert.version, alert.slice]
            else alert
            for alert in after
        }
        history.append((current, actions))
    return history


def _differences(expected: Sequence[Expectation], got: _Moment) -> list[str]:
    """Expected against got for one rule at one time."""
    found = []
    shown, actions = got
    at, rule = expected[0].at.text, expected[0].rule
    for wanted in expected:
        alert = shown.get(wanted.key)
        pairs = (
            ("state", wanted.state, alert.state if alert else AlertState.INACTIVE),
            ("health", wanted.health, alert.health if alert else Health.OK),
            ("reason", wanted.reason, alert.reason if alert else ""),
            ("actions", wanted.actions, actions.get(wanted.key, ())),
        )
        because = f" ({alert.reason})" if alert else " (no alert)"
        found += [
            f'at {at}, rule "{rule}", {_named(wanted.key)}: {field} expected {_said(want)}, got {_said(have)}'
            f"{'' if field == 'reason' else because}"
            for field, want, have in pairs
            if want is not None and want != have
        ]
    keys = {wanted.key for wanted in expected}
    found += [
        f'at {at}, rule "{rule}", {_named(key)}: not expected, got "firing" ({alert.reason})'
        for key, alert in shown.items()
        if key not in keys and alert.state is AlertState.FIRING
    ]
    return found


def _named(key: AlertKey) -> str:
    version, slice_ = key
    return f"slice {slice_.text}" + (f", version {version}" if version not in ("", "v1") else "")


def _said(value: object) -> str:
    return "[" + ", ".join(f'"{entry}"' for entry in value) + "]" if isinstance(value, tuple) else f'"{value}"'


def _readings(case: Case, step: int, now: datetime) -> list[Reading]:
    """One reading for each version, slice and window of which some series has a value at this step."""
    together: dict[tuple[AlertKey, str], list[ReadingSeries]] = {}
    for series in case.series:
        if isinstance(series, ReadingSeries) and _at(series.values, step) is not None:
            together.setdefault((series.key, series.window), []).append(series)
    return [_reading(key, window, group, step, now) for (key, window), group in together.items()]


def _reading(key: AlertKey, window: str, group: Sequence[ReadingSeries], step: int, now: datetime) -> Reading:
    values = {series.metric: _at(series.values, step) for series in group}
    told = [count for series in group if (count := _at(series.samples, step)) is not None]
    given = any(series.samples for series in group)
    samples = values.get("samples") or (told[0] if told else 0 if given or "samples" in values else ENOUGH_SAMPLES)
    unlabelled = values.get("unlabelled") or 0
    if (coverage := values.get("label_coverage")) is not None:
        samples, unlabelled = samples * coverage, samples * (1 - coverage)
    return Reading(
        model="model",
        version=key[0],
        slice=key[1],
        window=window,
        window_start=now - parse_duration(window),
        window_end=now,
        computed_at=now,
        state=ReadingState.OK if samples else ReadingState.INSUFFICIENT,
        samples=round(samples),
        unlabelled=round(unlabelled),
        label_lag_seconds=values.get("label_lag_seconds"),
        metrics={metric: value for metric, value in values.items() if metric not in COUNTS},
    )


def _evidence(series: EvidenceSeries, rule: Rule, case: Case, last_step: int) -> list[Evidence | None]:
    """The evidence of a slice after each step from 0 to ``last_step``: its newest value and its newest alarm."""
    version, slice_ = series.key
    held: Evidence | None = None
    history = []
    for step in range(last_step + 1):
        now, ratio = case.start + step * case.interval, _at(series.values, step)
        if ratio is not None:
            held = held or Evidence("model", version, "", rule.name, slice_, now, now, ratio)
            held = replace(held, until=now, ratio=ratio)
            if ratio >= 1:
                samples = _at(series.samples, step) if series.samples else ENOUGH_SAMPLES
                held = replace(
                    held,
                    alarm_at=now,
                    alarm_ratio=ratio,
                    onset=held.alarm_at or series.onset or held.opened,  # an alarm empties the evidence
                    samples_since_onset=None if samples is None else round(samples),
                    direction=series.direction,
                )
        history.append(held)
    return history


def _disparities(rule: Rule, case: Case, step: int, now: datetime) -> list[Disparity]:
    """What the rule judges at a step: the slices it covers that have a value in a series of its window."""
    if not isinstance(rule, DisparityRule):
        return []
    found = [
        _disparity(series, rule, step, now)
        for series in case.series
        if isinstance(series, DisparitySeries) and series.window == rule.window and is_covered(rule, series.slice)
        and _at(series.values, step) is not None
    ]  # fmt: skip
    together = sum(held.difference is not None for held in found)
    return [replace(held, slices=together) for held in found]


def _disparity(series: DisparitySeries, rule: DisparityRule, step: int, now: datetime) -> Disparity:
    worse, told = _at(series.values, step) or 0.0, _at(series.samples, step)
    samples = round(told or 0) if series.samples else ENOUGH_SAMPLES
    blank = Disparity(
        model="model",
        version=series.key[0],
        rule=rule.name,
        slice=series.key[1],
        window=series.window,
        window_start=now - parse_duration(series.window),
        window_end=now,
        measure=rule.measure,
        samples=samples,
        rest_samples=REST_SAMPLES,
        needed_samples=rule.min_samples,
        slices=0,
    )
    if samples < rule.min_samples:
        return blank
    return replace(
        blank,
        own=max(worse, 0.0),
        rest=max(-worse, 0.0),
        difference=worse,
        lower=_at(series.lower, step),
        lower_alone=_at(series.lower_alone, step),
    )


def _arrivals(values: Sequence[float | None], case: Case) -> list[datetime | None]:
    """At each step of a series the time of its newest value so far."""
    newest: list[datetime | None] = [None]
    for step, value in enumerate(values):
        newest.append(newest[-1] if value is None else case.start + step * case.interval)
    return newest[1:]


def _last_seen(arrivals: _Arrivals, step: int) -> list[LastSeen]:
    slices = dict.fromkeys(slice_ for of, slice_ in arrivals if of != "pulls")
    return [LastSeen(s, _newest(arrivals, step, "samples", s), _newest(arrivals, step, "labels", s)) for s in slices]


def _newest(arrivals: _Arrivals, step: int, of: Absent, slice_: Slice) -> datetime | None:
    times = arrivals.get((of, slice_))
    return times[min(step, len(times) - 1)] if times else None


def _at(values: Sequence[float | None], step: int) -> float | None:
    return values[step] if step < len(values) else None
