"""The HTTP application: probes for machines, pages for people. Each idea is a router; this puts them together."""

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from monitor import __version__
from monitor.charts.client import Drawer
from monitor.model.errors import CalwatchError, StoreError, UsageError
from monitor.publish.web.access import Access, AccessGuard
from monitor.publish.web.api.app import PREFIX, add_refusals, answer_http_error, create_api
from monitor.publish.web.api.openapi import describe_refusals, operation_id
from monitor.publish.web.api.write import reload_router
from monitor.publish.web.images import list_origins
from monitor.publish.web.middleware import Failures, HeadAsGet, SecurityHeaders, SmallBodies
from monitor.publish.web.pages.digest import Digests
from monitor.publish.web.pages.errors import answer_missing
from monitor.publish.web.pages.render import PageContext
from monitor.publish.web.pages.routes import pages_router
from monitor.publish.web.probes import probes_router
from monitor.publish.web.state import Control, State


def create_app(
    state: State, *, now: Callable[[], datetime], access: Callable[[], Access] | None = None, control: Control | None = None,
    drawer: Drawer | None = None,
) -> FastAPI:  # fmt: skip
    """The application. It knows no clock but ``now``, and repeats no host.

    ``access``: who may ask what; without, anybody may see everything, so what is served has it. ``control``: what the API
    may ask of the process; without, nothing can be changed. ``drawer``: draws the charts; without, one of its own.
    """
    # Redirects to a path with or without a slash would be built from the Host header: there are none.
    app = FastAPI(
        title="calwatch", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False,
        generate_unique_id_function=operation_id, description=f"Probes, metrics and reload; all else is under {PREFIX}.",
    )  # fmt: skip
    # from the inside out: the last one added is met first
    app.add_middleware(SmallBodies)
    if access is not None:
        app.add_middleware(AccessGuard, access=access, now=now)
    app.add_middleware(Failures)
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityHeaders, origins=lambda: list_origins(state.config))
    if control is not None:
        app.include_router(reload_router(control))
    add_refusals(app)
    app.include_router(probes_router(state, now=now))
    digests = Digests()
    app.state.shown = state
    app.state.open_context = lambda: PageContext(
        digests.digest_published(state.published), now(), state.stale_after, state.config
    )
    app.include_router(pages_router(state, digests, app.state.open_context, drawer))
    app.mount(PREFIX, create_api(state, control, now=now))
    describe_refusals(app)
    app.add_exception_handler(UsageError, _plainly)
    app.add_exception_handler(StoreError, _plainly)
    _lead_back(app, app.state.open_context)
    return app


def _lead_back(app: FastAPI, open_context: Callable[[], PageContext]) -> None:
    """A browser that asks for a path there is not gets a page; everything else is answered as the API does."""

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        page = answer_missing(request, open_context) if error.status_code == 404 else None
        return page or answer_http_error(request, error)

    app.add_exception_handler(HTTPException, refused)


def _plainly(request: Request, error: Exception) -> PlainTextResponse:
    """A sentence and what to do: 404 for what does not exist, 503 for a database that cannot be asked now."""
    assert isinstance(error, CalwatchError)
    text = "\n".join(part for part in (error.message, error.hint) if part)
    return PlainTextResponse(f"{text}\n", 503 if isinstance(error, StoreError) else 404)
