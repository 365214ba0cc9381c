"""Readings: windows that end with whole mature buckets, states, and unknown values that stay unknown."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.config import Model, parse_config
from monitor.model import METRICS, ReadingState, Slice
from monitor.readings import readings_of, window_end
from monitor.statistics.cells import Cells
from monitor.statistics.metrics import measure
from monitor.store.cells import WindowCells
from tests.e2e.world import model_section

NOW = datetime(2026, 3, 1, 10, 37, 12, tzinfo=UTC)
ENOUGH, FEW, NONE = Slice(), Slice.of({"camera": "c1"}), Slice.of({"camera": "c2"})


def _model(extra: str = "") -> Model:
    return parse_config(model_section(extra=extra), "calwatch.toml", Path()).model[0]


def _held() -> WindowCells:
    """Three slices: 500 labelled samples, 40 labelled samples, and unlabelled ones only."""
    rng = np.random.default_rng(1)
    score = rng.uniform(0.02, 0.98, 540)
    outcome = (rng.random(540) < score).astype(np.float64)
    unit = np.where(np.arange(540) < 500, 0, 1).astype(np.int64)
    return WindowCells(
        versions=("v1", "v1", "v1"), slices=(ENOUGH, FEW, NONE), cells=Cells.from_samples(score, outcome, unit=unit),
        clusters=None, unlabelled=np.array([100.0, 0.0, 7.0]), lag=np.array([500 * 60.0, 40 * 30.0, 0.0]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bucket", "maturity", "expected"),
    [
        ("1h", "0s", "2026-03-01T10:00"),
        ("15m", "0s", "2026-03-01T10:30"),
        ("24h", "0s", "2026-03-01T00:00"),
        ("1h", "38m", "2026-03-01T09:00"),
        ("8h", "12h", "2026-02-28T16:00"),
        ("1h", "2d", "2026-02-27T10:00"),
    ],
)
def test_windows_end_with_the_last_whole_and_mature_bucket(bucket: str, maturity: str, expected: str) -> None:
    extra = f'bucket = "{bucket}"\nlabel_maturity = "{maturity}"'
    assert window_end(NOW, _model(extra)) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_bucket_that_ends_now_is_whole() -> None:
    assert window_end(NOW.replace(hour=11, minute=0, second=0), _model()) == NOW.replace(hour=11, minute=0, second=0)


def test_each_slice_gets_a_reading_with_the_state_its_samples_allow() -> None:
    end = NOW.replace(minute=0, second=0)
    start = end - timedelta(days=1)
    enough, few, none = readings_of(_model(), "24h", start, end, _held(), NOW)
    assert (enough.slice, enough.state, enough.samples, enough.unlabelled) == (ENOUGH, ReadingState.OK, 500, 100)
    assert enough.label_lag_seconds == 60.0
    assert enough.label_coverage == pytest.approx(500 / 600)
    assert (enough.window_start, enough.window_end, enough.computed_at) == (start, end, NOW)
    assert sum(bar.samples for bar in enough.reliability) == 500
    assert (few.state, few.samples, few.label_lag_seconds) == (ReadingState.INSUFFICIENT, 40, 30.0)
    assert few.reliability == ()
    assert (none.state, none.samples, none.unlabelled) == (ReadingState.INSUFFICIENT, 0, 7)
    assert none.label_lag_seconds is None
    assert none.label_coverage == 0.0


def test_metrics_are_those_of_the_statistics_and_unknown_is_none_never_zero() -> None:
    held = _held()
    enough, few, none = readings_of(_model(), "24h", NOW - timedelta(days=1), NOW, held, NOW)
    expected = measure(held.cells, 3, None, min_samples=100)
    assert set(enough.metrics) == set(METRICS)
    assert enough.metrics["ece"] == expected["ece"][0]
    assert enough.metrics["brier_score"] == expected["brier_score"][0]
    for reading in (few, none):
        assert set(reading.metrics) == set(METRICS)
        assert all(value is None for value in reading.metrics.values())


def test_a_window_without_predictions_has_no_readings() -> None:
    nobody = WindowCells((), (), Cells.from_samples(np.empty(0), np.empty(0)), None, np.empty(0), np.empty(0))
    assert readings_of(_model(), "24h", NOW - timedelta(days=1), NOW, nobody, NOW) == ()
