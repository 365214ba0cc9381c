"""The trade-off of a detector over score threshold and NMS IoU: what each pair gives, and where it is operated."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from monitor.charts.charts import AMBER, BLUE, GREEN, KEY, QUIET, RED, VIOLET, WIDE, Chart, apply_theme, make_base
from monitor.model.history import CurvePoint

AS_LOGGED = 1.0  # the NMS IoU at which nothing is suppressed
_RATES = (("precision", BLUE, [1, 0]), ("recall", AMBER, [7, 3]), ("F1", VIOLET, [2, 3]))  # line, colour, dashes
_SHADES = ("#86b9f5", "#5b95d6", "#2f6db3", "#6a4a9c", "#a65fa8", "#c06a4a", "#8a5a00", "#5b646e")  # of NMS IoUs
# where the key of the NMS IoUs stands: all eight fit
_BESIDE: dict[str, Any] = {"orient": "right", "direction": "vertical", "offset": 10}
_ABOVE: dict[str, Any] = {"offset": 6, "columns": 4}
_UNIT = alt.Scale(domain=[0, 1], nice=False)


def box_trade_off(
    curve: Sequence[CurvePoint], deployed: float | None = None, promise: tuple[str, float] | None = None,
    nms_iou: float | None = None, *, width: int = WIDE, height: int = 230,
) -> Chart:  # fmt: skip
    """Precision, recall over truths and F1 by score at one NMS IoU, precision against recall and false positives per image at
    all of them; the point in use marked.

    ``deployed`` and ``nms_iou`` are that point (None: no suppression is tuned); without one the curves of the highest NMS IoU
    are those by score. ``promise``: ("precision", 0.95) draws what the policy promises. Panels stand beside each other, below
    each other where it is narrow.
    """
    known = sorted({each.nms_iou for each in curve if each.nms_iou is not None})
    shown = AS_LOGGED if nms_iou is None else nms_iou
    shown = shown if shown in known else max(known, default=AS_LOGGED)
    is_narrow = width < 500
    key_beside = not is_narrow and len(known) > 1  # of the NMS IoUs: above one of three panels it would not fit
    across = width - 90 if is_narrow else (width - (330 if key_beside else 230)) // 3
    rows = [_row(each) for each in curve]
    at = _deployed_row(rows, deployed, shown)
    panels = [
        _by_score(rows, shown, deployed, promise, len(known) > 1),
        _against_each_other(rows, known, at, promise),
        _per_image(rows, known, deployed, beside=key_beside),
    ]
    sized = [each.properties(width=across, height=height) for each in panels]
    joined: Any = alt.vconcat(*sized, spacing=26) if is_narrow else alt.hconcat(*sized, spacing=30)
    return apply_theme(joined.resolve_scale(color="independent", strokeDash="independent"))


def _row(point: CurvePoint) -> dict[str, Any]:
    return {
        "threshold": point.threshold, "nms": point.nms_iou, "of": name_suppression(point.nms_iou),
        "precision": point.precision, "recall": point.recall, "F1": point.f1, "fp": point.fp_per_image,
    }  # fmt: skip


def name_suppression(nms_iou: float | None) -> str:
    """Return an NMS IoU in words."""
    return "as logged" if nms_iou is None or nms_iou == AS_LOGGED else f"{nms_iou:g}"


def _deployed_row(rows: Sequence[Mapping[str, Any]], deployed: float | None, shown: float) -> Mapping[str, Any] | None:
    """The point in use: of its curve the first from its threshold on, which counts the same boxes."""
    own = [row for row in rows if row["nms"] == shown and deployed is not None and row["threshold"] >= deployed]
    found = min(own, key=lambda row: row["threshold"], default=None)
    return None if found is None else {**found, "deployed": deployed}


def _by_score(
    rows: Sequence[Mapping[str, Any]],
    shown: float,
    deployed: float | None,
    promise: tuple[str, float] | None,
    several: bool,
) -> Any:
    long = [
        {"threshold": row["threshold"], "line": name, "value": row[name]}
        for row in rows
        if row["nms"] == shown
        for name, *_ in _RATES
        if row[name] is not None
    ]
    names, colours = [name for name, *_ in _RATES], [colour for _, colour, _ in _RATES]
    patterns = [pattern for *_, pattern in _RATES]
    key = alt.Legend(**KEY | {"offset": 6})
    title = f"by score, suppressed at {name_suppression(shown)}" if several else "by score"
    lines = make_base(long).mark_line(strokeWidth=2, clip=True).encode(
        x=_score(), y=alt.Y("value:Q", scale=_UNIT, axis=alt.Axis(format=".2~f", title=None)),
        color=alt.Color("line:N", scale=alt.Scale(domain=names, range=colours), legend=key),
        strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=names, range=patterns), legend=key),
    )  # fmt: skip
    layers = [lines, *_promised(promise, "y")]
    if deployed is not None:
        layers.append(_rule(deployed))
    return alt.layer(*layers).properties(title=_title(title))


def _against_each_other(
    rows: Sequence[Mapping[str, Any]], known: Sequence[float], at: Mapping[str, Any] | None, promise: tuple[str, float] | None
) -> Any:  # fmt: skip
    drawn = [row for row in rows if row["precision"] is not None and row["recall"] is not None]
    layers = [
        make_base(drawn).mark_line(strokeWidth=1.6, clip=True).encode(
            x=alt.X("recall:Q", scale=_UNIT, axis=alt.Axis(format=".2~f", title="recall over truths", tickCount=5)),
            y=alt.Y("precision:Q", scale=_UNIT, axis=alt.Axis(format=".2~f", title="precision")),
            order="threshold:Q", color=_by_suppression(known, None),
        ),
        *_promised(promise, "x" if promise and promise[0] == "recall" else "y"),
    ]  # fmt: skip
    if at is not None and None not in (at["precision"], at["recall"]):
        base = make_base([dict(at)])
        point = base.encode(x="recall:Q", y="precision:Q")
        layers.append(point.mark_point(filled=True, size=90, color=RED, opacity=1))
        # in the corner that the curve, which falls to the right, leaves free
        corner = base.encode(x=alt.value(6), y=alt.value("height"))
        layers.append(corner.mark_text(text=f"in use {at['deployed']:.4g}", color=RED, align="left", dy=-10))
    return alt.layer(*layers).properties(title=_title("precision against recall"))


def _per_image(
    rows: Sequence[Mapping[str, Any]], known: Sequence[float], deployed: float | None, *, beside: bool
) -> Any:
    # a logarithm has no zero: the curve ends where the last false positive goes
    drawn = [row for row in rows if row["fp"]]
    powers = [float(f"1e{power}") for power in range(-6, 4)]
    low, high = (end((row["fp"] for row in drawn), default=1.0) for end in (min, max))
    up = alt.Axis(title=None, format="~g", values=[one for one in powers if low <= one <= high] or [low, high])
    layers = [
        make_base(drawn).mark_line(strokeWidth=1.6, clip=True).encode(
            x=_score(), y=alt.Y("fp:Q", scale=alt.Scale(type="log", nice=False), axis=up),
            color=_by_suppression(known, _BESIDE if beside else _ABOVE),
        )
    ]  # fmt: skip
    if deployed is not None:
        layers.append(_rule(deployed))
    return alt.layer(*layers).properties(title=_title("false positives per image"))


def _by_suppression(known: Sequence[float], place: dict[str, Any] | None) -> alt.Color:
    """The colour of an NMS IoU; its key stands in one panel for all of them."""
    names = [name_suppression(each) for each in known]
    key = None if len(known) < 2 or place is None else alt.Legend(**{**KEY, "title": "NMS IoU", **place})
    return alt.Color("of:N", sort=names, scale=alt.Scale(domain=names, range=list(_SHADES[: len(names)])), legend=key)


def _score() -> alt.X:
    return alt.X("threshold:Q", scale=alt.Scale(nice=False), axis=alt.Axis(title="score threshold", tickCount=5))


def _rule(deployed: float) -> alt.Chart:
    rule: alt.Chart = make_base([{"x": deployed}]).mark_rule(color=RED, strokeWidth=1.6).encode(x="x:Q")
    return rule


def _promised(promise: tuple[str, float] | None, axis: str) -> list[alt.Chart]:
    if promise is None:
        return []
    base = make_base([{"at": promise[1]}])
    where = alt.X("at:Q") if axis == "x" else alt.Y("at:Q")
    return [base.mark_rule(color=GREEN, strokeDash=[4, 3]).encode(where)]


def _title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text, anchor="start", fontSize=12, fontWeight="normal", color=QUIET, offset=4)
