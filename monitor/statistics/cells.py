"""Cells and clusters: additive sums per slice and score bin, from which every metric is computed.

A *unit* is a non-negative index the caller gives to a slice (or to a slice × window, or a time bucket). Merging is
associative and commutative up to rounding, so slices and windows are sums of cells.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.statistics.arrays import Floats, Ints, concatenate_columns, expand_units, pick_rows, sum_by_key, totals

SCORE_BINS = 15
FINE_BINS = 192
FINE_PER_LOGIT = 8  # fine bins are 1/8 wide in logit
LOGIT_LIMIT = 12.0  # and clipped at ±12
LOG_LOSS_CLIP = 1e-12

Bins = NDArray[np.int16]


def _scores(score: ArrayLike) -> Floats:
    """As a one-dimensional float64 array. Raises ValueError when a score is NaN or outside [0, 1]."""
    scores = np.atleast_1d(np.asarray(score, dtype=np.float64))
    bad = ~((scores >= 0) & (scores <= 1))
    if bad.any():
        position = int(np.flatnonzero(bad)[0])
        raise ValueError(f"scores must lie in [0, 1] (got {scores[position]} at position {position})")
    return scores


def bin_of(score: ArrayLike) -> Bins:
    """The bin of each score in [0, 1]: ``score_bin * 192 + fine``, monotone in the score.

    ``score_bin = least(floor(p * 15), 14)``: the lower edge belongs to the bin, p = 1 to the last one.
    ``fine = clip(floor((ln(p / (1 - p)) + 12) * 8), 0, 191)``: p = 0 is in fine bin 0, p = 1 in 191.
    All in float64, in the order written, so that SQL can do the same; a score within 1e-15 of an edge may round to it.
    Raises ValueError on NaN or outside [0, 1].

    >>> bin_of([0.0, 0.7, 1.0]).tolist()
    [0, 2022, 2879]
    """
    scores = _scores(score)
    coarse = np.minimum(np.floor(scores * SCORE_BINS), SCORE_BINS - 1)
    with np.errstate(divide="ignore"):
        logit = np.log(scores / (1 - scores))
    fine = np.clip(np.floor((logit + LOGIT_LIMIT) * FINE_PER_LOGIT), 0, FINE_BINS - 1)
    bins: Bins = (coarse * FINE_BINS + fine).astype(np.int16)
    return bins


def score_bin_of(bin: NDArray[np.integer]) -> NDArray[np.int64]:  # noqa: A002 - the column is called bin
    """The equal-width bin, 0..14, of a cell's bin.

    >>> score_bin_of(bin_of([0.0, 0.7, 1.0])).tolist()
    [0, 10, 14]
    """
    return np.asarray(bin, dtype=np.int64) // FINE_BINS


def fine_bin_of(bin: NDArray[np.integer]) -> NDArray[np.int64]:  # noqa: A002 - the column is called bin
    """The logit bin, 0..191, of a cell's bin.

    >>> fine_bin_of(bin_of([0.0, 0.7, 1.0])).tolist()
    [0, 102, 191]
    """
    return np.asarray(bin, dtype=np.int64) % FINE_BINS


def fine_bin_middle() -> Floats:
    """The score at the logit centre of each fine bin: 192 values from 6.5e-6 to 1 − 6.5e-6.

    >>> fine_bin_middle()[[0, 95, 191]].round(6).tolist()
    [7e-06, 0.48438, 0.999993]
    """
    from scipy.special import expit  # as in ``from_samples``

    middle: Floats = expit(-LOGIT_LIMIT + (np.arange(FINE_BINS) + 0.5) / FINE_PER_LOGIT)
    return middle


def fine_edges() -> Floats:
    """The 193 scores that bound the fine bins; the outer two are 0 and 1, since logits are clipped.

    >>> fine_edges()[[0, 96, 192]].tolist()
    [0.0, 0.5, 1.0]
    """
    from scipy.special import expit  # as in ``from_samples``

    edges: Floats = expit(-LOGIT_LIMIT + np.arange(FINE_BINS + 1) / FINE_PER_LOGIT)
    edges[0], edges[-1] = 0.0, 1.0
    return edges


def _column(values: ArrayLike | None, rows: int, default: float, name: str) -> Floats:
    """``values`` as one float64 per row, or ``default`` in every row. Raises ValueError when the length differs."""
    if values is None:
        return np.full(rows, default)
    column = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if column.shape != (rows,):
        raise ValueError(f"{name} must have one value per score, {rows} (got shape {column.shape})")
    return column


def _units(unit: ArrayLike | None, rows: int) -> Ints:
    units = np.zeros(rows, np.int64) if unit is None else np.atleast_1d(np.asarray(unit, dtype=np.int64))
    if units.shape != (rows,) or (units < 0).any():
        raise ValueError(f"unit must have one index of at least 0 per score, {rows} (got shape {units.shape})")
    return units


def _counts(
    rows: int, outcome: ArrayLike | None, n: ArrayLike | None, positives: ArrayLike | None
) -> tuple[Floats, Floats]:
    """(n, positives) per row: pre-counted, or one sample per row. Raises ValueError unless 0 ≤ positives ≤ n."""
    count = _column(n, rows, 1.0, "n")
    if positives is not None:
        hits = _column(positives, rows, 0.0, "positives")
    elif outcome is not None:
        hits = count * _column(outcome, rows, 0.0, "outcome")
    else:
        raise ValueError("either outcome or positives must be given")
    if not (np.isfinite(count) & (hits >= 0) & (hits <= count)).all():
        raise ValueError("every row needs 0 <= positives <= n, or an outcome of 0 or 1 (got a row outside, or NaN)")
    return count, hits


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Sums per (unit, bin), columnar: all arrays have one entry per row, and rows with the same key may repeat.

    With score p, outcome y and weight w of a sample: ``n`` Σ1, ``score`` Σp, ``outcome`` Σy, ``score_squared`` Σp²,
    ``score_outcome`` Σpy, ``log_loss`` Σ−ln of the probability of what happened (p clipped to [1e-12, 1 − 1e-12]),
    ``weight`` Σw, ``weight_score`` Σwp, ``weight_outcome`` Σwy. All sums are float64.
    """

    unit: Ints
    bin: Bins
    n: Floats
    score: Floats
    outcome: Floats
    score_squared: Floats
    score_outcome: Floats
    log_loss: Floats
    weight: Floats
    weight_score: Floats
    weight_outcome: Floats

    def __len__(self) -> int:
        return int(self.unit.size)

    @classmethod
    def _of(cls, unit: Ints, bin: Bins, sums: Floats) -> "Cells":  # noqa: A002 - the column is called bin
        return cls(unit, bin, *sums)

    @property
    def _sums(self) -> Floats:
        return np.stack([getattr(self, name) for name in SUMS])

    @classmethod
    def from_samples(
        cls,
        score: ArrayLike,
        outcome: ArrayLike | None = None,
        *,
        unit: ArrayLike | None = None,
        n: ArrayLike | None = None,
        positives: ArrayLike | None = None,
        weight: ArrayLike | None = None,
    ) -> "Cells":
        """Merged cells of samples, or of pre-counted rows of ``n`` samples with one score, ``positives`` of them true.

        ``outcome`` (0 or 1) is ignored where ``positives`` is given. ``weight`` is that of one sample, 1 by default, so
        a row of n samples weighs n·weight. Raises ValueError on scores outside [0, 1], unequal lengths, or bad counts.
        """
        # here, since the process that tries a file would wait for it else
        from scipy.special import xlog1py, xlogy

        scores = _scores(score)
        rows = scores.size
        count, hits = _counts(rows, outcome, n, positives)
        each = _column(weight, rows, 1.0, "weight")
        clipped = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
        log_loss = -(xlogy(hits, clipped) + xlog1py(count - hits, -clipped))
        return cls(
            _units(unit, rows), bin_of(scores), count, count * scores, hits, count * scores**2, hits * scores, log_loss,
            each * count, each * count * scores, each * hits,
        ).merge()  # fmt: skip

    def merge(self) -> "Cells":
        """One row per (unit, bin), in that order."""
        stride = SCORE_BINS * FINE_BINS
        key, sums = sum_by_key(self.unit * stride + self.bin, self._sums)
        return Cells._of(key // stride, (key % stride).astype(np.int16), sums)

    def pick(self, rows: NDArray[np.bool_], unit: Ints | None = None) -> "Cells":
        """The rows that a mask picks; ``unit``, one per row before picking, takes the place of theirs."""
        return pick_rows(self if unit is None else replace(self, unit=unit), rows)

    def regroup(self, mapping: NDArray[np.int64]) -> "Cells":
        """Merged cells of other units: ``mapping`` holds (from_unit, to_unit) pairs, shape (pairs, 2).

        One source may feed many targets (a fine slice its marginals, crosses and the whole); sources that no pair
        names are left out. Raises ValueError on another shape.
        """
        rows, unit = expand_units(self.unit, mapping)
        return Cells._of(unit, self.bin[rows], self._sums[:, rows]).merge()


SUMS = tuple(name for name in Cells.__dataclass_fields__ if name not in ("unit", "bin"))  # what is added up
ALL_BINS = -1  # Clusters.score_bin of the level at which all score bins are together


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """For samples that come in groups (boxes of an image, frames of a clip): the variance that groups really have.

    Columnar, one row per (unit, level). A level is a score bin 0..14, or ``ALL_BINS`` (−1). ``squared_residual`` is
    C = Σ over groups of (Σ over the group's samples at that level of (p − y))², ``groups`` the number of groups there.

    C is kept per level rather than per cell: members of one group fall into different fine bins and different score
    bins, and sums of per-cell squares would lose the covariance between them. The score-bin level serves the binned
    errors, the all-bins level the gap. Rows may be added only where each group lies wholly within one of them.
    """

    unit: Ints
    score_bin: Bins
    squared_residual: Floats
    groups: Floats

    def __len__(self) -> int:
        return int(self.unit.size)

    @classmethod
    def from_samples(
        cls,
        score: ArrayLike,
        outcome: ArrayLike | None,
        group: ArrayLike,
        unit: ArrayLike | None = None,
        n: ArrayLike | None = None,
        positives: ArrayLike | None = None,
    ) -> "Clusters":
        """Clusters of samples or pre-counted rows; ``group`` is any sortable label. Same checks as in ``Cells``."""
        scores = _scores(score)
        count, hits = _counts(scores.size, outcome, n, positives)
        units = _units(unit, scores.size)
        labels = np.atleast_1d(np.asarray(group))
        if labels.shape != scores.shape:
            raise ValueError(f"group must have one label per score, {scores.size} (got shape {labels.shape})")
        names, codes = np.unique(labels, return_inverse=True)
        residual = (count * scores - hits)[None, :]
        levels = [score_bin_of(bin_of(scores)), np.full(scores.size, ALL_BINS, np.int64)]
        parts = []
        for level in levels:
            slot = units * (SCORE_BINS + 1) + level + 1
            key, sums = sum_by_key(slot * max(names.size, 1) + codes, residual)
            slot = key // max(names.size, 1)
            score_bin = (slot % (SCORE_BINS + 1) - 1).astype(np.int16)
            parts.append(cls(slot // (SCORE_BINS + 1), score_bin, sums[0] ** 2, np.ones(slot.size)))
        return concatenate_columns(parts).merge()

    def count_groups(self, units: int) -> Floats:
        """Return the number of groups of each unit, over all score bins; shape (units,)."""
        whole = self.score_bin == ALL_BINS
        return totals(self.unit[whole], self.groups[whole], units)

    def merge(self) -> "Clusters":
        """One row per (unit, level), in that order."""
        stride = SCORE_BINS + 1
        key, sums = sum_by_key(self.unit * stride + self.score_bin + 1, np.stack([self.squared_residual, self.groups]))
        return Clusters(key // stride, (key % stride - 1).astype(np.int16), sums[0], sums[1])
