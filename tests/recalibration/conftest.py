"""Builders shared by the tests of recalibration."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from monitor.model.samples import Samples

Stream = Callable[..., Samples]
Outputs = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
CIFAR = Path(__file__).parents[1] / "data" / "netcal_cifar"


def _stream(
    rng: np.random.Generator, n: int, temperature: float = 1.0, slices: int = 1, clip: int = 1, shift: float = 0.0
) -> Samples:
    """n samples, one a second: logit p ~ N(0.5, 1.5²), P(y = 1) = sigmoid(logit(p)/temperature + shift).

    With ``clip`` > 1, so many samples in a row form a group in which outcomes depend on each other.
    """
    logit = rng.normal(0.5, 1.5, n)
    clips = np.arange(n, dtype=np.int64) // clip
    level = rng.random(n)
    if clip > 1:
        level = np.where(rng.random(n) < 0.7, rng.random(int(clips[-1]) + 1)[clips], level)
    return Samples(
        score=expit(logit),
        outcome=(level < expit(logit / temperature + shift)).astype(np.float64),
        logits=None,
        label_index=None,
        group=clips if clip > 1 else None,
        observed_at=np.arange(n, dtype=np.float64),
        slice_index=clips % slices,
    )


@pytest.fixture
def stream() -> Stream:
    return _stream


@pytest.fixture
def cifar() -> Callable[[str], Outputs]:
    """(log-probabilities (N, C), top-label score (N,), outcome (N,), label (N,)) of a network in tests/data."""

    def read(name: str) -> Outputs:
        with np.load(CIFAR / f"{name}.npz") as arrays:
            return (
                arrays["log_probability"].astype(np.float64),
                arrays["score"].astype(np.float64),
                (arrays["predicted"] == arrays["label"]).astype(np.float64),
                arrays["label"].astype(np.int64),
            )

    return read
