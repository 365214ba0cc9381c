"""How a source writes its times: the unit of plain numbers, and the zone."""

import re
from collections.abc import Sequence

from monitor.cli.guess.columns import Column
from monitor.cli.guess.found import Guess
from monitor.cli.guess.words import ZONES

_ZONE = re.compile(r".*\d{1,2}:\d{2}\S*\s*([A-Za-z]{2,5})")
ZONELESS = "the times say no zone, so this is assumed: put the one they were written in"
_UTC = {"UTC", "GMT", "Z"}


def guess_times(columns: Sequence[Column]) -> tuple[list[Guess], list[tuple[str, str]]]:
    """Return the settings of a source with these columns of times, and what is left to a person."""
    guesses: list[Guess] = []
    numbers, written, others = (
        [column for column in columns if column.time_shape == shape] for shape in ("number", "iso", "other")
    )
    how = "calwatch reads them as 2026-01-31 14:05:09"
    todo = [("observed_at", f'"{column.name}" writes times as {column.values[0]}: {how}') for column in others]
    units = [column.time_unit for column in numbers]
    if units and len(set(units)) == 1:
        guesses.append(Guess("time_unit", units[0], f"so read, {numbers[0].values[0]} is a time of this century"))
    elif units:
        todo.append(("time_unit", "the times are numbers of different units: write them alike"))
    zones = [found[1].upper() for column in written for value in column.values if (found := _ZONE.fullmatch(value))]
    named = sorted(set(zones) - _UTC)
    if named:
        places = [ZONES[name] for name in named if name in ZONES] or ["Europe/Paris"]
        what = f"times say {' and '.join(named[:3])}, which is not the same everywhere"
        todo.append(("time_zone", f'{what}: say time_zone = "{places[0]}", or another that uses it, in [model.source]'))
    elif any(not column.has_offsets for column in written):
        guesses.append(Guess("time_zone", "UTC", ZONELESS))
    return guesses, todo
