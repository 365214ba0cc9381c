"""Dashboard 2: one model. How far off are its scores, where, since when, and what was done about it?"""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import table, timeseries

from deploy.grafana import board, drift, refits, thresholds
from deploy.grafana.calibration import ece
from deploy.grafana.panels import (
    ANY_IS_BAD,
    ECE,
    EVIDENCE,
    ZERO_IS_BAD,
    Ask,
    Column,
    lines,
    listing,
    matrix,
    number,
    runbook,
)
from deploy.grafana.slices import Dimensions

_OF = 'model="$model"'
_VERSION = f'{_OF}, version="$version"'
_READING = f'{_VERSION}, window="$window"'
_ALERTS = f'{_OF}, version=~"$version|"'  # rules about silence are of the model, not of a version
_AGES: tuple[tuple[float | None, str], ...] = ((None, "green"), (900, "orange"), (3600, "red"))


def model(setting: board.Setting) -> builders.Dashboard:
    """Everything about one version of one model; slices narrowed by the variables of their dimensions."""
    dimensions = setting.dimensions
    made = board.frame(
        board.MODEL, "calwatch / 2 Model", "One model: calibration per slice, drift, thresholds, refits.", setting,
        page_query="?model=${model:percentencode}&window=${window:percentencode}",
    )  # fmt: skip
    made.with_variable(board.known("model", "calwatch_model_info", says="Which model.", first="digits"))
    series = f"calwatch_samples{{{_OF}}}"
    made.with_variable(
        board.known("version", series, says="Which version of it, newest name first.", newest_first=True)
    )
    made.with_variable(board.window(series))
    for label in dimensions.labels:
        says = f"Which slices to show: All = every {label}, and all of them together."
        made.with_variable(board.known(label, series, says=says, many=True, all_value=".*"))
    board.mark(made, dimensions, 'model=~"$model"')
    _glance(made, dimensions)
    made.with_row(builders.Row("Calibration"))
    made.with_panel(ece("ECE of all traffic", f"{_READING}, {dimensions.whole}").links([runbook("CalwatchEceHigh")]))
    chosen = f"{_READING}, {dimensions.chosen}"
    made.with_panel(_gap(board.over_slices([("calwatch_calibration_gap", "")], dimensions, chosen)))
    made.with_row(builders.Row("Where"))
    _maps(made, setting)
    made.with_panel(_slices(setting))
    for label in dimensions.labels:
        made.with_row(builders.Row(f"Each {label}"))
        one = dimensions.along(label, matcher=f'=~"${label}"')
        repeated = ece(f"ECE, {label} ${label}", f"{_READING}, {one}", span=6, height=7)
        made.with_panel(repeated.repeat(label).repeat_direction("h").max_per_row(4))
    made.with_row(builders.Row("Drift and rules"))
    made.with_panel(drift.evidence(dimensions, f"{_VERSION}, {dimensions.chosen}"))
    made.with_panel(drift.rules(dimensions, f"{_ALERTS}, {dimensions.chosen}"))
    made.with_row(builders.Row("Decision thresholds"))
    for name in ("precision", "recall"):
        made.with_panel(thresholds.live(name, f"{_READING}, {dimensions.whole}", _OF))
    made.with_panel(thresholds.found(f"{_READING}, {dimensions.whole}"))
    made.with_panel(thresholds.invented(f"{_READING}, {dimensions.whole}", _OF))
    made.with_panel(thresholds.in_use(dimensions, f"{_OF}, {dimensions.chosen}"))
    made.with_row(builders.Row("Samples and labels"))
    _labels(made, setting)
    made.with_row(builders.Row("Jobs and calibrators"))
    made.with_panel(refits.jobs())
    made.with_panel(refits.durations())
    made.with_panel(refits.calibrators(dimensions, f"{_OF}, {dimensions.chosen}"))
    made.with_panel(refits.adoption(dimensions, f"{_OF}, {dimensions.chosen}"))
    return made


def _glance(made: builders.Dashboard, dimensions: Dimensions) -> None:
    reading = f"{_READING}, {dimensions.whole}"
    exists = f"0 * max(calwatch_model_healthy{{{_OF}}})"
    for panel in (
        number(
            "What a score speaks of", "The event that every score of this model is the probability of.",
            Ask(f"calwatch_model_info{{{_OF}}}", "{{event}} {{iou}}"), span=12, named=True,
        ),
        number(
            "Last cycle",
            "Whether the last cycle went through for this model. failed = numbers here may be old: calwatch status says why.",
            Ask(f"min(calwatch_model_healthy{{{_OF}}})", ""), steps=ZERO_IS_BAD,
            words=(("0", "failed", "red"), ("1", "went through", "green")),
        ).links([runbook("CalwatchModelUnhealthy")]),
        number(
            "Last judged", "Time since the rules were last evaluated on fresh readings. An hour = stuck.",
            Ask(f'time() - max(calwatch_last_success_timestamp_seconds{{{_OF}, stage="judge"}})', ""),
            unit="s", decimals=0, steps=_AGES,
        ).links([runbook("CalwatchPullStale")]),
        number(
            "Label delays",
            "Whether labels of one outcome arrive later than those of the other, at equal scores. If so, young windows are "
            "biased and the false-alarm budget of drift rules is not guaranteed: set label_maturity as calwatch status says.",
            Ask(f"max(calwatch_label_delay_depends_on_outcome{{{_OF}}})", ""), steps=ANY_IS_BAD,
            words=(("0", "do not depend on outcome", "green"), ("1", "depend on outcome", "red")),
        ).links([runbook("CalwatchLabelDelayDependsOnOutcome")]),
        number(
            "Rules firing", "Pairs of rule and slice that fire now. Which ones stands under Drift and rules.",
            Ask(f"sum(calwatch_rule_firing{{{_ALERTS}}}) or {exists}", ""), decimals=0, steps=ANY_IS_BAD, sparkline=True,
        ).links([runbook("CalwatchRuleFiring")]),
        number(
            "ECE at least, all traffic", "Lower end of the 95 % interval of the expected calibration error: it is surely "
            "this large. unknown = too few labelled samples.",
            Ask(f"max(calwatch_ece_lower{{{reading}}})", ""), decimals=3, steps=ECE, sparkline=True,
        ).links([runbook("CalwatchEceHigh")]),
        number(
            "ECE at least, worst slice", "The same, of the slice where it is highest. Which one stands under Where.",
            Ask(f"max(calwatch_ece_lower{{{_READING}}})", ""), decimals=3, steps=ECE, sparkline=True,
        ).links([runbook("CalwatchEceSevere")]),
        number(
            "Strongest drift evidence",
            "Evidence for drift over its limit, of the slice where it is highest: 1 = alarm, while that is in force.",
            Ask(f"max({dimensions.drift(_VERSION)})", ""), decimals=2, steps=EVIDENCE, sparkline=True,
        ).links([runbook("CalwatchDrift")]),
        number(
            "Label coverage", "Labelled share of all predictions in the window. If it falls, labels stop coming.",
            Ask(f"max(calwatch_label_coverage_ratio{{{reading}}})", ""), unit="percentunit", decimals=1, sparkline=True,
        ).links([runbook("CalwatchLabelCoverageLow")]),
        number(
            "Label lag", "Mean time from a prediction to its label. What goes wrong now shows after about this long.",
            Ask(f"max(calwatch_label_lag_seconds{{{reading}}})", ""), unit="s", decimals=1, sparkline=True,
        ).links([runbook("CalwatchLabelsLate")]),
    ):  # fmt: skip
        made.with_panel(panel)


def _gap(asks: list[Ask]) -> timeseries.Panel:
    return lines(
        "Calibration gap by slice",
        "Mean score minus rate of the event. Above 0: over-confident, the event happens less often than the scores say; below "
        "0: under-confident. A bare estimate: small slices swing by luck; whether it is more than luck says the ECE's band. "
        "Narrow the slices with the variables above.",
        asks, limit=((None, "transparent"), (0.05, "orange")),
    ).decimals(3).axis_centered_zero(True)  # fmt: skip


def _maps(made: builders.Dashboard, setting: board.Setting) -> None:
    dimensions = setting.dimensions
    for rows, columns in dimensions.pairs:
        to = board.to_slice(setting, {rows: "${__data.fields[0]}", columns: "${__field.name}"})
        along = dimensions.along(rows, columns)
        drifting = dimensions.drift(f"{_VERSION}, {along}".rstrip(", "))
        for title, says, query, steps in (
            (
                f"ECE at least: {rows} × {columns}",
                "What the calibration error of each combination surely is (lower end of its 95 % interval). All = summed "
                "over. Colours: the bounds of the default rules. unknown = too few labelled samples, neither good nor bad. "
                "A click opens the slice.",
                dimensions.each("calwatch_ece_lower", f"{_READING}, {along}".rstrip(", ")), ECE,
            ),
            (
                f"Drift evidence: {rows} × {columns}",
                "Evidence for drift over its limit; 1 = alarm, while that is in force. Red in a whole row = the "
                f"cause is that {rows}; everywhere = the model or the traffic. unknown = not judged. A click opens the slice.",
                dimensions.each_of(drifting), EVIDENCE,
            ),
        ):  # fmt: skip
            made.with_panel(matrix(title, says, query, rows, columns, steps=steps, to=to))


def _slices(setting: board.Setting) -> table.Panel:
    dimensions = setting.dimensions
    chosen = dimensions.chosen

    def of(metric: str) -> str:
        return dimensions.each(f"calwatch_{metric}", f"{_READING}, {chosen}")

    firing = (
        f"sum by ({dimensions.by}) (calwatch_rule_firing{{{_ALERTS}, {chosen}}}) "
        f"or 0 * max by ({dimensions.by}) (calwatch_samples{{{_READING}, {chosen}}})"
    )
    columns = (
        Column("at least", of("ece_lower"), decimals=3, steps=ECE),
        Column("ECE", of("ece"), decimals=3),
        Column("by luck", of("ece_null_quantile"), decimals=3),
        Column("at most", of("ece_upper"), decimals=3),
        Column("gap", of("calibration_gap"), decimals=3),
        Column(
            "drift evidence", dimensions.each_of(dimensions.drift(f"{_VERSION}, {chosen}")), decimals=2,
            steps=EVIDENCE,
        ),
        Column("firing", dimensions.named(firing), decimals=0, steps=ANY_IS_BAD),
        Column("labelled samples", of("samples"), "short", 0),
        Column("coverage", of("label_coverage_ratio"), "percentunit", 1),
    )  # fmt: skip
    says = (
        "Every slice, the surest miscalibrated first. ECE below by luck = nothing to do. at least above 0.05 = a ticket by "
        "the default rules. at least near 0 and at most high = too few labels to tell. unknown = below min_samples. All = "
        "summed over. A click on a name opens the slice."
    )
    values = {label: f"${{__data.fields.{label}}}" for label in dimensions.labels}
    return listing(
        "Slices, worst first", says, dimensions.labels, columns, sort="at least", height=11,
        to=board.to_slice(setting, values),
    )  # fmt: skip


def _labels(made: builders.Dashboard, setting: board.Setting) -> None:
    chosen = f"{_READING}, {setting.dimensions.chosen}"
    for title, says, metric, unit, alert in (
        ("Labelled samples by slice", "Labelled samples in the window. Below min_samples nothing is known of a slice.",
         "calwatch_samples", "short", "CalwatchNoSamples"),
        ("Label coverage by slice", "Labelled share of all predictions in the window. If one slice falls, ask who labels it: "
         "what is labelled may no longer be a fair sample.",
         "calwatch_label_coverage_ratio", "percentunit", "CalwatchLabelCoverageLow"),
        ("Label lag by slice", "Mean time from a prediction to its label. Rising = what goes wrong shows later.",
         "calwatch_label_lag_seconds", "s", "CalwatchLabelsLate"),
    ):  # fmt: skip
        asks = board.over_slices([(metric, "")], setting.dimensions, chosen)
        made.with_panel(lines(title, says, asks, unit=unit, span=8, least=0).links([runbook(alert)]))
