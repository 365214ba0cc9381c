"""The API as an application of its own, so that it has its own description: /api/v1/openapi.json."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from monitor import __version__
from monitor.model.errors import CalwatchError, StoreError
from monitor.publish.web.access import answer_refusal
from monitor.publish.web.api.backups import backup_router
from monitor.publish.web.api.images import images_router
from monitor.publish.web.api.openapi import describe_refusals, operation_id
from monitor.publish.web.api.read import read_router
from monitor.publish.web.api.write import write_router
from monitor.publish.web.api.write_schemas import MistakesError
from monitor.publish.web.middleware import Failures, refusal_response
from monitor.publish.web.state import Control, State

PREFIX = "/api/v1"
MOST_TOLD = 20  # mistakes of one request


def create_api(state: State, control: Control | None, *, now: Callable[[], datetime]) -> FastAPI:
    """To be mounted under PREFIX. Without ``control`` it only shows. A refusal is a ``schemas.ProblemDetail``."""
    api = FastAPI(
        title="calwatch", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False,
        generate_unique_id_function=operation_id,
        description="Calibration of vision models in production. Unknown numbers are null, never 0. "
        "Who may do what: roles read, write, admin; `Authorization: Bearer TOKEN`.",
    )  # fmt: skip
    api.include_router(read_router(state, now=now))
    api.include_router(images_router(state))
    if control is not None:
        api.include_router(write_router(state, control, now=now))
        api.include_router(backup_router(control, now=now))
    add_refusals(api)
    api.add_middleware(Failures)  # before this application's own answer to a mistake, which says nothing
    describe_refusals(api)
    return api


def add_refusals(app: FastAPI) -> None:
    """Answers for errors that routes raise."""
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(MistakesError, _mistaken)
    app.add_exception_handler(CalwatchError, _problem)


def answer_http_error(request: Request, error: Exception) -> Response:
    """A refusal, that of the framework in our words."""
    assert isinstance(error, HTTPException)
    ours = {
        "Not Found": f"nothing is served under this path: {PREFIX}/openapi.json lists what is",
        "Method Not Allowed": f"{request.method} is not for this path: {PREFIX}/openapi.json says what is",
    }
    error.detail = ours.get(error.detail, error.detail)
    return answer_refusal(error, request.headers)


def _unfit(request: Request, error: Exception) -> Response:
    """Without what was sent: it may be large, secret, or no JSON."""
    assert isinstance(error, RequestValidationError)
    mistakes = [_sentence(each) for each in error.errors()[:MOST_TOLD]]
    return _mistaken(request, MistakesError("; ".join(mistakes), mistakes))


def _sentence(mistake: Mapping[str, Any]) -> str:
    where = [str(part) for part in mistake["loc"] if part not in ("query", "path", "body", "header")]
    name = ".".join(where)[:100] if mistake["type"] != "json_invalid" else ""
    return f"{name or 'body'}: {mistake['msg'][:300]}"


def _mistaken(request: Request, error: Exception) -> Response:
    assert isinstance(error, MistakesError)
    return JSONResponse({"detail": error.sentence, "mistakes": error.mistakes}, 422)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, CalwatchError)
    text = ": ".join(part for part in (error.message, error.hint) if part)
    return refusal_response(503 if isinstance(error, StoreError) else 422, text)
