"""How long matching, the sweep over NMS IoUs and thresholds, and tuning take on 100,000 detections."""

from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np

from monitor.config.settings import parse_config
from monitor.model import Slice, ThresholdInUse
from monitor.recalibration.calibrators import Platt
from monitor.recalibration.thresholds import Choice
from monitor.recalibration.tuning.boxes import choose_points
from monitor.recalibration.tuning.images import BoxInputs
from monitor.statistics.arrays import Ints
from monitor.statistics.thresholds.policies import parse_policy
from monitor.vision.labelled import label_boxes, split_images
from monitor.vision.matching import match_detections
from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import AS_LOGGED, sweep_suppression
from monitor.vision.trade_off import draw_trade_off
from monitor.vision.tuning import tune_detector
from tests.benchmarks.figures import Figure, median, spread
from tests.vision.real import DETECTORS, coco
from tests.worlds.boxes_line import NOW, detector_section

NMS_IOUS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, AS_LOGGED)


def before_suppression(count: int) -> Detections:
    """Detections of COCO val2017 with boxes around them that are shifted and less sure, as a log before NMS has them."""
    detections, rng = coco(DETECTORS[0])[0], np.random.default_rng(0)
    rows = np.concatenate(
        [np.arange(len(detections)), rng.integers(0, len(detections), max(count - len(detections), 0))]
    )
    rows = rows[:count]
    box, score = detections.box[rows].copy(), detections.score[rows].copy()
    copied = np.arange(len(rows)) >= len(detections)
    sides = np.tile(box[:, 2:] - box[:, :2], 2)
    box[copied] += (rng.normal(0, 0.08, box.shape) * sides)[copied]
    box[:, 2:] = np.maximum(box[:, 2:], box[:, :2])
    score[copied] *= rng.uniform(0.1, 1, len(score))[copied]
    return Detections(detections.image[rows], detections.category[rows], box, score)


def measure_speed(count: int, repeats: int) -> list[Figure]:
    """Seconds of one core, the median of ``repeats``; limits are those of 100,000 detections."""
    detections, (_, truths, images) = before_suppression(count), coco(DETECTORS[0])

    def sweep() -> None:
        masks = sweep_suppression(detections, truths, NMS_IOUS)
        draw_trade_off(label_boxes(detections, truths, images, masks))

    boxes = label_boxes(detections, truths, images, sweep_suppression(detections, truths, NMS_IOUS))
    earlier, later = split_images(boxes)
    tasks: tuple[tuple[str, float | None, Callable[[], object]], ...] = (
        ("match with the objects at IoU .5", 1.0, lambda: match_detections(detections, truths)),
        ("8 NMS IoUs × every score threshold, 80 classes", 5.0, sweep),
        (
            "tune precision>=0.95, 80 classes",
            None,
            lambda: tune_detector(parse_policy("precision>=0.95"), earlier, later),
        ),
        (
            "a whole tuning of precision>=0.95, 80 classes × 8 NMS IoUs",
            5.0,
            lambda: tune_whole(detections, truths, images),
        ),
        ("tune f1, 80 classes", None, lambda: tune_detector(parse_policy("f1"), earlier, later)),
    )
    return [_figure(name, limit, task, repeats, len(detections)) for name, limit, task in tasks]


def tune_whole(detections: Detections, truths: Truths, images: Ints) -> Choice:
    """What a tuning job does with boxes once it has them."""
    names = tuple(str(code) for code in range(int(max(detections.category.max(), truths.category.max())) + 1))
    matching = f"nms_iou = {[*NMS_IOUS]}"
    text = detector_section('policy = "precision>=0.95"\nper = ["predicted_class"]', matching=matching)
    model = parse_config(text, "calwatch.toml", Path()).model[0]
    boxes = BoxInputs(images, np.arange(len(images), dtype=np.float64), detections, truths, names)
    base = ThresholdInUse("m", Slice(), "", None, None, None, "", NOW)
    return choose_points(model, boxes, Platt(0.9, -0.2), (), base, len(images) // 2)


def _figure(name: str, limit: float | None, task: Callable[[], object], repeats: int, count: int) -> Figure:
    seconds = []
    for _ in range(repeats):
        began = process_time()
        task()
        seconds.append(process_time() - began)
    note = f"{spread(seconds)}; {count:,} detections, {count / median(seconds):,.0f} a second"
    return Figure(name, median(seconds), "s", limit, note)
