"""The sentences of alerts: what a rule found, or why it finds nothing. Reached by ``words``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.model.evidence import Shift
from monitor.model.nouns import list_samples, quantity
from monitor.model.readings import SECONDS
from monitor.model.reasons import Code
from monitor.model.sentences.templates import tell_length
from monitor.model.wording import (
    describe_shifts,
    duration_of,
    frequency,
    minute_of,
    moment_of,
    multiple,
    number,
    short_number,
    signed_number,
)


def _apart(value: float, bound: float) -> str:
    """The value with as many digits as tell it from the bound: never "0.05 is above 0.05"."""
    if value == bound or short_number(value) != short_number(bound):
        return short_number(value)
    return next((t for d in range(1, 17) if (t := number(value, d)) != number(bound, d)), repr(value))


def _lengths_apart(value: float, bound: float) -> tuple[str, str]:
    """Both as lengths of time, in as much detail as tells them apart: down to the second at most."""
    said, limit = tell_length(value), tell_length(bound)
    return (said, limit) if said != limit else (duration_of(value), duration_of(bound))


def _threshold(
    metric: str, value: float, bound: float, clears: bool, window: str, samples: int | None, **counted: Any
) -> str:
    word = "above" if value > bound else "below" if value < bound else "at"
    where = ", where it clears," if clears else ""
    said, limit = _lengths_apart(value, bound) if metric in SECONDS else (_apart(value, bound), short_number(bound))
    text = f"{metric} {said} is {word} {limit}{where} over {window}"
    return text if samples is None else f"{text} ({_counted(samples, **counted)})"


def _threshold_unknown(metric: str, window: str, samples: int, needed: int | None, **counted: Any) -> str:
    lacks = "" if needed is None else f", {needed:,} needed"
    if needed is not None and samples and counted.get("groups") is not None:
        lacks = f" of {needed:,} needed"  # which of the two counts is too low
    if metric in SECONDS and samples and needed is None:
        lacks = ", among them labels from before calwatch first read their source, which say no labelled_at"
    return f"{metric} is unknown over {window} ({_counted(samples, **counted)}{lacks})"


def _counted(
    samples: int, groups: int | None = None, noun: str | None = None, kind: str = "sample", **_: object
) -> str:
    """How many a number rests on, to stand in parentheses: of samples in groups also how many groups."""
    return list_samples(samples, groups, noun, kind)


def _compared(measure: str) -> str:
    return "calibration gap" if measure == "gap" else "debiased ECE"


def _disparity_unknown(
    measure: str, window: str, samples: int, rest_samples: int, needed: int | None, **counted: Any
) -> str:
    lacks = "" if needed is None else f"; {needed:,}{_samples(**counted)} needed in both"
    counts = f"({_counted(samples, **counted)}, rest {rest_samples:,}{_samples(**counted)}{lacks})"
    return f"{_compared(measure)} against the rest of the model is unknown over {window} {counts}"


def _disparity(
    measure: str, own: float, rest: float, window: str, samples: int, rest_samples: int, **found: Any
) -> str:
    form, difference = signed_number if measure == "gap" else number, found["difference"]
    return (
        f"{_compared(measure)} {form(own)} against {form(rest)} in the rest of the model: "
        f"{'worse' if difference > 0 else 'better'} by {abs(difference):.3f}"
        f"{_certainty(**found)} over {window} ({_counted(samples, **found)}, rest {rest_samples:,}{_samples(**found)})"
    )


def _samples(groups: int | None = None, **_: object) -> str:
    """What a number counts, where groups are counted beside it."""
    return "" if groups is None else " samples"


def _certainty(
    difference: float, least: float, level: float, slices: int, lower: float, lower_alone: float, is_kept: bool, **_: object
) -> str:  # fmt: skip
    """How surely a slice is worse, in parentheses; nothing for one that is better."""
    allowed = f", {short_number(least)} is allowed" if least else ""
    together = quantity(slices, "slice")
    if is_kept:
        bound = _apart(lower_alone, least)
        return f" (still at least {bound} with {_share(1 - 2 * level)} confidence for this slice alone{allowed})"
    if lower > 0 or lower >= least:
        return f" (at least {_apart(lower, least)} with {_share(1 - level)} confidence over {together}{allowed})"
    return f" (which luck can bring among {together})" if difference > 0 else ""


def _share(share: float) -> str:
    return f"{100 * share:.4g} %"


def _drift(**values: Any) -> str:
    """Two sentences: what has drifted since when, and how sure that is; with the stop of the second."""
    counts = quantity(values["samples"], f"labelled {values.get('noun') or 'sample'}")
    return f"{_drifted(counts=counts, **values)} {_alarmed(**values)}"


def _drifted(
    slice: str, shifts: Sequence[Mapping[str, Any]] = (), direction: str = "", *, reference: str,  # noqa: A002
    began: str, newest_at: str | None, counts: str, **_: object,
) -> str:  # fmt: skip
    words = describe_shifts([Shift(**each) for each in shifts], reference) or direction
    how = f"are {words}" if words else "have drifted"
    counts = f"{counts} since" if newest_at is None else f"newest alarm {minute_of(newest_at)} UTC, on {counts}"
    return f"Scores of {'all traffic' if slice == 'all' else slice} {how} since about {moment_of(began)} ({counts})."


def _alarmed(ratio: float, reference: str, per_year: float, caveat: str, **_: object) -> str:
    sound = "a model that stays as it was deployed" if reference == "deployment" else "a calibrated model"
    doubt = f", which is not guaranteed while {caveat}" if caveat else ""
    return (
        f"The evidence reached {multiple(ratio)} what raises an alarm; {sound} raises such an alarm at most "
        f"{frequency(per_year)} over all its slices{doubt}."
    )


def _under(calibrator: str, opened: str) -> str:
    return f"{f'calibrator {calibrator}' if calibrator else 'scores as they come'} since {moment_of(opened)}"


def _drift_none(ratio: float, calibrator: str, opened: str, **_: object) -> str:
    return f"drift evidence is {short_number(ratio)} of what raises an alarm, {_under(calibrator, opened)}"


def _drift_not_judged(lacking: int, calibrator: str, opened: str, noun: str | None = None, **_: object) -> str:
    missing = quantity(lacking, f"labelled {noun or 'sample'}")
    return f"drift is not judged yet: its reference lacks {missing}, {_under(calibrator, opened)}"


OF_ALERTS: dict[Code, Callable[..., str]] = {
    Code.THRESHOLD: _threshold,
    Code.THRESHOLD_UNKNOWN: _threshold_unknown,
    Code.DISPARITY: _disparity,
    Code.DISPARITY_UNKNOWN: _disparity_unknown,
    Code.DRIFT: _drift,
    Code.DRIFT_NONE: _drift_none,
    Code.DRIFT_NOT_JUDGED: _drift_not_judged,
}
