"""One calibrator of every method, for tests that must hold for all of them."""

import numpy as np
from numpy.typing import NDArray

from monitor.recalibration.calibrators import (
    Beta,
    Calibrator,
    Identity,
    Isotonic,
    Platt,
    Temperature,
    Vector,
)

Floats = NDArray[np.float64]

EVERY_METHOD: dict[str, Calibrator] = {
    "identity": Identity(),
    "temperature": Temperature(1.7),
    "sharpening temperature": Temperature(0.3),
    "multi-class temperature": Temperature(1.7, multiclass=True),
    "platt": Platt(0.8, -0.4),
    "constant platt": Platt(0.0, 0.3),
    "beta": Beta(0.6, 1.3, 0.2),
    "one-sided beta": Beta(0.0, 1.3, 0.2),
    "isotonic": Isotonic((0.05, 0.3, 0.31, 0.7, 0.9), (0.01, 0.2, 0.45, 0.45, 0.99)),
    "isotonic of one knot": Isotonic((0.4,), (0.3,)),
    "vector": Vector((0.6, 1.4, -0.2, 1.0), (0.1, -0.5, 0.0, 0.4)),
}


def inputs(n: int = 500) -> tuple[Floats, Floats]:
    """Scores (n,) with the edges 0, 1 and tails, and logits (n, 4) with rows that overflow naively and a −∞."""
    rng = np.random.default_rng(20)
    score = rng.random(n)
    score[:10] = [0.0, 1.0, 0.5, 1e-12, 1 - 1e-12, 1e-5, 1 - 1e-5, 0.3, 0.31, 0.05]
    logits = rng.normal(0, 4, (n, 4))
    logits[0] = [700.0, -700.0, 690.0, 0.0]
    logits[1] = [1.0, -np.inf, 2.0, 0.5]
    logits[2] = [2.0, 1.0, -np.inf, 2.0]
    return score, logits
