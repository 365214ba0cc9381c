"""Boxes that are said again: corrections appended to the truth of an image, and detections of an image in several files.

Only rows that were tried are looked at. Sentences go on from the names of both sides.
"""

from collections.abc import Iterator

import numpy as np

from monitor.model.wording import quantity, quote_names
from monitor.sources.findings import Finding, Weight
from monitor.sources.findings.box_pairs import rows_by_image
from monitor.sources.findings.box_rows import BoxRows
from monitor.sources.findings.boxes import corners_of
from monitor.vision.boxes import overlap_matrix

_ALIKE = 0.8  # IoU from which on one box is taken for the other, corrected
_TOLD = 0.01  # of images whose detections are in several files that is more than worth knowing


def find_appended_truth(truth: BoxRows) -> Iterator[Finding]:
    """Objects that lie where another one of the same file lies, and have another labelled_at: both would count."""
    keys = [f"{image}\x1f{file}" for image, file in zip(truth.ids, truth.files, strict=True)]
    corners = corners_of(truth.boxes, truth.layout)
    found: dict[str, int] = {}
    for rows in rows_by_image(keys, range(len(truth.labelled))).values():
        times = np.array([truth.labelled[row] for row in rows])
        if (times == times[0]).all():
            continue
        boxes = corners[rows]
        # the same box of the same class at another time counts once
        classes = np.array([truth.classes[row] for row in rows])
        other = (boxes[:, None] != boxes).any(axis=2) | (classes[:, None] != classes)
        again = (overlap_matrix(boxes, boxes) >= _ALIKE) & (times[:, None] != times) & other
        if count := int(np.triu(again).any(axis=0).sum()):
            image = truth.ids[rows[0]]
            found[image] = found.get(image, 0) + count
    if found:
        yield Finding(
            f"{quantity(sum(found.values()), 'object')} of truth tried, in {quantity(len(found), 'image')} such as "
            f"{quote_names(list(found)[:2])}, lie where another one of the same file lies (IoU {_ALIKE:g} and more), and have "
            "another labelled_at: were corrections appended? All of them would count. Leave out the rows that were corrected, "
            "or give the image's corrected truth in a file of its own, with a later labelled_at",
            Weight.SUSPICIOUS,
        )


def find_split_detections(detections: BoxRows) -> Iterator[Finding]:
    """Images of which several files say other detections, without ids of their own: those of the last would count."""
    if len(set(detections.files)) < 2:
        return
    said: dict[str, dict[str, set[tuple[object, ...]]]] = {}
    for row, named in enumerate(detections.named):
        if not named:
            what = (detections.classes[row], float(detections.scores[row]), *detections.boxes[row].tolist())
            said.setdefault(detections.ids[row], {}).setdefault(detections.files[row], set()).add(what)
    differ = [image for image, by in said.items() if any(one != by[next(iter(by))] for one in by.values())]
    if differ:
        yield Finding(
            f"of {len(differ):,} of {quantity(len(said), 'image')} with detections tried, such as {quote_names(differ[:2])}, "
            "several files say other detections, without detection_id: all that the later file says takes the place of all "
            "that the earlier said (changed_predictions). Where files have parts of an image's detections, put them into one, "
            "or give each a detection_id; where ids of images start anew in each file, make them differ",
            Weight.SUSPICIOUS if len(differ) > _TOLD * len(said) else Weight.NOTE,
        )
