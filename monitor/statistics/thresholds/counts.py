"""What each of many thresholds does with samples that may come in groups: counts, and their squares over groups."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from monitor.statistics.arrays import Floats, Ints, ratio, totals
from monitor.statistics.cells import FINE_PER_LOGIT, LOGIT_LIMIT, SCORE_BINS
from monitor.statistics.intervals import GroupSums, clopper_pearson, poisson_bounds

GRID_PER_LOGIT = 32
NO_MISSED: Ints = np.empty(0, np.int64)  # every positive is among the samples


def bin_edges() -> Floats:
    """The 206 scores at which cells are cut, rising from 0: fine edges (1/8 in logit) and score-bin edges (1/15).

    >>> edges = bin_edges()
    >>> len(edges), float(edges[0]), round(float(edges[-1]), 6)
    (206, 0.0, 0.999993)
    """
    return _edges(FINE_PER_LOGIT)


def promise_grid() -> Floats:
    """The 782 thresholds promises are tested at, rising from 0: 1/32 apart in logit, and the score-bin edges.

    Fixed before any sample is seen. With 1/8, the best of them costs up to three points of recall, 1/64 brings nothing.

    >>> len(promise_grid())
    782
    """
    return _edges(GRID_PER_LOGIT)


def _edges(per_logit: int) -> Floats:
    steps = expit(-LOGIT_LIMIT + np.arange(1, int(2 * LOGIT_LIMIT) * per_logit) / per_logit)
    edges: Floats = np.unique(np.concatenate([[0.0], steps, np.arange(1, SCORE_BINS) / SCORE_BINS]))
    return edges


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Per threshold t, in rising order, what predicting positive from t on (score >= t) gives. All arrays (thresholds,).

    With a the true and f the false positives of a group and q its truths (positives, and those missed): tp = Σa,
    fp = Σf, ``aa`` = Σa², ``af`` = Σaf, ``ff`` = Σf², ``aq`` = Σaq, ``qq`` = Σq²; ``touched`` is the number of groups
    with a predicted positive. ``missed`` are positives that no sample stands for; NaN: nobody knows how many, and so what
    rests on truths is NaN, too.
    """

    threshold: Floats
    tp: Floats
    fp: Floats
    aa: Floats
    af: Floats
    ff: Floats
    aq: Floats
    touched: Floats
    score: Floats  # Σ of the scores predicted positive
    positives: float
    negatives: float
    qq: float
    groups_with_positives: float  # with a truth
    groups: float  # with a sample; all labelled images where these are known
    grouped: bool
    missed: float = 0.0

    def __len__(self) -> int:
        return int(self.threshold.size)

    @property
    def n(self) -> float:
        """Samples."""
        return self.positives + self.negatives

    @property
    def truths(self) -> float:
        """All positives, also those that no sample stands for; NaN where these are unknown."""
        return self.positives + self.missed

    @property
    def false_negatives(self) -> Floats:
        """Truths that are not predicted positive; NaN where they are unknown."""
        return self.truths - self.tp

    @property
    def share(self) -> Floats:
        """Predicted positives over samples; for abstention, the coverage."""
        return ratio(self.tp + self.fp, np.full(len(self), self.n))

    def precision(self) -> GroupSums:
        """tp out of tp + fp."""
        a, f = self.tp, self.fp
        return GroupSums(a, a + f, self.aa, self.aa + self.af, self.aa + 2 * self.af + self.ff, self.touched)

    def recall(self) -> GroupSums:
        """tp out of all truths: Σa / (positives + missed)."""
        same = np.ones(len(self))
        return GroupSums(
            self.tp, self.truths * same, self.aa, self.aq, self.qq * same, self.groups_with_positives * same
        )

    def precision_bounds(self, confidence: float) -> tuple[Floats, Floats]:
        """(lower, upper), each one-sided at ``confidence``; NaN where nothing is predicted positive."""
        return self.precision().bounds(confidence, grouped=self.grouped)

    def recall_bounds(self, confidence: float) -> tuple[Floats, Floats]:
        """(lower, upper), each one-sided at ``confidence``; NaN without truths, or where they are unknown."""
        return self.recall().bounds(confidence, grouped=self.grouped)

    def false_positives_bounds(self, confidence: float) -> tuple[Floats, Floats]:
        """(lower, upper) of false positives per group, one-sided: for independent samples Clopper–Pearson.

        For groups Garwood's Poisson bound with events and groups over the dispersion (variance over mean of the counts,
        at least 1), taken with one group more that has as many as the average false positive has around it.
        """
        groups = np.full(len(self), self.groups)
        if not self.grouped:
            return clopper_pearson(self.fp, groups, confidence)
        around = np.maximum(ratio(self.ff, self.fp, 1.0), 1.0)
        mean = (self.fp + around) / (groups + 1)
        dispersion = np.maximum((self.ff + around**2) / (groups + 1) / mean - mean, 1.0)
        events, exposure = self.fp / dispersion, groups / dispersion
        return poisson_bounds(events, exposure, confidence)

    def at(self, index: Ints | NDArray[np.bool_]) -> "Counts":
        """The thresholds that an index array or a mask picks."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        some: dict[str, Any] = {name: all_[index] for name, all_ in held.items() if isinstance(all_, np.ndarray)}
        return replace(self, **some)


def count_at(
    thresholds: Floats, score: Floats, outcome: Floats, group: Ints | None = None, n: Floats | None = None,
    missed: Ints | None = NO_MISSED, images: Ints | None = None,
) -> Counts:  # fmt: skip
    """Counts at thresholds in rising order. ``score`` (N,) in [0, 1], ``outcome`` (N,) 0 or 1, ``group`` (N,) codes of
    what belongs together, negative where a sample stands alone; None: all do. With ``n`` (N,) rows are pre-counted and
    outcomes shares: samples of a row belong together. ``missed`` (K,) holds the group, as in ``group``, of each positive
    that no sample stands for, such as an object without a detection; None: nobody knows them. ``images`` (M,) holds the codes
    of all groups there are, over which false positives per group are then; None: those with a sample. One pass.

    Raises ValueError on other shapes or values, and when there are no samples.

    >>> counts = count_at(np.array([0.0, 0.5]), np.array([0.2, 0.6, 0.9]), np.array([0.0, 0.0, 1.0]))
    >>> counts.tp.tolist(), counts.fp.tolist(), counts.precision().rate.round(3).tolist()
    ([1.0, 1.0], [2.0, 1.0], [0.333, 0.5])
    >>> found = count_at(np.array([0.5]), np.array([0.2, 0.9]), np.array([0.0, 1.0]), missed=np.array([-1, -1, -1]))
    >>> found.recall().rate.tolist()
    [0.25]
    """
    _check(thresholds, score, outcome, group, n)
    beyond = NO_MISSED if missed is None else missed
    units, of_missed = np.split(_units(group, len(score), beyond), [len(score)])
    count = int(max(units.max(), of_missed.max(initial=0))) + 1
    grouped = n is not None or count < len(score) + len(beyond)
    weight = np.ones(len(score)) if n is None else n
    hits = weight * outcome
    order = np.argsort(-score, kind="stable")
    falling = -score[order]
    ends = np.searchsorted(falling, -thresholds, side="right")  # samples with score >= t
    all_from, true, total = (
        np.concatenate([[0.0], np.cumsum(column[order])]) for column in (weight, hits, weight * score)
    )
    tp = true[ends]
    fp = all_from[ends] - tp
    positives = float(true[-1])
    own = totals(units, hits, count) + np.bincount(of_missed, minlength=count)
    aa, af, ff, aq, touched = tp, np.zeros(tp.size), fp, tp, ends.astype(np.float64)  # of samples that stand alone
    if grouped:
        aa, af, ff, aq, touched = _group_sums(ends, order, units, hits, weight - hits, own)
    return Counts(
        threshold=thresholds, tp=tp, fp=fp, aa=aa, af=af, ff=ff, aq=aq, touched=touched, score=total[ends],
        positives=positives, negatives=float(all_from[-1]) - positives, qq=float(np.sum(own**2)),
        groups_with_positives=float(np.count_nonzero(own)), groups=float(_count_groups(units, group, beyond, images)),
        grouped=grouped, missed=np.nan if missed is None else float(len(beyond)),
    )  # fmt: skip


def _group_sums(ends: Ints, order: Ints, units: Ints, hits: Floats, misses: Floats, own: Floats) -> Floats:
    """(5, thresholds): Σa², Σaf, Σf², Σaq and touched groups, from the highest threshold down."""
    a, f = np.zeros(own.size), np.zeros(own.size)
    running = np.zeros(5)
    found = np.empty((5, ends.size))
    before = 0
    for index in range(ends.size - 1, -1, -1):
        rows = order[before : ends[index]]
        before = int(ends[index])
        if rows.size:
            unit, inverse = np.unique(units[rows], return_inverse=True)
            more_a = np.bincount(inverse, weights=hits[rows], minlength=unit.size)
            more_f = np.bincount(inverse, weights=misses[rows], minlength=unit.size)
            old_a, old_f = a[unit], f[unit]
            new_a, new_f = old_a + more_a, old_f + more_f
            added = (
                np.sum(new_a**2 - old_a**2), np.sum(new_a * new_f - old_a * old_f), np.sum(new_f**2 - old_f**2),
                np.sum(more_a * own[unit]), np.count_nonzero(old_a + old_f == 0),
            )  # fmt: skip
            running += np.array(added, dtype=np.float64)
            a[unit], f[unit] = new_a, new_f
        found[:, index] = running
    return found


def _count_groups(units: Ints, group: Ints | None, missed: Ints, images: Ints | None) -> int:
    """Groups with a sample; with ``images`` all there are, and what stands alone beside them."""
    if images is None:
        return int(np.unique(units).size)
    seen = np.concatenate([np.full(len(units), -1) if group is None else group, missed])
    return int(np.union1d(images, seen[seen >= 0]).size + np.count_nonzero(seen < 0))


def _units(group: Ints | None, rows: int, missed: Ints) -> Ints:
    """(rows + missed,) codes 0..G−1 of what is independent: the group, or a sample or a miss itself where it has none."""
    if group is None and not len(missed):
        return np.arange(rows, dtype=np.int64)
    given = np.concatenate([np.full(rows, -1) if group is None else group, missed])
    codes = np.where(given < 0, np.arange(given.size) + int(given.max(initial=0)) + 1, given)
    _, units = np.unique(codes, return_inverse=True)
    return np.asarray(units, dtype=np.int64).reshape(-1)


def _check(thresholds: Floats, score: Floats, outcome: Floats, group: Ints | None, n: Floats | None) -> None:
    if score.ndim != 1 or score.size == 0 or outcome.shape != score.shape:
        raise ValueError(f"score and outcome must have equal lengths above 0 (got {score.shape} and {outcome.shape})")
    if group is not None and group.shape != score.shape:
        raise ValueError(f"group must have one code per score, {score.size} (got shape {group.shape})")
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("scores must lie in [0, 1] (got one outside, or NaN)")
    if n is None and not ((outcome == 0) | (outcome == 1)).all():
        raise ValueError("outcomes must be 0 or 1")
    if n is not None and not (n.shape == score.shape and (n >= 1).all() and ((outcome >= 0) & (outcome <= 1)).all()):
        raise ValueError("pre-counted rows need an n of at least 1 each, and outcomes that are shares in [0, 1]")
    if thresholds.size == 0 or (np.diff(thresholds) <= 0).any():
        raise ValueError("thresholds must rise, and there must be one")
