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
    "precision": ("detection", "if they are right as often as those so far"), "recall": ("object", "if all of them are found"),
    "fp_per_image": ("image", "if none has a false positive"),
}  # fmt: skip


def _whom(of: str, classes: int, others: bool, **_: object) -> str:
    if of:
        return of
    if classes == 1 and not others:
        return "all boxes"
    return f"{'all other' if others else 'all'} classes together ({classes:,})"


def _point(threshold: float, nms_iou: float | None, **_: object) -> str:
    before = "" if nms_iou is None else f", after suppression at IoU {nms_iou:g}"
    return f"score >= {threshold:.4f}{before}"


def _goal(kind: str, target: float, confidence: float, images: int, **_: object) -> str:
    sure = exact_percent(confidence)
    return f"{_GOALS[kind].format(target)} with {sure} confidence on {images:,} later images"


def _figures(figures: Mapping[str, Sequence[float | None]], **_: object) -> str:
    return ", ".join(
        f"{_FIGURES[name]} "
        + ("unknown" if held[0] is None else f"{held[0]:.4g}")
        + ("" if None in held else f" ({held[1]:.4g} to {held[2]:.4g})")
        for name, held in figures.items()
    )  # fmt: skip


def _promised(**said: Any) -> str:
    return f"{_whom(**said)}: {_point(**said)} promises {_goal(**said)}: {_figures(**said)}"


def _not_promised(best: float | None, missing: int | None, **said: Any) -> str:
    bound = "" if best is None else f"; the best bound is {best:.4g}"
    least = "" if said["kind"] == "precision" else "at least "
    more = "" if missing is None else f"; {least}{_lack(said['kind'], missing)}"
    return f"{_whom(**said)}: no score can promise {_goal(**said)}{bound}{more}"


def _lack(kind: str, missing: int) -> str:
    noun, hope = _LACKING[kind]
    return f"{missing:,} more {noun}{'' if missing == 1 else 's'} needed, {hope}"


def _chosen(better: Sequence[float | None] | None, accepted: bool, **said: Any) -> str:
    gain = "" if better is None else f"; {_gain(said['policy'], better[0], better[1], said['confidence'])}"
    stays = "" if accepted else ", which may be chance: what is in use stays"
    on = f"on {said['images']:,} later images"
    return f"{_whom(**said)}: {_point(**said)} by {said['policy']}, {on}: {_figures(**said)}{gain}{stays}"


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


def _lacking(
    count: int, kind: str, lacking: Sequence[Sequence[Any]], known: int, least: int | None = None, **_: object
) -> str:
    whom = "1 class has" if count == 1 else f"{count:,} classes have"
    said = f"{whom} no point of {'its' if count == 1 else 'their'} own"
    # a class of which too little is known is not hopeless, nor near
    unknown = (
        "" if least is None
        else f"too little was seen, or too much of it was wrong, to say (at least {least:,} on later images, all of them right)"
    )  # fmt: skip
    if not lacking:
        return f"{said}, and nothing seen gives hope of one" if least is None else f"{said}: {unknown}"
    noun, hope = _LACKING[kind]
    first, *others = [(str(name), int(missing)) for name, missing in lacking]
    listed = [f"{first[0]}: {first[1]:,} more {noun}{'' if first[1] == 1 else 's'} needed"]
    listed += [f"{name}: {missing:,}" for name, missing in others]
    said = f"{said}: {', '.join(listed)}{', …' if known > len(lacking) else ''}, {hope}"
    return f"{said}; of {count - known:,} {unknown}" if unknown and count > known else said


def _log_suppressed(nms_iou: float, pairs: int, tuned: Sequence[float], vain: Sequence[float], score: float) -> str:
    said = (
        f"boxes look as if they were suppressed at about IoU {nms_iou:.2g} before they were logged "
        f"({pairs:,} pairs overlap by .2 and more)"
    )
    if tuned:
        listed = ", ".join(f"{one:g}" for one in tuned)
        said += f"; a second suppression at {listed} can still be tuned, which is not the same as one alone"
    if vain:
        said += (
            f"; {', '.join(f'{one:g}' for one in vain)} would suppress nothing more, so what is above cannot be tried"
        )
    return f"{said}: log boxes from before suppression, at score >= {score:g}, to tune all"


_ABOUT = 1.5  # times the score asked for: a floor up to there is about the same


def _ceiling(ceiling: float, floor: float, iou: float, score: float) -> str:
    more = "" if floor <= _ABOUT * score else f"; log from score {score:g} on to find more"
    most = f"no threshold finds more than {ceiling:.3f} of the objects"
    return f"the lowest score logged is {floor:.3g}: at IoU {iou:g} {most}{more}"


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
