"""Which actions an alert or a finished job calls, as jobs with the payload they will carry."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor.config.actions import TELLING, Action
from monitor.jobs.actions.payload import JOB_EVENT, alert_payload, job_payload
from monitor.model import Alert, AlertState, Job
from monitor.model.reasons import Trigger, TriggerKind
from monitor.model.refits import job_of


def alert_calls(
    actions: Sequence[Action], named: Iterable[str], alert: Alert, now: datetime, *, refit: str | None = None
) -> list[Job]:
    """Jobs for the actions ``named`` by the alert's rule that listen to its state, firing or resolved. ``refit``: id of
    the refit the alert asked for at the same time."""
    if alert.state not in (AlertState.FIRING, AlertState.RESOLVED):
        return []
    names = set(named)
    asked_by = Trigger(TriggerKind.RULE, alert.rule, event=alert.state.value)
    return [
        job_of(
            alert.model, "action", asked_by, alert.slice, now,
            details={"action": action.name, "payload": alert_payload(action.name, alert, now, refit)},
            key=f"{action.name} {alert.version}",
        )
        for action in actions
        if action.name in names and alert.state.value in action.on
    ]  # fmt: skip


def merge_calls(calls: Sequence[Job], actions: Sequence[Action]) -> list[Job]:
    """The same calls with one message for all slices that one rule fires on, or is over on, in one cycle.

    A drift of the whole fires on all its slices: twelve messages say no more than one. It speaks of the widest slice (first
    by name) and lists the others as ``also``. Programs get a call for each slice: only people tire.
    """
    telling = {action.name for action in actions if action.kind in TELLING}
    groups: dict[tuple[object, ...], list[Job]] = {}
    for call in calls:
        one = (call.action, call.asked_by, _payload(call)["alert"]["version"])
        groups.setdefault(one if one[0] in telling else (call.id,), []).append(call)
    return [_leading(group) if len(group) > 1 else group[0] for group in groups.values()]


def _leading(calls: list[Job]) -> Job:
    first, *others = sorted(calls, key=lambda call: (call.scope.order, call.scope.text))
    also = [call.scope.text for call in others]
    return replace(first, details={**first.details, "payload": {**_payload(first), "also": also}})


def _payload(call: Job) -> Mapping[str, Any]:
    assert call.payload is not None  # alert_calls put it there
    return call.payload


def job_calls(actions: Sequence[Action], job: Job, now: datetime) -> list[Job]:
    """Jobs for the actions that listen to how a refit or rollback ended. The end of an action calls none."""
    event = JOB_EVENT.get(job.state.value)
    if event is None or job.kind == "action":
        return []
    asked_by = Trigger(TriggerKind.JOB, job.id, event=event)
    return [
        job_of(
            job.model, "action", asked_by, job.scope, now,
            details={"action": action.name, "payload": job_payload(action.name, job, now)}, key=action.name,
        )
        for action in actions
        if event in action.on and (not action.models or job.model in action.models)
    ]  # fmt: skip


def subjects_of(job: Job) -> frozenset[tuple[object, ...]]:
    """The alerts that a job which calls an action speaks of: firing and resolved of one alert have theirs in common."""
    about = (job.payload or {}).get("alert")
    if job.payload is None or not isinstance(about, dict):
        return frozenset({(job.id,)})
    slices = (about.get("slice"), *job.payload.get("also", ()))
    return frozenset((job.action, about.get("rule"), about.get("version"), slice_) for slice_ in slices)
