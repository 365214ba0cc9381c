"""The JSON object that webhooks and commands receive; ``payload.schema.json`` beside this file describes it."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from monitor.model import Alert, Job, Slice

SCHEMA_VERSION = 1
JOB_EVENT = {"promoted": "promoted", "rejected": "rejected", "failed": "failed", "done": "rolled_back"}  # by state


def payload_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of every payload."""
    schema: dict[str, Any] = json.loads(
        files("monitor.jobs.actions").joinpath("payload.schema.json").read_text("utf-8")
    )
    return schema


def alert_payload(action: str, alert: Alert, now: datetime, refit: str | None = None) -> dict[str, object]:
    """What is told of an alert that fires or resolves. ``refit``: id of the refit it asked for at the same time."""
    return {
        "schema_version": SCHEMA_VERSION, "event": f"alert.{alert.state.value}", "at": _time(now), "action": action,
        "model": alert.model,
        "alert": {
            "rule": alert.rule, "severity": alert.severity.value, "state": alert.state.value, "version": alert.version,
            **_slice(alert.slice), "reason": alert.reason,
            "code": alert.why.code, "facts": dict(alert.why.values), "value": alert.value, "since": _time(alert.since),
            "fired_at": _time(alert.fired_at), "resolved_at": _time(alert.resolved_at), "onset": _time(alert.onset),
            "refit": refit,
        },
    }  # fmt: skip


def job_payload(action: str, job: Job, now: datetime) -> dict[str, object]:
    """What is told of a refit, a tuning or a rollback that ended."""
    record, tuned = job.refit, job.tuned
    return {
        "schema_version": SCHEMA_VERSION, "event": f"job.{JOB_EVENT[job.state.value]}", "at": _time(now), "action": action,
        "model": job.model,
        "job": {
            "id": job.id, "kind": job.kind, "trigger": job.trigger, "state": job.state.value, **_slice(job.scope),
            "requested_at": _time(job.requested_at), "finished_at": _time(job.finished_at), "attempts": job.attempts,
            "reasons": list(job.reasons), "codes": [reason.code for reason in job.why],
            "facts": [dict(reason.values) for reason in job.why],
            "calibrator": (record.calibrator if record else tuned.get("artefact")) or None,
            "method": (record.method if record else tuned.get("method")) or None,
            "before": (record and dict(record.before)) or None, "after": (record and dict(record.after)) or None,
        },
    }  # fmt: skip


def _slice(slice_: Slice) -> dict[str, object]:
    return {"slice": slice_.text, "labels": slice_.as_dict()}


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
