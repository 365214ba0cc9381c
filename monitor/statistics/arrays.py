"""Array operations the statistics share: sums over rows with equal keys, and division that knows the unknown."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = TypeVar("Columns", bound=Any)  # a dataclass whose fields are all arrays with one entry per row


def sum_by_key(key: Ints, sums: Floats) -> tuple[Ints, Floats]:
    """Distinct keys in ascending order, and the columns of ``sums`` (columns, rows) added up per key.

    >>> sum_by_key(np.array([2, 1, 2]), np.array([[1.0, 2.0, 3.0]]))
    (array([1, 2]), array([[2., 4.]]))
    """
    if key.size == 0:
        return key, sums
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[starts], np.add.reduceat(sums[:, order], starts, axis=1)


def expand_units(unit: Ints, mapping: Ints) -> tuple[Ints, Ints]:
    """For rows of ``unit`` and (from, to) pairs: indices of the rows to copy, and the unit each copy belongs to.

    A row whose unit is no ``from`` is left out; one whose unit is named k times is copied k times. A pair that is
    listed twice counts once. Raises ValueError unless ``mapping`` has the shape (pairs, 2).

    >>> expand_units(np.array([0, 1]), np.array([[0, 5], [0, 6]]))
    (array([0, 0]), array([5, 6]))
    """
    mapping = np.asarray(mapping, dtype=np.int64)
    if mapping.ndim != 2 or mapping.shape[1] != 2:
        raise ValueError(f"mapping must have the shape (pairs, 2) of from and to units (got {mapping.shape})")
    pairs = np.unique(mapping, axis=0)
    first = np.searchsorted(pairs[:, 0], unit, side="left")
    copies = np.searchsorted(pairs[:, 0], unit, side="right") - first
    rows = np.repeat(np.arange(unit.size), copies)
    within = np.arange(rows.size) - np.repeat(np.cumsum(copies) - copies, copies)
    return rows, pairs[np.repeat(first, copies) + within, 1]


def totals(slot: Ints, values: Floats, size: int) -> Floats:
    """The sum of ``values`` per slot 0..size−1.

    >>> totals(np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0]), 3)
    array([1., 0., 5.])
    """
    return np.bincount(slot, weights=values, minlength=size).astype(np.float64)


def ratio(above: Floats, below: Floats, otherwise: float = np.nan) -> Floats:
    """above / below, broadcast, and ``otherwise`` wherever ``below`` is not positive.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    above, below = np.broadcast_arrays(above, below)
    quotient: Floats = np.divide(above, below, out=np.full(above.shape, otherwise), where=below > 0)
    return quotient


def concatenate_columns(parts: Sequence[Columns]) -> Columns:
    """Return the rows of all parts, at least one, one after another.

    >>> from monitor.statistics.cells import Cells
    >>> concatenate_columns([Cells.from_samples([0.2], [0]), Cells.from_samples([0.9], [1])]).outcome.tolist()
    [0.0, 1.0]
    """
    kind = type(parts[0])
    joined: Columns = kind(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(kind)))
    return joined


def pick_rows(columns: Columns, rows: NDArray[np.bool_] | Ints) -> Columns:
    """Return the rows that a mask or indices pick.

    >>> from monitor.statistics.cells import Cells
    >>> pick_rows(Cells.from_samples([0.2, 0.9], [0, 1]), np.array([False, True])).outcome.tolist()
    [1.0]
    """
    picked: Columns = type(columns)(*(getattr(columns, each.name)[rows] for each in fields(columns)))
    return picked


def mark_starts(*keys: Ints) -> NDArray[np.bool_]:
    """Whether each entry of sorted columns differs from the one before it in any of them; the first one does.

    >>> mark_starts(np.array([1, 1, 2]), np.array([0, 5, 5])).tolist()
    [True, True, True]
    """
    new = np.ones(keys[0].shape, np.bool_)
    if new.size:
        new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return new
