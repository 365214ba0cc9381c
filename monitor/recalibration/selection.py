"""Which method to fit: the simplest that cross-validation in time cannot tell from the best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.recalibration.calibrators import Calibrator, Identity
from monitor.recalibration.fitting import fit_isotonic, fit_temperature, fit_temperature_multiclass
from monitor.recalibration.improvement import amount, improvement, log_losses, percent
from monitor.recalibration.samples import Samples

ISOTONIC_MIN_EACH_OUTCOME = 1_000  # below, isotonic regression overfits (Niculescu-Mizil & Caruana 2005)
METHODS = ("identity", "temperature", "isotonic")  # simplest first


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen method fitted on all the samples, why, and the cross-validated mean log-loss of each candidate."""

    calibrator: Calibrator
    reasons: tuple[str, ...]
    log_loss: Mapping[str, float] = field(default_factory=dict)


def _fit_temperature(samples: Samples) -> Calibrator:
    if samples.has_all_logits:
        assert samples.logits is not None
        assert samples.label_index is not None
        return fit_temperature_multiclass(samples.logits, samples.label_index)
    return fit_temperature(samples.score, samples.outcome)


_FIT: dict[str, Callable[[Samples], Calibrator]] = {
    "identity": lambda samples: Identity(),
    "temperature": _fit_temperature,
    "isotonic": lambda samples: fit_isotonic(samples.score, samples.outcome),
}


def select(method: str, samples: Samples, *, folds: int = 5, confidence: float = 0.95) -> Selection:
    """Fit ``method``, or with ``"auto"`` the simplest of ``METHODS`` not significantly worse than the best.

    Log-loss is cross-validated over ``folds`` contiguous blocks of time with each group in one block. "Significantly
    worse" is a one-sided, group-robust test of the paired difference at ``confidence``. Isotonic is a candidate of
    "auto" from 1,000 outcomes of each class on. Temperature is fitted on logit vectors where every sample has them.

    Raises ValueError on an unknown method and, for a method asked for by name, when the samples are too few for it;
    "auto" then falls back to a simpler method and says so in its reasons.
    """
    if method not in (*METHODS, "auto"):
        raise ValueError(f"method must be one of {', '.join(METHODS)} or auto (got {method!r})")
    reasons = _note_on_logits(samples) if method in ("temperature", "auto") else []
    if method != "auto":
        return Selection(_FIT[method](samples), (*reasons, f"{method} chosen: asked for by name"))
    losses: dict[str, NDArray[np.float64]] = {}
    fitted: dict[str, Calibrator] = {}
    fold = time_folds(samples, folds)
    for name in METHODS:
        try:
            if name == "isotonic":
                _require_isotonic_outcomes(samples)
            losses[name] = _held_out_losses(_FIT[name], samples, fold)
            fitted[name] = _FIT[name](samples)
        except ValueError as missing:
            losses.pop(name, None)
            reasons.append(f"{name} rejected: {missing}")
    if len(fitted) == 1:
        return Selection(fitted["identity"], (*reasons, "identity chosen: no other method can be fitted"))
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    best = min(means, key=lambda name: means[name])
    units = samples.units()
    for name in fitted:
        behind = improvement(losses[name] - losses[best], units, confidence)
        if name == best or not behind.lower > 0:
            reasons.append(_why_chosen(name, best, means, confidence))
            return Selection(fitted[name], tuple(reasons), means)
        reasons.append(
            f"{name} rejected: cross-validated log-loss worse than {best} by {amount(behind.mean)} "
            f"± {amount(behind.mean - behind.lower)}"
        )
    raise AssertionError("the best candidate is never worse than itself")


def _why_chosen(name: str, best: str, means: Mapping[str, float], confidence: float) -> str:
    if name == best:
        return f"{name} chosen: best cross-validated log-loss ({means[name]:.4f})"
    return (
        f"{name} chosen: cross-validated log-loss {means[name]:.4f}, not significantly worse than {best} "
        f"({means[best]:.4f}, {percent(confidence)} confidence), and simpler"
    )


def _note_on_logits(samples: Samples) -> list[str]:
    if samples.logits is None or samples.has_all_logits:
        return []
    if samples.label_index is None:
        return ["temperature is fitted on scores: logits come without the index of the true class"]
    lacking = int(np.isnan(samples.logits).any(axis=1).sum())
    return [f"temperature is fitted on scores: {lacking:,} of {len(samples):,} samples have no logits"]


def _require_isotonic_outcomes(samples: Samples) -> None:
    positives = int(samples.outcome.sum())
    for count, name in ((positives, "positives"), (len(samples) - positives, "negatives")):
        if count < ISOTONIC_MIN_EACH_OUTCOME:
            raise ValueError(f"{count:,} {name}, needs {ISOTONIC_MIN_EACH_OUTCOME:,}")


def time_folds(samples: Samples, folds: int) -> NDArray[np.int64]:
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
    fit: Callable[[Samples], Calibrator], samples: Samples, fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N,) log-loss of each sample under a calibrator fitted on the other folds; ValueError if a fit has too few."""
    losses = np.empty(len(samples))
    for held_out in np.unique(fold):
        inside = fold == held_out
        calibrator = fit(samples.subset(~inside))
        part = samples.subset(inside)
        losses[inside] = log_losses(calibrator.apply(part.score, part.logits), part.outcome)
    return losses
