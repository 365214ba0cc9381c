"""What sources of boxes hold and how boxes are matched with objects: the three tables of a detector and `[model.matching]`."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from monitor.config.fields import Number, Whole
from monitor.config.section import MustError, Section, Words

Holds = Literal["samples", "labels", "images", "detections", "truth"]
BoxLayout = Literal["xywh", "xyxy", "cxcywh"]

# one column with a list of four, or four columns; what they are called says what they are
BOX_COLUMNS: Mapping[BoxLayout, tuple[str, str, str, str]] = {
    "xywh": ("x", "y", "w", "h"),
    "xyxy": ("x1", "y1", "x2", "y2"),
    "cxcywh": ("cx", "cy", "w", "h"),
}
_BOX = ("box", *dict.fromkeys(name for names in BOX_COLUMNS.values() for name in names))
_SIZE_OF_IMAGE = ("image_width", "image_height")  # where no table of images says it; `width` is taken for a box's own
# what a table of each kind may have, beside slice columns of images and of detections
COLUMNS_OF: Mapping[str, tuple[str, ...]] = {
    "images": ("image_id", "observed_at", "width", "height", "version"),
    "detections": (
        "image_id", "observed_at", "class", "score", "raw_score", "calibrator", "version", "detection_id", *_BOX,
        *_SIZE_OF_IMAGE,
    ),
    "truth": ("image_id", "observed_at", "labelled_at", "class", "crowd", *_BOX, *_SIZE_OF_IMAGE),
}  # fmt: skip
BOX_HOLDS = tuple(COLUMNS_OF)
BOX_NUMBERS = ("width", "height", *_SIZE_OF_IMAGE, *_BOX[1:])
# formats that are of boxes alone, with what their files may hold
FORMATS_OF_BOXES: Mapping[str, tuple[str, ...]] = {
    "coco": ("images", "detections", "truth"),
    "yolo": ("detections", "truth"),
    "voc": ("images", "truth"),
}
CLASS_DIMENSIONS = ("class", "predicted_class")  # slice dimensions that are the class of a detection
OFTEN_MEANT = {  # names of samples, and of detectors' outputs → ours
    "sample_id": "image_id", "group_id": "image_id", "predicted_class": "class", "label": "class", "category": "class",
    "category_id": "class", "confidence": "score", "bbox": "box", "iscrowd": "crowd",
}  # fmt: skip
SIZE = "size"  # the slice dimension that [model.matching] size adds
SIZE_NAMES = ("small", "medium", "large")
BOX_DIMENSIONS = (*CLASS_DIMENSIONS, SIZE)  # slice dimensions that no column of a file stands for
NO_SLICES = frozenset(name for names in COLUMNS_OF.values() for name in names) - {"class"}
MOST_NMS_IOUS = 8
DEFAULT = "default"  # stands in a table of IoUs for classes that are not named

_IOU = "be above 0 and at most 1, or a table such as { default = 0.5, person = 0.6 }"
_OVERLAP = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


def _overlaps(value: Any) -> Any:
    given = value if isinstance(value, dict) else {DEFAULT: value}
    for name, one in given.items():
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 < one <= 1:
            raise MustError(_IOU if given is not value else f"{_IOU}, unlike {name}", got=one)
    return {DEFAULT: 0.5, **{name: float(one) for name, one in given.items()}}


def _rising(value: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in pairwise(value)):
        raise MustError("rise, each once", got=list(value))
    return value


Overlap = Annotated[Number, Field(gt=0, le=1)]
Overlaps = Annotated[
    dict[str, float],
    BeforeValidator(_overlaps),
    WithJsonSchema({"anyOf": [_OVERLAP, {"type": "object", "additionalProperties": _OVERLAP}]}),
]
Pixels = Annotated[Number, Field(gt=0)]


class Matching(Section):
    """How the boxes of a detector are matched with the objects there are."""

    iou: Overlaps = Field(
        {DEFAULT: 0.5},
        description="a box is right if it overlaps an object of its class by this; { default = 0.5, person = 0.6 } by class",
        json_schema_extra={"default": 0.5},
    )
    nms_iou: Annotated[
        tuple[Overlap, ...],
        Field(max_length=MOST_NMS_IOUS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_rising),
        Words(f"be a list of at most {MOST_NMS_IOUS} numbers"),
    ] = Field(
        (), description="IoUs of suppression that may be tuned, at most 8; none: suppression is production's alone"
    )
    max_detections: Whole = Field(
        100, ge=1, le=10_000, description="of an image and class, those with the highest scores; others are no samples"
    )
    size: Annotated[
        tuple[Pixels, ...],
        Field(max_length=2),
        AfterValidator(_rising),
        Words("be a list of two lengths in pixels, such as [32, 96]"),
    ] = Field(
        (), description="such as [32, 96]: adds the slice dimension `size`, small below 32² pixels, large from 96² on"
    )
    boxes: BoxLayout = Field(
        "xywh", description="what four numbers of a column `box` are: corner and size, two corners, centre and size"
    )

    def _check_size(self) -> Iterator[str]:
        if len(self.size) == 1:
            yield f"size must be two lengths in pixels, such as [32, 96] (got [{self.size[0]:g}])"

    @property
    def iou_text(self) -> str:
        """What a detection needs, as it stands beside numbers: ``0.5``, or ``0.5, person 0.6`` where classes differ."""
        own = (f"{name} {iou:g}" for name, iou in self.iou.items() if name != DEFAULT)
        return ", ".join((f"{self.iou[DEFAULT]:g}", *own))

    def iou_of(self, class_: str) -> float:
        """Return what a detection of the class needs."""
        return self.iou.get(class_, self.iou[DEFAULT])
