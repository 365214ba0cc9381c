"""Promises played on images drawn from a population, where it is known what each threshold truly gives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitor.statistics.arrays import Floats
from monitor.statistics.thresholds.counts import promise_grid
from monitor.statistics.thresholds.policies import Policy, parse_policy
from monitor.vision.labelled import LabelledBoxes, count_boxes
from monitor.vision.tuning import TunedPoint, tune_detector
from tests.vision.worlds import resample_images

GRID = promise_grid()


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """What is true of all images: (classes, NMS IoUs, thresholds) counts, and objects (classes,)."""

    boxes: LabelledBoxes
    tp: Floats
    fp: Floats
    objects: Floats

    @classmethod
    def of(cls, boxes: LabelledBoxes) -> "Population":
        categories, nms = boxes.categories.tolist(), range(len(boxes.nms_iou))
        counts = [
            [count_boxes(boxes.of_categories(np.array([one])), index, GRID, grouped=False) for index in nms]
            for one in categories
        ]
        tp, fp = (np.array([[getattr(one, side) for one in row] for row in counts]) for side in ("tp", "fp"))
        return cls(boxes, tp, fp, np.array([row[0].positives for row in counts]))

    def rates(self, categories: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
        """(precision, recall, false positives per image), (NMS IoUs, thresholds) each, of some classes together."""
        rows = np.searchsorted(self.boxes.categories, categories)
        tp, fp = self.tp[rows].sum(axis=0), self.fp[rows].sum(axis=0)
        with np.errstate(invalid="ignore"):
            return tp / (tp + fp), tp / self.objects[rows].sum(), fp / len(self.boxes.images)


@dataclass(frozen=True, slots=True)
class Played:
    """Promises over ``runs``, of single classes or of all others together."""

    runs: int  # in which one was asked for
    promised: int
    broken: int
    worst: float  # broken over runs, of the class for which that is most
    # mean over promises: recall (precision for a promised recall) truly left, and by how much the best in hindsight is above
    left: float
    lost: float


@dataclass(frozen=True, slots=True)
class _Kept:
    category: int
    broken: bool
    left: float
    best: float


def play_promises(
    boxes: LabelledBoxes, text: str, images: tuple[int, int], runs: int, seed: int = 0
) -> tuple[Played, Played]:
    """Tune on images drawn anew in each run, (earlier, later) many; promises of single classes, and of the others together."""
    policy, population = parse_policy(text), Population.of(boxes)
    own: list[_Kept] = []
    together: list[_Kept] = []
    asked = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        earlier, later = (resample_images(boxes, count, rng) for count in images)
        tuning = tune_detector(policy, earlier, _renamed(later, images[0]))
        own += [_judged(policy, population, point) for point in tuning.own]
        asked += tuning.together is not None
        if tuning.together is not None and tuning.together.accepted:
            together.append(_judged(policy, population, tuning.together))
    return _summed(runs, own), _summed(asked, [replace(kept, category=0) for kept in together])


def _summed(asked: int, found: list[_Kept]) -> Played:
    broken = np.bincount([kept.category for kept in found if kept.broken] or [0], minlength=1)
    left, best = (float(np.mean([getattr(kept, name) for kept in found] or [np.nan])) for name in ("left", "best"))
    number = sum(kept.broken for kept in found)
    return Played(asked, len(found), number, float(broken.max()) / max(asked, 1) if number else 0.0, left, best - left)


def _renamed(boxes: LabelledBoxes, first: int) -> LabelledBoxes:
    """With image codes that the earlier part has not."""
    return LabelledBoxes(
        boxes.images + first, boxes.image + first, boxes.category, boxes.score, boxes.sweep, boxes.object_image + first,
        boxes.object_category,
    )  # fmt: skip


def _judged(policy: Policy, population: Population, point: TunedPoint) -> _Kept:
    precision, recall, false = population.rates(point.categories)
    at = population.boxes.nms_iou.index(point.nms_iou), int(np.searchsorted(GRID, point.threshold))
    kept, useful = {
        "precision": (precision >= policy.target, recall),
        "recall": (recall >= policy.target, precision),
        "fp_per_image": (false <= policy.target, recall),
    }[policy.kind]
    best = float(np.nanmax(np.where(kept, useful, 0.0)))
    return _Kept(point.categories[0], not bool(kept[at]), float(useful[at]), best)


def splits(boxes: LabelledBoxes, runs: int, images: tuple[int, int]) -> Iterator[tuple[LabelledBoxes, ...]]:
    """(earlier, later, the rest) of the images in a random order."""
    for run in range(runs):
        order = np.random.default_rng(run).permutation(boxes.images)
        yield tuple(boxes.of_images(part) for part in np.split(order, np.cumsum(images)))
