"""Which columns cut the traffic into slices."""

import re
from collections.abc import Sequence

from monitor.cli.guess.columns import Column, pair_values, split_words
from monitor.cli.guess.roles import Roles
from monitor.cli.guess.words import NAMES
from monitor.config.sources import CANONICAL_COLUMNS
from monitor.model import NO_DIMENSIONS

SLICES, FEWEST, MOST = 3, 2, 50  # dimensions guessed at most; values a dimension may have
_PLAIN = str.maketrans("äöüéè", "aouee")
_ROWS = 3  # each value has so many on average


def guess_slices(roles: Roles) -> list[tuple[str, Column, str]]:
    """Columns that cut the traffic: usual names first, then other texts of few values; none that says what another does."""
    fitting = []
    for column in roles.list_free():
        rank = _slice_rank(column)
        is_number = column.is_numeric and rank is None
        few = FEWEST <= len(column.counts) <= MOST and column.filled >= _ROWS * len(column.counts)
        kinds = ("text", "number") if rank is None else ("text", "number", "flag")
        may_cut = column.kind in kinds and column.time_shape is None and column is not roles.repeated_id
        if few and not is_number and may_cut and column.filled >= 0.5 * roles.table.rows:
            fitting.append((len(NAMES["slice"]) if rank is None else rank, column))
    chosen: list[tuple[str, Column, str]] = []
    truth = [
        roles.columns[role] for role in ("label", "outcome", "predicted_class", "version") if role in roles.columns
    ]
    for rank, column in sorted(fitting, key=lambda pair: pair[0]):
        others = (*truth, *(one for _, one, _ in chosen))
        if len(chosen) == SLICES or any(_says_same(column, other) for other in others):
            continue
        name = dimension_name(column.name, [taken for taken, _, _ in chosen])
        usual = "a usual name, " if rank < len(NAMES["slice"]) else ""
        chosen.append((name, column, f"{usual}{len(column.counts)} values"))
    return chosen


def _slice_rank(column: Column) -> int | None:
    found = {*split_words(column.name), column.last}
    return next((rank for rank, usual in enumerate(NAMES["slice"]) if usual in found), None)


def _says_same(one: Column, other: Column) -> bool:
    """Whether each value of one goes with one value of the other."""
    pairs = set(pair_values(one, other))
    return 0 < len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def dimension_name(own: str, taken: Sequence[str] = ()) -> str:
    """A name that `slices` takes: lower case, no marks, none that is reserved."""
    last = own.rpartition(".")[2] or own
    name = re.sub(r"[^a-z0-9]+", "_", last.lower().translate(_PLAIN)).strip("_")
    name = (name if name[:1].isalpha() else f"slice_{name}".rstrip("_"))[:50]
    if name in NO_DIMENSIONS or name in CANONICAL_COLUMNS:
        name += "_value"
    while name in taken:
        name += "_2"
    return name
