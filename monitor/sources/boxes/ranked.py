"""Detections beside what is known of their images, and what is told of those that give way to another file's.

Detections without ids are told apart by class and rank, which two inferences of one image share: of those the file that
speaks of the image last has all, and what others said is taken out.
"""

from collections.abc import Mapping, Sequence

from monitor.model.problems import Problem
from monitor.model.wording import quantity
from monitor.sources.pulled import Pulled
from monitor.store.model_store import ModelStore
from monitor.store.sql import run_script, statement

TOLD_SHARE = 0.01  # of what a file says that is other than what was known
FileCounts = Mapping[str, tuple[int, int, int, int]]  # file → rows that are new, labels, known, corrections


def compare_detections(store: ModelStore, source: str, pulled: Pulled, reread: Sequence[int]) -> FileCounts:
    """Fill `box_changed` and `box_stale` from `box_every`, count and tell; to be called before anything is replaced.
    ``reread``: numbers of files that were written anew."""
    run_script(store.connection, "box_detections_compared", {"model_id": store.model_id, "reread": list(reread)})
    counts: dict[str, tuple[int, int, int, int]] = {}
    for file, new, known, changed, gone, among, images in store.execute(statement("box_detection_counts")).fetchall():
        counts[file] = (new, 0, known, changed)
        pulled.duplicates += known
        pulled.changed_predictions += changed
        if images:
            pulled.problems.append(Problem(file, "changed_predictions", _other_inference(file, images, changed, gone)))
        elif among and changed > TOLD_SHARE * (new + known + changed):
            pulled.problems.append(
                Problem(file, "changed_predictions", _other_boxes(file, changed, new + known + changed))
            )
    images, example, versions = store.fetch_row(statement("box_versions_replaced"))
    if images:
        pulled.problems.append(Problem(source, "several_versions", _replaced_versions(images, example, versions)))
    return counts


def tell_mixed_ids(store: ModelStore, source: str) -> list[Problem]:
    """Tell of images in `box_changed`, once it has replaced what it does, that have detections with ids and others without, of
    another file: neither takes the place of the other."""
    images, example = store.fetch_row(statement("box_ids_mixed"), {"model_id": store.model_id})
    if not images:
        return []
    text = (
        f"{quantity(images, 'image')} (such as {example}) {'has' if images == 1 else 'have'} detections with a detection_id "
        "and, from another file, others without: all of them count, and where they are two inferences of an image each object "
        "is detected twice. Give all files detection_id or none; what is there without comes out where a file says the image's "
        "detections without ids again, or the image_id alone"
    )
    return [Problem(source, "repeated_boxes", text)]


def _other_inference(file: str, images: int, changed: int, gone: int) -> str:
    return (
        f"{file}: of {quantity(images, 'image')} it says other detections than another file said, and takes the place of all "
        f"of them: {changed:,} are other than before, and {gone:,} are no longer there. Without detection_id the detections of "
        "an image are all that one file says of it. Where ids of images start anew in each file, make them differ; where a "
        "file has some of an image's detections and another the rest, put them into one, or give each a detection_id"
    )


def _other_boxes(file: str, changed: int, said: int) -> str:
    return (
        f"{file}: {changed:,} of its {quantity(said, 'detection')} are other than an earlier file said, of the same image and "
        "detection_id, and take their place. Where ids of images or detections start anew in each file, make them differ"
    )


def _replaced_versions(images: int, example: str, versions: Sequence[str]) -> str:
    return (
        f"of {quantity(images, 'image')} (such as {example}) detections of version {versions[1]} took the place of those of "
        f"version {versions[0]}, which have no detection_id, or the same one: these count no more. Where both "
        "detectors run, give each version a model of its own in calwatch, with a source that holds its files alone"
    )
