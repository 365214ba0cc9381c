"""What machines ask: the metrics for Prometheus, health and readiness for orchestrators."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field

from monitor.model.wording import span
from monitor.publish.metrics.exposition import CONTENT_TYPE
from monitor.publish.web.state import State


class Health(BaseModel):
    """Whether it is well, and if not, why."""

    status: str = Field(description="ok; or with 503: stale (/healthz), starting (/readyz)")
    reason: str | None = Field(None, description="where it is not ok: in a sentence")


_NOT: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "not so; the reason is told"}}


def probes_router(state: State, *, now: Callable[[], datetime]) -> APIRouter:
    """``/metrics`` · ``/healthz``: 200 while cycles end in time, else 503 with the reason (before the first cycle, time
    counts from here on) · ``/readyz``: 200 once a cycle has published."""
    started_at = now()
    router = APIRouter(tags=["probes"])

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """All series in the Prometheus text format."""
        return Response(state.exposition(), headers={"Content-Type": CONTENT_TYPE})

    @router.get("/healthz", response_model=Health, responses=_NOT)
    def healthz() -> JSONResponse:
        """Whether cycles end: restart the process if this stays at 503."""
        return _health(state, started_at, now())

    @router.get("/readyz", response_model=Health, responses=_NOT)
    def readyz() -> JSONResponse:
        """Whether there is anything to show yet."""
        if state.published is None:
            return JSONResponse({"status": "starting", "reason": "the first cycle has not ended yet"}, 503)
        return JSONResponse({"status": "ok"})

    return router


def _health(state: State, started_at: datetime, now: datetime) -> JSONResponse:
    published = state.published
    age = now - (published.at if published else started_at)
    if age <= state.stale_after:
        return JSONResponse({"status": "ok"})
    last = f"the last cycle was {span(age)} ago" if published else f"no cycle has ended in {span(age)} since the start"
    return JSONResponse({"status": "stale", "reason": f"{last}, more than {span(state.stale_after)}"}, 503)
