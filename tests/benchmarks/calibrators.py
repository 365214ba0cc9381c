"""Scores per second through temperature, Platt and beta on one core, beside numpy's own exponential."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.recalibration.calibrators import Beta, Calibrator, Platt, Temperature

from .figures import Figure, apart, median, timed
from .scale import Scale

_METHODS: dict[str, Calibrator] = {
    "temperature": Temperature(1.7),
    "platt": Platt(0.8, -0.3),
    "beta": Beta(0.8, 1.2, 0.1),
}
_TARGET = 20.0  # ns per score: 50 million a second
_RUNS = 7


def measure(scale: Scale, room: Path) -> list[Figure]:
    rows = scale.scores
    figures = []
    plain = apart(nanoseconds, rows, "numpy.exp", "float64")
    for kind in ("float64", "float32"):
        for name in _METHODS:
            spent = apart(nanoseconds, rows, name, kind)
            note = f"{1000 / spent:,.0f} million a second; numpy.exp alone takes {plain / spent:.0%} of that time"
            figures.append(Figure(f"{name}, {rows:,} scores in {kind}", spent, "ns per score", _TARGET, note))
    figures.append(Figure("  numpy.exp of as many float64, in place", plain, "ns per score"))
    return figures


def nanoseconds(rows: int, name: str, kind: str) -> float:
    """Median over runs of one core's time per score."""
    score: NDArray[np.floating] = np.random.default_rng(1).random(rows).astype(kind)
    work: Callable[[], object]
    if name == "numpy.exp":
        out = np.empty(rows)

        def work() -> object:
            return np.exp(score, out=out)
    else:
        calibrator = _METHODS[name]

        def work() -> object:
            return calibrator.apply(score)  # type: ignore[arg-type]  # float32 is read as it is

    spent = []
    for _ in range(_RUNS):
        with timed() as lap:
            work()
        spent.append(lap.seconds)
    return median(spent) / rows * 1e9
