"""The sentences of tuning: what points were chosen, what they promise, and what the log allows. Reached by ``words``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.model.reasons import Code
from monitor.model.wording import exact_percent, quantity, short_number

_GOALS = {
    "precision": "precision >= {:g}", "recall": "recall >= {:g}", "fp_per_image": "at most {:g} false positives per image",
}  # fmt: skip
_FIGURES = {"precision": "precision", "recall": "recall", "fp_per_image": "false positives per image"}
# what it takes more of, until a promise can be made
_LACKING = {
    "precision": ("more detection needed", "more detections needed", "that are right"),
    "recall": ("more object needed", "more objects needed", "that are found"),
    "fp_per_image": ("more image needed", "more images needed", "without a false positive"),
}


def _whom(of: str, classes: int, others: bool) -> str:
    if of:
        return of
    if classes == 1 and not others:
        return "all boxes"
    return f"{'all other' if others else 'all'} classes together ({classes:,})"


def _point(threshold: float, nms_iou: float | None) -> str:
    before = "" if nms_iou is None else f", after suppression at IoU {nms_iou:g}"
    return f"score >= {threshold:.4f}{before}"


def _goal(kind: str, target: float, confidence: float, images: int) -> str:
    sure = exact_percent(confidence)
    return f"{_GOALS[kind].format(target)} with {sure} confidence on {images:,} later images"


def _figures(figures: Mapping[str, Sequence[float | None]]) -> str:
    return ", ".join(
        f"{_FIGURES[name]} "
        + ("unknown" if held[0] is None else f"{held[0]:.4g}")
        + ("" if None in held else f" ({held[1]:.4g} to {held[2]:.4g})")
        for name, held in figures.items()
    )  # fmt: skip


def _promised(
    of: str, classes: int, others: bool, kind: str, target: float, confidence: float, images: int,
    threshold: float, nms_iou: float | None, figures: Mapping[str, Sequence[float | None]], policy: str,
) -> str:  # fmt: skip
    del policy
    goal = _goal(kind, target, confidence, images)
    return f"{_whom(of, classes, others)}: {_point(threshold, nms_iou)} promises {goal}: {_figures(figures)}"


def _not_promised(
    of: str, classes: int, others: bool, kind: str, target: float, confidence: float, images: int,
    best: float | None, missing: int | None, nms_iou: float | None, policy: str,
) -> str:  # fmt: skip
    del policy, nms_iou
    bound = "" if best is None else f"; the best bound is {best:.4g}"
    more = "" if missing is None else f"; at least {_lack(kind, missing)}"
    return f"{_whom(of, classes, others)}: no score can promise {_goal(kind, target, confidence, images)}{bound}{more}"


def _lack(kind: str, missing: int) -> str:
    one, many, which = _LACKING[kind]
    return f"{missing:,} {one if missing == 1 else many}, all of them {which}"


def _chosen(
    of: str, classes: int, others: bool, policy: str, confidence: float, images: int, threshold: float,
    nms_iou: float | None, figures: Mapping[str, Sequence[float | None]], better: Sequence[float | None] | None,
    accepted: bool, kind: str, target: None,
) -> str:  # fmt: skip
    del kind, target
    gain = "" if better is None else f"; {_gain(policy, better[0], better[1], confidence)}"
    stays = "" if accepted else ", which may be chance: what is in use stays"
    return (
        f"{_whom(of, classes, others)}: {_point(threshold, nms_iou)} by {policy}, on {images:,} later images: "
        f"{_figures(figures)}{gain}{stays}"
    )


def _gain(policy: str, mean: float | None, lower: float | None, confidence: float) -> str:
    what = "the cost per image" if policy.startswith("cost") else policy
    if mean is None:
        return f"whether {what} is better than as it is in use is unknown"
    change = f"{what} {'better' if mean > 0 else 'worse'} than as it is in use by {short_number(abs(mean))}"
    return change if lower is None else f"{change} (at least {lower:.3g} with {exact_percent(confidence)} confidence)"


def _not_better(
    policy: str, mean: float | None = None, lower: float | None = None, confidence: float | None = None
) -> str:
    if mean is None or confidence is None:
        return f"no threshold by {policy} is better with confidence than what is in use; nothing changes"
    return f"{_gain(policy, mean, lower, confidence)}, which is not sure; nothing changes"


def _lacking(count: int, kind: str, lacking: Sequence[Sequence[Any]], known: int) -> str:
    one, many, which = _LACKING[kind]
    first = ", ".join(
        f"{name}: {missing:,} {one if missing == 1 else many}" if place == 0 else f"{name}: {missing:,}"
        for place, (name, missing) in enumerate(lacking)
    )
    whom = "1 class has" if count == 1 else f"{count:,} classes have"
    rest = ", …" if known > len(lacking) else ""
    said = f"{whom} no point of {'its' if count == 1 else 'their'} own"
    return f"{said}: {first}{rest}, {which}" if lacking else f"{said}, and nothing seen gives hope of one"


def _log_suppressed(nms_iou: float, pairs: int, tuned: Sequence[float], vain: Sequence[float], score: float) -> str:
    said = f"boxes were suppressed at about IoU {nms_iou:.2g} before they were logged ({pairs:,} pairs overlap by .2 and more)"
    if tuned:
        listed = ", ".join(f"{one:g}" for one in tuned)
        said += f"; a second suppression at {listed} can still be tuned, which is not the same as one alone"
    if vain:
        said += (
            f"; {', '.join(f'{one:g}' for one in vain)} would suppress nothing more, so what is above cannot be tried"
        )
    return f"{said}: log boxes from before suppression, at score >= {score:g}, to tune all"


def _ceiling(ceiling: float, floor: float, iou: float, score: float) -> str:
    more = "" if floor <= score else f"; log from score {score:g} on to find more"
    return f"the lowest score logged is {floor:.3g}: at IoU {iou:g} no threshold finds more than {ceiling:.3f} of the objects{more}"


OF_TUNING: dict[Code, Callable[..., str]] = {
    Code.TUNE_ACCEPTED: lambda points, later, unit: (
        f"{quantity(points, 'operating point')} chosen, and shown on {quantity(later, 'later ' + unit)}"
    ),
    Code.TUNE_NOT_BETTER: _not_better,
    Code.POINT_PROMISED: _promised,
    Code.POINT_NOT_PROMISED: _not_promised,
    Code.POINT_CHOSEN: _chosen,
    Code.POINT_NOT_CHOSEN: lambda of, classes, others, policy: (
        f"{_whom(of, classes, others)}: no score by {policy}: there is no box, or no object, to choose it by"
    ),
    Code.POINTS_LACKING: _lacking,
    Code.LOG_SUPPRESSED: _log_suppressed,
    Code.RECALL_CEILING: _ceiling,
}
