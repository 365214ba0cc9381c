"""A policy and scored samples → the threshold, what it gives with bounds, and all it was weighed against."""

from dataclasses import dataclass, field, replace

import numpy as np

from monitor.model import Code, Reason
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.thresholds.counts import NO_MISSED, Counts, bin_edges, count_at, promise_grid
from monitor.statistics.thresholds.curves import ThresholdCurve, curve_of, thin_curve
from monitor.statistics.thresholds.operating_points import minimum_cost, operating_points
from monitor.statistics.thresholds.policies import Policy
from monitor.statistics.thresholds.promise import find_promise

EXACT, GROUPED = "clopper-pearson", "clopper-pearson at the effective size of groups"


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSamples:
    """N samples with calibrated scores in [0, 1], outcomes 0 or 1, and codes of groups (negative: alone; None: all).

    With ``n`` (N,) they are pre-counted rows of so many samples each, and outcomes the shares that are positive.

    ``missed`` (K,) holds the code of the group, negative: alone, of each positive that no sample stands for, as of an
    object without a detection: recall = tp / (positives + K), with bounds clustered by group as those of the positives
    are; Fβ and cost count the K among the false negatives. Empty: every positive is a sample. None: nobody knows them,
    and so recall, F1 and the cost of a threshold are unknown. ``has_negatives`` is false where what is neither there
    nor predicted is no sample, as in detection: then there is no rate of true negatives, and no base rate. ``images`` (M,)
    holds the codes of all labelled images, over which false positives per image then are, also those without a sample.
    """

    score: Floats
    outcome: Floats
    group: Ints | None = None
    n: Floats | None = None
    missed: Ints | None = field(default_factory=lambda: NO_MISSED)
    has_negatives: bool = True
    images: Ints | None = None

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate and its one-sided bounds, each at the choice's confidence; None where unknown."""

    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """What a policy chose. Predict positive (for ``accuracy``: predict at all) when score >= ``threshold``.

    ``threshold`` is None when no threshold can promise the bound, or the samples determine none. ``kept`` is None for
    policies that promise nothing, and where it is unknown. A promise holds with ``confidence``; the bounds beside it
    are each their own statement at that confidence. ``best`` is the best confidence bound any threshold has by itself.
    """

    policy: Policy
    threshold: float | None
    kept: bool | None
    confidence: float
    bound: str  # kind of the bounds: EXACT or GROUPED
    n: int
    groups: int
    precision: Estimate = Estimate()
    recall: Estimate = Estimate()
    fp_per_group: Estimate = Estimate()
    over_images: bool = False  # groups are all labelled images, also those without a sample
    share: float | None = None  # predicted positive; for abstention the coverage
    best: float | None = None
    best_threshold: float | None = None
    empirical: float | None = None  # cost: the threshold that was cheapest in the samples; above 1: predict nothing
    why: Reason = Reason("")  # noqa: RUF009  # frozen
    curve: ThresholdCurve | None = field(default=None, compare=False)


def choose_threshold(
    policy: Policy, later: ScoredSamples, *, confidence: float = 0.95, chosen_on: ScoredSamples | None = None
) -> ThresholdChoice:
    """The threshold of ``policy``, and its precision, recall and curve on ``later``.

    A promise is made on ``later``, which must not have served to fit the calibrator: its statement is valid on the
    samples it was chosen on (see ``promises``). Every other policy chooses on ``chosen_on`` and is measured on
    ``later``; without ``chosen_on`` it is both, and the figures are a little too good. Where samples do not hold what
    the policy is about (see ``ScoredSamples``) there is no threshold, with that reason, and the curve has what is
    known. Raises ValueError on scores or outcomes out of range, and unless 0.5 <= confidence < 1.

    >>> from monitor.statistics.thresholds.policies import parse_policy
    >>> later = ScoredSamples(np.array([0.2, 0.4, 0.6, 0.9] * 50), np.array([0.0, 1.0, 0.0, 1.0] * 50))
    >>> choose_threshold(parse_policy("f1"), later).threshold
    0.4
    >>> choose_threshold(parse_policy("precision>=0.9"), later).kept
    True
    """
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0.5 and below 1 (got {confidence:g})")
    if not len(later) or (chosen_on is not None and not len(chosen_on)):
        nothing = Reason.of(Code.THRESHOLD_NO_SAMPLES)
        return ThresholdChoice(policy, None, _kept(policy, None), confidence, EXACT, 0, 0, why=nothing)
    basis = later if chosen_on is None else chosen_on
    lacks = find_lacking(policy, later, basis)
    if lacks is not None:
        return _unknown(policy, later, confidence, lacks)
    choose = _promised if policy.is_promise else _optimised
    return choose(policy, later, confidence, basis)


def find_lacking(policy: Policy, *samples: ScoredSamples) -> Reason | None:
    """Why no threshold can be told by the policy, however many such samples there are; None: it can.

    >>> from monitor.statistics.thresholds.policies import parse_policy
    >>> detections = ScoredSamples(np.array([0.9]), np.array([1.0]), missed=None, has_negatives=False)
    >>> [str(found.code) for text in ("f1", "youden") if (found := find_lacking(parse_policy(text), detections))]
    ['threshold_needs_truth', 'threshold_needs_negatives']
    >>> find_lacking(parse_policy("precision>=0.9"), detections) is None
    True
    """
    if policy.needs_negatives and not all(each.has_negatives for each in samples):
        return Reason.of(Code.THRESHOLD_NEEDS_NEGATIVES, policy=policy.text, prior=policy.prior)
    if policy.needs_recall and any(each.missed is None for each in samples):
        return Reason.of(Code.THRESHOLD_NEEDS_TRUTH, policy=policy.text)
    return None


def is_broken(policy: Policy, threshold: float, later: ScoredSamples, confidence: float) -> bool:
    """Whether samples show, with confidence, that a threshold does not keep what the policy promises.

    >>> from monitor.statistics.thresholds.policies import parse_policy
    >>> later = ScoredSamples(np.full(100, 0.9), np.array([0.0, 1.0] * 50))
    >>> is_broken(parse_policy("precision>=0.9"), 0.5, later, 0.95)
    True
    """
    counts = _counted(np.array([threshold]), later)
    if policy.kind == "fp_per_image":
        return bool(counts.false_positives_bounds(confidence)[0][0] > policy.target)
    bounds = counts.recall_bounds if policy.kind == "recall" else counts.precision_bounds
    return bool(bounds(confidence)[1][0] < policy.target)


def _counted(thresholds: Floats, later: ScoredSamples) -> Counts:
    return count_at(thresholds, later.score, later.outcome, later.group, later.n, later.missed, later.images)


def _kept(policy: Policy, threshold: float | None) -> bool | None:
    return threshold is not None if policy.is_promise else None


def _promised(policy: Policy, later: ScoredSamples, confidence: float, _: ScoredSamples) -> ThresholdChoice:
    tested = _counted(promise_grid(), later)
    found = find_promise(policy.kind, policy.target, tested, confidence)
    threshold = None if found.index is None else float(tested.threshold[found.index])
    choice = ThresholdChoice(
        policy, threshold, _kept(policy, threshold), confidence, _kind(tested), len(later), int(tested.groups),
        best=found.best, over_images=later.images is not None,
        best_threshold=None if found.best_index is None else float(tested.threshold[found.best_index]),
    )  # fmt: skip
    choice = _measured(choice, tested)
    return replace(choice, why=_on_promise(choice))


def _unknown(policy: Policy, later: ScoredSamples, confidence: float, why: Reason) -> ThresholdChoice:
    counts = _counted(bin_edges(), later)
    choice = ThresholdChoice(
        policy, None, None, confidence, _kind(counts), len(later), int(counts.groups), over_images=later.images is not None,
        why=why,
    )  # fmt: skip
    return _measured(choice, counts)


def _optimised(policy: Policy, later: ScoredSamples, confidence: float, chosen_on: ScoredSamples) -> ThresholdChoice:
    points = operating_points(
        chosen_on.score, chosen_on.outcome, n=chosen_on.n,
        missed=np.nan if chosen_on.missed is None else len(chosen_on.missed),
    )  # fmt: skip
    point = policy.choose_point(points)
    threshold = point.threshold if point is not None and point.threshold <= 1 else None
    candidates = np.union1d(bin_edges(), [] if threshold is None else [threshold])
    counts = _counted(candidates, later)
    costs = policy.weights(points) if policy.kind == "cost" else None
    cheapest = None if costs is None else minimum_cost(points, *costs)
    choice = ThresholdChoice(
        policy, threshold, None, confidence, _kind(counts), len(later), int(counts.groups),
        empirical=None if cheapest is None else cheapest.threshold, over_images=later.images is not None,
    )  # fmt: skip
    choice = _measured(choice, counts, costs)
    return replace(choice, why=_on_optimum(choice, Policy.base_rate(points)))


def _kind(counts: Counts) -> str:
    return GROUPED if counts.grouped else EXACT


def _measured(choice: ThresholdChoice, counts: Counts, costs: tuple[float, float] | None = None) -> ThresholdChoice:
    """With the figures at its threshold, and the curve over the bin edges and that threshold."""
    shown = np.isin(counts.threshold, bin_edges()) | (counts.threshold == choice.threshold)
    curve = curve_of(
        thin_curve(counts.at(shown), choice.threshold), choice.confidence, costs, over_images=choice.over_images
    )
    if choice.threshold is None:
        return replace(choice, curve=curve)
    own = counts.at(counts.threshold == choice.threshold)
    confidence = choice.confidence
    return replace(
        choice, curve=curve, share=_known(own.share),
        precision=_bounded(own.precision().rate, own.precision_bounds(confidence)),
        recall=_bounded(own.recall().rate, own.recall_bounds(confidence)),
        fp_per_group=_bounded(own.fp / own.groups, own.false_positives_bounds(confidence)),
    )  # fmt: skip


def _known(values: Floats) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None


def _bounded(estimate: Floats, bounds: tuple[Floats, Floats]) -> Estimate:
    return Estimate(_known(estimate), *(_known(bound) for bound in bounds))


def _on_promise(choice: ThresholdChoice) -> Reason:
    policy = choice.policy
    goal = {"kind": policy.kind, "target": policy.target, "confidence": choice.confidence, **_measured_on(choice)}
    if policy.kind == "fp_per_image" and choice.over_images:
        goal["labelled"] = True
    if choice.threshold is None:
        return Reason.of(Code.THRESHOLD_NOT_PROMISED, **goal, best=choice.best, best_at=choice.best_threshold)
    return Reason.of(
        Code.THRESHOLD_PROMISED, **goal, threshold=choice.threshold, figures=_figures(choice),
        coverage=(choice.share or 0.0) if policy.kind == "accuracy" else None,
    )  # fmt: skip


def _on_optimum(choice: ThresholdChoice, rate: float | None) -> Reason:
    policy = choice.policy
    if choice.threshold is None:
        return Reason.of(Code.THRESHOLD_NOT_CHOSEN, policy=policy.text)
    return Reason.of(
        Code.THRESHOLD_CHOSEN, threshold=choice.threshold, policy=policy.text, cheapest=choice.empirical, prior=policy.prior,
        rate=rate, figures=_figures(choice), **_measured_on(choice),
    )  # fmt: skip


def _measured_on(choice: ThresholdChoice) -> dict[str, int | None]:
    return {"samples": choice.n, "groups": choice.groups if choice.bound == GROUPED else None}


def _figures(choice: ThresholdChoice) -> dict[str, tuple[float | None, ...]]:
    """Estimate and bounds of what the policy is about."""
    shown = {"precision": choice.precision, "recall": choice.recall}
    if choice.policy.kind == "accuracy":
        shown = {"accuracy": choice.precision}
    if choice.policy.kind == "fp_per_image":
        shown["fp_per_labelled_image" if choice.over_images else "fp_per_image"] = choice.fp_per_group
    return {name: (bounded.estimate, bounded.lower, bounded.upper) for name, bounded in shown.items()}
