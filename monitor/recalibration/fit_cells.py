"""Fits of calibrators on scores from cells: as many samples as one likes, at the cost of a few hundred rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from monitor.model.methods import METHOD_NAMES, METHODS, method_named
from monitor.recalibration.methods import Calibrator, part_of
from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.cells import FINE_BINS, LOGIT_LIMIT, SCORE_BINS, Cells, fine_bin_of

ON_SCORES = tuple(method.name for method in METHODS if method.fit)  # simplest first
_TAIL_ROWS = 8  # rows that a saturated end bin's tail is spread over
_FARTHEST = 36.0  # logit of the greatest float64 below 1


def fit_from_cells(method: str, cells: Cells) -> Calibrator:
    """``method`` fitted on cells of any units, pooled by bin; beside the fit on rows within the bounds below.

    Temperature is within 0.2 % of the fit on rows, and scores calibrated by Platt and beta within 0.001. Where many scores
    are saturated (a logit beyond 12, or exactly 1, which the fit on rows leaves out and cells cannot tell) it is 0.5 %
    and 0.007. Isotonic is within 0.02 on average: its knots lie a bin apart.

    Raises ValueError on an unknown method, on one of logits, which no cell holds, and when samples are too few.
    """
    if method in METHOD_NAMES and not (found := method_named(method)).fit:
        raise ValueError(f"{found.title or method} needs logit vectors, which cells do not hold: fit it on rows")
    method_named(method, ON_SCORES)
    return fit_by_outcome(method, ByOutcome.of(cells))


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The samples of one outcome, cell by cell (M,), by the probability q given to what happened (p, or 1 − p)."""

    count: Floats
    doubt: Floats  # Σ(1 − q)
    lost: Floats  # Σ −ln q; right only in the end bin where q is near 0

    def rows(self, wrong: NDArray[np.bool_], right: NDArray[np.bool_]) -> tuple[Floats, Floats, Ints]:
        """(logit of q, number of samples, cell) of rows with about the likelihood of the samples.

        A cell becomes one row, at the mean q. The end bins, open towards 0 and 1, hold many scales of certainty. Where
        q is near 0 (``wrong``) the row stands at the mean log-loss, which a calibrator changes almost linearly; where q
        is near 1 (``right``) the samples are spread over the exponential tail of logits that has their mean.
        """
        cell = np.flatnonzero((self.count > 0) & ~right)
        doubt = np.clip(self.doubt[cell] / self.count[cell], 0.0, 1.0)  # a mean of equal scores can pass 1 by rounding
        with np.errstate(divide="ignore"):
            logit = np.log1p(-doubt) - np.log(doubt)
        logit = np.where(wrong[cell], np.clip(-self.lost[cell] / self.count[cell], -_FARTHEST, -LOGIT_LIMIT), logit)
        tail = np.flatnonzero((self.count > 0) & right)
        share = np.clip(self.doubt[tail] / self.count[tail] / expit(-LOGIT_LIMIT), 0.0, 1 - 1e-9)
        with np.errstate(divide="ignore"):  # no doubt at all: every score is exactly 0 or 1, and so are the rows
            beyond = -np.log(1 - (np.arange(_TAIL_ROWS) + 0.5) / _TAIL_ROWS)[:, None] * (1 - share) / share
        return (
            np.concatenate([logit, (LOGIT_LIMIT + beyond).reshape(-1)]),
            np.concatenate([self.count[cell], np.tile(self.count[tail] / _TAIL_ROWS, _TAIL_ROWS)]),
            np.concatenate([cell, np.tile(tail, _TAIL_ROWS)]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ByOutcome:
    """Cells apart by outcome: taken together, a cell would lose how score and outcome go together inside its bin."""

    bin: NDArray[np.int16]
    positives: Side
    negatives: Side

    @classmethod
    def of(cls, cells: Cells) -> "ByOutcome":
        """Return the two sides of cells of any units, by their counts."""
        doubt = cells.outcome - cells.score_outcome
        hope = cells.score - cells.score_outcome
        # near p = 1, −ln p ≈ 1 − p of the positives; the rest of the log-loss is that of the negatives; and mirrored
        positives = Side(cells.outcome, doubt, cells.log_loss - hope)
        negatives = Side(cells.n - cells.outcome, hope, cells.log_loss - doubt)
        return cls(cells.bin, positives, negatives)

    def subset(self, mask: NDArray[np.bool_]) -> "ByOutcome":
        return self._map(self.bin[mask], lambda column: column[mask])

    def pool(self) -> "ByOutcome":
        """One row per bin that has samples."""
        size = SCORE_BINS * FINE_BINS
        filled = np.unique(self.bin)

        return self._map(filled, lambda column: totals(self.bin.astype(np.int64), column, size)[filled])

    def _map(self, bin: NDArray[np.int16], change: Callable[[Floats], Floats]) -> "ByOutcome":  # noqa: A002 - as the field
        """The same with other rows: ``change`` makes a column of them from one of these."""
        sides = (
            Side(change(side.count), change(side.doubt), change(side.lost)) for side in (self.positives, self.negatives)
        )
        return ByOutcome(bin, *sides)

    def rows(self) -> tuple[Floats, Floats, Floats, Ints]:
        """(score, outcome, number of samples, cell) of rows that stand for the samples in a likelihood."""
        fine = fine_bin_of(self.bin)
        low, high = fine == 0, fine == FINE_BINS - 1
        up, count_up, cell_up = self.positives.rows(wrong=low, right=high)
        down, count_down, cell_down = self.negatives.rows(wrong=high, right=low)
        return (
            expit(np.concatenate([up, -down])),
            np.repeat([1.0, 0.0], [len(up), len(down)]),
            np.concatenate([count_up, count_down]),
            np.concatenate([cell_up, cell_down]),
        )


def fit_by_outcome(method: str, cells: ByOutcome) -> Calibrator:
    """``method`` fitted on cells, pooled by bin. Raises ValueError when samples are too few."""
    together = cells.pool()
    own = method_named(method)
    fit = part_of(own.fit)
    fitted: Calibrator
    if own.on_rates:
        count = together.positives.count + together.negatives.count
        filled = count > 0
        score = (together.positives.count - together.positives.doubt + together.negatives.doubt)[filled] / count[filled]
        rate = together.positives.count[filled] / count[filled]
        fitted = fit(np.clip(score, 0.0, 1.0), rate, count[filled])
    else:
        score, outcome, count, _ = together.rows()
        fitted = fit(score, outcome, count)
    return fitted
