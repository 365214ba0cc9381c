"""Which method to fit: the simplest that cross-validation in time cannot tell from the best."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitor.model.methods import METHOD_NAMES, METHODS, method_named
from monitor.model.reasons import Code, Reason
from monitor.model.samples import Samples
from monitor.recalibration.fit_cells import ON_SCORES, ByOutcome, fit_by_outcome, fit_from_cells
from monitor.recalibration.methods import Calibrator, part_of
from monitor.statistics.arrays import Floats, Ints, totals
from monitor.statistics.cells import Cells
from monitor.statistics.paired_loss import Improvement, bound_improvement, improvement, log_losses

Bools = NDArray[np.bool_]
Fit = Callable[[str, Mapping[str, Calibrator]], Calibrator]
Lose = Callable[[Calibrator], Floats]
# where every sample has logits and a true class
ON_LOGITS = tuple(method.name for method in METHODS if method.fit_logits)


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen method fitted on all the samples, why, and the cross-validated mean log-loss of each candidate."""

    calibrator: Calibrator
    why: tuple[Reason, ...]
    log_loss: Mapping[str, float] = field(default_factory=dict)


def select_calibrator(method: str, samples: Samples, *, folds: int = 5, confidence: float = 0.95) -> Selection:
    """Fit ``method``, or with ``"auto"`` the simplest candidate not significantly worse than the best.

    Candidates are ``ON_LOGITS`` where every sample has logits and its true class, else ``ON_SCORES``; each only from
    its least number of samples of each outcome or class on. Log-loss is cross-validated over
    ``folds`` contiguous blocks of time with each group in one block. "Significantly worse" is a one-sided, group-robust
    test of the paired difference at ``confidence``.

    With logits too the log-loss is that of the event "the predicted class is right", though both fits maximise the
    likelihood of the true class: this event is what readings, gate and thresholds speak of, and the likelihood would
    reward moving probability among classes that nobody predicted.

    Raises ValueError on an unknown method and, for a method asked for by name, when the samples are too few for it;
    "auto" then falls back to a simpler method and says so in its reasons.
    """
    if method not in (*METHOD_NAMES, "auto"):
        raise ValueError(f"method must be one of {', '.join(METHOD_NAMES)} or auto (got {method!r})")
    why = _note_on_logits(method, samples)
    if method != "auto":
        return Selection(_fit(method, samples, None), (*why, Reason.of(Code.METHOD_ASKED_FOR, method=method)))

    def fit(name: str, known: Mapping[str, Calibrator]) -> Calibrator:
        _require_candidate(name, samples)
        return _fit(name, samples, known.get("temperature"))

    def divide(inside: Bools) -> tuple[Fit, Lose]:
        rest, part, rows = samples.subset(~inside), samples.subset(inside), np.flatnonzero(inside)

        def lose(calibrator: Calibrator) -> Floats:
            return totals(rows, log_losses(calibrator.apply(part.score, part.logits), part.outcome), len(samples))

        return lambda name, known: _fit(name, rest, fitted[name]), lose

    fitted = _fit_each(ON_LOGITS if samples.has_all_logits else ON_SCORES, fit, why)
    losses = _cross_validate(fitted, time_folds(samples, folds), len(samples), divide, why)
    units = samples.units()
    return select_method(
        {name: fitted[name] for name in losses},
        {name: float(np.average(loss, weights=samples.n)) for name, loss in losses.items()} if len(samples) else {},
        lambda name, best: improvement(losses[name] - losses[best], units, confidence, samples.n),
        why,
    )


def select_method(
    fitted: Mapping[str, Calibrator],
    means: Mapping[str, float],
    behind: Callable[[str, str], Improvement],
    why: Sequence[Reason],
) -> Selection:
    """The first of ``fitted`` (simplest first, identity always there) not significantly behind the best mean log-loss.

    ``behind(name, best)``: by how much, and how surely, the best improves on the log-loss of ``name``.
    """
    said = list(why)
    if len(fitted) == 1:
        return Selection(fitted["identity"], (*said, Reason.of(Code.METHOD_ALONE, method="identity")))
    best = min(fitted, key=lambda name: means[name])
    for name in fitted:
        if name == best:
            said.append(Reason.of(Code.METHOD_BEST, method=name, log_loss=means[name]))
            return Selection(fitted[name], tuple(said), means)
        found = behind(name, best)
        behind_by = {"method": name, "best": best, "by": found.mean, "reach": found.mean - found.lower}
        if not found.lower > 0:
            said.append(Reason.of(Code.METHOD_SIMPLER, **behind_by))
            return Selection(fitted[name], tuple(said), means)
        said.append(Reason.of(Code.METHOD_BEHIND, **behind_by))
    raise AssertionError("the best candidate is among those fitted")


def _fit(method: str, samples: Samples, near: Calibrator | None) -> Calibrator:
    """Fitted on all samples; ``near`` is a calibrator that may be nearly right, and only saves time."""
    own = method_named(method)
    fitted: Calibrator
    if own.fit_logits and samples.has_all_logits:
        fitted = part_of(own.fit_logits)(samples.logits, samples.label_index, start=near)
    elif own.fit:
        fitted = part_of(own.fit)(samples.score, samples.outcome, samples.n, start=near)
    else:
        why = f": {samples.about_logits.said}" if samples.about_logits.said else ""
        raise ValueError(f"{own.title or method} needs logits and the true class of every sample{why}")
    return fitted


def _note_on_logits(method: str, samples: Samples) -> list[Reason]:
    """Why what could be fitted on logits is fitted on scores; nothing for methods that are of one kind alone."""
    able = [each.name for each in METHODS if each.fit and each.fit_logits and each.name != "identity"]
    if method not in (*able, "auto"):
        return []
    if samples.about_logits.said:
        return [Reason.of(Code.LOGITS, text=samples.about_logits.said)]
    if samples.logits is None or samples.has_all_logits:
        return []
    if samples.label_index is None:
        return [Reason.of(Code.LOGITS_WITHOUT_CLASS, methods=able)]
    lacking = int(np.isnan(samples.logits).any(axis=1).sum())
    return [Reason.of(Code.LOGITS_LACKING, methods=able, lacking=lacking, samples=len(samples))]


def _require_candidate(method: str, samples: Samples) -> None:
    positives = float(samples.outcome.sum())  # a pre-counted row counts once
    require_outcomes(method, positives, len(samples) - positives)
    least = method_named(method).least_each_class
    if least and samples.logits is not None and samples.label_index is not None:
        count = np.bincount(samples.label_index, minlength=samples.logits.shape[1])
        if count.min() < least:
            raise ValueError(f"{count.min():,} rows of class {int(count.argmin())}, needs {least} of each class")


def require_outcomes(method: str, positives: float, negatives: float) -> None:
    """Raises ValueError, as "412 positives, needs 1,000", where the method would overfit so few samples."""
    least = method_named(method).least_each_outcome
    for count, name in ((positives, "positives"), (negatives, "negatives")):
        if count < least:
            raise ValueError(f"{count:,.0f} {name}, needs {least:,}")


def time_folds(samples: Samples, folds: int) -> Ints:
    """(N,) fold of each sample: contiguous blocks of time, about equally many samples each, groups never divided.

    A group belongs to the time of its first sample. There may be fewer folds than asked for when groups are few.
    """
    units = samples.units()
    count = int(units.max()) + 1 if len(units) else 0
    first_seen = np.full(count, np.inf)
    np.minimum.at(first_seen, units, samples.observed_at)
    order = np.argsort(first_seen, kind="stable")
    size = np.bincount(units, minlength=count)[order]
    fold_of_unit = np.empty(count, dtype=np.int64)
    fold_of_unit[order] = _folds(size.astype(np.float64), folds)
    return fold_of_unit[units]


def _fit_each(names: Iterable[str], fit: Fit, why: list[Reason]) -> dict[str, Calibrator]:
    """Fit what can be fitted, given what is fitted already; ``why`` is told of what cannot."""
    fitted: dict[str, Calibrator] = {}
    for name in names:
        try:
            fitted[name] = fit(name, fitted)
        except ValueError as missing:
            why.append(Reason.of(Code.METHOD_UNFIT, method=name, problem=str(missing)))
    return fitted


def _cross_validate(
    names: Iterable[str], fold: Ints, size: int, divide: Callable[[Bools], tuple[Fit, Lose]], why: list[Reason]
) -> dict[str, Floats]:
    """Method → (size,) log-loss of each sample, or of each bucket, under the method fitted on the other folds. ``divide``: how
    to fit on what is outside of a fold, and the losses of what is inside, 0 elsewhere; ``why`` is told of what cannot be
    fitted."""
    losses = {name: np.zeros(size) for name in names}
    for held_out in np.unique(fold):
        fit, lose = divide(fold == held_out)
        fitted = _fit_each(losses, fit, why)
        losses = {name: losses[name] + lose(calibrator) for name, calibrator in fitted.items()}
    return losses


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


def select_calibrator_from_cells(method: str, cells: Cells, *, folds: int = 5, confidence: float = 0.95) -> Selection:
    """As ``selection.select`` on scores, from cells whose units are time buckets, numbered in the order of time.

    Folds are contiguous blocks of buckets with about equally many samples. The buckets are also the clusters of the
    significance test, so it holds under any dependence inside a bucket; groups that straddle buckets are not covered.
    A cell's log-loss is that of the rows which stand for its positives and its negatives. "auto" keeps identity when there
    are fewer than 20 buckets. Raises ValueError on an unknown method and, for one asked for by name, as
    ``fit_from_cells``.
    """
    if method != "auto":
        return Selection(fit_from_cells(method, cells), (Reason.of(Code.METHOD_ASKED_FOR, method=method),))
    units, codes = np.unique(cells.unit, return_inverse=True)
    parts = ByOutcome.of(cells)
    why: list[Reason] = []
    count = np.bincount(codes, weights=cells.n).astype(np.float64)

    def fit(name: str, known: Mapping[str, Calibrator]) -> Calibrator:
        require_outcomes(name, float(cells.outcome.sum()), float((cells.n - cells.outcome).sum()))
        return fit_by_outcome(name, parts)

    def divide(inside: Bools) -> tuple[Fit, Lose]:
        rest = parts.subset(~inside).pool()
        score, outcome, n, cell = parts.subset(inside).rows()
        unit = codes[inside][cell]
        return (
            lambda name, known: fit_by_outcome(name, rest),
            lambda calibrator: totals(unit, n * log_losses(calibrator.apply(score), outcome), len(count)),
        )

    fitted = _fit_each(ON_SCORES, fit, why)
    if len(fitted) > 1 and len(units) < MIN_UNITS:
        few = Reason.of(Code.METHOD_FEW_BUCKETS, method="identity", needed=MIN_UNITS, found=len(units))
        return Selection(fitted["identity"], (*why, few))
    losses = _cross_validate(fitted, _folds(count, folds)[codes], len(count), divide, why)
    return select_method(
        {name: fitted[name] for name in losses},
        {name: float(loss.sum() / count.sum()) for name, loss in losses.items()} if len(cells) else {},
        lambda name, best: _improvement(losses[name] - losses[best], count, confidence),
        why,
    )


def _folds(count: Floats, folds: int) -> Ints:
    """(units,) fold of each bucket or group, in the order of time, by the samples before its middle."""
    middle = np.cumsum(count) - count / 2
    fold: Ints = np.floor(middle * folds / max(count.sum(), 1.0)).astype(np.int64)
    return fold


def _improvement(gain: Floats, count: Floats, confidence: float) -> Improvement:
    """As ``improvement``, from the sum of gains and the number of samples of each cluster (units,)."""
    n = float(count.sum())
    mean = float(gain.sum()) / n
    return bound_improvement(mean, gain - mean * count, n, confidence, int(n))
