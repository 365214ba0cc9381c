"""The documents' own `shown`, run without calwatch, gives exactly the boxes that tuning counted."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from monitor.model import Slice, ThresholdInUse
from monitor.recalibration.calibrators import Calibrator, Identity, Isotonic, Platt
from monitor.recalibration.tuning.boxes import choose_points
from monitor.recalibration.tuning.images import BoxInputs
from monitor.recalibration.tuning.operating import OperatingPoints, points_of
from monitor.vision.matching import match_detections
from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import suppress_detections
from tests.documents import find_blocks
from tests.recalibration.test_detection import NOW
from tests.vision.real import DETECTORS, coco
from tests.vision.worlds import small_worlds
from tests.worlds.boxes_line import NMS_IOUS, detector_section

(SOURCE,) = [block for block in find_blocks("python") if "def shown(" in block]
Shown = Callable[..., NDArray[np.bool_]]


def _reference() -> Shown:
    names: dict[str, Any] = {}
    exec(compile(SOURCE, "README.md", "exec"), names)
    found: Shown = names["shown"]
    return found


SHOWN = _reference()


def test_it_needs_nothing_but_numpy() -> None:
    assert set(re.findall(r"^(?:import|from) (\w+)", SOURCE, re.MULTILINE)) == {"numpy"}


def _show(
    artefact: dict[str, Any], boxes: Detections, score: Any, names: Any = None, **more: float
) -> NDArray[np.bool_]:
    name = boxes.category if names is None else np.array(names)[boxes.category]
    return SHOWN(artefact, boxes.image, name, boxes.box, boxes.score, score, **more)


@given(world=small_worlds())
def test_it_suppresses_as_calwatch_does(world: tuple[Detections, Truths]) -> None:
    detections = world[0]
    for nms_iou, most in ((0.3, 100), (0.5, 2), (1.0, 1)):
        point = {"per": "", "class": "", "threshold": 0.0, "nms_iou": nms_iou, "kept": None}
        found = _show({"operating": {"max_detections": most, "points": [point]}}, detections, detections.score)
        assert found.tolist() == (suppress_detections(detections, [nms_iou], most) > 0).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["precision>=0.95", "precision>=0.8", "f1", "fp_per_image<=0.3"])
@pytest.mark.parametrize(
    "calibrator", [Identity(), Platt(0.8, -0.4), Isotonic((0.3, 0.6, 0.62, 1.0), (0.1, 0.5, 0.5, 0.95))],
    ids=["identity", "platt", "isotonic with ties"],
)  # fmt: skip
def test_it_shows_exactly_what_was_counted_on_the_later_images(policy: str, calibrator: Calibrator) -> None:
    from monitor.config.settings import parse_config

    detections, truths, images = coco(DETECTORS[0])
    codes = np.unique(np.concatenate([detections.category, truths.category]))
    names = [str(one) for one in range(int(codes.max()) + 1)]
    text = detector_section(f'policy = "{policy}"\nper = ["predicted_class"]', matching=NMS_IOUS)
    from pathlib import Path

    model = parse_config(text, "calwatch.toml", Path()).model[0]
    order = np.random.default_rng(1).permutation(images)
    cut = len(order) // 2
    boxes = BoxInputs(order, np.arange(len(order), dtype=np.float64), detections, truths, tuple(names))
    base = ThresholdInUse("m", Slice(), "", None, None, None, "", NOW)
    choice = choose_points(model, boxes, calibrator, (), base, cut)
    assert choice.accepted, choice.why
    decided = tuple(each.threshold for each in choice.decided)
    points = OperatingPoints(policy, 0.95, datetime(2026, 1, 1, tzinfo=UTC), points_of(decided), 100)
    artefact = {"operating": points.as_object}
    later = np.isin(detections.image, order[cut:])
    mine, there = detections.pick(later), truths.pick(np.isin(truths.image, order[cut:]))
    # classes without a point are not shown at all, to be counted apart
    shown = _show(artefact, mine, calibrator.apply(mine.score), names, otherwise=2.0)
    found = mine.pick(shown)
    matches = match_detections(found, there)
    right = matches.truth >= 0
    own = {each.class_name for each in decided if each.per}
    counted = 0
    for each in decided:
        if each.threshold is None:
            continue
        of_class = np.array(names)[found.category]
        rows = of_class == each.class_name if each.per else ~np.isin(of_class, list(own))
        kept = ~matches.ignored[rows]
        assert each.precision == pytest.approx(right[rows][kept].sum() / kept.sum(), abs=1e-12)
        assert each.fp_per_image is not None
        assert each.fp_per_image * (len(order) - cut) == pytest.approx((kept & ~right[rows]).sum(), abs=1e-6)
        counted += int(rows.sum())
    assert counted == len(found)
    assert len(found) > 100


def test_an_artefact_without_points_shows_from_ones_own_threshold_on() -> None:
    boxes = Detections(
        np.zeros(2, np.int64), np.zeros(2, np.int64), np.array([[0, 0, 2, 2], [0, 0, 2, 1.9]]), np.array([0.9, 0.4])
    )
    assert _show({"method": "platt"}, boxes, boxes.score, otherwise=0.5).tolist() == [True, False]
    assert _show({"method": "platt"}, boxes, boxes.score).tolist() == [True, True]
