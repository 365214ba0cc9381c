"""The one place where reasons and triggers become words: for the text columns of the tables, messages, pages, commands.

Nothing reads these sentences but people: whoever decides by a reason asks for its code and values.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.model.reasons import CHOSEN, VERDICTS, Code, Reason, Trigger, TriggerKind
from monitor.model.sentences.alerts import OF_ALERTS
from monitor.model.sentences.jobs import OF_JOBS
from monitor.model.sentences.templates import OF_TEMPLATES
from monitor.model.sentences.tuning import OF_TUNING
from monitor.model.wording import UNKNOWN, duration_of, moment_of, number

SENTENCES: dict[Code, Callable[..., str]] = {**OF_TEMPLATES, **OF_ALERTS, **OF_JOBS, **OF_TUNING}
_CODES = frozenset(Code)
# a sentence has not the values it needs
_UNTELLABLE = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
_PARTICULAR = re.compile(r"\s*\([^()]*\)|[−+-]?\d+(?:[.,:]\d+)*")  # of one case alone: brackets and numbers
TRIGGERS: dict[str, Callable[[Trigger], str]] = {
    TriggerKind.MANUAL: lambda trigger: "manual",
    TriggerKind.SCHEDULE: lambda trigger: f"schedule {trigger.at.isoformat()}" if trigger.at else "schedule",
    TriggerKind.RULE: lambda trigger: " ".join(filter(None, ("rule", trigger.name, trigger.event))),
    TriggerKind.GUARD: lambda trigger: f"guard of {trigger.name}",
    TriggerKind.JOB: lambda trigger: " ".join(filter(None, ("job", trigger.name, trigger.event))),
}


def tell_reason(reason: Reason, *, bare: bool = False, dated: bool = True) -> str:
    """Return the sentence of a reason, without its stop.

    ``bare``: without the word that says whose it is, "rejected: " or "threshold ". ``dated``: with the time since when the
    condition of an alert holds. Where a number that the sentence needs is unknown it is code and values as they are.
    """
    try:
        said = _say(reason, dated=dated)
    except _UNTELLABLE:
        known = ", ".join(f"{name} {UNKNOWN if value is None else value}" for name, value in reason.values.items())
        said = f"{reason.code} ({known})"
    return said if bare else _whose(reason.code) + said


def _say(reason: Reason, *, dated: bool = True) -> str:
    """Return the sentence, as ``words`` or whoever found the reason says it. Raises one of ``_UNTELLABLE``."""
    values = dict(reason.values)
    told = values.get("text", "")  # by an earlier release, or the world outside, in their own words
    said = SENTENCES[Code(reason.code)](**values) if reason.code and not told else str(told)
    return said + _course(reason, values, dated=dated)


def tell_reasons(reasons: Sequence[Reason]) -> tuple[str, ...]:
    """Return the sentence of each."""
    return tuple(tell_reason(reason) for reason in reasons)


def restore_reason(code: str | None, values: Mapping[str, Any], text: str) -> Reason:
    """Return the reason that a table or a payload keeps; by its text alone where this release does not know the code, or
    needs other values for its sentence than the release that left it."""
    if code not in _CODES:
        return Reason.from_text(text)
    try:
        reason = Reason(Code(code), dict(values))
        _say(reason)
    except _UNTELLABLE:
        return Reason.from_text(text)
    return reason


def name_kind(reason: Reason) -> str:
    """Return what reasons have in common that are counted together: the code, and what the world outside said; of a text
    alone, the text without its numbers and what it puts in brackets."""
    if reason.code:
        return f"{reason.code} {reason.values.get('problem', '')}".strip()
    return " ".join(_PARTICULAR.sub("…", str(reason.values.get("text", ""))).split())


def tell_trigger(trigger: Trigger) -> str:
    """Return who asked for a job, in a few words."""
    return TRIGGERS[trigger.kind](trigger) if trigger.kind in TRIGGERS else trigger.name


_MEASURES = {"ece": "ECE", "log_loss": "log-loss", "brier": "Brier"}


def tell_change(
    before: Mapping[str, float | None], after: Mapping[str, float | None], names: Sequence[str] = tuple(_MEASURES)
) -> str:
    """Return ``ECE 0.083 → 0.012, log-loss 0.410 → 0.390`` of the gate's numbers ``names`` that are known on both sides."""
    known = [(_MEASURES[name], before.get(name), after.get(name)) for name in names]
    return ", ".join(
        f"{name} {number(old)} → {number(new)}" for name, old, new in known if old is not None and new is not None
    )


def _whose(code: str) -> str:
    if code in VERDICTS:
        return f"{VERDICTS[code]}: "
    return "threshold " if code in CHOSEN else ""


def _course(reason: Reason, values: Mapping[str, Any], *, dated: bool) -> str:
    """What the state machine of alerts adds to what a rule found."""
    said = ""
    if dated and "since" in values:
        said += f"{' In force' if reason.code == Code.DRIFT else ''} since {moment_of(values['since'])}"
    if "fires_after" in values:
        said += f"; fires after {duration_of(values['fires_after'])}"
    if "kept_until" in values:
        said += f"; kept firing until {moment_of(values['kept_until'])}"
    if "stays" in values:
        said += f"; stays {values['stays']}"
    return said
