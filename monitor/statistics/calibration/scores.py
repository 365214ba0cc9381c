"""Brier score and its three parts over the 15 score bins."""

import numpy as np

from monitor.statistics.arrays import Floats, ratio, totals
from monitor.statistics.calibration.bins import ScoreBins
from monitor.statistics.cells import Cells


def brier_parts(bins: ScoreBins) -> tuple[Floats, Floats, Floats, Floats]:
    """(score, reliability, resolution, uncertainty), each (units,), NaN without samples.

    score = ΣQ/N = reliability − resolution + uncertainty, exactly, with w = n_k/N, p̄_k and ȳ_k the bin's means:
    reliability = Σ w(p̄_k − ȳ_k)² and uncertainty = ȳ(1 − ȳ) are Murphy's (1973). His resolution Σ w(ȳ_k − ȳ)² makes the
    sum exact only if all scores of a bin are equal; the one here is the generalised resolution of Stephenson, Coelho &
    Jolliffe (2008), which adds twice the within-bin covariance of score and outcome and takes off the within-bin
    variance of the score: Σ w(ȳ_k − ȳ)² + [2·Σ(p − p̄_k)(y − ȳ_k) − Σ(p − p̄_k)²]/N.

    >>> bins = ScoreBins.from_cells(Cells.from_samples([0.9] * 10, [1] * 7 + [0] * 3), units=1)
    >>> [part.round(4).tolist() for part in brier_parts(bins)]
    [[0.25], [0.04], [0.0], [0.21]]
    """
    total = bins.n.sum(axis=1)
    share = ratio(bins.n, total[:, None], 0.0)
    mean_score, rate = ratio(bins.score, bins.n, 0.0), ratio(bins.outcome, bins.n, 0.0)
    base = ratio(bins.outcome.sum(axis=1), total)
    covariance = bins.score_outcome - bins.score * rate
    variance = bins.score_squared - bins.score * mean_score
    resolution = (share * (rate - np.nan_to_num(base)[:, None]) ** 2).sum(axis=1)
    resolution = resolution + ratio((2 * covariance - variance).sum(axis=1), total)
    reliability = np.where(total > 0, (share * (mean_score - rate) ** 2).sum(axis=1), np.nan)
    return ratio(bins.squared_residual.sum(axis=1), total), reliability, resolution, base * (1 - base)


def auroc(merged: Cells, units: int) -> Floats:
    """P(a positive's bin is above a negative's) + ½ P(same bin), shape (units,); NaN without both classes.

    ``merged`` must be merged cells: their order is that of the score. Pairs of one bin (at most 1/8 wide in logit)
    count ½, so the value lies within half their share of the exact one.

    >>> auroc(Cells.from_samples([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), units=1).tolist()
    [0.75]
    """
    positives, negatives = merged.outcome, merged.n - merged.outcome
    below = np.cumsum(negatives) - negatives
    per_unit = totals(merged.unit, negatives, units)
    below = below - (np.cumsum(per_unit) - per_unit)[merged.unit]
    wins = totals(merged.unit, positives * (below + negatives / 2), units)
    total = totals(merged.unit, positives, units)
    return np.clip(ratio(wins, total * per_unit), 0.0, 1.0)
