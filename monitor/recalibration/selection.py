"""Which method to fit: the simplest that cross-validation in time cannot tell from the best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from monitor.model.reasons import Code, Reason
from monitor.model.samples import Samples
from monitor.model.words import tell_reasons
from monitor.recalibration.calibrators import Beta, Calibrator, Identity, Platt, Temperature, Vector
from monitor.recalibration.fit_cells import ByOutcome, fit_by_outcome, fit_from_cells
from monitor.recalibration.fit_logits import fit_temperature_multiclass, fit_vector
from monitor.recalibration.fit_scores import fit_beta, fit_isotonic, fit_platt, fit_temperature
from monitor.statistics.cells import Cells
from monitor.statistics.paired_loss import Improvement, improvement, log_losses

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ISOTONIC_MIN_EACH_OUTCOME = 1_000  # below, isotonic regression overfits (Niculescu-Mizil & Caruana 2005)
VECTOR_MIN_EACH_CLASS = 100  # rows with that label: two parameters each
METHODS = ("identity", "temperature", "platt", "beta", "isotonic", "vector")
ON_SCORES = ("identity", "temperature", "platt", "beta", "isotonic")  # candidates of "auto", simplest first
ON_LOGITS = ("identity", "temperature", "vector")  # where every sample has logits and a true class


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen method fitted on all the samples, why, and the cross-validated mean log-loss of each candidate."""

    calibrator: Calibrator
    why: tuple[Reason, ...]
    log_loss: Mapping[str, float] = field(default_factory=dict)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return a sentence for each reason."""
        return tell_reasons(self.why)


def select(method: str, samples: Samples, *, folds: int = 5, confidence: float = 0.95) -> Selection:
    """Fit ``method``, or with ``"auto"`` the simplest candidate not significantly worse than the best.

    Candidates are ``ON_LOGITS`` where every sample has logits and its true class, else ``ON_SCORES``; isotonic only from
    1,000 outcomes of each class on, vector only from 100 rows of each class on. Log-loss is cross-validated over
    ``folds`` contiguous blocks of time with each group in one block. "Significantly worse" is a one-sided, group-robust
    test of the paired difference at ``confidence``.

    With logits too the log-loss is that of the event "the predicted class is right", though both fits maximise the
    likelihood of the true class: this event is what readings, gate and thresholds speak of, and the likelihood would
    reward moving probability among classes that nobody predicted.

    Raises ValueError on an unknown method and, for a method asked for by name, when the samples are too few for it;
    "auto" then falls back to a simpler method and says so in its reasons.
    """
    if method not in (*METHODS, "auto"):
        raise ValueError(f"method must be one of {', '.join(METHODS)} or auto (got {method!r})")
    why = _note_on_logits(samples) if method in ("temperature", "auto") else []
    if method != "auto":
        return Selection(_fit(method, samples, None), (*why, Reason.of(Code.METHOD_ASKED_FOR, method=method)))
    fitted: dict[str, Calibrator] = {}
    for name in ON_LOGITS if samples.has_all_logits else ON_SCORES:
        try:
            _require_candidate(name, samples)
            fitted[name] = _fit(name, samples, fitted.get("temperature"))
        except ValueError as missing:
            why.append(_unfit(name, missing))
    losses, unfit = _held_out_losses(fitted, samples, time_folds(samples, folds))
    why += [_unfit(name, missing) for name, missing in unfit.items()]
    units = samples.units()
    return decide(
        {name: fitted[name] for name in losses},
        {name: float(np.average(loss, weights=samples.n)) for name, loss in losses.items()} if len(samples) else {},
        lambda name, best: improvement(losses[name] - losses[best], units, confidence, samples.n),
        why,
    )


def decide(
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


def _unfit(name: str, missing: ValueError | str) -> Reason:
    return Reason.of(Code.METHOD_UNFIT, method=name, problem=str(missing))


def _fit(method: str, samples: Samples, near: Calibrator | None) -> Calibrator:
    """Fitted on all samples; ``near`` is a calibrator that may be nearly right, and only saves time."""
    if method == "identity":
        return Identity()
    if method in ("temperature", "vector") and samples.has_all_logits:
        assert samples.logits is not None
        assert samples.label_index is not None
        if method == "temperature":
            start = near.temperature if isinstance(near, Temperature) else 1.0
            return fit_temperature_multiclass(samples.logits, samples.label_index, start=start)
        known = near if isinstance(near, (Temperature, Vector)) else None
        return fit_vector(samples.logits, samples.label_index, start=known)
    if method == "vector":
        why = f": {samples.about_logits.said}" if samples.about_logits.said else ""
        raise ValueError(f"vector scaling needs logits and the true class of every sample{why}")
    return _fit_scores(method, samples, near)


def _fit_scores(method: str, samples: Samples, near: Calibrator | None) -> Calibrator:
    rows = samples.score, samples.outcome, samples.n
    match method:
        case "temperature":
            return fit_temperature(*rows, start=near if isinstance(near, Temperature) else None)
        case "platt":
            return fit_platt(*rows, start=near if isinstance(near, Platt) else None)
        case "beta":
            return fit_beta(*rows, start=near if isinstance(near, Beta) else None)
        case "isotonic":
            return fit_isotonic(*rows)
    raise AssertionError(f"no fit on scores is called {method}")


def _note_on_logits(samples: Samples) -> list[Reason]:
    if samples.about_logits.said:
        return [Reason.of(Code.LOGITS, text=samples.about_logits.said)]
    if samples.logits is None or samples.has_all_logits:
        return []
    if samples.label_index is None:
        return [Reason.of(Code.LOGITS_WITHOUT_CLASS)]
    lacking = int(np.isnan(samples.logits).any(axis=1).sum())
    return [Reason.of(Code.LOGITS_LACKING, lacking=lacking, samples=len(samples))]


def _require_candidate(name: str, samples: Samples) -> None:
    if name == "isotonic":
        positives = float(samples.outcome.sum())
        require_isotonic_outcomes(positives, len(samples) - positives)
    if name == "vector" and samples.logits is not None and samples.label_index is not None:
        count = np.bincount(samples.label_index, minlength=samples.logits.shape[1])
        if count.min() < VECTOR_MIN_EACH_CLASS:
            raise ValueError(
                f"{count.min():,} rows of class {int(count.argmin())}, needs {VECTOR_MIN_EACH_CLASS} of each class"
            )


def require_isotonic_outcomes(positives: float, negatives: float) -> None:
    """Raises ValueError, as "412 positives, needs 1,000", where isotonic regression would overfit."""
    for count, name in ((positives, "positives"), (negatives, "negatives")):
        if count < ISOTONIC_MIN_EACH_OUTCOME:
            raise ValueError(f"{count:,.0f} {name}, needs {ISOTONIC_MIN_EACH_OUTCOME:,}")


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
    middle = np.cumsum(size) - size / 2
    fold_of_unit = np.empty(count, dtype=np.int64)
    fold_of_unit[order] = np.floor(middle * folds / max(len(units), 1)).astype(np.int64)
    return fold_of_unit[units]


def _held_out_losses(
    fitted: Mapping[str, Calibrator], samples: Samples, fold: Ints
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Method → (N,) log-loss of each sample under the method fitted on the other folds; and why others cannot be."""
    losses = {name: np.empty(len(samples)) for name in fitted}
    unfit: dict[str, str] = {}
    for held_out in np.unique(fold):
        inside = fold == held_out
        rest, part = samples.subset(~inside), samples.subset(inside)
        for name in list(losses):
            try:
                calibrator = _fit(name, rest, fitted[name])
            except ValueError as missing:
                del losses[name]
                unfit[name] = str(missing)
                continue
            losses[name][inside] = log_losses(calibrator.apply(part.score, part.logits), part.outcome)
    return losses, unfit


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
        return Selection(fit_from_cells(method, cells), (Reason.of(Code.METHOD_ASKED_FOR, method=method),))
    units, codes = np.unique(cells.unit, return_inverse=True)
    parts = ByOutcome.of(cells)
    why = []
    fitted: dict[str, Calibrator] = {}
    for name in ON_SCORES:
        try:
            if name == "isotonic":
                require_isotonic_outcomes(float(cells.outcome.sum()), float((cells.n - cells.outcome).sum()))
            fitted[name] = fit_by_outcome(name, parts)
        except ValueError as missing:
            why.append(_unfit(name, missing))
    if len(fitted) > 1 and len(units) < MIN_UNITS:
        few = Reason.of(Code.METHOD_FEW_BUCKETS, method="identity", needed=MIN_UNITS, found=len(units))
        return Selection(fitted["identity"], (*why, few))
    count = np.bincount(codes, weights=cells.n).astype(np.float64)
    fold = _folds(count, folds)[codes]
    losses, unfit = _held_out_losses_of_cells(fitted, parts, codes, fold)
    why += [_unfit(name, missing) for name, missing in unfit.items()]
    return decide(
        {name: fitted[name] for name in losses},
        {name: float(loss.sum() / count.sum()) for name, loss in losses.items()} if len(cells) else {},
        lambda name, best: _improvement(losses[name] - losses[best], count, confidence),
        why,
    )


def _folds(count: Floats, folds: int) -> Ints:
    """(units,) fold of each bucket, by the samples before its middle."""
    middle = np.cumsum(count) - count / 2
    fold: Ints = np.floor(middle * folds / max(count.sum(), 1.0)).astype(np.int64)
    return fold


def _held_out_losses_of_cells(
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
