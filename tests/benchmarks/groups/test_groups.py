"""The figures of evidence in groups at reduced size, with bounds an implementation must reach (full: ``python -m
tests.benchmarks.groups --scale full``)."""

import numpy as np
import pytest

from monitor.statistics.drift.bets import Tolerance
from tests.benchmarks.groups.__main__ import NULLS, PARTS, QUIET, SHIFTS, boxes, nuclei
from tests.benchmarks.groups.images import fit_platt, load_boxes, load_nuclei
from tests.benchmarks.groups.play import Draw, draw_clips, draw_images, draw_null, play
from tests.benchmarks.groups.reference import fit_images, play_reference
from tests.benchmarks.groups.small import play_without_replacement
from tests.benchmarks.groups.speed import of_speed

NONE, ODDS = Tolerance(), Tolerance("odds", 1.1)
STREAMS = 24
PROMISED = 41.7  # alarms in 10,000 hourly buckets at c = 10


def median_delay(draw: Draw, buckets: int, threshold: float, tolerance: Tolerance, *, old: bool = False) -> float:
    return float(np.median(play(draw, STREAMS, QUIET + buckets, threshold, tolerance, 2, old=old).delays(QUIET)))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NULLS))
def test_false_alarms_keep_the_promise_whatever_the_dependence_inside_a_group(name: str) -> None:
    played = play(draw_null(load_nuclei("same_microscope"), 1, NULLS[name]), STREAMS, 150, 10, NONE, 5)
    assert played.per_10_000() <= PROMISED + 3 * played.error()


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_false_alarms_of_clips_keep_the_promise(shared: float) -> None:
    played = play(draw_clips(10, 4, shared, lambda x: x, 10**9), STREAMS, 150, 10, NONE, 6)
    assert played.per_10_000() <= PROMISED + 3 * played.error()


@pytest.mark.slow
@pytest.mark.parametrize(("tolerance", "share", "longest"), [(NONE, 1.0, 16), (ODDS, 0.25, 90)])
def test_haze_on_a_segmenter_is_found_within_few_images(tolerance: Tolerance, share: float, longest: float) -> None:
    same, haze = nuclei()
    played = play(draw_images(same, 1, haze, QUIET, share), STREAMS, QUIET + 150, 1460, tolerance, 1)
    assert played.alarms[:, :QUIET].sum() == 0
    assert np.median(played.delays(QUIET)) <= longest


@pytest.mark.slow
def test_pixels_without_replacement_are_quiet_and_haze_is_found() -> None:
    first, _ = play_without_replacement(3, fit_platt)
    assert "quiet 0 of 60" in first
    assert int(first.split()[-1].split("/")[1]) <= 16


@pytest.mark.slow
@pytest.mark.parametrize(("count", "buckets", "longest"), [(1, 120, 54), (10, 30, 8)])
def test_a_swap_of_detectors_is_found_at_least_twice_as_soon_as_by_weights_alone(
    count: int, buckets: int, longest: float
) -> None:
    # 44 with 300 streams; the median of 24 has a standard error of three
    one, other = boxes()
    draw = draw_images(one, count, other, QUIET)
    new = median_delay(draw, buckets, 1460, ODDS)
    assert new <= longest
    assert median_delay(draw, 3 * buckets, 1460, ODDS, old=True) >= 2 * new


@pytest.mark.slow
def test_a_swap_of_persons_is_found_in_their_slice() -> None:
    one, other = boxes()
    assert median_delay(draw_images(one.of_kind(1), 10, other.of_kind(1), QUIET), 60, 5840, ODDS) <= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shared", "name", "longest"),
    [
        (0.0, "shift -0.5", 9), (0.0, "temperature 1.5", 19), (1.0, "shift -0.5", 40),
    ],
)  # fmt: skip
def test_drift_of_clips_is_found_in_time(shared: float, name: str, longest: float) -> None:
    draw = draw_clips(10, 10, shared, SHIFTS[name], QUIET)
    assert median_delay(draw, 2 * int(longest), 365, NONE) <= longest


@pytest.mark.slow
def test_a_segmenter_that_was_off_from_the_start_is_judged_against_a_hundred_images() -> None:
    same, haze = load_nuclei("same_microscope"), load_nuclei("hazed")
    medians = []
    for seed in range(3):
        reference = fit_images(same, np.random.default_rng(seed).permutation(200)[:100])
        assert reference is not None
        played = play_reference(reference, same, haze, 10, (160, QUIET), 1.0, ODDS, seed)
        assert played.alarms[:, :QUIET].sum() == 0
        medians.append(float(np.median(played.delays(QUIET))))
    assert np.median(medians) <= 34
    assert max(medians) <= 50


def test_fewer_than_fifty_images_are_no_reference() -> None:
    assert fit_images(load_nuclei("same_microscope"), np.arange(49)) is None
    assert fit_images(load_nuclei("same_microscope"), np.arange(50)) is not None


def test_a_detector_that_stays_raises_no_alarm_and_one_that_is_swapped_does() -> None:
    one, other = boxes()
    played = play(draw_images(one, 10, other, 30), 6, 60, 1460, ODDS, 9)
    assert played.alarms[:, :30].sum() == 0
    assert (played.alarms[:, 30:].sum(axis=1) > 0).all()


def test_images_are_read_as_they_are() -> None:
    assert [len(load_nuclei(part)) for part in ("same_microscope", "other_lab", "hazed")] == [200, 40, 65]
    found = load_boxes("faster-rcnn-resnet-50")
    assert (found.score.size, int(found.outcome.sum())) == (40_062, 15_316)
    assert len(found.of_kind(1)) == len(found)


def test_every_part_of_the_command_says_what_it_is_and_the_hour_is_weighed() -> None:
    assert all(part.__doc__ for part in PARTS)
    (said,) = of_speed("tiny")
    assert said.startswith("100 groups of 8 an hour: ")
