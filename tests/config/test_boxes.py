"""What is said of a detector's boxes in the configuration, and what does not go together."""

from pathlib import Path

import pytest

from monitor.config.boxes import Matching
from monitor.config.settings import Model, parse_config
from monitor.model.errors import ConfigError

BASE = '[[model]]\nname = "m"\ntask = "detection"\n'
DETECTIONS = '[[model.source]]\nname = "d"\nholds = "detections"\npath = "d/*"\n'
TRUTH = '[[model.source]]\nname = "t"\nholds = "truth"\npath = "t/*"\n'
IMAGES = '[[model.source]]\nname = "i"\nholds = "images"\npath = "i/*"\n'
MATCHING = "[model.matching]\n"


def _model(text: str) -> Model:
    return parse_config(text, "calwatch.toml", Path()).model[0]


def _matching(text: str) -> Matching:
    found = _model(BASE + DETECTIONS + MATCHING + text).matching
    assert found is not None
    return found


def test_boxes_need_no_settings() -> None:
    found = _model(BASE + DETECTIONS)
    assert found.is_of_boxes
    assert (found.matching, found.slices) == (None, ())
    assert not _model(BASE + '[[model.source]]\npath = "x"\n').is_of_boxes


@pytest.mark.parametrize(
    ("text", "cat", "person"),
    [("", 0.5, 0.5), ("iou = 0.75", 0.75, 0.75), ("iou = 1", 1, 1), ("iou = { person = 0.6 }", 0.5, 0.6),
     ("iou = { default = 0.7, person = 0.6 }", 0.7, 0.6)],
)  # fmt: skip
def test_the_iou_is_a_number_or_a_table_by_class(text: str, cat: float, person: float) -> None:
    found = _matching(text)
    assert (found.iou_of("cat"), found.iou_of("person")) == (cat, person)


def test_limits_of_size_add_a_slice_dimension() -> None:
    text = BASE + 'slices = ["camera"]\n' + IMAGES + DETECTIONS + TRUTH + MATCHING + "size = [32, 96]\n"
    assert _model(text).slices == ("camera", "size")
    assert _model(text.replace('"camera"', '"size", "camera"')).slices == ("size", "camera")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BASE + TRUTH, 'one must hold "detections"'),
        (BASE.replace("detection", "binary") + DETECTIONS, 'source "d": holds "detections" needs task "detection"'),
        (BASE.replace("detection", "segmentation") + DETECTIONS, 'needs task "detection" (task is "segmentation")'),
        (BASE + DETECTIONS + '[[model.source]]\npath = "x"\n', 'holds "samples" beside sources of boxes'),
        (BASE + DETECTIONS + '[[model.source]]\nholds = "labels"\npath = "x"\n', 'holds "labels" beside sources of boxes'),
        (BASE + '[[model.source]]\npath = "x"\n' + MATCHING, 'it needs sources with holds = "images"'),
        (BASE.replace("detection", "binary") + '[[model.source]]\npath = "x"\n' + MATCHING, 'goes with task "detection"'),
        (BASE + '[[model.source]]\npath = "x"\nformat = "coco"\n', 'format "coco" needs holds "images"'),
        (BASE + DETECTIONS + 'format = "voc"\n', 'format "voc" needs holds "images" or "truth"'),
        (BASE + DETECTIONS + 'outcomes = { true = ["a"] }\n', 'takes no "outcomes"'),
        (BASE + DETECTIONS + 'columns = { predicted_class = "p" }\n', 'did you mean "class"?'),
        (BASE + DETECTIONS + 'columns = { camera = "p" }\n', 'maps unknown "camera"'),
        (BASE + 'slices = ["image_id"]\n' + DETECTIONS, 'must not use "image_id"'),
        (BASE + 'slices = ["size"]\n' + DETECTIONS, 'matching.size = [32, 96]'),
        (BASE + 'slices = ["class", "predicted_class"]\n' + DETECTIONS, "names the class of a detection twice"),
        (BASE + DETECTIONS + MATCHING + "iou = 50\n", "iou must be above 0 and at most 1"),
        (BASE + DETECTIONS + MATCHING + "iou = { cat = 0 }\n", "unlike cat (got 0)"),
        (BASE + DETECTIONS + MATCHING + "iou = true\n", "iou must be above 0 and at most 1"),
        (BASE + DETECTIONS + MATCHING + "size = [32]\n", "size must be two lengths in pixels"),
        (BASE + DETECTIONS + MATCHING + "size = [96, 32]\n", "size must rise"),
        (BASE + DETECTIONS + MATCHING + "nms_iou = [0.3, 0.3]\n", "nms_iou must rise"),
        (BASE + DETECTIONS + MATCHING + f"nms_iou = {[n / 10 for n in range(1, 10)]}\n", "list of at most 8 numbers"),
        (BASE + DETECTIONS + MATCHING + 'boxes = "yxyx"\n', "boxes must be"),
        (BASE + DETECTIONS + MATCHING + "max_detections = 0\n", "max_detections must be"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told_once(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        _model(text)
    (mistake,) = error.value.mistakes
    assert told in mistake
