"""Simulated production: streams of scores and outcomes, quiet and drifting, with everything that makes it awkward."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Link = Callable[[Floats], Floats]

MEAN, SPREAD = 0.5, 1.5  # of logit p
CLIP = 8  # frames of one clip
RAMP = 30  # buckets a gradual drift takes


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """``score`` p and ``outcome``, each (runs, buckets, samples); score NaN where there is no labelled sample.

    ``part`` (runs, buckets, samples) is the finest slice of a sample, ``parts`` how many there are; ``group`` samples
    in a row depend on each other. The change comes at bucket ``change`` (None: never).
    """

    score: Floats
    outcome: Floats
    change: int | None
    parts: int = 1
    part: NDArray[np.int64] | None = None
    group: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """``covered``: whether the guarantee speaks of its false alarms (None for drifts); ``slow`` scales the wait,
    ``cost`` divides the runs."""

    name: str
    make: Callable[[np.random.Generator, int, int, int, int | None], Stream]
    drifts: bool
    covered: bool | None = None
    slow: int = 1
    cost: int = 1


def _same(logit: Floats) -> Floats:
    return logit


def _drawn(rng: np.random.Generator, logit: Floats, link: Link, change: int | None) -> Stream:
    """Outcomes follow ``logit`` before the change and ``link(logit)`` from it on."""
    truth = logit.copy()
    if change is not None:
        truth[:, change:] = link(logit[:, change:])
    outcome = (rng.random(logit.shape) < expit(truth)).astype(np.float64)
    return Stream(expit(logit), outcome, change)


def _plain(link: Link) -> Callable[[np.random.Generator, int, int, int, int | None], Stream]:
    def make(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
        return _drawn(rng, rng.normal(MEAN, SPREAD, (runs, buckets, samples)), link, change)

    return make


def _gradual(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
    since = np.arange(buckets - (change or 0), dtype=np.float64)
    ramp = np.minimum((since + 1) / RAMP, 1.0)[None, :, None]
    return _plain(lambda logit: logit - 0.5 * ramp)(rng, runs, buckets, samples, change)


def _seasonal(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
    """The traffic mix moves with a weekly rhythm; scores stay honest."""
    week = 1.5 * np.sin(2 * np.pi * np.arange(buckets) / 7)[None, :, None]
    return _drawn(rng, rng.normal(MEAN, SPREAD, (runs, buckets, samples)) + week, _same, change)


def _bursty(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
    """Half of the buckets are empty, the others hold between none and all of the samples."""
    stream = _plain(_same)(rng, runs, buckets, samples, change)
    share = np.where(rng.random((runs, buckets, 1)) < 0.5, 0.0, rng.random((runs, buckets, 1)) ** 2)
    return replace(stream, score=np.where(rng.random(stream.score.shape) < share, stream.score, np.nan))


def _clips(link: Link, *, alike: bool = True) -> Callable[[np.random.Generator, int, int, int, int | None], Stream]:
    """Clips; ``alike``: the frames of one have nearly one score and wholly one outcome, else each has its own."""

    def make(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
        clips = -(-samples // CLIP)
        shape = (runs, buckets, clips * CLIP)
        if not alike:
            return replace(_drawn(rng, rng.normal(MEAN, SPREAD, shape), link, change), group=CLIP)
        centre = np.repeat(rng.normal(MEAN, SPREAD, (runs, buckets, clips)), CLIP, axis=2)
        logit = centre + rng.normal(0, 0.2, shape)
        truth = logit.copy()
        if change is not None:
            truth[:, change:] = link(logit[:, change:])
        outcome = np.repeat(rng.random((runs, buckets, clips)), CLIP, axis=2) < expit(truth)
        return Stream(expit(logit), outcome.astype(np.float64), change, group=CLIP)

    return make


def _late(missing: tuple[float, float]) -> Callable[[np.random.Generator, int, int, int, int | None], Stream]:
    """Judged before labels have matured: a share of the outcomes (0, 1) has not arrived and never counts."""

    def make(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
        stream = _plain(_same)(rng, runs, buckets, samples, change)
        gone = rng.random(stream.score.shape) < np.where(stream.outcome > 0, missing[1], missing[0])
        return replace(stream, score=np.where(gone, np.nan, stream.score))

    return make


def _parts(parts: int, shares: Floats, shift: float) -> Callable[..., Stream]:
    """``parts`` finest slices with given traffic; part 0 shifts at the change."""

    def make(rng: np.random.Generator, runs: int, buckets: int, samples: int, change: int | None) -> Stream:
        part = rng.choice(parts, size=(runs, buckets, samples), p=shares)
        logit = rng.normal(MEAN, SPREAD, part.shape)
        truth = logit.copy()
        if change is not None:
            truth[:, change:] += shift * (part[:, change:] == 0)
        outcome = (rng.random(part.shape) < expit(truth)).astype(np.float64)
        return Stream(expit(logit), outcome, change, parts, part)

    return make


_TWELVE = np.concatenate([[0.09], np.full(11, 0.91 / 11)])  # 4 cameras x 3 lightings: 1 + 7 + 12 = 20 nested slices
_MANY = np.full(199, 1 / 199)

SCENARIOS = (
    Scenario("quiet", _plain(_same), False, True),
    Scenario("quiet, weekly mix", _seasonal, False, True),
    Scenario("quiet, bursty with empty buckets", _bursty, False, True),
    Scenario("quiet, clips of 8", _clips(_same), False, True),
    Scenario("quiet, clips of 8, frames of their own", _clips(_same, alike=False), False, True),
    Scenario("quiet, 30 % of labels late at random", _late((0.3, 0.3)), False, True),
    Scenario("quiet, labels late by outcome", _late((0.2, 0.4)), False, False),
    Scenario("quiet, 20 nested slices", _parts(12, _TWELVE, 0.0), False, True, cost=2),
    Scenario("quiet, 200 slices", _parts(199, _MANY, 0.0), False, True, cost=8),
    Scenario("shift -0.5", _plain(lambda logit: logit - 0.5), True),
    Scenario("shift -0.2", _plain(lambda logit: logit - 0.2), True, slow=4),
    Scenario("temperature 1.5", _plain(lambda logit: logit / 1.5), True),
    Scenario(
        "shift -0.8 above 0.8", _plain(lambda logit: np.where(logit > np.log(4), logit - 0.8, logit)), True, slow=2
    ),
    Scenario("clips of 8, shift -0.5", _clips(lambda logit: logit - 0.5), True, slow=4),
    Scenario(
        "clips of 8, frames of their own, shift -0.5", _clips(lambda logit: logit - 0.5, alike=False), True, slow=4
    ),
    Scenario("gradual to -0.5 over 30", _gradual, True, slow=2),
    Scenario("shift -0.8 in 1 of 20 nested slices", _parts(12, _TWELVE, -0.8), True, slow=4),
)


def nested(parts: int) -> list[tuple[int, NDArray[np.bool_]]]:
    """(order, which parts) of every slice: the whole, and with 12 parts 4 + 3 marginals and 12 crosses."""
    slices = [(0, np.ones(parts, dtype=np.bool_))]
    index = np.arange(parts)
    if parts == 12:
        slices += [(1, index // 3 == camera) for camera in range(4)] + [(1, index % 3 == light) for light in range(3)]
        slices += [(2, index == cross) for cross in index]
    elif parts > 1:
        slices += [(1, index == value) for value in index]
    return slices
