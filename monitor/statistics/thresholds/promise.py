"""A threshold that keeps a bound with confidence: fixed-sequence testing over thresholds set beforehand.

The hypotheses "the bound is broken at t" are tested one after another, from a safe t towards the useful end, each at
level δ = 1 − confidence, and testing stops at the first that cannot be rejected. A false rejection needs the first true
hypothesis of the sequence to be rejected, so with probability at least 1 − δ the bound holds at every t that passed,
without any correction for their number (Holm 1979; Angelopoulos et al. 2021, "Learn then Test", §4).

That needs a sequence that no outcome has touched. The thresholds are the same for every model (``promise_grid``); where
the walk begins follows from the scores alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.statistics.arrays import Floats, Ints, ratio
from monitor.statistics.thresholds.counts import Counts


@dataclass(frozen=True, slots=True)
class Promise:
    """``index``: of the most useful threshold that keeps the bound, in the counts; None: none can.

    ``best_index`` and ``best``: the threshold with the best confidence bound of its own, and that bound; None when no
    threshold has one. It is the best of many and therefore no promise.
    """

    index: int | None
    best_index: int | None
    best: float | None


def fixed_sequence(passes: NDArray[np.bool_], order: Ints) -> int | None:
    """The last of the thresholds ``order`` names, in its order, before the first that does not pass; None: the first
    does not.

    >>> fixed_sequence(np.array([True, True, False, True]), np.arange(4))
    1
    """
    kept = None
    for index in order.tolist():
        if not passes[index]:
            break
        kept = index
    return kept


def find_promise(kind: str, target: float, counts: Counts, confidence: float) -> Promise:
    """The lowest threshold with precision >= target (``precision``, ``accuracy``), the highest with recall >= target
    (``recall``), or the lowest with false positives per group <= target (``fp_per_image``), with confidence.

    >>> from monitor.statistics.thresholds.counts import count_at
    >>> score, outcome = np.repeat([0.2, 0.9], 200), np.repeat([0.0, 1.0], 200)
    >>> counts = count_at(np.array([0.0, 0.5]), score, outcome)
    >>> find_promise("precision", 0.95, counts, 0.95).index
    1
    """
    every = np.arange(len(counts), dtype=np.int64)
    if kind in ("precision", "accuracy"):
        bound = counts.precision_bounds(confidence)[0]
        order = _from_the_surest(counts, target, confidence)
        passes = bound >= target
    elif kind == "recall":
        bound = counts.recall_bounds(confidence)[0]
        lowest_score = int(np.sum(counts.tp + counts.fp >= counts.n)) - 1  # up to here everything is predicted positive
        order = every[max(lowest_score, 0) :]
        passes = bound >= target
    elif kind == "fp_per_image":
        bound = -counts.false_positives_bounds(confidence)[1]
        order = every[::-1]
        order = order[(counts.tp + counts.fp)[order] > 0]
        passes = bound >= -target
    else:
        raise ValueError(f"a promise is about precision, accuracy, recall or fp_per_image (got {kind!r})")
    index = fixed_sequence(np.asarray(passes, np.bool_), order)
    if np.isnan(bound).all():
        return Promise(index, None, None)
    best = int(np.nanargmax(bound))
    return Promise(index, best, abs(float(bound[best])))


def _from_the_surest(counts: Counts, target: float, confidence: float) -> Ints:
    """Thresholds falling from the one at which, if the scores are right, the test is surest to pass.

    Above it there are too few predicted positives: luck would end the walk at its beginning. Only scores and group
    sizes have a say, no outcome: wrong scores cost usefulness, not the promise.
    """
    start = int(np.argmax(foresee_passing(counts, target, confidence)))
    return np.arange(start, -1, -1, dtype=np.int64)


def foresee_passing(counts: Counts, target: float, confidence: float) -> Floats:
    """Return how sure each threshold is to pass a promise of precision if the scores are right: the normal deviate of that
    probability, (thresholds,), −inf where nothing is predicted positive. No outcome has a say.

    >>> from monitor.statistics.thresholds.counts import count_at
    >>> counts = count_at(np.array([0.0, 0.5]), np.repeat([0.2, 0.99], 200), np.repeat([0.0, 1.0], 200))
    >>> bool(foresee_passing(counts, 0.95, 0.95)[1] > 0)
    True
    """
    n = counts.tp + counts.fp
    expected = ratio(counts.score, n, 0.0)
    # a group counts once here: its size is known, the likeness of its outcomes must not be looked at
    independent = np.minimum(counts.touched, n)
    ahead = (expected - target) * np.sqrt(independent) - ndtri(confidence) * np.sqrt(target * (1 - target))
    sureness = ahead / np.sqrt(np.maximum(expected * (1 - expected), 1e-9))
    return np.where(n > 0, sureness, -np.inf)
