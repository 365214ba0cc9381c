"""What a rule sees in the current readings: for each version and slice whether its condition holds, and why.

The state machine in ``state`` decides what follows from it.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from monitor.config.toml import suggest_nearest
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
from monitor.model.readings import OBJECT_COUNTS, RECALL_METRICS
from monitor.model.reasons import Code, Reason
from monitor.model.wording import first_few

AlertKey = tuple[str, Slice]  # (version, slice)
ALL_VERSIONS = ""  # version of an absence alert: sources and cameras fall silent, not model versions


@dataclass(frozen=True, slots=True)
class Finding:
    """What one evaluation sees: whether the condition holds (None: cannot be known), and why."""

    holds: bool | None
    value: float | None
    why: Reason
    onset: datetime | None = None  # where the trouble began at the latest evaluation, if it holds


def is_covered(rule: Rule, slice_: Slice) -> bool:
    """Whether the rule covers the slice: by order (2 stands for every order from 2 on), and inside ``only``."""
    left_out = rule.leaves_out if isinstance(rule, AbsenceRule) else frozenset()
    if not left_out.isdisjoint(name for name, _ in slice_.labels):
        return False
    return min(slice_.order, 2) in rule.orders and rule.only.contains(slice_)


def unseen_only(rule: Rule, last_seen: Collection[LastSeen]) -> Reason | None:
    """Return why the rule watches nothing: the model has samples, and none of the slice in ``only``. None: it has some, or
    none at all."""
    unseen = find_unseen(rule.only, [seen.slice for seen in last_seen])
    return None if unseen is None else Reason.of(Code.ONLY_UNSEEN, slice=rule.only.text, known=unseen)


def unknown_recall(rule: Rule) -> Reason | None:
    """Return why the rule watches nothing where nobody knows what was missed; None: it is not about recall."""
    if isinstance(rule, ThresholdRule) and rule.metric in RECALL_METRICS:
        return Reason.of(Code.RECALL_UNKNOWN, metric=rule.metric)
    return None


def find_unseen(only: Slice, seen: Collection[Slice]) -> str | None:
    """Return which values there are where none of the slices ``seen`` lies in ``only``; None where one does, or none is seen.

    >>> find_unseen(Slice.of({"shift": "nigth"}), [Slice.of({"shift": "day"}), Slice.of({"shift": "night"})])
    'shift="nigth" is not among day, night, did you mean "night"?'
    """
    if not only.order or not seen or any(only.contains(each) for each in seen):
        return None
    for name, value in only.labels:
        values = sorted({held for each in seen for own, held in each.labels if own == name})
        if value not in values:
            return f'{name}="{value}" is not among {first_few(values, 5) or "none"}{suggest_nearest(value, values)}'
    return "its values come, but never together"


def find_unseen_scope(scope: Slice, seen: Collection[Slice], most: int) -> str | None:
    """Return the same where slices are shown of at most ``most`` dimensions: each value of a finer scope is looked for alone.

    >>> find_unseen_scope(Slice.of({"a": "1", "b": "2"}), [Slice.of({"a": "1"}), Slice.of({"b": "2"})], 1) is None
    True
    """
    parts = [scope] if scope.order <= most else [Slice.of({name: value}) for name, value in scope.labels if most]
    return next((unseen for part in parts if (unseen := find_unseen(part, seen)) is not None), None)


def threshold_findings(
    rule: ThresholdRule, readings: tuple[Reading, ...], prior: Mapping[AlertKey, Alert]
) -> dict[AlertKey, Finding]:
    """What a threshold rule finds in each reading of its window that it covers."""
    keyed = {(reading.version, reading.slice): reading for reading in readings if reading.window == rule.window}
    return {key: _compare(rule, reading, prior.get(key)) for key, reading in keyed.items() if is_covered(rule, key[1])}


def _compare(rule: ThresholdRule, reading: Reading, before: Alert | None) -> Finding:
    """A threshold rule on one reading. A firing alert is measured against the clearing bound (hysteresis)."""
    metric = rule.metric
    value = reading.value(metric)
    # what rests on objects is known where there are enough of these, without a detection too
    behind = int(reading.count_behind(metric))
    own_count = (*COUNTS, *OBJECT_COUNTS, *RECALL_METRICS, "fp_per_image")
    too_few = metric not in own_count and reading.state is ReadingState.INSUFFICIENT
    if value is None or not math.isfinite(value) or too_few or behind < rule.min_samples:
        needed = rule.min_samples if behind < rule.min_samples else None
        why = Reason.of(
            Code.THRESHOLD_UNKNOWN, metric=metric, window=rule.window, samples=behind, needed=needed,
            **_counted(reading, metric),
        )  # fmt: skip
        return Finding(None, before.value if before else None, why)
    upward = rule.above is not None
    start, clear = rule.bounds
    holds, bound = (value > start if upward else value < start), start
    if not holds and clear is not None and before is not None and before.state is AlertState.FIRING:
        holds, bound = (value >= clear if upward else value <= clear), clear
    why = Reason.of(
        Code.THRESHOLD, metric=metric, value=value, bound=bound, clears=holds and bound != start, window=rule.window,
        samples=None if metric == "samples" else behind, **_counted(reading, metric),
    )  # fmt: skip
    return Finding(holds, value, why, reading.window_start)


def _counted(reading: Reading, metric: str) -> dict[str, object]:
    """What a reason says of what is counted beside its number: objects, or in how many groups samples come; nothing else."""
    if reading.counts_objects(metric):
        return {"kind": "object"}
    return _groups(reading)


def _groups(held: Reading | Disparity) -> dict[str, object]:
    """In how many groups samples come, and what one is called; nothing where they are independent."""
    return {} if held.groups is None else {"groups": held.groups, "noun": held.group_noun}


def disparity_findings(
    rule: DisparityRule, disparities: tuple[Disparity, ...], prior: Mapping[AlertKey, Alert]
) -> dict[AlertKey, Finding]:
    """A slice is worse than the rest of its model when it is so by at least ``above`` for certain: by the lower bound
    that holds for all slices judged, at the rule's level.

    Once it fires it is no longer one picked out of many. So it holds on (hysteresis) until the slice looked at alone is
    no longer worse by ``above`` for certain at twice the level: what is cured clears in nine of ten windows that share
    no sample, at the usual level of 0.05.
    """
    keyed = {(held.version, held.slice): held for held in disparities if held.rule == rule.name}
    return {key: _against_rest(rule, held, prior.get(key)) for key, held in keyed.items() if is_covered(rule, key[1])}


def _against_rest(rule: DisparityRule, held: Disparity, before: Alert | None) -> Finding:
    compared: dict[str, object] = {
        "measure": held.measure, "window": held.window, "samples": held.samples, "rest_samples": held.rest_samples,
        **_groups(held),
    }  # fmt: skip
    if held.difference is None or held.lower is None or held.lower_alone is None:
        few = min(held.samples, held.rest_samples) < held.needed_samples
        why = Reason.of(Code.DISPARITY_UNKNOWN, **compared, needed=held.needed_samples if few else None)
        return Finding(None, before.value if before else None, why)
    least = rule.above
    holds = held.lower >= least
    kept = not holds and before is not None and before.state is AlertState.FIRING and held.lower_alone >= least
    why = Reason.of(
        Code.DISPARITY, **compared, own=held.own, rest=held.rest, difference=held.difference, least=least,
        level=rule.level, slices=held.slices, lower=held.lower, lower_alone=held.lower_alone, is_kept=kept,
    )  # fmt: skip
    return Finding(holds or kept, held.difference, why, held.window_start)


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
        if is_covered(rule, slice_):
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
    a stream of its own. It is unknown while a stream lacks its reference.

    While it holds it began when its alert says: further alarms have onsets of their own, after the alarm before.
    """
    found = {}
    for held in evidence:
        if held.rule != rule.name or not is_covered(rule, held.slice):
            continue
        key = (held.version, held.slice)
        before = prior.get(key)
        if held.reference_missing:  # with its onset the alert is kept, so that it is told as unknown
            found[key] = Finding(None, before.value if before else None, _not_judged(held), held.opened)
            continue
        if held.alarm_at is None or held.onset is None or held.alarm_ratio is None:
            found[key] = Finding(False, held.ratio, Reason.of(Code.DRIFT_NONE, ratio=held.ratio, **_under(held)))
            continue
        is_over = _is_quiet(held, held.alarm_at, held.onset, now)
        fires = before is not None and before.state is AlertState.FIRING
        began = (before.onset if before is not None and fires else None) or held.began or held.onset
        over = Reason.of(Code.DRIFT_OVER, alarm_at=held.alarm_at)
        found[key] = Finding(not is_over, held.ratio, over if is_over else _alarm(rule, held, began), began)
    return found


def _is_quiet(held: Evidence, alarm_at: datetime, onset: datetime, now: datetime) -> bool:
    """Whether nothing has come after an alarm for its quiet time: in the labels there are, or since it was told.

    Were it the clock alone, an alarm on labels that come later than a week would be over before anybody heard of it.
    """
    quiet = quiet_for(alarm_at, onset)
    return now - alarm_at >= quiet and (held.until - alarm_at >= quiet or now - (held.told_at or alarm_at) >= quiet)


def _not_judged(held: Evidence) -> Reason:
    once = {} if held.group_noun is None else {"noun": held.group_noun}
    return Reason.of(Code.DRIFT_NOT_JUDGED, lacking=held.reference_missing, **once, **_under(held))


def _under(held: Evidence) -> dict[str, object]:
    return {"calibrator": held.calibrator, "opened": held.opened}


def _alarm(rule: DriftRule, held: Evidence, began: datetime) -> Reason:
    return Reason.of(
        Code.DRIFT, slice=held.slice.text, began=began, shifts=[asdict(each) for each in held.shifts],
        **({} if held.shifts else {"direction": held.direction}),
        **({} if held.group_noun is None else {"noun": held.group_noun}),
        newest_at=None if began == held.onset else held.alarm_at, samples=held.samples_since_onset or 0,
        ratio=held.alarm_ratio, reference=rule.reference, per_year=rule.false_alarms_per_year, caveat=held.caveat,
    )  # fmt: skip


def _silent_since(rule: AbsenceRule, seen_at: datetime, now: datetime) -> Finding:
    patience = rule.longer_than
    silent = max(now - seen_at, timedelta(0))
    code = Code.ABSENT if silent > patience else Code.PRESENT
    why = Reason.of(code, absent=rule.absent, silent=silent, last=seen_at, patience=patience)
    return Finding(silent > patience, silent.total_seconds(), why, seen_at if silent > patience else None)


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
        why = Reason.of(Code.NEVER_SEEN, absent=rule.absent, patience=patience)
        return Finding(True, None, why, waiting_since)
    why = Reason.of(Code.NOT_SEEN_YET, absent=rule.absent, waiting_since=waiting_since)
    return Finding(None, None, why, waiting_since)
