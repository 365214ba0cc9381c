"""Threshold policies as people write them: what a decision threshold is to optimise, or to promise."""

import math
import re
from dataclasses import dataclass

from monitor.statistics.thresholds.operating_points import (
    OperatingPoint,
    OperatingPoints,
    best_fbeta,
    cost_threshold,
    youden,
)

PROMISES = ("precision", "recall", "fp_per_image", "accuracy")
ALLOWED = (
    '"f1", "fbeta:BETA", "youden", "cost:fp=COST,fn=COST" with ",prior=RATE" where the base rate in use differs, '
    '"precision>=P", "recall>=R", "accuracy>=A" or "fp_per_image<=X"'
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed threshold policy; ``text`` is what was written."""

    text: str
    kind: str  # "fbeta" | "youden" | "cost", or one of PROMISES
    beta: float = 1.0  # fbeta
    fp: float = 1.0  # cost
    fn: float = 1.0  # cost
    prior: float | None = None  # cost: rate of positives where the threshold will be used; None: as in the samples
    target: float = math.nan  # of a promise

    @property
    def is_promise(self) -> bool:
        """Whether the policy is a bound to be kept with confidence, and not something to be optimised."""
        return self.kind in PROMISES

    @property
    def needs_recall(self) -> bool:
        """Whether it cannot be told without all positives, also those that no sample stands for."""
        return self.kind in ("fbeta", "recall")

    @property
    def needs_negatives(self) -> bool:
        """Whether it cannot be told without true negatives: a rate of them, or the base rate that they make up."""
        return self.kind == "youden" or self.prior is not None

    def choose_point(self, points: OperatingPoints) -> OperatingPoint | None:
        """The operating point it takes; None when the samples do not determine one.

        ``cost`` takes the threshold of ``cost_threshold``, right for calibrated scores: positives that no sample stands
        for cost the same at every threshold, so they have no say. Raises ValueError for a promise: no single point can
        show that it is kept, see ``promises``.
        """
        if self.kind == "fbeta":
            return best_fbeta(points, self.beta)
        if self.kind == "youden":
            return youden(points)
        if self.kind == "cost":
            return self._at_equal_cost(points)
        raise ValueError(f"{self.text} is a promise: choose_threshold finds its threshold")

    def _at_equal_cost(self, points: OperatingPoints) -> OperatingPoint | None:
        rate = self.base_rate(points)
        if self.prior is None:
            return points.at(cost_threshold(self.fp, self.fn))
        return None if rate is None else points.at(cost_threshold(self.fp, self.fn, rate=rate, prior=self.prior))

    @staticmethod
    def base_rate(points: OperatingPoints) -> float | None:
        """Rate of positives in the samples; None unless there are both."""
        positives, negatives = float(points.tp[-1]), float(points.fp[-1])
        return positives / (positives + negatives) if positives and negatives else None

    def weights(self, points: OperatingPoints) -> tuple[float, float]:
        """What a false positive and a false negative of the samples cost: with ``prior``, reweighted to that rate."""
        rate = self.base_rate(points)
        if self.prior is None or rate is None:
            return self.fp, self.fn
        return self.fp * (1 - self.prior) / (1 - rate), self.fn * self.prior / rate


_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_FBETA = re.compile(rf"fbeta:({_NUMBER})")
_COST = re.compile(rf"cost:fp=({_NUMBER}),fn=({_NUMBER})(?:,prior=({_NUMBER}))?")
_PROMISE = re.compile(rf"(precision|recall|accuracy)>=({_NUMBER})|(fp_per_image)<=({_NUMBER})")


def parse_policy(text: str) -> Policy:
    """The policy a text names, such as ``"f1"``, ``"cost:fp=1,fn=4"`` or ``"precision>=0.95"``.

    Raises ValueError, saying what is allowed.

    >>> parse_policy("cost:fp=1,fn=4").fn, parse_policy("precision>=0.95").target
    (4.0, 0.95)
    """
    policy = _parsed(text)
    if policy is None:
        raise ValueError(
            f"threshold policy must be {ALLOWED}; BETA, COST and X above 0, the others between 0 and 1 (got {text!r})"
        )
    return policy


def policy_kind(text: str) -> str:
    """Return the kind of the policy a text names; "" where it names none.

    >>> policy_kind("precision>=0.95"), policy_kind("best")
    ('precision', '')
    """
    policy = _parsed(text)
    return policy.kind if policy else ""


def promised_rate(text: str) -> tuple[str, float] | None:
    """Return which rate of a trade-off curve a policy promises, and how much: ``("precision", 0.95)``; the accuracy among
    the kept is called precision there. None where it promises none.

    >>> promised_rate("accuracy>=0.9"), promised_rate("f1")
    (('precision', 0.9), None)
    """
    policy = _parsed(text)
    if policy is None or policy.kind not in ("precision", "recall", "accuracy"):
        return None
    return "recall" if policy.kind == "recall" else "precision", policy.target


def _parsed(text: str) -> Policy | None:
    if text == "f1":
        return Policy(text, "fbeta")
    if text == "youden":
        return Policy(text, "youden")
    if (match := _FBETA.fullmatch(text)) and float(match[1]) > 0:
        return Policy(text, "fbeta", beta=float(match[1]))
    if match := _COST.fullmatch(text):
        fp, fn = float(match[1]), float(match[2])
        prior = None if match[3] is None else float(match[3])
        if fp > 0 and fn > 0 and (prior is None or 0 < prior < 1):
            return Policy(text, "cost", fp=fp, fn=fn, prior=prior)
    if match := _PROMISE.fullmatch(text):
        kind, target = match[1] or match[3], float(match[2] or match[4])
        if target > 0 and (target < 1 or kind == "fp_per_image"):
            return Policy(text, kind, target=target)
    return None
