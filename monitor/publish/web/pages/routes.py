"""The pages' addresses. All stand on one level, so that links work behind a prefix; names are in the query only."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from monitor.charts.client import Drawer
from monitor.model.errors import StoreError
from monitor.publish.web.pages.charts import SliceText, pictures_router
from monitor.publish.web.pages.digest import Digests
from monitor.publish.web.pages.errors import page_refusals
from monitor.publish.web.pages.jobs import intake_page, job_page, jobs_page, thresholds_page
from monitor.publish.web.pages.model import WORST, model_page
from monitor.publish.web.pages.overview import overview_page
from monitor.publish.web.pages.render import PageContext
from monitor.publish.web.pages.rules import rules_page
from monitor.publish.web.pages.settings import settings_page
from monitor.publish.web.pages.slice import SPAN, slice_page
from monitor.publish.web.state import State
from monitor.publish.web.summary import Condition
from monitor.store.published.history import History

Number = Annotated[int, Query(ge=1, le=1_000_000)]
Text = Annotated[str | None, Query(max_length=2000)]


def pages_router(
    state: State, digests: Digests, *, now: Callable[[], datetime], drawer: Drawer | None = None
) -> APIRouter:
    """The pages for people, their charts and their style sheet. Reads snapshots and the past, changes nothing."""
    router = APIRouter(
        default_response_class=HTMLResponse, include_in_schema=False, route_class=page_refusals(state, digests, now=now)
    )  # fmt: skip
    style = (resources.files("monitor.publish.web") / "templates" / "style.css").read_text("utf-8")
    router.include_router(pictures_router(state, digests, drawer or Drawer()))

    def context() -> PageContext:
        return PageContext.from_state(state, digests, now)

    @router.get("/")
    def overview(find: str = "", state_: Annotated[Text, Query(alias="state")] = None, page: Number = 1) -> str:
        """All models, those in trouble first."""
        wanted = Condition(state_) if state_ in tuple(Condition) else None
        return overview_page(context(), find=find, state=wanted, page=page)

    @router.get("/model")
    def model(
        model: str, window: Text = None, sort: str = WORST, find: str = "", show: str = "", page: Number = 1
    ) -> str:
        """One model with its slices."""
        return model_page(
            context(), model=model, window=window, sort=sort,
            find=find, show=show, page=page,
        )  # fmt: skip

    @router.get("/slice")
    def one_slice(model: str, slice_: SliceText, version: Text = None, window: Text = None, span: str = SPAN) -> str:
        """One slice of a model."""
        with ExitStack() as held:
            past: History | None = None
            with suppress(StoreError):  # the present can be shown without the past
                past = held.enter_context(state.history())
            return slice_page(
                context(), past, model=model, slice_text=slice_, version=version, window=window, span=span,
            )  # fmt: skip

    @router.get("/jobs")
    def jobs(
        model: Text = None, kind: Text = None, state_: Annotated[Text, Query(alias="state")] = None, page: Number = 1
    ) -> str:
        """Jobs, newest first."""
        with state.history() as past:
            return jobs_page(
                context(), past, model=model or None,
                kind=kind or None, state=state_ or None, page=page,
            )  # fmt: skip

    @router.get("/job")
    def job(job_id: Annotated[str, Query(alias="id", max_length=100)]) -> str:
        """One job with its attempts."""
        with state.history() as past:
            return job_page(context(), past, job_id=job_id)

    @router.get("/thresholds")
    def thresholds(model: str) -> str:
        """Thresholds in use."""
        return thresholds_page(context(), model=model)

    @router.get("/rules")
    def rules(
        model: str, rule: Text = None, state_: Annotated[Text, Query(alias="state")] = None, page: Number = 1,
        evidence_page: Annotated[Number, Query(alias="look")] = 1,
    ) -> str:  # fmt: skip
        """Rules and their states."""
        with state.history() as past:
            return rules_page(
                context(), past, model=model, rule=rule or None,
                state=state_ or None, page=page, evidence_page=evidence_page,
            )  # fmt: skip

    @router.get("/intake")
    def intake(model: Text = None, source: Text = None, reason: Text = None) -> str:
        """Sources and what was set aside."""
        with state.history() as past:
            return intake_page(
                context(), past, model=model or None,
                source=source or None, reason=reason or None,
            )  # fmt: skip

    @router.get("/settings")
    def settings(model: Text = None) -> str:
        """The configuration in force."""
        return settings_page(context(), state.config, model=model)

    @router.get("/style.css")
    def style_sheet() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})

    return router
