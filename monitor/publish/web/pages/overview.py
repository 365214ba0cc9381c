"""The overview: every model with its state and the reasons for it, those in trouble first, and the alerts."""

from collections import Counter

from monitor.model import AlertState
from monitor.publish.web.pages.render import Context, Number, Text, cut_part, make_link
from monitor.publish.web.summary import Condition

MODELS = 60  # on one page
ALERTS = 50


def overview_page(context: Context, *, find: str = "", state: Text = None, page: Number = 1) -> str:
    """Return the page of models whose name holds ``find``, in ``state``; where there is no such state, in any. A
    ``page`` beyond the last shows the last."""
    digest = context.digest
    if digest is None:
        return context.render_page("overview.html")
    wanted, condition = find.casefold(), Condition(state) if state in tuple(Condition) else None
    cards = [
        card for card in digest.cards
        if (condition is None or card[1].condition is condition) and wanted in card[0].name.casefold()
    ]  # fmt: skip
    counts = Counter(summary.condition for summary in digest.summaries.values())
    return context.render_page(
        "overview.html",
        models=cut_part(cards, page, MODELS, lambda number: make_link("./", find=find, state=condition, page=number)),
        counts=[(condition, counts[condition]) for condition in Condition], find=find, state=condition,
        alerts=digest.alerts[:ALERTS], all_alerts=len(digest.alerts), over=digest.over,
        firing=sum(alert.state is AlertState.FIRING for alert in digest.alerts),
        summaries={model: digest.rule_summaries(model) for model in {alert.model for alert in digest.alerts[:ALERTS]}},
    )  # fmt: skip
