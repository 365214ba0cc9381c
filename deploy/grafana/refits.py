"""Panels about jobs and the calibrators they leave in use."""

from grafana_foundation_sdk.builders import statetimeline, table, timeseries

from deploy.grafana.panels import Ask, Column, bars, lines, listing, runbook, states
from deploy.grafana.slices import Dimensions

ADOPTED = (("0", "not adopted", "red"), ("1", "adopted", "green"))


def jobs(*, span: int = 12) -> timeseries.Panel:
    query = 'sum by (kind, outcome) (increase(calwatch_jobs_total{model=~"$model"}[$__interval]))'
    says = (
        "Refits, rollbacks and actions that ended, by outcome. rejected = the gate found the refit no better on later "
        "samples, which is no failure: the reasons are on the page and in calwatch jobs. failed or interrupted = read the "
        "log; what was in charge stays in charge."
    )
    return bars("Jobs ended", says, [Ask(query, "{{kind}} {{outcome}}")], span=span).links(
        [runbook("CalwatchJobFailing")]
    )


def durations(*, span: int = 12) -> timeseries.Panel:
    times = "calwatch_job_duration_seconds"
    per = 'model=~"$model"}[$__interval]'
    asks = [
        Ask(f"histogram_quantile(0.95, sum by (kind, le) (increase({times}_bucket{{{per})))", "{{kind}} 95 %"),
        Ask(
            f"sum by (kind) (increase({times}_sum{{{per})) / sum by (kind) (increase({times}_count{{{per}))",
            "{{kind}} mean",
        ),
    ]
    says = (
        "How long an attempt took: mean, and what 95 in 100 stay below (read off a histogram, so roughly). No line = no "
        "job ran then. Rising = more samples in fit_window, or a busy machine."
    )
    return lines("Duration of jobs", says, asks, unit="s", span=span, least=0).interval("1h")


def adoption(dimensions: Dimensions, matchers: str, *, span: int = 12) -> statetimeline.Panel:
    says = (
        "Whether production applies the calibrator that was promoted last for a scope. Red for long: the model server has "
        "not loaded it, the refit has no effect; reload the model server. Gap = no sample since the promotion."
    )
    ask = Ask(dimensions.each("calwatch_calibrator_adopted", matchers), dimensions.legend)
    return states("Calibrators adopted by production", says, ask, ADOPTED, span=span).links(
        [runbook("CalwatchCalibratorNotAdopted")]
    )


def calibrators(dimensions: Dimensions, matchers: str, *, span: int = 12) -> table.Panel:
    """Scope, method and id of what is in charge."""
    labels = (*dimensions.labels, "method", "calibrator")
    info = f"group by ({', '.join(labels)}) (calwatch_calibrator_info{{{matchers}}})"

    def joined(metric: str, factor: str = "") -> str:
        other = f"max by ({dimensions.by}) (calwatch_calibrator_{metric}{{{matchers}}})"
        return dimensions.named(f"{factor}{info} * on ({dimensions.by}) group_left () {other}")

    columns = (
        Column("fitted at", joined("fitted_timestamp_seconds", "1000 * "), "dateTimeAsIso"),
        Column("adopted", joined("adopted"), words=ADOPTED),
    )
    says = (
        "The calibrator in charge of each scope: the finest scope that a sample lies in serves it. A slice without a row "
        "of its own is served by the coarser one. Put an earlier one back with calwatch rollback MODEL --slice …"
    )
    return listing("Calibrators in use", says, labels, columns, sort="fitted at", span=span, height=9)
