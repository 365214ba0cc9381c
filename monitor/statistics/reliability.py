"""The reliability curve: what the scores of each bin said, and what happened."""

import numpy as np
from numpy.typing import NDArray

from monitor.statistics._arrays import ratio
from monitor.statistics.binned import ScoreBins
from monitor.statistics.cells import Cells
from monitor.statistics.intervals import wilson


def reliability(cells: Cells, units: int) -> dict[str, NDArray[np.float64]]:
    """Per unit and equal-width score bin, each of shape (units, 15): ``samples``, ``mean_score``, ``outcome_rate``, and
    ``rate_lower``, ``rate_upper``, Wilson's 95 % interval of the outcome rate for independent samples.

    Empty bins have samples 0 and NaN elsewhere. Raises ValueError when a cell's unit is not below ``units``.
    """
    bins = ScoreBins.from_cells(cells, units)
    lower, upper = wilson(bins.outcome, bins.n)
    return {
        "samples": bins.n,
        "mean_score": ratio(bins.score, bins.n),
        "outcome_rate": ratio(bins.outcome, bins.n),
        "rate_lower": lower,
        "rate_upper": upper,
    }
