from collections.abc import Callable
from dataclasses import replace

from monitor.model import Reading, ReliabilityBin
from monitor.publish.diagram import COUNTS_HEIGHT, COUNTS_TOP, LEFT, SIDE, TOP, diagram


def test_the_corners_of_the_square_are_score_and_rate_zero_and_one(reading: Callable[..., Reading]) -> None:
    bins = (ReliabilityBin(0.0, 1.0, 10.0, 1.0, 1.0, 0.0, 1.0),)
    (bar,) = diagram(replace(reading(), reliability=bins)).bars
    assert (bar.y, bar.height) == (TOP, SIDE)
    assert bar.middle == LEFT + SIDE
    assert (bar.whisker_top, bar.whisker_bottom) == (TOP, TOP + SIDE)
    assert (bar.count_y, bar.count_height) == (COUNTS_TOP, COUNTS_HEIGHT)


def test_a_bin_is_off_when_its_interval_leaves_out_the_mean_score(reading: Callable[..., Reading]) -> None:
    drawn = diagram(reading())
    assert [bar.off for bar in drawn.bars] == [False, True]
    assert drawn.summary == "1 of 2 bins have an interval that misses the diagonal; by luck, one in twenty has"
    assert drawn.most == 300.0


def test_a_bin_without_an_interval_is_drawn_and_not_judged(reading: Callable[..., Reading]) -> None:
    bins = (ReliabilityBin(0.0, 0.5, 10.0, 0.2, 0.9, None, None),)
    (bar,) = diagram(replace(reading(), reliability=bins)).bars
    assert not bar.off
    assert bar.whisker_top == bar.whisker_bottom == bar.y


def test_empty_bins_are_left_out(reading: Callable[..., Reading]) -> None:
    bins = (ReliabilityBin(0.0, 0.5, 0.0, None, None, None, None),)
    assert diagram(replace(reading(), reliability=bins)).bars == ()
