"""Cells summed over the fine bins: one (units, 15) array per sum, and the variance of each bin's residual."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from monitor.statistics.arrays import Floats, ratio, totals
from monitor.statistics.cells import ALL_BINS, SCORE_BINS, Cells, Clusters, score_bin_of

# degrees of freedom that the belief in groups of one outcome weighs while none has shown the rarer one
_FULL_SHARING = 2.0
_GRANTED_FREEDOM = 5.0  # degrees of freedom that the variance within groups is worth, however few they are
_LARGEST_SHARING = 3.0  # above 1 where groups differ in size, as m is their mean and not that of the average sample
ENDLESS = 1e9


def group_freedom(groups: Floats, variance: Floats) -> Floats:
    """Degrees of freedom, 2/(relative variance), of a variance between groups that share one outcome; elementwise.

    ``variance`` v = p(1 − p) is that of one sample's residual. From the variance of a sample variance with kurtosis κ,
    2G/(κ − 3 + 2G/(G − 1)), where κ = 1/v − 1 is a Bernoulli's and 2 more: even odds leave G − 1, as normal residuals
    do, instead of near certainty; a rare event leaves about 2Gp. 0 below 2 groups.

    >>> group_freedom(np.array([1.0, 50.0, 50.0]), np.array([0.25, 0.25, 0.01])).round(2).tolist()
    [0.0, 49.0, 1.02]
    """
    several = np.maximum(groups, 2.0)
    excess = 1 / np.clip(variance, 1e-9, 0.25) - 4
    return np.where(groups >= 2, 2 * several / (excess + 2 * several / (several - 1)), 0.0)


def belief_weight(groups: Floats, variance: Floats) -> Floats:
    """Weight, in degrees of freedom, of ρ = 1 beside what the groups show; arguments as in ``group_freedom``.

    2·exp(−G·v): were outcomes shared, exp(−G·v) would be the probability that no group has shown the rarer outcome yet.
    The weight is gone where groups would long have shown it, so many pixels of few images keep the ρ they show.

    >>> belief_weight(np.array([0.0, 4.0, 400.0]), np.full(3, 0.25)).round(3).tolist()
    [2.0, 0.736, 0.0]
    """
    weight: Floats = _FULL_SHARING * np.exp(-groups * variance)
    return weight


def estimate_sharing(
    observed: Floats, possible: Floats, freedom: Floats, belief: Floats | float, weight: Floats | float
) -> Floats:
    """ρ: observed/possible (0 where nothing is possible) with ``freedom``, mixed with ``belief`` of ``weight``.

    >>> estimate_sharing(np.array([2.0]), np.array([4.0]), np.array([6.0]), 1.0, 2.0).tolist()
    [0.625]
    """
    found = np.clip(ratio(observed, possible, 0.0), 0.0, _LARGEST_SHARING)
    mixed: Floats = (freedom * found + weight * belief) / (freedom + weight)
    return mixed


def effect_freedom(freedom: Floats, effect: Floats) -> Floats:
    """Degrees of freedom of a variance whose design ``effect`` alone is uncertain: endless where the effect is 1.

    >>> effect_freedom(np.array([10.0, 10.0]), np.array([1.0, 2.0])).tolist()
    [1000000000.0, 60.0]
    """
    uncertain = np.maximum(1 - 1 / np.maximum(effect, 1.0), 0.0) ** 2
    return np.minimum(ratio(freedom + _GRANTED_FREEDOM, uncertain, ENDLESS), ENDLESS)


def student_quantile(freedom: Floats, confidence: float) -> Floats:
    """Two-sided Student quantile: 1.96 for 0.95 with endless degrees of freedom.

    >>> student_quantile(np.array([4.0, ENDLESS]), 0.95).round(3).tolist()
    [2.776, 1.96]
    """
    quantile: Floats = stdtrit(freedom, (1 + confidence) / 2)
    return quantile


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

    V = d·v: the design effect d of the groups and the variance v of independent samples. v is the sample variance within
    the bin, shrunk towards what the scores themselves imply, which keeps tiny bins honest (of two samples that agree it
    is 0):

        v = n/(G − 1 + 5) · [(G − 1)·Q°/n + 5·Σp(1−p)/n]

    with G groups and Q° = Σ(p − y)² less what a common error explains. d = 1 + ρ·(n/G − 1), where ρ comes from the variance
    between groups, G/(G − 1)·(C − R²/G) with C = Σ_groups (Σ_in group (p−y))²: of the bin as far as its groups tell, of
    all bins of the unit beyond that, and 1 where they could not tell (``dependence``). Without groups every sample
    is its own: d = 1. The total is the same at the level of all bins together.

    ``total_design`` is None where variances were put together from those of others.
    """

    per_bin: Floats  # (units, 15)
    total: Floats  # (units,)
    squares: Floats  # (units, 15): C, uncentred
    groups: Floats  # (units,): independent groups
    grouped: NDArray[np.bool_]  # (units,): whether samples of the unit come in groups
    between_bins: Floats  # (units,), at least 1: variance of the total over the sum of bins' (groups straddle bins)
    design: Floats  # (units, 15): d, at least 1
    freedom: Floats  # (units,): degrees of freedom of the sum of per_bin
    total_freedom: Floats  # (units,): of total
    total_design: Floats | None = None  # (units,): d of all bins together

    @classmethod
    def estimate(cls, bins: ScoreBins, clusters: Clusters | None) -> "ResidualVariance":
        n, squares, total_n = bins.n, bins.squared_residual, bins.n.sum(axis=1)
        groups, total_groups, clustered, total_clustered = n, total_n, squares, squares.sum(axis=1)
        known = np.zeros(total_n.size, dtype=np.bool_)
        if clusters is not None:
            known, groups, total_groups, clustered, total_clustered = _grouped(clusters, bins)
        bin_level = _Level.of(n, groups, clustered, squares, bins.residual, bins.score_variance)
        all_bins = _Level.of(
            total_n, total_groups, total_clustered, squares.sum(axis=1),
            bins.residual.sum(axis=1), bins.score_variance.sum(axis=1),
        )  # fmt: skip
        pooled = bin_level.pooled_sharing(all_bins)[:, None]
        design = bin_level.effect(pooled, 2 * PRIOR_SAMPLES)
        total_design = all_bins.effect(1.0, all_bins.weight)
        per_bin = design * bin_level.independent
        mean_design = ratio(per_bin.sum(axis=1), bin_level.independent.sum(axis=1), 1.0)
        return cls(
            per_bin=per_bin,
            total=total_design * all_bins.independent,
            squares=clustered,
            groups=total_groups,
            grouped=known,
            between_bins=np.maximum(ratio(total_clustered, clustered.sum(axis=1), 1.0), 1.0),
            design=design,
            total_design=total_design,
            freedom=effect_freedom(all_bins.freedom, mean_design),
            total_freedom=effect_freedom(all_bins.freedom, total_design),
        )

    def if_calibrated(self, bins: ScoreBins) -> Floats:
        """Variance of each bin's R if every score were true: d·Σp(1−p), shape (units, 15)."""
        return self.design * bins.score_variance

    def quantile(self, confidence: float) -> Floats:
        """Two-sided Student quantile for errors of bins, (units,)."""
        return student_quantile(self.freedom, confidence)

    def total_quantile(self, confidence: float) -> Floats:
        """Two-sided Student quantile for the error of the total, (units,)."""
        return student_quantile(self.total_freedom, confidence)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """What the samples of a bin, or of a unit, tell of the variance of their R; all arrays of one shape."""

    independent: Floats  # v: the variance of R, were all samples independent
    between: Floats  # from the groups: G/(G − 1)·(C − R²/G), 0 below two groups
    others: Floats  # n/G − 1: other samples in the group
    several: NDArray[np.bool_]  # at least two groups
    freedom: Floats
    weight: Floats  # of the belief that groups share one outcome

    @classmethod
    def of(
        cls, n: Floats, groups: Floats, clustered: Floats, squares: Floats, residual: Floats, implied: Floats
    ) -> "_Level":
        several, safe = groups >= 2, np.maximum(groups, 2.0)
        between = np.where(several, safe / (safe - 1) * np.maximum(clustered - residual**2 / safe, 0.0), 0.0)
        # R² less its variance is (n·common error)²; with one group it cannot be told from the variance
        centred = np.maximum(squares - ratio(residual**2 - between, n, 0.0), 0.0)
        known = np.where(several, groups - 1, 0.0)
        independent = ratio(known * centred + PRIOR_SAMPLES * implied, known + PRIOR_SAMPLES)
        independent = np.where(n > 0, independent, 0.0)
        others = np.maximum(ratio(n, groups, 1.0) - 1, 0.0)
        variance = ratio(independent, n, 0.0)
        return cls(
            independent, between, others, several, group_freedom(groups, variance), belief_weight(groups, variance)
        )

    def pooled_sharing(self, all_bins: "_Level") -> Floats:
        """ρ over the bins of each unit, (units,)."""
        beyond = np.where(self.several, self.between - self.independent, 0.0)
        possible = np.where(self.several, self.independent * self.others, 0.0)
        return estimate_sharing(beyond.sum(axis=1), possible.sum(axis=1), all_bins.freedom, 1.0, all_bins.weight)

    def effect(self, belief: Floats | float, weight: Floats | float) -> Floats:
        """The design effect d, its ρ drawn towards ``belief``."""
        beyond, possible = self.between - self.independent, self.independent * self.others
        return 1 + self.others * estimate_sharing(beyond, possible, self.freedom, belief, weight)


def sum_levels(clusters: Clusters, units: int) -> tuple[Floats, Floats]:
    """Return (groups, squared residuals), each (units, 16): all bins together, then each bin; other units are left out.

    >>> groups, squares = sum_levels(Clusters.from_samples([0.9, 0.9], [1, 0], group=["a", "b"]), 1)
    >>> groups[0, [0, 14]].tolist(), squares[0, [0, 14]].round(2).tolist()
    ([2.0, 2.0], [0.82, 0.82])
    """
    inside = (clusters.unit >= 0) & (clusters.unit < units)
    slot = (clusters.unit * (SCORE_BINS + 1) + clusters.score_bin - ALL_BINS)[inside]
    size = units * (SCORE_BINS + 1)
    groups = totals(slot, clusters.groups[inside], size).reshape(units, -1)
    squares = totals(slot, clusters.squared_residual[inside], size).reshape(units, -1)
    return groups, squares


def _grouped(clusters: Clusters, bins: ScoreBins) -> tuple[NDArray[np.bool_], Floats, Floats, Floats, Floats]:
    """Which units have clusters; groups per bin (units, 15) and in all, then C likewise, sample by sample without."""
    groups, squares = sum_levels(clusters, bins.n.shape[0])
    known = groups[:, 0] > 0
    per_bin = known[:, None]
    return (
        known,
        np.where(per_bin, groups[:, 1:], bins.n),
        np.where(known, groups[:, 0], bins.n.sum(axis=1)),
        np.where(per_bin, squares[:, 1:], bins.squared_residual),
        np.where(known, squares[:, 0], bins.squared_residual.sum(axis=1)),
    )
