"""The end of the detectors' story: what `calwatch tune` chose, what that promises and costs, and its pictures."""

from collections.abc import Sequence
from pathlib import Path

from monitor.charts.client import can_draw
from monitor.cli.demo.play import PICTURE
from monitor.cli.output import print_line, print_table
from monitor.engine.backtest import Playback
from monitor.model import Job, JobState, ThresholdInUse
from monitor.model.history import CurvePoint
from monitor.model.reasons import Code
from monitor.model.wording import exact_percent, minute, number, quantity
from monitor.model.words import tell_reason
from monitor.publish.report.collect import ThresholdReport
from monitor.store.published.queries import Snapshot

_BEYOND = (Code.POINTS_LACKING, Code.LOG_SUPPRESSED, Code.RECALL_CEILING)  # what the table does not say


def tell_operating_points(played: Playback, directory: Path) -> tuple[Path, ...]:
    """Print what was tuned beside what there was before, and what cannot be had; return the pictures that were drawn."""
    job = next(each for each in reversed(played.jobs) if each.kind == "tune")
    print_line()
    policy = played.published.models[0].thresholds[0].policy
    print_line(
        f"operating point for {policy}, tuned at {minute(job.finished_at)} as `calwatch tune {job.model}` does it:"
    )
    if job.state is not JobState.PROMOTED:
        print_line(f"  {'; '.join(job.reasons)}")
        return ()
    _tell_before(played)
    with Snapshot(directory) as held:
        found = [
            ThresholdReport(
                each,
                held.threshold_curve(job.model, each.scope, each.policy, each.calibrator, each.per, each.class_name),
            )
            for each in held.chosen_thresholds(job.model)
        ]
    _tell_points(found)
    for reason in job.why:
        if reason.code in _BEYOND:
            print_line(f"  · {tell_reason(reason)}")
    print_line()
    return _draw_pictures(found, job, directory)


def _tell_before(played: Playback) -> None:
    """What the newest refit could say: a score alone, the same for all classes, boxes as they were logged."""
    refits = (each for each in reversed(played.jobs) if each.kind == "recalibrate" and each.state is JobState.PROMOTED)
    said = (reason for job in refits for reason in job.why)
    promised = (Code.THRESHOLD_PROMISED, Code.THRESHOLD_NOT_PROMISED)
    before = next((tell_reason(reason) for reason in said if reason.code in promised), None)
    if before is not None:
        print_line(f"  before, by the score alone and for all classes at once: {before}")


def _tell_points(found: Sequence[ThresholdReport]) -> None:
    """Each point beside what is shown without one: every box that is logged."""
    chosen = found[0].chosen
    rows = []
    for each in sorted(found, key=lambda each: each.chosen.class_name == ""):
        own, whole = each.chosen, _as_logged(each.curve)
        before = "–" if whole is None else f"{number(whole.precision)}, {number(whole.recall)}"
        if own.threshold is None:
            rows.append((_name(own, found), "none can promise it", "–", "–", before))
            continue
        suppressed = "" if own.nms_iou is None else f", suppressed at IoU {own.nms_iou:g}"
        rows.append(
            (
                _name(own, found), f"from {number(own.threshold)} on{suppressed}",
                f"{number(own.precision)} (at least {number(own.precision_lower)})",
                f"{number(own.recall)} (at least {number(own.recall_lower)})", before,
            )
        )  # fmt: skip
    sure, on = exact_percent(chosen.confidence), quantity(chosen.groups, "later image")
    print_table(
        f"{chosen.policy} with {sure} confidence, shown on {on}",
        ("class", "boxes to show", "precision", "recall over objects", "before, all that is logged: precision, recall"),
        rows,
    )


def _name(own: ThresholdInUse, found: Sequence[ThresholdReport]) -> str:
    return own.class_name or ("all others together" if len(found) > 1 else "all")


def _as_logged(curve: Sequence[CurvePoint]) -> CurvePoint | None:
    """What all boxes give: nothing suppressed, from the lowest score on."""
    return min(curve, key=lambda point: (-(point.nms_iou or 0.0), point.threshold), default=None)


def _draw_pictures(found: Sequence[ThresholdReport], job: Job, directory: Path) -> tuple[Path, ...]:
    """The trade-off of each point, as PNG; none where the packages for it are not installed."""
    if not can_draw():
        print_line("its trade-off as a picture needs: pip install 'calwatch[charts]'")
        return ()
    from monitor.charts import render
    from monitor.publish.report.charts import thresholds, title_chart

    drawn = []
    for each in found:
        chart = thresholds(each)
        if chart is None:
            continue
        own = each.chosen
        path = directory / (f"{PICTURE}-{own.class_name}.png" if own.class_name else f"{PICTURE}.png")
        below = f"{own.policy}, tuned at {minute(job.finished_at)} UTC on {quantity(own.groups, 'later image')}"
        path.write_bytes(render.png(title_chart(chart, f"Trade-off of {job.model}: {_name(own, found)}", below)))
        drawn.append(path)
    return tuple(drawn)
