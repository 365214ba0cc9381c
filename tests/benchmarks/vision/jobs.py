"""Promises made by whole jobs: images arrive as files, `tune` is asked for, and the artefact's points are held against the
truth of many more images of the same kind."""

import contextlib
import io
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

from monitor.model import JobState
from monitor.statistics.arrays import Floats
from monitor.statistics.thresholds.policies import Policy, parse_policy
from monitor.vision.labelled import LabelledBoxes, count_boxes, label_boxes
from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import sweep_suppression
from tests.benchmarks.vision.play import Played
from tests.worlds.boxes_line import NOW, Habits, detector_line, detector_section, make_images, send_images
from tests.worlds.jobs import ask
from tests.worlds.line import BEGAN

NMS_IOUS = (0.3, 0.5, 0.8)
CLASSES = ("cat", "dog")
HABITS = Habits(sureness=2.0, false=1.5)


def play_jobs(text: str, images: int, runs: int) -> Played:
    """Tune in so many states of their own, images drawn anew in each; broken is a point whose truth is beyond its promise."""
    policy, truth = parse_policy(text), population()
    promised, broken, of_point = 0, 0, Counter[str]()
    for run in range(runs):
        for name, threshold, nms_iou in _points(text, images, run):
            promised += 1
            categories = [CLASSES.index(name)] if name else [0, 1]
            own = truth.of_categories(np.array(categories))
            if not _is_kept(policy, own, NMS_IOUS.index(nms_iou), threshold):
                broken += 1
                of_point[name] += 1
    return Played(runs, promised, broken, max(of_point.values(), default=0) / runs, float("nan"), float("nan"))


def _points(text: str, images: int, run: int) -> list[tuple[str, float, float]]:
    """(class, threshold, NMS IoU) of the promises of one job; where a class has its own, that for all others is the other's."""
    section = detector_section(f'policy = "{text}"\nper = ["predicted_class"]')
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        held = stack.enter_context(detector_line(base, section))
        held.rng = np.random.default_rng([11, run])
        send_images(held, images, habits=HABITS)
        job = ask(held, NOW, "tune")
    if job.state is not JobState.PROMOTED:
        return []
    points = [each for each in job.tuned["points"] if each["kept"]]
    own = {each["class"] for each in points}
    (left, *_) = [*(name for name in CLASSES if name not in own), ""]
    return [
        (each["class"] or (left if len(own - {""}) == 1 else ""), each["threshold"], each["nms_iou"]) for each in points
    ]


def _is_kept(policy: Policy, boxes: LabelledBoxes, nms: int, threshold: float) -> bool:
    counts = count_boxes(boxes, nms, np.array([threshold]), grouped=False)
    if policy.kind == "precision":
        return bool(counts.precision().rate[0] >= policy.target)
    if policy.kind == "recall":
        return bool(counts.recall().rate[0] >= policy.target)
    return bool(counts.fp[0] / len(boxes.images) <= policy.target)


@cache
def population(images: int = 40_000) -> LabelledBoxes:
    """Many images of the kind that jobs get: the truth."""
    made = make_images(np.random.default_rng(99), "p", images, (BEGAN, NOW), HABITS)
    numbers = {name: place for place, name in enumerate(made["images"]["image_id"])}
    found, there = made["detections"], made["truth"]
    known = ~np.ma.getmaskarray(np.ma.asarray(there["x1"]))
    detections = Detections(*_codes(numbers, found, np.ones(len(found["score"]), np.bool_)), found["score"])
    truths = Truths(*_codes(numbers, there, known))
    sweep = sweep_suppression(detections, truths, NMS_IOUS)
    return label_boxes(detections, truths, np.arange(images), sweep)


def _codes(
    numbers: dict[str, int], table: dict[str, np.ndarray], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Floats]:
    image = np.array([numbers[name] for name in table["image_id"][rows]], dtype=np.int64)
    category = np.array([CLASSES.index(name) for name in table["class"][rows]], dtype=np.int64)
    box = np.column_stack([np.ma.getdata(table[name])[rows].astype(np.float64) for name in ("x1", "y1", "x2", "y2")])
    return image, category, box
