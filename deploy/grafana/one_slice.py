"""Dashboard 3: one slice in depth, and against the rest of its model."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import timeseries

from deploy.grafana import board, drift, refits, thresholds
from deploy.grafana.calibration import ece
from deploy.grafana.panels import ANY_IS_BAD, ECE, EVIDENCE, Ask, lines, number, runbook
from deploy.grafana.slices import Dimensions

_OF = 'model="$model"'
_VERSION = f'{_OF}, version="$version"'
_ALERTS = f'{_OF}, version=~"$version|"'


def one_slice(setting: board.Setting) -> builders.Dashboard:
    """The slice that the dimension variables name; "All" = summed over that dimension."""
    dimensions = setting.dimensions
    made = board.frame(
        board.SLICE, "calwatch / 3 Slice", "One slice of one model in depth. All = all values of a dimension together.",
        setting, page_query="?model=${model:percentencode}&window=${window:percentencode}",
    )  # fmt: skip
    made.with_variable(board.known("model", "calwatch_model_info", says="Which model.", first="digits"))
    series = f"calwatch_samples{{{_OF}}}"
    made.with_variable(
        board.known("version", series, says="Which version of it, newest name first.", newest_first=True)
    )
    made.with_variable(board.window(series))
    for label in dimensions.labels:
        says = f"Which {label}; All = all of them together."
        made.with_variable(board.known(label, series, says=says, all_value="^$"))
    board.mark(made, dimensions, f'model=~"$model", {dimensions.chosen}')
    reading = f'{_VERSION}, window="$window", {dimensions.chosen}'
    _glance(made, dimensions, reading)
    made.with_row(builders.Row("Calibration"))
    made.with_panel(ece("ECE of this slice", reading).links([runbook("CalwatchEceHigh")]))
    made.with_panel(_windows(dimensions.chosen))
    _against_all(made, dimensions.whole, reading)
    made.with_row(builders.Row("Drift and rules"))
    made.with_panel(drift.evidence(dimensions, f"{_VERSION}, {dimensions.chosen}"))
    made.with_panel(drift.rules(dimensions, f"{_ALERTS}, {dimensions.chosen}"))
    made.with_row(builders.Row("How good are the scores at all"))
    _quality(made, dimensions.whole, reading)
    made.with_row(builders.Row("Decision thresholds"))
    for name in ("precision", "recall"):
        made.with_panel(thresholds.live(name, reading, _OF))
    made.with_panel(thresholds.found(reading))
    made.with_panel(thresholds.invented(reading, _OF))
    made.with_row(builders.Row("Samples and calibrator"))
    _samples(made, reading)
    made.with_panel(refits.calibrators(dimensions, f"{_OF}, {dimensions.chosen}"))
    return made


def _glance(made: builders.Dashboard, dimensions: Dimensions, reading: str) -> None:
    chosen = dimensions.chosen
    firing = f"sum(calwatch_rule_firing{{{_ALERTS}, {chosen}}}) or 0 * max(calwatch_samples{{{reading}}})"
    for panel in (
        number(
            "Rules firing", "Rules that fire for exactly this slice. Which ones stands under Drift and rules.",
            Ask(firing, ""), decimals=0, steps=ANY_IS_BAD, sparkline=True,
        ).links([runbook("CalwatchRuleFiring")]),
        number(
            "ECE at least", "Lower end of the 95 % interval of the calibration error: it is surely this large. unknown = "
            "fewer labelled samples than min_samples.",
            Ask(f"max(calwatch_ece_lower{{{reading}}})", ""), decimals=3, steps=ECE, sparkline=True,
        ).links([runbook("CalwatchEceHigh")]),
        number(
            "ECE at most", "Upper end of the interval. Low = calibration is proven good; high with a low lower end = too few "
            "labels to tell.",
            Ask(f"max(calwatch_ece_upper{{{reading}}})", ""), decimals=3, sparkline=True,
        ),
        number(
            "ECE over what luck gives",
            "Plug-in ECE over what a perfectly calibrated slice of this size stays below in 95 of 100 cases. Below 1 = "
            "nothing to do; 3 = three times as much.",
            Ask(f"max(calwatch_ece{{{reading}}}) / max(calwatch_ece_null_quantile{{{reading}}})", ""), decimals=2,
            steps=((None, "green"), (1, "yellow"), (2, "orange")), sparkline=True,
        ),
        number(
            "Drift evidence now",
            "Evidence for drift over its limit: 1 = alarm, while that is in force. unknown = this slice is not judged.",
            Ask(f"max({dimensions.drift(f'{_VERSION}, {dimensions.chosen}')})", ""), decimals=2, steps=EVIDENCE,
            sparkline=True,
        ).links([runbook("CalwatchDrift")]),
        number(
            "Labelled samples", "What all of this rests on.",
            Ask(f"max(calwatch_samples{{{reading}}})", ""), unit="short", decimals=0, sparkline=True,
        ).links([runbook("CalwatchNoSamples")]),
    ):  # fmt: skip
        made.with_panel(panel)


def _windows(chosen: str) -> timeseries.Panel:
    return lines(
        "ECE at least, every window",
        "The lower end of the interval over short and long windows. Only the short one is up = it began just now; only the "
        "long one = it is over, or too small for a day to show. No line = too few labelled samples.",
        [Ask(f"max by (window) (calwatch_ece_lower{{{_VERSION}, {chosen}}})", "{{window}}")],
        limit=((None, "transparent"), (0.05, "orange")), least=0,
    ).decimals(3)  # fmt: skip


def _against_all(made: builders.Dashboard, whole: str, reading: str) -> None:
    of_all = f'{_VERSION}, window="$window", {whole}'
    for title, says, metric in (
        (
            "ECE, this slice and all traffic",
            "Debiased ECE: the part that luck adds is taken out as far as can be, so slices of different size compare. Only "
            "this slice up = look at what is different there; both = the model or the traffic.",
            "ece_debiased",
        ),
        (
            "Calibration gap, this slice and all traffic",
            "Mean score minus rate of the event. Above 0: over-confident; below 0: under-confident.",
            "calibration_gap",
        ),
    ):
        asks = [
            Ask(f"max(calwatch_{metric}{{{reading}}})", "this slice"),
            Ask(f"max(calwatch_{metric}{{{of_all}}})", "all traffic"),
        ]
        made.with_panel(lines(title, says, asks).decimals(3))


def _quality(made: builders.Dashboard, whole: str, reading: str) -> None:
    of_all = f'{_VERSION}, window="$window", {whole}'
    for title, says, metric in (
        ("AUROC", "Probability that a sample with the event scores higher than one without; 0.5 = none. If it falls, a refit "
         "cannot help: the model itself has lost sight, retrain.", "auroc"),
        ("Brier score", "Mean squared difference of score and outcome, 0 is best; 0.25 is what answering one half to "
         "everything gets.", "brier_score"),
        ("Log-loss", "Mean negative log-likelihood in nats, 0 is best; 0.693 is what answering one half gets. Jumps when "
         "confident scores are wrong.", "log_loss"),
    ):  # fmt: skip
        asks = [
            Ask(f"max(calwatch_{metric}{{{reading}}})", "this slice"),
            Ask(f"max(calwatch_{metric}{{{of_all}}})", "all traffic"),
        ]
        made.with_panel(lines(title, says, asks, span=8).decimals(3))


def _samples(made: builders.Dashboard, reading: str) -> None:
    made.with_panel(
        lines(
            "Labelled samples and coverage",
            "Labelled samples in the window (left) and their share of all predictions (right). Falling = labels stop coming: "
            "ask who labels.",
            [
                Ask(f"max(calwatch_samples{{{reading}}})", "labelled samples"),
                Ask(f"max(calwatch_label_coverage_ratio{{{reading}}})", "coverage"),
            ],
            unit="short", least=0,
        )
        .override_by_name("coverage", board.on_the_right("percentunit", most=1))
        .links([runbook("CalwatchLabelCoverageLow")])
    )  # fmt: skip
