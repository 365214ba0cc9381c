"""Other ways to watch calibration, on the whole stream: control charts, rolling ECE, and detectors of river."""

import importlib
import importlib.util
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from tests.benchmarks.detectors.ours import ALLOWED
from tests.benchmarks.detectors.streams import MEAN, Floats, Stream

Alarms = NDArray[np.int64]
EWMA_WEIGHT = 0.1
WINDOW = 24  # buckets of the rolling ECE
BASELINE = 48  # buckets whose rolling ECE is the baseline
BINS = 15


def two_chart_ewma(stream: Stream) -> Alarms:
    """EWMA of two standardised sums per bucket, Σ(p − y) and Σ(p − y)(logit p − mean), limits tuned to the budget.

    The tuning knows that the null is perfect calibration with independent samples, and takes z as normal.
    """
    seen = np.isfinite(stream.score)
    score = np.where(seen, stream.score, 0.5)
    residual, spread = np.where(seen, score - stream.outcome, 0.0), np.where(seen, score * (1 - score), 0.0)
    centred = logit(np.clip(score, 1e-9, 1 - 1e-9)) - MEAN
    charts = [
        (residual * factor).sum(axis=2) / np.sqrt(np.maximum((spread * factor**2).sum(axis=2), 1e-12))
        for factor in (np.ones_like(centred), centred)
    ]
    scored: NDArray[np.bool_] = np.any(seen, axis=2)
    return _ewma(np.stack(charts), scored, tuned_limit())


@cache
def tuned_limit() -> float:
    """The limit at which two independent normal charts give the allowed false alarms, by simulation."""
    z, seen = np.random.default_rng(1).normal(size=(2, 400, 2500)), np.ones((400, 2500), dtype=np.bool_)
    low, high = 2.0, 5.0
    for _ in range(12):
        middle = (low + high) / 2
        too_many = _ewma(z, seen, middle).mean() * 1e4 > ALLOWED
        low, high = (middle, high) if too_many else (low, middle)
    return high


def _ewma(z: Floats, seen: NDArray[np.bool_], limit: float) -> Alarms:
    _, runs, buckets = z.shape
    level, alarms = np.zeros((2, runs)), np.zeros((runs, buckets), np.int64)
    bound = limit * np.sqrt(EWMA_WEIGHT / (2 - EWMA_WEIGHT))
    for t in range(buckets):
        level = np.where(seen[:, t], (1 - EWMA_WEIGHT) * level + EWMA_WEIGHT * z[:, :, t], level)
        fired = np.abs(level).max(axis=0) > bound
        alarms[:, t] = fired
        level[:, fired] = 0.0
    return alarms


def rolling_ece(stream: Stream, times_baseline: float | None = None, above: float = 0.05) -> Alarms:
    """Plug-in ECE of 15 bins over 24 buckets above a fixed value, or above a multiple of its early mean.

    Counted when it rises above the limit, not while it stays there; looks only at full windows. A run that is above
    the limit already when the drift begins has nothing left to tell and counts as missed.
    """
    runs, buckets, _ = stream.score.shape
    seen = np.isfinite(stream.score)
    column = np.where(seen, np.minimum(np.floor(np.where(seen, stream.score, 0) * BINS), BINS - 1), 0).astype(np.int64)
    slot = (np.arange(runs * buckets).reshape(runs, buckets, 1) * BINS + column)[seen]
    size = runs * buckets * BINS
    residual = np.bincount(slot, (stream.score - stream.outcome)[seen], size).reshape(runs, buckets, BINS)
    count = seen.sum(axis=2)
    rolled, counted = (_rolled(x) for x in (residual.astype(np.float64), count[:, :, None].astype(np.float64)))
    ece = np.abs(rolled).sum(axis=2) / np.maximum(counted[:, :, 0], 1.0)
    limit: Floats | float = above
    start = WINDOW
    if times_baseline is not None:
        limit, start = times_baseline * ece[:, WINDOW:BASELINE].mean(axis=1, keepdims=True), BASELINE
    over = ece > limit
    over[:, :start] = False
    risen = over.copy()
    risen[:, 1:] &= ~over[:, :-1]
    alarms: Alarms = risen.astype(np.int64)
    return alarms


def _rolled(values: Floats) -> Floats:
    sums = np.cumsum(values, axis=1)
    rolled: Floats = sums.copy()
    rolled[:, WINDOW:] -= sums[:, :-WINDOW]
    return rolled


def river_available() -> bool:
    return importlib.util.find_spec("river") is not None


def river_detector(stream: Stream, name: str) -> Alarms:
    """``ADWIN`` or ``PageHinkley`` of river with its defaults, on each residual p − y in turn; starts anew on alarm."""
    drift: Any = importlib.import_module("river.drift")
    runs, buckets, _ = stream.score.shape
    alarms = np.zeros((runs, buckets), np.int64)
    for run in range(runs):
        detector = getattr(drift, name)()
        for t in range(buckets):
            seen = np.isfinite(stream.score[run, t])
            for residual in (stream.score[run, t] - stream.outcome[run, t])[seen].tolist():
                detector.update(residual)
                if detector.drift_detected:
                    alarms[run, t] += 1
                    detector = getattr(drift, name)()
    return alarms
