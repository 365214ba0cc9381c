"""Statistics that tests hold others against, and that the product has no use for."""

import numpy as np

from monitor.statistics.arrays import Floats, totals
from monitor.statistics.cells import FINE_BINS, Cells, fine_bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, detector_bin_of
from monitor.statistics.drift.reference import Reference, fit_fine_sums
from monitor.statistics.thresholds.operating_points import OperatingPoint


def detector_edges() -> Floats:
    """Return the 13 scores that really bound the detector bins: those of ``EDGES`` on the grid of fine bins."""
    table = detector_bin_of(np.arange(FINE_BINS).astype(np.int16))
    first = np.searchsorted(table, np.arange(1, DETECTOR_BINS))
    return np.concatenate([[0.0], 1 / (1 + np.exp(12.0 - first / 8)), [1.0]])


def fit_reference(cells: Cells, confidence: float = 0.99) -> Reference:
    """Return the band of one slice's curve from the cells of its samples (units are ignored)."""
    fine = fine_bin_of(cells.bin)
    columns = (cells.weight, cells.weight_score, cells.weight_outcome)
    weight, score, outcome = (totals(fine, column, FINE_BINS) for column in columns)
    return fit_fine_sums(weight, score, outcome, confidence)


def rate_precision(point: OperatingPoint) -> float | None:
    """Return tp/(tp + fp); None when nothing is predicted positive."""
    return point.tp / (point.tp + point.fp) if point.tp + point.fp else None


def rate_recall(point: OperatingPoint) -> float | None:
    """Return tp/(tp + fn); None when nothing is positive."""
    return point.tp / (point.tp + point.fn) if point.tp + point.fn else None


def rate_fbeta(point: OperatingPoint, beta: float) -> float | None:
    """Return (1 + β²)tp / ((1 + β²)tp + β²fn + fp); None when nothing is positive or predicted so."""
    below = (1 + beta**2) * point.tp + beta**2 * point.fn + point.fp
    return (1 + beta**2) * point.tp / below if below else None
