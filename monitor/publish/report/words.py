"""A report in sentences: how the model stands, since when, how sure that is, and what is not known."""

from collections.abc import Iterator
from datetime import timedelta

from monitor.model.history import Firing
from monitor.model.nouns import count_samples, number_samples
from monitor.model.wording import interval, minute, number, percent, quantity, sentence, signed_number, span
from monitor.publish.report.collect import Report


def name_state(report: Report) -> str:
    """One word for the state at the end of the period: ``firing``, ``unknown`` or ``quiet``."""
    if any(row.resolved_at is None for row in report.alerts):
        return "firing"
    return (
        "unknown" if report.unsure or report.problem or report.whole is None or report.whole.state != "ok" else "quiet"
    )


def summarise_report(report: Report) -> list[str]:
    """The report in a few sentences, the most important first."""
    return [*_alerts(report), *_calibration(report), *_worst(report), *_refits(report), *_labels(report)]


def _alerts(report: Report) -> Iterator[str]:
    open_ = [row for row in report.alerts if row.resolved_at is None]
    if open_:
        fire = "One alert fires" if len(open_) == 1 else f"{len(open_):,} alerts fire"
        longest = min(open_, key=lambda row: row.fired_at)
        yield (
            f"{fire} at the end of the period, the longest since {minute(longest.fired_at)} UTC: "
            f"{longest.rule} on {longest.slice}{_began(longest)}."
        )
    elif report.alerts:
        over = max(row.resolved_at for row in report.alerts if row.resolved_at is not None)
        yield f"No alert fires at the end of the period; the last one was over {minute(over)} UTC."
    else:
        yield "No alert fired in the period."
    if report.alerts:
        slices = {row.slice for row in report.alerts}
        yield (
            f"{quantity(len(report.alerts), 'alert')} fired on {quantity(len(slices), 'slice')}, "
            f"{sum(row.severity == 'page' for row in report.alerts):,} of severity page."
        )


def _began(row: Firing) -> str:
    return f" (the trouble began about {minute(row.onset)} UTC)" if row.onset else ""


def _calibration(report: Report) -> Iterator[str]:
    whole = report.whole
    if whole is None:
        last = report.last_sample_at
        yield "There is no reading of the whole in this period: nothing can be said of its calibration." + (
            f" The last sample is of {minute(last)} UTC." if last else ""
        )
        return
    until = f"over {report.window} until {minute(whole.window_end)} UTC"
    if whole.state != "ok":
        count = number_samples(whole.samples, whole.groups, whole.group_noun)
        yield f"Too few labelled samples {until} ({count}): nothing can be said of its calibration."
        return
    low = whole.ece_lower or 0.0
    verdict = (
        f"surely off, by at least {number(low)}"
        if low > 0
        else "no error shown: the interval reaches zero, and luck alone gives a plug-in ECE of up to "
        + number(whole.ece_null_quantile)
    )
    yield (
        f"All traffic {until}: debiased ECE {number(whole.ece_debiased)} (95 % interval "
        f"{interval(whole.ece_lower, whole.ece_upper)}, plug-in {number(whole.ece)}) on "
        f"{count_samples(whole.samples, whole.groups, whole.group_noun, 'labelled sample')}; {verdict}."
    )
    gap, lower, upper = whole.calibration_gap, whole.gap_lower, whole.gap_upper
    if gap is not None:
        surely = lower is not None and upper is not None and (lower > 0 or upper < 0)
        way = ("over-confident" if gap > 0 else "under-confident") if surely else "not surely off to one side"
        within = f"{signed_number(lower)} to {signed_number(upper)}"
        yield f"Scores are {way}: mean score − outcome rate is {signed_number(gap)} ({within})."


def _worst(report: Report) -> Iterator[str]:
    surely = [row for row in report.worst if (row.ece_lower or 0) > 0]
    if not surely:
        if report.worst:
            yield "Of no slice is it sure that its ECE is above zero."
        return
    row = surely[0]
    yield (
        f"Worst slice: {row.slice}, debiased ECE {number(row.ece_debiased)} "
        f"({interval(row.ece_lower, row.ece_upper)}) on {count_samples(row.samples, row.groups, row.group_noun)}."
    )


def _refits(report: Report) -> Iterator[str]:
    refits = [job for job in report.others if job.kind == "recalibrate"]
    asked = len(report.refits) + len(refits)
    if not asked:
        yield "No refit was asked for."
        return
    were = "was" if asked == 1 else "were"
    said = f"{quantity(asked, 'refit')} {were} asked for, {len(report.refits):,} accepted by the gate"
    back = sum(job.kind == "rollback" and job.state == "done" for job in report.others)
    yield said + (f", {quantity(back, 'rollback')}." if back else ".")


def _labels(report: Report) -> Iterator[str]:
    whole = report.whole
    if whole is not None:
        lag = whole.label_lag_seconds
        after = "" if lag is None else f", on average {span(timedelta(seconds=lag))} after the prediction"
        yield f"{percent(whole.label_coverage)} of the predictions of the last {report.window} have a label{after}."


def tell_unknowns(report: Report) -> Iterator[str]:
    """What nobody can say, and why; at least the limits of the report itself."""
    if report.problem is not None:
        since, why = minute(report.problem["since"]), report.problem["problem"]
        yield f"Cycles of this model fail since {since} UTC, so its numbers are old: {why}"
    if report.first_reading is not None and report.first_reading > report.since:
        yield f"Anything before {minute(report.first_reading)} UTC: the first reading is of then."
    for row in report.unsure[:10]:
        yield f"Whether {row.rule} holds for {row.slice}: {row.reason}"
    if report.insufficient:
        few = report.insufficient[:8]
        named = ", ".join(f"{row.slice} ({number_samples(row.samples, row.groups, row.group_noun)})" for row in few)
        more = f" and {len(report.insufficient) - 8:,} more" if len(report.insufficient) > 8 else ""
        yield f"The calibration of {quantity(len(report.insufficient), 'slice')} with too few labelled samples: {named}{more}."
    if report.delays is None:
        yield "Whether label delay depends on the outcome: not looked at yet."
    elif report.delays["depends"] is None:
        yield sentence(report.delays["finding"])
    elif report.delays["depends"]:
        yield f"The false-alarm budget is not guaranteed: {report.delays['finding']}."
    unlabelled = report.whole.unlabelled if report.whole is not None else 0
    if unlabelled:
        yield (
            f"How the {quantity(unlabelled, 'prediction')} of the last {report.window} without a label did: labels that come "
            "later, or never, may differ from those that are there."
        )
    if any(not part.bars and part.reading is not None and part.reading.state == "ok" for part in report.slices):
        yield "The bars of readings before the newest: the snapshot keeps those of the newest only."
    if any(not each.before for each in report.refits):
        yield "The bars before and after some refits: they were made by a version that kept none."
    yield (
        "Why a slice drifted: calwatch sees that outcomes stopped following scores, not the lens, the light or the labels "
        "behind it."
    )
