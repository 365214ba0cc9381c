"""Which slices have drifted, as a list with a bound on the share of wrong entries: the e-BH procedure at a poll."""

import numpy as np
from numpy.typing import ArrayLike

from monitor.statistics._arrays import Ints


def drifted_slices(log_e_values: ArrayLike, rate: float = 0.1) -> Ints:
    """Indices of the slices to list, most evidence first.

    The expected share of slices in the list that have not drifted is at most ``rate``, under any dependence between
    slices (Wang & Ramdas 2022): with e-values sorted downwards, list the first k, k the largest with e_(k) ≥ n/(k·rate).
    The e-values are those of ``EvidenceState.log_standing_evidence``, valid at one poll fixed beforehand; a list read
    at every poll keeps the bound on average over polls, and the alarms' budget does not rest on it. NaN is not listed
    but counts among the n. Raises ValueError unless rate lies in (0, 1).
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie in (0, 1) (got {rate})")
    values = np.nan_to_num(np.asarray(log_e_values, dtype=np.float64), nan=-np.inf)
    order = np.argsort(-values, kind="stable")
    needed = np.log(values.size / rate) - np.log(np.arange(1, values.size + 1)) if values.size else np.empty(0)
    enough = np.flatnonzero(values[order] >= needed)
    listed: Ints = order[: int(enough[-1]) + 1] if enough.size else order[:0]
    return listed
