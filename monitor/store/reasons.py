"""Reasons and triggers ↔ columns: a text for people, a code and its values for programs."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from monitor.model import Job, JobState, Slice, ThresholdInUse
from monitor.model.errors import StoreError
from monitor.model.reasons import Reason, Trigger, TriggerKind
from monitor.model.words import restore_reason, tell_reason

REASON = ("reason", "code", "facts")
THRESHOLD = tuple(name for name in ThresholdInUse.__dataclass_fields__ if name != "why")
_TIMES = ("requested_at", "onset", "started_at", "finished_at", "next_attempt_at")
_TRIGGER = ("trigger_kind", "trigger_name", "trigger_at", "trigger_event")
JOB = (
    "id", "model", "kind", "trigger", "scope", "requested_at", "state", "onset", "started_at", "finished_at", "reasons",
    "details", "attempts", "next_attempt_at", "interruptions", "codes", "facts", *_TRIGGER,
)  # fmt: skip
_MEND = (
    "of metrics.duckdb: move it away and publish it anew with: calwatch snapshot; of live.duckdb: restore a backup with: "
    "calwatch restore FILE"
)


def reason_columns(reason: Reason) -> tuple[str, str | None, str | None]:
    """Return the values of ``REASON``: the text, and the code and values where they are known."""
    return tell_reason(reason), reason.code or None, json.dumps(reason.values) if reason.code else None


def reason_of(text: str | None, code: str | None, facts: str | None) -> Reason:
    """Return the reason that ``REASON`` columns hold; what an earlier release left is its text."""
    return restore_reason(code, json.loads(facts) if facts else {}, text or "")


def job_row(job: Job) -> dict[str, Any]:
    """Return the columns ``JOB`` of a job; times with their UTC marker."""
    asked_by = job.asked_by
    return {
        "id": job.id, "model": job.model, "kind": job.kind, "trigger": job.trigger, "scope": job.scope.text,
        "state": job.state.value, **{name: getattr(job, name) for name in _TIMES}, "reasons": list(job.reasons),
        "details": json.dumps(job.details, default=str), "attempts": job.attempts, "interruptions": job.interruptions,
        "codes": [reason.code for reason in job.why], "facts": json.dumps([dict(reason.values) for reason in job.why]),
        "trigger_kind": asked_by.kind, "trigger_name": asked_by.name,
        "trigger_at": asked_by.at.isoformat() if asked_by.at else None, "trigger_event": asked_by.event,
    }  # fmt: skip


def job_from(row: Mapping[str, Any]) -> Job:
    """Return the job of a row with the columns ``JOB``, times with their UTC marker; ``interruptions`` may be missing.

    Raises StoreError where its state, its scope or its details are none that a calwatch leaves; a reason or a trigger of
    which this one knows too little is as it was told.
    """
    held = dict(row)
    texts, codes, facts = held.pop("reasons"), held.pop("codes"), json.loads(held.pop("facts") or "[]")
    known = codes is not None and isinstance(facts, list) and len(codes) == len(facts) == len(texts)
    held["asked_by"] = _trigger_of(*(held.pop(column) for column in _TRIGGER), told=held.pop("trigger"))
    held["why"] = tuple(
        restore_reason(*each) for each in zip(codes, facts, texts, strict=True)
    ) if known else tuple(map(Reason.from_text, texts))  # fmt: skip
    try:
        return Job(**held | {
            "scope": Slice.parse(held["scope"]), "state": JobState(held["state"]), "details": dict(json.loads(held["details"]))
        })  # fmt: skip
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"table jobs: the row of {held['id']!r} is none that this calwatch leaves: {error}", _MEND
        ) from error


def _trigger_of(kind: str | None, name: str, at: str | None, event: str, *, told: str) -> Trigger:
    try:
        return Trigger(TriggerKind(kind), name, datetime.fromisoformat(at) if at else None, event)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return Trigger("", told)


def threshold_from(row: Mapping[str, Any]) -> ThresholdInUse:
    """Return the threshold of a row with the columns ``THRESHOLD`` and ``REASON``, times with their UTC marker."""
    held = {name: row[name] for name in THRESHOLD}
    held["scope"] = Slice.parse(row["scope"])
    return ThresholdInUse(**held, why=reason_of(*(row[name] for name in REASON)))
