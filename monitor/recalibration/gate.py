"""The gate: a candidate calibrator replaces the one in use only if later samples show that it is better.

Better means: the one-sided confidence bound of the mean log-loss improvement is above 0, groups counted as clusters,
and no slice with enough samples is significantly worse, at a level corrected for the number of slices (Bonferroni).
That alone is weak on small slices: see ``apart`` for what keeps local trouble local.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.model import Slice
from monitor.model.reasons import Code, Reason
from monitor.model.samples import LabelledImages, Missed, Samples
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.calibration.metrics import measure_calibration
from monitor.statistics.calibration.reliability import reliability
from monitor.statistics.cells import Cells, Clusters
from monitor.statistics.paired_loss import Improvement, improvement, log_losses

COLUMNS = ("samples", "mean_score", "outcome_rate", "rate_lower", "rate_upper")  # of a bar, after the number of its bin


def count_bars(score: NDArray[np.float64], samples: Samples) -> tuple[tuple[float | None, ...], ...]:
    """For each of the 15 bins that holds samples its number (from 0) and COLUMNS, rounded to six digits; None = unknown.

    ``score`` (N,): what a calibrator makes of the samples' own.
    """
    held = reliability(*count_cells(score, samples))
    return tuple(
        (float(place), *(round(v, 6) if math.isfinite(v := float(held[name][0, place])) else None for name in COLUMNS))
        for place in np.flatnonzero(held["samples"][0]).tolist()
    )


def count_cells(score: NDArray[np.float64], samples: Samples) -> tuple[Cells, int, Clusters | None]:
    """Cells of the samples under other scores (N,), that it is one unit, and clusters where samples may depend."""
    n, positives = samples.n, samples.positives
    clusters = None
    if samples.are_dependent:
        clusters = Clusters.from_samples(score, None, samples.units(), n=n, positives=positives)
    return Cells.from_samples(score, n=n, positives=positives), 1, clusters


Bools = NDArray[np.bool_]

MIN_GROUPS = 20  # a variance from fewer clusters is too uncertain to promote on
MIN_SLICE_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Minimums:
    """Later samples below which nothing is judged, and those below which a slice is not."""

    samples: int = 200
    slice_samples: int = 100


MINIMUMS = Minimums()


@dataclass(frozen=True, slots=True)
class SliceImprovement:
    """The improvement in one slice; its bounds are at the confidence corrected for the number of slices judged."""

    slice: str
    improvement: Improvement


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided and on what grounds.

    ``before`` (the calibrator in use) and ``after`` (the candidate) hold ``n``, ``log_loss``, ``ece`` (plug-in, 15
    equal-width bins) and ``brier`` on the gate samples, the first two with 95 % intervals; all but n are None without
    samples. ``improvement`` is None
    when there were too few samples to judge; ``worst_slice`` is the judged slice with the lowest upper bound.
    """

    accepted: bool
    why: tuple[Reason, ...]
    before: Mapping[str, float | None] = field(default_factory=dict)
    after: Mapping[str, float | None] = field(default_factory=dict)
    improvement: Improvement | None = None
    worst_slice: SliceImprovement | None = None
    slices_judged: int = 0


def split_in_time(samples: Samples, fraction: float = 0.6) -> tuple[Samples, Samples]:
    """(fit part, gate part): the first ``fraction`` of the samples by time, and those strictly later.

    Samples at the very time of the border go to the fit part. A group with members on both sides stays in the fit part
    with its earlier members; its later members are in neither part, so that all of the gate part is later and foreign.
    Raises ValueError unless 0 < fraction < 1.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1 (got {fraction})")
    if len(samples) == 0:
        return samples, samples
    position = max(int(fraction * len(samples)), 1) - 1
    border = np.partition(samples.observed_at, position)[position]
    early = samples.observed_at <= border
    units = samples.units()
    straddling = np.isin(units, units[early])
    first, last = samples.subset(early), samples.subset(~early & ~straddling)
    if samples.group is None:
        return first, last
    for name in ("missed", "images"):
        beyond: Missed | LabelledImages | None = getattr(samples, name)
        if beyond is None:
            continue
        # a miss goes where its image went, and an image where its samples would go
        before = beyond.observed_at <= border
        with_early = np.isin(beyond.group, samples.group[early])
        first = replace(first, **{name: beyond.pick(before)})  # type: ignore[arg-type]  # each its own
        last = replace(last, **{name: beyond.pick(~before & ~with_early)})  # type: ignore[arg-type]
    return first, last


def judge_candidate(
    current: Floats,
    candidate: Floats,
    samples: Samples,
    slices: Sequence[str],
    *,
    apart: Bools | None = None,
    confidence: float = 0.95,
    needed: Minimums = MINIMUMS,
) -> Verdict:
    """Whether ``candidate`` scores may replace ``current`` scores, both (N,) on samples later than the fit window.

    ``apart`` (N,) marks samples of which the candidate was not fitted: they have no say in whether it is better on the
    whole, nor in ``before`` and ``after``, but none of their slices may become worse.

    ``slices[samples.slice_index[i]]`` is the canonical text of sample i's finest slice. Judged are these and all the
    slices around them (``camera=c1`` around ``camera=c1,lighting=night``) with at least ``needed.slice_samples`` samples
    and 5 groups. Raises ValueError when lengths, scores or slice indices do not fit.
    """
    _check(current, candidate, samples, slices)
    units = samples.units()
    own = np.ones(len(samples), dtype=np.bool_) if apart is None else ~apart
    mine = samples.subset(own)
    before, after = (_metrics(score[own], mine) for score in (current, candidate))
    n, groups = len(mine), len(np.unique(units[own]))
    missing = []
    if n < needed.samples:
        missing.append(Reason.of(Code.GATE_FEW_SAMPLES, needed=needed.samples, found=n))
    if n and groups < MIN_GROUPS:
        missing.append(Reason.of(Code.GATE_FEW_GROUPS, needed=MIN_GROUPS, found=groups))
    if missing or n == 0:
        return Verdict(False, tuple(missing) or (Reason.of(Code.GATE_NO_SAMPLES),), before, after)
    gain = log_losses(current, samples.outcome) - log_losses(candidate, samples.outcome)
    overall = improvement(gain[own], units[own], confidence, mine.n)
    judged = _slice_improvements(gain, samples, slices, confidence, needed.slice_samples)
    worse = [each for each in judged if each.improvement.upper < 0]
    accepted = overall.lower > 0 and not worse
    is_same, grouped = bool(np.array_equal(current[own], candidate[own])), samples.group is not None
    why = [_on_the_whole(overall, is_same, accepted, grouped=grouped)]
    why += [_on_slice(each, grouped=grouped) for each in worse]
    if accepted and judged:
        why.append(Reason.of(Code.GATE_NO_SLICE_WORSE, slices=len(judged), needed=needed.slice_samples))
    worst = min(judged, key=lambda each: each.improvement.upper, default=None)
    return Verdict(accepted, tuple(why), before, after, overall, worst, len(judged))


def _check(current: Floats, candidate: Floats, samples: Samples, slices: Sequence[str]) -> None:
    for name, score in (("current", current), ("candidate", candidate)):
        if score.shape != samples.score.shape:
            raise ValueError(f"{name} must have one score per sample, {len(samples)} (got shape {score.shape})")
        if not bool(np.all((score >= 0) & (score <= 1))):
            raise ValueError(f"{name} scores must lie in [0, 1] (got values outside, or NaN)")
    index = samples.slice_index
    if len(index) and not (index.min() >= 0 and index.max() < len(slices)):
        raise ValueError(f"slice_index must lie in 0..{len(slices) - 1} (got {index.min()}..{index.max()})")


def _metrics(score: Floats, samples: Samples) -> dict[str, float | None]:
    """n, and log-loss, ECE and Brier score; for the first two also the 95 % interval (``_lower``, ``_upper``)."""
    n = len(samples)
    if n == 0:
        return {"n": 0, "log_loss": None, "ece": None, "brier": None}
    found = measure_calibration(*count_cells(score, samples))
    loss = improvement(log_losses(score, samples.outcome), samples.units(), 0.975, samples.n)
    return {
        "n": n, "log_loss": loss.mean, "log_loss_lower": _known(loss.lower), "log_loss_upper": _known(loss.upper),
        "ece": _known(float(found["ece"][0])), "ece_lower": _known(float(found["ece_lower"][0])),
        "ece_upper": _known(float(found["ece_upper"][0])), "brier": _known(float(found["brier_score"][0])),
    }  # fmt: skip


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _slice_improvements(
    gain: Floats, samples: Samples, slices: Sequence[str], confidence: float, min_slice_samples: int
) -> list[SliceImprovement]:
    """The improvement of every slice with enough samples; the whole is left out, since it is judged by itself."""
    slice_index, units = samples.slice_index, samples.units()
    order = np.argsort(slice_index, kind="stable")
    rows_of = np.split(order, np.searchsorted(slice_index[order], np.arange(1, len(slices))))
    members: dict[str, list[int]] = {}
    for index in np.unique(slice_index):
        for around in Slice.parse(slices[index]).wider_slices():
            members.setdefault(around.text, []).append(int(index))
    enough: dict[str, Ints] = {}
    for name, indices in members.items():
        rows = np.concatenate([rows_of[index] for index in indices])
        if len(rows) >= max(min_slice_samples, 1) and len(np.unique(units[rows])) >= MIN_SLICE_GROUPS:
            enough[name] = rows
    corrected = 1 - (1 - confidence) / max(len(enough), 1)
    weight = np.ones(len(samples)) if samples.n is None else samples.n
    return [
        SliceImprovement(name, improvement(gain[rows], units[rows], corrected, weight[rows]))
        for name, rows in sorted(enough.items())
    ]


def _on_the_whole(overall: Improvement, same: bool, accepted: bool, *, grouped: bool) -> Reason:
    counted = _counted(overall, grouped)
    if same:
        return Reason.of(Code.GATE_SAME, **counted)
    code = Code.GATE_CHANCE
    if overall.lower > 0:
        code = Code.GATE_ACCEPTED if accepted else Code.GATE_BETTER
    elif overall.upper < 0 or overall.mean <= 0:
        code = Code.GATE_WORSE
    return Reason.of(code, mean=overall.mean, lower=overall.lower, confidence=overall.confidence, **counted)


def _counted(found: Improvement, grouped: bool) -> dict[str, int]:
    """How many samples it rests on, and where these come in groups how many of those."""
    return {"samples": found.n, **({"groups": found.groups} if grouped else {})}


def _on_slice(each: SliceImprovement, *, grouped: bool) -> Reason:
    found = each.improvement
    return Reason.of(
        Code.GATE_SLICE_WORSE,
        slice=each.slice,
        by=-found.mean,
        reach=found.upper - found.mean,
        **_counted(found, grouped),
    )
