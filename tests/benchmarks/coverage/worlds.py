"""Simulated slices whose true errors are known: traffic, how samples depend on each other, and how outcomes follow."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from monitor.statistics.cells import SCORE_BINS, bin_of, score_bin_of

Floats = NDArray[np.float64]
Rate = Callable[[Floats, "Traffic"], Floats]  # logit of the score → probability of the event


@dataclass(frozen=True, slots=True)
class Traffic:
    """Logit scores are Normal(mean, spread²). ``off_bin`` is the score bin the truth "one bin" moves by ``off_by``."""

    name: str
    mean: float
    spread: float
    threshold: float  # of precision and recall
    off_bin: int
    off_by: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """``clip`` frames follow one another. Their logits share all but ``within`` of the spread; each outcome takes the
    clip's own draw with probability ``shared``, so the rate given the score is the same whatever the grouping."""

    name: str
    clip: int
    within: float
    shared: float


@dataclass(frozen=True, slots=True)
class Truth:
    name: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class World:
    """``samples`` per slice; with few clips as many as make ``samples // clip`` whole clips."""

    traffic: Traffic
    grouping: Grouping
    truth: Truth
    samples: int

    @property
    def title(self) -> str:
        return f"{self.traffic.name}, {self.grouping.name}, {self.truth.name}, {self.samples}"

    @property
    def clips(self) -> int:
        return max(self.samples // self.grouping.clip, 1)

    @property
    def surprising_groups(self) -> float:
        """G·E[r(1 − r)]: groups expected to show the less likely outcome, if each shared one."""
        logit = _quantiles(self.traffic, 10_000)
        rate = self.truth.rate(logit, self.traffic)
        return self.clips * float((rate * (1 - rate)).mean())

    def draw(self, rng: np.random.Generator, slices: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Scores, outcomes and group labels of ``slices`` slices, each of shape (slices, clips, frames)."""
        frames, within = self.grouping.clip, self.grouping.within
        shape = (slices, self.clips, frames)
        between = np.sqrt(self.traffic.spread**2 - within**2)
        centre = rng.normal(self.traffic.mean, between, (slices, self.clips, 1))
        logit = centre + within * rng.standard_normal(shape) if within else np.broadcast_to(centre, shape).copy()
        fate = rng.random(shape)
        if self.grouping.shared:
            together = rng.random(shape) < self.grouping.shared
            fate = np.where(together, rng.random((slices, self.clips, 1)), fate)
        outcome = (fate < self.truth.rate(logit, self.traffic)).astype(np.float64)
        group = np.broadcast_to(np.arange(slices * self.clips).reshape(slices, self.clips, 1), shape)
        return expit(logit), outcome, group


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is true of a world: binned errors, gap, rate per score bin, precision and recall at the threshold."""

    ece: float
    ece_squared: float
    gap: float
    rate: Floats  # (15,), NaN where no score falls
    precision: float
    recall: float


def _quantiles(traffic: Traffic, points: int) -> Floats:
    logit: Floats = norm.ppf((np.arange(points) + 0.5) / points) * traffic.spread + traffic.mean
    return logit


def known(world: World, points: int = 400_000) -> Known:
    """By quadrature at the quantiles of the scores; the error of a figure is below 1e-5."""
    traffic = world.traffic
    logit = _quantiles(traffic, points)
    score, rate = expit(logit), world.truth.rate(logit, traffic)
    bins = score_bin_of(bin_of(score))
    count = np.bincount(bins, minlength=SCORE_BINS)
    residual = np.bincount(bins, weights=score - rate, minlength=SCORE_BINS) / points
    share = np.where(count > 0, count, 1) / points
    above = score >= traffic.threshold
    return Known(
        ece=float(np.abs(residual).sum()),
        ece_squared=float((residual**2 / share).sum()),
        gap=float(residual.sum()),
        rate=np.where(count > 0, np.bincount(bins, weights=rate, minlength=SCORE_BINS) / points / share, np.nan),
        precision=float(rate[above].mean()),
        recall=float(rate[above].sum() / rate.sum()),
    )


def _one_bin(logit: Floats, traffic: Traffic) -> Floats:
    score = expit(logit)
    inside = score_bin_of(bin_of(score.ravel())).reshape(score.shape) == traffic.off_bin
    moved: Floats = np.clip(np.where(inside, score + traffic.off_by, score), 0.0, 1.0)
    return moved


TRAFFIC = (
    Traffic("usual scores", 0.5, 1.5, 0.5, 10, -0.2),
    Traffic("3 % positive", -4.3, 1.4, 0.2, 1, 0.1),
    Traffic("saturated", 0.5, 10.0, 0.5, 14, -0.03),
)
GROUPINGS = (
    Grouping("independent", 1, 0.0, 0.0),
    Grouping("clips of 8, loose", 8, 0.5, 0.5),
    Grouping("clips of 8, one outcome", 8, 0.2, 1.0),
)
FEW = (Grouping("20 clips of 8, loose", 8, 0.5, 0.5), Grouping("20 clips of 8, one outcome", 8, 0.2, 1.0))
LONG = (Grouping("20 clips of 50, loose", 50, 0.5, 0.5), Grouping("20 clips of 50, one outcome", 50, 0.2, 1.0))
MASKS = Grouping("20 masks of 500 pixels", 500, 1.2, 0.1)
TRUTHS = (
    Truth("calibrated", lambda logit, _: expit(logit)),
    Truth("shift -0.5", lambda logit, _: expit(logit - 0.5)),
    Truth("temperature 1.5", lambda logit, _: expit(logit / 1.5)),
    Truth("one bin", _one_bin),
)
SIZES = (200, 1_000, 10_000)


def worlds() -> list[World]:
    """All combinations of traffic, truth and size, independent and in clips, and slices of 20 clips or masks."""
    sizes = [(grouping, samples) for grouping in GROUPINGS for samples in SIZES]
    sizes += [(grouping, 160) for grouping in FEW] + [(grouping, 1_000) for grouping in LONG] + [(MASKS, 10_000)]
    return [
        World(traffic, grouping, truth, samples)
        for traffic in TRAFFIC
        for grouping, samples in sizes
        for truth in TRUTHS
    ]
