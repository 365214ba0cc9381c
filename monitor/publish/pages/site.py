"""The templates of the pages, and what stands on each of them."""

from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor import wording
from monitor.publish import texts
from monitor.publish.heat import more_than_luck
from monitor.publish.pages.digest import Digest
from monitor.publish.pages.listing import link


def render(
    template: str,
    digest: Digest | None,
    now: datetime,
    *,
    stale_after: timedelta,
    model: str | None = None,
    up: str = "",
    **held: Any,
) -> str:
    """A page as of ``now``. ``model``: the one it is about, for the links to its other pages; ``up``: leads to the level of
    the pages from one that stands below it."""
    age = now - digest.published.at if digest else None
    return _TEMPLATES.get_template(template).render(
        published=digest.published if digest else None, now=now, age=age, stale=age is not None and age > stale_after,
        model_name=model, place=template.removesuffix(".html"), up=up, **held,
    )  # fmt: skip


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("monitor.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.filters.update(
        number=wording.number, signed=wording.signed, share=wording.percent, minute=wording.minute, span=wording.span,
        count=texts.count, scale=texts.scale, shortened=texts.shortened, breakable=texts.breakable, lacking=texts.lacking,
        change=texts.change, asked_by=texts.asked_by, delays=texts.delays, condition=texts.condition, promise=texts.promise,
        why=texts.why, sentence=texts.sentence, told_waiting=wording.told_waiting, told_spans=wording.told_spans,
        in_quotes=wording.in_quotes, told_folded=wording.told_folded,
    )  # fmt: skip
    found.tests.update(untold_onset=texts.began)
    found.globals.update(link=link, more_than_luck=more_than_luck)
    return found


_TEMPLATES = _environment()
