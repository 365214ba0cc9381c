"""Dashboard 1: all models. Is anything wrong, where, and who is not being watched?"""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import stat, table

from deploy.grafana import board
from deploy.grafana.panels import (
    ANY_IS_BAD,
    ECE,
    EVIDENCE,
    Ask,
    Column,
    lines,
    listing,
    number,
    runbook,
)
from deploy.grafana.slices import Dimensions

_OF = 'model=~"$model"'
_EXISTS = f"0 * count(calwatch_model_healthy{{{_OF}}})"  # 0 where calwatch is there at all, else unknown
_AGES: tuple[tuple[float | None, str], ...] = ((None, "green"), (900, "orange"), (3600, "red"))


def fleet(setting: board.Setting) -> builders.Dashboard:
    """Model by model; a click leads to the model's dashboard."""
    dimensions = setting.dimensions
    made = board.frame(
        board.FLEET, "calwatch / 1 Fleet", "All models that calwatch watches, worst first.", setting
    )  # fmt: skip
    made.with_variable(
        board.known("model", "calwatch_model_info", says="Which models to show.", many=True, all_value=".+")
    )
    made.with_variable(board.window(f"calwatch_samples{{{_OF}}}"))
    board.mark(made, dimensions, _OF)
    for panel in (*_now(dimensions.whole), _models(dimensions)):
        made.with_panel(panel)
    made.with_row(builders.Row("What fires"))
    made.with_panel(_firing(setting))
    made.with_row(builders.Row("Over time"))
    made.with_panel(
        lines(
            "Worst slice of each model: ECE at least",
            "Lower end of the 95 % interval of the expected calibration error, of the slice where it is highest. Above the "
            "dashed 0.05 the default rules open a ticket. No line = no slice has enough labels: unknown.",
            [Ask(f'max by (model) (calwatch_ece_lower{{{_OF}, window="$window"}})', "{{model}}")],
            limit=((None, "transparent"), (0.05, "orange")), least=0,
        ).decimals(3).links([runbook("CalwatchEceHigh")])
    )  # fmt: skip
    made.with_panel(
        lines(
            "Strongest drift evidence of each model",
            "Evidence for drift over its limit, of the slice where it is highest: 1 (dashed) = alarm. Rising = look soon. "
            "No line = the model has no drift rule, or nothing judged yet: unknown.",
            [Ask(f"max by (model) (calwatch_drift_evidence_ratio{{{_OF}}})", "{{model}}")],
            limit=((None, "transparent"), (1.0, "red")), least=0, most=1.1,
        ).decimals(2).links([runbook("CalwatchDrift"), runbook("CalwatchDriftEvidenceRising")])
    )  # fmt: skip
    made.with_panel(
        lines(
            "Slices with a firing rule",
            "How many pairs of rule and slice fire, by severity: page = somebody gets up, ticket = within a working day, "
            "info = worth knowing.",
            [Ask(f"sum by (severity) (calwatch_rule_firing{{{_OF}}})", "{{severity}}")], unit="short", least=0,
        ).decimals(0)
    )  # fmt: skip
    made.with_panel(
        lines(
            "Labelled samples in the window",
            "How much each model's numbers rest on. Falling = labels stop coming: ask who labels.",
            [Ask(f'max by (model, version) (calwatch_samples{{{_OF}, window="$window", {dimensions.whole}}})',
                 "{{model}} {{version}}")],
            unit="short", least=0,
        ).links([runbook("CalwatchNoSamples")])
    )  # fmt: skip
    return made


def _now(whole: str) -> list[stat.Panel]:
    firing = f"sum(calwatch_rule_firing{{{_OF}, severity=%s}}) or {_EXISTS}"
    judged = f'calwatch_ece_lower{{{_OF}, window="$window", {whole}}}'
    return [
        number("Models", "Models that calwatch watches.", Ask(f"count(calwatch_model_healthy{{{_OF}}})", ""), decimals=0),
        number(
            "Pages firing", "Rules of severity page that fire now. Above 0: somebody gets up; which ones stands below.",
            Ask(firing % '"page"', ""), steps=ANY_IS_BAD, decimals=0,
        ).links([runbook("CalwatchRuleFiring")]),
        number(
            "Tickets firing", "Rules of severity ticket that fire now. Look within a working day; which ones stands below.",
            Ask(firing % '"ticket"', ""), steps=((None, "green"), (1, "orange")), decimals=0,
        ).links([runbook("CalwatchRuleFiring")]),
        number(
            "Models unknown",
            "Models of which nobody can say whether they are calibrated: too few labelled samples in the window for all "
            "traffic together. Unknown is not well: ask who labels, or choose a longer window.",
            Ask(f"count(calwatch_model_healthy{{{_OF}}} unless on (model) {judged}) or {_EXISTS}", ""),
            steps=((None, "green"), (1, "orange")), decimals=0,
        ).links([runbook("CalwatchLabelCoverageLow")]),
        number(
            "Cycles failing", "Models whose last cycle failed. Their numbers may be old: calwatch status says why.",
            Ask(f"count(calwatch_model_healthy{{{_OF}}} == 0) or {_EXISTS}", ""), steps=ANY_IS_BAD, decimals=0,
        ).links([runbook("CalwatchModelUnhealthy")]),
        number(
            "Oldest judgement", "Time since the model that waited longest was last judged by its rules. An hour = stuck.",
            Ask(f'time() - min(calwatch_last_success_timestamp_seconds{{{_OF}, stage="judge"}})', ""),
            unit="s", decimals=0, steps=_AGES,
        ).links([runbook("CalwatchCyclesStuck")]),
    ]  # fmt: skip


def _models(dimensions: Dimensions) -> table.Panel:
    window = f'{_OF}, window="$window"'

    def of_all(metric: str) -> str:
        return f"max by (model) (calwatch_{metric}{{{window}, {dimensions.whole}}})"

    columns = (
        Column("ECE at least, worst slice", f"max by (model) (calwatch_ece_lower{{{window}}})", decimals=3, steps=ECE),
        Column("ECE at least, all traffic", of_all("ece_lower"), decimals=3, steps=ECE),
        Column("ECE, all traffic", of_all("ece_debiased"), decimals=3),
        Column("drift evidence", f"max by (model) ({dimensions.drift(_OF)})", decimals=2, steps=EVIDENCE),
        Column(
            "firing",
            f"sum by (model) (calwatch_rule_firing{{{_OF}}}) or 0 * max by (model) (calwatch_model_healthy{{{_OF}}})",
            decimals=0, steps=ANY_IS_BAD,
        ),
        Column("labelled samples", of_all("samples"), "short", 0),
        Column("label coverage", of_all("label_coverage_ratio"), "percentunit", 1),
        Column("label lag", of_all("label_lag_seconds"), "s", 1),
        Column(
            "last judged", f'time() - max by (model) (calwatch_last_success_timestamp_seconds{{{_OF}, stage="judge"}})',
            "s", 0, _AGES,
        ),
    )  # fmt: skip
    says = (
        "One line a model, over the chosen window; where versions serve side by side, the worst of them. Sort by any "
        "column. A click on the name opens the model. unknown = too few labelled samples, which is neither good nor bad."
    )
    return listing(
        "Models, worst slice first", says, ("model",), columns, sort=columns[0].title, height=10,
        to=board.to_model("${__value.raw}"),
    )  # fmt: skip


def _firing(setting: board.Setting) -> table.Panel:
    dimensions = setting.dimensions
    labels = ("model", "version", "severity", "rule", *dimensions.labels)
    by = f"max by ({', '.join(labels)})"
    query = dimensions.named(f"{by} (calwatch_rule_firing{{{_OF}}} == 1)")
    began = dimensions.named(f"1000 * {by} (calwatch_rule_onset_timestamp_seconds{{{_OF}}})")
    values = {label: f"${{__data.fields.{label}}}" for label in dimensions.labels}
    to = board.to_slice(setting, values, model="var-model=${__data.fields.model}")
    says = (
        "Every rule that fires, for every slice, and when the trouble behind it most likely began (unknown = no time can be "
        "named). Why, in words: calwatch status and the page. What to do: the runbook. Empty = nothing fires, as long as the "
        "figures above are not unknown."
    )
    columns = (Column("state", query, words=(("1", "firing", "red"),)), Column("began", began, "dateTimeAsIso"))
    return listing("Firing now", says, labels, columns, sort="severity", descending=False, height=9, to=to).links(
        [runbook("CalwatchDrift"), runbook("CalwatchRuleFiring")]
    ).no_value("nothing fires")  # fmt: skip
