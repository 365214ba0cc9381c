"""Names, readings and changes as people read them; with `wording`, the filters of the page's templates."""

from dataclasses import replace
from datetime import timedelta
from math import isnan

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.model import (
    Alert,
    AlertState,
    Disparity,
    Job,
    LabelDelays,
    ModelStatus,
    Reading,
    Rule,
    RuleKind,
    Slice,
    Task,
    ThresholdInUse,
    ThresholdRule,
    WindowRule,
    wording,
)
from monitor.model.durations import format_duration
from monitor.model.history import SliceReading
from monitor.model.nouns import GROUP, count_samples, make_plural
from monitor.model.readings import SECONDS
from monitor.model.words import tell_change, tell_reason, tell_trigger
from monitor.statistics.thresholds.policies import PROMISES, policy_kind

_LONGEST = 120  # characters of a name shown in a table


def shorten_name(name: str, longest: int = _LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def break_at_commas(text: str) -> Markup:
    """HTML in which a line may end after each comma; everything else is escaped."""
    return Markup(",<wbr>").join(text.split(","))


def describe_lack(reading: Reading, needed: int) -> str:
    """What an insufficient reading lacks, in words; ``needed`` is the model's min_samples."""
    waiting = f"{reading.unlabelled:,} wait for a label" if reading.unlabelled else "none waits for a label"
    if reading.groups is not None and reading.samples:
        groups = wording.quantity(reading.groups, reading.group_noun or GROUP)
        return f"insufficient: {reading.samples:,} labelled samples ({groups}) of {needed:,} needed, {waiting}"
    return f"insufficient: {reading.samples:,} labelled of {needed:,} needed, {waiting}"


def count_labelled(held: Reading | SliceReading) -> str:
    """``57 images (1,204 labelled samples)``; ``1,204 labelled samples`` where they are independent."""
    return count_samples(held.samples, held.groups, held.group_noun, "labelled sample")


def tell_groups(held: Reading | SliceReading | Disparity) -> Markup:
    """`` in 57 images``, in small letters, to stand behind a number of samples; nothing where these are independent."""
    if held.groups is None or not held.samples:
        return Markup("")
    groups = wording.quantity(held.groups, held.group_noun or GROUP)
    return Markup(' <span class="quiet">in {}</span>').format(groups)


def count_once(count: int, noun: str | None) -> str:
    """Return how many ``samples`` there are, or ``images`` where those of one count as one."""
    return wording.quantity(count, noun or "sample")


def describe_delays(found: LabelDelays, task: Task) -> str:
    """What is known of label delays, as a sentence."""
    return wording.sentence(wording.describe_delays(found, task))


def explain_alert(alert: Alert) -> str:
    """An alert's reason without the time that it is in force since, which a page shows beside it with its age."""
    return tell_reason(alert.why, dated=alert.state not in (AlertState.FIRING, AlertState.PENDING))


def has_untold_onset(alert: Alert) -> bool:
    """Whether there is an onset that the reason does not name yet."""
    return alert.onset is not None and alert.why.time("began") != alert.onset


def describe_change(job: Job) -> str:
    """``ECE 0.083 → 0.012, log-loss 0.41 → 0.39`` on the gate's samples; empty when the job did not get that far."""
    return tell_change(job.refit.before, job.refit.after) if job.refit else ""


def name_asker(job: Job) -> str:
    """Who asked for a job; a schedule without its time, which is that of the request."""
    return tell_trigger(replace(job.asked_by, at=None))


def format_count(number_of: float | None) -> str:
    """``12,345``; a dash when it is not known."""
    return wording.format_number(number_of, ",.0f")


def format_ratio(ratio: float | None) -> str:
    """A ratio over many orders: ``0.42``, ``0.0012``, ``under 0.0001``, ``over a million``."""
    if ratio is None or isnan(ratio):
        return wording.UNKNOWN
    if ratio > 1e6:
        return "over a million"
    if 0 < ratio < 1e-4:
        return "under 0.0001"
    return f"{ratio:.4f}" if ratio < 0.01 else wording.short_number(ratio)


def describe_promise(threshold: ThresholdInUse) -> str:
    """What a threshold's policy promises and whether that holds."""
    if threshold.kept is None:
        return "unknown" if policy_kind(threshold.policy) in PROMISES else "none made"
    if threshold.kept:
        return f"kept with {100 * threshold.confidence:g} % confidence"
    return f"no threshold can: best bound {wording.number(threshold.best)}"


def describe_condition(rule: Rule) -> str:
    """When a rule fires, in words."""
    said = [_condition(rule)]
    if rule.hold:
        said.append(f"for {format_duration(rule.hold)}")
    if isinstance(rule, ThresholdRule) and (cleared := rule.bounds[1]) is not None:
        said.append(f"resolved {'below' if rule.above is not None else 'above'} {_bound(rule, cleared)}")
    if isinstance(rule, WindowRule) and rule.min_samples:
        said.append(f"from {rule.min_samples:,} samples on")
    if rule.only != Slice():
        said.append(f"only inside {rule.only.text}")
    return ", ".join(said)


def _condition(rule: Rule) -> str:
    if rule.kind is RuleKind.THRESHOLD:
        side = "below" if rule.above is None else "above"
        return f"{rule.metric} {side} {_bound(rule, rule.bounds[0])} over {rule.window}"
    if rule.kind is RuleKind.ABSENCE:
        return f"no {rule.absent} for longer than {format_duration(rule.longer_than)}"
    if rule.kind is RuleKind.DISPARITY:
        return f"calibration {rule.measure} worse than the rest by more than {rule.above:g} over {rule.window}"
    budget = f", a false alarm {wording.frequency(rule.false_alarms_per_year)} at most"
    against = "perfect calibration" if rule.reference == "score" else "the calibration it had when deployed"
    return f"evidence of drift from {against}{budget}"


def _bound(rule: ThresholdRule, bound: float) -> str:
    """A time where the metric is one."""
    if rule.metric in SECONDS:
        return wording.rough_duration(timedelta(seconds=bound))
    return wording.format_number(bound, "g")


def _tell_silence(status: ModelStatus) -> str:
    return wording.describe_silence(status.last_sample_at, status.longest_window)


_FILTERS = {
    "asked_by": name_asker, "breakable": break_at_commas, "change": describe_change, "condition": describe_condition,
    "count": format_count, "delays": describe_delays, "in_quotes": wording.quote_names, "interval": wording.interval,
    "lacking": describe_lack, "minute": wording.minute, "number": wording.number, "policy_kind": policy_kind,
    "promise": describe_promise, "counted": count_labelled, "in_groups": tell_groups, "once": count_once, "plural": make_plural,
    "scale": format_ratio, "sentence": wording.sentence, "share": wording.percent,
    "shortened": shorten_name, "signed": wording.signed_number, "silence": _tell_silence, "span": wording.span,
    "why": explain_alert, "describe_folded": wording.describe_folded, "describe_spans": wording.describe_spans,
    "describe_waiting": wording.describe_waiting,
}  # fmt: skip


def make_environment(package: str, folder: str) -> Environment:
    """Return the templates in a folder of a package, with the filters above; what is not given to one is an error."""
    found = Environment(
        loader=PackageLoader(package, folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.filters.update(_FILTERS)
    found.tests["untold_onset"] = has_untold_onset
    return found
