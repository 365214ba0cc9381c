"""The charts of a report, by name: for the report itself as SVG, and one by one as PNG for a ticket."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict

import vl_convert

from monitor.charts import boxes, charts
from monitor.charts.heat import heat_cells
from monitor.model import Slice
from monitor.model.errors import UsageError
from monitor.publish.report.collect import AcceptedRefit, Report, SliceReport, ThresholdReport
from monitor.statistics.thresholds.policies import promised_rate

Chart = charts.Chart
WIDE, SQUARE = 700, 270
HEAT_MAP = "heat-map"


def render_inline(chart: Chart, number: int, label: str) -> str:
    """The chart as SVG to stand inside HTML: light only, its ids made its own by ``number``, ``label`` for those who do not
    see it (already escaped)."""
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
    drawn = re.sub(r'\bid="', f'id="c{number}-', drawn)
    drawn = re.sub(r'(url\(["\']?#|href="#)', rf"\g<1>c{number}-", drawn)
    return drawn.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def reliability(part: SliceReport) -> Chart | None:
    """The newest bars; None without."""
    return charts.reliability(part.bars, width=SQUARE) if part.bars else None


def ece(part: SliceReport) -> Chart | None:
    """ECE over time; None when no reading had enough samples."""
    if not any(point.state == "ok" for point in part.points):
        return None
    return charts.ece_over_time(part.points, part.events, width=WIDE, height=150)


def evidence(part: SliceReport) -> Chart | None:
    """The path of drift evidence; None when nothing was judged."""
    return charts.evidence_path(part.evidence, part.events, width=WIDE, height=130) if part.evidence else None


def refit(refitted: AcceptedRefit) -> Chart | None:
    """Bars of the gate's samples before and after; None where the refit kept none."""
    if not refitted.before or not refitted.after:
        return None
    return charts.reliability(refitted.after, refitted.before, width=SQUARE)


def thresholds(threshold: ThresholdReport) -> Chart | None:
    """The trade-off curve, of a detector over the NMS IoU too; None where none was kept."""
    if not threshold.curve:
        return None
    promise = promised_rate(threshold.chosen.policy)
    if threshold.curve[0].nms_iou is not None:
        own = threshold.chosen.threshold, promise, threshold.chosen.nms_iou
        return boxes.box_trade_off(threshold.curve, *own, width=WIDE, height=150)
    return charts.trade_off(threshold.curve, threshold.chosen.threshold, promise, width=WIDE, height=160)


def heat_map(report: Report) -> Chart | None:
    """The first two dimensions crossed; None where no slice is crossed."""
    readings = [(Slice.parse(each.slice), each.samples, asdict(each)) for each in report.readings]
    crossed = next((slice_ for slice_, *_ in readings if slice_.order == 2), None)
    if crossed is None:
        return None
    row, column = crossed.as_dict()
    return charts.heat_map(heat_cells(readings, row, column), row, column, width=WIDE)


_OF_SLICE: Mapping[str, tuple[str, Callable[[SliceReport], Chart | None]]] = {
    "reliability": ("Reliability", reliability), "ece": ("Calibration error", ece),
    "evidence": ("Drift evidence against its limit", evidence),
}  # fmt: skip


def make_titled_chart(report: Report, name: str) -> Chart:
    """The chart called ``name``, of those that ``calwatch report --png`` offers: of the report's first slice, with a title
    that says what it is.

    Raises UsageError where there is nothing to draw.
    """
    scope = report.slices[0].slice
    what, chart = _drawn(report, name, scope)
    where = f"{report.model}, {scope.text}" if name != HEAT_MAP else report.model
    if chart is None:
        raise UsageError(f"there is no {name} chart of {where}", _elsewhere(report, name))
    period = f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC"
    return title_chart(chart, f"{what}: {where}", f"calwatch, {report.window} windows, {period}")


def title_chart(chart: Chart, text: str, below: str) -> Chart:
    """The chart under a title, and a smaller line below that, to stand alone."""
    style = {"anchor": "start", "fontSize": 13, "subtitleFontSize": 11, "subtitleColor": charts.QUIET, "offset": 10}
    titled: Chart = chart.properties(title={"text": text, "subtitle": below, **style})
    return titled


def _elsewhere(report: Report, name: str) -> str:
    """What to ask for where there is nothing to draw."""
    if name == HEAT_MAP:
        return "it crosses two dimensions of slices: list two in slices, with max_order at least 2"
    if name == "refit":
        scopes = [each.job.scope.text for each in report.refits if each.before and each.after]
        there, none = "accepted refits of the period", "no refit was accepted in the period: try an earlier --from"
    elif name == "thresholds":
        scopes = [each.chosen.scope.text for each in report.thresholds]
        there, none = "thresholds in force", "no threshold is in force: [model.threshold] asks for one"
    else:
        return "another slice or a longer period may have one"
    return f"{there}: {' or '.join(f'--slice {scope}' for scope in dict.fromkeys(scopes))}" if scopes else none


def _drawn(report: Report, name: str, scope: Slice) -> tuple[str, Chart | None]:
    if name in _OF_SLICE:
        what, draw = _OF_SLICE[name]
        return what, draw(report.slices[0])
    if name == HEAT_MAP:
        return "ECE of crossed slices", heat_map(report)
    if name == "refit":
        newest = next((each for each in report.refits if each.job.scope == scope), None)
        return "Before and after the last refit", None if newest is None else refit(newest)
    chosen = next((each for each in report.thresholds if each.chosen.scope == scope), None)
    return "Trade-off of thresholds", None if chosen is None else thresholds(chosen)
