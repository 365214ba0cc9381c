"""Cells summed over the fine bins: one (units, 15) array per sum, and the variance of each bin's residual."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics._arrays import Floats, ratio, totals
from monitor.statistics.cells import ALL_BINS, SCORE_BINS, Cells, Clusters, score_bin_of

PRIOR_SAMPLES = 5.0  # weight of the scores' own variance p(1 − p) in the estimate of a variance


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBins:
    """Sums per unit and equal-width score bin, each of shape (units, 15); zero where a bin is empty."""

    n: Floats
    score: Floats
    outcome: Floats
    score_squared: Floats
    score_outcome: Floats

    @classmethod
    def from_cells(cls, cells: Cells, units: int) -> "ScoreBins":
        """Raises ValueError when a cell's unit is not in 0..units−1."""
        if len(cells) and int(cells.unit.max()) >= units:
            raise ValueError(f"cells have units up to {int(cells.unit.max())}, but only {units} were announced")
        slot = cells.unit * SCORE_BINS + score_bin_of(cells.bin)

        def total(values: Floats) -> Floats:
            sums: Floats = totals(slot, values, units * SCORE_BINS)
            return sums.reshape(units, SCORE_BINS)

        columns = (cells.n, cells.score, cells.outcome, cells.score_squared, cells.score_outcome)
        return cls(*(total(column) for column in columns))

    @property
    def residual(self) -> Floats:
        """R = Σ(p − y)."""
        return self.score - self.outcome

    @property
    def squared_residual(self) -> Floats:
        """Q = Σ(p − y)², not below 0."""
        return np.maximum(self.outcome - 2 * self.score_outcome + self.score_squared, 0.0)

    @property
    def score_variance(self) -> Floats:
        """Σp(1 − p): the variance of R if every score were true. Not below 0."""
        return np.maximum(self.score - self.score_squared, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class ResidualVariance:
    """How much R would vary from one draw of the same traffic to another, given its groups (or none).

    A bin's variance is the between-group sample variance, shrunk towards what the scores themselves imply, which
    keeps tiny bins honest (with two samples that agree the sample variance is 0):

        V = G/(G − 1 + 5) · [C − R²/G + 5·d·Σp(1−p)/G]

    with G groups, C = Σ_groups (Σ_in group (p−y))², and d = ΣC/ΣQ, the design effect of the unit. Without groups every
    sample is its own group: G = n, C = Q, d = 1. The total is the same at the level of all bins together.
    """

    per_bin: Floats  # (units, 15)
    total: Floats  # (units,)
    squares: Floats  # (units, 15): C, uncentred
    groups: Floats  # (units,): independent groups
    grouped: NDArray[np.bool_]  # (units,): whether samples of the unit come in groups
    between_bins: Floats  # (units,), at least 1: variance of the total over the sum of bins' (groups straddle bins)

    @classmethod
    def estimate(cls, bins: ScoreBins, clusters: Clusters | None) -> "ResidualVariance":
        n, squares = bins.n, bins.squared_residual
        total_n, total_squares = n.sum(axis=1), squares.sum(axis=1)
        groups, total_groups, clustered, total_clustered = n, total_n, squares, total_squares
        known = np.zeros(total_n.size, dtype=np.bool_)
        if clusters is not None:
            known, groups, total_groups, clustered, total_clustered = _grouped(clusters, bins)
        effect = ratio(clustered.sum(axis=1), total_squares, 1.0)
        total_effect = ratio(total_clustered, total_squares, 1.0)
        variance = bins.score_variance
        between = np.maximum(ratio(total_clustered, clustered.sum(axis=1), 1.0), 1.0)
        return cls(
            per_bin=_shrunk(clustered, bins.residual, groups, effect[:, None] * variance),
            total=_shrunk(
                total_clustered, bins.residual.sum(axis=1), total_groups, total_effect * variance.sum(axis=1)
            ),
            squares=clustered,
            groups=total_groups,
            grouped=known,
            between_bins=between,
        )


def _shrunk(squares: Floats, residual: Floats, groups: Floats, prior: Floats) -> Floats:
    present = groups > 0
    safe = np.where(present, groups, 1.0)
    centred = np.maximum(squares - residual**2 / safe, 0.0)
    return np.where(present, safe * (centred + PRIOR_SAMPLES * prior / safe) / (safe - 1 + PRIOR_SAMPLES), 0.0)


def _grouped(clusters: Clusters, bins: ScoreBins) -> tuple[NDArray[np.bool_], Floats, Floats, Floats, Floats]:
    """Which units have clusters; groups per bin (units, 15) and in all, then C likewise, sample by sample without."""
    units = bins.n.shape[0]
    inside = (clusters.unit >= 0) & (clusters.unit < units)
    slot = (clusters.unit * (SCORE_BINS + 1) + clusters.score_bin - ALL_BINS)[inside]
    size = units * (SCORE_BINS + 1)
    groups = totals(slot, clusters.groups[inside], size).reshape(units, -1)
    squares = totals(slot, clusters.squared_residual[inside], size).reshape(units, -1)
    known = groups[:, 0] > 0
    per_bin = known[:, None]
    return (
        known,
        np.where(per_bin, groups[:, 1:], bins.n),
        np.where(known, groups[:, 0], bins.n.sum(axis=1)),
        np.where(per_bin, squares[:, 1:], bins.squared_residual),
        np.where(known, squares[:, 0], bins.squared_residual.sum(axis=1)),
    )
