"""What machines ask: the metrics for Prometheus, health and readiness for orchestrators."""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from monitor.publish.exposition import CONTENT_TYPE
from monitor.publish.state import State
from monitor.wording import span


def probes_router(state: State, *, now: Callable[[], datetime]) -> APIRouter:
    """``/metrics`` · ``/healthz``: 200 while cycles end in time, else 503 with the reason (before the first cycle, time
    counts from here on) · ``/readyz``: 200 once a cycle has published."""
    started_at = now()
    router = APIRouter(tags=["probes"])

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """All series in the Prometheus text format."""
        return Response(state.exposition(), headers={"Content-Type": CONTENT_TYPE})

    @router.get("/healthz")
    @router.head("/healthz", include_in_schema=False)
    def healthz() -> JSONResponse:
        """Whether cycles end: restart the process if this stays at 503."""
        return _health(state, started_at, now())

    @router.get("/readyz")
    @router.head("/readyz", include_in_schema=False)
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
