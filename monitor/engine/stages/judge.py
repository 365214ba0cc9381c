"""The judge stage: every rule against the current readings, with the onset of what newly fires. Calculates only."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitor.config.actions import Action
from monitor.config.settings import Model
from monitor.jobs.actions.routing import alert_calls, merge_calls
from monitor.model import (
    Alert,
    AlertState,
    Health,
    Job,
    LastSeen,
    Rule,
    Slice,
    WindowRule,
)
from monitor.model.reasons import Code, Reason, Trigger, TriggerKind
from monitor.model.refits import job_of
from monitor.rules.pack import Rulebook
from monitor.rules.state import Observations, due_actions, evaluate_rule, is_transition, note_actions, retire_alert
from monitor.store.cells import list_measured_slices
from monitor.store.connection import utc_day

FindOnset = Callable[[str, Slice], datetime | None]  # version, slice → estimated start of the miscalibration


@dataclass(frozen=True, slots=True)
class RuleResults:
    """All alerts of a model now, those whose state changed, the refits and actions they ask for, and rules that failed."""

    alerts: tuple[Alert, ...]
    changed: tuple[Alert, ...]
    jobs: tuple[Job, ...]
    failed_rules: tuple[str, ...]


def evaluate_rules(
    model: Model, rulebook: Rulebook, observed: Observations, prior: Sequence[Alert], now: datetime, *, find_onset: FindOnset,
    actions: Sequence[Action] = (),
) -> RuleResults:  # fmt: skip
    """Evaluate all rules. A rule that cannot be evaluated keeps its alerts as they were, with health "error"."""
    alerts: list[Alert] = []
    failed: list[str] = []
    for rule in rulebook:
        before = {(alert.version, alert.slice): alert for alert in prior if alert.rule == rule.name}
        try:
            oldest = utc_day(utc_day(now) - model.retention)
            found = evaluate_rule(rule, observed, before, now, model=model.name, seen_since=oldest)
        except (ValueError, KeyError, ArithmeticError) as error:
            failed.append(rule.name)
            why = Reason.of(Code.RULE_FAILED, problem=repr(error))
            alerts += [replace(alert, health=Health.ERROR, why=why) for alert in before.values()]
            continue
        alerts += [_with_onset(rule, before.get((alert.version, alert.slice)), alert, find_onset) for alert in found]
    known = {rule.name for rule in rulebook}
    retired = (
        retire_alert(alert, now, Reason.of(Code.RULE_GONE, rule=alert.rule))
        for alert in prior
        if alert.rule not in known
    )
    alerts += [alert for alert in retired if alert is not None]
    before_of = {(alert.rule, alert.version, alert.slice): alert for alert in prior}
    changed = tuple(
        alert for alert in alerts if is_transition(before_of.get((alert.rule, alert.version, alert.slice)), alert)
    )
    acting, jobs = _act(rulebook, alerts, changed, actions, now)
    return RuleResults(tuple(acting), changed, jobs, tuple(failed))


def _with_onset(rule: Rule, before: Alert | None, alert: Alert, find_onset: FindOnset) -> Alert:
    newly = alert.state is AlertState.FIRING and (before is None or before.state is not AlertState.FIRING)
    if not newly or not isinstance(rule, WindowRule):
        return alert
    return replace(alert, onset=find_onset(alert.version, alert.slice) or alert.onset)


def _act(
    rulebook: Rulebook, alerts: Sequence[Alert], changed: Sequence[Alert], actions: Sequence[Action], now: datetime
) -> tuple[list[Alert], tuple[Job, ...]]:
    """Turn due actions into jobs."""
    rules: Mapping[str, Rule] = {rule.name: rule for rule in rulebook}
    resolved = {id(alert) for alert in changed if alert.state is AlertState.RESOLVED}
    noted: list[Alert] = []
    jobs: list[Job] = []
    calls: list[Job] = []
    for alert in alerts:
        rule = rules.get(alert.rule)
        due = due_actions(rule, alert, now) if rule else ()
        noted.append(note_actions(alert, now) if due else alert)
        asked_by = Trigger(TriggerKind.RULE, alert.rule)
        refit = replace(job_of(alert.model, "recalibrate", asked_by, alert.slice, now), onset=alert.onset)
        if "recalibrate" in due:
            jobs.append(refit)
        named = rule.actions if rule and id(alert) in resolved else due
        calls += alert_calls(actions, named, alert, now, refit=refit.id if "recalibrate" in due else None)
    return noted, (*jobs, *merge_calls(calls, actions))


def last_seen_of_slices(model: Model, finest: Sequence[LastSeen]) -> tuple[LastSeen, ...]:
    """Newest times of every shown slice from those of the finest."""
    inside: dict[Slice, list[LastSeen]] = {}
    for seen in finest:
        for slice_ in list_measured_slices([seen.slice], model.slices, model.max_order):
            inside.setdefault(slice_, []).append(seen)
    return tuple(
        LastSeen(slice_, _latest(each.observed_at for each in held), _latest(each.labelled_at for each in held))
        for slice_, held in inside.items()
    )


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    return max(filter(None, times), default=None)
