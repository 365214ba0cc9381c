"""What a rule sees in the current readings: for each version and slice whether its condition holds, and its words.

The state machine in ``alerts`` decides what follows from it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.model import (
    COUNTS,
    AbsenceRule,
    Alert,
    AlertState,
    Disparity,
    DisparityRule,
    DriftRule,
    Evidence,
    LastSeen,
    Reading,
    ReadingState,
    Rule,
    Slice,
    ThresholdRule,
    quiet_for,
)
from monitor.model.durations import format_duration
from monitor.model.wording import counted, frequency, lasted, minute, moment, number, rounded, signed, times

AlertKey = tuple[str, Slice]  # (version, slice)
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
    rule: ThresholdRule, readings: tuple[Reading, ...], prior: Mapping[AlertKey, Alert]
) -> dict[AlertKey, Finding]:
    """What a threshold rule finds in each reading of its window that it covers."""
    found = {}
    for reading in readings:
        if reading.window == rule.window and applies(rule, reading.slice):
            before = prior.get((reading.version, reading.slice))
            found[(reading.version, reading.slice)] = _compare(rule, reading, before)
    return found


def _compare(rule: ThresholdRule, reading: Reading, before: Alert | None) -> Finding:
    """A threshold rule on one reading. A firing alert is measured against the clearing bound (hysteresis)."""
    metric = rule.metric
    value = reading.value(metric)
    too_few = metric not in COUNTS and reading.state is ReadingState.INSUFFICIENT
    if value is None or not math.isfinite(value) or too_few or reading.samples < rule.min_samples:
        needed = f", {rule.min_samples:,} needed" if reading.samples < rule.min_samples else ""
        text = f"{metric} is unknown over {rule.window} ({counted(reading.samples)}{needed})"
        return Finding(None, before.value if before else None, text)
    upward = rule.above is not None
    start, clear = rule.bounds
    holds, bound = (value > start if upward else value < start), start
    if not holds and clear is not None and before is not None and before.state is AlertState.FIRING:
        holds, bound = (value >= clear if upward else value <= clear), clear
    word = "above" if value > bound else "below" if value < bound else "at"
    clearing = ", where it clears," if holds and bound != start else ""
    text = f"{metric} {_told(value, bound)} is {word} {rounded(bound)}{clearing} over {rule.window}"
    text += "" if metric == "samples" else f" ({counted(reading.samples)})"
    return Finding(holds, value, text, reading.window_start)


def disparity_findings(
    rule: DisparityRule, disparities: tuple[Disparity, ...], prior: Mapping[AlertKey, Alert]
) -> dict[AlertKey, Finding]:
    """A slice is worse than the rest of its model when it is so by at least ``above`` for certain: by the lower bound
    that holds for all slices judged, at the rule's level.

    Once it fires it is no longer one picked out of many. So it holds on (hysteresis) until the slice looked at alone is
    no longer worse by ``above`` for certain at twice the level: what is cured clears in nine of ten windows that share
    no sample, at the usual level of 0.05.
    """
    found = {}
    for held in disparities:
        if held.rule == rule.name and applies(rule, held.slice):
            key = (held.version, held.slice)
            found[key] = _against_rest(rule, held, prior.get(key))
    return found


def _against_rest(rule: DisparityRule, held: Disparity, before: Alert | None) -> Finding:
    name = "calibration gap" if held.measure == "gap" else "debiased ECE"
    counts = f"({counted(held.samples)}, rest {held.rest_samples:,}"
    if held.difference is None or held.lower is None or held.lower_alone is None:
        few = min(held.samples, held.rest_samples) < held.needed_samples
        needed = f"; {held.needed_samples:,} needed in both" if few else ""
        text = f"{name} against the rest of the model is unknown over {held.window} {counts}{needed})"
        return Finding(None, before.value if before else None, text)
    least = rule.above
    holds = held.lower >= least
    kept = not holds and before is not None and before.state is AlertState.FIRING and held.lower_alone >= least
    form = signed if held.measure == "gap" else number
    text = (
        f"{name} {form(held.own)} against {form(held.rest)} in the rest of the model: "
        f"{'worse' if held.difference > 0 else 'better'} by {abs(held.difference):.3f}"
        f"{_certainty(rule, held, kept)} over {held.window} {counts})"
    )
    return Finding(holds or kept, held.difference, text, held.window_start)


def _certainty(rule: DisparityRule, held: Disparity, kept: bool) -> str:
    """How surely a slice is worse, in parentheses; nothing for one that is better."""
    least, level = rule.above, rule.level
    allowed = f", {rounded(least)} is allowed" if least else ""
    together = f"{held.slices:,} slice{'' if held.slices == 1 else 's'}"
    if kept:
        bound = _told(held.lower_alone or 0.0, least)
        return f" (still at least {bound} with {_percent(1 - 2 * level)} confidence for this slice alone{allowed})"
    if held.lower is not None and (held.lower > 0 or held.lower >= least):
        bound = _told(held.lower, least)
        return f" (at least {bound} with {_percent(1 - level)} confidence over {together}{allowed})"
    return f" (which luck can bring among {together})" if (held.difference or 0) > 0 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def absence_findings(
    rule: AbsenceRule,
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


def drift_findings(
    rule: DriftRule, evidence: tuple[Evidence, ...], prior: Mapping[AlertKey, Alert], now: datetime
) -> dict[AlertKey, Finding]:
    """A drift holds from its alarm until it has been quiet: without another alarm for three times as long as the
    first one took, at least a week, of labelled samples or since it was told; or until a new calibrator or version begins
    a stream of its own.

    While it holds it began when its alert says: further alarms have onsets of their own, after the alarm before.
    """
    found = {}
    for held in evidence:
        if held.rule != rule.name or not applies(rule, held.slice):
            continue
        key = (held.version, held.slice)
        if held.alarm_at is None or held.onset is None or held.alarm_ratio is None:
            found[key] = Finding(None if held.reference_missing else False, held.ratio, _no_alarm(held))
            continue
        is_over = _is_quiet(held, held.alarm_at, held.onset, now)
        before = prior.get(key)
        fires = before is not None and before.state is AlertState.FIRING
        began = (before.onset if before is not None and fires else None) or held.began or held.onset
        text = _alarm(rule, held, began, held.alarm_ratio)
        if is_over:
            text = f"no further drift alarm since {moment(held.alarm_at)}"
        found[key] = Finding(not is_over, held.ratio, text, began)
    return found


def _is_quiet(held: Evidence, alarm_at: datetime, onset: datetime, now: datetime) -> bool:
    """Whether nothing has come after an alarm for its quiet time: in the labels there are, or since it was told.

    Were it the clock alone, an alarm on labels that come later than a week would be over before anybody heard of it.
    """
    quiet = quiet_for(alarm_at, onset)
    return now - alarm_at >= quiet and (held.until - alarm_at >= quiet or now - (held.told_at or alarm_at) >= quiet)


def _no_alarm(held: Evidence) -> str:
    under = f"calibrator {held.calibrator}" if held.calibrator else "scores as they come"
    if held.reference_missing:
        missing = counted(held.reference_missing, "labelled sample")
        return f"drift is not judged yet: its reference lacks {missing}, {under} since {moment(held.opened)}"
    return f"drift evidence is {rounded(held.ratio)} of what raises an alarm, {under} since {moment(held.opened)}"


def _alarm(rule: DriftRule, held: Evidence, began: datetime, ratio: float) -> str:
    """Two sentences: what has drifted since when, and how sure that is. Ends so that "since …" can follow."""
    whose = f"Scores of {'all traffic' if held.slice.order == 0 else held.slice.text}"
    how = f"are {held.direction}" if held.direction else "have drifted"
    counts = counted(held.samples_since_onset or 0, "labelled sample")
    counts = f"{counts} since" if began == held.onset else f"newest alarm {minute(held.alarm_at)} UTC, on {counts}"
    sound = "a model that stays as it was deployed" if rule.reference == "deployment" else "a calibrated model"
    often = frequency(rule.false_alarms_per_year)
    doubt = f", which is not guaranteed while {held.caveat}" if held.caveat else ""
    return (
        f"{whose} {how} since about {moment(began)} ({counts}). The evidence reached {times(ratio)} what raises an "
        f"alarm; {sound} raises such an alarm at most {often} over all its slices{doubt}. In force"
    )


def _silent_since(rule: AbsenceRule, seen_at: datetime, now: datetime) -> Finding:
    patience = rule.longer_than
    silent = max(now - seen_at, timedelta(0))
    last = f"(last at {moment(seen_at)})"
    if silent > patience:
        text = f"no {rule.absent} for {lasted(silent)} {last}, longer than {format_duration(patience)}"
        return Finding(True, silent.total_seconds(), text, seen_at)
    text = f"newest {rule.absent} are {lasted(silent)} old {last}, not older than {format_duration(patience)}"
    return Finding(False, silent.total_seconds(), text)


def _never_seen(
    rule: AbsenceRule, slice_: Slice, before: Alert | None, now: datetime, first_seen_at: datetime
) -> Finding:
    """Nothing yet. The whole has been waited for since the monitor's first sight of the model, a slice since this
    rule first met it: a camera installed today is not late because its model is a year old."""
    patience = rule.longer_than
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


def _told(value: float, bound: float) -> str:
    """The value with as many digits as tell it from the bound: never "0.05 is above 0.05"."""
    if value == bound or rounded(value) != rounded(bound):
        return rounded(value)
    return next((t for d in range(1, 17) if (t := number(value, d)) != number(bound, d)), repr(value))
