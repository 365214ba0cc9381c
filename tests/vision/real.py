"""The extracts in tests/data/vision, as detections and truths."""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet

from monitor.statistics.arrays import Floats, Ints
from monitor.vision.boxes import convert_boxes
from monitor.vision.labelled import LabelledBoxes, label_boxes
from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import AS_LOGGED, sweep_suppression

DATA = Path(__file__).parents[1] / "data" / "vision"
DETECTORS = ("faster-rcnn-resnet-50", "ssd-inception-v2")
NMS_IOUS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, AS_LOGGED)


@cache
def coco(detector: str) -> tuple[Detections, Truths, Ints]:
    """Detections, objects and all 5,000 images of COCO val2017; boxes are shares of their image."""
    found, there = _columns(f"{detector}.parquet"), _columns("coco_val2017_gt.parquet")
    detections = Detections(found["image_id"], found["class"], _corners(found), found["score"].astype(np.float64))
    truths = Truths(there["image_id"], there["class"], _corners(there))
    return detections, truths, _columns("images.parquet")["image_id"]


@cache
def swept(detector: str, iou: float = 0.5) -> LabelledBoxes:
    """As logged and suppressed again at six NMS IoUs."""
    detections, truths, images = coco(detector)
    return label_boxes(detections, truths, images, sweep_suppression(detections, truths, NMS_IOUS, iou))


def authors_matches(detector: str) -> Ints:
    """What the authors of the detections matched at IoU .75, 0 or 1."""
    return _columns(f"{detector}.parquet")["matched75"]


@cache
def fake() -> tuple[Detections, Truths, Ints]:
    """100 images of COCO val2014 with crowds, and detections that were made up."""
    there = json.loads((DATA / "coco_val2014_100.json").read_text("utf-8"))
    found = json.loads((DATA / "coco_val2014_100_fakebbox.json").read_text("utf-8"))
    objects = there["annotations"]
    detections = Detections(
        _codes(found, "image_id"), _codes(found, "category_id"), convert_boxes([one["bbox"] for one in found], "xywh"),
        np.array([one["score"] for one in found]),
    )  # fmt: skip
    truths = Truths(
        _codes(objects, "image_id"), _codes(objects, "category_id"),
        convert_boxes([one["bbox"] for one in objects], "xywh"), _codes(objects, "iscrowd") > 0,
    )  # fmt: skip
    return detections, truths, _codes(there["images"], "id")


def padilla() -> tuple[Detections, Truths, Ints]:
    """Seven images of one class."""
    sides = []
    for name in ("padilla_detections.csv", "padilla_truths.csv"):
        with (DATA / name).open(encoding="utf-8") as lines:
            sides.append(list(csv.DictReader(lines)))
    found, there = sides
    boxes = [convert_boxes([[float(row[key]) for key in "xywh"] for row in rows], "xywh") for rows in sides]
    image = [np.array([int(row["image"]) for row in rows]) for rows in (found, there)]
    score = np.array([float(row["score"]) for row in found])
    detections = Detections(image[0], np.zeros(len(found), np.int64), boxes[0], score)
    return detections, Truths(image[1], np.zeros(len(there), np.int64), boxes[1]), np.arange(1, 8)


def _columns(name: str) -> dict[str, Ints]:
    table = pyarrow.parquet.read_table(DATA / name)
    read = {column: table[column].to_numpy() for column in table.column_names}
    return {key: values.astype(np.int64) if values.dtype.kind in "iu" else values for key, values in read.items()}


def _corners(columns: dict[str, Ints]) -> Floats:
    return np.stack([columns[name] for name in ("xmin", "ymin", "xmax", "ymax")], axis=1).astype(np.float64)


def _codes(rows: list[dict[str, int]], key: str) -> Ints:
    return np.array([row[key] for row in rows], dtype=np.int64)
