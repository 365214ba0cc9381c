"""The overview page: one snapshot → HTML, rendered here, with nothing to load but a style sheet."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor.errors import UsageError
from monitor.model import AlertState, Job, ModelStatus, Published, Reading, ReadingState, RuleKind, Slice
from monitor.publish import diagram, texts
from monitor.publish.diagram import Diagram
from monitor.publish.summary import Condition, Summary, summarise, urgency

ROWS = 100  # slices on one page
ALERTS = 50
JOBS = 10


@dataclass(frozen=True, slots=True)
class Card:
    """A model in the list at the top."""

    model: ModelStatus
    summary: Summary
    link: str


@dataclass(frozen=True, slots=True)
class Detail:
    """The one model that is shown in full, over one window."""

    model: ModelStatus
    window: str
    windows: tuple[tuple[str, str], ...]  # name, link
    readings: tuple[Reading, ...]  # of this page, worst first
    total: int
    page: int
    pages: int
    previous: str | None
    next: str | None
    versions: bool  # whether the window holds several
    diagrams: tuple[tuple[str, Diagram], ...]
    jobs: tuple[Job, ...]  # newest first


def render_page(
    published: Published | None, now: datetime, *, stale_after: timedelta, model: str | None = None,
    window: str | None = None, page: int = 1,
) -> str:  # fmt: skip
    """The page as of ``now``. Raises UsageError for a model or window that is not in the snapshot.

    ``model`` None takes the first in trouble; ``window`` None takes, of those that its firing rules watch (or else all
    its rules), the one with the most known readings. A ``page`` beyond the last shows the last.
    """
    models = published.models if published else ()
    cards = tuple(Card(each, summarise(each), _link(model=each.name)) for each in models)
    shown = _chosen(cards, model)
    alerts = sorted(
        (alert for each in models for alert in each.alerts if alert.state in (AlertState.FIRING, AlertState.PENDING)),
        key=lambda alert: (alert.state is not AlertState.FIRING, *urgency(alert)),
    )
    age = now - published.at if published else None
    return _TEMPLATES.get_template("overview.html").render(
        published=published, now=now, age=age, stale=age is not None and age > stale_after, cards=cards,
        alerts=alerts[:ALERTS], more_alerts=len(alerts) - ALERTS, detail=_detail(shown, window, page),
        summaries={(each.name, rule.name): rule.summary for each in models for rule in each.rules},
    )  # fmt: skip


def worst_first(readings: tuple[Reading, ...]) -> list[Reading]:
    """By ece_lower, then ece_debiased; then readings whose ECE is not known, and insufficient ones by samples."""

    def key(reading: Reading) -> tuple[bool, float, float, int, Slice, str]:
        enough = reading.state is ReadingState.OK
        lower = reading.metrics.get("ece_lower") if enough else None
        debiased = reading.metrics.get("ece_debiased") if enough else None
        return not enough, -_or_least(lower), -_or_least(debiased), -reading.samples, reading.slice, reading.version

    return sorted(readings, key=key)


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value


def _link(**query: str | int) -> str:
    return "?" + urlencode(query)


def _chosen(cards: tuple[Card, ...], name: str | None) -> ModelStatus | None:
    if name is not None:
        for card in cards:
            if card.model.name == name:
                return card.model
        raise UsageError(f'there is no model "{name}"', f"known: {', '.join(card.model.name for card in cards)}")
    order = list(Condition)
    return min(cards, key=lambda card: order.index(card.summary.condition)).model if cards else None


def _window(model: ModelStatus, names: list[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in names:
            raise UsageError(
                f'model "{model.name}" has no readings over window "{asked}"',
                f"known: {', '.join(names) or 'none yet'}",
            )
        return asked
    firing = {alert.rule for alert in model.alerts if alert.state is AlertState.FIRING}
    watched = {rule.name: rule.window for rule in model.rules if rule.kind is RuleKind.THRESHOLD}
    of_alerts = [window for window in names if window in {watched.get(rule) for rule in firing}]
    of_rules = [window for window in names if window in watched.values()]
    known = Counter(reading.window for reading in model.readings if reading.state is ReadingState.OK)
    return max(of_alerts or of_rules or names, key=lambda window: known[window], default="")


def _detail(model: ModelStatus | None, asked: str | None, page: int) -> Detail | None:
    if model is None:
        return None
    names = list(dict.fromkeys(reading.window for reading in model.readings))
    window = _window(model, names, asked)
    readings = worst_first(tuple(reading for reading in model.readings if reading.window == window))
    pages = max(-(-len(readings) // ROWS), 1)
    page = min(page, pages)

    def to(number: int) -> str | None:
        return _link(model=model.name, window=window, page=number) + "#slices" if 1 <= number <= pages else None

    return Detail(
        model=model, window=window,
        windows=tuple((name, _link(model=model.name, window=name) + "#slices") for name in names),
        readings=tuple(readings[(page - 1) * ROWS : page * ROWS]), total=len(readings),
        page=page, pages=pages, previous=to(page - 1), next=to(page + 1),
        versions=len({reading.version for reading in readings}) > 1,
        diagrams=_diagrams(readings), jobs=tuple(reversed(model.jobs[-JOBS:])),
    )  # fmt: skip


def _diagrams(readings: list[Reading]) -> tuple[tuple[str, Diagram], ...]:
    """Of all traffic (of the version with most of it) and of the worst slice."""
    drawn = [reading for reading in readings if reading.reliability]
    whole = max((each for each in drawn if each.slice.order == 0), key=lambda each: each.samples, default=None)
    worst = next((each for each in drawn if each.slice.order > 0), None)
    named = (("All traffic", whole), ("Worst slice", worst))
    return tuple((name, diagram.diagram(reading)) for name, reading in named if reading is not None)


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("monitor.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    templates.filters.update(
        number=texts.number, signed=texts.signed, share=texts.share, moment=texts.moment, span=texts.span,
        shortened=texts.shortened, breakable=texts.breakable, lacking=texts.lacking, change=texts.change,
    )  # fmt: skip
    templates.globals.update(
        width=diagram.WIDTH, height=diagram.HEIGHT, left=diagram.LEFT, top=diagram.TOP, side=diagram.SIDE,
        counts_bottom=diagram.COUNTS_TOP + diagram.COUNTS_HEIGHT,
    )  # fmt: skip
    return templates


_TEMPLATES = _templates()
