"""Where production is to operate: thresholds on calibrated scores, of boxes with the suppression before them, in the artefact.

Points are by class; the one without a class is for all that have none of their own. Where neither is there, nothing is said
of a class: production goes on as it did.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from monitor.model import ThresholdInUse

OPERATING_VERSION = (
    4  # schema version of artefacts that hold points: a reader that knows none must not think there are none
)


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """Show, or predict, from ``threshold`` on, after a suppression within the class at ``nms_iou``.

    ``per`` says which class: "predicted_class", "class" (one-vs-rest), "" with "" for all others. ``kept``: whether a promise
    holds, with the confidence of all; None: none is made.
    """

    per: str
    class_name: str
    threshold: float
    nms_iou: float | None  # None: suppression is production's alone, or there is none
    kept: bool | None


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """The points that a policy gave, and how boxes are counted: of an image and class at most ``max_detections``."""

    policy: str
    confidence: float
    tuned_at: datetime
    points: tuple[DecisionPoint, ...]
    max_detections: int | None = None  # None: they are of no boxes

    @property
    def as_object(self) -> dict[str, object]:
        """Return the points as JSON values. Raises ValueError on a time without a zone."""
        if self.tuned_at.tzinfo is None:
            raise ValueError(f"times of an artefact must have a time zone (got {self.tuned_at.isoformat()})")
        held = {"policy": self.policy, "confidence": self.confidence, "tuned_at": self.tuned_at.isoformat()}
        return {**held, "max_detections": self.max_detections, "points": [_point_object(one) for one in self.points]}

    @classmethod
    def from_object(cls, held: Mapping[str, Any]) -> "OperatingPoints":
        """Return the points that ``as_object`` made values of. Raises KeyError, TypeError or ValueError on others."""
        most, points = held["max_detections"], held["points"]
        if not isinstance(points, list) or not isinstance(held["policy"], str):
            raise TypeError(f"expected a policy and a list of points, got {held!r}")
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise TypeError(f"expected a count as max_detections, got {most!r}")
        tuned_at = datetime.fromisoformat(held["tuned_at"])
        return cls(held["policy"], float(held["confidence"]), tuned_at, tuple(map(_point_of, points)), most)


def points_of(thresholds: tuple[ThresholdInUse, ...]) -> tuple[DecisionPoint, ...]:
    """Return the points of those thresholds that there are, in the order of their classes."""
    found = [
        DecisionPoint(each.per, each.class_name, each.threshold, each.nms_iou, each.kept)
        for each in thresholds
        if each.threshold is not None
    ]
    return tuple(sorted(found, key=lambda point: (point.per, point.class_name)))


def _point_object(point: DecisionPoint) -> dict[str, object]:
    held = asdict(point)
    held["class"] = held.pop("class_name")
    return held


def _point_of(held: Any) -> DecisionPoint:
    point = DecisionPoint(held["per"], held["class"], float(held["threshold"]), held["nms_iou"], held["kept"])
    texts, kept, nms_iou = (point.per, point.class_name), point.kept, point.nms_iou
    if not all(isinstance(text, str) for text in texts) or not (kept is None or isinstance(kept, bool)):
        raise TypeError(f"expected texts and a promise, got {held!r}")
    if not 0 <= point.threshold <= 1 or not (nms_iou is None or 0 < float(nms_iou) <= 1):
        raise ValueError(f"thresholds lie in 0..1, NMS IoUs above 0 and at most 1 (got {held!r})")
    return point
