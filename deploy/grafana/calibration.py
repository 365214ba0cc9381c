"""Calibration error as a picture that answers: more than luck? how sure?"""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import dashboard

from deploy.grafana.panels import BLUE, GREY, Ask, lines

SAYS = (
    "Expected calibration error: by how much scores and reality differ on average; 0.05 = five points in a hundred. "
    "Grey band: what a perfectly calibrated slice of this size shows by luck; a line inside it calls for nothing. "
    "Blue band: 95 % interval of the true error. Dashed: 0.05, where the default rules open a ticket once the whole band "
    "is above it. No line = too few labelled samples: unknown, not well. If it stays high: look at the slice's images, "
    "then at whether a refit came through (row Jobs and calibrators)."
)


def ece(title: str, matchers: str, *, span: int = 12, height: int = 9, says: str = SAYS) -> timeseries.Panel:
    """Plug-in ECE of one slice, with its interval as a band and what luck alone gives as another."""
    names = (("ece_null_quantile", "by luck"), ("ece_upper", "at most"), ("ece_lower", "at least"), ("ece", "ECE"))
    asks = [Ask(f"max(calwatch_{metric}{{{matchers}}})", name) for metric, name in names]
    panel = lines(title, says, asks, span=span, height=height, limit=((None, "transparent"), (0.05, "orange")), least=0)
    panel.decimals(3)
    _draw(panel, "by luck", color=GREY, width=1, fill=25)
    _draw(panel, "at most", color=BLUE, width=0, fill=20, more=[_set("custom.fillBelowTo", "at least")])
    _draw(
        panel,
        "at least",
        color=BLUE,
        width=1,
        fill=0,
        more=[_set("custom.lineStyle", {"fill": "dash", "dash": [4, 4]})],
    )
    _draw(panel, "ECE", color=BLUE, width=2, fill=0)
    return panel


def rates(
    title: str, says: str, asks: Sequence[Ask], *, promised: Sequence[Ask] = (), span: int = 12
) -> timeseries.Panel:
    """A rate with its bounds, legends "at most", "at least" and any other; ``promised`` is drawn dashed in green."""
    panel = lines(title, says, [*asks, *promised], unit="percentunit", span=span, least=0.5, most=1)
    _draw(panel, "at most", color=BLUE, width=0, fill=20, more=[_set("custom.fillBelowTo", "at least")])
    _draw(
        panel,
        "at least",
        color=BLUE,
        width=1,
        fill=0,
        more=[_set("custom.lineStyle", {"fill": "dash", "dash": [4, 4]})],
    )
    for ask in promised:
        draw_promise(panel, ask.legend)
    return panel


def draw_promise(panel: timeseries.Panel, name: str) -> None:
    """Draw the series of that name dashed in green."""
    dashed = [_set("custom.lineStyle", {"fill": "dash", "dash": [10, 6]})]
    _draw(panel, name, color="green", width=2, fill=0, more=dashed)


def _set(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def _draw(
    panel: timeseries.Panel, name: str, *, color: str, width: int, fill: int,
    more: Sequence[dashboard.DynamicConfigValue] = (),
) -> None:  # fmt: skip
    fixed = {"mode": "fixed", "fixedColor": color}
    look = [_set("color", fixed), _set("custom.lineWidth", width), _set("custom.fillOpacity", fill), *more]
    panel.override_by_name(name, look)
