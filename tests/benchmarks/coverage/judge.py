"""How often every interval that calwatch shows holds the truth, and on which side it misses, with Monte Carlo error."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from monitor.statistics.calibration.bins import ScoreBins
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.calibration.reliability import reliability
from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.intervals import GroupSums
from monitor.statistics.thresholds.live import CONFIDENCE, Units, design_effects, live_rates
from tests.benchmarks.coverage.worlds import Floats, Known, World, known

INTERVALS = (
    "ECE",
    "squared error",
    "gap",
    "reliability bin",
    "precision",
    "recall",
    "live precision",
    "live recall",
)
SEED = 20_261
SAMPLES_AT_A_TIME = 1_000_000
Misses = dict[
    str, tuple[Floats, Floats]
]  # by interval: 1 where (too high, too low), NaN where there is none; a slice each


@dataclass(frozen=True, slots=True)
class Outcome:
    """In percent: ``coverage`` ± ``error``, and the misses: the interval lies above the truth, or below it.

    The error is never less than one slice makes. NaN when no slice had the interval.
    """

    coverage: float
    error: float
    too_high: float
    too_low: float


def judge(world: World, slices: int, *, with_groups: bool = True) -> dict[str, Outcome]:
    """Coverage of each of INTERVALS over ``slices`` draws; without groups, clips are taken for independent samples."""
    rng = np.random.default_rng([SEED, world.samples, world.grouping.clip])
    truth = known(world)
    piece = max(SAMPLES_AT_A_TIME // world.samples, 1)
    high, low = defaultdict(list), defaultdict(list)
    for first in range(0, slices, piece):
        found = _misses(rng, world, truth, min(piece, slices - first), with_groups)
        for name, (too_high, too_low) in found.items():
            high[name].append(too_high)
            low[name].append(too_low)
    return {name: _outcome(np.concatenate(high[name]), np.concatenate(low[name])) for name in INTERVALS}


def _outcome(too_high: Floats, too_low: Floats) -> Outcome:
    there = np.isfinite(too_high)
    count = int(there.sum())
    if not count:
        return Outcome(np.nan, np.nan, np.nan, np.nan)
    missed = too_high[there] + too_low[there]
    error = max(float(missed.std()) / np.sqrt(count), 1 / count)
    high, low = float(too_high[there].mean()), float(too_low[there].mean())
    return Outcome(100 * (1 - high - low), 100 * error, 100 * high, 100 * low)


def _misses(rng: np.random.Generator, world: World, truth: Known, slices: int, with_groups: bool) -> Misses:
    score, outcome, group = world.draw(rng, slices)
    unit = np.repeat(np.arange(slices), score[0].size)
    flat = score.ravel(), outcome.ravel()
    cells = Cells.from_samples(*flat, unit=unit)
    grouped = with_groups and world.grouping.clip > 1
    clusters = Clusters.from_samples(*flat, group.ravel(), unit) if grouped else None
    metrics = measure_calibration(cells, slices, clusters)
    found = {
        "ECE": _missed(metrics["ece_lower"], metrics["ece_upper"], truth.ece),
        "squared error": _missed(metrics["ece_squared_lower"], metrics["ece_squared_upper"], truth.ece_squared),
        "gap": _missed(metrics["gap_lower"], metrics["gap_upper"], truth.gap),
    }
    curve = reliability(cells, slices, clusters)
    above, below = _missed(curve["rate_lower"], curve["rate_upper"], truth.rate)
    occupied = ScoreBins.from_cells(cells, slices).n > 0
    share = np.maximum(occupied.sum(axis=1), 1)
    found["reliability bin"] = (
        np.where(occupied, above, 0.0).sum(axis=1) / share,
        np.where(occupied, below, 0.0).sum(axis=1) / share,
    )
    predicted = (score >= world.traffic.threshold).astype(np.float64)
    true, of = (outcome * predicted).sum(axis=2), (predicted.sum(axis=2), outcome.sum(axis=2))
    for name, trials, value in zip(("precision", "recall"), of, (truth.precision, truth.recall), strict=True):
        bounds = _group_sums(true, trials).bounds(CONFIDENCE, grouped=grouped)
        found[name] = _missed(*bounds, value)
    each = np.arange(slices)
    live = live_rates(
        cells.unit, cells.bin.astype(np.int64), cells.n, cells.outcome, np.full(slices, world.traffic.threshold),
        Units(np.stack([each, each], axis=1), design_effects(cells, clusters, slices)),
    )  # fmt: skip
    for name, value in (("precision", truth.precision), ("recall", truth.recall)):
        found[f"live {name}"] = _missed(live[f"threshold_{name}_lower"], live[f"threshold_{name}_upper"], value)
    return found


def _group_sums(successes: Floats, trials: Floats) -> GroupSums:
    """Of counts per slice and group, (slices, groups)."""
    return GroupSums(
        successes.sum(axis=1), trials.sum(axis=1), (successes**2).sum(axis=1), (successes * trials).sum(axis=1),
        (trials**2).sum(axis=1), (trials > 0).sum(axis=1).astype(np.float64),
    )  # fmt: skip


def _missed(lower: Floats, upper: Floats, truth: float | Floats) -> tuple[Floats, Floats]:
    """(interval above the truth, interval below it) as 0 or 1, NaN where there is no interval."""
    there = np.isfinite(lower) & np.isfinite(upper)
    slack = 1e-9  # of the quadrature and of bisection
    return np.where(there, lower > truth + slack, np.nan), np.where(there, upper < truth - slack, np.nan)
