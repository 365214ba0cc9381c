"""What the API changes: samples come in, jobs are asked for and cancelled, the configuration is read anew."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from monitor.config.settings import Config, Model
from monitor.config.tokens import Role
from monitor.model import JobState, Slice
from monitor.publish.web.access import Caller, demand_role
from monitor.publish.web.api import write_schemas as orders
from monitor.publish.web.api.openapi import NOT_FOUND
from monitor.publish.web.api.push import Desk, Push, idempotency_key, media_type, source_for
from monitor.publish.web.state import Control, State
from monitor.rules.conditions import find_unseen_scope
from monitor.sources.inbox import Inbox
from monitor.sources.push_body import ARROW, LINES, MEGABYTE, PARQUET
from monitor.store.published.queries import load_seen_slices

log = structlog.get_logger("calwatch")
Writer = Annotated[Caller, Depends(demand_role(Role.WRITE))]
Admin = Annotated[Caller, Depends(demand_role(Role.ADMIN))]
ModelName = Annotated[str, Path(description="the model's name")]
SourceName = Annotated[str | None, Query(description="which source of kind http, where there are several")]
_ROW = {"sample_id": "a1", "observed_at": "2026-03-01T06:00:00Z", "score": 0.83, "outcome": 1, "camera": "c3"}
_BODIES = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "array", "minItems": 1, "items": {"type": "object"}, "example": [_ROW]}
        },
        **{media: {"schema": {"type": "string", "format": "binary"}} for media in (LINES, PARQUET, ARROW)},
    },
}
_KEY_HEADER = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,200}$"},
    "description": "names the push; sent again with the same body it is the same push. Default: the body's hash",
}  # fmt: skip
_REFUSALS = {
    404: "Not Found", 409: "the Idempotency-Key came with another body before", 422: "nothing of the body can be taken",
    429: "too much waits already: again after Retry-After seconds", 507: "the disk is full",
}  # fmt: skip


def _refusals(*statuses: int) -> dict[int | str, dict[str, object]]:
    return {status: {"description": _REFUSALS[status]} for status in statuses}


def write_router(state: State, control: Control, *, now: Callable[[], datetime]) -> APIRouter:
    """Everything that needs the role write, under /api/v1."""
    router = APIRouter(tags=["change"])
    desk = Desk(now)

    @router.post(
        "/models/{model:path}/samples", status_code=202,
        responses={
            **_refusals(409, 422, 429, 507),
            200: {"model": orders.PushItem, "description": "it came before; this is what became of it"},
        },
        openapi_extra={"requestBody": _BODIES, "parameters": [_KEY_HEADER]},
    )  # fmt: skip
    async def push(
        model: ModelName, request: Request, response: Response, caller: Writer, source: SourceName = None
    ) -> orders.PushItem:
        """Push samples (or labels): a list of rows as JSON, JSON Lines, Parquet, or an Arrow stream.

        202: it is on disk, and the next cycle takes it. 200: it came before, and this is what became of it. Rows are told
        apart by sample_id and observed_at, so that none counts twice; bad rows go to the quarantine with their position.
        """
        config = _config(state)
        held = _model(config, model)
        to = source_for(held, source)
        media, key = media_type(request), idempotency_key(request)
        async with desk.receive_body(request, config.server.max_push_megabytes * MEGABYTE) as body:
            receipt, new = await run_in_threadpool(desk.accept_push, Push(held, to, media, body, key), config)
            if new:
                log.info("pushed", model=model, source=to.name, push=receipt.id, bytes=len(body), by=caller.name)
        response.status_code = 202 if new else 200
        return orders.push_item(receipt)

    @router.get("/models/{model:path}/samples/{push_id}", responses=NOT_FOUND)
    def pushed(
        model: ModelName, push_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")], source: SourceName = None
    ) -> orders.PushItem:
        """What became of a push; of the newest 50,000 of each source."""
        config = _config(state)
        held = _model(config, model)
        for each in held.source:
            if each.kind == "http" and source in (None, each.name):
                receipt = desk.find_receipt(Inbox.of(config.state_dir, held.name, each.name), push_id)
                if receipt is not None:
                    return orders.push_item(receipt)
        raise HTTPException(404, "there is no such push, or it was long ago")

    @router.post("/models/{model:path}/jobs", status_code=202, responses=_refusals(404, 409, 422))
    def ask(model: ModelName, asked: orders.JobRequest, caller: Writer) -> orders.Asked:
        """Ask for a refit, a tuning of thresholds or a rollback; the next cycle takes it up."""
        configured = _model(_config(state), model)
        scope = _scope(configured, asked.slice)
        if asked.kind == "tune" and configured.threshold is None:
            raise HTTPException(422, "there is nothing to tune for: [model.threshold] policy says what")
        if asked.kind != "rollback":
            _demand_seen(state, configured, scope)
        if asked.to is not None and asked.kind != "rollback":
            raise HTTPException(422, '"to" is for a rollback')
        for job in state.published.models if state.published else ():
            same = [each for each in job.jobs if (each.model, each.kind, each.scope) == (model, asked.kind, scope)]
            for each in same:
                if each.state in (JobState.QUEUED, JobState.RUNNING):
                    raise HTTPException(409, f"job {each.id} does this already: it is {each.state.value}")
        job_id = control.ask_job(model, asked.kind, scope, asked.to)
        log.info("job asked for", model=model, kind=asked.kind, scope=scope.text, job=job_id, by=caller.name)
        return orders.Asked(job=job_id)

    @router.post("/jobs/{job}/cancel", status_code=202, responses=_refusals(404, 409))
    def cancel(job: str, caller: Writer) -> orders.Asked:
        """Cancel a queued or running job; the next cycle does it."""
        with state.history() as past:
            found = past.jobs(id=job, limit=1).jobs
        if not found:
            raise HTTPException(404, f"there is no job {job[:200]!r}: /jobs lists those there are")
        if found[0].state not in (JobState.QUEUED, JobState.RUNNING):
            raise HTTPException(409, f"job {job} has ended already: {found[0].state.value}")
        control.cancel(found[0].model, job)
        log.info("job to be cancelled", model=found[0].model, job=job, by=caller.name)
        return orders.Asked(job=job)

    return router


def reload_router(control: Control) -> APIRouter:
    """``POST /-/reload``, as Prometheus has it."""
    router = APIRouter(tags=["change"])

    @router.post("/-/reload", responses={422: {"description": "Unprocessable Entity"}})
    def reload(caller: Admin) -> orders.Reloaded:
        """Read configuration and rules anew; with mistakes in them (422) the old ones stay."""
        log.info("reload asked for", by=caller.name)
        mistakes = control.reload()
        if mistakes:
            told = f"nothing was reloaded, the old configuration stays in force: {mistakes[0]}"
            raise orders.MistakesError(f"{told} (and {len(mistakes) - 1} more)" if mistakes[1:] else told, mistakes)
        return orders.Reloaded(status="reloaded")

    return router


def _demand_seen(state: State, model: Model, scope: Slice) -> None:
    seen = load_seen_slices(_config(state).state_dir, model.name)
    if (unseen := find_unseen_scope(scope, seen, model.max_order)) is not None:
        raise HTTPException(404, f"there is no sample of {scope.text}: {unseen}")


def _config(state: State) -> Config:
    if state.config is None:
        raise HTTPException(409, "nothing is configured here: this shows what has been played")
    return state.config


def _model(config: Config, name: str) -> Model:
    found = config.model_named(name)
    if found is None:
        raise HTTPException(404, f"there is no model {name[:200]!r}: /models lists those there are")
    return found


def _scope(model: Model, text: str) -> Slice:
    try:
        text.encode()
        scope = Slice.parse(text)
    except UnicodeEncodeError:
        raise HTTPException(422, "slice is no text that can be written: it holds half a character") from None
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    unknown = sorted(scope.as_dict().keys() - set(model.slices))
    if unknown:
        raise HTTPException(404, f"slice names {', '.join(unknown)}; dimensions: {', '.join(model.slices) or 'none'}")
    return scope
