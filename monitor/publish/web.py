"""HTTP: metrics for Prometheus, health for orchestrators, the page for people. Reads snapshots, changes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import resources
from typing import Annotated, Protocol

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor import __version__
from monitor.errors import UsageError
from monitor.model import Published
from monitor.publish.exposition import CONTENT_TYPE
from monitor.publish.page import render_page
from monitor.publish.texts import span

# No script, no frame, nothing from elsewhere; data: is the empty icon that keeps browsers from asking for one.
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class State(Protocol):
    """What the process shows. Read on each request, from several threads."""

    @property
    def published(self) -> Published | None:
        """The newest snapshot; None before the first cycle has ended."""
        ...

    @property
    def stale_after(self) -> timedelta:
        """Age from which the last cycle counts as too long ago: some multiple of the interval."""
        ...

    def exposition(self) -> bytes:
        """The Prometheus text."""
        ...


def create_app(state: State, *, now: Callable[[], datetime]) -> FastAPI:
    """The application. It knows no clock but ``now``, and repeats no host.

    ``/metrics`` · ``/healthz``: 200 while cycles end in time, else 503 with the reason (before the first cycle, time
    counts from here on) · ``/readyz``: 200 once a cycle has published · ``/``: the page.
    """
    started_at = now()
    # Redirects to a path with or without a slash would be built from the Host header: there are none.
    app = FastAPI(title="calwatch", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(_SecurityHeaders)
    style = (resources.files("monitor.publish") / "templates" / "style.css").read_text("utf-8")

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """All series in the Prometheus text format."""
        return Response(state.exposition(), headers={"Content-Type": CONTENT_TYPE})

    @app.get("/healthz")
    @app.head("/healthz", include_in_schema=False)
    def healthz() -> JSONResponse:
        """Whether cycles end: restart the process if this stays at 503."""
        return _health(state, started_at, now())

    @app.get("/readyz")
    @app.head("/readyz", include_in_schema=False)
    def readyz() -> JSONResponse:
        """Whether there is anything to show yet."""
        if state.published is None:
            return JSONResponse({"status": "starting", "reason": "the first cycle has not ended yet"}, 503)
        return JSONResponse({"status": "ok"})

    @app.get("/", response_class=HTMLResponse)
    def overview(
        model: str | None = None, window: str | None = None, page: Annotated[int, Query(ge=1)] = 1
    ) -> HTMLResponse:
        """The page for people: one model in full, over one window, 100 slices at a time."""
        html = render_page(
            state.published, now(), stale_after=state.stale_after, model=model, window=window, page=page
        )  # fmt: skip
        return HTMLResponse(html)

    @app.get("/style.css", include_in_schema=False)
    def style_sheet() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})

    @app.exception_handler(UsageError)
    def not_found(request: Request, error: UsageError) -> PlainTextResponse:
        return PlainTextResponse(f"{error.message}\n{error.hint}\n", 404)

    return app


def _health(state: State, started_at: datetime, now: datetime) -> JSONResponse:
    published = state.published
    age = now - (published.at if published else started_at)
    if age <= state.stale_after:
        return JSONResponse({"status": "ok"})
    last = f"the last cycle was {span(age)} ago" if published else f"no cycle has ended in {span(age)} since the start"
    return JSONResponse({"status": "stale", "reason": f"{last}, more than {span(state.stale_after)}"}, 503)


class _SecurityHeaders:
    """Adds the headers above to every response that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
