"""Detections beside the truth of the same images: ids and classes that do not meet, and rows that users matched themselves."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.model.wording import first_few, percent, quantity, quote_names
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.box_rows import BoxRows, Sizes
from monitor.sources.findings.boxes import ENOUGH, corners_of
from monitor.sources.findings.joins import guess_difference
from monitor.statistics.arrays import Floats
from monitor.vision.boxes import overlap_matrix

OVERLAP = 0.5  # from which a detection and an object are one
_AGREE, _AGREE_NOT = 0.5, 0.2  # share of overlapping pairs of one class: where names are written alike, where not
_SURE = 0.3  # scores below are left out, where there are enough others
_JOINED = 0.5  # of truth's images that should be known
_TWICE = (
    0.35  # of overlapping boxes with a right one both are right: 5 to 10 % where each object is found once, 70 % else
)
_MOST_OF_AN_IMAGE = 300  # boxes of one image and class that are compared with each other
_WHOLE = re.compile(r"-?\d{1,9}")


def find_odd_classes(
    detections: BoxRows, truth: BoxRows, sizes: Sizes, names: Mapping[str, str], classes: Sequence[str] = ()
) -> Iterator[Finding]:
    """Classes of detections that are none of the truth, by their names and by the boxes that lie on each other.

    ``names``: number → name, as files of truth say; ``classes``: those of the model.
    """
    found = [names.get(each, each) for each in detections.classes]
    held, known = Counter(found), Counter(truth.classes)
    if not held or not known:
        return
    there = overlapping_classes(detections, truth, sizes)
    pairs: Counter[tuple[str, str]] = Counter()
    numbered: Counter[tuple[str, str]] = Counter()
    numbers = {name: number for number, name in names.items()}
    for (one, other), count in there.items():
        pairs[names.get(one, one), other] += count
        numbered[one, numbers.get(other, other)] += count
    alike = sum(count for (one, other), count in pairs.items() if one == other)
    met = sum(pairs.values())
    if met >= ENOUGH and alike < _AGREE * met and (shift := _shift(numbered, met)):
        yield _shifted(shift, numbered, met, alike)
        return
    if met >= ENOUGH and alike < _AGREE_NOT * met:
        listed = first_few([f'"{a}" on "{b}" ({count:,})' for (a, b), count in pairs.most_common(3)], 3)
        yield Finding(
            f"where a detection lies on an object they are of one class in {percent(alike / met)} of {met:,} cases: {listed}. "
            f"{_remedy(held, known)}",
            Weight.SUSPICIOUS,
        )
        return
    if held.keys().isdisjoint(known):
        yield Finding(
            f"no class of the {quantity(sum(held.values()), 'detection')} tried ({quote_names(list(held)[:3])}) is one of the "
            f"{quantity(sum(known.values()), 'object')} tried ({quote_names(list(known)[:3])}), so none can be right. "
            f"{_remedy(held, known)}",
            Weight.SUSPICIOUS,
        )
        return
    strange = {name: count for name, count in held.items() if name not in known and name not in classes}
    if classes and strange:
        name, count = max(strange.items(), key=lambda pair: pair[1])
        yield Finding(
            f"{len(strange):,} of {len(held):,} classes of detections tried are neither in classes of [[model]] nor in the "
            f'truth tried, such as "{name}" ({count:,})',
            Weight.NOTE,
        )


def find_units_apart(detections: BoxRows, truth: BoxRows, sizes: Sizes, *, sized: bool) -> Iterator[Finding]:
    """Boxes that are shares of images of which nobody says how large they are, where that is needed: the other side has pixels,
    or slices are by size in pixels (``sized``)."""
    sides = {
        name: bool(rows.shares.mean() > 0.5)
        for name, rows in (("detections", detections), ("truth", truth))
        if len(rows)
    }
    if not any(sides.values()) or (len(set(sides.values())) == 1 and not sized):
        return
    known = {**detections.sizes, **truth.sizes, **sizes}
    unknown = sorted({image for rows in (detections, truth) for image in rows.ids if image not in known})
    if not unknown:
        return
    if len(set(sides.values())) > 1:
        said = " and ".join(
            f"{name} {'shares of the image (0 to 1)' if are else 'pixels'}" for name, are in sides.items()
        )
        why = f"boxes of {said}"
    else:
        why = "boxes are shares of the image (0 to 1), and slices by size are of pixels"
    yield Finding(
        f"{why}, and of {quantity(len(unknown), 'image')} tried, such as {quote_names(unknown[:1])}, nobody says how "
        "large they are: they wait until somebody does. Give width and height with "
        'holds = "images", or columns image_width and image_height',
        Weight.SUSPICIOUS,
    )


def _remedy(held: Collection[str], known: Collection[str]) -> str:
    """What may keep classes from meeting, and what to do."""
    plain = {each.strip().casefold().replace("_", " ") for each in known}
    if sum(each.strip().casefold().replace("_", " ") in plain for each in held) > len(held) / 2:
        return "They differ in upper and lower case, blanks or underscores: write them alike"
    numbers = [sum(bool(_WHOLE.fullmatch(each)) for each in side) > len(side) / 2 for side in (held, known)]
    if numbers[0] != numbers[1]:
        side = "detections" if numbers[0] else "the truth"
        return (
            f"Those of {side} are numbers: the categories of a COCO file of truth name them, classes in [[model]] those of "
            'YOLO; or let both sides have numbers, in COCO by columns = { class = "category_id" }'
        )
    return "See that both sides number and name classes alike"


def _shift(pairs: Mapping[tuple[str, str], int], met: int) -> int:
    """By how much the numbers of detections are below those of the truth in most pairs; 0: they are not."""
    shifts: Counter[int] = Counter()
    for (one, other), count in pairs.items():
        if _WHOLE.fullmatch(one) and _WHOLE.fullmatch(other):
            shifts[int(other) - int(one)] += count
    shift, count = max(shifts.items(), key=lambda pair: pair[1], default=(0, 0))
    return shift if abs(shift) == 1 and count >= _AGREE * met else 0


def _shifted(shift: int, pairs: Mapping[tuple[str, str], int], met: int, alike: int) -> Finding:
    count = sum(
        number for (one, other), number in pairs.items()
        if _WHOLE.fullmatch(one) and _WHOLE.fullmatch(other) and int(other) - int(one) == shift
    )  # fmt: skip
    (one, other), _ = max(pairs.items(), key=lambda pair: pair[1] * (pair[0][0] != pair[0][1]))
    more = "one less than" if shift > 0 else "one more than"
    first = (
        "detections count them from 0 and the truth from 1"
        if shift > 0
        else "detections count them from 1 and the truth from 0"
    )
    return Finding(
        f"where a detection lies on an object its class is {more} the object's in {count:,} of {met:,} cases, such as {one} on "
        f"{other}, and the same in {alike:,}: {first}. Nothing is shifted here: write one of them anew",
        Weight.SUSPICIOUS,
    )


def overlapping_classes(detections: BoxRows, truth: BoxRows, sizes: Sizes) -> Counter[tuple[str, str]]:
    """How often a detection of one class lies on an object of another, or of the same: each with the object that it overlaps
    most, from ``OVERLAP`` on."""
    found: Counter[tuple[str, str]] = Counter()
    boxes, objects = boxes_in_pixels(detections, sizes), boxes_in_pixels(truth, sizes)
    sure = detections.scores >= _SURE
    rows = np.flatnonzero(sure) if sure.sum() >= ENOUGH else np.arange(len(detections))
    of_truth = rows_by_image(truth.ids, range(len(truth)))
    for image, places in rows_by_image(detections.ids, rows.tolist()).items():
        if image not in of_truth:
            continue
        there = of_truth[image]
        overlap = overlap_matrix(boxes[places], objects[there])
        best = overlap.argmax(axis=1)
        for place, at, most in zip(places, best, overlap.max(axis=1), strict=True):
            if most >= OVERLAP:
                found[detections.classes[place], truth.classes[there[at]]] += 1
    return found


def boxes_in_pixels(rows: BoxRows, sizes: Sizes) -> Floats:
    """Corners; of shares in pixels where the size of the image is known, else as they are."""
    corners = corners_of(rows.boxes, rows.layout)
    known = {**rows.sizes, **sizes}
    scale = np.array([known.get(image, (1.0, 1.0)) for image in rows.ids], dtype=np.float64).reshape(-1, 2)
    scale[~rows.shares] = 1.0
    scaled: Floats = corners * np.concatenate([scale, scale], axis=1)
    return scaled


def rows_by_image(ids: Sequence[str], rows: Collection[int]) -> dict[str, list[int]]:
    """Image → those of ``rows`` that are of it."""
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(ids[row], []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Images:
    """Ids of images by who speaks of them; ``are_all``: whether none were left out."""

    listed: Sequence[str]  # in sources of images
    detected: Sequence[str]
    reviewed: Sequence[str]
    are_all: bool = True


def find_unknown_images(images: Images) -> Iterator[Finding]:
    """Truth and detections of images that nobody lists, or that the other has none of; and why, where it can be seen."""
    sides = [("objects", images.reviewed), ("detections", images.detected)] if images.listed else []
    if not images.listed and images.detected and images.reviewed:
        yield from _unjoined("objects", images.reviewed, "detections", images.detected, are_all=images.are_all)
    for name, ids in sides:
        yield from _unjoined(name, ids, "images", images.listed, are_all=images.are_all)


def _unjoined(name: str, ids: Sequence[str], other: str, known: Sequence[str], *, are_all: bool) -> Iterator[Finding]:
    there = set(known)
    mine = list(dict.fromkeys(ids))
    unknown = [each for each in mine if each not in there]
    if not unknown:
        return
    others = [each for each in known if each not in set(mine)]
    guess = _reworded(guess_difference(unknown, others or list(known)), name, other)
    many = are_all and len(unknown) > _JOINED * len(mine)
    if not guess and not many and other == "detections":
        return  # nothing need be found in an image
    whole = f"{len(unknown):,} of the {quantity(len(mine), 'image')} of {name} tried"
    said = f"{whole} are in no source of images" if other == "images" else f"in {whole} nothing was detected"
    said += f", such as {quote_names(unknown[:2])}" + (f" (there is {quote_names(others[:1])})" if others else "")
    if not guess:
        guess = (
            "are the files of both sides there, and do they write image_id alike?"
            if many
            else "they wait until these come"
        )
        yield Finding(f"{said}: {guess}", Weight.SUSPICIOUS if many else Weight.NOTE)
    else:
        yield Finding(f"{said}: {guess}", Weight.SUSPICIOUS)


def _reworded(guess: str, name: str, other: str) -> str:
    """What is said of labels and predictions, of boxes."""
    if "sample_id" in guess:
        return ""
    for word, ours in (("of predictions", f"of {other}"), ("label ", f"in {name} "), ("prediction ", f"in {other} "),
                       ("of labels", f"of {name}")):  # fmt: skip
        guess = guess.replace(word, ours)
    return guess


def find_image_ids(sample_ids: Sequence[str], group_ids: Sequence[str | None], conflicting: int) -> Iterator[Finding]:
    """Rows that users matched whose sample_id is that of the image. ``conflicting``: rows set aside because others of their id
    say otherwise."""
    same = [one for one, group in zip(sample_ids, group_ids, strict=True) if one == group]
    if len(sample_ids) >= ENOUGH and len(same) > len(sample_ids) / 2:
        yield Finding(
            f"{len(same):,} of {quantity(len(sample_ids), 'row')} have one value as sample_id and group_id, such as "
            f"{quote_names(same[:1])}: is it the image? A row is a box: give it an id of its own, such as the image and the "
            "number of the box, or of an image only one would be kept; or let calwatch match boxes: "
            'holds = "detections" and holds = "truth"',
            Weight.SUSPICIOUS,
        )
    elif conflicting > len(sample_ids) / 10 and conflicting >= ENOUGH:
        yield Finding(
            f"{quantity(conflicting, 'row')} come again under their sample_id with another score: is it the image? A row is a "
            'box: give it an id of its own, or let calwatch match boxes: holds = "detections" and holds = "truth"',
            Weight.SUSPICIOUS,
        )


def find_double_matches(
    images: Sequence[str], classes: Sequence[str], corners: Floats, right: NDArray[np.bool_]
) -> Iterator[Finding]:
    """Rows that users matched themselves, with their boxes: boxes on each other that are both right, as where each detection is
    compared with every object. ``corners`` (n, 4) in any one unit; ``right`` (n,): the outcome is 1."""
    both = one = 0
    example = ""
    for (image, class_), places in _by_both(images, classes).items():
        some = places[:_MOST_OF_AN_IMAGE]
        if len(some) < 2 or not right[some].any():
            continue
        first, second = np.nonzero(np.triu(overlap_matrix(corners[some], corners[some]) >= OVERLAP, 1))
        rights = right[some][first].astype(int) + right[some][second]
        both, one = both + int((rights == 2).sum()), one + int((rights >= 1).sum())
        if not example and (rights == 2).any():
            example = f'such as two of class "{class_}" in image "{image}"'
    if one >= ENOUGH and both > _TWICE * one:
        yield Finding(
            f"of {one:,} pairs of boxes of one class that lie on each other, one of them right, both are in {both:,}, "
            f"{example}: does one object count for several detections? Only the one with the highest score is right: "
            'calibration errors come out far too low. Let calwatch match: holds = "detections" and holds = "truth"',
            Weight.SUSPICIOUS,
        )


def _by_both(images: Sequence[str], classes: Sequence[str]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(zip(images, classes, strict=True)):
        found.setdefault(key, []).append(place)
    return found
