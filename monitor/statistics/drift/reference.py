"""The reference "deployment": outcome rates as they were when a version went live, known up to a confidence band.

Drift is then judged against that curve rather than against perfect calibration. The curve is estimated, and betting
against the estimate itself raises several times the promised alarms; betting against a band that holds the whole true
curve with probability ``confidence`` keeps the promise on that event. The samples of the reference must not be judged.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainccinv, betaincinv, chdtrc, expit, gammaincinv, logit

from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.cells import FINE_BINS, LOGIT_LIMIT, Cells, fine_bin_middle, fine_bin_of
from monitor.statistics.drift.bets import DETECTOR_BINS, Tolerance, detector_bin_of

LEAST_FIT_P = 0.1  # a logistic curve that fits worse than this gives way to bins
_LEAST_VARIANCE = 3.0  # a bin with less residual variance joins its neighbour in the test of fit
_LEAST_OUTCOMES = 10.0  # of either kind, below which normal approximations of the fit are not trusted


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Bounds of logit(outcome rate) − logit(score) per fine bin, each (192,), −inf and inf where nothing is known.

    ``kind`` says which band it is, ``fit_p`` how well a logistic curve fits (None where it was not fitted), ``samples``
    how many weighed samples it rests on.
    """

    kind: Literal["logistic", "bins"]
    lower: Floats
    upper: Floats
    samples: float
    fit_p: float | None


def reference_bands(
    references: Sequence[Reference | None], cells: Cells, buckets: int, tolerance: Tolerance
) -> tuple[Floats, Floats]:
    """(lower, upper) tolerated rates (slices, buckets, 12) of slices with a reference each, for ``Block``.

    ``cells.unit`` is ``slice · buckets + bucket``. The band is taken at each cell's mean score, averaged by weight
    over the cells of a bin, and widened by the tolerance. Bins without samples, and slices without a reference, get 0
    and 1: nothing is drift there.

    >>> from monitor.statistics.cells import Cells
    >>> cells = Cells.from_samples([0.7] * 10, [1] * 10)
    >>> lower, upper = reference_bands([None], cells, 1, Tolerance())
    >>> lower.shape, float(lower.max()), float(upper.min())
    ((1, 1, 12), 0.0, 1.0)
    """
    present = cells.weight > 0
    unit, weights = cells.unit[present], cells.weight[present]
    with np.errstate(divide="ignore"):
        centre = logit(np.clip(cells.weight_score[present] / weights, 0.0, 1.0))
    centre = np.clip(centre, -LOGIT_LIMIT, LOGIT_LIMIT)
    fine, size = fine_bin_of(cells.bin[present]), len(references) * buckets * DETECTOR_BINS
    slot = unit * DETECTOR_BINS + detector_bin_of(cells.bin[present])
    weight = totals(slot, weights, size)
    unknown = np.full(FINE_BINS, np.inf)
    bounds = (
        np.array([-unknown if one is None else one.lower for one in references]).reshape(-1, FINE_BINS),
        np.array([unknown if one is None else one.upper for one in references]).reshape(-1, FINE_BINS),
    )
    sides = []
    for bound, otherwise in zip(bounds, (0.0, 1.0), strict=True):
        rate = totals(slot, weights * expit(centre + bound[unit // max(buckets, 1), fine]), size)
        mean = np.divide(rate, weight, out=np.full(size, otherwise), where=weight > 0)
        sides.append(np.clip(mean, 0.0, 1.0).reshape(len(references), buckets, DETECTOR_BINS))
    return tolerance.lower_rate(sides[0]), tolerance.upper_rate(sides[1])


def fit_fine_sums(weight: Floats, score: Floats, outcome: Floats, confidence: float = 0.99) -> Reference:
    """Return the band of one slice's curve from its first matured samples, as the sums Σw, Σwp and Σwy per fine bin (192,).

    Logistic band: logit(rate) = α + β·logit(p) by weighted maximum likelihood, ± √(χ²_{2, confidence})·sd, which holds
    at all scores at once (Scheffé). Used when a χ² test over detector bins does not find it lacking (p ≥ 0.1) and
    each outcome was seen ten times. Otherwise bins: Clopper–Pearson per detector bin with the error split over 12 bins,
    taken as an offset from the bin's mean score. Weights of 1/m per sample of a group of m make both conservative.
    Raises ValueError without samples, or unless confidence lies in (0, 1).

    >>> weight = np.zeros(FINE_BINS)
    >>> weight[96] = 100.0
    >>> fit_fine_sums(weight, weight / 2, weight / 2).kind
    'bins'
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1) (got {confidence})")
    fine = np.flatnonzero(weight > 0)
    weight, score, outcome = weight[fine], score[fine], outcome[fine]
    if not weight.size:
        raise ValueError("a reference needs labelled samples (got none)")
    with np.errstate(divide="ignore"):
        centre = np.clip(logit(np.clip(score / weight, 0, 1)), -LOGIT_LIMIT, LOGIT_LIMIT)
    column, total = detector_bin_of(fine.astype(np.int16)), float(weight.sum())
    fit_p = None
    if min(outcome.sum(), total - outcome.sum()) >= _LEAST_OUTCOMES:
        fitted = _logistic(centre, weight, outcome)
        if fitted is not None:
            fit_p = _fit_p(fitted[0], centre, weight, outcome, column)
            if fit_p >= LEAST_FIT_P:
                lower, upper = _scheffe(*fitted, confidence)
                return Reference("logistic", lower, upper, total, fit_p)
    lower, upper = _bin_offsets(column, centre, weight, outcome, confidence)
    by_fine = detector_bin_of(np.arange(FINE_BINS).astype(np.int16))
    return Reference("bins", lower[by_fine], upper[by_fine], total, fit_p)


def _logistic(centre: Floats, weight: Floats, outcome: Floats) -> tuple[Floats, Floats] | None:
    """(α, β) and their covariance by Newton's method from (0, 1); None when it does not settle (separable samples)."""
    design = np.stack([np.ones(centre.size), centre], axis=1)
    coefficient = np.array([0.0, 1.0])
    for _ in range(50):
        rate = expit(design @ coefficient)
        information = design.T @ (design * (weight * rate * (1 - rate))[:, None])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1e10:
            return None
        step = np.linalg.solve(information, design.T @ (outcome - weight * rate))
        coefficient = coefficient + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            return coefficient, np.linalg.inv(information)
    return None


def _fit_p(coefficient: Floats, centre: Floats, weight: Floats, outcome: Floats, column: Ints) -> float:
    """p-value of Σ (observed − expected)²/variance over detector bins, small bins joined; 1 with no bins to spare."""
    rate = expit(coefficient[0] + coefficient[1] * centre)
    residual = totals(column, outcome - weight * rate, DETECTOR_BINS)
    variance = totals(column, weight * rate * (1 - rate), DETECTOR_BINS)
    joined, kept = [], np.zeros(2)
    for pair in zip(residual, variance, strict=True):
        kept = kept + np.array(pair)
        if kept[1] >= _LEAST_VARIANCE:
            joined.append(kept[0] ** 2 / kept[1])
            kept = np.zeros(2)
    freedom = len(joined) - 2
    return float(chdtrc(freedom, sum(joined))) if freedom > 0 else 1.0


def _scheffe(coefficient: Floats, covariance: Floats, confidence: float) -> tuple[Floats, Floats]:
    x = logit(fine_bin_middle())
    design = np.stack([np.ones(FINE_BINS), x], axis=1)
    spread = np.sqrt(np.einsum("fi,ij,fj->f", design, covariance, design) * 2 * gammaincinv(1.0, confidence))
    offset = design @ coefficient - x
    return offset - spread, offset + spread


def _bin_offsets(
    column: Ints, centre: Floats, weight: Floats, outcome: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """Per detector bin (12,): logit of the Clopper–Pearson bounds less logit of the bin's mean score."""
    slot, tail = column, (1 - confidence) / (2 * DETECTOR_BINS)
    n, hits = totals(slot, weight, DETECTOR_BINS), totals(slot, outcome, DETECTOR_BINS)
    misses = np.maximum(n - hits, 0.0)
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-9), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betainccinv(hits + 1, np.maximum(misses, 1e-9), tail), 1.0)
    score = np.divide(totals(slot, weight * expit(centre), DETECTOR_BINS), n, out=np.full(n.size, 0.5), where=n > 0)
    with np.errstate(divide="ignore"):
        return logit(low) - logit(score), logit(high) - logit(score)


_MAGIC = b"cwd1"
_HEAD = struct.Struct("<4sI")  # magic, length of the description that follows, before the arrays


def _nothing() -> Floats:
    return np.zeros((3, FINE_BINS))


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePool:
    """One slice: ``sums`` (3, 192) Σw, Σwp, Σwy per fine bin so far; or ``reference``, once there are enough."""

    sums: Floats = field(default_factory=_nothing)
    reference: Reference | None = None

    @property
    def weight(self) -> float:
        """Weighed samples so far, or those the reference rests on."""
        return float(self.sums[0].sum()) if self.reference is None else self.reference.samples

    def to_bytes(self) -> bytes:
        """Up to 4.7 kB, little-endian: what was gathered, or the two bounds of the band."""
        if self.reference is None:
            described: dict[str, object] = {}
            arrays = self.sums
        else:
            known = self.reference
            described = {"kind": known.kind, "samples": known.samples, "fit_p": known.fit_p}
            arrays = np.stack([known.lower, known.upper])
        head = json.dumps(described).encode()
        return _HEAD.pack(_MAGIC, len(head)) + head + np.asarray(arrays, dtype="<f8").tobytes()

    @classmethod
    def from_bytes(cls, checkpoint: bytes) -> "ReferencePool":
        """The inverse of ``to_bytes``. Raises ValueError when the bytes are not of this format."""
        magic, length = _HEAD.unpack_from(checkpoint) if len(checkpoint) >= _HEAD.size else (b"", 0)
        if magic != _MAGIC:
            raise ValueError(f"not a reference checkpoint: starts with {checkpoint[:4]!r}")
        described = json.loads(checkpoint[_HEAD.size : _HEAD.size + length])
        body = np.frombuffer(checkpoint, dtype="<f8", offset=_HEAD.size + length).astype(np.float64)
        arrays = body.reshape(-1, FINE_BINS)
        if not described:
            return cls(arrays)
        kind = cast(Literal["logistic", "bins"], described["kind"])
        return cls(_nothing(), Reference(kind, arrays[0], arrays[1], described["samples"], described["fit_p"]))


def pool_reference(
    gathering: Sequence[ReferencePool], cells: Cells, buckets: int, needed: float, confidence: float = 0.99
) -> tuple[list[ReferencePool], NDArray[np.bool_]]:
    """Take buckets in order into the references of slices that have none yet.

    ``cells.unit`` is ``slice · buckets + bucket``. Returns the slices after the last bucket, and (slices, buckets) which
    buckets are to be judged: those after the one in which ``needed`` was reached.

    >>> from monitor.statistics.cells import Cells
    >>> cells = Cells.from_samples([0.2, 0.8] * 50, [0, 1] * 50, unit=np.arange(100) // 50)
    >>> found, judged = pool_reference([ReferencePool()], cells, 2, needed=40)
    >>> found[0].reference is not None, judged.tolist()
    (True, [[False, True]])
    """
    slices, width = len(gathering), max(buckets, 1)
    open_ = np.array([one.reference is None for one in gathering], dtype=np.bool_)
    row, bucket = cells.unit // width, cells.unit % width
    some = np.flatnonzero(open_[row] & (cells.weight > 0))
    weight = totals(cells.unit[some], cells.weight[some], slices * buckets).reshape(slices, buckets)
    enough = np.array([one.weight for one in gathering])[:, None] + np.cumsum(weight, axis=1) >= needed
    reached = open_ & enough.any(axis=1)
    last = np.where(~open_, -1, np.where(reached, enough.argmax(axis=1) if buckets else -1, buckets - 1))
    taken = some[bucket[some] <= last[row[some]]]
    slot = row[taken] * FINE_BINS + fine_bin_of(cells.bin[taken])
    columns = (cells.weight, cells.weight_score, cells.weight_outcome)
    news = np.stack([totals(slot, column[taken], slices * FINE_BINS).reshape(slices, FINE_BINS) for column in columns])
    found = list(gathering)
    for index in np.flatnonzero(open_).tolist():
        sums = gathering[index].sums + news[:, index]
        found[index] = ReferencePool(sums)
        if reached[index]:
            found[index] = ReferencePool(_nothing(), fit_fine_sums(sums[0], sums[1], sums[2], confidence))
    judged: NDArray[np.bool_] = np.arange(buckets)[None, :] > last[:, None]
    return found, judged
