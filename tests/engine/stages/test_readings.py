"""Readings: windows that end with whole mature buckets, states, and unknown values that stay unknown."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.config.settings import Model, parse_config
from monitor.engine.stages.measure import disparities_of, readings_of, window_end
from monitor.model import METRICS, ReadingState, Slice
from monitor.rules.pack import parse_pack
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.cells import Cells
from monitor.store.cells import WindowCells
from tests.worlds.line import model_section

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
    expected = measure_calibration(held.cells, 3, None, min_samples=100)
    assert set(enough.metrics) == set(METRICS)
    assert enough.metrics["ece"] == expected["ece"][0]
    assert enough.metrics["brier_score"] == expected["brier_score"][0]
    for reading in (few, none):
        assert set(reading.metrics) == set(METRICS)
        assert all(value is None for value in reading.metrics.values())


def test_a_window_without_predictions_has_no_readings() -> None:
    nobody = WindowCells((), (), Cells.from_samples(np.empty(0), np.empty(0)), None, np.empty(0), np.empty(0))
    assert readings_of(_model(), "24h", NOW - timedelta(days=1), NOW, nobody, NOW) == ()


# ── disparities ───────────────────────────────────────────────────────────────────────────────────────────────────


def _two_versions() -> WindowCells:
    """v1 with cameras c1 (over-confident) and c2, v2 with c1 and an almost silent c3; each with its whole."""
    rng = np.random.default_rng(2)
    parts = (("v1", "c1", 800, 0.2), ("v1", "c2", 700, 0.0), ("v2", "c1", 600, 0.0), ("v2", "c3", 40, 0.0))
    versions, slices, columns = [], [], []
    for index, version in enumerate(("v1", "v2")):
        versions.append(version)
        slices.append(Slice())
        for name, camera, size, off in parts:
            if name == version:
                score = rng.uniform(0.3, 0.98, size)
                outcome = (rng.random(size) < score - off).astype(np.float64)
                columns += [(score, outcome, unit) for unit in (3 * index, len(versions))]
                versions.append(version)
                slices.append(Slice.of({"camera": camera}))
    score, outcome = (np.concatenate([column[place] for column in columns]) for place in (0, 1))
    unit = np.repeat([column[2] for column in columns], [column[0].size for column in columns])
    return WindowCells(
        versions=tuple(versions), slices=tuple(slices), cells=Cells.from_samples(score, outcome, unit=unit),
        clusters=None, unlabelled=np.zeros(6), lag=np.zeros(6),
    )  # fmt: skip


WORSE = """
[[rule]]
name = "worse"
kind = "disparity"
measure = "gap"
window = "24h"
severity = "ticket"
{extra}
"""


def test_a_slice_is_compared_with_the_rest_of_its_own_version_and_all_versions_are_judged_together() -> None:
    (rule,) = parse_pack(WORSE.format(extra=""), "own.toml")
    start = NOW - timedelta(days=1)
    found = disparities_of(_model(), [rule], "24h", start, NOW, _two_versions())
    by_key = {(held.version, held.slice.text): held for held in found}
    assert list(by_key) == [
        ("v1", "camera=c1"), ("v1", "camera=c2"), ("v2", "camera=c1"), ("v2", "camera=c3"),
    ]  # fmt: skip
    bad = by_key["v1", "camera=c1"]
    assert (bad.samples, bad.rest_samples, bad.needed_samples, bad.slices) == (800, 700, 100, 2)
    assert (bad.window_start, bad.window_end, bad.measure, bad.rule) == (start, NOW, "gap", "worse")
    assert bad.own == pytest.approx(0.2, abs=0.05)
    assert bad.rest == pytest.approx(by_key["v1", "camera=c2"].own)
    assert bad.own is not None
    assert bad.rest is not None
    assert bad.difference == pytest.approx(abs(bad.own) - abs(bad.rest))
    assert bad.lower is not None
    assert bad.lower > 0
    few = by_key["v2", "camera=c3"]
    assert (few.samples, few.rest_samples) == (40, 600)
    assert by_key["v2", "camera=c1"].rest_samples == 40
    for unknown in (few, by_key["v2", "camera=c1"]):
        assert [unknown.own, unknown.rest, unknown.difference, unknown.lower, unknown.p_value] == [None] * 5


def test_a_disparity_is_computed_for_the_window_the_slices_and_the_samples_its_rule_names() -> None:
    held, start = _two_versions(), NOW - timedelta(days=1)
    (only,) = parse_pack(WORSE.format(extra='only = { camera = "c2" }'), "own.toml")
    assert [one.slice.text for one in disparities_of(_model(), [only], "24h", start, NOW, held)] == ["camera=c2"]
    assert disparities_of(_model(), [only], "7d", start, NOW, held) == ()
    (crosses,) = parse_pack(WORSE.format(extra='slices = "crosses"'), "own.toml")
    assert disparities_of(_model(), [crosses], "24h", start, NOW, held) == ()
    (many,) = parse_pack(WORSE.format(extra="min_samples = 750"), "own.toml")
    first, *_ = disparities_of(_model(), [many], "24h", start, NOW, held)
    assert (first.samples, first.rest_samples, first.needed_samples, first.lower) == (800, 700, 750, None)
    nobody = WindowCells((), (), Cells.from_samples([], []), None, np.empty(0), np.empty(0))
    assert disparities_of(_model(), [only], "24h", start, NOW, nobody) == ()
