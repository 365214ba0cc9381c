"""What is said of the lowest score that was logged: no advice where it is about there already."""

import pytest

from monitor.model.reasons import Code, Reason
from monitor.model.words import tell_reason


@pytest.mark.parametrize(
    ("floor", "advised"), [(0.02, False), (0.05, False), (0.0512, False), (0.2, True), (0.5, True)]
)
def test_more_is_asked_for_only_where_the_lowest_score_is_far_above(floor: float, advised: bool) -> None:
    said = tell_reason(Reason.of(Code.RECALL_CEILING, ceiling=0.8, floor=floor, iou=0.5, score=0.05))
    assert ("to find more" in said) == advised
