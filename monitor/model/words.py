"""The one place where reasons and triggers become words: for the text columns of the tables, messages, pages, commands.

Nothing reads these sentences but people: whoever decides by a reason asks for its code and values.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor.model.durations import format_duration
from monitor.model.reasons import CHOSEN, VERDICTS, Code, Reason, Trigger, TriggerKind
from monitor.model.wording import (
    amount,
    counted,
    exact_percent,
    first_few,
    frequency,
    lasted,
    minute,
    moment,
    number,
    rounded,
    signed,
    times,
)


def tell_reason(reason: Reason, *, bare: bool = False, dated: bool = True) -> str:
    """Return the sentence of a reason, without its stop.

    ``bare``: without the word that says whose it is, "rejected: " or "threshold ". ``dated``: with the time since when the
    condition of an alert holds.
    """
    values = dict(reason.values)
    if not reason.code:
        return _told_only(values) + _course(reason, values, dated=dated)
    said = SENTENCES[Code(reason.code)](**values) + _course(reason, values, dated=dated)
    return said if bare else _whose(reason.code) + said


def tell_reasons(reasons: Sequence[Reason]) -> tuple[str, ...]:
    """Return the sentence of each."""
    return tuple(tell_reason(reason) for reason in reasons)


def restore_reason(code: str | None, values: Mapping[str, Any], text: str) -> Reason:
    """Return the reason that a table or a payload keeps; by its text alone where this release does not know the code, or
    needs other values for its sentence than the release that left it."""
    if code not in _CODES:
        return Reason.told(text)
    reason = Reason(Code(code), dict(values))
    try:
        tell_reason(reason)
    except (LookupError, TypeError, ValueError, AttributeError):
        return Reason.told(text)
    return reason


def tell_trigger(trigger: Trigger) -> str:
    """Return who asked for a job, in a few words."""
    return TRIGGERS[trigger.kind](trigger) if trigger.kind in TRIGGERS else trigger.name


_MEASURES = {"ece": "ECE", "log_loss": "log-loss", "brier": "Brier"}


def tell_change(
    before: Mapping[str, float | None], after: Mapping[str, float | None], names: Sequence[str] = tuple(_MEASURES)
) -> str:
    """Return ``ECE 0.083 → 0.012, log-loss 0.410 → 0.390`` of the gate's numbers ``names`` that are known on both sides."""
    known = [(_MEASURES[name], before.get(name), after.get(name)) for name in names]
    return ", ".join(
        f"{name} {number(old)} → {number(new)}" for name, old, new in known if old is not None and new is not None
    )


def _told_only(values: Mapping[str, Any]) -> str:
    return str(values.get("text", ""))


def _whose(code: str) -> str:
    if code in VERDICTS:
        return f"{VERDICTS[code]}: "
    return "threshold " if code in CHOSEN else ""


def _course(reason: Reason, values: Mapping[str, Any], *, dated: bool) -> str:
    """What the state machine of alerts adds to what a rule found."""
    said = ""
    if dated and "since" in values:
        said += f"{' In force' if reason.code == Code.DRIFT else ''} since {_moment(values['since'])}"
    if "fires_after" in values:
        said += f"; fires after {_duration(values['fires_after'])}"
    if "kept_until" in values:
        said += f"; kept firing until {_moment(values['kept_until'])}"
    if "stays" in values:
        said += f"; stays {values['stays']}"
    return said


def _moment(text: str) -> str:
    return moment(datetime.fromisoformat(text))


def _minute(text: str) -> str:
    return minute(datetime.fromisoformat(text))


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _lasted(seconds: float) -> str:
    return lasted(timedelta(seconds=seconds))


def _apart(value: float, bound: float) -> str:
    """The value with as many digits as tell it from the bound: never "0.05 is above 0.05"."""
    if value == bound or rounded(value) != rounded(bound):
        return rounded(value)
    return next((t for d in range(1, 17) if (t := number(value, d)) != number(bound, d)), repr(value))


def _threshold(
    metric: str, value: float, bound: float, clears: bool, window: str, samples: int | None, **_: object
) -> str:
    word = "above" if value > bound else "below" if value < bound else "at"
    text = f"{metric} {_apart(value, bound)} is {word} {rounded(bound)}{', where it clears,' if clears else ''} over {window}"
    return text if samples is None else f"{text} ({counted(samples)})"


def _threshold_unknown(metric: str, window: str, samples: int, needed: int | None, **_: object) -> str:
    lacks = "" if needed is None else f", {needed:,} needed"
    return f"{metric} is unknown over {window} ({counted(samples)}{lacks})"


def _compared(measure: str) -> str:
    return "calibration gap" if measure == "gap" else "debiased ECE"


def _disparity_unknown(
    measure: str, window: str, samples: int, rest_samples: int, needed: int | None, **_: object
) -> str:
    lacks = "" if needed is None else f"; {needed:,} needed in both"
    counts = f"({counted(samples)}, rest {rest_samples:,}{lacks})"
    return f"{_compared(measure)} against the rest of the model is unknown over {window} {counts}"


def _disparity(
    measure: str, own: float, rest: float, difference: float, window: str, samples: int, rest_samples: int, **values: Any
) -> str:  # fmt: skip
    form = signed if measure == "gap" else number
    return (
        f"{_compared(measure)} {form(own)} against {form(rest)} in the rest of the model: "
        f"{'worse' if difference > 0 else 'better'} by {abs(difference):.3f}"
        f"{_certainty(difference, **values)} over {window} ({counted(samples)}, rest {rest_samples:,})"
    )


def _certainty(
    difference: float, least: float, level: float, slices: int, lower: float, lower_alone: float, is_kept: bool, **_: object
) -> str:  # fmt: skip
    """How surely a slice is worse, in parentheses; nothing for one that is better."""
    allowed = f", {rounded(least)} is allowed" if least else ""
    together = counted(slices, "slice")
    if is_kept:
        bound = _apart(lower_alone, least)
        return f" (still at least {bound} with {_share(1 - 2 * level)} confidence for this slice alone{allowed})"
    if lower > 0 or lower >= least:
        return f" (at least {_apart(lower, least)} with {_share(1 - level)} confidence over {together}{allowed})"
    return f" (which luck can bring among {together})" if difference > 0 else ""


def _share(share: float) -> str:
    return f"{100 * share:.4g} %"


def _drift(
    slice: str, direction: str, began: str, newest_at: str | None, samples: int, ratio: float, reference: str,  # noqa: A002
    per_year: float, caveat: str, **_: object,
) -> str:  # fmt: skip
    """Two sentences: what has drifted since when, and how sure that is; with the stop of the second."""
    how = f"are {direction}" if direction else "have drifted"
    counts = counted(samples, "labelled sample")
    counts = f"{counts} since" if newest_at is None else f"newest alarm {_minute(newest_at)} UTC, on {counts}"
    sound = "a model that stays as it was deployed" if reference == "deployment" else "a calibrated model"
    doubt = f", which is not guaranteed while {caveat}" if caveat else ""
    return (
        f"Scores of {'all traffic' if slice == 'all' else slice} {how} since about {_moment(began)} ({counts}). The evidence "
        f"reached {times(ratio)} what raises an alarm; {sound} raises such an alarm at most {frequency(per_year)} over all its "
        f"slices{doubt}."
    )


def _under(calibrator: str, opened: str) -> str:
    return f"{f'calibrator {calibrator}' if calibrator else 'scores as they come'} since {_moment(opened)}"


def _drift_none(ratio: float, calibrator: str, opened: str, **_: object) -> str:
    return f"drift evidence is {rounded(ratio)} of what raises an alarm, {_under(calibrator, opened)}"


def _drift_not_judged(lacking: int, calibrator: str, opened: str, **_: object) -> str:
    missing = counted(lacking, "labelled sample")
    return f"drift is not judged yet: its reference lacks {missing}, {_under(calibrator, opened)}"


def _absent(absent: str, silent: float, last: str, patience: float, **_: object) -> str:
    return f"no {absent} for {_lasted(silent)} (last at {_moment(last)}), longer than {_duration(patience)}"


def _present(absent: str, silent: float, last: str, patience: float, **_: object) -> str:
    return f"newest {absent} are {_lasted(silent)} old (last at {_moment(last)}), not older than {_duration(patience)}"


def _never_seen(absent: str, patience: float, **_: object) -> str:
    return f"no {absent} were ever seen, in longer than {_duration(patience)}"


def _not_seen_yet(absent: str, waiting_since: str, **_: object) -> str:
    return f"no {absent} were seen yet, waiting since {_moment(waiting_since)}"


def _samples_since(start: str, is_onset: bool) -> str:
    return f"samples since {_minute(start)} UTC{' (estimated onset)' if is_onset else ''}"


def _samples_chosen(kept: int, usable: int, logits: int | None, by: str) -> str:
    each = "" if logits is None else f", each with {logits:,} logits"
    return f"{kept:,} of {usable:,} samples{each}, chosen by a hash of their {by}"


def _left_to_refits(left: int, samples: int, slices: Sequence[str]) -> str:
    return (
        f"left {left:,} of {samples:,} samples to refits of their own, which alerts there ask for: {first_few(slices)}"
    )


def _as_counted(samples: int, start: str, end: str, bucket: float) -> str:
    return (
        f"selected and fitted on all {samples:,} samples from {_minute(start)} to {_minute(end)} UTC, as counted per "
        f"{_duration(bucket)} and score"
    )


def _method_behind(method: str, best: str, by: float, reach: float) -> str:
    return f"{method} rejected: {best} is better by {amount(by)} ± {amount(reach)}"


def _method_simpler(method: str, best: str, by: float, reach: float) -> str:
    return f"{method} chosen: {best} is better by {amount(by)} ± {amount(reach)}, which may be chance"


def _change(mean: float, samples: int, lower: float = 0.0, confidence: float = 0.0) -> tuple[str, str, str]:
    """By how much log-loss changes, how much at least, and on what."""
    return (
        f"log-loss {'better' if mean > 0 else 'worse'} by {amount(abs(mean))}",
        f"at least {amount(lower)} with {exact_percent(confidence)} confidence",
        f"on {samples:,} later samples",
    )


def _gate_better(**values: Any) -> str:
    change, sure, on = _change(**values)
    return f"{change} ({sure}) {on}"


def _gate_worse(**values: Any) -> str:
    change, _, on = _change(**values)
    return f"{change} {on}"


def _gate_chance(**values: Any) -> str:
    change, sure, on = _change(**values)
    return f"{change} {on}, which may be chance (an improvement of {sure})"


def _gate_straddled(lacks: str, groups: Mapping[str, Any], **values: Any) -> str:
    return f"{SENTENCES[Code(lacks)](**values)}: {SENTENCES[Code.GROUPS_STRADDLE](**groups)}"


def _slice_worse(slice: str, by: float, reach: float, samples: int) -> str:  # noqa: A002
    return f"slice {slice} log-loss worse by {amount(by)} ± {amount(reach)} on {samples:,} samples"


_GOALS = {
    "precision": "precision >= {:g}", "recall": "recall >= {:g}", "accuracy": "accuracy >= {:g} among the kept",
    "fp_per_image": "at most {:g} false positives per image",
}  # fmt: skip
_FIGURES = {
    "precision": "precision", "recall": "recall", "accuracy": "accuracy", "fp_per_image": "false positives per image",
}  # fmt: skip


def _goal(kind: str, target: float, confidence: float, samples: int, groups: int | None, **_: object) -> str:
    return f"{_GOALS[kind].format(target)} with {100 * confidence:g} % confidence on {_measured_on(samples, groups)}"


def _measured_on(samples: int, groups: int | None) -> str:
    return f"{samples:,} samples{'' if groups is None else f' in {groups:,} groups'}"


def _figures(figures: Mapping[str, Sequence[float | None]]) -> str:
    return ", ".join(
        f"{_FIGURES[name]} "
        + ("unknown" if None in held else f"{held[0]:.4g} ({held[1]:.4g} to {held[2]:.4g})")
        for name, held in figures.items()
    )  # fmt: skip


def _promised(
    threshold: float, figures: Mapping[str, Sequence[float | None]], coverage: float | None, **goal: Any
) -> str:
    covers = "" if coverage is None else f"; it covers {100 * coverage:.3g} % of all samples"
    return f"{threshold:.4f} promises {_goal(**goal)}: {_figures(figures)}{covers}"


def _not_promised(best: float | None, best_at: float | None, **goal: Any) -> str:
    bound = "nothing can be bounded" if best is None else f"the best bound is {best:.4g}"
    at = "" if best_at is None else f", at {best_at:.4g}"
    return f"no threshold can promise {_goal(**goal)}: {bound}{at}"


def _chosen(
    threshold: float, policy: str, cheapest: float | None, prior: float | None, rate: float | None, samples: int,
    groups: int | None, figures: Mapping[str, Sequence[float | None]],
) -> str:  # fmt: skip
    beside = ""
    if cheapest is not None:
        beside = f"; cheapest in the samples was {'to predict nothing positive' if cheapest > 1 else f'{cheapest:.4f}'}"
    if prior is not None and rate is not None:
        beside += f"; shifted from a base rate of {rate:.4g} to {prior:g}, the figures are those at {rate:.4g}"
    return f"{threshold:.4f} by {policy}{beside}; on {_measured_on(samples, groups)}: {_figures(figures)}"


def _classes_unknown(per: str) -> str:
    needs = "a predicted_class in every sample" if per == "predicted_class" else "logits and a calibrator on them"
    return f"no thresholds per {per}: that needs {needs}"


def _classes(per: str, found: int, few: Sequence[str], policy: str, kept: int | None, confidence: float) -> str:
    said = f"thresholds per {per}: {found} classes"
    if few:
        said += f", {len(few)} with too few later samples or one outcome only ({', '.join(few[:5])}{'…' if few[5:] else ''})"
    if kept is None:
        return said
    said += f"; {kept} promise {policy}, each by itself with {100 * confidence:g} % confidence"
    together = 1 - kept * (1 - confidence)
    return f"{said}, all at once with at least {max(100 * together, 0):.3g} %" if kept > 1 else said


def _failed(problem: str, attempt: int | None = None, attempts: int | None = None) -> str:
    return problem if attempts is None else f"{problem} (attempt {attempt} of {attempts})"


def _tried_again(problem: str, attempt: int, attempts: int, pause: float) -> str:
    return f"attempt {attempt} of {attempts}: {problem}; tried again in about {_duration(pause)}"


_INTERRUPTED = "interrupted: calwatch ended, or lost its disk, meanwhile"


def _interrupted(times: int, pause: float | None) -> str:
    when = "at once" if pause is None else f"in about {_duration(pause)}"
    return f"{_INTERRUPTED}{'' if times == 1 else f', {times} times'}; tried again {when}, which uses up no attempt"


def _interrupted_too_often(times: int) -> str:
    return f"{_INTERRUPTED}, {times} times; it may be what ends calwatch: try it by hand, mend it, and ask again"


def _rolled_back(present: str, target: str) -> str:
    return f"rolled back from {present or 'no calibrator'} to {target or 'no calibrator (scores as they come)'}"


def _guard_worse(calibrator: str, parent: str, by: float, samples: int, evidence: float, limit: float) -> str:
    return (
        f"calibrator {calibrator} does worse than {parent or 'none'} since its promotion: log-loss higher by {amount(by)} on "
        f"{samples:,} samples; evidence {evidence:.3g}, limit {limit:g}"
    )


_CODES = frozenset(Code)
SENTENCES: dict[Code, Callable[..., str]] = {
    Code.THRESHOLD: _threshold,
    Code.THRESHOLD_UNKNOWN: _threshold_unknown,
    Code.DISPARITY: _disparity,
    Code.DISPARITY_UNKNOWN: _disparity_unknown,
    Code.DRIFT: _drift,
    Code.DRIFT_NONE: _drift_none,
    Code.DRIFT_OVER: lambda alarm_at, **_: f"no further drift alarm since {_moment(alarm_at)}",
    Code.DRIFT_NOT_JUDGED: _drift_not_judged,
    Code.ABSENT: _absent,
    Code.NEVER_SEEN: _never_seen,
    Code.NOT_SEEN_YET: _not_seen_yet,
    Code.PRESENT: _present,
    Code.NO_READING: "{metric} is unknown: no reading over {window}".format,
    Code.NO_COMPARISON: "the difference from the rest of the model is unknown: no reading over {window}".format,
    Code.NO_EVIDENCE: "drift evidence is unknown for this slice".format,
    Code.NO_SIGHT: "{absent} are unknown for this slice".format,
    Code.RULE_FAILED: "rule could not be evaluated: {problem}".format,
    Code.RULE_GONE: 'rule "{rule}" is no longer in the packs of this model'.format,
    Code.RULE_ELSEWHERE: 'rule "{rule}" no longer covers this slice'.format,
    Code.RULE_OTHER_KIND: 'rule "{rule}" is now of kind "{kind}"'.format,
    Code.SLICE_GONE: "slice {slice} has no samples in any window any more".format,
    Code.SLICE_FORGOTTEN: "nothing of this slice was observed within retention: its place is free, and it is watched again "
    "once it comes back".format,
    Code.STREAM_CLOSED: "its stream of evidence is closed: another model version is in use".format,
    Code.VERSION_GONE: "version {version} has no samples in any window any more".format,
    Code.SAMPLES_SINCE: _samples_since,
    Code.SAMPLES_CHOSEN: _samples_chosen,
    Code.SAMPLES_WITHOUT_RAW: "left out {samples:,} samples that carry a calibrated score but no raw_score or logits".format,
    Code.SAMPLES_PRECOUNTED: "{rows:,} rows, some pre-counted, for {samples:,.0f} samples in all".format,
    Code.SAMPLES_LEFT_TO_REFITS: _left_to_refits,
    Code.SAMPLES_LEFT_TO_CALIBRATORS: lambda scopes: f"left to calibrators of their own: {first_few(scopes)}",
    Code.SAMPLES_AS_COUNTED: _as_counted,
    Code.LOGITS: "{text}".format,
    Code.LOGITS_WITHOUT_CLASS: "temperature is fitted on scores: logits come without the index of the true class".format,
    Code.LOGITS_LACKING: "temperature is fitted on scores: {lacking:,} of {samples:,} samples have no logits".format,
    Code.METHOD_ASKED_FOR: "{method} chosen: asked for by name".format,
    Code.METHOD_UNFIT: "{method} rejected: {problem}".format,
    Code.METHOD_ALONE: "{method} chosen: no other method can be fitted".format,
    Code.METHOD_BEST: "{method} chosen: best cross-validated log-loss ({log_loss:.4f})".format,
    Code.METHOD_BEHIND: _method_behind,
    Code.METHOD_SIMPLER: _method_simpler,
    Code.METHOD_FEW_BUCKETS: "{method} chosen: a comparison needs samples of {needed} time buckets, has {found}".format,
    Code.REFIT_FEW_SAMPLES: "needs {needed:,} labelled samples, has {found:,}; nothing changes".format,
    Code.REFIT_UNFIT: "{method} cannot be fitted: {problem}; nothing changes".format,
    Code.GATE_NO_SAMPLES: "there are no later samples".format,
    Code.GATE_FEW_SAMPLES: "needs {needed:,} later samples, has {found:,}".format,
    Code.GATE_FEW_GROUPS: "needs later samples of {needed} groups (images, clips), has {found}".format,
    Code.GATE_STRADDLED: _gate_straddled,
    Code.GATE_SAME: "the candidate gives the same scores as the calibrator in use on {samples:,} later samples".format,
    Code.GATE_WORSE: _gate_worse,
    Code.GATE_CHANCE: _gate_chance,
    Code.GATE_SLICE_WORSE: _slice_worse,
    Code.GATE_BETTER: lambda **values: f"on the whole: {_gate_better(**values)}",
    Code.GATE_ACCEPTED: _gate_better,
    Code.GATE_NO_SLICE_WORSE: "no slice is significantly worse ({slices:,} with at least {needed:,} samples)".format,
    Code.GROUPS_STRADDLE: "{left_out:,} of {later:,} later samples are in groups that lie on both sides of the cut in time and "
    "take part in neither ({straddling:,} of {groups:,} groups lie so); is group_id the patient rather than the visit?".format,
    Code.THRESHOLD_PROMISED: _promised,
    Code.THRESHOLD_NOT_PROMISED: _not_promised,
    Code.THRESHOLD_CHOSEN: _chosen,
    Code.THRESHOLD_NOT_CHOSEN: "no threshold for {policy}: the samples it is chosen on must hold both outcomes".format,
    Code.THRESHOLD_NO_SAMPLES: "no threshold: there are no samples to choose and measure it on".format,
    Code.CLASSES: _classes,
    Code.CLASSES_UNKNOWN: _classes_unknown,
    Code.FAILED: _failed,
    Code.TRIED_AGAIN: _tried_again,
    Code.INTERRUPTED: _interrupted,
    Code.INTERRUPTED_TOO_OFTEN: _interrupted_too_often,
    Code.NOT_BEGUN: "calwatch ended while it waited for its turn; nothing of it had begun".format,
    Code.OUTDATED: "calibrators in charge changed while it ran; it runs again".format,
    Code.CANCELLED: lambda was_running: f"cancelled by hand {'while' if was_running else 'before'} it ran",
    Code.DELIVERED: "{text}".format,
    Code.ROLLED_BACK: _rolled_back,
    Code.GUARD_WORSE: _guard_worse,
}
TRIGGERS: dict[str, Callable[[Trigger], str]] = {
    TriggerKind.MANUAL: lambda trigger: "manual",
    TriggerKind.SCHEDULE: lambda trigger: f"schedule {trigger.at.isoformat()}" if trigger.at else "schedule",
    TriggerKind.RULE: lambda trigger: " ".join(filter(None, ("rule", trigger.name, trigger.event))),
    TriggerKind.GUARD: lambda trigger: f"guard of {trigger.name}",
    TriggerKind.JOB: lambda trigger: " ".join(filter(None, ("job", trigger.name, trigger.event))),
}
