"""Dashboard 4: calwatch itself. Does it run, does it get its rows, does anything of it fail?"""

from grafana_foundation_sdk.builders import dashboard as builders

from deploy.grafana import board
from deploy.grafana.panels import ANY_IS_BAD, ZERO_IS_BAD, Ask, bars, lines, number, runbook

_HERE = 'instance=~"$instance"'
_OF = f'{_HERE}, model=~"$model"'
_JOB = f'job="calwatch", {_HERE}'


def itself(setting: board.Setting) -> builders.Dashboard:
    """One process or several; the scrape job must be called calwatch."""
    made = board.frame(
        board.MONITOR, "calwatch / 4 The monitor itself", "Cycles, sources, jobs and limits of calwatch.", setting
    )  # fmt: skip
    made.with_variable(board.known("instance", "calwatch_build_info", says="Which process.", many=True, all_value=".+"))
    made.with_variable(
        board.known("model", f"calwatch_model_info{{{_HERE}}}", says="Which models.", many=True, all_value=".+")
    )
    read = f"1000 * max by (instance) (calwatch_config_last_reload_success_timestamp_seconds{{{_HERE}}})"
    made.annotation(board.Mark("Configuration read", read, "configuration read", "{{instance}}", "blue", at_value=True))
    _glance(made)
    made.with_row(builders.Row("Cycles"))
    _cycles(made)
    made.with_row(builders.Row("Sources"))
    _sources(made)
    made.with_row(builders.Row("Rules and jobs"))
    _work(made)
    made.with_row(builders.Row("Series and scrapes"))
    _scrapes(made)
    return made


def _glance(made: builders.Dashboard) -> None:
    yes_no = (("0", "no", "red"), ("1", "yes", "green"))
    for panel in (
        number(
            "Up", "Whether Prometheus can scrape every chosen process. no = nobody watches calibration.",
            Ask(f"min(up{{{_JOB}}})", ""), words=yes_no, steps=ZERO_IS_BAD,
        ).links([runbook("CalwatchDown")]),
        number(
            "Newest success", "Time since any stage of any model last succeeded. An hour = stuck.",
            Ask(f"time() - max(calwatch_last_success_timestamp_seconds{{{_OF}}})", ""), unit="s", decimals=0,
            steps=((None, "green"), (900, "orange"), (3600, "red")),
        ).links([runbook("CalwatchCyclesStuck")]),
        number(
            "Models failing", "Models whose last cycle failed. Their numbers may be old: calwatch status says why.",
            Ask(f"count(calwatch_model_healthy{{{_OF}}} == 0) or 0 * count(calwatch_model_healthy{{{_OF}}})", ""),
            decimals=0, steps=ANY_IS_BAD,
        ).links([runbook("CalwatchModelUnhealthy")]),
        number(
            "Configuration read", "Whether the configuration was last read well. no = the one from before goes on, and a "
            "restart would fail: run calwatch check.",
            Ask(f"min(calwatch_config_last_reload_successful{{{_HERE}}})", ""), words=yes_no, steps=ZERO_IS_BAD,
        ).links([runbook("CalwatchReloadFailed")]),
        number(
            "metrics.duckdb current", "Whether the last cycle replaced metrics.duckdb. no = queries there see old tables; "
            "mostly a full disk.",
            Ask(f"min(calwatch_snapshot_current{{{_HERE}}})", ""), words=yes_no, steps=ZERO_IS_BAD,
        ).links([runbook("CalwatchSnapshotNotReplaced")]),
        number(
            "Series left out", "Series of the finest slices over max_series. Above 0: raise it, or lower max_order or "
            "max_slice_values.",
            Ask(f"sum(calwatch_series_capped{{{_HERE}}})", ""), decimals=0, steps=ANY_IS_BAD,
        ).links([runbook("CalwatchSeriesCapped")]),
        number(
            "Version", "The running calwatch.", Ask(f"max by (version) (calwatch_build_info{{{_HERE}}})", "{{version}}"),
            span=12, named=True,
        ),
        number(
            "Configuration since", "When the running configuration was read.",
            Ask(f"1000 * max(calwatch_config_last_reload_success_timestamp_seconds{{{_HERE}}})", ""),
            unit="dateTimeAsIso", span=12,
        ),
    ):  # fmt: skip
        made.with_panel(panel)


def _cycles(made: builders.Dashboard) -> None:
    seconds = "calwatch_cycle_duration_seconds"
    for panel in (
        lines(
            "Age of each stage's last success",
            "Time since each stage last succeeded, of the model that waits longest. A saw-tooth as high as the cycle is "
            "fine, for measure as high as a bucket, since it waits for something new; a ramp = that stage fails or its "
            "source cannot be read: read the log.",
            [Ask(f"max by (stage) (time() - calwatch_last_success_timestamp_seconds{{{_OF}}})", "{{stage}}")],
            unit="s", span=8, least=0,
        ).links([runbook("CalwatchPullStale"), runbook("CalwatchCyclesStuck")]),
        lines(
            "Time per stage, mean",
            "How long one stage takes for one model. Rising with the number of slices is natural; a jump is not: see which "
            "stage. All stages together must stay below [monitor] cycle over the number of models.",
            [Ask(f"sum by (stage) (rate({seconds}_sum{{{_HERE}}}[$__rate_interval])) / "
                 f"sum by (stage) (rate({seconds}_count{{{_HERE}}}[$__rate_interval]))", "{{stage}}")],
            unit="s", span=8, least=0,
        ),
        lines(
            "Time per stage, 95 % below",
            "What 95 in 100 runs of a stage stay below (read off a histogram, so roughly).",
            [Ask(f"histogram_quantile(0.95, sum by (stage, le) (rate({seconds}_bucket{{{_HERE}}}[$__rate_interval])))",
                 "{{stage}}")],
            unit="s", span=8, least=0,
        ),
        bars(
            "Failed cycles", "Cycles that failed, by model; the others go on. all = metrics.duckdb could not be replaced.",
            [Ask(f'sum by (model) (increase(calwatch_cycle_failures_total{{{_HERE}, model=~"$model|all"}}[$__interval]))',
                 "{{model}}")],
        ).links([runbook("CalwatchCycleFailing")]),
        bars(
            "Scheduler", "Runs that went wrong: missed = began too late, failed, overlapped = the one before still ran: a "
            "cycle takes longer than its interval.",
            [Ask(f"sum by (kind) (increase(calwatch_scheduler_events_total{{{_HERE}}}[$__interval]))", "{{kind}}")],
        ).links([runbook("CalwatchCyclesOverlap")]),
    ):  # fmt: skip
        made.with_panel(panel)


def _sources(made: builders.Dashboard) -> None:
    for title, says, metric, by, alert in (
        ("Rows read", "Rows from each source, bad ones and repeats included. Nothing for long = the producer or the "
         "source stands still.", "pulled_samples_total", ("model", "source"), "CalwatchNoSamples"),
        ("Rows quarantined", "Rows set aside, by reason; the metrics are computed without them. They stand in the table "
         "quarantine of metrics.duckdb.", "quarantined_samples_total", ("model", "reason"), "CalwatchQuarantineGrowing"),
        ("Rows corrected", "Rows that replaced an earlier one of the same prediction, such as a changed label.",
         "corrected_samples_total", ("model",), "CalwatchQuarantineGrowing"),
        ("Source problems", "Times a source or a file of it could not be read, by reason. Tried again every cycle; the "
         "log names the file.", "source_problems_total", ("model", "source", "reason"), "CalwatchSourceProblem"),
    ):  # fmt: skip
        labels = ", ".join(by)
        query = f"sum by ({labels}) (increase(calwatch_{metric}{{{_OF}}}[$__interval]))"
        quiet = " > 0" if "reason" in by else ""  # dozens of reasons that never occurred would fill the legend
        legend = " ".join(f"{{{{{label}}}}}" for label in by)
        made.with_panel(bars(title, says, [Ask(query + quiet, legend)]).links([runbook(alert)]))

    made.with_panel(
        lines(
            "Labels that wait for their prediction",
            "Labels of a source whose sample_id no prediction has yet. Early labels are normal; rising while predictions "
            "come = the ids of the two sides differ: calwatch status shows both.",
            [Ask(f"max by (model, source) (calwatch_waiting_labels{{{_OF}}})", "{{model}} {{source}}")], span=24, least=0,
        ).links([runbook("CalwatchLabelsJoinNothing")])
    )  # fmt: skip
    made.with_panel(
        lines(
            "Files set aside",
            "Files of a source that are no longer read, because reading them failed twice in a way no file should be able to "
            "cause. What is in them is missing from every number: calwatch status names them with what to do.",
            [Ask(f"max by (model, source) (calwatch_files_set_aside{{{_OF}}})", "{{model}} {{source}}")], span=24, least=0,
        ).links([runbook("CalwatchFileSetAside")])
    )  # fmt: skip


def _work(made: builders.Dashboard) -> None:
    for panel in (
        bars(
            "Rule evaluations failed", "While a rule fails it watches nothing, its alerts stay as they were: read the log, "
            "mend the rule.",
            [Ask(f"sum by (model, rule) (increase(calwatch_rule_evaluation_failures_total{{{_OF}}}[$__interval])) > 0",
                 "{{model}} {{rule}}")], span=8,
        ).links([runbook("CalwatchRuleEvaluationFailing")]),
        bars(
            "Jobs ended", "Refits, rollbacks and actions, by outcome; rejected = the gate said no, with reasons on the page.",
            [Ask(f"sum by (kind, outcome) (increase(calwatch_jobs_total{{{_OF}}}[$__interval])) > 0",
                 "{{kind}} {{outcome}}")], span=8,
        ).links([runbook("CalwatchJobFailing")]),
        lines(
            "Duration of jobs, 95 % below", "What 95 in 100 attempts stay below. No line = no job ran then.",
            [Ask(f"histogram_quantile(0.95, sum by (kind, le) (increase(calwatch_job_duration_seconds_bucket{{{_OF}}}"
                 "[$__interval])))", "{{kind}}")], unit="s", span=8, least=0,
        ).interval("1h"),
    ):  # fmt: skip
        made.with_panel(panel)


def _scrapes(made: builders.Dashboard) -> None:
    for panel in (
        lines(
            "Series", "Series that calwatch exposes, and those left out because of max_series.",
            [Ask(f"sum by (instance) (scrape_samples_scraped{{{_JOB}}})", "{{instance}}"),
             Ask(f"sum by (instance) (calwatch_series_capped{{{_HERE}}})", "{{instance}} left out")],
            unit="short", least=0,
        ).links([runbook("CalwatchSeriesCapped")]),
        lines(
            "Duration of a scrape", "Time Prometheus waits for /metrics. Above a second: lower max_series.",
            [Ask(f"max by (instance) (scrape_duration_seconds{{{_JOB}}})", "{{instance}}")], unit="s", least=0,
        ),
    ):  # fmt: skip
        made.with_panel(panel)
