"""What the API shows: lists with filters, by page. Numbers come from the newest cycle, the past from the database."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import WithJsonSchema

from monitor.model import AlertState, JobState, ModelStatus, Published, Reading, ReadingState, Slice, ThresholdInUse
from monitor.publish.web.api import intake_schemas as intake
from monitor.publish.web.api import schemas
from monitor.publish.web.api.openapi import NOT_FOUND
from monitor.publish.web.api.schemas import Listed, Page
from monitor.publish.web.api.write_schemas import SLICE_PATTERN
from monitor.publish.web.state import State

T = TypeVar("T")
Entry = TypeVar("Entry")
Model = Annotated[str | None, Query(description="only this model")]
Version = Annotated[str | None, Query(description="only this version of the model")]
Window = Annotated[str | None, Query(description="only this window, e.g. 24h")]
# validated below, with better words; the description says the same
SliceText = Annotated[str, WithJsonSchema({"type": "string", "pattern": SLICE_PATTERN})]
Pair = Annotated[str, WithJsonSchema({"type": "string", "pattern": "="})]
Moment = Annotated[
    datetime,
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "^(197[1-9]|19[89][0-9]|[2-8][0-9]{3}|9000)-"}),
]
SliceName = Annotated[
    SliceText | None, Query(alias="slice", description='exactly this slice: "all", or labels as text')
]
Label = Annotated[
    list[Pair] | None, Query(description="dimension=value, may be repeated: slices that carry all these labels")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="entries at most")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="entries to skip: next_offset of the page before")]
Points = Annotated[
    int,
    Query(
        ge=1, le=10_000, description="at most so many of each version, each the last (evidence: highest) of its span"
    ),
]
LONGEST = timedelta(days=36_500)
_FIRST_YEAR, _LAST_YEAR = 1971, 9000


def read_router(state: State, *, now: Callable[[], datetime]) -> APIRouter:
    """Everything that only shows."""
    router = APIRouter(tags=["show"])

    def statuses(model: str | None) -> Sequence[ModelStatus]:
        held = state.published.models if state.published else ()
        return [status_of(state.published, model)] if model is not None else held

    def page(found: Iterable[T], show: Callable[[T], Entry], limit: int, offset: int) -> Page[Entry]:
        held = list(found)
        return stored([show(each) for each in held[offset : offset + limit]], len(held), limit, offset)

    def stored(items: list[T], total: int, limit: int, offset: int) -> Page[T]:
        beyond = offset + limit
        at = state.published.at if state.published else None
        return Page(items=items, total=total, next_offset=beyond if beyond < total else None, published_at=at)

    @router.get("/models")
    def models(limit: Limit = 100, offset: Offset = 0) -> Page[schemas.ModelItem]:
        """The models watched, each with its state in a word."""
        return page(statuses(None), schemas.model_item, limit, offset)

    @router.get("/readings")
    def readings(
        model: Model = None, version: Version = None, window: Window = None, slice_: SliceName = None,
        label: Label = None, reading_state: Annotated[ReadingState | None, Query(alias="state")] = None,
        bars: Annotated[bool, Query(description="with the bars of the reliability diagram")] = False,
        limit: Limit = 100, offset: Offset = 0,
    ) -> Page[schemas.ReadingItem]:  # fmt: skip
        """The newest reading of each slice, version and window."""
        wanted = _labels(label)
        exact = _slice(slice_)

        def fits(reading: Reading) -> bool:
            return (
                (version is None or reading.version == version)
                and (window is None or reading.window == window)
                and (exact is None or reading.slice == exact)
                and (reading_state is None or reading.state == reading_state)
                and wanted <= set(reading.slice.labels)
            )

        held = (each for status in statuses(model) for each in status.readings if fits(each))
        return page(held, partial(schemas.reading_item, bars=bars), limit, offset)

    @router.get("/history")
    def history(
        model: Annotated[str, Query(description="the model")],
        window: Annotated[str, Query(description="the window, e.g. 24h")],
        slice_: Annotated[SliceText, Query(alias="slice", description='"all", or labels as text')] = "all",
        since: Annotated[Moment | None, Query(description="from here on; default: 30 days before until")] = None,
        until: Annotated[Moment | None, Query(description="up to here; default: now")] = None,
        points: Points = 1000,
    ) -> schemas.HistoryAnswer:
        """The course of one slice: its readings, and what happened to it."""
        status_of(state.published, model)
        scope = _slice(slice_) or Slice()
        start, end = _span(since, until, now())
        with state.history() as past:
            course = past.readings(model, scope, window, end, start, points=points)
            events = past.events(model, scope, start, end)
        return schemas.HistoryAnswer(
            model=model, slice=scope.text, window=window, points=_items(schemas.PointItem, course),
            events=_items(schemas.EventItem, events),
        )  # fmt: skip

    @router.get("/alerts")
    def alerts(
        model: Model = None, alert_state: Annotated[AlertState | None, Query(alias="state")] = None,
        rule: Annotated[str | None, Query(description="only this rule")] = None, limit: Limit = 100, offset: Offset = 0,
    ) -> Page[schemas.AlertItem]:  # fmt: skip
        """Each rule's state for each slice; those that never left `inactive` included."""
        held = (
            alert for status in statuses(model) for alert in status.alerts
            if (alert_state is None or alert.state == alert_state) and (rule is None or alert.rule == rule)
        )  # fmt: skip
        return page(held, schemas.AlertItem.model_validate, limit, offset)

    @router.get("/rules")
    def rules(model: Model = None, limit: Limit = 100, offset: Offset = 0) -> Page[schemas.RuleItem]:
        """The rules in force, and where their alerts stand."""
        held = ((status, rule) for status in statuses(model) for rule in status.rules)
        return page(held, lambda pair: schemas.rule_item(*pair), limit, offset)

    @router.get("/evidence")
    def evidence(
        model: Model = None, rule: Annotated[str | None, Query(description="only this rule")] = None,
        label: Label = None, limit: Limit = 100, offset: Offset = 0,
    ) -> Page[schemas.EvidenceItem]:  # fmt: skip
        """The drift evidence of each slice now."""
        wanted = _labels(label)
        held = (
            each for status in statuses(model) for each in status.evidence
            if (rule is None or each.rule == rule) and wanted <= set(each.slice.labels)
        )  # fmt: skip
        return page(held, schemas.EvidenceItem.model_validate, limit, offset)

    @router.get("/evidence/history")
    def evidence_history(
        model: Annotated[str, Query(description="the model")],
        slice_: Annotated[SliceText, Query(alias="slice", description='"all", or labels as text')] = "all",
        since: Annotated[Moment | None, Query()] = None, until: Annotated[Moment | None, Query()] = None,
        points: Points = 1000,
    ) -> Listed[schemas.EvidencePointItem]:  # fmt: skip
        """The path of a slice's evidence, oldest first."""
        status_of(state.published, model)
        start, end = _span(since, until, now())
        with state.history() as past:
            found = past.evidence(model, _slice(slice_) or Slice(), start, end, points=points)
        return Listed(items=_items(schemas.EvidencePointItem, found))

    @router.get("/jobs")
    def jobs(
        model: Model = None, kind: Annotated[str | None, Query(description="recalibrate, tune, rollback or action")] = None,
        job_state: Annotated[JobState | None, Query(alias="state")] = None, limit: Limit = 50, offset: Offset = 0,
    ) -> Page[schemas.JobItem]:  # fmt: skip
        """Refits, rollbacks and actions, newest first."""
        with state.history() as past:
            found = past.jobs(model, kind=kind, state=job_state and job_state.value, limit=limit, skip=offset)
        return stored(_items(schemas.JobItem, found.jobs), found.total, limit, offset)

    @router.get("/jobs/{job}", responses=NOT_FOUND)
    def job(job: Annotated[str, Path(description="its id")]) -> schemas.JobAnswer:
        """One job with its attempts."""
        with state.history() as past:
            found = past.jobs(id=job, limit=1).jobs
            attempts = past.attempts(job)
        if not found:
            raise HTTPException(404, f"there is no job {job[:200]!r}: /jobs lists those there are")
        held = schemas.JobItem.model_validate(found[0])
        return schemas.JobAnswer(**held.model_dump(), log=_items(schemas.AttemptItem, attempts))

    @router.get("/calibrators")
    def calibrators(
        model: Model = None,
        every: Annotated[bool, Query(description="also those that have been replaced, the newest first")] = False,
        limit: Limit = 100, offset: Offset = 0,
    ) -> Page[schemas.CalibratorItem]:  # fmt: skip
        """The calibrators in charge; with every=true also those that were."""
        held = [each for status in statuses(model) for each in status.calibrators]
        if not every:
            return page(held, schemas.CalibratorItem.model_validate, limit, offset)
        adopted = {(each.model, each.scope.text, each.calibrator): each.adopted for each in held}
        with state.history() as past:
            found = past.calibrators(model, limit=limit, skip=offset)
        items = [
            item.model_copy(update={"adopted": adopted.get((item.model, item.scope, item.calibrator))})
            for item in _items(schemas.CalibratorItem, found.calibrators)
        ]
        return stored(items, found.total, limit, offset)

    @router.get("/thresholds")
    def thresholds(
        model: Model = None,
        curve: Annotated[bool, Query(description="with what other thresholds would have given")] = False,
        limit: Limit = 100, offset: Offset = 0,
    ) -> Page[schemas.ThresholdAnswer]:  # fmt: skip
        """The decision thresholds in use, and how they did."""
        held = (each for status in statuses(model) for each in status.thresholds)
        with state.history() if curve else nullcontext() as past:

            def show(t: ThresholdInUse) -> schemas.ThresholdAnswer:
                item: schemas.ThresholdAnswer = schemas.ThresholdAnswer.model_validate(t)
                if past is not None:
                    points = past.threshold_curve(t.model, t.scope, t.policy, t.calibrator, t.per, t.class_name)
                    item = item.model_copy(update={"curve": _items(schemas.CurveItem, points)})
                return item

            return page(held, show, limit, offset)

    @router.get("/pulls")
    def pulls(model: Model = None, limit: Limit = 50, offset: Offset = 0) -> Page[schemas.PullItem]:
        """The newest pulls that brought rows or met a problem."""
        since = now() - LONGEST
        with state.history() as past:
            found = past.pulls(since, model, limit=limit, skip=offset)
            total = past.pulls_total(since, model)
        return stored(_items(schemas.PullItem, found), total, limit, offset)

    @router.get("/waiting-labels")
    def waiting_labels(
        model: Model = None, source: Annotated[str | None, Query()] = None, limit: Limit = 100, offset: Offset = 0
    ) -> Page[intake.WaitingLabelsItem]:
        """Labels that wait for their prediction, by source, with ids of both sides and why where that can be seen."""
        held = (each for status in statuses(model) for each in status.waiting_labels if source in (None, each.source))
        return page(held, intake.waiting_labels_item, limit, offset)

    @router.get("/files-set-aside")
    def files_set_aside(
        model: Model = None, source: Annotated[str | None, Query()] = None, limit: Limit = 100, offset: Offset = 0
    ) -> Page[intake.FileSetAsideItem]:
        """Files that are no longer read, with why and what to do; released when they change, or by `calwatch retry`."""
        held = (each for status in statuses(model) for each in status.files_set_aside if source in (None, each.source))
        return page(held, intake.file_set_aside_item, limit, offset)

    @router.get("/folded-values")
    def folded_values(model: Model = None, limit: Limit = 100, offset: Offset = 0) -> Page[intake.FoldedValuesItem]:
        """Versions, calibrators and slice values beyond their limits, and versions that a drift rule does not judge."""
        held = ((status.name, each) for status in statuses(model) for each in status.folded)
        return page(held, lambda pair: intake.folded_values_item(*pair), limit, offset)

    @router.get("/quarantine")
    def quarantine(
        model: Model = None, source: Annotated[str | None, Query()] = None,
        reason: Annotated[str | None, Query()] = None, limit: Limit = 50, offset: Offset = 0,
    ) -> schemas.QuarantineAnswer:  # fmt: skip
        """How many rows were set aside and why; with a model named, its newest ones, as they were read."""
        with state.history() as past:
            counts = past.quarantine_counts(model)
            newest = past.quarantined_rows(model, source, reason, limit=limit, skip=offset) if model is not None else ()
            total = past.quarantined_total(model, source, reason) if model is not None else None
        kept = [
            count for count in counts
            if (source is None or count.source == source) and (reason is None or count.reason == reason)
        ]  # fmt: skip
        return schemas.QuarantineAnswer(
            counts=_items(schemas.QuarantineCountItem, kept), newest=_items(schemas.QuarantinedItem, newest),
            total=total if total is not None else sum(count.rows for count in kept),
            next_offset=offset + limit if total is not None and offset + limit < total else None,
        )  # fmt: skip

    return router


def status_of(published: Published | None, model: str) -> ModelStatus:
    """The model's status; HTTPException 404 when there is none of this name."""
    for status in published.models if published else ():
        if status.name == model:
            return status
    raise HTTPException(404, f"there is no model {model[:200]!r}: /models lists those there are")


def _items(kind: type[T], held: Iterable[object]) -> list[T]:
    return [kind.model_validate(each) for each in held]  # type: ignore[attr-defined]  # all kinds are pydantic models


def _slice(text: str | None) -> Slice | None:
    try:
        return Slice.parse(text) if text is not None else None
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


def _labels(pairs: list[str] | None) -> set[tuple[str, str]]:
    for pair in pairs or ():
        if "=" not in pair:
            raise HTTPException(422, f'label must be "dimension=value" (got {pair!r})')
    return {(name, value) for name, _, value in (pair.partition("=") for pair in pairs or ())}


def _span(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise HTTPException(
                422, f'{name} must carry an offset, such as 2026-03-01T06:00Z (got "{moment.isoformat()}")'
            )
        if moment is not None and not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise HTTPException(422, f"{name} must lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    end = until or now
    return since or end - timedelta(days=30), end
