"""What people are told in a chat room or by e-mail: one event as a title, a few facts, and a link."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from monitor.jobs.actions.delivery import Delivery
from monitor.model.reasons import ABSENCES, CHOSEN, NOT_HELD, POINTS, VERDICTS, Reason
from monitor.model.wording import first_few, moment, quantity
from monitor.model.words import restore_reason, tell_change, tell_reason

ALSO = 12  # slices that a message names beside its own
UNDONE = "nothing by itself: its rule asks for no refit"


@dataclass(frozen=True, slots=True)
class EventContext:
    """What the published snapshot adds to an event. ``note`` says what the picture shows, or why there is none."""

    picture: bytes | None = None  # PNG
    note: str = ""
    sure: str = ""  # the reading of the slice, with its interval
    deeds: tuple[str, ...] = ()  # what calwatch did about it since it fired


@dataclass(frozen=True, slots=True)
class Message:
    """``facts``: heading and text; ``colour``: #rrggbb; ``link``: to the page, None where no address is configured."""

    title: str
    facts: tuple[tuple[str, str], ...]
    colour: str
    link: str | None
    thread: str  # the same for an alert that fires and that resolves


_COLOURS: Mapping[str, str] = {
    "alert.firing": "#b3261e", "alert.resolved": "#1c6b3c", "job.promoted": "#2f6db3", "job.rejected": "#8a5a00",
    "job.failed": "#b3261e", "job.rolled_back": "#8a5a00",
}  # fmt: skip


def message_of(delivery: Delivery, known: EventContext) -> Message:
    """The event of a payload, told. Names in it are as the sources wrote them: whoever formats it escapes them."""
    payload: Mapping[str, Any] = delivery.payload
    event = str(payload["event"])
    title, facts, thread = (_alert if event.startswith("alert.") else _job)(payload, known)
    return Message(title, tuple(facts), _COLOURS[event], _link(delivery.external_url, payload), thread)


def _alert(payload: Mapping[str, Any], known: EventContext) -> tuple[str, list[tuple[str, str]], str]:
    alert: Mapping[str, Any] = payload["alert"]
    fires = alert["state"] == "firing"
    also: Sequence[str] = payload.get("also", ())
    wider = f" and {quantity(len(also), 'more slice')}" if also else ""
    title = (
        f"[{alert['severity'] if fires else 'resolved'}] {payload['model']} {alert['slice']}{wider}: {alert['rule']} "
    )
    title += "fires" if fires else "is over"
    version = f", version {alert['version']}" if alert["version"] else ""
    facts = [("what", alert["reason"]), ("where", f"{payload['model']}, slice {alert['slice']}{version}")]
    if also:
        facts.append(("at the same time", f"{'fires' if fires else 'over'} on {first_few(also, ALSO)} too"))
    since = [f"fired {_time(alert['fired_at'])}"]
    if alert["onset"]:
        since.insert(0, f"began about {_time(alert['onset'])} (estimate)")
    if alert["resolved_at"] and not fires:
        since.append(f"resolved {_time(alert['resolved_at'])}")
    facts.append(("since", ", ".join(since)))
    if known.sure:
        facts.append(("how sure", known.sure))
    deeds = list(known.deeds)
    if alert.get("refit") and not any(str(alert["refit"]) in deed for deed in deeds):
        deeds.insert(0, f"asked for a refit of {alert['slice']} (job {alert['refit']})")
    facts.append(("calwatch did", "; ".join(deeds) or (UNDONE if fires else "nothing: no refit was asked for")))
    if fires:
        facts.append(("to do", _to_do(payload["model"], alert, asked=bool(deeds))))
    # slices that fired at one time may resolve one by one: each end answers the one message that told of them
    thread = " ".join(str(part) for part in (payload["model"], alert["rule"], alert["version"], alert["fired_at"]))
    return title, facts, thread


def _to_do(model: str, alert: Mapping[str, Any], *, asked: bool) -> str:
    """What is left for people while an alert fires; ``asked``: whether a refit was."""
    if alert.get("code") in ABSENCES:
        return "ask who delivers: something is missing, and no refit can mend that"
    since = f" since {_time(alert['onset'])}" if alert["onset"] else ""
    look = f"look at images of this slice{since}: dirt, light, a moved camera, a new product"
    if asked:
        return f"{look}. A refit takes charge only where later samples prove it better; if it does not, retrain"
    command = shlex.join(["calwatch", "recalibrate", model, "--slice", alert["slice"]])
    return f"{look}. Where a refit can help, ask for one: {command}"


_NEXT = {
    "job.promoted": "nothing, unless production applies calibrators itself: let the model server load this one",
    "job.rejected": "nothing at once: what is in charge stays. If an alert goes on, the scores alone cannot mend it: look at "
    "images, or retrain",
    "job.rolled_back": "nothing, unless production applies calibrators itself: let the model server load the one now in charge",
}


def _reasons(job: Mapping[str, Any]) -> list[Reason]:
    """Return the reasons of a job; the schema of payloads lets them be sentences alone."""
    texts: Sequence[str] = job["reasons"]
    codes, facts = job.get("codes") or [""] * len(texts), job.get("facts") or [{}] * len(texts)
    return [restore_reason(*each) for each in zip(codes, facts, texts, strict=True)]


def _job(payload: Mapping[str, Any], known: EventContext) -> tuple[str, list[tuple[str, str]], str]:
    job: Mapping[str, Any] = payload["job"]
    state = "rolled back" if payload["event"] == "job.rolled_back" else job["state"]
    kind = {"recalibrate": "refit", "tune": "tuning"}.get(job["kind"], job["kind"])
    title = f"[{state}] {payload['model']} {job['slice']}: {kind}"
    facts = [("where", f"{payload['model']}, slice {job['slice']}"), ("asked for by", f"{job['trigger']}")]
    reasons = _reasons(job)
    # what decided, without the steps that led there; all of them where none says so
    verdict = [each for each in reasons if each.code in VERDICTS] or reasons
    facts.append(("why", "; ".join(map(tell_reason, verdict)) or "no reason recorded"))
    change = tell_change(job["before"] or {}, job["after"] or {}, ("ece", "log_loss"))
    if change:
        facts.append(("on later samples", change))
    if job["calibrator"]:
        facts.append(("calibrator", f"{job['calibrator']} ({job['method']})"))
    threshold = next((each for each in reasons if each.code in CHOSEN | NOT_HELD | POINTS), None)
    if threshold is not None and state == "promoted":
        facts.append(("threshold", tell_reason(threshold, bare=True)))
    if known.sure:
        facts.append(("now", known.sure))
    facts.append(("to do", _NEXT.get(payload["event"]) or f"see what went wrong: calwatch jobs show {job['id']}"))
    return title, facts, f"{payload['model']} job {job['id']}"


def _link(base: str | None, payload: Mapping[str, Any]) -> str | None:
    if base is None:
        return None
    if "job" in payload:
        return f"{base}job?{urlencode({'id': payload['job']['id']})}"
    alert = payload["alert"]
    asked = {"model": payload["model"], "slice": alert["slice"], "version": alert["version"]}
    return f"{base}slice?{urlencode({name: text for name, text in asked.items() if text})}"


def _time(text: str | None) -> str:
    return "at an unknown time" if text is None else moment(datetime.fromisoformat(text))
