"""Evidence that a promoted calibrator does worse than the one it replaced, as labels come in: a test martingale.

Null hypothesis: at every time, given all that came before, the promoted calibrator's expected log-loss on the next group
is no larger than its parent's, both with scores clipped to [0.001, 0.999]. Let d be the group's mean difference (promoted
minus parent). By score and outcome of a sample the promoted one can be better by no more than some B (``bound_gain``, from
the two calibrators alone; at most ln 999), so d ≥ −B, and for every bet b in (0, 1/B) the wealth Π(1 + b·d) is a
non-negative supermartingale under the null, and so is the mean of the wealths of several bets. By Ville's inequality it
ever reaches 1/α with probability at most α, however often one looks (Waudby-Smith & Ramdas 2024, "Estimating means of
bounded random variables by betting"; Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid inference").

Wealth multiplies over groups, so its logarithm adds up over buckets, and late labels renew the buckets they fall into.
Groups must lie within one bucket, as for drift evidence; label delays must not depend on the outcome.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from monitor.statistics.arrays import Floats, Ints
from monitor.statistics.paired_loss import log_losses

Apply = Callable[[Floats], Floats]

ALPHA = 0.01  # false rollbacks per promotion, at most
CLIP = 0.001  # of scores
BOUND = math.log((1 - CLIP) / CLIP)  # of a difference of log-losses
BETS = np.array([0.95, 0.5, 0.25, 0.1, 0.04, 0.015])  # times 1/B: large ones for blunders, small ones for a slow drain
LEAST_BOUND = 0.02  # where the two hardly differ; keeps bets finite
_SCORES = np.concatenate([[0.0, 1.0], expit(np.linspace(-40, 40, 40_001))])


@dataclass(frozen=True, slots=True)
class LossComparison:
    """What some samples say; adds up over disjoint sets of groups."""

    log_factors: tuple[float, ...]  # one per bet: by how much its log-wealth grew
    groups: int
    samples: int
    loss: float  # sum over groups of their mean log-loss difference in nats; above 0 = the promoted one is worse

    def __add__(self, other: "LossComparison") -> "LossComparison":
        factors = tuple(one + two for one, two in zip(self.log_factors, other.log_factors, strict=True))
        return LossComparison(factors, self.groups + other.groups, self.samples + other.samples, self.loss + other.loss)

    @property
    def evidence(self) -> float:
        """The e-value: mean wealth over the bets, 1 at the start; at most 1e300, to stay a number."""
        factors = np.array(self.log_factors)
        top = float(factors.max())
        return math.exp(min(top + math.log(float(np.mean(np.exp(factors - top)))), 690.0))

    @property
    def is_worse(self) -> bool:
        return self.evidence >= 1 / ALPHA


NOTHING = LossComparison((0.0,) * len(BETS), 0, 0, 0.0)


def bound_gain(promoted: Apply, parent: Apply) -> float:
    """B: by how much less log-loss the promoted one can have on a sample, over all scores and both outcomes, in nats.

    Both take scores (N,) in [0, 1] to calibrated ones; looked up on a grid that is dense in log-odds, with a margin.

    >>> round(bound_gain(lambda score: score, lambda score: 0.5 + 0 * score), 3)
    0.706
    """
    ours, theirs = (np.clip(apply(_SCORES), CLIP, 1 - CLIP) for apply in (promoted, parent))
    better = np.maximum(np.log(ours / theirs), np.log((1 - ours) / (1 - theirs)))
    return min(BOUND, max(1.02 * float(better.max()), LEAST_BOUND))


def compare_losses(
    promoted: Floats, parent: Floats, outcome: Floats, units: Ints, bound: float = BOUND, n: Floats | None = None
) -> LossComparison:
    """Compare calibrated scores (N,) in [0, 1] of the same samples; ``units`` (N,): codes of what is independent.

    ``bound``: the B of the two calibrators, the same for all that is added up. ``n`` (N,): with pre-counted rows, the
    samples in each; outcomes are then shares.

    >>> found = compare_losses(np.full(50, 0.9), np.full(50, 0.5), np.zeros(50), np.arange(50))
    >>> found.groups, round(found.loss, 2), found.is_worse
    (50, 80.47, True)
    """
    if len(outcome) == 0:
        return NOTHING
    losses = [log_losses(np.clip(score, CLIP, 1 - CLIP), outcome) for score in (promoted, parent)]
    _, codes = np.unique(units, return_inverse=True)
    codes = codes.reshape(-1)
    weight = np.ones(len(outcome)) if n is None else n
    difference = np.bincount(codes, weights=weight * (losses[0] - losses[1])) / np.bincount(codes, weights=weight)
    factors = np.log1p(BETS[:, None] / bound * np.maximum(difference, -bound)[None, :]).sum(axis=1)
    return LossComparison(tuple(factors.tolist()), len(difference), len(outcome), float(difference.sum()))
