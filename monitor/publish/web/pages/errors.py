"""Pages in place of those that cannot be shown: what was asked for does not exist, or cannot be told now."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from monitor.model.errors import StoreError, UsageError
from monitor.publish.web.pages.render import PageContext

_HEADINGS = {404: "There is no such page", 422: "This address cannot be read", 503: "This cannot be shown now"}
_Answer = Callable[[Request], Coroutine[Any, Any, Response]]


def answer_missing(request: Request, open_context: Callable[[], PageContext]) -> Response | None:
    """The answer to a browser that asks for a path under which nothing is served. None for whoever does not ask for HTML,
    or asks below /api: programs get JSON."""
    path = request.scope["path"]
    if path == "/api" or path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return None
    html = open_context().render_page(
        "missing.html", heading=_HEADINGS[404], message="nothing is served under this address", hint="", up=_up(request),
    )  # fmt: skip
    return HTMLResponse(html, 404, {"Vary": "Accept"})


def _up(request: Request) -> str:
    """What leads a browser from the path it asked for to the level of the pages."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return "../" * (path.partition(b"?")[0].count(b"/") - 1)


def page_refusals(open_context: Callable[[], PageContext]) -> type[APIRoute]:
    """Routes whose refusals are pages that lead on: 404 for what does not exist, 422 for an address that cannot be read,
    503 for a database that cannot be asked now."""

    def page(request: Request, status: int, message: str, hint: str) -> Response:
        context = open_context()
        model = request.query_params.get("model", "")
        known = model if context.digest is not None and model in context.digest.models else None
        return HTMLResponse(
            context.render_page("missing.html", model=known, heading=_HEADINGS[status], message=message, hint=hint), status
        )  # fmt: skip

    class Told(APIRoute):
        def get_route_handler(self) -> _Answer:
            shown = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await shown(request)
                except (UsageError, StoreError) as error:
                    return page(request, 503 if isinstance(error, StoreError) else 404, error.message, error.hint)
                except RequestValidationError as error:
                    wrong = (f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
                    return page(request, 422, "; ".join(wrong), "")

            return answer

    return Told
