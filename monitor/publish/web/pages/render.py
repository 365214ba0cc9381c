"""The templates of the pages, and what stands on each of them."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import AfterValidator

from monitor.charts.heat import more_than_luck
from monitor.config.settings import Config, Model
from monitor.model.errors import UsageError
from monitor.publish.web.filters import make_environment
from monitor.publish.web.pages.digest import Digest
from monitor.store.published.history import History

Item = TypeVar("Item")


def make_link(path: str, /, **query: str | int | None) -> str:
    """``path?name=value…`` relative to the pages, which all stand on one level; what is None or empty is left out."""
    asked = {name: value for name, value in query.items() if value is not None and value != ""}
    return f"{path}?{urlencode(asked)}" if asked else path


def demand_known(what: str, got: str | None, known: Collection[str]) -> None:
    """Raises UsageError for a name that is none of those known; None is no name."""
    if got is not None and got not in known:
        raise UsageError(f'there is no {what} "{got}"', f"known: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """One page of a list; ``total`` counts the whole list."""

    items: Sequence[Item]
    total: int
    number: int
    pages: int
    previous: str | None
    next: str | None


def cut_part(items: Sequence[Item], number: int, size: int, to: Callable[[int], str]) -> Part[Item]:
    """Page ``number`` (from 1) of a list that is all there; a number beyond the last shows the last."""
    pages = max(-(-len(items) // size), 1)
    number = min(number, pages)
    return make_part(items[(number - 1) * size : number * size], len(items), number, size, to)


def make_part(items: Sequence[Item], total: int, number: int, size: int, to: Callable[[int], str]) -> Part[Item]:
    """The same where only the items of this page are there."""
    pages = max(-(-total // size), 1)
    return Part(
        items, total, number, pages, to(number - 1) if number > 1 else None, to(number + 1) if number < pages else None
    )


@dataclass(frozen=True, slots=True)
class PageContext:
    """What every page shows beside its own: what was published last, None before anything was, as of ``now``."""

    digest: Digest | None
    now: datetime
    stale_after: timedelta
    config: Config | None = None  # in force, None where no daemon says it

    def find_settings(self, model: str) -> Model | None:
        """Return a model as it is configured; None where the configuration does not have it."""
        return self.config.model_named(model) if self.config is not None else None

    def render_page(self, template: str, *, model: str | None = None, up: str = "", **held: Any) -> str:
        """Return a page as HTML. ``model``: the one it is about, for the links to its other pages; ``up``: leads to the
        level of the pages from one that stands below it."""
        published = self.digest.published if self.digest else None
        age = self.now - published.at if published else None
        return _TEMPLATES.get_template(template).render(
            published=published, now=self.now, age=age, stale=age is not None and age > self.stale_after, model_name=model,
            place=template.removesuffix(".html"), up=up, **held,
        )  # fmt: skip


def _context(request: Request) -> PageContext:
    found: PageContext = request.app.state.open_context()
    return found


def _past(request: Request) -> Callable[[], AbstractContextManager[History]]:
    found: Callable[[], AbstractContextManager[History]] = request.app.state.shown.history
    return found


# what pages are asked with
Context = Annotated[PageContext, Depends(_context)]
Past = Annotated[Callable[[], AbstractContextManager[History]], Depends(_past)]
Number = Annotated[int, Query(ge=1, le=1_000_000)]
Text = Annotated[str | None, Query(max_length=2000)]
Choice = Annotated[str | None, Query(max_length=2000), AfterValidator(lambda text: text or None)]
SliceText = Annotated[str, Query(alias="slice", max_length=4000)]

_TEMPLATES = make_environment("monitor.publish.web", "templates")
_TEMPLATES.globals.update(link=make_link, more_than_luck=more_than_luck)
