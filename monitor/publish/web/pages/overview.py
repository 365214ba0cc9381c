"""The overview: every model with its state and the reasons for it, those in trouble first, and the alerts."""

from collections import Counter
from datetime import datetime, timedelta

from monitor.model import AlertState
from monitor.publish.web.pages.digest import Digest
from monitor.publish.web.pages.render import link, part, render
from monitor.publish.web.summary import Condition

MODELS = 60  # on one page
ALERTS = 50


def overview_page(
    digest: Digest | None, now: datetime, *, stale_after: timedelta, find: str = "", state: Condition | None = None,
    page: int = 1,
) -> str:  # fmt: skip
    """Models whose name holds ``find``, in ``state``. A ``page`` beyond the last shows the last."""
    if digest is None:
        return render("overview.html", None, now, stale_after=stale_after)
    wanted = find.casefold()
    cards = [
        card for card in digest.cards
        if (state is None or card[1].condition is state) and wanted in card[0].name.casefold()
    ]  # fmt: skip
    counts = Counter(summary.condition for summary in digest.summaries.values())
    return render(
        "overview.html", digest, now, stale_after=stale_after,
        models=part(cards, page, MODELS, lambda number: link("./", find=find, state=state, page=number)),
        counts=[(condition, counts[condition]) for condition in Condition], find=find, state=state,
        alerts=digest.alerts[:ALERTS], all_alerts=len(digest.alerts), over=digest.over,
        firing=sum(alert.state is AlertState.FIRING for alert in digest.alerts),
        summaries={model: digest.meanings(model) for model in {alert.model for alert in digest.alerts[:ALERTS]}},
    )  # fmt: skip
