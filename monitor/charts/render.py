"""Charts into SVG for the page and PNG for tickets, without a browser and without a network."""

import vl_convert

from monitor.charts import charts

# In dark mode the colours of the drawing change places with these; print stays light.
_DARK = {
    charts.INK: "#e4e7ea", charts.QUIET: "#a0a9b2", charts.LINE: "#3b424a", charts.PANEL: "#1c2024", charts.BLUE: "#86b9f5",
    charts.PALE: "#3f618a", charts.RED: "#ff8a80", charts.AMBER: "#f0b849", charts.GREEN: "#74cf97", charts.VIOLET: "#c1a5f0",
    charts.STEPS[0]: "#2b333c",
}  # fmt: skip
STYLE = (
    "@media screen and (prefers-color-scheme:dark){"
    + "".join(f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}' for light, dark in _DARK.items())
    + "}"
)


def svg(chart: charts.Chart) -> str:
    """The chart as a picture that follows light and dark mode by itself."""
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
    opening = drawn.index(">") + 1
    return f"{drawn[:opening]}<style>{STYLE}</style>{drawn[opening:]}"


def png(chart: charts.Chart, *, scale: float = 2.0) -> bytes:
    """The chart on white, ``scale`` pixels for each of its units."""
    described = chart.to_dict()
    described["config"]["background"] = charts.PANEL
    drawn: bytes = vl_convert.vegalite_to_png(described, scale=scale, allowed_base_urls=[])
    return drawn
