"""Reliability bars of the gate's samples."""

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.model.samples import Samples
from monitor.recalibration.gate import COLUMNS, count_bars


def _samples(
    score: NDArray[np.float64], outcome: NDArray[np.float64], group: NDArray[np.int64] | None = None
) -> Samples:
    n = len(score)
    return Samples(score, outcome, None, None, group, np.arange(n, dtype=np.float64), np.zeros(n, dtype=np.int64))


def test_bars_count_what_fell_into_each_bin_and_leave_empty_bins_out() -> None:
    score = np.array([0.05, 0.05, 0.99, 1.0])
    outcome = np.array([0.0, 1.0, 1.0, 1.0])
    first, last = count_bars(score, _samples(score, outcome))
    assert first[:4] == (0, 2, 0.05, 0.5)
    assert last[:4] == (14, 2, 0.995, 1.0)
    assert len(first) == 1 + len(COLUMNS)


def test_members_of_one_group_tell_less_than_as_many_by_themselves() -> None:
    random = np.random.default_rng(1)
    clips = np.repeat(np.arange(40), 10)
    outcome = np.repeat((random.random(40) < 0.5).astype(float), 10)
    score = np.full(400, 0.5)
    (alone,) = count_bars(score, _samples(score, outcome))
    (together,) = count_bars(score, _samples(score, outcome, clips))
    assert alone[3] == together[3] == pytest.approx(outcome.mean())
    assert alone[4] is not None
    assert together[4] is not None
    assert alone[4] - together[4] > 0.05
