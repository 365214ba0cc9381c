"""What a rule sees in the current readings: for each version and slice whether its condition holds, and its words.

The state machine in ``alerts`` decides what follows from it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor.durations import format_duration
from monitor.model import COUNTS, Alert, AlertState, Evidence, LastSeen, Reading, ReadingState, Rule, Slice

AlertKey = tuple[str, Slice]  # (version, slice)
QUIET_AFTER_DRIFT = timedelta(days=7)
ALL_VERSIONS = ""  # version of an absence alert: sources and cameras fall silent, not model versions


@dataclass(frozen=True, slots=True)
class Finding:
    """What one evaluation sees: whether the condition holds (None: cannot be known), and the words for it."""

    holds: bool | None
    value: float | None
    text: str  # "ece_lower 0.083 is above 0.05 over 24h (1,204 samples)"
    onset: datetime | None = None  # where the trouble began at the latest evaluation, if it holds


def applies(rule: Rule, slice_: Slice) -> bool:
    """Whether the rule covers the slice: by order (2 stands for every order from 2 on), and inside ``only``."""
    return min(slice_.order, 2) in rule.orders and rule.only.contains(slice_)


def threshold_findings(
    rule: Rule, readings: tuple[Reading, ...], prior: Mapping[AlertKey, Alert]
) -> dict[AlertKey, Finding]:
    """What a threshold rule finds in each reading of its window that it covers."""
    found = {}
    for reading in readings:
        if reading.window == rule.window and applies(rule, reading.slice):
            before = prior.get((reading.version, reading.slice))
            found[(reading.version, reading.slice)] = _compare(rule, reading, before)
    return found


def _compare(rule: Rule, reading: Reading, before: Alert | None) -> Finding:
    """A threshold rule on one reading. A firing alert is measured against the clearing bound (hysteresis)."""
    metric = rule.metric or ""
    value = reading.value(metric)
    too_few = metric not in COUNTS and reading.state is ReadingState.INSUFFICIENT
    if value is None or not math.isfinite(value) or too_few or reading.samples < rule.min_samples:
        needed = f", {rule.min_samples:,} needed" if reading.samples < rule.min_samples else ""
        text = f"{metric} is unknown over {rule.window} ({_counted(reading.samples)}{needed})"
        return Finding(None, before.value if before else None, text)
    upward = rule.above is not None
    start = rule.above if rule.above is not None else rule.below
    clear = rule.clear_below if upward else rule.clear_above
    if start is None:
        raise ValueError(f"{rule.origin}: a threshold rule has a bound")  # parse_pack sees to it
    holds, bound = (value > start if upward else value < start), start
    if not holds and clear is not None and before is not None and before.state is AlertState.FIRING:
        holds, bound = (value >= clear if upward else value <= clear), clear
    word = "above" if value > bound else "below" if value < bound else "at"
    clearing = ", where it clears," if holds and bound != start else ""
    text = f"{metric} {_told(value, bound)} is {word} {_number(bound)}{clearing} over {rule.window}"
    text += "" if metric == "samples" else f" ({_counted(reading.samples)})"
    return Finding(holds, value, text, reading.window_start)


def absence_findings(
    rule: Rule,
    last_seen: tuple[LastSeen, ...],
    prior: Mapping[AlertKey, Alert],
    now: datetime,
    first_seen_at: datetime,
    last_pull: datetime | None,
) -> dict[AlertKey, Finding]:
    """Absence per slice; the whole is always among them, seen or never seen."""
    newest: dict[Slice, datetime | None] = {rule.only: None}
    if rule.absent == "pulls":
        newest = {Slice(): last_pull}
    else:
        newest |= {s.slice: s.observed_at if rule.absent == "samples" else s.labelled_at for s in last_seen}
    found = {}
    for slice_, seen_at in newest.items():
        before = prior.get((ALL_VERSIONS, slice_))
        if applies(rule, slice_):
            found[(ALL_VERSIONS, slice_)] = (
                _never_seen(rule, slice_, before, now, first_seen_at)
                if seen_at is None
                else _silent_since(rule, seen_at, now)
            )
    return found


def drift_findings(rule: Rule, evidence: tuple[Evidence, ...], now: datetime) -> dict[AlertKey, Finding]:
    """A drift holds from its alarm until it has been quiet: without another alarm for three times as long as the
    first one took, at least a week; or until a new calibrator or version begins a stream of its own."""
    found = {}
    for held in evidence:
        if held.rule != rule.name or not applies(rule, held.slice):
            continue
        if held.alarm_at is None or held.onset is None or held.alarm_ratio is None:
            under = f"calibrator {held.calibrator}" if held.calibrator else "scores as they come"
            text = (
                f"drift evidence is {_number(held.ratio)} of what raises an alarm, {under} since {moment(held.opened)}"
            )
            found[(held.version, held.slice)] = Finding(False, held.ratio, text)
            continue
        quiet_from = held.alarm_at + max(QUIET_AFTER_DRIFT, 3 * (held.alarm_at - held.onset))
        samples = _counted(held.samples_since_onset or 0)
        text = (
            f"scores have drifted, {held.direction}: evidence reached {_number(held.alarm_ratio)} times its limit at "
            f"{moment(held.alarm_at)} on {samples} since about {moment(held.onset)}; without drift such alarms come at "
            f"most {_number(rule.false_alarms_per_year or 0)} times a year over all slices together; in force"
        )
        if now >= quiet_from:
            text = f"no further drift alarm since {moment(held.alarm_at)}"
        found[(held.version, held.slice)] = Finding(now < quiet_from, held.ratio, text, held.onset)
    return found


def _silent_since(rule: Rule, seen_at: datetime, now: datetime) -> Finding:
    patience = rule.longer_than or timedelta(0)
    silent = max(now - seen_at, timedelta(0))
    last = f"(last at {moment(seen_at)})"
    if silent > patience:
        text = f"no {rule.absent} for {format_duration(silent)} {last}, longer than {format_duration(patience)}"
        return Finding(True, silent.total_seconds(), text, seen_at)
    text = f"newest {rule.absent} are {format_duration(silent)} old {last}, not older than {format_duration(patience)}"
    return Finding(False, silent.total_seconds(), text)


def _never_seen(rule: Rule, slice_: Slice, before: Alert | None, now: datetime, first_seen_at: datetime) -> Finding:
    """Nothing yet. The whole has been waited for since the monitor's first sight of the model, a slice since this
    rule first met it: a camera installed today is not late because its model is a year old."""
    patience = rule.longer_than or timedelta(0)
    waiting_since = first_seen_at
    if slice_.order:
        remembered = before.resolved_at if before and before.state is AlertState.RESOLVED else before and before.since
        waiting_since = remembered or now
    already_missed = before is not None and before.state in (AlertState.PENDING, AlertState.FIRING)
    if already_missed or now - waiting_since > patience:
        text = f"no {rule.absent} were ever seen, in longer than {format_duration(patience)}"
        return Finding(True, None, text, waiting_since)
    text = f"no {rule.absent} were seen yet, waiting since {moment(waiting_since)}"
    return Finding(None, None, text, waiting_since)


def _counted(samples: int) -> str:
    return f"{samples:,} sample{'' if samples == 1 else 's'}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _told(value: float, bound: float) -> str:
    """The value with as many digits as tell it from the bound: never "0.05 is above 0.05"."""
    if value == bound or _number(value) != _number(bound):
        return _number(value)
    return next((t for d in range(1, 17) if (t := f"{value:.{d}f}") != f"{bound:.{d}f}"), repr(value))


def moment(time: datetime) -> str:
    """``2026-02-01 03:00 UTC``."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
