"""The curve of a reference whose samples come in groups, with a band that the dependence inside groups widens.

Samples weigh 1/m in a group of m. θ = (α, β) by weighted maximum likelihood, x = logit p, and per group

    u_g = Σ_f (1/m)(Y_gf − n_gf·rate_f)·(1, x_f)          Cov = H⁻¹·[G/(G − 2)·Σ_g u_g u_gᵀ]·H⁻¹

half width √(2·F(confidence; 2, G − 2)·(G − 1)/(G − 2))·sd at all scores at once (Scheffé, with Hotelling's T² for a covariance
that is estimated). Sound for many groups, as the band of samples by themselves is for many samples: at least 50.
"""

import numpy as np
from scipy.special import expit, fdtrc, fdtri

from monitor.statistics.arrays import Floats, totals
from monitor.statistics.cells import FINE_BINS
from monitor.statistics.drift.bets import DETECTOR_BINS, detector_bin_of
from monitor.statistics.drift.groups import GroupSums
from monitor.statistics.drift.reference import (
    LEAST_FIT_P,
    Reference,
    band_of_bins,
    band_of_curve,
    clipped_logit,
    fit_logistic,
)

LEAST_GROUPS = 50  # below which a covariance by groups is not trusted
_LEAST_SEEN = 10  # groups with an outcome of either kind


def fit_groups(alone: Floats, groups: GroupSums, confidence: float = 0.99) -> Reference | None:
    """Return the band of one slice's curve from its first matured samples; None with fewer than 50 groups.

    ``alone`` (3, 192) n, Σp and Σy per fine bin of samples without a group, each of which counts as a group of one;
    ``groups`` by fine bin. The logistic band is used when detector bins do not find it lacking (p ≥ 0.1 of Hotelling's test of
    their residuals, by groups) and each outcome was seen in ten groups; otherwise bins, with the mean outcome of each group in
    a bin as one observation. Raises ValueError unless confidence lies in (0, 1).

    >>> rng = np.random.default_rng(1)
    >>> image, bins = np.repeat(np.arange(60), 4), np.tile([80, 90, 100, 110], 60)
    >>> score = np.tile(1 / (1 + np.exp(12.0 - np.array([80.5, 90.5, 100.5, 110.5]) / 8)), 60)
    >>> sums = GroupSums.of(0 * image, 0 * image, image, bins, np.ones(240), score, rng.random(240) < score)
    >>> found = fit_groups(np.zeros((3, FINE_BINS)), sums)
    >>> found is not None and (found.kind, found.samples)
    ('logistic', 60.0)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1) (got {confidence})")
    size, first = groups.group_sizes(), groups.group_starts()
    count = float(first.size + alone[0].sum())
    if count < LEAST_GROUPS:
        return None
    weight, score, outcome = (
        totals(groups.bin, column / size, FINE_BINS) + own
        for column, own in zip((groups.n, groups.score, groups.outcome), alone, strict=True)
    )
    fine = np.flatnonzero(weight > 0)
    centre = np.zeros(FINE_BINS)
    centre[fine] = clipped_logit(score[fine], weight[fine])
    fit_p = None
    if _seen(alone, groups) >= _LEAST_SEEN:
        fitted = fit_logistic(centre[fine], weight[fine], outcome[fine])
        if fitted is not None:
            curve = _Residuals(alone, groups, size, centre, expit(fitted[0][0] + fitted[0][1] * centre))
            spread = count / (count - 2) * curve.covariance(np.stack([np.ones(FINE_BINS), centre], axis=1))
            fit_p = curve.test_fit(fitted[1], weight, count)
            if fit_p >= LEAST_FIT_P:
                factor = 2 * fdtri(2, count - 2, confidence) * (count - 1) / (count - 2)
                lower, upper = band_of_curve(fitted[0], fitted[1] @ spread @ fitted[1], float(np.sqrt(factor)))
                return Reference("logistic", lower, upper, count, fit_p)
    lower, upper = band_of_bins(*_by_bin(alone, groups), confidence)
    return Reference("bins", lower, upper, count, fit_p)


def _seen(alone: Floats, groups: GroupSums) -> float:
    """In how many groups the rarer outcome was seen."""
    first = groups.group_starts()
    hits, misses = (
        (np.add.reduceat(column, first) > 0).sum() if first.size else 0
        for column in (groups.outcome, groups.n - groups.outcome)
    )
    return float(min(hits + alone[2].sum(), misses + (alone[0] - alone[2]).sum()))


def _by_bin(alone: Floats, groups: GroupSums) -> tuple[Floats, Floats, Floats]:
    """Groups per detector bin, and the sums over them of the mean outcome and the mean score there; each (12,)."""
    part = detector_bin_of(np.arange(FINE_BINS).astype(np.int16))
    own = part[groups.bin]
    slot = (np.cumsum(np.isin(np.arange(len(groups)), groups.group_starts())) - 1) * DETECTOR_BINS + own
    keys, index = np.unique(slot, return_inverse=True)
    n, score, outcome = (totals(index, column, keys.size) for column in (groups.n, groups.score, groups.outcome))
    bins = keys % DETECTOR_BINS
    counted = (np.ones(keys.size), outcome / np.maximum(n, 1e-300), score / np.maximum(n, 1e-300))
    found = [totals(bins, column, DETECTOR_BINS) for column in counted]
    for place, column in ((0, 0), (1, 2), (2, 1)):
        found[place] = found[place] + totals(part, alone[column], DETECTOR_BINS)
    return found[0], found[1], found[2]


class _Residuals:
    """Outcomes less what a curve expects, group by group."""

    def __init__(self, alone: Floats, groups: GroupSums, size: Floats, centre: Floats, rate: Floats) -> None:
        self.alone, self.groups, self.centre, self.rate = alone, groups, centre, rate
        self.own = (groups.outcome - groups.n * rate[groups.bin]) / size
        self.variance = alone[2] * (1 - rate) ** 2 + (alone[0] - alone[2]) * rate**2  # of samples alone, per fine bin

    def by_group(self, design: Floats) -> Floats:
        """(groups, D): Σ_f residual·design_f of each group."""
        first = self.groups.group_starts()
        terms = self.own[:, None] * design[self.groups.bin]
        found: Floats = np.add.reduceat(terms, first, axis=0) if first.size else terms
        return found

    def covariance(self, design: Floats) -> Floats:
        """(D, D): Σ_g u_g u_gᵀ over groups and samples alone, with u of a ``design`` (192, D)."""
        u = self.by_group(design)
        found: Floats = u.T @ u + design.T @ (design * self.variance[:, None])
        return found

    def test_fit(self, inverse: Floats, weight: Floats, count: float) -> float:
        """p-value of Hotelling's test of the residuals of detector bins, less what fitting took of them; 1 with none to spare.

        Bins that hold little are left to their neighbours: together they are as few as groups allow, a tenth of them.
        """
        part = detector_bin_of(np.arange(FINE_BINS).astype(np.int16))
        information = weight * self.rate * (1 - self.rate)
        joined = _join_bins(totals(part, information, DETECTOR_BINS), int(count // 10))
        bins = joined[part]
        kinds = int(bins.max()) + 1
        if kinds <= 2:
            return 1.0
        inside = (bins[:, None] == np.arange(kinds)).astype(np.float64)
        base = np.stack([np.ones(FINE_BINS), self.centre], axis=1)
        # what is left of a bin's indicator once the curve has been fitted
        left = inside - base @ (inverse @ (base.T @ (inside * information[:, None])))
        total = self.by_group(left).sum(axis=0) + left.T @ (self.alone[2] - self.alone[0] * self.rate)
        values, vectors = np.linalg.eigh(self.covariance(left))
        kept = np.argsort(values)[2:]  # fitting two numbers takes two directions
        kept = kept[values[kept] > 1e-9 * values.max(initial=0.0)]
        freedom = kept.size
        if not freedom or count <= freedom + 2:
            return 1.0
        distance = float((((total @ vectors[:, kept]) ** 2) / values[kept]).sum())
        scaled = distance * (count - freedom) / (freedom * (count - 1))
        return float(fdtrc(freedom, count - freedom, scaled))


def _join_bins(information: Floats, most: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """(12,): which of at most ``most`` stretches, each with about as much information, a detector bin belongs to."""
    most = max(min(most, DETECTOR_BINS), 1)
    share = np.cumsum(information) / max(float(information.sum()), 1e-300)
    place = np.minimum((share * most - 1e-9).astype(np.int64), most - 1)
    return np.unique(np.maximum(place, 0), return_inverse=True)[1].astype(np.int64)
