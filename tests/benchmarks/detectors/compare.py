"""All detectors on all scenarios: false alarms per 10,000 buckets and median delay, with Monte Carlo error."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.drift.bets import Tolerance
from tests.benchmarks.detectors.ours import calwatch
from tests.benchmarks.detectors.rivals import Alarms, river_available, river_detector, rolling_ece, two_chart_ewma
from tests.benchmarks.detectors.streams import Scenario, Stream

Detector = Callable[[Stream], Alarms]
SEED = 20_260
WARM_UP = 60  # quiet buckets before a drift
ROWS_AT_A_TIME = 3_000_000  # samples drawn at once


def detectors(with_river: bool) -> dict[str, Detector]:
    """By name. Those of river are there when it is installed and asked for."""
    found: dict[str, Detector] = {
        "calwatch": lambda stream: calwatch(stream, Tolerance()),
        "calwatch, odds 1.1": lambda stream: calwatch(stream, Tolerance("odds", 1.1)),
        "calwatch, groups weighed": lambda stream: calwatch(stream, Tolerance(), weighed=True),
        "two-chart EWMA (tuned)": two_chart_ewma,
        "rolling ECE > 0.05": rolling_ece,
        "rolling ECE > 2 x baseline": lambda stream: rolling_ece(stream, 2.0),
    }
    if with_river and river_available():
        found["ADWIN"] = lambda stream: river_detector(stream, "ADWIN")
        found["Page-Hinkley"] = lambda stream: river_detector(stream, "PageHinkley")
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """``value`` ± ``error``: false alarms per 10,000 buckets (quiet), or the median delay in buckets (drift).

    The error is never less than one alarm makes. A delay of 1 is an alarm in the first bucket of the drift; it is
    infinite when most runs saw no alarm in time. ``missed`` is the share of runs that saw none.
    """

    value: float
    error: float
    missed: float = 0.0


def size_of(scenario: Scenario, samples: int, runs: int) -> tuple[int, int, int]:
    """(runs, buckets, change) for a number of labels per bucket; ``runs`` at 20 labels, fewer where they are many."""
    scaled = max(int(runs * {20: 1.0, 100: 0.6, 1000: 0.25}.get(samples, 0.5)) // scenario.cost, 4)
    if not scenario.drifts:
        return scaled, {20: 400, 100: 250, 1000: 100}.get(samples, 200), 0
    wait = {20: 60, 100: 25, 1000: 8}.get(samples, 40) * scenario.slow
    return scaled, WARM_UP + wait, WARM_UP


def streams(scenario: Scenario, samples: int, runs: int) -> Iterator[Stream]:
    """The streams of a scenario, in pieces that fit into memory; the same for every detector."""
    rng = np.random.default_rng([SEED, samples])
    total, buckets, change = size_of(scenario, samples, runs)
    piece = max(ROWS_AT_A_TIME // (buckets * samples), 1)
    for first in range(0, total, piece):
        count = min(piece, total - first)
        yield scenario.make(rng, count, buckets, samples, change if scenario.drifts else None)


def judge(scenario: Scenario, detector: Detector, samples: int, runs: int) -> Outcome:
    """Run one detector on one scenario. Alarms before the change reset a detector and do not count as found."""
    return judged(scenario, np.concatenate([detector(stream) for stream in streams(scenario, samples, runs)]))


def judged(scenario: Scenario, alarms: NDArray[np.int64]) -> Outcome:
    if not scenario.drifts:
        rates = alarms.mean(axis=1) * 1e4
        one_alarm = 1e4 / alarms.size
        return Outcome(float(rates.mean()), max(float(rates.std(ddof=1) / np.sqrt(rates.size)), one_alarm))
    after = alarms[:, WARM_UP:] > 0
    delay = np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf)
    rng = np.random.default_rng(SEED)
    again = np.median(rng.choice(delay, size=(200, delay.size)), axis=1)
    error = float(again.std()) if np.isfinite(again).all() else float("inf")
    return Outcome(float(np.median(delay)), error, float(np.isinf(delay).mean()))
