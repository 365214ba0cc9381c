"""Detections and truth of the same images that hardly meet: other coordinates, truth that is half done, or said in parts.

Only rows that were tried are looked at; nothing is matched as readings do it.
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from monitor.model.wording import percent, quantity, quote_names
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.box_again import find_appended_truth, find_split_detections
from monitor.sources.findings.box_pairs import boxes_in_pixels, rows_by_image
from monitor.sources.findings.box_rows import BoxRows, Sizes
from monitor.sources.findings.boxes import ENOUGH, are_inside, corners_of, count_boxes, image_sizes, share_inside
from monitor.statistics.arrays import Floats
from monitor.statistics.drift.label_delay import compare_delays
from monitor.vision.boxes import overlap_matrix

CONFIDENT = 0.5  # scores from here on should mostly lie on something
_TOUCH, _ON = 0.1, 0.5  # overlap by which boxes touch, and by which one lies on the other
_HARDLY = 0.1  # of confident detections, or of objects
_BY_CHANCE = 3  # times as many touch as in other images, and they do not belong together
_FEW_ON, _AS_CHANCE = 0.3, 1.5  # share on an object below which it is asked whether as many are in other images
_IMAGES = 1_000  # of both sides that are compared
_FEW = 0.05  # of boxes less than three quarters inside their images that is no more than worth knowing
_LARGELY, _MOSTLY = 0.75, 0.5  # of the area of a box inside
_TOLD = 0.01  # of images whose truth files differ in, or is lost for recall
_EMPTY = 0.5  # of reviewed images without an object
_CHANCE, _EMPTIER = (
    1e-6,
    0.35,
)  # by chance, and how often an image without truth has a higher best score than one with it
_AS_OFTEN = 0.5  # as often a confident detection lies in images without an object as in others


def find_outside(rows: BoxRows, sizes: Sizes, told: int) -> Iterator[Finding]:
    """Boxes that reach beyond images whose size another source says, where they are more than were ``told`` already. Sentences
    go on from the name of the source. Those of detectors that do not cut them at the edge are merely worth knowing."""
    size = image_sizes(rows, {**rows.sizes, **sizes})
    corners = corners_of(rows.boxes, rows.layout)
    judged = np.isfinite(size).all(axis=1) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
    outside = np.flatnonzero(judged & ~are_inside(corners, size))
    if len(outside) <= told:
        return
    inside = share_inside(corners[outside], size[outside])
    far = inside < _MOSTLY
    first = int(outside[inside.argmin()])
    box, (wide, high) = ", ".join(f"{number:g}" for number in rows.boxes[first]), size[first]
    yield Finding(
        f"{len(outside):,} of {count_boxes(int(judged.sum()))} tried reach beyond their image, such as [{box}] of "
        f'"{rows.ids[first]}" ({wide:g} × {high:g}), and {int(far.sum()):,} of them lie mostly outside and would be set aside '
        "as box_outside_image: are they of another layout, or of the image as the network saw it? What a detector leaves a "
        "little over the edge is matched as it is",
        Weight.SUSPICIOUS if (inside < _LARGELY).sum() > _FEW * judged.sum() else Weight.NOTE,
    )


def find_apart(detections: BoxRows, truth: BoxRows, sizes: Sizes) -> Iterator[Finding]:
    """Confident detections that lie on no object, or objects that no detection touches: not more than by chance."""
    boxes, objects = boxes_in_pixels(detections, sizes), boxes_in_pixels(truth, sizes)
    found, there = rows_by_image(detections.ids, range(len(detections))), rows_by_image(truth.ids, range(len(truth)))
    both = [image for image in found if image in there][:_IMAGES]
    if len(both) < 2:
        return
    of_detections, of_objects, chance = list[Floats](), list[Floats](), list[Floats]()
    for image, other in zip(both, [*both[1:], both[0]], strict=True):
        overlap = overlap_matrix(boxes[found[image]], objects[there[image]])
        of_detections.append(overlap.max(axis=1))
        of_objects.append(overlap.max(axis=0))
        chance.append(overlap_matrix(boxes[found[image]], objects[there[other]]).max(axis=1))
    scores = detections.scores[[row for image in both for row in found[image]]]
    best, touched, elsewhere = (np.concatenate(each) for each in (of_detections, of_objects, chance))
    sure = scores >= CONFIDENT
    count, touch = int(sure.sum()), float((best[sure] >= _TOUCH).mean()) if sure.any() else 1.0
    on = float((best[sure] >= _ON).mean()) if sure.any() else 1.0
    random, random_on = (float((elsewhere[sure] >= limit).mean()) if sure.any() else 0.0 for limit in (_TOUCH, _ON))
    as_elsewhere = on < _FEW_ON and on < _AS_CHANCE * random_on and touch < _AS_CHANCE * random
    reached = float((touched >= _TOUCH).mean())
    said = ""
    if count >= ENOUGH and (touch < _HARDLY or as_elsewhere or (on < _HARDLY and touch < _BY_CHANCE * random)):
        said = (
            f"of {quantity(count, 'detection')} with a score from {CONFIDENT:g} on only {percent(on)} lie on an object"
        )
    elif len(touched) >= ENOUGH and len(best) >= len(touched) / 2 and reached < _HARDLY:
        said = f"of {quantity(len(touched), 'object')} only {percent(reached)} are touched by any detection"
    if said:
        yield Finding(
            f"{said}, in {quantity(len(both), 'image')} that have both: are boxes in other coordinates, e.g. those of the "
            "network's input (resized or padded images), shares of the image, or another layout? Or do both sides call other "
            "images by one image_id?",
            Weight.SUSPICIOUS,
        )


def find_half_done(detections: BoxRows, truth: BoxRows) -> Iterator[Finding]:
    """Most images reviewed have no object, and confident detections lie in them as in others."""
    filled = set(truth.ids)
    empty = [image for image in truth.images if image not in filled]
    if len(empty) < ENOUGH or len(empty) <= _EMPTY * len(truth.images):
        return
    sure = {detections.ids[row] for row in np.flatnonzero(detections.scores >= CONFIDENT).tolist()}
    seen = [image for image in empty if image in sure]
    usual = sum(image in sure for image in filled) / len(filled) if filled else 1.0
    if len(seen) >= ENOUGH and len(seen) >= _AS_OFTEN * usual * len(empty):
        yield Finding(
            f"{len(empty):,} of {quantity(len(truth.images), 'image')} of truth tried have no object, and in {len(seen):,} of "
            f"them, such as {quote_names(seen[:2])}, a detection has a score from {CONFIDENT:g} on: is it the export of a job "
            "that is half done? An image without objects is one in which all detections are wrong: leave out images that "
            "nobody has looked at",
            Weight.SUSPICIOUS,
        )


def find_unlisted(detections: BoxRows, truth: BoxRows, *, are_all: bool) -> Iterator[Finding]:
    """Truth never says that an image holds nothing, and images without truth look emptier than others: they would count as
    not looked at, and what the detector invents there as nothing."""
    reviewed = set(truth.images)
    if not are_all or reviewed - set(truth.ids):
        return
    surest: dict[str, float] = {}
    for image, score in zip(detections.ids, detections.scores.tolist(), strict=True):
        surest[image] = max(score, surest.get(image, score))
    sides = [[score for image, score in surest.items() if (image in reviewed) is listed] for listed in (False, True)]
    if min(map(len, sides)) < ENOUGH:
        return
    score = np.array([*sides[0], *sides[1]])
    # of equal scores only; "delay" is what is ranked: a test of Mann and Whitney
    found = compare_delays(np.full(score.size, 0.5), np.arange(score.size) < len(sides[0]), score)
    if found.depends(_CHANCE) and found.earlier is not None and found.earlier > 1 - _EMPTIER:
        rest = [image for image in surest if image not in reviewed]
        yield Finding(
            f"no image of truth tried is one without objects, and {len(rest):,} of {quantity(len(surest), 'image')} with "
            f"detections have no truth, such as {quote_names(rest[:2])}; the scores there are lower than elsewhere. Does the "
            "truth leave out images in which nothing was found? They count as not looked at, and precision comes out too "
            "high: send a row with the image_id alone for each image that was looked at and holds nothing",
            Weight.SUSPICIOUS,
        )


def find_replaced_truth(truth: BoxRows) -> Iterator[Finding]:
    """Files that say another truth of images than other files do."""
    if len(set(truth.files)) < 2:
        return
    said: dict[str, dict[str, set[tuple[object, ...]]]] = {}
    for image, file, class_, box in zip(truth.ids, truth.files, truth.classes, truth.boxes.tolist(), strict=True):
        said.setdefault(image, {}).setdefault(file, set()).add((class_, *box))
    differ = [
        image for image, by_file in said.items() if any(one != by_file[next(iter(by_file))] for one in by_file.values())
    ]
    if len(differ) <= _TOLD * len(said):
        return
    several = list(said[differ[0]])[:2]
    names = [file.rpartition("/")[2] for file in several]
    names = names if len(set(names)) > 1 else several
    yield Finding(
        f"of {len(differ):,} of {quantity(len(said), 'image')} of truth tried, such as {quote_names(differ[:1])}, several "
        f"files say another truth, such as {' and '.join(names)}: the truth of an image is all that one file says of it, and "
        "the later takes the place of the earlier (replaced_truth). Where files have parts of it, such as a class each, put "
        "them into one",
        Weight.SUSPICIOUS,
    )


def find_lost_objects(
    detected: Collection[str], truth: BoxRows, timed: Collection[str], *, are_all: bool
) -> Iterator[Finding]:
    """Objects in images without detections, whose time therefore nobody says: they would not count as missed."""
    known = {*timed, *detected}
    lost = [image for image in dict.fromkeys(truth.ids) if image not in known]
    if not are_all or not timed or not lost:
        return
    there = set(lost)
    objects = sum(image in there for image in truth.ids)
    yield Finding(
        f"{quantity(objects, 'object')} in {len(lost):,} of {quantity(len(set(truth.ids)), 'image')} of truth tried, such as "
        f"{quote_names(lost[:2])}, are in images without detections, and nobody says when these were taken: they count as "
        'missed nowhere, and recall comes out too high. Add a [[model.source]] with holds = "images" that lists all images',
        Weight.SUSPICIOUS if objects > _TOLD * len(truth) else Weight.NOTE,
    )


def list_sides(
    detections: BoxRows, truth: BoxRows, sizes: Sizes, *, odd: Sequence[Finding], are_all: bool
) -> Iterator[Finding]:
    """What the functions above and those of box_again.py find of both sides; that boxes do not meet only where nothing else is
    ``odd`` with them.
    ``are_all``: whether all ids of the sources were looked at."""
    if not odd:
        yield from find_apart(detections, truth, sizes)
    yield from find_half_done(detections, truth)
    yield from find_unlisted(detections, truth, are_all=are_all)
    yield from find_replaced_truth(truth)
    yield from find_appended_truth(truth)
    yield from find_split_detections(detections)
