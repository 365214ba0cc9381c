"""The charts of the pages, each at an address of its own: a page need not wait for its pictures."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from monitor.charts.client import ChartError, Drawer
from monitor.charts.heat import heat_cells
from monitor.model import ModelStatus, Published, Reading, ReliabilityBin
from monitor.model.errors import StoreError, UsageError
from monitor.publish.report.collect import gate_bars
from monitor.publish.web.pages.digest import Digests
from monitor.publish.web.pages.render import SliceText
from monitor.publish.web.pages.slice import SPAN, calibrator_of, parse_slice, reading_of, span_of
from monitor.publish.web.state import State
from monitor.statistics.thresholds.policies import promised_rate

WIDE, NARROW = 960, 330  # units of the drawing: the column of the page, a phone
SQUARE = 360
KEPT = 128  # drawn pictures
WAITING = 12  # requests for pictures at once; more would take the threads that /metrics needs
BEFORE = timedelta(days=14)  # how far before a promotion samples are taken for the comparison
# A picture may be opened by itself: its own style sheet then is all it needs.
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


async def _width_for(narrow: Annotated[bool, Query(description="for a phone")] = False) -> int:
    return NARROW if narrow else WIDE


Width = Annotated[int, Depends(_width_for)]


class _Gallery:
    """Pictures of the newest snapshot, each drawn once."""

    def __init__(self, drawer: Drawer) -> None:
        self._drawer = drawer
        self._drawn: OrderedDict[object, bytes] = OrderedDict()
        self._changing = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)

    def show(
        self, key: object, chart: str, values: Callable[[], tuple[Sequence[Any], str]], **options: Any
    ) -> Response:
        """``values``: what the chart takes, and what to say where there is nothing to draw ("" = there is)."""
        with self._changing:
            held = self._drawn.get(key)
        if held is None:
            if not self._waiting.acquire(blocking=False):
                raise StoreError("too many charts are being drawn", "reload in a moment")
            try:
                taken, nothing = values()
                held = _note(nothing) if nothing else self._drawer.draw_svg(chart, *taken, **options)
            except (ChartError, StoreError) as error:
                return Response(_note(error.message), 503, media_type="image/svg+xml", headers=_HEADERS)
            finally:
                self._waiting.release()
            with self._changing:
                self._drawn[key] = held
                while len(self._drawn) > KEPT:
                    self._drawn.popitem(last=False)
        return Response(held, media_type="image/svg+xml", headers=_HEADERS)


def pictures_router(state: State, digests: Digests, drawer: Drawer) -> APIRouter:
    """``/reliability.svg``, ``/ece.svg``, ``/evidence.svg``, ``/tradeoff.svg``, ``/refit.svg``, ``/heatmap.svg``."""
    router = APIRouter(include_in_schema=False)
    gallery = _Gallery(drawer)

    def snapshot() -> Published:
        published = state.published
        if published is None:
            raise StoreError("the first cycle has not ended yet", "reload in a moment")
        return published

    def status_of(model: str) -> ModelStatus:
        digest = digests.digest_published(snapshot())
        assert digest is not None
        return digest.model(model)

    @router.get("/reliability.svg")
    def reliability(
        model: str, slice_: SliceText, window: str, version: str | None = None, compare: bool = False
    ) -> Response:
        key = "reliability", snapshot().at, model, slice_, window, version, compare

        def values() -> tuple[Sequence[Any], str]:
            chosen, status = parse_slice(slice_), status_of(model)
            shown = reading_of([each for each in status.readings if each.slice == chosen], window, version)
            if not compare:
                return (shown.reliability,), "" if shown.reliability else "too few labelled samples"
            now, before = _compared(state, snapshot().at, status, shown)
            return (now, before), "" if now and before else "no samples to compare yet"

        return gallery.show(key, "reliability", values, width=SQUARE)

    @router.get("/ece.svg")
    def ece(
        model: str, slice_: SliceText, window: str, width: Width, version: str | None = None, span: str = SPAN
    ) -> Response:
        at = snapshot().at

        def values() -> tuple[Sequence[Any], str]:
            chosen, since = parse_slice(slice_), at - span_of(span)
            with state.history() as past:
                points = past.readings(model, chosen, window, at, since)
                points = tuple(point for point in points if version in (None, point.version))
                found = (points, past.events(model, chosen, since, at))
            return found, "" if any(point.state == "ok" for point in points) else "no reading with enough samples yet"

        return gallery.show(
            ("ece", at, model, slice_, window, version, span, width), "ece_over_time", values, width=width
        )

    @router.get("/evidence.svg")
    def evidence(model: str, slice_: SliceText, width: Width, span: str = SPAN) -> Response:
        at = snapshot().at

        def values() -> tuple[Sequence[Any], str]:
            chosen, since = parse_slice(slice_), at - span_of(span)
            with state.history() as past:
                points = past.evidence(model, chosen, since, at)
                return (points, past.events(model, chosen, since, at)), "" if points else "nothing was judged yet"

        return gallery.show(("evidence", at, model, slice_, span, width), "evidence_path", values, width=width)

    @router.get("/tradeoff.svg")
    def tradeoff(
        model: str, scope: str, policy: str, width: Width, calibrator: str = "", per: str = "", class_name: str = ""
    ) -> Response:
        at = snapshot().at
        where = parse_slice(scope), policy, calibrator, per, class_name
        chosen = next(
            (each for each in status_of(model).thresholds
             if (each.scope, each.policy, each.calibrator, each.per, each.class_name) == where),
            None,
        )  # fmt: skip
        if chosen is None:
            raise UsageError("there is no such threshold", "those in use: the model's thresholds")

        def values() -> tuple[Sequence[Any], str]:
            with state.history() as past:
                curve = past.threshold_curve(model, *where)
            return (curve, chosen.threshold, promised_rate(policy)), "" if curve else "no curve was kept"

        return gallery.show(("tradeoff", at, model, where, width), "trade_off", values, width=width)

    @router.get("/refit.svg")
    def refit(job_id: Annotated[str, Query(alias="id", max_length=100)]) -> Response:
        def values() -> tuple[Sequence[Any], str]:
            with state.history() as past:
                found = past.jobs(id=job_id, limit=1).jobs
            before, after = gate_bars(found[0]) if found else ((), ())
            return (after, before), "" if after and before else "no bars were kept"

        return gallery.show(("refit", snapshot().at, job_id), "reliability", values, width=SQUARE)

    @router.get("/heatmap.svg")
    def heatmap(model: str, window: str, rows: str, columns: str, width: Width) -> Response:
        status = status_of(model)

        def values() -> tuple[Sequence[Any], str]:
            cells = heat_cells(status, window, rows, columns)
            return (cells, rows, columns), "" if cells else "no crossed slices yet"

        key = "heatmap", snapshot().at, model, window, rows, columns, width
        return gallery.show(key, "heat_map", values, width=width)

    return router


def _compared(
    state: State, at: datetime, status: ModelStatus, shown: Reading
) -> tuple[tuple[ReliabilityBin, ...], tuple[ReliabilityBin, ...]]:
    """Bars of the samples that the calibrator in use scored, and of those before its promotion by the one with most."""
    used = calibrator_of(status, shown.slice)
    if used is None:
        return (), ()
    with state.history() as past:
        scored = past.scored_by(status.name, shown.version, shown.slice, used.promoted_at - BEFORE, at)
    if scored is None:
        return (), ()
    others = [bins for name, bins in scored.items() if name != used.calibrator]
    before = max(others, key=lambda bins: sum(each.samples for each in bins), default=())
    return scored.get(used.calibrator, ()), before


def _note(text: str) -> bytes:
    """A picture that says why there is none."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{NARROW}" height="60" viewBox="0 0 {NARROW} 60">'
        f'<text x="10" y="35" font-family="sans-serif" font-size="13" fill="#767f88">{escape(text)}</text></svg>'
    ).encode()
