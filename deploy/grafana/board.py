"""What all dashboards have in common: the frame, the variables, the links between them, the marks of events."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from deploy.grafana.panels import SOURCE, Ask
from deploy.grafana.slices import Dimensions

TAG = "calwatch"
FLEET, MODEL, SLICE, MONITOR = "calwatch-fleet", "calwatch-model", "calwatch-slice", "calwatch-monitor"
OWN_VARIABLES = frozenset({"datasource", "page", "runbooks"})  # beside those that name a label of a series
_KEPT = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "page", "runbooks"))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a set of dashboards is made for."""

    dimensions: Dimensions
    page: str  # address of calwatch's own page, without a slash at the end
    runbooks: str  # address of the directory deploy/runbooks


@dataclass(frozen=True)
class Mark(Builder[dashboard.AnnotationQuery]):
    """An annotation: events over all panels. ``at_value``: the value is the time, in milliseconds."""

    name: str
    query: str
    title: str
    text: str
    color: str
    shown: bool = True
    at_value: bool = False

    def build(self) -> dashboard.AnnotationQuery:
        return _PrometheusMark(self)


class _PrometheusMark(dashboard.AnnotationQuery):
    """With the fields that Grafana's Prometheus source reads and the SDK's type does not know."""

    def __init__(self, mark: Mark) -> None:
        super().__init__(
            name=mark.name, datasource=SOURCE, enable=mark.shown, icon_color=mark.color, expr=mark.query
        )  # fmt: skip
        self.mark = mark

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(), "titleFormat": self.mark.title, "textFormat": self.mark.text,
            "tagKeys": "model,rule,severity", "useValueForTime": self.mark.at_value,
        }  # fmt: skip


def mark(made: builders.Dashboard, dimensions: Dimensions, matchers: str) -> None:
    """Mark refits, drift and other alarms of what ``matchers`` select; an alarm is a region while it fires."""
    for each in _marks(dimensions, matchers):
        made.annotation(each)


def _marks(dimensions: Dimensions, matchers: str) -> tuple[Mark, ...]:
    firing = f"calwatch_rule_firing{{{matchers}}} == 1"
    keys = f"model, rule, severity, {dimensions.by}"
    evidence = "on (model, rule) group by (model, rule) (calwatch_drift_evidence_ratio)"
    text = f"{{{{model}}}}: {dimensions.legend}"
    jobs = 'calwatch_jobs_total{model=~"$model", kind="recalibrate", outcome="rejected"}'
    return (
        Mark(
            "Drift", dimensions.named(f"max by ({keys}) ({firing}) and {evidence}"),
            "{{rule}} fires", text, "red",
        ),
        Mark(
            "Onsets",
            dimensions.named(f"1000 * max by ({keys}) (calwatch_rule_onset_timestamp_seconds{{{matchers}}})"),
            "trouble behind {{rule}} most likely began", text, "yellow", at_value=True,
        ),
        Mark(
            "Refits",
            dimensions.named(
                f"1000 * max by (model, {dimensions.by}) (calwatch_calibrator_fitted_timestamp_seconds{{{matchers}}})"
            ),
            "calibrator in use fitted", text, "green", at_value=True,
        ),
        Mark(
            "Other rules", dimensions.named(f"max by ({keys}) ({firing}) unless {evidence}"),
            "{{rule}} fires", text, "orange", shown=False,
        ),
        Mark(
            "Refits rejected", f"sum by (model) (increase({jobs}[$__interval])) > 0",
            "the gate rejected a refit", "{{model}}: reasons on the page", "purple", shown=False,
        ),
    )  # fmt: skip


def to_slice(
    setting: Setting, values: dict[str, str], *, model: str = "${model:queryparam}&${version:queryparam}"
) -> str:
    """Address of the slice dashboard; ``values`` maps each label to what Grafana puts there, ``model`` names the model."""
    slices = "&".join(f"var-{label}={values.get(label, 'All')}" for label in setting.dimensions.labels)
    return f"/d/{SLICE}?{_KEPT}&{model}&${{window:queryparam}}&{slices}&${{__url_time_range}}"


def to_model(field: str) -> str:
    return f"/d/{MODEL}?{_KEPT}&var-model={field}&${{window:queryparam}}&${{__url_time_range}}"


def known(
    name: str, metric: str, *, says: str, label: str | None = None, many: bool = False, all_value: str | None = None,
    first: str | None = None, newest_first: bool = False,
) -> builders.QueryVariable:  # fmt: skip
    """A choice among the values of a label; ``all_value`` is the regular expression that "All" stands for."""
    sort = dashboard.VariableSort.NATURAL_DESC if newest_first else dashboard.VariableSort.NATURAL_ASC
    variable = (
        builders.QueryVariable(name).label(label or name).description(says).datasource(SOURCE)
        .query({"query": f"label_values({metric}, {name})", "refId": f"variable-{name}"})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(sort).multi(many)
    )  # fmt: skip
    if all_value is not None:
        values: str | list[str] = ["$__all"] if many else "$__all"
        texts: str | list[str] = ["All"] if many else "All"
        variable.include_all(True).all_value(all_value)
        variable.current(dashboard.VariableOption(selected=True, text=texts, value=values))
    elif first is not None:
        variable.current(dashboard.VariableOption(selected=True, text=first, value=first))
    return variable


def _addresses(setting: Setting) -> list[builders.TextBoxVariable]:
    hidden = dashboard.VariableHide.HIDE_VARIABLE
    return [
        builders.TextBoxVariable(name).label(label).description(says).default_value(value).hide(hidden)
        .current(dashboard.VariableOption(selected=True, text=value, value=value))
        for name, label, says, value in (
            ("page", "calwatch page", "Where the links to calwatch's own page lead.", setting.page),
            ("runbooks", "runbooks", "Where the links to runbooks lead: the directory deploy/runbooks.", setting.runbooks),
        )
    ]  # fmt: skip


def window(metric: str) -> builders.QueryVariable:
    return known("window", metric, says="Over which window ECE and the like are taken.", first="24h")


def frame(uid: str, title: str, says: str, setting: Setting, *, page_query: str = "") -> builders.Dashboard:
    """An empty dashboard with its data source, its addresses and its links."""
    board = (
        builders.Dashboard(title).uid(uid).description(says).tags([TAG]).readonly().timezone("browser")
        .time("now-7d", "now").refresh("1m").tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            builders.DatasourceVariable("datasource").label("data source").type("prometheus")
            .description("The Prometheus that scrapes calwatch.")
        )
    )  # fmt: skip
    for address in _addresses(setting):
        board.with_variable(address)
    board.link(
        builders.DashboardLink("Dashboards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
        .include_vars(True).keep_time(True)
    )  # fmt: skip
    board.link(
        builders.DashboardLink("calwatch page").url(f"${{page}}/{page_query}").icon("external link").target_blank(True)
        .tooltip("Reliability diagrams, jobs with the gate's reasons, quarantined rows")
    )  # fmt: skip
    board.link(
        builders.DashboardLink("Runbooks").url("${runbooks}").icon("doc").target_blank(True)
        .tooltip("For each alert: what it means, where to look, what to do")
    )  # fmt: skip
    return board


def over_slices(metrics: Sequence[tuple[str, str]], dimensions: Dimensions, matchers: str) -> list[Ask]:
    """One query for each (metric, prefix of its legend)."""
    return [
        Ask(dimensions.each(metric, matchers), f"{prefix}{' · ' if prefix else ''}{dimensions.legend}")
        for metric, prefix in metrics
    ]


def on_the_right(unit: str, *, most: float) -> list[dashboard.DynamicConfigValue]:
    """A second axis for one of the series of a panel, from 0 to ``most``."""
    look = {"unit": unit, "custom.axisPlacement": "right", "custom.axisSoftMax": most, "custom.axisSoftMin": 0}
    return [dashboard.DynamicConfigValue(id_val=name, value=value) for name, value in look.items()]
