"""Calibration on an early stretch, so that what follows starts out honest: a smoothed isotonic curve."""

import numpy as np
from scipy.optimize import isotonic_regression

from tests.benchmarks.streams.real import Floats

STEPS = 40  # equal counts each


class Curve:
    """Isotonic regression on 40 groups of equal counts, (Y + ½)/(n + 1) each, straight between their mean scores."""

    def __init__(self, score: Floats, outcome: Floats) -> None:
        order = np.argsort(score, kind="stable")
        groups = [part for part in np.array_split(order, STEPS) if part.size]
        mean = np.array([score[part].mean() for part in groups])
        count = np.array([float(part.size) for part in groups])
        rate = np.array([(outcome[part].sum() + 0.5) / (part.size + 1.0) for part in groups])
        self._score = mean
        self._rate = np.asarray(isotonic_regression(rate, weights=count).x, dtype=np.float64)

    def __call__(self, score: Floats) -> Floats:
        """The outcome rate where ``score`` is given; constant beyond the outermost groups."""
        rate: Floats = np.interp(score, self._score, self._rate)
        return rate
