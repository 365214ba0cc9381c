"""The API as an application of its own, so that it has its own description: /api/v1/openapi.json."""

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from monitor import __version__
from monitor.errors import CalwatchError, StoreError
from monitor.publish.access import Refusal, refused
from monitor.publish.api.changing import changing_router
from monitor.publish.api.control import Control
from monitor.publish.api.showing import showing_router
from monitor.publish.state import State

PREFIX = "/api/v1"


def create_api(state: State, control: Control | None, *, now: Callable[[], datetime]) -> FastAPI:
    """To be mounted under PREFIX. Without ``control`` it only shows. A refusal is ``{"detail": …}``."""
    api = FastAPI(
        title="calwatch", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False,
        description="Calibration of vision models in production. Unknown numbers are null, never 0. "
        "Who may do what: roles read, write, admin; `Authorization: Bearer TOKEN`.",
    )  # fmt: skip
    api.include_router(showing_router(state, now=now))
    if control is not None:
        api.include_router(changing_router(state, control, now=now))
    add_refusals(api)
    return api


def add_refusals(app: FastAPI) -> None:
    """Answers for errors that routes raise."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(CalwatchError, _problem)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refused(error, request.headers)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, CalwatchError)
    text = ": ".join(part for part in (error.message, error.hint) if part)
    return JSONResponse({"detail": text}, 503 if isinstance(error, StoreError) else 422)
