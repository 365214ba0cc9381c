"""How many more detections a class is told to lack: usually enough, never a handful where nothing was tried."""

import numpy as np
import pytest

from monitor.statistics.thresholds.policies import parse_policy
from monitor.vision.labelled import LabelledBoxes, split_images
from monitor.vision.promises import attempt_promise, count_missing
from monitor.vision.tuning import tune_detector
from tests.vision.test_tuning import alone, joined, replace_images
from tests.vision.worlds import make_population, resample_images

CONFIDENCE = 0.95
LARGEST = 60_000  # images of a draw


def _missing(
    text: str, earlier: LabelledBoxes, later: LabelledBoxes, *, try_anyway: bool = False
) -> tuple[int | None, float]:
    """What is missing, and how many times as much that makes of what was shown from the threshold on."""
    policy = parse_policy(text)
    attempt = attempt_promise(policy, earlier, later, CONFIDENCE, try_anyway=try_anyway)
    assert attempt.threshold is None
    missing, at = count_missing(policy, attempt, CONFIDENCE)
    shown = (attempt.counts.tp + attempt.counts.fp + attempt.before.tp + attempt.before.fp)[at]
    return missing, 1 + (missing or 0) / max(float(shown), 1.0)


def _is_promised(text: str, boxes: LabelledBoxes) -> bool:
    return attempt_promise(parse_policy(text), *split_images(boxes), CONFIDENCE, try_anyway=False).threshold is not None


@pytest.mark.parametrize("text", ["precision>=0.95", "precision>=0.8"])
def test_as_many_more_as_are_told_are_usually_enough(text: str) -> None:
    rng = np.random.default_rng(31)
    pool = make_population(rng, 20_000)
    promised: list[bool] = []
    times: list[float] = []
    for images in (100, 300, 1000, 3000):
        for _ in range(12):
            boxes = resample_images(pool, images, rng)
            for category in (0, 1, 2):
                of = np.array([category])
                parts = split_images(boxes.of_categories(of))
                attempt = attempt_promise(parse_policy(text), *parts, CONFIDENCE, try_anyway=False)
                if attempt.threshold is not None:
                    continue
                missing, more = _missing(text, *parts)
                if missing is not None and images * more <= LARGEST:
                    grown = resample_images(pool.of_categories(of), int(np.ceil(images * more)), rng)
                    promised.append(_is_promised(text, grown))
                    times.append(more)
    assert len(promised) > 30
    assert np.mean(promised) >= 0.5
    # not enough by far more than is needed: half of it is not
    assert np.median(times) <= 20


def test_a_class_that_was_not_tried_is_not_told_that_a_handful_is_enough() -> None:
    """Of many thresholds one is flawless by luck in the later part; the earlier part gave no reason to begin there."""
    rng = np.random.default_rng(7)
    told = []
    for _ in range(40):
        right = (rng.random(400) < 0.93).astype(int)
        scores = rng.uniform(0.3, 0.99, 400)
        boxes = alone(right.tolist())
        boxes = LabelledBoxes(
            boxes.images, boxes.image, boxes.category, scores, boxes.sweep, boxes.images, boxes.category
        )
        parts = split_images(boxes)
        if attempt_promise(parse_policy("precision>=0.95"), *parts, CONFIDENCE, try_anyway=False).tried:
            continue
        told.append(_missing("precision>=0.95", *parts)[0])
    known = [each for each in told if each is not None]
    assert len(told) > 15
    assert min(known, default=1000) >= 40, "the strict sequence would not begin at what looks best afterwards"


@pytest.mark.parametrize("seen", [20, 40, 58])
def test_of_those_that_were_all_right_so_many_more_that_are_too_make_the_promise(seen: int) -> None:
    missing, _ = _missing("precision>=0.95", alone([1] * seen, first=1000), alone([1] * seen))
    assert missing is not None
    half = int(np.ceil(missing / 2))
    tuning = tune_detector(
        parse_policy("precision>=0.95"), alone([1] * (seen + half), first=1000), alone([1] * (seen + half))
    )
    assert [point.accepted for point in tuning.own] == [True]


def test_the_more_was_seen_that_was_right_the_less_is_missing() -> None:
    told = [
        _missing("precision>=0.95", alone([1] * seen, first=1000), alone([1] * seen))[0] for seen in (20, 30, 40, 50)
    ]
    known = [each for each in told if each is not None]
    assert len(known) == 4
    assert known == sorted(known, reverse=True)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [([1] * 4, [1] * 4), ([], [1] * 5), ([1] * 5, []), ([0] * 60, [0] * 60), ([1, 0] * 40, [1, 0] * 40)],
)  # fmt: skip
def test_of_too_few_or_of_too_many_that_are_wrong_nothing_is_said(earlier: list[int], later: list[int]) -> None:
    others = alone([0], first=5000, category=9), alone([0], first=5001, category=9)
    parts = (joined(alone(earlier, first=1000), others[0]), joined(alone(later), others[1]))
    of = np.array([0])
    assert _missing("precision>=0.95", *(part.of_categories(of) for part in parts))[0] is None


def test_a_promise_that_failed_by_bad_luck_is_never_told_that_nothing_is_missing() -> None:
    later = replace_images(alone([1] * 285 + [0] * 15), 2000)
    missing, _ = _missing("precision>=0.95", alone([1] * 2000, first=10_000), later, try_anyway=True)
    assert missing is not None
    assert missing >= 100


def test_boxes_of_one_image_weigh_less_and_more_are_missing() -> None:
    def parts(per_image: int) -> tuple[LabelledBoxes, LabelledBoxes]:
        rng = np.random.default_rng(3)
        made = []
        for first in (0, 1000):
            boxes = alone(
                [1] * 50 if per_image == 1 else np.repeat(rng.random(10) < 0.99, 5).astype(int).tolist(), first=first
            )
            image = first + np.arange(50) // per_image
            made.append(
                LabelledBoxes(np.unique(image), image, boxes.category, boxes.score, boxes.sweep, image, boxes.category)
            )
        return made[0], made[1]

    single, several = (_missing("precision>=0.95", *parts(count))[0] for count in (1, 5))
    assert single is not None
    assert several is not None
    assert several > 2 * single
