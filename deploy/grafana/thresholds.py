"""Panels about decision thresholds: what they promise, what was shown at the choice, how they do in production."""

from grafana_foundation_sdk.builders import table, timeseries

from deploy.grafana.calibration import draw_promise, rates
from deploy.grafana.panels import Ask, Column, lines, listing, runbook
from deploy.grafana.slices import Dimensions

_PROMISED_BY = {"precision": "(precision|accuracy)>=.*", "recall": "recall>=.*"}  # accuracy: of what is kept
_LEGENDS = (("upper", "at most"), ("lower", "at least"), ("estimate", "live"))


def live(name: str, reading: str, model: str, *, span: int = 12) -> timeseries.Panel:
    """Precision or recall over the window, against what the model's policy promises of it.

    ``reading`` are matchers of a slice's readings, ``model`` those of the model: its policy holds for all slices.
    """
    asks = [
        Ask(f'max(calwatch_live_{name}{{{reading}, bound="{bound}"}})', legend) for bound, legend in _LEGENDS
    ]  # fmt: skip
    promised = f'max(calwatch_threshold_promised{{{model}, policy=~"{_PROMISED_BY[name]}"}})'
    says = (
        f"{name.capitalize()} at the decision threshold in use, with its 95 % interval, over the window's samples that its "
        "calibrator scored. Green: what the policy promises, to each scope that has a threshold of its own: a slice inside it "
        "may lie below while the promise is kept. Blue band wholly below green = the promise is broken, 97.5 % sure at each "
        f"look; a day of it is no luck any more: see the runbook. No green line = the policy promises no {name}. "
        "No blue line = no threshold in use here, or too few samples: unknown."
    )
    return rates(
        f"{name.capitalize()} in production",
        says,
        asks,
        promised=[Ask(promised, "promised at least")],
        span=span,
    ).links([runbook("CalwatchPromiseBroken")])


def found(reading: str, *, span: int = 12) -> timeseries.Panel:
    """Precision and recall over all objects, of a detector whose truth is known."""
    asks = [
        Ask(f'max(calwatch_live_{name}{{{reading}, bound="estimate"}}) and max(calwatch_objects{{{reading}}})', name)
        for name in ("precision", "recall")
    ]
    asks.append(Ask(f"max(calwatch_recall_ceiling{{{reading}}})", "recall at most, by any score"))
    says = (
        "Of a detector: precision, and recall over all objects there were, found or not, at the threshold in use; and the "
        "share of the objects that a detection of any score found, which no threshold exceeds. Low = the log leaves out low "
        "scores, or the detector is blind there. Nothing here = no detector, or nobody gives its truth."
    )
    panel = lines("Objects found", says, asks, unit="percentunit", span=span, least=0, most=1)
    return panel.links([runbook("CalwatchPromiseBroken")])


def invented(reading: str, model: str, *, span: int = 12) -> timeseries.Panel:
    """False positives of a detector per labelled image, against what the model's policy promises of them."""
    says = (
        "Detections of no object per labelled image, at the threshold in use, over all labelled images of the window, those "
        "without a detection among them. Green: the most that the policy promises. Nothing here = no detector, or no table of "
        "images. No green line = the policy promises nothing of it."
    )
    asks = [
        Ask(f"max(calwatch_live_fp_per_image{{{reading}}})", "per image"),
        Ask(f'max(calwatch_threshold_promised{{{model}, policy=~"fp_per_image<=.*"}})', "promised at most"),
    ]
    panel = lines("False positives per image", says, asks, unit="none", span=span, least=0)
    draw_promise(panel, "promised at most")
    return panel.links([runbook("CalwatchPromiseBroken")])


def in_use(dimensions: Dimensions, matchers: str) -> table.Panel:
    """All thresholds of a model, with the promise that each keeps or does not."""
    labels = (*dimensions.labels, "policy", "class")

    def of(metric: str, more: str = "") -> str:
        return dimensions.named(f"max by ({', '.join(labels)}) (calwatch_{metric}{{{matchers}{more}}})")

    kept = (("0", "cannot be kept", "red"), ("1", "kept", "green"))
    lower, estimate = ', bound="lower"', ', bound="estimate"'
    columns = (
        Column("threshold", of("threshold"), decimals=3),
        Column("NMS IoU", of("threshold_nms_iou"), decimals=2),
        Column("promise", of("threshold_promise_kept"), words=kept),
        Column("precision", of("threshold_precision", estimate), "percentunit", 1),
        Column("precision at least", of("threshold_precision", lower), "percentunit", 1),
        Column("recall", of("threshold_recall", estimate), "percentunit", 1),
        Column("recall at least", of("threshold_recall", lower), "percentunit", 1),
    )
    says = (
        "Decision thresholds in use: predict positive when the calibrated score is at least this. Precision and recall are "
        "those on samples later than the fit. Promise unknown = the policy promises nothing (cost, f1 …). "
        "Recall unknown = nobody knows the missed objects: detections without their truths. "
        "NMS IoU = of a detector, the suppression that was tuned with it; unknown = production's alone. "
        '"cannot be kept": no threshold can; the page says how near the best comes: get more labels, or ask for less.'
    )
    found = listing("Thresholds in use", says, labels, columns, sort=labels[0], descending=False, height=7)
    return found.links([runbook("CalwatchNoThreshold")])
