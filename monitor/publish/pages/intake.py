"""What comes in: sources with their newest pull and their troubles, and what was set aside, with samples of it."""

from datetime import datetime, timedelta

from monitor.publish.pages.digest import Digest
from monitor.publish.pages.site import render
from monitor.store.history import History

BACK = timedelta(days=7)
SOURCES, PULLS, COUNTS, ROWS = 200, 30, 200, 25


def intake_page(
    digest: Digest | None, now: datetime, history: History, *, stale_after: timedelta, model: str | None = None,
    source: str | None = None, reason: str | None = None,
) -> str:  # fmt: skip
    """Of one model or of all; with ``model`` also rows that were set aside. Raises UsageError for a model there is not."""
    if digest is not None and model is not None:
        digest.model(model)
    at = digest.published.at if digest else now
    held = [each for each in digest.published.models if model in (None, each.name)] if digest else []
    waiting = [each for status in held for each in status.waiting_labels]
    counts = history.quarantine_counts(model, limit=COUNTS)
    return render(
        "intake.html", digest, now, stale_after=stale_after, model=model, source=source, reason=reason, back=BACK,
        sources=history.sources(at - BACK, model, limit=SOURCES), most_sources=SOURCES,
        notes=history.notes(at - BACK, model, limit=PULLS), pulls=history.pulls(at - BACK, model, limit=PULLS), counts=counts,
        set_aside=history.quarantined(model, source, reason, limit=ROWS) if model is not None else (),
        waiting=sorted(waiting, key=lambda each: (not each.suspicious, -each.labels))[:SOURCES],
        held_files=[status for status in held if status.files_set_aside],
        statuses=[digest.models[model]] if digest and model is not None else [],
    )  # fmt: skip
