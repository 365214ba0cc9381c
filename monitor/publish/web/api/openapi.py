"""What the OpenAPI descriptions say beyond the routes: who may ask, and how a refusal looks, the same everywhere."""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.routing import APIRoute

from monitor.publish.web.api.schemas import ProblemDetail

# by operation an answer, with the numbers of a model whose camera c3 became over-confident
EXAMPLES: Mapping[str, Any] = json.loads(
    (resources.files("monitor.publish.web.api") / "examples.json").read_text("utf-8")
)
_ALWAYS = {
    "400": "no HTTP request that is served, such as one without a Host",
    "401": "a token is needed, or the one sent is not known; with Retry-After where many wrong ones came before",
    "404": "there is no such model, source, dimension, job or push",
    "421": "a name is asked for that is not served here",
    "422": "parameters or body do not fit",
    "500": "a mistake in calwatch; its log says more",
    "503": "the database cannot be asked now",
}
_UNUSED = ("HTTPValidationError", "ValidationError")  # what FastAPI would answer; here a ProblemDetail is
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "Not Found"}}  # of routes that name one thing
_CHANGES = {
    "403": "the token's role does not cover this, or a page of another site asks",
    "408": "the body came too slowly",
    "413": "the body is too large",
    "415": "no such type of body is taken",
}


def operation_id(route: APIRoute) -> str:
    """The operation's id: clients are generated with it as the name of a function."""
    return route.name


def describe_refusals(app: FastAPI) -> None:
    """Let the application describe tokens and refusals."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(made())
        return made()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend a description


def _complete(described: dict[str, Any]) -> None:
    parts = described.setdefault("components", {})
    parts["securitySchemes"] = {
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "made by calwatch token new; on a loopback address reading needs none",
        }
    }  # fmt: skip
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = jsonable_encoder(ProblemDetail.model_json_schema(), exclude_none=True)
    for unused in _UNUSED:
        schemas.pop(unused, None)
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in described["paths"].values():
        for method, operation in path.items():
            operation["security"] = [{"token": []}] if method == "post" else [{}, {"token": []}]
            own = operation["responses"]
            for status, meaning in (_ALWAYS if method == "get" else {**_ALWAYS, **_CHANGES}).items():
                own.setdefault(status, {"description": meaning})
            for status, held in own.items():
                if status >= "400" and ("content" not in held or _UNUSED[0] in str(held["content"])):
                    held["content"] = problem
            example = EXAMPLES.get(operation["operationId"])
            for status in ("200", "202"):
                if example is not None and "application/json" in own.get(status, {}).get("content", {}):
                    own[status]["content"]["application/json"]["example"] = example
