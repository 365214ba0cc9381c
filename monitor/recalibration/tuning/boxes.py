"""Operating points of a detector of boxes: what was logged is looked at, NMS IoU and score are chosen together, and told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from monitor.config.boxes import Matching
from monitor.config.settings import Model
from monitor.model import ThresholdInUse
from monitor.model.reasons import Code, Reason
from monitor.model.refits import SampleSpan
from monitor.recalibration.calibrators import Calibrator
from monitor.recalibration.thresholds import Choice, ChosenThreshold
from monitor.recalibration.tuning.images import BoxInputs
from monitor.statistics.arrays import Floats
from monitor.statistics.thresholds.choice import GROUPED
from monitor.statistics.thresholds.curves import COLUMNS, ThresholdCurve
from monitor.statistics.thresholds.policies import parse_policy
from monitor.vision.labelled import LabelledBoxes, label_boxes
from monitor.vision.optima import OperatingPoint
from monitor.vision.promises import least_trials
from monitor.vision.suppression import AS_LOGGED, MOST_IOUS, Suppression, find_suppression, sweep_suppression
from monitor.vision.trade_off import draw_trade_off
from monitor.vision.tuning import TunedPoint, Tuning, tune_detector

MIN_IMAGES = 50  # labelled, earlier and later ones together
NAMED = 5  # classes in a reason
_TOLD = 12  # points with a reason of their own
_LOG_FROM = 0.05  # score from which on boxes should be logged


def matching_of(model: Model) -> Matching:
    """How the model's boxes are matched, as configured or by default."""
    return model.matching or Matching.model_validate({})


def choose_points(
    model: Model, boxes: BoxInputs, calibrator: Calibrator, standing: Sequence[ThresholdInUse], base: ThresholdInUse, cut: int
) -> Choice:  # fmt: skip
    """Choose on the first ``cut`` images, prove on the others; ``base`` is what all thresholds found have in common.

    Boxes are suppressed and matched in the order of their raw scores; thresholds are held against what ``calibrator`` makes of
    them. ``standing`` thresholds are what a policy without a promise must beat, of classes without one the boxes as logged.
    """
    settings, matching = model.threshold, matching_of(model)
    assert settings is not None
    policy = parse_policy(settings.policy)
    if policy.needs_negatives:
        lacks = Reason.of(Code.THRESHOLD_NEEDS_NEGATIVES, policy=policy.text, prior=policy.prior)
        return Choice(False, (Reason.of(Code.TUNE_UNTOLD, policy=policy.text), lacks))
    if len(boxes) < MIN_IMAGES or not 0 < cut < len(boxes):
        return Choice(False, (Reason.of(Code.TUNE_FEW_IMAGES, needed=MIN_IMAGES, found=len(boxes)),))
    needed = np.array([matching.iou_of(name) for name in boxes.classes], np.float64)[boxes.detections.category]
    log = find_suppression(boxes.detections, boxes.truths, matching.nms_iou, needed)
    nms_iou = _ious_to_try(matching.nms_iou, log)
    sweep = sweep_suppression(boxes.detections, boxes.truths, nms_iou, needed, matching.max_detections)
    score = calibrator.apply(boxes.detections.score)
    whole = label_boxes(boxes.detections, boxes.truths, boxes.images, sweep, score)
    earlier, later = whole.of_images(whole.images[:cut]), whole.of_images(whole.images[cut:])
    tuning = tune_detector(
        policy, earlier, later, confidence=settings.confidence, per_class="predicted_class" in settings.per,
        current=_in_use(standing, boxes.classes, nms_iou),
    )  # fmt: skip
    told = _Told(tuning, boxes.classes, later, replace(base, policy=policy.text, confidence=settings.confidence))
    about = _tell_log(log, matching.nms_iou, matching.iou_of(""))
    spans = _span(boxes.observed_at[:cut]), _span(boxes.observed_at[cut:])
    details = {
        "images": {"earlier": cut, "later": len(boxes) - cut},
        "log": {name: getattr(log, name) for name in ("nms_iou", "pairs", "can_be_tuned", "score_floor", "recall_ceiling")},
        "without": [told.short_of(one.category, one.missing) for one in tuning.without],
    }  # fmt: skip
    accepted = [point for point in told.points if point.accepted]
    if not accepted:
        return Choice(
            False, (told.turned_down(), *told.reasons(), *about), earlier=spans[0], later=spans[1], details=details
        )
    decided = [*told.thresholds(), *_left_standing(tuning, standing, boxes.classes)]
    verdict = Reason.of(Code.TUNE_ACCEPTED, points=len(accepted), later=len(later.images), unit="image")
    return Choice(True, (verdict, *told.reasons(), *about), tuple(decided), *spans, details=details)


def _ious_to_try(configured: Sequence[float], log: Suppression) -> tuple[float, ...]:
    """Those that are configured; as logged too where that is what production shows and none of them leaves it so."""
    if not configured:
        return (AS_LOGGED,)
    is_left = log.largest_iou is None or log.largest_iou <= max(configured)
    if log.nms_iou is None or is_left or len(configured) == MOST_IOUS:
        return tuple(configured)
    return (*configured, AS_LOGGED)


def _in_use(
    standing: Sequence[ThresholdInUse], classes: Sequence[str], nms_iou: Sequence[float]
) -> Mapping[int, OperatingPoint]:
    """The points in use by class; one whose NMS IoU is not among those that are tried is as logged in that."""
    as_logged = int(np.argmax(nms_iou))
    own = {(each.per, each.class_name): each for each in standing if each.threshold is not None}
    found: dict[int, OperatingPoint] = {}
    for category, name in enumerate(classes):
        each = own.get(("predicted_class", name), own.get(("", "")))
        if each is not None and each.threshold is not None:
            nms = nms_iou.index(each.nms_iou) if each.nms_iou in nms_iou else as_logged
            found[category] = OperatingPoint(each.threshold, nms)
    return found


def _left_standing(tuning: Tuning, standing: Sequence[ThresholdInUse], classes: Sequence[str]) -> list[ChosenThreshold]:
    """Of a policy that promises nothing: the points in use where no better one was found."""
    if tuning.policy.is_promise:
        return []
    covered = {("predicted_class", classes[c]) for point in tuning.own for c in point.categories}
    if tuning.together is not None and tuning.together.accepted:
        covered |= {("", ""), *(("predicted_class", classes[c]) for c in tuning.together.categories)}
    return [
        ChosenThreshold(each, None)
        for each in standing
        if each.threshold is not None and (each.per, each.class_name) not in covered
    ]


class _Told:
    """What was tuned, as thresholds, curves and reasons."""

    def __init__(self, tuning: Tuning, classes: Sequence[str], later: LabelledBoxes, base: ThresholdInUse) -> None:
        self._tuning, self._classes, self._later, self._base = tuning, classes, later, base
        self.points = (*tuning.own, *([tuning.together] if tuning.together else []))

    def thresholds(self) -> list[ChosenThreshold]:
        """Those that were found; of a promise that cannot be made for all others together, that there is none."""
        shown = [each for each in self.points if each.accepted or self._tuning.policy.is_promise]
        return [self._threshold(each) for each in shown]

    def reasons(self) -> tuple[Reason, ...]:
        """One for each point, the one for all others first; then the classes that have none of their own."""
        own = list(self._tuning.own)
        first = [self._tuning.together] if self._tuning.together else []
        told = [self._reason(point) for point in [*first, *own[:_TOLD]]]
        if len(own) > _TOLD:
            told.append(Reason.of(Code.POINTS_MORE, count=len(own) - _TOLD))
        lacking = [one for one in self._tuning.without if one.missing is not None]
        if self._tuning.without and self._tuning.policy.is_promise:
            nearest = sorted(lacking, key=lambda one: (one.missing or 0, one.category))
            told.append(
                Reason.of(
                    Code.POINTS_LACKING, count=len(self._tuning.without), kind=self._tuning.policy.kind,
                    lacking=[[self._classes[one.category], one.missing] for one in nearest[:NAMED]], known=len(lacking),
                    least=self._least(),
                )
            )  # fmt: skip
        return tuple(told)

    def _least(self) -> int | None:
        """How many right detections a promise of precision takes, none of them wrong."""
        policy = self._tuning.policy
        if policy.kind != "precision":
            return None
        return int(least_trials(policy.target, self._tuning.confidence, np.zeros(1))[0])

    def turned_down(self) -> Reason:
        """Why nothing is accepted."""
        policy, together = self._tuning.policy, self._tuning.together
        if policy.is_promise:
            return Reason.of(Code.TUNE_NOT_PROMISED, policy=policy.text)
        gain = together.improvement if together else None
        if gain is not None and not gain.groups:
            return Reason.of(Code.TUNE_SAME)
        if gain is None:
            return Reason.of(Code.TUNE_NOT_BETTER, policy=policy.text)
        return Reason.of(
            Code.TUNE_NOT_BETTER, policy=policy.text, mean=gain.mean, lower=gain.lower, confidence=gain.confidence
        )

    def short_of(self, category: int, missing: int | None) -> dict[str, object]:
        """A class without a point of its own, for the job's record."""
        return {"class": self._classes[category], "missing": missing}

    def _threshold(self, point: TunedPoint) -> ChosenThreshold:
        is_own = point in self._tuning.own
        precision, recall = point.precision, point.recall
        rows = np.isin(self._later.category, point.categories)
        shown = point.tp + point.fp
        found = replace(
            self._base, threshold=point.threshold, per="predicted_class" if is_own else "",
            class_name=self._classes[point.categories[0]] if is_own else "", nms_iou=_named(point.nms_iou),
            kept=point.accepted if self._tuning.policy.is_promise else None, bound=GROUPED, samples=int(rows.sum()),
            groups=len(self._later.images), precision=precision.estimate, precision_lower=precision.lower,
            precision_upper=precision.upper, recall=recall.estimate, recall_lower=recall.lower, recall_upper=recall.upper,
            share=None if point.threshold is None or not rows.any() else shown / float(rows.sum()),
            fp_per_image=point.fp_per_image.estimate, best=point.best, why=self._reason(point),
        )  # fmt: skip
        return ChosenThreshold(found, self._curve(point))

    def _curve(self, point: TunedPoint) -> ThresholdCurve | None:
        policy = self._tuning.policy
        boxes = self._later.of_categories(np.array(point.categories, np.int64))
        drawn = draw_trade_off(boxes, policy.beta, per_class=False)
        if not len(drawn):
            return None
        unknown = np.full(len(drawn), np.nan)
        known = {
            name: getattr(drawn, name) for name in ("threshold", "precision", "recall", "f1", "nms_iou", "fp_per_image")
        }
        known["share"] = (drawn.tp + drawn.fp) / max(len(boxes.image), 1)
        if policy.kind == "cost":
            known["cost"] = (policy.fp * drawn.fp + policy.fn * (drawn.objects - drawn.tp)) / len(boxes.images)
        return ThresholdCurve(**{name: known.get(name, unknown) for name in COLUMNS})

    def _reason(self, point: TunedPoint) -> Reason:
        policy, is_own = self._tuning.policy, point in self._tuning.own
        of = self._classes[point.categories[0]] if is_own else ""
        said = {
            "of": of, "classes": len(point.categories), "others": bool(self._tuning.own), "policy": policy.text,
            "kind": policy.kind, "target": policy.target if policy.is_promise else None,
            "confidence": self._tuning.confidence, "images": len(self._later.images), "nms_iou": _named(point.nms_iou),
        }  # fmt: skip
        if not policy.is_promise and point.threshold is None:
            return Reason.of(
                Code.POINT_NOT_CHOSEN, of=of, classes=len(point.categories), others=said["others"], policy=policy.text
            )
        if policy.is_promise and not point.accepted:
            return Reason.of(Code.POINT_NOT_PROMISED, **said, best=point.best, missing=point.missing)
        figures = {
            name: (held.estimate, held.lower, held.upper)
            for name, held in (
                ("precision", point.precision), ("recall", point.recall), ("fp_per_image", point.fp_per_image)
            )
        }  # fmt: skip
        known: dict[str, object] = {"threshold": point.threshold, "figures": figures}
        if policy.is_promise:
            return Reason.of(Code.POINT_PROMISED, **said, **known)
        gain = point.improvement
        better = None if gain is None else (gain.mean, gain.lower, gain.upper)
        return Reason.of(Code.POINT_CHOSEN, **said, **known, better=better, accepted=point.accepted)


def _named(nms_iou: float) -> float | None:
    """The NMS IoU to deploy; as logged is production's alone."""
    return None if nms_iou == AS_LOGGED else nms_iou


def _tell_log(log: Suppression, configured: Sequence[float], iou: float) -> tuple[Reason, ...]:
    """What was left out of the log already, and so what can be tuned and found at most."""
    said = []
    if log.nms_iou is not None:
        vain = [one for one in configured if one not in log.can_be_tuned]
        said.append(
            Reason.of(
                Code.LOG_SUPPRESSED,
                nms_iou=log.nms_iou,
                pairs=log.pairs,
                tuned=log.can_be_tuned,
                vain=vain,
                score=_LOG_FROM,
            )
        )
    if not configured:
        said.append(Reason.of(Code.SUPPRESSION_NOT_TUNED))
    if log.recall_ceiling is not None and log.score_floor is not None:
        said.append(
            Reason.of(Code.RECALL_CEILING, ceiling=log.recall_ceiling, floor=log.score_floor, iou=iou, score=_LOG_FROM)
        )
    return tuple(said)


def _span(observed_at: Floats) -> SampleSpan:
    first, last = (datetime.fromtimestamp(float(observed_at[edge]), UTC) for edge in (0, -1))
    return SampleSpan(first, last, len(observed_at))
