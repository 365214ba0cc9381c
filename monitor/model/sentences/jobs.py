"""The sentences of jobs: how a refit chose and was judged, what a threshold promises, how it ended. Reached by ``words``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.model.nouns import GROUP, count_samples, make_plural
from monitor.model.reasons import Code
from monitor.model.sentences.templates import OF_TEMPLATES
from monitor.model.wording import amount, duration_of, exact_percent, first_few, minute_of


def _samples_since(start: str, is_onset: bool) -> str:
    return f"samples since {minute_of(start)} UTC{' (estimated onset)' if is_onset else ''}"


def _samples_chosen(kept: int, usable: int, logits: int | None, by: str) -> str:
    each = "" if logits is None else f", each with {logits:,} logits"
    return f"{kept:,} of {usable:,} samples{each}, chosen by a hash of their {by}"


def _left_to_refits(left: int, samples: int, slices: Sequence[str], count: int) -> str:
    named = first_few(slices, count=count)
    return f"left {left:,} of {samples:,} samples to refits of their own, which alerts there ask for: {named}"


def _on_scores(methods: Sequence[str]) -> str:
    return f"{' and '.join(methods)} {'is' if len(methods) == 1 else 'are'} fitted on scores"


def _logits_lacking(methods: Sequence[str], lacking: int, samples: int) -> str:
    return f"{_on_scores(methods)}: {lacking:,} of {samples:,} samples have no logits"


def _refit_few_samples(needed: int, found: int, groups: int | None = None, noun: str | None = None) -> str:
    has = f"{found:,}" if groups is None else count_samples(found, groups, noun)
    return f"needs {needed:,} labelled samples, has {has}; nothing changes"


def _change(
    mean: float, samples: int, lower: float = 0.0, confidence: float = 0.0, groups: int | None = None,
    noun: str | None = None,
) -> tuple[str, str, str]:  # fmt: skip
    """By how much log-loss changes, how much at least, and on what."""
    return (
        f"log-loss {'better' if mean > 0 else 'worse'} by {amount(abs(mean))}",
        f"at least {amount(lower)} with {exact_percent(confidence)} confidence",
        f"on {_later(samples, groups, noun)}",
    )


def _later(samples: int, groups: int | None = None, noun: str | None = None) -> str:
    if groups is None:
        return f"{samples:,} later samples"
    return count_samples(samples, groups, f"later {noun or GROUP}")


def _gate(form: str) -> Callable[..., str]:
    """The sentence with ``change``, how ``sure`` it is, and what it rests ``on``."""
    return lambda **values: form.format(**dict(zip(("change", "sure", "on"), _change(**values), strict=True)))


def _gate_same(samples: int, groups: int | None = None, noun: str | None = None) -> str:
    return f"the candidate gives the same scores as the calibrator in use on {_later(samples, groups, noun)}"


def _gate_slice_worse(
    slice: str, by: float, reach: float, samples: int, groups: int | None = None, noun: str | None = None,  # noqa: A002
) -> str:  # fmt: skip
    on = f"{samples:,} samples" if groups is None else count_samples(samples, groups, noun)
    return f"slice {slice} log-loss worse by {amount(by)} ± {amount(reach)} on {on}"


def _gate_few_groups(needed: int, found: int, noun: str | None = None) -> str:
    of = "groups (images, clips)" if noun is None else make_plural(noun)
    return f"needs later samples of {needed} {of}, has {found}"


def _groups_straddle(
    left_out: int, later: int, straddling: int, groups: int, noun: str | None = None, **_: object
) -> str:
    some = make_plural(noun or GROUP)
    return (
        f"{left_out:,} of {later:,} later samples are in {some} that lie on both sides of the cut in time and take part in "
        f"neither ({straddling:,} of {groups:,} {some} lie so); is group_id the patient rather than the visit?"
    )


def _gate_straddled(lacks: str, groups: Mapping[str, Any], noun: str | None = None, **values: Any) -> str:
    tell = _gate_few_groups if lacks == Code.GATE_FEW_GROUPS else OF_TEMPLATES[Code(lacks)]
    return f"{tell(**values, noun=noun)}: {_groups_straddle(**{**groups, 'noun': noun})}"


_GOALS = {
    "precision": "precision >= {:g}", "recall": "recall >= {:g}", "accuracy": "accuracy >= {:g} among the kept",
    "fp_per_image": "at most {:g} false positives per image that has a prediction",
    "fp_per_labelled_image": "at most {:g} false positives per labelled image",
}  # fmt: skip
_FIGURES = {
    "precision": "precision", "recall": "recall", "accuracy": "accuracy",
    "fp_per_image": "false positives per image that has a prediction",
    "fp_per_labelled_image": "false positives per labelled image",
}  # fmt: skip


def _goal(
    kind: str, target: float, confidence: float, samples: int, groups: int | None, *, labelled: bool = False,
    noun: str | None = None, **_: object,
) -> str:  # fmt: skip
    goal = _GOALS["fp_per_labelled_image" if labelled else kind].format(target)
    return f"{goal} with {100 * confidence:g} % confidence on {_measured_on(samples, groups, noun)}"


def _measured_on(samples: int, groups: int | None, noun: str | None = None) -> str:
    if groups is not None and noun is not None:
        return count_samples(samples, groups, noun)
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
    threshold: float, policy: str, cheapest: float | None, prior: float | None, rate: float | None,
    figures: Mapping[str, Sequence[float | None]], **measured: Any,
) -> str:  # fmt: skip
    beside = ""
    if cheapest is not None:
        beside = f"; cheapest in the samples was {'to predict nothing positive' if cheapest > 1 else f'{cheapest:.4f}'}"
    if prior is not None and rate is not None:
        beside += f"; shifted from a base rate of {rate:.4g} to {prior:g}, the figures are those at {rate:.4g}"
    return f"{threshold:.4f} by {policy}{beside}; on {_measured_on(**measured)}: {_figures(figures)}"


def _needs_negatives(policy: str, prior: float | None) -> str:
    choose = "choose precision>=P, fp_per_image<=X or cost" if prior is None else "leave the prior out"
    return f"no threshold for {policy}: nobody counts the places where no object is and none is detected; {choose}"


def _classes_unknown(per: str) -> str:
    needs = "a predicted_class in every sample" if per == "predicted_class" else "logits and a calibrator on them"
    return f"no thresholds per {per}: that needs {needs}"


def _classes(
    per: str, found: int, few: int, such: Sequence[str], policy: str, kept: int | None, confidence: float
) -> str:
    said = f"thresholds per {per}: {found} classes"
    if few:
        named = f"{', '.join(such)}{'…' if few > len(such) else ''}"
        said += f", {few} with too few later samples or one outcome only ({named})"
    if kept is None:
        return said
    said += f"; {kept} promise {policy}, each by itself with {100 * confidence:g} % confidence"
    together = 1 - kept * (1 - confidence)
    return f"{said}, all at once with at least {max(100 * together, 0):.3g} %" if kept > 1 else said


def _failed(problem: str, attempt: int | None = None, attempts: int | None = None) -> str:
    return problem if attempts is None else f"{problem} (attempt {attempt} of {attempts})"


_INTERRUPTED = "interrupted: calwatch ended, or lost its disk, meanwhile"


def _interrupted(times: int, pause: float | None) -> str:
    when = "at once" if pause is None else f"in about {duration_of(pause)}"
    return f"{_INTERRUPTED}{'' if times == 1 else f', {times} times'}; tried again {when}, which uses up no attempt"


def _interrupted_too_often(times: int) -> str:
    return f"{_INTERRUPTED}, {times} times; it may be what ends calwatch: try it by hand, mend it, and ask again"


def _rolled_back(present: str, target: str) -> str:
    return f"rolled back from {present or 'no calibrator'} to {target or 'no calibrator (scores as they come)'}"


def _guard_worse(
    calibrator: str, parent: str, by: float, samples: int, evidence: float, limit: float, **counted: Any
) -> str:
    on = count_samples(samples, **counted) if counted else f"{samples:,} samples"
    return (
        f"calibrator {calibrator} does worse than {parent or 'none'} since its promotion: log-loss higher by {amount(by)} on "
        f"{on}; evidence {evidence:.3g}, limit {limit:g}"
    )


OF_JOBS: dict[Code, Callable[..., str]] = {
    Code.SAMPLES_SINCE: _samples_since,
    Code.SAMPLES_CHOSEN: _samples_chosen,
    Code.SAMPLES_LEFT_TO_REFITS: _left_to_refits,
    Code.SAMPLES_LEFT_TO_CALIBRATORS: lambda scopes, count: (
        f"left to calibrators of their own: {first_few(scopes, count=count)}"
    ),
    Code.LOGITS_WITHOUT_CLASS: lambda methods: (
        f"{_on_scores(methods)}: logits come without the index of the true class"
    ),
    Code.LOGITS_LACKING: _logits_lacking,
    Code.REFIT_FEW_SAMPLES: _refit_few_samples,
    Code.GATE_FEW_GROUPS: _gate_few_groups,
    Code.GATE_STRADDLED: _gate_straddled,
    Code.GATE_SAME: _gate_same,
    Code.GATE_SLICE_WORSE: _gate_slice_worse,
    Code.GROUPS_STRADDLE: _groups_straddle,
    Code.GATE_WORSE: _gate("{change} {on}"),
    Code.GATE_CHANCE: _gate("{change} {on}, which may be chance (an improvement of {sure})"),
    Code.GATE_BETTER: _gate("on the whole: {change} ({sure}) {on}"),
    Code.GATE_ACCEPTED: _gate("{change} ({sure}) {on}"),
    Code.THRESHOLD_PROMISED: _promised,
    Code.THRESHOLD_NOT_PROMISED: _not_promised,
    Code.THRESHOLD_CHOSEN: _chosen,
    Code.THRESHOLD_NEEDS_NEGATIVES: _needs_negatives,
    Code.CLASSES: _classes,
    Code.CLASSES_UNKNOWN: _classes_unknown,
    Code.FAILED: _failed,
    Code.INTERRUPTED: _interrupted,
    Code.INTERRUPTED_TOO_OFTEN: _interrupted_too_often,
    Code.CANCELLED: lambda was_running: f"cancelled by hand {'while' if was_running else 'before'} it ran",
    Code.ROLLED_BACK: _rolled_back,
    Code.GUARD_WORSE: _guard_worse,
}
