"""``python -m tests.benchmarks.groups [--scale small|full] [--only TEXT]``: drift evidence of samples in groups.

Delays are medians over streams, of images or buckets from the change to the alarm, 1 = in the first; "old" are bets with
weights of 1/m alone. Quiet: alarms in 10,000 buckets (± standard error over streams), beside what the budget allows.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from monitor.statistics.drift.bets import Tolerance
from tests.benchmarks.groups.images import Images, Links, fit_isotonic, fit_platt, load_boxes, load_nuclei
from tests.benchmarks.groups.play import (
    Outcomes,
    Played,
    draw_clips,
    draw_images,
    draw_null,
    half_each,
    one_draw,
    own_draws,
    play,
    rarely_all,
)
from tests.benchmarks.groups.reference import fit_images, play_reference
from tests.benchmarks.groups.small import play_without_replacement
from tests.benchmarks.groups.speed import of_speed

NONE, ODDS = Tolerance(), Tolerance("odds", 1.1)
STREAMS = {"tiny": 8, "small": 60, "full": 300}
NULL_BUCKETS = {"tiny": 20, "small": 200, "full": 800}
QUIET = 100  # buckets before a change

NULLS: dict[str, Outcomes] = {
    "own draws": own_draws, "one shared draw": one_draw, "half of the groups share": half_each,
    **{f"too rare by {by}, rarely all true": rarely_all(by, 1) for by in (0.02, 0.1, 0.3)},
    **{f"too frequent by {by}, rarely none": rarely_all(by, 0) for by in (0.02, 0.1)},
}  # fmt: skip
SHIFTS: dict[str, Links] = {
    "shift -0.5": lambda x: x - 0.5, "temperature 1.5": lambda x: x / 1.5, "shift -0.2": lambda x: x - 0.2
}  # fmt: skip


def delay(played: Played, change: int = QUIET) -> str:
    """The median delay, and how many streams gave none."""
    found = played.delays(change)
    missed = int(np.isinf(found).sum())
    quiet = int(played.alarms[:, :change].sum())
    return (
        f"{np.median(found):7.1f}" + (f" ({missed} without)" if missed else "") + (f", {quiet} before" if quiet else "")
    )


def nuclei() -> tuple[Images, Images]:
    """Recalibrated pixels of the microscope, and hazed ones under the same calibrator."""
    same, haze = load_nuclei("same_microscope"), load_nuclei("hazed")
    link = fit_isotonic(same)
    return same.map_scores(link), haze.map_scores(link)


def boxes() -> tuple[Images, Images]:
    """Recalibrated boxes of one detector, and those of another under the same calibrator."""
    first, second = load_boxes("faster-rcnn-resnet-50"), load_boxes("ssd-inception-v2")
    link = fit_isotonic(first)
    return first.map_scores(link), second.map_scores(link)


def of_nulls(scale: str) -> Iterator[str]:
    """Exactly calibrated, dependent inside groups: the promise at c = 10 is 41.7."""
    images = load_nuclei("same_microscope")
    for name, outcomes in NULLS.items():
        played = play(draw_null(images, 1, outcomes), 100, NULL_BUCKETS[scale], 10, NONE, 5)
        yield f"null, {name}: {played.per_10_000():.1f} ± {played.error():.1f} of 41.7"
    for shared in (0.0, 0.5, 1.0):
        drawn = draw_clips(10, 4, shared, lambda x: x, 10**9)
        played = play(drawn, 100, NULL_BUCKETS[scale], 10, NONE, 6)
        yield f"null, clips, {shared:.0%} share one draw: {played.per_10_000():.1f} ± {played.error():.1f} of 41.7"


def of_nuclei(scale: str) -> Iterator[str]:
    """Pixels of a segmenter, haze; one image an hour, c = 1460."""
    same, haze = nuclei()
    for tolerance in (NONE, ODDS):
        for share, buckets in ((1.0, 60), (0.25, 200)):
            drawn = draw_images(same, 1, haze, QUIET, share)
            played = play(drawn, STREAMS[scale], QUIET + buckets, 1460, tolerance, 1)
            yield f"nuclei, {tolerance.kind}, {share:.0%} hazed: {delay(played)}"
    drawn = draw_images(same, 1, haze, QUIET)
    yield f"nuclei, odds, all hazed, old: {delay(play(drawn, STREAMS[scale], QUIET + 300, 1460, ODDS, 1, old=True))}"
    yield from play_without_replacement(20 if scale == "full" else 5, fit_platt)


def of_boxes(scale: str) -> Iterator[str]:
    """Boxes of detectors, a swap; c = 1460, odds 1.1. Persons alone: c = 5840."""
    one, other = boxes()
    for count, buckets in ((1, 150), (10, 40)):
        for old in (False, True):
            drawn = draw_images(one, count, other, QUIET)
            played = play(drawn, STREAMS[scale], QUIET + buckets * (3 if old else 1), 1460, ODDS, 2, old=old)
            yield f"COCO, {count} images a bucket{', old' if old else ''}: {delay(played)}"
        drawn = draw_images(one, count, other, QUIET, 0.25)
        yield f"COCO, {count} a bucket, every fourth: {delay(play(drawn, STREAMS[scale], QUIET + 8 * buckets, 1460, ODDS, 2))}"
        drawn = draw_images(one.of_kind(1), count, other.of_kind(1), QUIET)
        yield f"COCO, persons, {count} a bucket: {delay(play(drawn, STREAMS[scale], QUIET + 4 * buckets, 5840, ODDS, 3))}"


def of_clips(scale: str) -> Iterator[str]:
    """Clips of ten frames, ten a bucket, c = 365, no tolerance."""
    for shared in (0.0, 1.0):
        for name, link in SHIFTS.items():
            drawn = draw_clips(10, 10, shared, link, QUIET)
            played = play(drawn, STREAMS[scale], QUIET + 250, 365, NONE, 6)
            yield f"clips, {'all share a draw' if shared else 'own draws'}, {name}: {delay(played)}"


def of_references(scale: str) -> Iterator[str]:
    """Raw pixels against their own first images; one an hour, c = 1460, odds 1.1."""
    same, haze = load_nuclei("same_microscope"), load_nuclei("hazed")
    for groups in (50, 100, 200):
        medians, quiet, buckets, kinds = [], 0, 0, list[str]()
        for seed in range(12 if scale == "full" else 4):
            rng = np.random.default_rng(seed)
            reference = fit_images(same, rng.permutation(200)[:groups])
            assert reference is not None
            kinds.append(reference.kind)
            played = play_reference(reference, same, haze, 20, (160, QUIET), 1.0, ODDS, seed)
            medians.append(float(np.median(played.delays(QUIET))))
            quiet, buckets = quiet + int(played.alarms[:, :QUIET].sum()), buckets + 20 * QUIET
        told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        yield (
            f"deployment, {groups} images ({told}): {np.median(medians):.1f}, worst {max(medians):.1f}; quiet {quiet} in "
            f"{buckets:,} buckets"
        )


PARTS = (of_nulls, of_nuclei, of_boxes, of_clips, of_references, of_speed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.groups", description=__doc__)
    parser.add_argument("--scale", choices=sorted(STREAMS), default="small")
    parser.add_argument(
        "--only", default="", help="parts whose name contains this: " + ", ".join(p.__name__ for p in PARTS)
    )
    asked = parser.parse_args()
    for part in PARTS:
        if asked.only in part.__name__:
            print(part.__doc__)
            for line in part(asked.scale):
                print("  " + line, flush=True)


if __name__ == "__main__":
    main()
