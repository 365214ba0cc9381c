"""Time zones over the years: when their clocks went back, and which abbreviations they use."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from numpy.typing import NDArray

YEARS = (1970, 2100)  # looked at; times before are refused, and after that rules are guesses
_STEP = 7 * 86_400  # seconds; no zone changed twice within a week since 1970
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fold:
    """An hour that clocks showed twice: local times from ``start``, ``width`` seconds long, stand ``before`` seconds ahead of
    UTC the first time, ``after`` the second. ``start`` is in seconds from 1970-01-01 00:00 local time."""

    start: int
    before: int
    after: int

    @property
    def width(self) -> int:
        return self.before - self.after

    @property
    def year(self) -> int:
        return self.local_time(0).year

    def local_time(self, seconds: int) -> datetime:
        """The local time that many seconds after the start, without a marker."""
        return _EPOCH.replace(tzinfo=None) + timedelta(seconds=self.start + seconds)


@dataclass(frozen=True, slots=True)
class Zone:
    """What is known of one time zone within YEARS; offsets are seconds ahead of UTC."""

    name: str
    folds: tuple[Fold, ...]  # in order of time
    offsets: frozenset[int]
    names: Mapping[str, frozenset[int]]  # abbreviation in capitals → the offsets it stood for

    @property
    def constant_offset(self) -> int | None:
        """The one offset that the zone ever had."""
        return next(iter(self.offsets)) if len(self.offsets) == 1 else None


@cache
def zone_of(name: str) -> Zone:
    """The zone of that IANA name. Its offsets are those that DuckDB knows, which does the converting: Python's may be of
    another year's rules. Raises ZoneInfoNotFoundError or duckdb.Error where there is none."""
    if name == "UTC":
        return Zone(name, (), frozenset({0}), {"UTC": frozenset({0})})
    moments = np.arange(0, int((datetime(YEARS[1] + 1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()), _STEP)
    with duckdb.connect() as connection:
        offsets = _offsets(connection, name, moments)
        back = np.flatnonzero(np.diff(offsets) < 0)
        changes = _changes(connection, name, moments[back], offsets[back])
    befores, afters = offsets[back].tolist(), offsets[back + 1].tolist()
    folds = tuple(
        Fold(change + after, before, after) for change, before, after in zip(changes, befores, afters, strict=True)
    )
    return Zone(name, folds, frozenset(offsets.tolist()), _names(name, moments[: len(moments) // 2]))


def _offsets(connection: duckdb.DuckDBPyConnection, name: str, moments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds ahead of UTC at moments, which are seconds since 1970."""
    held = {"moment": moments}  # noqa: F841  # DuckDB finds it by its name
    # a TIMESTAMPTZ in a zone, read as UTC, is ahead by the offset
    local = f"epoch_us(timezone('{name}', make_timestamp(moment * 1000000) AT TIME ZONE 'UTC')) // 1000000"
    found = connection.execute(f"SELECT {local} - moment AS ahead FROM held").fetchnumpy()
    return np.asarray(found["ahead"], dtype=np.int64)


def _changes(
    connection: duckdb.DuckDBPyConnection, name: str, since: NDArray[np.int64], known: NDArray[np.int64]
) -> list[int]:
    """The seconds at which offsets stop to be the ``known`` ones, each within _STEP from its ``since``."""
    low, high = since.copy(), since + _STEP
    while len(low) and int((high - low).max()) > 1:
        middle = (low + high) // 2
        same = _offsets(connection, name, middle) == known
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [int(each) for each in high]


def _names(name: str, moments: NDArray[np.int64]) -> dict[str, frozenset[int]]:
    zone = ZoneInfo(name)
    names: defaultdict[str, set[int]] = defaultdict(set)
    for moment in moments.tolist():
        local = datetime.fromtimestamp(moment, zone)
        offset, spoken = local.utcoffset(), str(local.tzname()).upper()
        if offset is not None and spoken.isalpha():  # others are offsets, such as +03
            names[spoken].add(int(offset.total_seconds()))
    return {spoken: frozenset(seen) for spoken, seen in names.items()}


# zones that people mean by an abbreviation, those most likely first; each uses it
ZONES_MEANT = {
    "ACDT": ("Australia/Adelaide",), "ACST": ("Australia/Adelaide", "Australia/Darwin"), "ADT": ("America/Halifax",),
    "AEDT": ("Australia/Sydney",), "AEST": ("Australia/Sydney", "Australia/Brisbane"), "AKDT": ("America/Anchorage",),
    "AKST": ("America/Anchorage",), "AST": ("America/Halifax", "America/Puerto_Rico"), "AWST": ("Australia/Perth",),
    "BST": ("Europe/London",), "CAT": ("Africa/Maputo",), "CDT": ("America/Chicago", "America/Havana"),
    "CEST": ("Europe/Berlin", "Europe/Paris"), "CET": ("Europe/Berlin", "Europe/Paris"),
    "CST": ("America/Chicago", "Asia/Shanghai"), "EAT": ("Africa/Nairobi",), "EDT": ("America/New_York",),
    "EEST": ("Europe/Athens", "Europe/Helsinki"), "EET": ("Europe/Athens", "Africa/Cairo"), "EST": ("America/New_York",
    "America/Panama"), "HKT": ("Asia/Hong_Kong",), "HST": ("Pacific/Honolulu",), "IDT": ("Asia/Jerusalem",),
    "IST": ("Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"), "JST": ("Asia/Tokyo",), "KST": ("Asia/Seoul",),
    "MDT": ("America/Denver",), "MSK": ("Europe/Moscow",), "MST": ("America/Denver", "America/Phoenix"),
    "NDT": ("America/St_Johns",), "NST": ("America/St_Johns",), "NZDT": ("Pacific/Auckland",),
    "NZST": ("Pacific/Auckland",), "PDT": ("America/Los_Angeles",), "PKT": ("Asia/Karachi",),
    "PST": ("America/Los_Angeles", "Asia/Manila"), "SAST": ("Africa/Johannesburg",), "WAT": ("Africa/Lagos",),
    "WEST": ("Europe/Lisbon",), "WET": ("Europe/Lisbon",), "WIB": ("Asia/Jakarta",),
}  # fmt: skip
