"""Jobs with the gate's reasons and the log of each, and thresholds with their trade-off curves."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query

from monitor.charts.client import can_draw
from monitor.model import JobState
from monitor.model.errors import UsageError
from monitor.publish.web.pages.render import Choice, Context, Number, Past, demand_known, make_link, make_part

BACK = timedelta(days=7)
SOURCES, PULLS, COUNTS, ROWS = 200, 30, 200, 25


def intake_page(
    context: Context, past: Past, *, model: Choice = None, source: Choice = None, reason: Choice = None
) -> str:  # fmt: skip
    """Of one model or of all; with ``model`` also rows that were set aside. Raises UsageError for a model there is not."""
    digest = context.digest
    if digest is not None and model is not None:
        digest.model(model)
    at = digest.published.at if digest else context.now
    held = [each for each in digest.published.models if model in (None, each.name)] if digest else []
    waiting = [each for status in held for each in status.waiting_labels]
    with past() as history:
        found: dict[str, Any] = {
            "sources": history.sources(at - BACK, model, limit=SOURCES), "notes": history.notes(at - BACK, model, limit=PULLS),
            "pulls": history.pulls(at - BACK, model, limit=PULLS), "counts": history.quarantine_counts(model, limit=COUNTS),
            "set_aside": history.quarantined_rows(model, source, reason, limit=ROWS) if model is not None else (),
        }  # fmt: skip
    return context.render_page(
        "intake.html", model=model, source=source, reason=reason, back=BACK, most_sources=SOURCES, **found,
        waiting=sorted(waiting, key=lambda each: (not each.suspicious, -each.labels))[:SOURCES],
        held_files=[status for status in held if status.files_set_aside],
        statuses=[digest.models[model]] if digest and model is not None else [],
    )  # fmt: skip


JOBS = 20  # on one page
_TOLD_ELSEWHERE = ("before", "after", "bars", "payload", "code", "facts")
KINDS = ("recalibrate", "tune", "rollback", "action")


def jobs_page(
    context: Context, past: Past, *, model: Choice = None, kind: Choice = None, state: Choice = None, page: Number = 1
) -> str:  # fmt: skip
    """Jobs of a model or of all, newest first; a ``page`` beyond the last shows the first. Raises UsageError for a model,
    kind or state there is not."""
    if context.digest is not None and model is not None:
        context.digest.model(model)
    demand_known("kind", kind, KINDS)
    demand_known("state", state, tuple(JobState))
    with past() as history:
        found = history.jobs(model, kind=kind, state=state, limit=JOBS, skip=(page - 1) * JOBS)
        if not found.jobs and page > 1:
            page, found = 1, history.jobs(model, kind=kind, state=state, limit=JOBS)
        guards = history.guards(model) if model is not None else ()
    asked = {"model": model, "kind": kind, "state": state}
    return context.render_page(
        "jobs.html", model=model,
        jobs=make_part(found.jobs, found.total, page, JOBS, lambda number: make_link("jobs", **asked, page=number)),
        kind=kind, state=state, kinds=KINDS, states=tuple(JobState),
        guards=guards,
    )  # fmt: skip


def job_page(context: Context, past: Past, *, job_id: Annotated[str, Query(alias="id", max_length=100)]) -> str:
    """One job with every attempt. Raises UsageError when there is none of this id."""
    with past() as history:
        found, attempts = history.jobs(id=job_id, limit=1).jobs, history.attempts(job_id)
    if not found:
        raise UsageError(f'there is no job "{job_id}"', "jobs older than [[model]] history are gone")
    return context.render_page(
        "job.html", model=found[0].model, job=found[0], attempts=attempts,
        details=[(name, value) for name, value in found[0].details.items() if name not in _TOLD_ELSEWHERE],
        drawn=found[0].refit is not None and bool(found[0].refit.bars_after), can_draw=can_draw(),
    )  # fmt: skip


def thresholds_page(context: Context, *, model: str) -> str:
    """Every threshold in use with what it promises, how it did, and what others would have done."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    status = digest.model(model)
    return context.render_page(
        "thresholds.html", model=model, status=status, can_draw=can_draw(),
        live=[reading for reading in status.readings
              if reading.slice.order == 0 and reading.metrics.get("threshold_precision") is not None],
    )  # fmt: skip
