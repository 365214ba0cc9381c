"""The curve of a reference whose samples come in groups, with a band that the dependence inside groups widens.

Each sample of a group of m weighs c_g = V/(m·max(s_g, V)), as it is bet on later (``groups``; s and V over all bins, V of the
reference's own groups). θ of logit(rate) = θ₀ + θ₁x + …, x = logit p, by weighted maximum likelihood; with d_f = (1, x_f, …)

    u_g = Σ_f c_g·(Y_gf − n_gf·rate_f)·d_f          Cov = H⁻¹·[G/(G − k)·Σ_g u_g u_gᵀ]·H⁻¹,   k numbers in θ

half width √(k·F(confidence; k, G − k)·(G − 1)/(G − k))·sd at all scores at once (Scheffé, with Hotelling's T² for a covariance
that is estimated). Sound for many groups, as the band of samples by themselves is for many samples: at least 50. With weights
of 1/m alone the band is a fifth wider on real segmenters, since images of which much can be told are few.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, fdtrc, fdtri, logit, stdtrit

from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.cells import FINE_BINS, fine_bin_middle
from monitor.statistics.drift.bets import DETECTOR_BINS, bin_middles, detector_bin_of
from monitor.statistics.drift.groups import GroupSums
from monitor.statistics.drift.reference import LEAST_FIT_P, Reference, band_of_bins, clipped_logit, fit_curve

LEAST_GROUPS = 50  # below which a covariance by groups is not trusted
_LEAST_SEEN = 10  # groups with an outcome of either kind
_KINDS: tuple[tuple[Literal["logistic", "quadratic"], int], ...] = (("logistic", 2), ("quadratic", 3))
_SCALE = 4.0  # x is divided by it in the design, so that its powers are of one size
_PART: Ints = detector_bin_of(np.arange(FINE_BINS).astype(np.int16))


def fit_groups(alone: Floats, groups: GroupSums, confidence: float = 0.99) -> Reference | None:
    """Return the band of one slice's curve from its first matured samples; None with fewer than 50 groups.

    ``alone`` (3, 192) n, Σp and Σy per fine bin of samples without a group, each of which counts as a group of one;
    ``groups`` by fine bin. The curve is logistic, or else has a term in x², where detector bins do not find it lacking (p ≥
    0.1 of Hotelling's test of their residuals, by groups) and each outcome was seen in ten groups; otherwise bins, with their
    variance over groups. Raises ValueError unless confidence lies in (0, 1).

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
    samples = _Samples.of(alone, groups)
    if samples.count < LEAST_GROUPS:
        return None
    fit_p = None
    if samples.seen(np.ones(FINE_BINS, np.bool_)) >= _LEAST_SEEN:
        for kind, numbers in _KINDS:
            curve = _Curve.fit(samples, numbers)
            if curve is None:
                continue
            fit_p = curve.test_fit()
            if fit_p >= LEAST_FIT_P:
                lower, upper = curve.band(confidence)
                return Reference(kind, lower, upper, samples.count, fit_p)
    lower, upper = _band_of_bins(samples, confidence)
    return Reference("bins", lower, upper, samples.count, fit_p)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """What a curve is fitted to: rows of groups by fine bin with the ``share`` c_g of each, whose groups are numbered by
    ``index``; ``alone`` with theirs; and per fine bin ``weight`` Σc, ``outcome`` Σcy and mean logit ``x``."""

    groups: GroupSums
    share: Floats
    index: Ints
    alone: Floats
    alone_share: Floats
    count: float
    weight: Floats
    outcome: Floats
    x: Floats

    @classmethod
    def of(cls, alone: Floats, groups: GroupSums) -> "_Samples":
        size, first = groups.group_sizes(), groups.group_starts()
        told = (bin_middles() * (1 - bin_middles()))[_PART]
        index = np.zeros(len(groups), np.int64)
        index[first[1:]] = 1
        index = np.cumsum(index)
        s = totals(index, groups.n * told[groups.bin] / size, first.size)
        seen, squares = s.sum() + alone[0] @ told, (s**2).sum() + alone[0] @ told**2
        typical = float(squares / seen) if seen > 0 else 1.0
        share = (typical / np.maximum(s, typical))[index] / size
        alone_share = typical / np.maximum(told, typical)
        weight, score, outcome = (
            totals(groups.bin, share * column, FINE_BINS) + alone_share * own
            for column, own in zip((groups.n, groups.score, groups.outcome), alone, strict=True)
        )
        x, fine = np.zeros(FINE_BINS), np.flatnonzero(weight > 0)
        x[fine] = clipped_logit(score[fine], weight[fine])
        count = float(first.size + alone[0].sum())
        return cls(groups, share, index, alone, alone_share, count, weight, outcome, x)

    def seen(self, inside: NDArray[np.bool_]) -> float:
        """In how many groups the rarer outcome was seen in the fine bins ``inside``."""
        kept = inside[self.groups.bin]
        hits, misses = (
            np.unique(self.index[kept & (column > 0)]).size
            for column in (self.groups.outcome, self.groups.n - self.groups.outcome)
        )
        hit, miss = self.alone[2][inside].sum(), (self.alone[0] - self.alone[2])[inside].sum()
        return float(min(hits + hit, misses + miss))

    def by_group(self, rate: Floats, design: Floats) -> Floats:
        """(groups, D): Σ_f c·(Y − n·rate_f)·design_f of each group."""
        residual = self.share * (self.groups.outcome - self.groups.n * rate[self.groups.bin])
        first = self.groups.group_starts()
        terms = residual[:, None] * design[self.groups.bin]
        found: Floats = np.add.reduceat(terms, first, axis=0) if first.size else terms
        return found

    def spread(self, rate: Floats, design: Floats) -> Floats:
        """(D, D): Σ u uᵀ of ``by_group`` over groups and samples alone."""
        u = self.by_group(rate, design)
        n, _, hits = self.alone
        variance = self.alone_share**2 * (hits * (1 - rate) ** 2 + (n - hits) * rate**2)
        found: Floats = u.T @ u + design.T @ (design * variance[:, None])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """A fitted curve: θ, the inverse of its information, and the rate of each fine bin."""

    samples: _Samples
    theta: Floats
    inverse: Floats
    design: Floats
    rate: Floats

    @classmethod
    def fit(cls, samples: _Samples, numbers: int) -> "_Curve | None":
        fine, powers = np.flatnonzero(samples.weight > 0), np.arange(numbers)
        design = (samples.x[:, None] / _SCALE) ** powers
        start = np.zeros(numbers)
        start[1] = _SCALE
        fitted = fit_curve(design[fine], samples.weight[fine], samples.outcome[fine], start)
        if fitted is None:
            return None
        return cls(samples, fitted[0], fitted[1], design, expit(design @ fitted[0]))

    def band(self, confidence: float) -> tuple[Floats, Floats]:
        """(lower, upper) offsets (192,) from logit p."""
        k, count = self.theta.size, self.samples.count
        spread = count / (count - k) * self.samples.spread(self.rate, self.design)
        covariance = self.inverse @ spread @ self.inverse
        x = logit(fine_bin_middle())
        design = (x[:, None] / _SCALE) ** np.arange(k)
        deviation = np.sqrt(np.einsum("fi,ij,fj->f", design, covariance, design))
        half = np.sqrt(k * fdtri(k, count - k, confidence) * (count - 1) / (count - k)) * deviation
        offset = design @ self.theta - x
        return offset - half, offset + half

    def test_fit(self) -> float:
        """p-value of Hotelling's test of the residuals of detector bins, less what fitting took of them; 1 with none to spare.

        Bins that hold little are joined: together they are as few as groups allow, a tenth of them.
        """
        samples, count = self.samples, self.samples.count
        information = samples.weight * self.rate * (1 - self.rate)
        bins = _join_bins(totals(_PART, information, DETECTOR_BINS), int(count // 10))[_PART]
        inside = (bins[:, None] == np.arange(int(bins.max()) + 1)).astype(np.float64)
        # what is left of a bin's indicator once the curve has been fitted
        left = inside - self.design @ (self.inverse @ (self.design.T @ (inside * information[:, None])))
        n, _, hits = samples.alone
        total = samples.by_group(self.rate, left).sum(axis=0) + left.T @ (samples.alone_share * (hits - n * self.rate))
        values, vectors = np.linalg.eigh(samples.spread(self.rate, left))
        kept = np.argsort(values)[self.theta.size :]  # fitting k numbers takes k directions
        kept = kept[values[kept] > 1e-9 * values.max(initial=0.0)]
        freedom = kept.size
        if not freedom or count <= freedom + self.theta.size:
            return 1.0
        distance = float((((total @ vectors[:, kept]) ** 2) / values[kept]).sum())
        return float(fdtrc(freedom, count - freedom, distance * (count - freedom) / (freedom * (count - 1))))


def _join_bins(information: Floats, most: int) -> Ints:
    """(12,): which of at most ``most`` stretches, each with about as much information, a detector bin belongs to."""
    most = max(min(most, DETECTOR_BINS), 1)
    share = np.cumsum(information) / max(float(information.sum()), 1e-300)
    place = np.clip((share * most - 1e-9).astype(np.int64), 0, most - 1)
    joined: Ints = np.unique(place, return_inverse=True)[1].astype(np.int64)
    return joined


def _band_of_bins(samples: _Samples, confidence: float) -> tuple[Floats, Floats]:
    """(lower, upper) offsets (192,) per fine bin: of the outcome rate of its detector bin, ± Student's t with the error split
    over twelve bins, on the logit scale; Clopper–Pearson with one observation a group where an outcome was seen in fewer
    than ten groups."""
    groups, n = samples.groups, totals(_PART, samples.weight, DETECTOR_BINS)
    outcome = totals(_PART, samples.outcome, DETECTOR_BINS)
    # scores of 0 and 1 have no logit: as elsewhere, clipped ones count
    score = totals(_PART, samples.weight * expit(samples.x), DETECTOR_BINS)
    pairs = np.unique(samples.index * DETECTOR_BINS + _PART[groups.bin])
    present = np.bincount(pairs % DETECTOR_BINS, minlength=DETECTOR_BINS) + totals(
        _PART, samples.alone[0], DETECTOR_BINS
    )
    rate = np.divide(outcome, n, out=np.full(DETECTOR_BINS, 0.5), where=n > 0)
    mean = np.divide(score, n, out=np.full(DETECTOR_BINS, 0.5), where=n > 0)
    lower, upper = band_of_bins(present, present * rate, present * mean, confidence)
    tail = (1 - confidence) / (2 * DETECTOR_BINS)
    for column in np.arange(DETECTOR_BINS):
        inside = column == _PART
        if samples.seen(inside) < _LEAST_SEEN:
            continue
        own, count = rate[column], present[column]
        variance = float(samples.spread(np.full(FINE_BINS, own), inside[:, None].astype(np.float64))[0, 0])
        deviation = np.sqrt(variance * count / (count - 1)) / n[column] / (own * (1 - own))
        half = -stdtrit(count - 1, tail) * deviation
        offset = logit(own) - logit(mean[column])
        lower[inside], upper[inside] = offset - half, offset + half
    return lower, upper
