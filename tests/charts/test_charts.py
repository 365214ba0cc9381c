"""Charts: what is unknown is not drawn, what happened is marked, and the picture follows dark mode."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.charts import charts
from monitor.charts import render as rendering
from monitor.charts.heat import HeatCell
from monitor.model import ReliabilityBin
from monitor.model.history import CurvePoint, Event, EventKind, EvidencePoint, ReadingPoint

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BINS = (
    ReliabilityBin(0.0, 1 / 15, 300.0, 0.03, 0.04, 0.02, 0.07),
    ReliabilityBin(1 / 15, 2 / 15, 0.0, None, None, None, None),
    ReliabilityBin(14 / 15, 1.0, 100.0, 0.97, 0.60, 0.50, 0.69),
)
EVENTS = (Event(AT, EventKind.FIRED, "drift (page)", "all"), Event(AT + HOUR, EventKind.PROMOTED, "c1", "all"))


def point(hours: int, ece: float | None) -> ReadingPoint:
    state = "insufficient" if ece is None else "ok"
    return ReadingPoint("v1", state, 100, ece, ece, ece, ece, ece, ece, at=AT + hours * HOUR)


def curve(*values: tuple[float, float]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(threshold, 0.5, precision, precision - 0.1, precision + 0.1, 0.5, 0.4, 0.6, None, None, None)
        for threshold, precision in values
    )


def rows(chart: charts.Chart) -> list[dict[str, Any]]:
    """All values that a chart holds."""
    return [row for held in chart.to_dict()["datasets"].values() for row in held]


def test_a_bin_without_samples_is_not_drawn() -> None:
    drawn = [row for row in rows(charts.reliability(BINS)) if "rate" in row]
    assert {row["rate"] for row in drawn} == {0.04, 0.6}


def test_before_and_after_are_told_apart() -> None:
    drawn = rows(charts.reliability(BINS, BINS))
    assert {row["series"] for row in drawn if "series" in row} == {"now", "before"}


def test_a_reading_with_too_few_samples_is_a_gap_and_no_zero() -> None:
    drawn = [row for row in rows(charts.ece_over_time([point(0, 0.1), point(1, None), point(2, 0.2)])) if "line" in row]
    values = [row["value"] for row in drawn if row["line"] == "ECE, debiased"]
    assert values == [0.1, None, 0.2]


def test_every_kind_of_event_is_marked_by_a_colour_and_a_shape_of_its_own() -> None:
    assert len(set(charts._EVENTS.values())) == len(EventKind)
    assert len({colour for colour, _ in charts._EVENTS.values()}) == len({s for _, s in charts._EVENTS.values()}) == 5
    drawn = rows(charts.ece_over_time([point(0, 0.1)], EVENTS))
    assert {row["kind"] for row in drawn if "kind" in row} == {"alert fired", "calibrator promoted"}


def test_evidence_of_zero_is_drawn_at_the_floor_of_the_log_scale() -> None:
    path = [EvidencePoint(AT, "drift", "v1", "", 10, 0.0), EvidencePoint(AT + HOUR, "drift", "v1", "", 10, 1e300)]
    drawn = [row["ratio"] for row in rows(charts.evidence_path(path)) if "stream" in row]
    assert drawn == [charts.FLOOR, 1e15]


def test_no_threshold_in_use_is_no_line() -> None:
    points = curve((0.2, 0.8), (0.9, 0.9))
    texts = str(charts.trade_off(points, None, ("precision", 0.95)).to_dict())
    assert "promised precision 0.95" in texts
    assert "in use" not in texts
    assert "in use 0.4" in str(charts.trade_off(points, 0.4).to_dict())


def test_recall_that_nobody_knows_is_neither_line_nor_key() -> None:
    known = curve((0.2, 0.8), (0.9, 0.9))
    unknown = [replace(point, recall=None, recall_lower=None, recall_upper=None, f1=None) for point in known]
    for points, lines in ((known, ["precision", "recall", "share kept"]), (unknown, ["precision", "share kept"])):
        drawn = charts.trade_off(points, 0.4).to_dict()
        told = next(layer["encoding"]["color"] for layer in drawn["layer"] if "color" in layer.get("encoding", {}))
        assert told["scale"]["domain"] == lines
        assert len(told["scale"]["range"]) == len(lines)


def test_an_unknown_cell_of_the_heat_map_is_a_dash() -> None:
    cells = [HeatCell("c1", "day", 0.031, 500, True), HeatCell("c1", "night", None, 3, False)]
    drawn = {row["column"]: (row["text"], row["known"]) for row in rows(charts.heat_map(cells, "camera", "lighting"))}
    assert drawn == {"day": ("0.031", True), "night": ("–", False)}


def ink(cell: HeatCell) -> str:
    drawn = rendering.svg(charts.heat_map([cell], "camera", "lighting"))
    assert cell.value is not None
    text = drawn.partition(f">{cell.value:.3f}</text>")[0].rpartition("<text")[2]
    return text.partition('fill="')[2].partition('"')[0]


def test_numbers_on_the_heat_map_can_be_read_in_dark_mode_too() -> None:
    """Of the steps only the lightest changes in dark mode, and so must the ink on it."""
    assert ink(HeatCell("c1", "day", 0.004, 500, True)) == charts.INK
    assert ink(HeatCell("c1", "day", 0.03, 500, True)) == charts.INK_ON_PALE
    assert ink(HeatCell("c1", "day", 0.2, 500, True)) == charts.PALE_ON_DARK
    assert f'[fill="{charts.INK}"]' in rendering.STYLE
    assert f'[fill="{charts.INK_ON_PALE}"]' not in rendering.STYLE


def test_a_cell_is_coloured_only_where_its_error_is_more_than_luck() -> None:
    cells = [HeatCell("c1", "day", 0.057, 140, False), HeatCell("c1", "dusk", 0.057, 900, True)]
    steps = {row["column"]: row["step"] for row in rows(charts.heat_map(cells, "camera", "lighting"))}
    assert steps == {"day": 0, "dusk": 3}


def labels(drawn: str) -> list[str]:
    """The texts of the ticks, axis by axis."""
    return [text for part in drawn.split("role-axis-label")[1:] for text in
            re.findall(r"<text[^>]*>([^<]+)</text>", part.partition("role-axis-")[0])]  # fmt: skip


def test_ticks_of_small_errors_do_not_read_the_same() -> None:
    told = labels(rendering.svg(charts.ece_over_time([point(0, 0.004), point(1, 0.019)])))
    assert len(told) == len(set(told)), told


def test_times_are_told_by_the_day_or_the_hour_of_utc() -> None:
    months = rendering.svg(charts.ece_over_time([point(0, 0.1), point(24 * 40, 0.1)]))
    assert "Mar 08" in labels(months)
    assert "March" not in labels(months)
    assert ">UTC</text>" in months
    assert "06:00" in labels(rendering.svg(charts.ece_over_time([point(0, 0.1), point(24, 0.1)])))


@pytest.mark.parametrize("top", [1.0, 1e9, 1e300])
def test_the_log_axis_of_evidence_has_few_lines_and_the_limit_among_them(top: float) -> None:
    path = [EvidencePoint(AT, "drift", "v1", "", 10, 0.5), EvidencePoint(AT + HOUR, "drift", "v1", "", 10, top)]
    told = [text for text in labels(rendering.svg(charts.evidence_path(path))) if ":" not in text]
    assert "1" in told
    assert len([text for text in told if " " not in text]) <= 8, told


@pytest.mark.parametrize("width", [charts.WIDE, charts.NARROW])
def test_pictures_have_a_dark_mode_and_load_nothing(width: int) -> None:
    for chart in (
        charts.reliability(BINS, BINS),
        charts.ece_over_time([point(0, 0.1), point(5, 0.2)], EVENTS, width=width),
        charts.evidence_path([EvidencePoint(AT, "drift", "v1", "", 10, 0.5)], EVENTS, width=width),
        charts.trade_off(curve((0.2, 0.8), (0.9, 0.9)), 0.4, width=width),
        charts.heat_map([HeatCell("<b>&", "day", 0.031, 500, True)], "camera", "lighting", width=width),
    ):
        drawn = rendering.svg(chart)
        assert f"<style>{rendering.STYLE}</style>" in drawn
        assert "<b>" not in drawn
        assert "href" not in drawn
        assert "<script" not in drawn
        assert float(drawn.partition('width="')[2].partition('"')[0]) <= max(width, 360) + 30


def test_a_ticket_gets_a_png() -> None:
    assert rendering.png(charts.reliability(BINS), scale=1).startswith(b"\x89PNG")
