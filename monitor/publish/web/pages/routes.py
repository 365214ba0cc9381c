"""The pages' addresses. All stand on one level, so that links work behind a prefix; names are in the query only."""

from collections.abc import Callable
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from monitor.charts.client import Drawer
from monitor.publish.web.pages.charts import pictures_router
from monitor.publish.web.pages.digest import Digests
from monitor.publish.web.pages.errors import page_refusals
from monitor.publish.web.pages.images import images_page
from monitor.publish.web.pages.jobs import intake_page, job_page, jobs_page, thresholds_page
from monitor.publish.web.pages.model import model_page
from monitor.publish.web.pages.overview import overview_page
from monitor.publish.web.pages.render import PageContext
from monitor.publish.web.pages.rules import rules_page
from monitor.publish.web.pages.settings import settings_page
from monitor.publish.web.pages.slice import slice_page
from monitor.publish.web.state import State

_PAGES: dict[str, Callable[..., str]] = {
    "/": overview_page, "/model": model_page, "/slice": slice_page, "/jobs": jobs_page, "/job": job_page,
    "/thresholds": thresholds_page, "/rules": rules_page, "/images": images_page, "/intake": intake_page,
    "/settings": settings_page,
}  # fmt: skip


def pages_router(
    state: State, digests: Digests, open_context: Callable[[], PageContext], drawer: Drawer | None
) -> APIRouter:
    """Return the pages for people, their charts and their style sheet. They read snapshots and the past, and change nothing."""
    router = APIRouter(
        default_response_class=HTMLResponse, include_in_schema=False, route_class=page_refusals(open_context)
    )
    style = (resources.files("monitor.publish.web") / "templates" / "style.css").read_text("utf-8")
    router.include_router(pictures_router(state, digests, drawer or Drawer()))
    for path, page in _PAGES.items():
        router.add_api_route(path, page)

    @router.get("/style.css")
    def style_sheet() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})

    return router
