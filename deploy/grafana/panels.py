"""The kinds of panels: numbers, lines, tables, maps of two dimensions, states over time. One look for all dashboards.

What is not known has no series, and shows as "unknown" in grey, or as a gap in a line; never as 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as widgets
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import prometheus as queries

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREY, GREEN, ORANGE, RED, BLUE = "#8e8e8e", "green", "orange", "red", "blue"

Steps = Sequence[tuple[float | None, str]]  # from which value on, which colour; the first from None
CALM: Steps = ((None, "text"),)
ECE: Steps = ((None, GREEN), (0.03, "yellow"), (0.05, ORANGE), (0.15, RED))  # the bounds of the pack "default"
EVIDENCE: Steps = ((None, GREEN), (0.5, ORANGE), (1.0, RED))
ANY_IS_BAD: Steps = ((None, GREEN), (1.0, RED))
ZERO_IS_BAD: Steps = ((None, RED), (1.0, GREEN))


@dataclass(frozen=True, slots=True)
class Ask:
    """A query and how its series are called."""

    query: str
    legend: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers in a table: one query, one row for each set of labels."""

    title: str
    query: str
    unit: str = "none"
    decimals: int | None = None
    steps: Steps = CALM
    words: tuple[tuple[str, str, str], ...] = ()  # value, word, colour


def thresholds(steps: Steps) -> builders.ThresholdsConfig:
    found = [dashboard.Threshold(value=value, color=color) for value, color in steps]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


def mappings(words: Sequence[tuple[str, str, str]] = ()) -> list[dashboard.ValueMapping]:
    """Words for values, and "unknown" for what is not there."""
    unknown = dashboard.SpecialValueMap(
        dashboard.DashboardSpecialValueMapOptions(
            match=dashboard.SpecialValueMatch.NULL_AND_NAN,
            result=dashboard.ValueMappingResult(text="unknown", color=GREY, index=len(words)),
        )
    )
    known = {
        value: dashboard.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(words)
    }
    return [dashboard.ValueMap(known), unknown] if known else [unknown]


def link(title: str, url: str) -> builders.DashboardLink:
    return builders.DashboardLink(title).url(url)


def runbook(alert: str) -> builders.DashboardLink:
    return link(f"Runbook {alert}", f"${{runbooks}}/{alert}.md").target_blank(True)


def _asked(ask: Ask, index: int) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(ask.query).legend_format(ask.legend).ref_id(chr(ord("A") + index))


def number(
    title: str, says: str, ask: Ask, *, unit: str = "none", decimals: int | None = None, steps: Steps = CALM,
    words: Sequence[tuple[str, str, str]] = (), span: int = 4, named: bool = False, sparkline: bool = False,
) -> stat.Panel:  # fmt: skip
    """One number in large; ``named``: the legend's text stands there instead of the value; ``sparkline``: its past as well.

    Over a range the last sample there is may be days old: where there is none NaN is put, so that unknown is the last.
    """
    query = _asked(Ask(f"({ask.query}) or vector(NaN)", ask.legend) if sparkline else ask, 0)
    panel = (
        stat.Panel().title(title).description(says).datasource(SOURCE).span(span).height(4)
        .with_target(query.range() if sparkline else query.instant())
        .unit(unit).thresholds(thresholds(steps)).mappings(mappings(words)).no_value("unknown")
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.AREA if sparkline else common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.NAME if named else common.BigValueTextMode.VALUE)
        .reduce_options(widgets.ReduceDataOptions().values(False).calcs(["lastNotNull" if named else "last"]))
    )  # fmt: skip
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str, says: str, asks: Sequence[Ask], *, unit: str = "none", span: int = 12, height: int = 9,
    limit: Steps | None = None, least: float | None = None, most: float | None = None,
) -> timeseries.Panel:  # fmt: skip
    """Values over time; ``limit`` draws a dashed line at each step."""
    panel = (
        timeseries.Panel().title(title).description(says).datasource(SOURCE).span(span).height(height)
        .unit(unit).line_width(1).fill_opacity(0).show_points(common.VisibilityMode.AUTO).span_nulls(False)
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .legend(
            widgets.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM).calcs([])
        )
        .tooltip(widgets.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .no_value("unknown")
    )  # fmt: skip
    for index, ask in enumerate(asks):
        panel.with_target(_asked(ask, index).range())
    if limit is not None:
        style = widgets.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel.thresholds(thresholds(limit)).thresholds_style(style)
    if least is not None:
        panel.axis_soft_min(least)
    if most is not None:
        panel.axis_soft_max(most)
    return panel


def bars(title: str, says: str, asks: Sequence[Ask], *, unit: str = "short", span: int = 12) -> timeseries.Panel:
    """Counts per interval, stacked; queries use ``$__interval``, which is an hour at least."""
    return (
        lines(title, says, asks, unit=unit, span=span, least=0).interval("1h")
        .draw_style(common.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
        .show_points(common.VisibilityMode.NEVER)
        .stacking(widgets.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    )  # fmt: skip


def states(
    title: str, says: str, ask: Ask, words: Sequence[tuple[str, str, str]], *, span: int = 12
) -> statetimeline.Panel:
    """A row of states for each series; a gap is unknown."""
    return (
        statetimeline.Panel().title(title).description(says).datasource(SOURCE).span(span).height(9)
        .with_target(_asked(ask, 0).range()).mappings(mappings(words)).no_value("unknown").thresholds(thresholds(CALM))
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .show_value(common.VisibilityMode.NEVER).merge_values(True).row_height(0.8).line_width(0).fill_opacity(80)
        .legend(
            widgets.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM).calcs([])
        )
        .tooltip(widgets.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE).sort(common.SortOrder.NONE))
    )  # fmt: skip


def _table(title: str, says: str, span: int, height: int) -> table.Panel:
    return (
        table.Panel().title(title).description(says).datasource(SOURCE).span(span).height(height)
        .show_header(True).frame_index(0).cell_height(common.TableCellHeight.SM).no_value("unknown")
        .filterable(True).mappings(mappings()).cell_options(common.TableAutoCellOptions())
    )  # fmt: skip


def _cells(mode: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val="custom.cellOptions", value={"type": mode})


def listing(
    title: str, says: str, labels: Sequence[str], columns: Sequence[Column], *, sort: str, descending: bool = True,
    span: int = 24, height: int = 10, to: str | None = None,
) -> table.Panel:  # fmt: skip
    """A row for each set of ``labels``, a column for each query; ``to``: where a click on the first column leads."""
    panel = _table(title, says, span, height)
    renamed: dict[str, str] = {}
    for index, column in enumerate(columns):
        panel.with_target(_asked(Ask(column.query, ""), index).instant().format(queries.PromQueryFormat.TABLE))
        renamed["Value" if len(columns) == 1 else f"Value #{chr(ord('A') + index)}"] = column.title
    order = {name: index for index, name in enumerate([*labels, *renamed])}
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed},
        )
    )
    for column in columns:
        panel.override_by_name(column.title, _look(column))
    if to is not None:
        value = [{"title": "Open", "url": to}]
        for label in labels:
            panel.override_by_name(label, [dashboard.DynamicConfigValue(id_val="links", value=value)])
    return panel.sort_by([widgets.TableSortByFieldState().display_name(sort).desc(descending)])


def _look(column: Column) -> list[dashboard.DynamicConfigValue]:
    look = [dashboard.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        look.append(dashboard.DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.words:
        look.append(dashboard.DynamicConfigValue(id_val="mappings", value=mappings(column.words)))
    if column.steps is not CALM or column.words:
        look.append(dashboard.DynamicConfigValue(id_val="thresholds", value=thresholds(column.steps).build()))
        look.append(_cells("color-text"))
    return look


def matrix(
    title: str, says: str, query: str, rows: str, columns: str, *, steps: Steps, to: str, span: int = 12, height: int = 9
) -> table.Panel:  # fmt: skip
    """A map of two dimensions, coloured by value; a combination nobody can judge is "unknown"."""
    return (
        _table(title, says, span, height).filterable(False)
        .with_target(_asked(Ask(query, ""), 0).instant().format(queries.PromQueryFormat.TABLE))
        .with_transformation(
            dashboard.DataTransformerConfig(
                id_val="groupingToMatrix",
                options={"rowField": rows, "columnField": columns, "valueField": "Value", "emptyValue": "null"},
            )
        )
        .unit("none").decimals(3).thresholds(thresholds(steps))
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .with_override(
            dashboard.MatcherConfig(id_val="byType", options="number"),
            [_cells("color-background"), dashboard.DynamicConfigValue(id_val="links", value=[{"title": "Open", "url": to}])],
        )
        .sort_by([widgets.TableSortByFieldState().display_name(f"{rows}\\{columns}").desc(False)])
    )  # fmt: skip
