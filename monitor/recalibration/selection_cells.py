"""Selection from cells: the same rule as on rows, for as many samples as one likes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from monitor.recalibration.calibrators import Calibrator
from monitor.recalibration.fitting_cells import ByOutcome, fit_by_outcome, fit_from_cells
from monitor.recalibration.improvement import Improvement, log_losses
from monitor.recalibration.selection import ON_SCORES, Selection, decide, require_isotonic_outcomes
from monitor.statistics.cells import Cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_UNITS = 20  # time buckets: a variance between fewer is too uncertain


@dataclass(frozen=True, slots=True, eq=False)
class FitCells:
    """All samples of a fit window as ``cells``, units its time buckets in order; all of them lie in [start, border)."""

    cells: Cells
    start: datetime
    border: datetime

    @property
    def n(self) -> int:
        return int(self.cells.n.sum())


def select_from_cells(method: str, cells: Cells, *, folds: int = 5, confidence: float = 0.95) -> Selection:
    """As ``selection.select`` on scores, from cells whose units are time buckets, numbered in the order of time.

    Folds are contiguous blocks of buckets with about equally many samples. The buckets are also the clusters of the
    significance test, so it holds under any dependence inside a bucket; groups that straddle buckets are not covered.
    A cell's log-loss is that of the rows which stand for its positives and its negatives. "auto" keeps identity when there
    are fewer than 20 buckets. Raises ValueError on an unknown method and, for one asked for by name, as
    ``fit_from_cells``.
    """
    if method != "auto":
        return Selection(fit_from_cells(method, cells), (f"{method} chosen: asked for by name",))
    units, codes = np.unique(cells.unit, return_inverse=True)
    parts = ByOutcome.of(cells)
    reasons = []
    fitted: dict[str, Calibrator] = {}
    for name in ON_SCORES:
        try:
            if name == "isotonic":
                require_isotonic_outcomes(float(cells.outcome.sum()), float((cells.n - cells.outcome).sum()))
            fitted[name] = fit_by_outcome(name, parts)
        except ValueError as missing:
            reasons.append(f"{name} rejected: {missing}")
    if len(fitted) > 1 and len(units) < MIN_UNITS:
        needed = f"identity chosen: a comparison needs samples of {MIN_UNITS} time buckets, has {len(units)}"
        return Selection(fitted["identity"], (*reasons, needed))
    count = np.bincount(codes, weights=cells.n).astype(np.float64)
    fold = _folds(count, folds)[codes]
    losses, unfit = _held_out_losses(fitted, parts, codes, fold)
    reasons += [f"{name} rejected: {missing}" for name, missing in unfit.items()]
    return decide(
        {name: fitted[name] for name in losses},
        {name: float(loss.sum() / count.sum()) for name, loss in losses.items()} if len(cells) else {},
        lambda name, best: _improvement(losses[name] - losses[best], count, confidence),
        reasons,
    )


def _folds(count: Floats, folds: int) -> Ints:
    """(units,) fold of each bucket, by the samples before its middle."""
    middle = np.cumsum(count) - count / 2
    fold: Ints = np.floor(middle * folds / max(count.sum(), 1.0)).astype(np.int64)
    return fold


def _held_out_losses(
    fitted: Mapping[str, Calibrator], parts: ByOutcome, codes: Ints, fold: Ints
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Method → (units,) Σ log-loss of each bucket under the method fitted on the other folds; and why others cannot be."""
    units = int(codes.max()) + 1 if len(codes) else 0
    losses = {name: np.zeros(units) for name in fitted}
    unfit: dict[str, str] = {}
    for held_out in np.unique(fold):
        inside = fold == held_out
        rest = parts.subset(~inside).pooled()
        score, outcome, count, cell = parts.subset(inside).rows()
        unit = codes[inside][cell]
        for name in list(losses):
            try:
                calibrator = fit_by_outcome(name, rest)
            except ValueError as missing:
                del losses[name]
                unfit[name] = str(missing)
                continue
            loss = count * log_losses(calibrator.apply(score), outcome)
            losses[name] += np.bincount(unit, weights=loss, minlength=units)
    return losses, unfit


def _improvement(gain: Floats, count: Floats, confidence: float) -> Improvement:
    """As ``improvement.improvement``, from the sum of gains and the number of samples of each cluster (units,)."""
    n, groups = float(count.sum()), len(count)
    mean = float(gain.sum()) / n
    residual = gain - mean * count
    standard_error = float(np.sqrt(groups / (groups - 1) * (residual @ residual))) / n
    reach = float(student_t.ppf(confidence, groups - 1)) * standard_error
    return Improvement(mean, mean - reach, mean + reach, confidence, int(n), groups)
