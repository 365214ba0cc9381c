"""The charts, as Altair specifications: pure functions from readings of the present and the past to pictures.

Colours are those of the page's style sheet, and symbols or dashes repeat what they tell. A value that is not known is
left out and breaks its line; it is never drawn as zero. ``rendering`` turns charts into SVG and PNG. Altair comes with
the extra ``charts``: import this module where a chart is drawn, not before.
"""

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from math import log10
from typing import Any

import altair as alt

from monitor.charts.heat import HeatCell
from monitor.model import ReliabilityBin
from monitor.model.history import CurvePoint, Event, EventKind, EvidencePoint, ReadingPoint

Chart = alt.LayerChart | alt.VConcatChart | alt.HConcatChart  # panels above or beside each other

INK, QUIET, LINE, PANEL = "#1d2126", "#5b646e", "#d9dde1", "#ffffff"
BLUE, PALE, RED, AMBER, GREEN, VIOLET = "#2f6db3", "#a9c6e6", "#b3261e", "#8a5a00", "#1c6b3c", "#6a4a9c"
STEPS = ("#eef3f8", "#f6d9a8", "#eda25c", "#d4572f", "#8f1d1d")  # of the heat map, between HEAT_BOUNDS
PALE_ON_DARK, INK_ON_PALE = "#fffffe", "#1d2127"  # on the steps that dark mode leaves as they are
HEAT_BOUNDS = (0.01, 0.02, 0.05, 0.10)
FLOOR = 1e-4  # evidence below is drawn here
WIDE, NARROW = 960, 330
_FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"  # of equal widths: what is laid out here fits in browsers
KEY: dict[str, Any] = {
    "title": None, "orient": "top", "offset": 20, "symbolType": "stroke", "symbolStrokeWidth": 2, "symbolOpacity": 1,
    "symbolSize": 300, "labelLimit": 260,
}  # fmt: skip
_DAY_OR_HOUR = (  # the first of a year is told by its year
    "utchours(datum.value) || utcminutes(datum.value) ? utcFormat(datum.value, '%H:%M') : "
    "utcmonth(datum.value) || utcdate(datum.value) > 1 ? utcFormat(datum.value, '%b %d') : utcFormat(datum.value, '%Y')"
)
_SHORT = "format(datum.value, datum.value < 1e5 ? '~g' : '.0e')"
_EVENTS: dict[EventKind, tuple[str, str]] = {  # colour, shape
    EventKind.ONSET: (VIOLET, "diamond"),
    EventKind.FIRED: (RED, "triangle-down"),
    EventKind.RESOLVED: (GREEN, "circle"),
    EventKind.PROMOTED: (BLUE, "triangle-up"),
    EventKind.ROLLED_BACK: (AMBER, "square"),
}


def reliability(bins: Sequence[ReliabilityBin], before: Sequence[ReliabilityBin] = (), *, width: int = 360) -> Chart:
    """Reliability diagram: outcome rate by score with 95 % intervals, and the samples of each bin below.

    ``before``: the same slice as the calibrator before scored it; drawn beside with hollow symbols.
    """
    rows = [row for name, part in (("now", bins), ("before", before)) for row in _bin_rows(name, part)]
    names = ["now", "before"] if before else ["now"]
    base = make_base(rows)
    legend = alt.Legend(title=None, orient="top") if before else None
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=[BLUE, AMBER][: len(names)]), legend=legend)
    unit = alt.Scale(domain=[0, 1], nice=False)
    quarters = [0, 0.25, 0.5, 0.75, 1]
    across = alt.Axis(values=quarters, format=".2~f", labels=False, ticks=False, title=None)
    up = alt.Axis(values=quarters, format=".2~f", title="rate of the event")
    square = alt.layer(
        base.transform_filter("datum.series == 'now'").mark_bar(color=PALE, opacity=0.85).encode(
            x=alt.X("low:Q", scale=unit, axis=across), x2="high:Q",
            y=alt.Y("rate:Q", scale=unit, axis=up), y2=alt.datum(0),
        ),
        make_base([{"x": 0, "y": 0}, {"x": 1, "y": 1}]).mark_line(
            color=QUIET, strokeDash=[5, 4], strokeWidth=1.2
        ).encode(x=alt.X("x:Q", scale=unit), y=alt.Y("y:Q", scale=unit)),
        base.mark_rule(strokeWidth=1.6).encode(x="score:Q", y="lower:Q", y2="upper:Q", color=colour),
        base.transform_filter("datum.series == 'now'").mark_point(filled=True, size=34, opacity=1).encode(
            x="score:Q", y="rate:Q", color=colour
        ),
        base.transform_filter("datum.series == 'before'").mark_point(filled=False, size=44, opacity=1, fill=PANEL).encode(
            x="score:Q", y="rate:Q", color=colour
        ),
    ).properties(width=width - 70, height=width - 70)  # fmt: skip
    counts = base.transform_filter("datum.series == 'now'").mark_bar(color=PALE).encode(
        x=alt.X("low:Q", scale=unit, axis=alt.Axis(values=quarters, format=".2~f", title="score")), x2="high:Q",
        y=alt.Y("samples:Q", axis=alt.Axis(tickCount=2, format="~s", title="samples")), y2=alt.datum(0),
    ).properties(width=width - 70, height=44)  # fmt: skip
    return apply_theme(alt.vconcat(square, counts, spacing=8))


def _bin_rows(series: str, bins: Sequence[ReliabilityBin]) -> list[dict[str, Any]]:
    inset = 0.0025  # a hair of space between bars
    return [
        {
            "series": series, "low": each.low + inset, "high": each.high - inset, "samples": each.samples,
            "score": each.mean_score, "rate": each.outcome_rate, "lower": each.rate_lower, "upper": each.rate_upper,
        }
        for each in bins if each.samples > 0 and each.outcome_rate is not None
    ]  # fmt: skip


def ece_over_time(
    points: Sequence[ReadingPoint], events: Sequence[Event] = (), *, width: int = WIDE, height: int = 240
) -> Chart:
    """The calibration error of one slice: debiased with its 95 % interval, plug-in beside what luck alone would give,
    and what happened meanwhile. Readings with too few samples leave a gap."""
    lines = ("ECE, debiased", "ECE, plug-in", "plug-in by luck (95 %)")
    rows = [
        {"at": _time(each.at), "version": each.version, "line": name, "value": value if each.state == "ok" else None}
        for each in points
        for name, value in zip(lines, (each.ece_debiased, each.ece, each.ece_null_quantile), strict=True)
    ]
    bands = [
        {"at": _time(each.at), "version": each.version, "lower": each.ece_lower, "upper": each.ece_upper}
        if each.state == "ok" and each.ece_lower is not None and each.ece_upper is not None
        else {"at": _time(each.at), "version": each.version, "lower": None, "upper": None}
        for each in points
    ]
    x = _times([*points, *events], width)
    y = alt.Y("value:Q", axis=alt.Axis(title="calibration error", tickCount=5))
    key = alt.Legend(**KEY, columns=1 if width < 500 else 3)
    course = make_base(rows).mark_line(interpolate="step-after", clip=True).encode(
        x=x, y=y, detail="version:N",
        color=alt.Color("line:N", scale=alt.Scale(domain=list(lines), range=[BLUE, QUIET, AMBER]), legend=key),
        strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=list(lines), range=[[1, 0], [2, 2], [6, 3]]), legend=key),
        strokeWidth=alt.StrokeWidth("line:N", scale=alt.Scale(domain=list(lines), range=[2.2, 1.2, 1.4]), legend=key),
    )  # fmt: skip
    band = make_base(bands).mark_area(color=PALE, opacity=0.6, interpolate="step-after").encode(
        x=x, y=alt.Y("lower:Q"), y2="upper:Q", detail="version:N"
    )  # fmt: skip
    zero = make_base([{"y": 0}]).mark_rule(color=LINE).encode(y="y:Q")
    return _with_events([band, zero, course], events, width, height)


def evidence_path(
    points: Sequence[EvidencePoint], events: Sequence[Event] = (), *, width: int = WIDE, height: int = 200
) -> Chart:
    """Drift evidence over its limit, on a log scale: at 1 the rule fires. Below 1/10,000 it is drawn there."""
    rules = sorted({each.rule for each in points})
    rows = [
        {"at": _time(each.at), "rule": each.rule, "stream": f"{each.version} {each.calibrator}",
         "ratio": min(max(each.ratio, FLOOR), 1e15)}
        for each in points
    ]  # fmt: skip
    top = max([10.0, *(10 * min(each.ratio, 1e15) for each in points)])
    y = alt.Y(
        "ratio:Q", scale=alt.Scale(type="log", domain=[FLOOR, top], nice=False, clamp=True),
        axis=alt.Axis(title="evidence ÷ limit", values=_decades(FLOOR, top), labelExpr=_SHORT),
    )  # fmt: skip
    legend = alt.Legend(**KEY) if len(rules) > 1 else None
    colours = [BLUE, VIOLET, GREEN, AMBER][: max(len(rules), 1)]
    course = make_base(rows).mark_line(strokeWidth=1.8, interpolate="step-after").encode(
        x=_times([*points, *events], width), y=y, detail="stream:N",
        color=alt.Color("rule:N", scale=alt.Scale(domain=rules, range=colours), legend=legend),
    )  # fmt: skip
    limit = make_base([{"ratio": 1}])
    layers = [
        course, limit.mark_rule(color=RED, strokeWidth=1.5).encode(y="ratio:Q"),
        limit.mark_text(text="alarm", color=RED, align="left", dy=-7, x=4).encode(y="ratio:Q"),
    ]  # fmt: skip
    return _with_events(layers, events, width, height)


_TRADE_OFF = (
    ("precision", BLUE, [1, 0]),
    ("recall", AMBER, [7, 3]),
    ("share kept", QUIET, [2, 3]),
)  # line, colour, dashes


def trade_off(
    curve: Sequence[CurvePoint], deployed: float | None = None, promise: tuple[str, float] | None = None, *,
    width: int = WIDE, height: int = 260,
) -> Chart:  # fmt: skip
    """Precision, recall and the share kept, of every threshold, with one-sided bounds; the deployed one marked.

    ``promise``: ("precision", 0.95) draws what the policy promises.
    """
    rows = [
        {"threshold": each.threshold, "line": name, "value": value, "lower": low, "upper": high}
        for each in curve
        for name, value, low, high in (
            ("precision", each.precision, each.precision_lower, each.precision_upper),
            ("recall", each.recall, each.recall_lower, each.recall_upper), ("share kept", each.share, None, None),
        )
        if value is not None
    ]  # fmt: skip
    known = {row["line"] for row in rows}  # recall is not, where nobody knows what was missed
    names, colours, patterns = zip(*(each for each in _TRADE_OFF if each[0] in known or not known), strict=True)
    base = make_base(rows)
    x = alt.X(
        "threshold:Q", scale=alt.Scale(nice=False), axis=alt.Axis(title="threshold", tickCount=5 if width < 500 else 10)
    )
    unit = alt.Scale(domain=[0, 1], nice=False)
    key = alt.Legend(**KEY)
    colour = alt.Color("line:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=key)
    dashes = alt.StrokeDash("line:N", scale=alt.Scale(domain=list(names), range=list(patterns)), legend=key)
    bounded = base.transform_filter("isValid(datum.lower) && isValid(datum.upper)")
    up = alt.Y("value:Q", scale=unit, axis=alt.Axis(format=".2~f", title=None))
    layers: list[alt.Chart] = [
        bounded.mark_area(opacity=0.22, clip=True).encode(
            x=x, y=alt.Y("lower:Q", scale=unit), y2="upper:Q", color=colour
        ),
        base.mark_line(strokeWidth=2, clip=True).encode(x=x, y=up, color=colour, strokeDash=dashes),
    ]
    if promise is not None:
        promised = make_base([{"y": promise[1]}])
        layers.append(promised.mark_rule(color=GREEN, strokeDash=[4, 3]).encode(y="y:Q"))
        text = f"promised {promise[0]} {promise[1]:g}"
        layers.append(promised.mark_text(text=text, color=GREEN, align="left", dy=9, x=4).encode(y="y:Q"))
    if deployed is not None:
        mark = make_base([{"x": deployed}])
        layers.append(mark.mark_rule(color=RED, strokeWidth=1.6).encode(x="x:Q"))
        flip = bool(curve) and deployed > (curve[0].threshold + curve[-1].threshold) / 2
        side: dict[str, Any] = {"align": "right", "dx": -5} if flip else {"align": "left", "dx": 5}
        layers.append(mark.mark_text(text=f"in use {deployed:.4g}", color=RED, y=height - 8, **side).encode(x="x:Q"))
    return apply_theme(alt.layer(*layers).properties(width=width - 60, height=height))


def heat_map(cells: Sequence[HeatCell], row: str, column: str, *, width: int = WIDE) -> Chart:
    """The debiased ECE of crossed slices, by two of their dimensions; coloured is what luck does not explain. A cell that
    is not known is empty, with a dash."""
    rows = [
        {"row": each.row, "column": each.column, "known": each.value is not None,
         "step": bisect(HEAT_BOUNDS, each.value or 0.0) if each.beyond_luck else 0,
         "text": "–" if each.value is None else f"{each.value:.3f}".replace("-", "−")}
        for each in cells
    ]  # fmt: skip
    across, down = len({each.column for each in cells}), len({each.row for each in cells})
    inner = width - 110
    base = make_base(rows).encode(
        x=alt.X("column:N", axis=alt.Axis(title=column, labelAngle=0 if across <= inner / 60 else -90, labelLimit=90)),
        y=alt.Y("row:N", axis=alt.Axis(title=row, labelLimit=100)),
    )
    low = [f"{bound:.2f}" for bound in HEAT_BOUNDS]
    names = [f"luck, or below {low[0]}", *(f"{a} to {b}" for a, b in pairwise(low)), f"{low[-1]} and more"]
    legend = alt.Legend(
        title=None, orient="bottom", symbolType="square", symbolStrokeWidth=0, symbolOpacity=1,
        columns=2 if width < 500 else len(names), labelExpr=f"{names}[datum.value]",
    )  # fmt: skip
    steps = alt.Scale(domain=list(range(len(STEPS))), range=list(STEPS))
    known, unknown = base.transform_filter("datum.known"), base.transform_filter("!datum.known")
    layers: list[alt.Chart] = [
        unknown.mark_rect(fill="transparent", stroke=LINE),
        known.mark_rect(stroke=PANEL).encode(color=alt.Color("step:O", scale=steps, legend=legend)),
    ]
    if across <= inner / 44 and down <= 40:
        ink = (
            alt.when("datum.step == 0").then(alt.value(INK))  # the lightest step darkens in dark mode
            .when("datum.step < 3").then(alt.value(INK_ON_PALE)).otherwise(alt.value(PALE_ON_DARK))
        )  # fmt: skip
        layers.append(known.mark_text().encode(text="text:N", color=ink))
        layers.append(unknown.mark_text(color=QUIET).encode(text="text:N"))
    tall = min(max(down, 1) * 30, 900)
    return apply_theme(alt.layer(*layers).properties(width=min(inner, max(across, 1) * 110), height=tall))


def make_base(rows: Sequence[Mapping[str, object]]) -> alt.Chart:
    """Return a chart of these rows, which they are part of."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def _time(moment: datetime) -> int:
    """Milliseconds since 1970, as Vega takes times."""
    return round(moment.timestamp() * 1000)


def _times(moments: Iterable[ReadingPoint | EvidencePoint | Event], width: int) -> alt.X:
    """The axis from the first to the last of these."""
    times = [_time(each.at) for each in moments]
    scale = alt.Scale(type="utc", domain=[min(times), max(times)], nice=False) if times else alt.Scale(type="utc")
    ticks = 4 if width < 500 else 8
    axis = alt.Axis(title="UTC", tickCount=ticks, labelOverlap=True, grid=False, labelExpr=_DAY_OR_HOUR)
    return alt.X("at:T", scale=scale, axis=axis)


def _decades(lowest: float, highest: float) -> list[float]:
    """Powers of ten within, 1 always among them, no more than fit beside each other."""
    first, last = round(log10(lowest)), int(log10(highest))
    step = -(-(last - first + 1) // 8)
    return [10.0**power for power in range(first, last + 1) if power % step == 0]


def _with_events(layers: Sequence[Any], events: Sequence[Event], width: int, height: int) -> Chart:
    """The layers, and each event as a dashed line with a symbol above it that says what it is."""
    if not events:
        return apply_theme(alt.layer(*layers).properties(width=width - 60, height=height))
    kinds = [kind for kind in _EVENTS if any(each.kind is kind for each in events)]
    names = [kind.value for kind in kinds]
    key = alt.Legend(title=None, orient="bottom", columns=2 if width < 500 else 5, labelLimit=200)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=names, range=[_EVENTS[kind][0] for kind in kinds]), legend=key)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=names, range=[_EVENTS[kind][1] for kind in kinds]), legend=key)
    base = make_base([{"at": _time(each.at), "kind": each.kind.value} for each in events]).encode(
        x=alt.X("at:T"), color=colour
    )
    marks = alt.layer(
        base.mark_rule(strokeWidth=1, strokeDash=[2, 3], opacity=0.8),
        base.mark_point(filled=True, size=70, opacity=0.9).encode(y=alt.value(-9), shape=shape),
    )
    both = alt.layer(alt.layer(*layers), marks).resolve_scale(
        color="independent", shape="independent", strokeDash="independent", strokeWidth="independent"
    )
    return apply_theme(both.properties(width=width - 60, height=height))


def apply_theme(chart: Any) -> Chart:
    """Return the chart with the page's fonts and colours."""
    texts: dict[str, Any] = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titleColor": QUIET}
    themed: Chart = (
        chart.configure(background="transparent", font=_FONT, padding=4)
        .configure_view(stroke=None)
        .configure_axis(labelColor=QUIET, gridColor=LINE, domainColor=LINE, tickColor=LINE, **texts)
        .configure_legend(labelColor=INK, **texts)
    )
    return themed
