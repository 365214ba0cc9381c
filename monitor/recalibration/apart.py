"""What a refit leaves to the refits of finer slices: samples of slices whose own alerts ask for one."""

from collections.abc import Sequence

import duckdb

from monitor.model import Slice
from monitor.recalibration.refit import within
from monitor.store.samples import Loaded
from monitor.store.sql import statement
from monitor.wording import first_few

AS_WIDE = 0.8  # of a scope's samples: alerts over more of them are about the scope itself


def alarmed_within(connection: duckdb.DuckDBPyConnection, model: str, version: str, scope: Slice) -> tuple[Slice, ...]:
    """The slices inside ``scope``, itself excepted, with a firing alert that asks for a refit there."""
    rows = connection.execute(statement("refit_alarmed"), {"model": model, "version": version}).fetchall()
    slices = [Slice.parse(text) for (text,) in rows]
    return tuple(one for one in slices if scope.contains(one) and one != scope)


def standing_apart(loaded: Loaded, alarmed: Sequence[Slice]) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
    """The finest slices that this refit leaves to refits of their own, and what to say of it.

    What is wrong in one slice would otherwise bend the calibrator of all slices around it, and the gate would accept that
    as better on the whole. Alerts over more than four fifths of the samples mean trouble as wide as the scope: then
    nothing is left out.
    """
    apart = tuple(own for own in loaded.slices if any(one.contains(own) for one in alarmed))
    others = int(within(loaded.samples, loaded.slices, apart).sum())
    if not others or others > AS_WIDE * len(loaded.samples):
        return (), ()
    names = first_few([one.text for one in alarmed])
    return apart, (
        f"left {others:,} of {len(loaded.samples):,} samples to refits of their own, which alerts there ask for: {names}",
    )
