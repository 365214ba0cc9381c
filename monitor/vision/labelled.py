"""Detections of labelled images beside the objects there are: what trade-offs and operating points are taken from."""

from dataclasses import dataclass, replace

import numpy as np

from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.thresholds.counts import Counts, count_at
from monitor.vision.objects import Detections, Flags, Truths
from monitor.vision.suppression import Sweep


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBoxes:
    """n detections and m objects of the labelled ``images``, which stand in the order of time, each once.

    ``sweep`` says which detections are kept, and right, at each NMS IoU; ``score`` (n,) in [0, 1] is what thresholds are held
    against: the raw score, or what a calibrator that is monotone within a class makes of it.
    """

    images: Ints
    image: Ints  # (n,)
    category: Ints  # (n,)
    score: Floats  # (n,)
    sweep: Sweep
    object_image: Ints  # (m,)
    object_category: Ints  # (m,)

    @property
    def nms_iou(self) -> tuple[float, ...]:
        """The NMS IoUs there are to choose from."""
        return self.sweep.nms_iou

    @property
    def categories(self) -> Ints:
        """Codes of all classes, rising."""
        return np.union1d(self.category, self.object_category)

    def of_images(self, images: Ints) -> "LabelledBoxes":
        """Return what belongs to some of the images."""
        return self._pick(images, np.isin(self.image, images), np.isin(self.object_image, images))

    def of_categories(self, categories: Ints) -> "LabelledBoxes":
        """Return what belongs to some of the classes; all images stay, as each was looked at for them."""
        return self._pick(self.images, np.isin(self.category, categories), np.isin(self.object_category, categories))

    def _pick(self, images: Ints, rows: Flags, objects: Flags) -> "LabelledBoxes":
        sweep = Sweep(self.nms_iou, self.sweep.kept[rows], self.sweep.matched[rows])
        return LabelledBoxes(
            images, self.image[rows], self.category[rows], self.score[rows], sweep,
            self.object_image[objects], self.object_category[objects],
        )  # fmt: skip


def label_boxes(
    detections: Detections, truths: Truths, images: Ints, sweep: Sweep, score: Floats | None = None
) -> LabelledBoxes:
    """Return what belongs to the labelled ``images``, given in the order of time; ``score`` (n,): calibrated ones.

    Raises ValueError when an image is named twice or scores are not in [0, 1].
    """
    scores = detections.score if score is None else score
    if len(np.unique(images)) != len(images):
        raise ValueError("labelled images must be named once each")
    if scores.shape != detections.score.shape or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must lie in [0, 1], one per detection")
    objects = ~truths.left_out
    whole = LabelledBoxes(
        images, detections.image, detections.category, scores, sweep, truths.image[objects], truths.category[objects]
    )
    return whole.of_images(images)


def split_images(boxes: LabelledBoxes, share: float = 0.5) -> tuple[LabelledBoxes, LabelledBoxes]:
    """Return the earlier part, about ``share`` of the images, and the later one. Raises ValueError unless 0 < share < 1."""
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1 (got {share:g})")
    cut = round(len(boxes.images) * share)
    return boxes.of_images(boxes.images[:cut]), boxes.of_images(boxes.images[cut:])


def count_boxes(boxes: LabelledBoxes, nms: int, thresholds: Floats, *, grouped: bool = True) -> Counts:
    """Count what thresholds (rising) give at the NMS IoU of index ``nms``: a positive is an object, a group an image.

    Unlike those of ``count_at`` the positives are all objects, and the groups all labelled images, with nothing in them or
    not. Without ``grouped`` detections count as independent, which is cheaper. Raises ValueError without images.
    """
    if not len(boxes.images):
        raise ValueError("there must be a labelled image")
    kept, matched = boxes.sweep.bit(nms)
    score, right, image = boxes.score[kept], matched[kept].astype(np.float64), boxes.image[kept]
    known = np.sort(boxes.images)
    place = np.searchsorted(known, image)
    objects = totals(np.searchsorted(known, boxes.object_image), np.ones(len(boxes.object_image)), len(known))
    if len(score):
        counts = count_at(thresholds, score, right, place if grouped else None)
    else:
        none = np.zeros(len(thresholds))
        counts = Counts(
            thresholds, tp=none, fp=none, aa=none, af=none, ff=none, aq=none, touched=none, score=none,
            positives=0.0, negatives=0.0, qq=0.0, groups_with_positives=0.0, groups=0.0, grouped=False,
        )  # fmt: skip
    order = np.argsort(-score, kind="stable")
    found = np.concatenate([[0.0], np.cumsum((right * objects[place])[order])])
    ends = np.searchsorted(-score[order], -thresholds, side="right")
    return replace(
        counts,
        aq=found[ends],
        positives=float(objects.sum()),
        qq=float(np.sum(objects**2)),
        groups_with_positives=float(np.count_nonzero(objects)),
        groups=float(len(known)),
    )


def group_for_recall(counts: Counts) -> Counts:
    """Return counts that hold objects of one image together wherever an image has several, as recall asks for."""
    return replace(counts, grouped=counts.grouped or counts.qq > counts.positives)
