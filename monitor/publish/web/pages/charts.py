"""The charts of the pages, each at an address of its own: a page need not wait for its pictures."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial, wraps
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from monitor.charts.client import ChartError, Drawer
from monitor.charts.heat import heat_cells
from monitor.model import ModelStatus, Published, Reading, ReliabilityBin, ThresholdInUse
from monitor.model.errors import StoreError, UsageError
from monitor.model.history import CurvePoint
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
# what the chart takes, what to say where there is nothing to draw ("" = there is), and how wide it is
Values = tuple[Sequence[Any], str, int]


class _Gallery:
    """Pictures of the newest snapshot, each drawn once."""

    def __init__(self, drawer: Drawer) -> None:
        self._drawer = drawer
        self._drawn: OrderedDict[object, bytes] = OrderedDict()
        self._changing = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)

    def show(self, key: object, chart: str, values: Callable[[], Values]) -> Response:
        with self._changing:
            held = self._drawn.get(key)
        if held is None:
            if not self._waiting.acquire(blocking=False):
                raise StoreError("too many charts are being drawn", "reload in a moment")
            try:
                taken, nothing, width = values()
                held = _note(nothing) if nothing else self._drawer.draw_svg(chart, *taken, width=width)
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
    """``/reliability.svg``, ``/ece.svg``, ``/evidence.svg``, ``/tradeoff.svg``, ``/tradeoff-boxes.svg``, ``/refit.svg``,
    ``/heatmap.svg``."""
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

    def picture(path: str, chart: str) -> Callable[[Callable[..., Values]], None]:
        """Serve under the path the chart of the values that a function finds for what is asked."""

        def serve(values: Callable[..., Values]) -> None:
            @router.get(path, response_model=None)
            @wraps(values)
            def shown(**asked: Any) -> Response:
                return gallery.show((path, snapshot().at, *asked.values()), chart, partial(values, **asked))

        return serve

    @picture("/reliability.svg", "reliability")
    def reliability(
        model: str, slice_: SliceText, window: str, version: str | None = None, compare: bool = False
    ) -> Values:
        chosen, status = parse_slice(slice_), status_of(model)
        shown = reading_of([each for each in status.readings if each.slice == chosen], window, version)
        if not compare:
            return (shown.reliability,), "" if shown.reliability else "too few labelled samples", SQUARE
        now, before = _compared(state, snapshot().at, status, shown)
        return (now, before), "" if now and before else "no samples to compare yet", SQUARE

    @picture("/ece.svg", "ece_over_time")
    def ece(
        model: str, slice_: SliceText, window: str, width: Width, version: str | None = None, span: str = SPAN
    ) -> Values:
        at, chosen = snapshot().at, parse_slice(slice_)
        since = at - span_of(span)
        with state.history() as past:
            points = past.readings(model, chosen, window, at, since)
            points = tuple(point for point in points if version in (None, point.version))
            found = (points, past.events(model, chosen, since, at))
        nothing = "" if any(point.state == "ok" for point in points) else "no reading with enough samples yet"
        return found, nothing, width

    @picture("/evidence.svg", "evidence_path")
    def evidence(model: str, slice_: SliceText, width: Width, span: str = SPAN) -> Values:
        at, chosen = snapshot().at, parse_slice(slice_)
        since = at - span_of(span)
        with state.history() as past:
            points = past.evidence(model, chosen, since, at)
            return (points, past.events(model, chosen, since, at)), "" if points else "nothing was judged yet", width

    def threshold_of(model: str, scope: str, *named: str) -> tuple[ThresholdInUse, Sequence[CurvePoint]]:
        """The threshold in use of a policy, calibrator, per and class, and its curve."""
        at = parse_slice(scope)
        where = at, *named
        chosen = next(
            (each for each in status_of(model).thresholds
             if (each.scope, each.policy, each.calibrator, each.per, each.class_name) == where),
            None,
        )  # fmt: skip
        if chosen is None:
            raise UsageError("there is no such threshold", "those in use: the model's thresholds")
        with state.history() as past:
            return chosen, past.threshold_curve(model, at, *named)

    @picture("/tradeoff.svg", "trade_off")
    def tradeoff(
        model: str, scope: str, policy: str, width: Width, calibrator: str = "", per: str = "", class_name: str = ""
    ) -> Values:
        chosen, curve = threshold_of(model, scope, policy, calibrator, per, class_name)
        return (curve, chosen.threshold, promised_rate(policy)), "" if curve else "no curve was kept", width

    @picture("/tradeoff-boxes.svg", "box_trade_off")
    def tradeoff_boxes(
        model: str, scope: str, policy: str, width: Width, calibrator: str = "", per: str = "", class_name: str = ""
    ) -> Values:
        chosen, curve = threshold_of(model, scope, policy, calibrator, per, class_name)
        found = curve, chosen.threshold, promised_rate(policy), chosen.nms_iou
        return found, "" if curve else "no curve was kept", width

    @picture("/refit.svg", "reliability")
    def refit(job_id: Annotated[str, Query(alias="id", max_length=100)]) -> Values:
        with state.history() as past:
            found = past.jobs(id=job_id, limit=1).jobs
        before, after = gate_bars(found[0]) if found else ((), ())
        return (after, before), "" if after and before else "no bars were kept", SQUARE

    @picture("/heatmap.svg", "heat_map")
    def heatmap(model: str, window: str, rows: str, columns: str, width: Width) -> Values:
        own = (each for each in status_of(model).readings if each.window == window)
        cells = heat_cells(((each.slice, each.samples, each.metrics) for each in own), rows, columns)
        return (cells, rows, columns), "" if cells else "no crossed slices yet", width

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
