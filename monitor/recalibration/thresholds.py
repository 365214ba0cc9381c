"""The decision thresholds that go with a calibrator: one over all samples, and one per class where that is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from monitor.config.settings import Model
from monitor.model import Slice, ThresholdInUse
from monitor.model.reasons import NOT_HELD, Code, Reason
from monitor.model.refits import SampleSpan
from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Calibrator
from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.thresholds.choice import (
    ScoredSamples,
    ThresholdChoice,
    choose_threshold,
    find_lacking,
    is_broken,
)
from monitor.statistics.thresholds.compare import compare_thresholds
from monitor.statistics.thresholds.counts import NO_MISSED
from monitor.statistics.thresholds.curves import ThresholdCurve
from monitor.statistics.thresholds.policies import Policy, parse_policy

NAMED = 5  # classes without a threshold of their own, in a reason
_SAME = ("threshold", "kept", "confidence", "bound", "groups", "share", "best", "best_threshold", "empirical", "why")
MIN_CLASS_SAMPLES = 50  # later samples below which a class gets no threshold of its own


@dataclass(frozen=True, slots=True, eq=False)
class ChosenThreshold:
    """A chosen threshold (or the answer that none can promise it) and its trade-off curve."""

    threshold: ThresholdInUse
    curve: ThresholdCurve | None


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What tuning chose on the ``earlier`` part and proved on the ``later`` one; thresholds are of no artefact yet."""

    accepted: bool
    why: tuple[Reason, ...]
    decided: tuple[ChosenThreshold, ...] = ()
    earlier: SampleSpan | None = None
    later: SampleSpan | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Better:
    """A threshold that is to be in force, and whether it is another than before: the first there is, or a better one."""

    threshold: ChosenThreshold
    is_new: bool


def choose_thresholds(
    model: Model, scope: Slice, calibrator: Calibrator, early: Samples, late: Samples, artefact_id: str, now: datetime
) -> tuple[tuple[ChosenThreshold, ...], tuple[Reason, ...]]:
    """Thresholds for ``[model.threshold]`` with their figures on ``late``, and reasons; nothing without the section.

    ``early`` fitted the calibrator, ``late`` neither fitted nor judged it.

    A promise is chosen on ``late``, which fitted no calibrator: its statement is valid there without a further split.
    What promises nothing is chosen on ``early`` and measured on ``late``: it depends on the order of scores, which a
    monotone calibrator leaves as it was, so nothing of its fit leaks into the choice.

    Objects that no detection found at any score are missed by every threshold: recall is over all objects. Of detections that
    users matched nobody knows these: recall is unknown there, and a policy that rests on it (also `f1`) gets no threshold, with
    that reason; the figures that are known and the curve are those of ``late``.
    """
    settings = model.threshold
    if settings is None or not len(late):
        return (), ()
    policy = parse_policy(settings.policy)
    earlier, later = _scored(model, calibrator, early), _scored(model, calibrator, late)
    whole = _named(model, choose_threshold(policy, later, confidence=settings.confidence, chosen_on=earlier))
    base = ThresholdInUse(model.name, scope, policy.text, None, None, None, artefact_id, now)
    decided = [ChosenThreshold(_in_use(base, whole), whole.curve)]
    why = [whole.why]
    for per in settings.per:
        parts = list(_of_classes(model, per, calibrator, early, late))
        found: list[ChosenThreshold] = []
        few: list[str] = []
        for name, part_early, part_late in parts:
            if len(part_late) < MIN_CLASS_SAMPLES or not 0 < part_late.outcome.sum() < len(part_late):
                few.append(name)
                continue
            choice = choose_threshold(policy, part_late, confidence=settings.confidence, chosen_on=part_early)
            choice = _named(model, choice)
            found.append(ChosenThreshold(_in_use(replace(base, per=per, class_name=name), choice), choice.curve))
        decided += found
        if whole.why.code not in NOT_HELD:
            why.append(_on_classes(policy, settings.confidence, per, found, few))
    return tuple(decided), tuple(why)


def _named(model: Model, choice: ThresholdChoice) -> ThresholdChoice:
    """With what a group of samples is called, where it was measured on groups."""
    return replace(choice, why=choice.why.name_groups(model.noun))


def is_choice_due(model: Model, standing: ThresholdInUse | None, stays: tuple[str, Calibrator], late: Samples) -> bool:
    """Whether what stays in charge, (id, calibrator), needs a threshold: it has none by this policy, or on ``late`` the
    promise of ``standing`` is surely broken, its bound being on the wrong side. Where the samples cannot tell a threshold by
    the policy it is once, for the answer that there is none; one that an earlier release chose stands."""
    settings = model.threshold
    if settings is None or not len(late):
        return False
    policy = parse_policy(settings.policy)
    if standing is None or (standing.calibrator, standing.policy) != (stays[0], policy.text):
        return True
    if find_unanswerable(model) is not None:
        return False
    if not policy.is_promise or standing.threshold is None:
        return standing.threshold is None
    return is_promise_broken(model, standing, stays[1], late)


def is_promise_broken(model: Model, standing: ThresholdInUse | None, calibrator: Calibrator, late: Samples) -> bool:
    """Whether ``late`` samples surely break the promise of a threshold in force."""
    settings = model.threshold
    if settings is None or standing is None or standing.threshold is None or not len(late):
        return False
    policy = parse_policy(settings.policy)
    if not policy.is_promise or find_unanswerable(model) is not None:
        return False
    return is_broken(policy, standing.threshold, _scored(model, calibrator, late), settings.confidence)


def find_better(
    model: Model, calibrator: Calibrator, late: Samples, decided: Sequence[ChosenThreshold],
    standing: Sequence[ThresholdInUse],
) -> tuple[Better, ...]:  # fmt: skip
    """Return of each threshold in ``decided`` whether it takes the place of the ``standing`` one of its class.

    One that keeps a promise does. Of a policy that promises nothing it does where there was none, or where its utility on
    ``late``, which it was not chosen on, is better with the model's confidence; else the standing one stays.
    """
    assert model.threshold is not None
    policy, confidence = parse_policy(model.threshold.policy), model.threshold.confidence
    before = {(each.per, each.class_name): each for each in standing if each.threshold is not None}
    samples = {("", ""): _scored(model, calibrator, late)}
    for per in model.threshold.per:
        samples |= {(per, name): own for name, _, own in _of_classes(model, per, calibrator, late, late)}
    found = []
    for each in decided:
        own = each.threshold
        key = own.per, own.class_name
        old = before.get(key)
        if own.threshold is None or policy.is_promise or old is None or old.threshold is None:
            found.append(Better(each, own.threshold is not None))
            continue
        gain = compare_thresholds(policy, samples[key], own.threshold, old.threshold, confidence)
        is_better = gain.lower > 0
        found.append(Better(each if is_better else replace(each, threshold=old), is_better))
    return tuple(found)


def find_unanswerable(model: Model) -> Reason | None:
    """Why samples of the model give no threshold by its policy, however many come; None: they do, or none is asked for."""
    if model.threshold is None:
        return None
    return find_lacking(parse_policy(model.threshold.policy), _hold(model, np.empty(0), np.empty(0)))


def _scored(model: Model, calibrator: Calibrator, samples: Samples) -> ScoredSamples:
    missed = None if samples.missed is None else samples.missed.group
    held = _hold(
        model, calibrator.apply(samples.score, samples.logits), samples.outcome, samples.group, samples.n, missed
    )
    return replace(held, images=None if samples.images is None else samples.images.group)


def _hold(
    model: Model, score: Floats, outcome: Floats, group: Ints | None = None, n: Floats | None = None,
    missed: Ints | None = None,
) -> ScoredSamples:  # fmt: skip
    """Scored samples with what is known of positives that no sample stands for: their groups, none, or nothing."""
    beyond = (NO_MISSED if missed is None else missed) if model.counts_missed else None
    return ScoredSamples(score, outcome, group, n, beyond, model.task.has_negatives)


def _in_use(base: ThresholdInUse, choice: ThresholdChoice) -> ThresholdInUse:
    precision, recall, same = choice.precision, choice.recall, {name: getattr(choice, name) for name in _SAME}
    return replace(
        base, **same, samples=choice.n, precision=precision.estimate, precision_lower=precision.lower,
        precision_upper=precision.upper, recall=recall.estimate, recall_lower=recall.lower, recall_upper=recall.upper,
        fp_per_group=None if choice.over_images else choice.fp_per_group.estimate,
        fp_per_image=choice.fp_per_group.estimate if choice.over_images else None,
    )  # fmt: skip


def _of_classes(
    model: Model, per: str, calibrator: Calibrator, early: Samples, late: Samples
) -> Iterator[tuple[str, ScoredSamples, ScoredSamples]]:
    """(class, scored early, scored late) of each class that the later samples know; none where that cannot be told."""
    if per == "predicted_class":
        if early.predicted_class is None or late.predicted_class is None:
            return
        for name in np.unique(late.predicted_class[late.predicted_class != ""]).tolist():
            parts = (_of_class(part, str(name)) for part in (early, late))
            first, second = (_scored(model, calibrator, part) for part in parts)
            yield str(name), first, second
        return
    scores = [class_probabilities(calibrator, part) for part in (early, late)]
    if scores[0] is None or scores[1] is None or early.label_index is None or late.label_index is None:
        return
    for index in range(scores[1].shape[1]):
        name = model.classes[index] if index < len(model.classes) else str(index)
        yield (
            name,
            ScoredSamples(scores[0][:, index], (early.label_index == index).astype(np.float64), early.group),
            ScoredSamples(scores[1][:, index], (late.label_index == index).astype(np.float64), late.group),
        )


def _of_class(samples: Samples, name: str) -> Samples:
    """Those predicted as a class, and the misses of it."""
    own, missed = samples.subset(np.asarray(samples.predicted_class == name)), samples.missed
    return own if missed is None else replace(own, missed=missed.pick(missed.class_name == name))


def class_probabilities(calibrator: Calibrator, samples: Samples) -> Floats | None:
    """(N, C) calibrated probabilities of all classes; None where logits are missing or the calibrator works on scores."""
    if not samples.has_all_logits or samples.logits is None:
        return None
    z = calibrator.class_logits(samples.logits.astype(np.float64))
    if z is None:
        return None
    odds = np.exp(z - z.max(axis=1, keepdims=True))
    probabilities: Floats = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def _on_classes(policy: Policy, confidence: float, per: str, found: list[ChosenThreshold], few: list[str]) -> Reason:
    """What the thresholds per class say one by one, and what all of them say together."""
    if not found and not few:
        return Reason.of(Code.CLASSES_UNKNOWN, per=per)
    kept = sum(each.threshold.kept is True for each in found) if policy.is_promise else None
    return Reason.of(
        Code.CLASSES,
        per=per,
        found=len(found),
        few=len(few),
        such=few[:NAMED],
        policy=policy.text,
        kept=kept,
        confidence=confidence,
    )
