"""The state machine of alerts: one rule, the current readings and the alerts before give the alerts now. Pure.

    inactive → pending (for `for`) → firing (and on for `keep_firing_for`) → resolved → inactive, or pending again

Health is apart from state: silence (no reading, too few samples, an unknown value) makes an alert's health unknown and
leaves its state alone, so that a firing alert never heals because nobody looks.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor.model import (
    AbsenceRule,
    Alert,
    AlertState,
    Disparity,
    Evidence,
    Health,
    LastSeen,
    Reading,
    Rule,
    RuleKind,
    WindowRule,
)
from monitor.model.reasons import Code, Reason
from monitor.rules.conditions import (
    ALL_VERSIONS,
    AlertKey,
    Finding,
    absence_findings,
    disparity_findings,
    drift_findings,
    is_covered,
    threshold_findings,
    unknown_recall,
    unseen_only,
)

RESOLVED_SHOWN = timedelta(hours=24)  # how long an alert stays resolved, for people to see, before it is inactive


@dataclass(frozen=True, slots=True)
class Observations:
    """What the rules of a model are evaluated on: what is known of it now, of all slices."""

    first_seen_at: datetime  # when the monitor first looked at the model
    readings: Collection[Reading] = ()  # the current ones, of all versions and windows
    last_seen: Collection[LastSeen] = ()  # newest times per slice; used by absence rules
    last_pull: datetime | None = None  # last successful one; None when there never was one
    evidence: Collection[Evidence] = ()  # of all drift rules, which use it
    disparities: Collection[Disparity] = ()  # of all disparity rules, which use them; computed with the readings
    counts_missed: bool = True  # whether positives that were missed are known, and so recall


def evaluate_rule(
    rule: Rule, observed: Observations, prior: Mapping[AlertKey, Alert], now: datetime, *, model: str,
    seen_since: datetime | None = None,
) -> tuple[Alert, ...]:  # fmt: skip
    """Evaluate one rule for every version and slice it covers; at most one transition each.

    ``prior``: what the last step returned for this rule, by (version, slice). ``seen_since``: slices that were last
    observed before are watched for absence no more, except the whole and a slice that the rule names; None: all are.

    Returns, ordered by version and slice, the alerts that take the place of *all* of ``prior``: everything that is
    pending, firing or resolved, or was so before; absences that still wait for a first sight, and drift whose reference does
    not stand yet (inactive, unknown).
    An alert whose version and slice are gone (other slices of the model have readings, this one in no window) is
    resolved with that reason, and left out once it is inactive.
    A rule on recall where nobody knows what was missed watches nothing: its alerts end, and one for what it names says so.
    A model without any reading is silent, not gone. An alert evaluated at ``now`` or later is returned as it is.
    """
    forgotten: set[AlertKey] = set()
    if isinstance(rule, WindowRule):
        found = (
            threshold_findings(rule, tuple(observed.readings), prior)
            if rule.kind is RuleKind.THRESHOLD
            else disparity_findings(rule, tuple(observed.disparities), prior)
        )
        present = {(reading.version, reading.slice) for reading in observed.readings}
    elif rule.kind is RuleKind.DRIFT:
        found = drift_findings(rule, tuple(observed.evidence), prior, now)
        present = {(held.version, held.slice) for held in observed.evidence}
    else:
        watched = tuple(seen for seen in observed.last_seen if not _is_forgotten(rule, seen, now, seen_since))
        present = {(ALL_VERSIONS, seen.slice) for seen in watched}
        forgotten = {(ALL_VERSIONS, seen.slice) for seen in observed.last_seen} - present
        found = absence_findings(rule, watched, prior, now, observed.first_seen_at, observed.last_pull)
    blind = None if observed.counts_missed else unknown_recall(rule)
    if blind is not None:
        found = {(ALL_VERSIONS, rule.only): Finding(None, None, blind, now)}
    alerts = []
    unseen = unseen_only(rule, observed.last_seen)
    if unseen is not None and (ALL_VERSIONS, rule.only) not in found:
        found[ALL_VERSIONS, rule.only] = Finding(None, None, unseen, now)
    for key in sorted({*found, *prior}):
        before = prior.get(key)
        blank = before or _blank(rule, key, model, now)
        if before is not None and before.evaluated_at >= now:
            after: Alert | None = before
        elif blind is not None:
            after = _end_blind(rule, blank, found.get(key), blind, now)
        elif key in found and found[key].why is unseen:
            after = _advance(rule, replace(blank, since=None), found[key], now)
        elif not is_covered(rule, key[1]):
            after = retire_alert(blank, now, Reason.of(Code.RULE_ELSEWHERE, rule=rule.name))
        elif key in found:
            after = _advance(rule, blank, found[key], now)
        elif key in present or not present:
            after = _advance(rule, blank, Finding(None, blank.value, _silence(rule)), now)
        else:
            gone = Reason.of(Code.SLICE_FORGOTTEN) if key in forgotten else _gone(rule, key, present)
            after = retire_alert(blank, now, gone)
        if after is not None and (before is not None or after.state is not AlertState.INACTIVE or after.since):
            alerts.append(after)
    return tuple(alerts)


def is_transition(prior: Alert | None, new: Alert) -> bool:
    """Whether the state changed; no prior alert counts as inactive. A change of health is no transition."""
    return new.state is not (prior.state if prior else AlertState.INACTIVE)


def due_actions(rule: Rule, alert: Alert, now: datetime) -> tuple[str, ...]:
    """The rule's actions when they are to run now, else none: once for each time it fires (also when a crash kept
    them from running at the transition), and again every ``cooldown`` while the condition still holds.
    Persist ``note_actions(alert, now)`` after starting them."""
    if alert.state is not AlertState.FIRING or alert.fired_at is None:
        return ()
    if alert.last_action_at is None or alert.last_action_at < alert.fired_at:
        return rule.actions
    still_holds = alert.last_true_at == alert.evaluated_at
    return rule.actions if still_holds and now - alert.last_action_at >= rule.cooldown else ()


def note_actions(alert: Alert, now: datetime) -> Alert:
    """The alert with its actions noted as run at ``now``."""
    return replace(alert, last_action_at=now)


def _blank(rule: Rule, key: AlertKey, model: str, now: datetime) -> Alert:
    version, slice_ = key
    return Alert(model, version, rule.name, slice_, rule.severity, evaluated_at=now)


def _advance(rule: Rule, before: Alert, found: Finding, now: datetime) -> Alert:
    """One evaluation of one alert. ``before`` is inactive and blank when there was none."""
    alert = replace(before, severity=rule.severity, evaluated_at=now)
    if found.holds is None:
        if before.state is AlertState.INACTIVE:  # `onset`: from here it waits, for a first sight or a reference
            return replace(alert, health=Health.UNKNOWN, value=found.value, since=found.onset, why=found.why)
        stays = found.why.with_values(stays=before.state)
        return replace(alert, health=Health.UNKNOWN, value=found.value, why=stays)
    alert = replace(alert, health=Health.OK, value=found.value)
    if found.holds:
        return _raised(rule, before, alert, found, now)
    match before.state:
        case AlertState.FIRING:
            last_true = before.last_true_at or now
            if now - last_true < rule.keep_firing_for:
                return replace(alert, why=found.why.with_values(kept_until=last_true + rule.keep_firing_for))
            return replace(alert, state=AlertState.RESOLVED, resolved_at=now, why=found.why)
        case AlertState.RESOLVED if before.resolved_at and now - before.resolved_at < RESOLVED_SHOWN:
            return replace(alert, why=found.why)
        case _:
            return replace(alert, state=AlertState.INACTIVE, since=None, why=found.why)


def _end_blind(rule: Rule, before: Alert, found: Finding | None, why: Reason, now: datetime) -> Alert | None:
    """The alert of a rule that cannot know its metric: what is over is shown as such, and ``found`` says that it watches
    nothing. Never healthy."""
    ended = retire_alert(before, now, why)
    if found is not None and (ended is None or ended.state is not AlertState.RESOLVED):
        return _advance(rule, _blank(rule, (before.version, before.slice), before.model, now), found, now)
    return ended and replace(ended, health=Health.UNKNOWN)


def _raised(rule: Rule, before: Alert, alert: Alert, found: Finding, now: datetime) -> Alert:
    """The condition holds: pending and the clock started, pending on, or firing."""
    if before.state is AlertState.FIRING:
        since = before.since or now
        return replace(alert, last_true_at=now, why=found.why.with_values(since=since))
    since = now
    if before.state is AlertState.PENDING and before.since and before.last_true_at:
        # Time that nobody saw does not count towards `for`: the start moves on by the length of the silence.
        unseen = now - before.last_true_at if before.health is Health.UNKNOWN else timedelta(0)
        since = before.since + unseen
    alert = replace(alert, since=since, last_true_at=now, why=found.why.with_values(since=since))
    if now - since < rule.hold:
        waits = alert.why.with_values(fires_after=rule.hold)
        return replace(alert, state=AlertState.PENDING, why=waits, fired_at=None, resolved_at=None, onset=None)
    onset = found.onset - (now - since) if found.onset and isinstance(rule, WindowRule) else found.onset
    return replace(alert, state=AlertState.FIRING, fired_at=now, resolved_at=None, onset=onset)


def retire_alert(before: Alert, now: datetime, why: Reason) -> Alert | None:
    """Return what becomes of an alert that is evaluated no more: firing turns resolved with ``why``; None: nothing is to be
    shown."""
    alert = replace(before, health=Health.OK, evaluated_at=now, why=why)
    match before.state:
        case AlertState.FIRING:
            return replace(alert, state=AlertState.RESOLVED, resolved_at=now)
        case AlertState.PENDING:
            return replace(alert, state=AlertState.INACTIVE, since=None)
        case AlertState.RESOLVED if before.resolved_at and now - before.resolved_at < RESOLVED_SHOWN:
            return alert
        case _:
            return None


def _is_forgotten(rule: AbsenceRule, seen: LastSeen, now: datetime, since: datetime | None) -> bool:
    """Whether a slice is away for so long that nobody waits for it any more."""
    if since is None or seen.observed_at is None or not seen.slice.order or seen.slice == rule.only:
        return False
    if rule.longer_than > now - since:  # a rule that waits longer than that must fire all the same
        since -= rule.longer_than
    return seen.observed_at < since


def _gone(rule: Rule, key: AlertKey, present: Iterable[AlertKey]) -> Reason:
    version, slice_ = key
    if version in {other for other, _ in present}:
        return Reason.of(Code.SLICE_GONE, slice=slice_.text)
    if rule.kind is RuleKind.DRIFT:
        return Reason.of(Code.STREAM_CLOSED)
    if version and isinstance(rule, WindowRule):
        return Reason.of(Code.VERSION_GONE, version=version)
    return Reason.of(Code.RULE_OTHER_KIND, rule=rule.name, kind=rule.kind)


def _silence(rule: Rule) -> Reason:
    match rule.kind:
        case RuleKind.THRESHOLD:
            return Reason.of(Code.NO_READING, metric=rule.metric, window=rule.window)
        case RuleKind.DRIFT:
            return Reason.of(Code.NO_EVIDENCE)
        case RuleKind.DISPARITY:
            return Reason.of(Code.NO_COMPARISON, window=rule.window)
    return Reason.of(Code.NO_SIGHT, absent=rule.absent)
