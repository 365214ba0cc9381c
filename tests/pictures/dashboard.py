"""The dashboard "model", drawn from its panels' own queries: a real Prometheus answers them over days of the demo. This is
not Grafana; layout and colours only resemble it."""

import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from tests.deploy.played import ENDED, Asked, played
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
LINES = ("ECE of all traffic", "Calibration gap by slice", "Drift evidence")
STATES = "Rules"
MAPS = ("ECE at least: camera × lighting", "Drift evidence: camera × lighting")
BACK, PANEL, INK, QUIET, GRID = "#111217", "#181b1f", "#d8d9da", "#8e9297", "#2c3235"
COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d", "#fade2a", "#96d98d"]
STEPS = ["#37872d", "#e0b400", "#fa6400", "#c4162a"]  # between 0.03, 0.05 and 0.15
NAMED = {"green": "#73bf69", "orange": "#ff780a", "yellow": "#fade2a", "red": "#f2495c"}
WIDE = 500


def draw_dashboard(directory: Path) -> bytes:
    """PNG of some panels."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    known = values(dashboard, CHOSEN)
    panels = {panel["title"]: panel for panel in dashboard["panels"] if panel.get("targets")}
    with played(directory) as prometheus:
        stats = alt.hconcat(*(_stat(prometheus, panels[title], known) for title in STATS), spacing=14)
        lines = [_lines(prometheus, panels[title], known) for title in LINES]
        states = _states(prometheus, panels[STATES], known)
        maps = [_map(prometheus, panels[title], known) for title in MAPS]
    rows = alt.vconcat(
        stats,
        alt.hconcat(*lines[:2], spacing=30),
        alt.hconcat(*maps, spacing=30),
        alt.hconcat(lines[2], states, spacing=30),
        spacing=18,
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


def _lines(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    rows, names = [], dict[str, None]()
    for target in panel["targets"]:
        for series in prometheus.ranged(substituted(target["expr"], known)):
            name = _named(target.get("legendFormat", ""), series["metric"]).removesuffix(" (calibration-drift)")
            names[name] = None
            rows += [
                {"at": int(at * 1000), "value": float(value) if math.isfinite(float(value)) else None, "line": name}
                for at, value in series["values"]
            ]
    few = list(names)[:8] if len(names) > 8 else list(names)
    logarithmic = panel["fieldConfig"]["defaults"].get("custom", {}).get("scaleDistribution", {}).get("type") == "log"
    if logarithmic:
        rows = [{**row, "value": max(row["value"], 1e-4)} for row in rows if row["value"] is not None]
    scale = alt.Scale(type="log", clamp=True) if logarithmic else alt.Undefined
    return _chart(rows).mark_line(strokeWidth=1.4, interpolate="step-after").encode(
        x=alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format="%m-%d", tickCount=8)),
        y=alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5, format="~g")),
        color=alt.Color("line:N", scale=alt.Scale(domain=list(names), range=[COLOURS[n % 10] for n in range(len(names))]),
                        legend=alt.Legend(title=None, orient="bottom", columns=4, values=few, labelLimit=150)),
    ).properties(width=WIDE, height=190, title=panel["title"])  # fmt: skip


def _states(prometheus: Asked, panel: dict[str, Any], known: dict[str, str]) -> Any:
    """A bar for each hour in which a series of the first query is not 0."""
    rows = [
        {"at": int(at * 1000), "end": int((at + 3600) * 1000),
         "line": _named(panel["targets"][0]["legendFormat"], series["metric"])}
        for series in prometheus.ranged(substituted(panel["targets"][0]["expr"], known))
        for at, value in series["values"] if float(value) > 0
    ]  # fmt: skip
    return _chart(rows).mark_bar(color="#f2495c", height=9).encode(
        x=alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format="%m-%d", tickCount=6)), x2="end:T",
        y=alt.Y("line:N", title=None, axis=alt.Axis(labelLimit=230, labelFontSize=9)),
    ).properties(width=WIDE - 170, height=190, title=f"{panel['title']}: firing")  # fmt: skip


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
        x=alt.X("lighting:N", title=None, axis=alt.Axis(labelAngle=0)), y=alt.Y("camera:N", title=None)
    )
    text = base.mark_text(color="#ffffff").encode(text="text:N")
    layers = (
        base.mark_rect(stroke=PANEL, strokeWidth=3).encode(color=alt.Color("value:Q", scale=scale, legend=None)) + text
    )
    return layers.properties(width=WIDE, height=120, title=f"{panel['title']}, 5 February")
