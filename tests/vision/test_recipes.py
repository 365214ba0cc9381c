"""The recipes of the chapter on detectors make rows that calwatch takes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from monitor.config.boxes import BOX_COLUMNS
from monitor.config.settings import parse_config
from tests.documents import ROOT, find_blocks, read_chapter
from tests.sources.boxes.detector import Detector, an_image

CODE = "\n".join(find_blocks("python", read_chapter("detectors", "## What to log of a detector")))


@pytest.fixture(scope="module")
def recipes() -> dict[str, Any]:
    held: dict[str, Any] = {}
    exec(CODE, held)  # the document's own examples
    return held


@dataclass
class Boxes:
    """As ultralytics has them, in arrays."""

    xyxy: Any = field(default_factory=lambda: np.array([[10.0, 10.0, 30.0, 30.0]]))
    cls: Any = field(default_factory=lambda: np.array([1.0]))
    conf: Any = field(default_factory=lambda: np.array([0.9]))


@dataclass
class Result:
    """As predict gives it."""

    boxes: Boxes = field(default_factory=Boxes)
    names: Any = field(default_factory=lambda: {0: "dog", 1: "cat"})
    orig_shape: tuple[int, int] = (100, 200)


def test_rows_of_torchvision_are_taken(recipes: dict[str, Any], tmp_path: Any) -> None:
    output = {"boxes": Boxes().xyxy, "labels": np.array([1]), "scores": Boxes().conf}
    rows = recipes["rows_of_torchvision"]("a", output, ["background", "cat"])
    _demand_taken(rows, an_image("a"), tmp_path)


def test_rows_of_ultralytics_are_taken(recipes: dict[str, Any], tmp_path: Any) -> None:
    image, rows = recipes["rows_of_ultralytics"]("a", Result())
    assert (image["width"], image["height"]) == (200, 100)
    _demand_taken(rows, {**an_image("a"), **image}, tmp_path)


def _demand_taken(rows: list[dict[str, Any]], image: dict[str, Any], tmp_path: Any) -> None:
    assert set(BOX_COLUMNS["xyxy"]) < set(rows[0])
    detector = Detector(tmp_path)
    detector.send("images", image)
    detector.send("detections", *rows, ending="jsonl")
    detector.send("truth", {"image_id": "a", "class": "cat", "x": 10, "y": 10, "w": 20, "h": 20})
    detector.pull()
    assert list(detector.outcomes().values()) == [1]
    assert detector.aside() == {}


def test_the_example_of_the_classic_task_is_a_configuration() -> None:
    (text,) = find_blocks("toml", read_chapter("detectors", "## Warnings that are right"))
    model = parse_config(text, "README.md", ROOT).model[0]
    assert model.is_of_boxes
    assert model.matching is not None
    assert model.matching.nms_iou == (0.3, 0.4, 0.5, 0.6)
