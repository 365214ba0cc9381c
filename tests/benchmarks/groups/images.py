"""Real images as groups of samples: pixels of a segmenter, boxes of detectors; and clips that are drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from monitor.statistics.arrays import Floats, Ints, mark_starts

DATA = Path(__file__).parents[2] / "data"
Links = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Samples of many images, image by image: ``score`` p of ``n`` samples alike and ``outcome`` y of them, with ``kind`` (a
    class of boxes, 0 otherwise); ``first`` (images + 1,): where each begins."""

    first: Ints
    score: Floats
    n: Floats
    outcome: Floats
    kind: Ints

    def __len__(self) -> int:
        return int(self.first.size) - 1

    @classmethod
    def of(cls, image: Ints, score: Floats, n: Floats, outcome: Floats, kind: Ints | None = None) -> "Images":
        order = np.argsort(image, kind="stable")
        first = np.append(np.flatnonzero(mark_starts(image[order])), image.size)
        kinds = np.zeros(image.size, np.int64) if kind is None else kind
        return cls(first, score[order], n[order], outcome[order], kinds[order])

    def map_scores(self, link: Links) -> "Images":
        """The same with other scores, as a calibrator makes them."""
        return replace(self, score=link(self.score))

    def pick(self, wanted: Ints) -> tuple[Ints, Ints]:
        """(place among ``wanted``, row) of every row of the images ``wanted``, one after another."""
        length = self.first[wanted + 1] - self.first[wanted]
        place = np.repeat(np.arange(wanted.size), length)
        offset = np.repeat(self.first[wanted] - (np.cumsum(length) - length), length)
        return place, np.arange(int(length.sum())) + offset

    def of_kind(self, kind: int) -> "Images":
        """The samples of one kind; images without any stay, with none."""
        own = self.kind == kind
        first = np.concatenate([[0], np.cumsum(own)])[self.first]
        return Images(first, self.score[own], self.n[own], self.outcome[own], self.kind[own])

    def subset(self, wanted: Ints) -> "Images":
        place, row = self.pick(wanted)
        return Images.of(place, self.score[row], self.n[row], self.outcome[row], self.kind[row])


def fit_isotonic(images: Images) -> Links:
    """The isotonic calibrator of all samples; its scores are moved off 0 and 1 by half a sample."""
    score, code = np.unique(images.score, return_inverse=True)
    n, hits = (np.bincount(code, weights=column) for column in (images.n, images.outcome))
    rate = isotonic_regression((hits + 1e-6) / (n + 2e-6), weights=n).x
    rate = np.clip(rate, 0.5 / n.sum(), 1 - 0.5 / n.sum())
    return lambda p: np.interp(p, score, rate)


def fit_platt(images: Images) -> Links:
    """α + β·logit p by maximum likelihood over all samples."""
    x = logit(np.clip(images.score, 1e-6, 1 - 1e-6))
    design, found = np.stack([np.ones_like(x), x], axis=1), np.array([0.0, 1.0])
    for _ in range(50):
        rate = expit(design @ found)
        information = design.T @ (design * (images.n * rate * (1 - rate))[:, None])
        found = found + np.linalg.solve(information, design.T @ (images.outcome - images.n * rate))
    alpha, beta = found.tolist()
    return lambda p: expit(alpha + beta * logit(np.clip(p, 1e-6, 1 - 1e-6)))


@cache
def load_nuclei(part: str) -> Images:
    """Pixels by image and fine bin: "same_microscope" (200 images), "other_lab" (40) or "hazed" (65)."""
    table = pq.read_table(DATA / "nuclei" / "fine_sums.parquet", filters=[("part", "=", part)])
    image, n, score, outcome = (
        table.column(name).to_numpy().astype(np.float64) for name in ("image", "n", "score", "outcome")
    )
    return Images.of(image.astype(np.int64), np.clip(score / n, 0.0, 1.0), n, outcome)


@cache
def load_boxes(detector: str) -> Images:
    """Boxes of COCO val2017 by image, with the authors' matching at IoU .75; ``kind`` 1 is a person."""
    table = pq.read_table(DATA / "vision" / f"{detector}.parquet", columns=["image_id", "class", "score", "matched75"])
    image, kind, score, outcome = (column.to_numpy() for column in table.columns)
    code = np.unique(image, return_inverse=True)[1].astype(np.int64)
    return Images.of(
        code, score.astype(np.float64), np.ones(score.size), outcome.astype(np.float64), (kind == 1).astype(np.int64)
    )
