"""A false-alarm budget such as "1/year", and how it is split over slices that nobody listed beforehand."""

import math
import re

import numpy as np
from numpy.typing import ArrayLike

from monitor.statistics.arrays import Ints

_PER_YEAR = {"year": 1.0, "month": 12.0, "week": 365 / 7, "day": 365.0}
_PATTERN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*/\s*(year|month|week|day)\s*")
DAYS_PER_YEAR = 365.0
MOST_THRESHOLD = 1e300  # beyond, a share is about to be too small for a float: no evidence is ever compared with it
LEAST_THRESHOLD = 10.0  # an alarm never rests on less than tenfold evidence, however generous the budget


def parse_budget(text: str) -> float:
    """False alarms per year: "1/year" → 1, "0.1/year" → 0.1, "1/month" → 12, "2/week" → 104.29, "1/day" → 365.

    Raises ValueError on any other form, on 0 and on more than one a day.

    >>> parse_budget("1/year"), round(parse_budget("2/week"), 2)
    (1.0, 104.29)
    """
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'must be a number per year, month, week or day, such as "1/year" or "2/week" (got {text!r})')
    rate = float(match[1]) * _PER_YEAR[match[2]]
    if not 0 < rate <= DAYS_PER_YEAR:
        raise ValueError(f'must be more than 0 and at most "1/day" (got {text!r})')
    return rate


def class_share(order: int, max_order: int) -> float:
    """The share of the budget that all slices of one kind have together.

    ``order`` is 0 for the whole, 1 for marginals, 2 or more for crosses; ``max_order`` the highest order the rule
    covers, known from the configuration. Shares: only the whole 1; with marginals 1/2 and 1/2; with crosses 1/4, 1/4
    and 1/2. Raises ValueError when order exceeds max_order.

    >>> [class_share(order, 2) for order in (0, 1, 2)]
    [0.25, 0.25, 0.5]
    """
    if not 0 <= order <= max_order:
        raise ValueError(f"order must lie in 0..{max_order} (got {order})")
    shares = {0: (1.0,), 1: (1 / 2, 1 / 2)}.get(max_order, (1 / 4, 1 / 4, 1 / 2))
    return shares[min(order, 2)]


def alarm_threshold(budget_per_year: float, share: float) -> float:
    """c = 365 / (budget · share), and at least 10: evidence at which a slice with this share raises an alarm.

    A slice gets start mass of at most 1 per day, so it has at most T/c = T·budget·share/365 false alarms in T days on
    average; over all slices, shares add up to at most 1 and so at most budget·T/365. Infinite where the product of budget
    and share is too small for a float.

    >>> alarm_threshold(1.0, 0.5), alarm_threshold(365.0, 1.0)
    (730.0, 10.0)
    """
    if not (budget_per_year > 0 and 0 < share <= 1):
        raise ValueError(f"budget must be positive and share in (0, 1] (got {budget_per_year}, {share})")
    own = budget_per_year * share
    return max(DAYS_PER_YEAR / own, LEAST_THRESHOLD) if own > 0 else math.inf


def whole_share(rank: int) -> float:
    """The share of the ``rank``-th (1, 2, …) version of the whole that is open at once, within the whole's share.

        share(k) = 0.8·0.2^(k − 1) = 4/5^k

    Proof that they never exceed the whole: a geometric series, Σ_{k ≤ n} 0.8·0.2^(k − 1) = 1 − 0.2^n < 1. Nearly always
    one version serves, at times two. Raises ValueError below 1.

    >>> [round(whole_share(rank), 4) for rank in (1, 2, 3)]
    [0.8, 0.16, 0.032]
    """
    if rank < 1:
        raise ValueError(f"rank counts from 1 (got {rank})")
    return float(4 / 5**rank)


def slice_threshold(budget_per_year: float, order: int, rank: int, max_order: int, present: int) -> float:
    """The alarm threshold of the ``rank``-th slice of an order, as of now.

    ``present`` is the highest rank among slices of that kind that were there, in any version, at some time since this one
    was opened. Each of them has 1/present of what their kind has; the whole (order 0) has all while there was never more than
    one version of it beside it, and ``whole_share`` from then on. A rank is free again once its stream is closed, since a
    rank held by one stream at a time is one stream with resets; it must never depend on outcomes.

    Proof for ``present`` K_t, which may grow with time t: let π_t be the share of a slice that is open at t. Ranks in use at
    t differ and are at most the K_t of each slice that is open, so these π_t add up to at most the kind's share, at every t.
    Let M' be the evidence from start masses π_u·γ_u in place of γ_u. As the π of one slice only falls while it is open,
    π_t·M_t ≤ M'_t, so an alarm at M_t ≥ 365/(budget·π_t) uses up M'_t ≥ 365/budget. M' minus its start mass is a
    supermartingale between alarms; hence for each slice E[alarms]·365/budget ≤ E[Σ π_u·γ_u], and over all slices of the kind
    that is at most share·T. K_t must be fixed before the outcomes of t, and must not fall while the slice is open.

    What closed before a slice was opened takes nothing from it: slices that are long gone give their share to those that
    come, not to those that were there beside them, whose evidence was gathered at the smaller share.
    Infinite where the share is too small for a float. Raises ValueError when rank exceeds present.

    >>> slice_threshold(1.0, 0, 1, 2, present=1), slice_threshold(1.0, 1, 3, 2, present=5)
    (1460.0, 7300.0)
    """
    kind = class_share(order, max_order)
    if not 1 <= rank <= present:
        raise ValueError(f"rank must lie in 1..{present}, the slices present (got {rank})")
    if order == 0:
        share = kind * (1.0 if rank == present == 1 else whole_share(rank))
        # of several hundred versions open at once the last have a share too small for a float: they never raise an alarm
        return alarm_threshold(budget_per_year, share) if share > 0 else math.inf
    return alarm_threshold(budget_per_year, kind / present)


def drifted_slices(log_e_values: ArrayLike, rate: float = 0.1) -> Ints:
    """Indices of the slices to list, most evidence first.

    The expected share of slices in the list that have not drifted is at most ``rate``, under any dependence between
    slices (Wang & Ramdas 2022): with e-values sorted downwards, list the first k, k the largest with e_(k) ≥ n/(k·rate).
    The e-values are those of ``EvidenceState.log_standing_evidence``, valid at one poll fixed beforehand; a list read
    at every poll keeps the bound on average over polls, and the alarms' budget does not rest on it. NaN is not listed
    but counts among the n. Raises ValueError unless rate lies in (0, 1).

    >>> drifted_slices(np.log([1.0, 1000.0, 25.0])).tolist()
    [1, 2]
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie in (0, 1) (got {rate})")
    values = np.nan_to_num(np.asarray(log_e_values, dtype=np.float64), nan=-np.inf)
    order = np.argsort(-values, kind="stable")
    needed = np.log(values.size / rate) - np.log(np.arange(1, values.size + 1)) if values.size else np.empty(0)
    enough = np.flatnonzero(values[order] >= needed)
    listed: Ints = order[: int(enough[-1]) + 1] if enough.size else order[:0]
    return listed
