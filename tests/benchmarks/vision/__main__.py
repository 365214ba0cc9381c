"""``python -m tests.benchmarks.vision [speed] [cycle] [promises] [recall] [jobs] [--scale tiny|small|full]``.

``speed``: matching and tuning on 100,000 detections. ``cycle``: a whole cycle over 10,000 new ones on 100,000 that are
known. ``promises``: how often promises of a detector are broken when images are
drawn anew. ``recall``: what a promise leaves of COCO's persons, as logged and with the NMS IoU chosen too. ``jobs``: how often
promises are broken that whole jobs made, from files to the artefact.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from monitor.statistics.intervals import clopper_pearson
from monitor.statistics.thresholds.policies import parse_policy
from monitor.vision.labelled import LabelledBoxes, count_boxes
from monitor.vision.promises import attempt_promise
from tests.benchmarks.figures import console, machine, table
from tests.benchmarks.vision.cycle import measure_cycle
from tests.benchmarks.vision.jobs import play_jobs
from tests.benchmarks.vision.play import Played, play_promises, splits
from tests.benchmarks.vision.speed import measure_speed
from tests.vision.real import DETECTORS, swept
from tests.vision.worlds import make_population


@dataclass(frozen=True, slots=True)
class Size:
    detections: int
    repeats: int
    runs: int
    coco_runs: int
    splits: int
    jobs: int
    images: int  # new ones of a cycle


SIZES = {
    "tiny": Size(5_000, 1, 5, 1, 1, 2, 30),
    "small": Size(100_000, 3, 100, 10, 20, 100, 500),
    "full": Size(100_000, 9, 1000, 200, 20, 1000, 500),
}
PROMISES = ("precision>=0.95", "precision>=0.9", "recall>=0.6", "fp_per_image<=0.1")
TARGET = parse_policy("precision>=0.95")


def show_speed(size: Size) -> None:
    """Print one table."""
    console().print(table(measure_speed(size.detections, size.repeats), f"speed ({machine()})"))


def show_cycle(size: Size) -> None:
    """Print one table."""
    console().print(table(measure_cycle(size.images, size.repeats), f"a cycle ({machine()})"))


def show_promises(size: Size) -> None:
    """Print the share of promises that are broken in truth; of those asked for, 5 % may be, give or take the error."""
    population = make_population(np.random.default_rng(0), 50_000)
    for text in PROMISES:
        _tell(f"made up, 300 + 600 images: {text}", play_promises(population, text, (300, 600), size.runs))
    for detector in DETECTORS:
        played = play_promises(swept(detector), TARGET.text, (1500, 1500), size.coco_runs)
        _tell(f"{detector}, 1,500 + 1,500 images drawn from COCO's 5,000: {TARGET.text}", played)


def _tell(title: str, played: tuple[Played, Played]) -> None:
    print(title)
    for name, one in zip(("single classes", "all others together"), played, strict=True):
        error = np.sqrt(0.05 * 0.95 / max(one.runs, 1))
        print(
            f"  {name:<20} {one.runs:>5,} runs, promised {one.promised:>6,}, broken {one.broken:>4}; of one class in at most "
            f"{100 * one.worst:.2f} % of runs (5 ± {100 * error:.2f} allowed); left {one.left:.3f}, "
            f"best in hindsight {one.left + one.lost:.3f}",
            flush=True,
        )


def show_recall(size: Size) -> None:
    """Print what a promise of precision leaves of persons: as logged, and with the NMS IoU chosen on the earlier part."""
    print(f"persons of COCO val2017, {TARGET.text} at 95 %, 1,500 + 1,500 images, held against 2,000 others")
    for detector in DETECTORS:
        for iou in (0.5, 0.75):
            persons = swept(detector, iou).of_categories(np.array([1]))
            for name, boxes in (("as logged", _as_logged(persons)), ("score × NMS IoU", persons)):
                print(
                    f"  {detector:<22} IoU {iou:.2f} {name:<16} {_held_against_others(boxes, size.splits)}", flush=True
                )


def _as_logged(boxes: LabelledBoxes) -> LabelledBoxes:
    return replace(boxes, sweep=boxes.sweep.only(len(boxes.nms_iou) - 1))


def _held_against_others(boxes: LabelledBoxes, runs: int) -> str:
    recall, below, surely = [], 0, 0
    for earlier, later, others in splits(boxes, runs, (1500, 1500)):
        attempt = attempt_promise(TARGET, earlier, later, 0.95)
        if attempt.threshold is None:
            continue
        found = count_boxes(others, attempt.nms, np.array([attempt.threshold]))
        recall.append(float(found.recall().rate[0]))
        below += bool(found.precision().rate[0] < TARGET.target)
        surely += bool(clopper_pearson(found.tp, found.tp + found.fp, 0.95)[1][0] < TARGET.target)
    mean = np.mean(recall) if recall else np.nan
    return f"promised {len(recall)} of {runs}, recall {mean:.3f}, precision below in {below}, surely in {surely}"


def show_jobs(size: Size) -> None:
    """Print the share of promises that are broken in truth, made by whole jobs: files, store, tuning, artefact."""
    for text in ("precision>=0.9", "recall>=0.6", "fp_per_image<=0.2"):
        played = play_jobs(text, 600, size.jobs)
        error = np.sqrt(0.05 * 0.95 / size.jobs)
        print(
            f"{text}, jobs over 600 images: {size.jobs} runs, promised {played.promised}, broken {played.broken}; "
            f"of one point in {100 * played.worst:.2f} % of runs (5 ± {100 * error:.2f} allowed)", flush=True,
        )  # fmt: skip


SHOWS: dict[str, Callable[[Size], None]] = {
    "speed": show_speed, "cycle": show_cycle, "promises": show_promises, "recall": show_recall, "jobs": show_jobs,
}  # fmt: skip


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.vision", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*SHOWS, []], default=[], help="none: all")
    parser.add_argument("--scale", choices=sorted(SIZES), default="small")
    asked = parser.parse_args()
    for name in asked.name or SHOWS:
        SHOWS[name](SIZES[asked.scale])


if __name__ == "__main__":
    main()
