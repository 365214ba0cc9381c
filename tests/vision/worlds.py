"""Boxes that tests make up, and matching and suppression as one would write them down, box by box."""

import numpy as np
from hypothesis import strategies as st

from monitor.statistics.arrays import Floats, Ints
from monitor.vision.boxes import overlap_matrix
from monitor.vision.labelled import LabelledBoxes
from monitor.vision.objects import Detections, Truths
from monitor.vision.suppression import Sweep


@st.composite
def small_worlds(draw: st.DrawFn) -> tuple[Detections, Truths]:
    """Up to 14 detections and 9 truths in two images and two classes, on a coarse grid, so that overlaps and scores tie."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    detections, truths = draw(st.integers(0, 14)), draw(st.integers(0, 9))
    image, category = (rng.integers(3, 5, detections + truths) for _ in range(2))
    corner = rng.integers(0, 4, (detections + truths, 2)).astype(np.float64)
    box = np.concatenate([corner, corner + rng.integers(1, 5, corner.shape)], axis=1)
    score = rng.integers(1, 7, detections) / 8
    flags = rng.random((2, truths)) < 0.2
    there = slice(detections, None)
    return (
        Detections(image[:detections], category[:detections], box[:detections], score),
        Truths(image[there], category[there], box[there], flags[0], flags[1]),
    )


def match_plainly(detections: Detections, truths: Truths, iou: float, most: int) -> tuple[Ints, Ints]:
    """Truth of each detection (−1: none, −2: beyond the most), one detection after another."""
    found, taken = np.full(len(detections), -1), np.zeros(len(truths), np.bool_)
    places: dict[tuple[int, int], int] = {}
    for index in np.argsort(-detections.score, kind="stable").tolist():
        key = int(detections.image[index]), int(detections.category[index])
        places[key] = places.get(key, 0) + 1
        if places[key] > most:
            found[index] = -2
            continue
        same = (truths.image == key[0]) & (truths.category == key[1])
        overlap = overlap_matrix(detections.box[[index]], truths.box, truths.crowds)[0]
        for kind in (~truths.left_out, truths.left_out):
            free = same & kind & (truths.crowds | ~taken) & (overlap >= min(iou, 1 - 1e-10))
            if free.any():
                best = overlap[free].max()
                found[index] = np.flatnonzero(free & (overlap == best))[-1]
                taken[found[index]] = True
                break
    return found, taken


def suppress_plainly(detections: Detections, nms_iou: float) -> Ints:
    """Indices that survive, rising."""
    kept: list[int] = []
    for index in np.argsort(-detections.score, kind="stable").tolist():
        rivals = [
            other
            for other in kept
            if detections.image[other] == detections.image[index]
            and detections.category[other] == detections.category[index]
        ]
        overlap = overlap_matrix(detections.box[[index]], detections.box[rivals])
        if not (overlap > nms_iou).any():
            kept.append(index)
    return np.array(sorted(kept), dtype=np.int64)


def resample_images(boxes: LabelledBoxes, count: int, rng: np.random.Generator) -> LabelledBoxes:
    """``count`` images drawn from those of the boxes, each as often as it comes; every draw is an image of its own."""
    drawn = rng.integers(0, len(boxes.images), count)
    known = np.sort(boxes.images)
    rows, of_row = _rows_of(np.searchsorted(known, boxes.image), drawn, len(known))
    objects, of_object = _rows_of(np.searchsorted(known, boxes.object_image), drawn, len(known))
    sweep = Sweep(boxes.nms_iou, boxes.sweep.kept[rows], boxes.sweep.matched[rows])
    return LabelledBoxes(
        np.arange(count), of_row, boxes.category[rows], boxes.score[rows], sweep, of_object,
        boxes.object_category[objects],
    )  # fmt: skip


def _rows_of(place: Ints, drawn: Ints, places: int) -> tuple[Ints, Ints]:
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(places + 1))
    lengths = (first[1:] - first[:-1])[drawn]
    draw = np.repeat(np.arange(len(drawn)), lengths)
    within = np.arange(len(draw)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return order[first[drawn[draw]] + within], draw


def make_population(rng: np.random.Generator, images: int) -> LabelledBoxes:
    """Three classes, of 2, .3 and .02 boxes an image; scores over-confident below .7, outcomes of one image alike.

    Of two NMS IoUs the first takes out a third of the boxes that are wrong, and a thirtieth of those that are right.
    """
    parts: list[tuple[Ints, Ints, Floats, Floats]] = []
    hard = rng.normal(0, 0.8, images)
    for category, mean in enumerate((2.0, 0.3, 0.02)):
        per_image = rng.poisson(rng.gamma(1.0, mean, images))
        image = np.repeat(np.arange(images), per_image)
        logit = rng.normal(1.0, 2.0, len(image))
        chance = 1 / (1 + np.exp(0.5 - 1.6 * logit - hard[image]))
        right = (rng.random(len(image)) < chance).astype(np.float64)
        parts.append((image, np.full(len(image), category), 1 / (1 + np.exp(-logit)), right))
    image, category_, score, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    goes = rng.random(len(image)) < np.where(right > 0, 1 / 30, 1 / 3)
    kept = np.where(goes, 2, 3).astype(np.uint8)
    missed = rng.random(len(image)) < 0.3
    objects = np.concatenate([np.flatnonzero(right > 0), np.flatnonzero(missed)])
    return LabelledBoxes(
        np.arange(images), image, category_, score, Sweep((0.5, 1.0), kept, np.where(right > 0, kept, 0).astype(np.uint8)),
        image[objects], category_[objects],
    )  # fmt: skip
