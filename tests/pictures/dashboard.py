"""The dashboard "model", drawn from its panels' own queries: a real Prometheus answers them over days of the demo. This is
not Grafana; layout and colours only resemble it."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import altair as alt
import vl_convert

from tests.deploy.played import BEGAN, ENDED, Asked, played
from tests.deploy.substituted import substituted, values

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "model.json"
CHOSEN = {"model": "digits", "version": "digits-1", "window": "7d"}
STATS = (
    "Rules firing",
    "ECE at least, all traffic",
    "ECE at least, worst slice",
    "Strongest drift evidence",
    "Label coverage",
)
BANDS = ("ECE of all traffic", "Precision in production")
LINES = "Drift evidence"
STATES = "Rules"
MAPS = ("ECE at least: camera × lighting", "Drift evidence: camera × lighting")
BACK, PANEL, INK, QUIET, GRID = "#111217", "#181b1f", "#d8d9da", "#8e9297", "#2c3235"
COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d", "#fade2a", "#96d98d"]
BLUE, GREEN = "#8ab8ff", "#73bf69"
STEPS = ["#37872d", "#e0b400", "#fa6400", "#c4162a"]  # between 0.03, 0.05 and 0.15
NAMED = {"green": "#73bf69", "orange": "#ff780a", "yellow": "#fade2a", "red": "#f2495c"}
WIDE = 500
LEFT, RIGHT = 44, 190  # width of the labels of an axis


def draw_dashboard(directory: Path) -> bytes:
    """PNG of some panels."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    known = values(dashboard, CHOSEN)
    panels = {panel["title"]: panel for panel in dashboard["panels"] if panel.get("targets")}
    with played(directory) as prometheus:
        stats = alt.hconcat(*(_stat(prometheus, panels[title], known) for title in STATS), spacing=14)
        bands = [_band(prometheus, panels[title], known) for title in BANDS]
        lines = _lines(prometheus, panels[LINES], known)
        states = _states(prometheus, panels[STATES], known)
        maps = [_map(prometheus, panels[title], known) for title in MAPS]
    rows = alt.vconcat(
        stats,
        alt.hconcat(*bands, spacing=20),
        alt.hconcat(*maps, spacing=20).resolve_scale(color="independent"),
        alt.hconcat(lines, states, spacing=20),
        spacing=20,
    ).resolve_scale(color="independent", opacity="independent")
    title = {"text": "calwatch / model: digits", "subtitle": "version digits-1 · window 7d · 30 January to 8 February",
             "anchor": "start", "color": INK, "subtitleColor": QUIET, "fontSize": 18, "offset": 14}  # fmt: skip
    drawn = rows.properties(title=title, padding=18).configure(
        background=BACK, font="Liberation Sans, Arial, sans-serif"
    )
    drawn = drawn.configure_view(fill=PANEL, stroke=GRID).configure_title(color=INK, anchor="start", fontSize=13)
    axis: dict[str, Any] = {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
    }
    drawn = drawn.configure_axis(**axis).configure_legend(labelColor=INK, symbolType="stroke", symbolStrokeWidth=3)
    picture: bytes = vl_convert.vegalite_to_png(drawn.to_dict(), scale=1.0, allowed_base_urls=[])
    return picture


def _chart(rows: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]  # Altair leaves it untyped


def _stat(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    found = prometheus.instant(substituted(panel["targets"][0]["expr"], known), ENDED)
    value = float(found[0]["value"][1]) if found else math.nan
    unit = panel["fieldConfig"]["defaults"].get("unit")
    text = "unknown" if math.isnan(value) else f"{value:.0%}" if unit == "percentunit" else f"{value:.3g}"
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    colour = next((step["color"] for step in reversed(steps) if (step.get("value") or -math.inf) <= value), "text")
    number = _chart([{"text": text}]).mark_text(fontSize=30, color=NAMED.get(colour, INK))
    return number.encode(text="text:N").properties(width=204, height=64, title=panel["title"])


def _named(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


def _found(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> list[dict[str, Any]]:
    """Rows of time, value and legend of every query of a panel."""
    return [
        {"at": int(at * 1000), "value": float(value) if math.isfinite(float(value)) else None,
         "line": _named(target.get("legendFormat", ""), series["metric"]).removesuffix(" (calibration-drift)")}
        for target in panel["targets"]
        for series in prometheus.ranged(substituted(target["expr"], known))
        for at, value in series["values"]
    ]  # fmt: skip


def _band(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    """A number with its interval as a band; what luck gives as another; what is promised dashed."""
    rows = _found(prometheus, panel, known)
    share = panel["fieldConfig"]["defaults"].get("unit") == "percentunit"

    def of(*names: str) -> alt.Chart:
        held: dict[int, dict[str, Any]] = {}
        for row in rows:
            if row["line"] in names and row["value"] is not None:
                held.setdefault(row["at"], {"at": row["at"], "0": 0})[row["line"]] = row["value"]
        return _chart([each for each in held.values() if set(names) <= set(each)])

    y = alt.Y("at least:Q", title=None, axis=alt.Axis(tickCount=5, format=".0%" if share else "~g", minExtent=LEFT))
    y = y.scale(zero=not share)
    step: Literal["step-after"] = "step-after"
    layers = [
        of("at least", "at most").mark_area(color=BLUE, opacity=0.25, interpolate=step).encode(y=y, y2="at most:Q")
    ]
    told = [("blue band: 95 % interval", BLUE)]
    if any(row["line"] == "by luck" for row in rows):
        layers.insert(
            0, of("by luck").mark_area(color=QUIET, opacity=0.4, interpolate=step).encode(y="by luck:Q", y2="0:Q")
        )
        told.append(("grey: what luck alone gives", QUIET))
    estimate = "live" if share else "ECE"
    line = alt.Y(estimate, type="quantitative")
    layers.append(of(estimate).mark_line(color=BLUE, strokeWidth=2, interpolate=step).encode(y=line))
    promised = "promised at least"
    if any(row["line"] == promised for row in rows):
        layers.append(of(promised).mark_line(color=GREEN, strokeWidth=2, strokeDash=[8, 5]).encode(y=f"{promised}:Q"))
        told.append(("green: what the policy promises", GREEN))
    title = {"text": panel["title"], "subtitle": " · ".join(text for text, _ in told), "subtitleColor": QUIET}
    return alt.layer(*[layer.encode(x=_days()) for layer in layers]).properties(width=WIDE, height=170, title=title)


def _lines(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    """A line for each series; those that rise highest have a colour and a name, the others are grey."""
    rows = [row for row in _found(prometheus, panel, known) if row["value"] is not None]
    peaks = {name: max(row["value"] for row in rows if row["line"] == name) for name in {row["line"] for row in rows}}
    named = sorted(peaks, key=lambda name: (-peaks[name], name))[:8]
    others = sorted(set(peaks) - set(named))
    colours = [COLOURS[n] for n in range(len(named))] + [GRID] * len(others)
    return _chart(rows).mark_line(strokeWidth=1.4, interpolate="step-after").encode(
        x=_days(),
        y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=5, format="~g", minExtent=LEFT)),
        color=alt.Color("line:N", scale=alt.Scale(domain=[*named, *others], range=colours),
                        legend=alt.Legend(title=None, orient="bottom", columns=4, values=named, labelLimit=150)),
    ).properties(width=WIDE, height=190, title=panel["title"])  # fmt: skip


def _days(ticks: int = 8) -> alt.X:
    """The axis of time, the same in all panels."""
    ends = [int(end.timestamp() * 1000) for end in (BEGAN, ENDED)]
    axis = alt.Axis(format="%m-%d", tickCount=ticks)
    return alt.X("at:T", title=None, scale=alt.Scale(type="utc", domain=ends), axis=axis)


def _states(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    """A bar from the first to the last hour in a row in which a series of the first query is not 0."""
    ended, rows = ENDED.timestamp() * 1000, []
    for series in prometheus.ranged(substituted(panel["targets"][0]["expr"], known)):
        began, end = math.inf, -math.inf
        line = _named(panel["targets"][0]["legendFormat"], series["metric"])
        for at in [*(float(at) * 1000 for at, value in series["values"] if float(value) > 0), math.inf]:
            if at > end > began:
                rows.append({"at": began, "end": min(end, ended), "line": line})
            began = at if at > end else began
            end = at + timedelta(hours=1).total_seconds() * 1000
    return _chart(rows).mark_bar(color="#f2495c", height=9).encode(
        x=_days(5), x2="end:T",
        y=alt.Y("line:N", title=None, axis=alt.Axis(labelLimit=RIGHT, labelFontSize=9, minExtent=RIGHT)),
    ).properties(width=WIDE + LEFT - RIGHT, height=190, title=f"{panel['title']}: firing")  # fmt: skip


def _map(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    at = datetime(2026, 2, 5, tzinfo=UTC)
    rows = [
        {"camera": each["metric"].get("camera", ""), "lighting": each["metric"].get("lighting", ""),
         "value": float(each["value"][1]), "text": f"{float(each['value'][1]):.3g}"}
        for each in prometheus.instant(substituted(panel["targets"][0]["expr"], known), at)
        if math.isfinite(float(each["value"][1]))
    ]  # fmt: skip
    steps = [0.5, 1.0] if "evidence" in panel["title"] else [0.03, 0.05, 0.15]
    scale = alt.Scale(type="threshold", domain=steps, range=[STEPS[0], *STEPS[-len(steps) :]])
    base = _chart(rows).encode(
        x=alt.X("lighting:N", title=None, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("camera:N", title=None, axis=alt.Axis(minExtent=LEFT)),
    )
    text = base.mark_text(color="#ffffff").encode(text="text:N")
    layers = (
        base.mark_rect(stroke=PANEL, strokeWidth=3).encode(color=alt.Color("value:Q", scale=scale, legend=None)) + text
    )
    return layers.properties(width=WIDE, height=120, title=f"{panel['title']}, 5 February")
