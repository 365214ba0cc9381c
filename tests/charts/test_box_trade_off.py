"""The picture of a detector's trade-off: every NMS IoU, the point in use, and no zero where a number is unknown."""

from dataclasses import replace

import pytest

from monitor.charts import boxes, render
from monitor.model.history import CurvePoint


def _curve(*nms_ious: float) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            t / 10, 1 - t / 10, 0.5 + t / 20, None, None, 1 - t / 10, None, None, 0.6, None, None, nms, (10 - t) / 10
        )
        for nms in nms_ious
        for t in range(1, 11)
    )


def _texts(curve: tuple[CurvePoint, ...], *values: object, **options: int) -> str:
    return str(boxes.box_trade_off(curve, *values, **options).to_dict())  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [960, 330])
def test_it_is_drawn_wide_and_narrow(width: int) -> None:
    chart = boxes.box_trade_off(_curve(0.3, 0.5, 1.0), 0.4, ("precision", 0.95), 0.5, width=width)
    drawn = render.svg(chart)
    for text in ("recall over truths", "false positives per image", "suppressed at 0.5", "in use 0.4", "as logged"):
        assert text in drawn


def test_the_point_in_use_is_that_of_its_nms_iou() -> None:
    curve = tuple(replace(each, precision=0.77) if each.nms_iou == 0.3 else each for each in _curve(0.3, 0.5))
    found = _texts(curve, 0.35, None, 0.3)
    assert "'deployed': 0.35" in found
    assert "'precision': 0.77" in found


def test_without_a_point_in_use_nothing_is_marked() -> None:
    assert "in use" not in _texts(_curve(0.5), None, None, None)


def test_one_nms_iou_needs_no_key() -> None:
    assert "NMS IoU" not in _texts(_curve(1.0), 0.4)
    assert "NMS IoU" in _texts(_curve(0.5, 1.0), 0.4)


def test_zero_false_positives_have_no_place_on_a_logarithmic_axis() -> None:
    chart = boxes.box_trade_off(tuple(replace(each, fp_per_image=0.0) for each in _curve(0.5)), 0.4)
    assert "<svg" in render.svg(chart)


def test_unknown_rates_are_left_out() -> None:
    curve = tuple(replace(each, recall=None, f1=None) for each in _curve(0.5))
    assert "'line': 'recall'" not in _texts(curve, 0.4)
    assert "<svg" in render.svg(boxes.box_trade_off(curve, 0.4))


def test_an_empty_curve_is_drawn_empty() -> None:
    assert "<svg" in render.svg(boxes.box_trade_off((), None))
