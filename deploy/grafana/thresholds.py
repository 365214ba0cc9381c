"""Panels about decision thresholds: what was shown when they were chosen, and how they do in production."""

from grafana_foundation_sdk.builders import table, timeseries

from deploy.grafana.calibration import rates
from deploy.grafana.panels import Ask, Column, listing
from deploy.grafana.slices import Dimensions

_LEGENDS = (("upper", "at most"), ("lower", "at least"), ("estimate", "live"))


def live(name: str, reading: str, scope: str, *, span: int = 12) -> timeseries.Panel:
    """Precision or recall over the window, against the lower bound that was shown at the choice.

    ``reading`` and ``scope`` are matchers of the same slice, on series with and without version and window.
    """
    asks = [
        Ask(f'max(calwatch_live_{name}{{{reading}, bound="{bound}"}})', legend) for bound, legend in _LEGENDS
    ]  # fmt: skip
    shown = f'calwatch_threshold_{name}{{{scope}, class="", bound="lower"}}'
    says = (
        f"{name.capitalize()} at the decision threshold in use, with its 95 % interval, over the window's samples that its "
        "calibrator scored. Green: the lower bound shown on later samples when the threshold was chosen. Blue band wholly "
        "below green = production is surely worse than was promised: ask for a refit (calwatch recalibrate). "
        "No line = no threshold in use here, or too few samples: unknown."
    )
    return rates(
        f"{name.capitalize()} in production",
        says,
        asks,
        promised=[Ask(f"max({shown})", "promised at least")],
        span=span,
    )


def in_use(dimensions: Dimensions, matchers: str) -> table.Panel:
    """All thresholds of a model, with the promise that each keeps or does not."""
    labels = (*dimensions.labels, "policy", "class")

    def of(metric: str, more: str = "") -> str:
        return dimensions.named(f"max by ({', '.join(labels)}) (calwatch_{metric}{{{matchers}{more}}})")

    kept = (("0", "cannot be kept", "red"), ("1", "kept", "green"))
    lower, estimate = ', bound="lower"', ', bound="estimate"'
    columns = (
        Column("threshold", of("threshold"), decimals=3),
        Column("promise", of("threshold_promise_kept"), words=kept),
        Column("precision", of("threshold_precision", estimate), "percentunit", 1),
        Column("precision at least", of("threshold_precision", lower), "percentunit", 1),
        Column("recall", of("threshold_recall", estimate), "percentunit", 1),
        Column("recall at least", of("threshold_recall", lower), "percentunit", 1),
    )
    says = (
        "Decision thresholds in use: predict positive when the calibrated score is at least this. Precision and recall are "
        "those on samples later than the fit. Promise unknown = the policy promises nothing (cost, f1 …). "
        '"cannot be kept": no threshold can; the page says how near the best comes: get more labels, or ask for less.'
    )
    return listing("Thresholds in use", says, labels, columns, sort=labels[0], descending=False, height=7)
