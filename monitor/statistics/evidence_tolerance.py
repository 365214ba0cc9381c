"""How far outcomes may be from scores before it counts as drift: the band of outcome rates that is tolerated."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.statistics._arrays import Floats


@dataclass(frozen=True, slots=True)
class Tolerance:
    """``kind`` "none": outcome rate = score; "odds": odds within a factor 1/size..size; "probability": within ±size.

    The band of a pooled mean score contains the mean of the bands of its samples: upper bands are concave in the score
    and lower bands convex. Pooling samples of a bin therefore only widens what is tolerated.
    """

    kind: Literal["none", "odds", "probability"] = "none"
    size: float = 0.0

    def __post_init__(self) -> None:
        if self.kind == "odds" and not 1 <= self.size < math.inf:
            raise ValueError(f"an odds tolerance is a factor of at least 1, such as 1.1 (got {self.size})")
        if self.kind == "probability" and not 0 <= self.size < 1:
            raise ValueError(f"a probability tolerance lies in [0, 1), such as 0.02 (got {self.size})")

    @classmethod
    def odds(cls, factor: float) -> "Tolerance":
        return cls("odds", factor)

    @classmethod
    def probability(cls, margin: float) -> "Tolerance":
        return cls("probability", margin)

    def lower(self, rate: Floats) -> Floats:
        """The lowest tolerated outcome rate where ``rate`` is expected; same shape, in [0, 1]."""
        if self.kind == "odds":
            return rate / (rate + self.size * (1 - rate))
        return np.maximum(rate - self.size, 0.0)

    def upper(self, rate: Floats) -> Floats:
        """The highest tolerated outcome rate where ``rate`` is expected; same shape, in [0, 1]."""
        if self.kind == "odds":
            return self.size * rate / (1 - rate + self.size * rate)
        return np.minimum(rate + self.size, 1.0)
