"""How well scores rank: area under the ROC curve from cells."""

import numpy as np

from monitor.statistics._arrays import Floats, ratio, totals
from monitor.statistics.cells import Cells


def auroc(merged: Cells, units: int) -> Floats:
    """P(a positive's bin is above a negative's) + ½ P(same bin), shape (units,); NaN without both classes.

    ``merged`` must be merged cells: their order is that of the score. Pairs of one bin (at most 1/8 wide in logit)
    count ½, so the value lies within half their share of the exact one.
    """
    positives, negatives = merged.outcome, merged.n - merged.outcome
    below = np.cumsum(negatives) - negatives
    per_unit = totals(merged.unit, negatives, units)
    below = below - (np.cumsum(per_unit) - per_unit)[merged.unit]
    wins = totals(merged.unit, positives * (below + negatives / 2), units)
    total = totals(merged.unit, positives, units)
    return np.clip(ratio(wins, total * per_unit), 0.0, 1.0)
