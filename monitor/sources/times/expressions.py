"""How a source's times are read: SQL expressions over its columns that give UTC as TIMESTAMP, NULL where unreadable.

Common texts go through one regular expression and a cast; only the others are taken apart. A time without an offset is in
the source's zone. What its clocks showed twice in autumn has two readings: ``time_expression`` gives the earlier,
``other_expression`` the later (folds.py decides). What they skipped in spring counts on from the offset before it, as if
they had not been changed yet: 02:30 is 03:30. (Both are as ``fold = 0`` of Python's datetime.)
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import duckdb

from monitor.model.wording import quantity
from monitor.sources.batch import Batch
from monitor.sources.times.zones import ZONES_MEANT, Zone, zone_of
from monitor.store.connection import quote_name, quote_text

# texts as they mostly are
_STRICT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_NAIVE = rf"{_STRICT}|\d{{4}}-\d\d-\d\d"
_OWN_OFFSET = rf"{_STRICT}(Z| UTC|[+-](0\d|1[0-4])(:?[0-5]\d)?)"
# and as they may be, blanks around and one digit for two; the ``_text`` that _let_text makes of them
_DAY = r"\s*\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_TIME = rf"{_DAY}(?:T|\s+)\d{{1,2}}:\d{{1,2}}(?::\d{{1,2}}(?:\.\d*)?)?"
_NAMED = rf"{_TIME}\s+[A-Za-z]+/\S+\s*"  # Europe/Paris
# GMT+8, UTC-5, +5:30; a name behind it, as in +0100 CET or +01:00[Europe/Paris], says it again
_OFFSET = rf"(?i)^({_TIME})\s*(?:UTC|GMT)?\s*([+-](?:0?\d|1[0-4])(?::?[0-5]\d)?)(?:\s*\[?[A-Z][A-Z0-9_/+-]*\]?)?\s*$"
_UTC = ("UTC", "GMT", "Z")
_NAME = r"[\[(]?([A-Za-z][A-Za-z0-9_/+-]+)[\])]?\s*$"
_LATER_NAMED = "TRY_CAST(_text AS TIMESTAMPTZ)"  # of a text that names its zone
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
             "UHUGEINT")  # fmt: skip
_FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1}  # microseconds
_LARGEST = 9_200_000_000_000_000_000  # microseconds since 1970 that still are a TIMESTAMP
_MANY_PATTERNS = 6
# bytes: what is longer is no time, and is not looked at by every pattern in turn (a file of 3 kB can hold 3 GB of it)
_LONGEST = 300
CLOCK_SKEW = timedelta(minutes=5)  # how far a producer's clock may run ahead of ours


def time_expression(name: str, batch: Batch) -> str:
    """SQL of the column's time in UTC, the earlier where it has two readings; observed_at is cut to time_precision."""
    if name not in batch.types:
        return "NULL::TIMESTAMP"
    return _cut(name, batch, _time(name, batch))


def other_expression(name: str, batch: Batch) -> str:
    """SQL of the later reading of a time that the clocks of its zone showed twice; NULL of all other times, and the constant
    ``NULL::TIMESTAMP`` where the column can hold none."""
    other = _other(name, batch) if name in batch.types else None
    return _cut(name, batch, other) if other else "NULL::TIMESTAMP"


def foreign_expression(name: str, batch: Batch) -> str:
    """SQL of the zone name that keeps a text from being read, as it is written there; NULL of all others."""
    if batch.types.get(name) != "VARCHAR":
        return "NULL::VARCHAR"
    column = quote_name(name)
    own = f"nullif(regexp_extract(left({column}, {_LONGEST}), {quote_text(_NAME)}, 1), '')"
    pattern = rf"^{_TIME}\s*{_NAME}"
    # AM and PM are no zones, and not read either
    dated = _let_text(column, f"regexp_matches(_text, {quote_text(pattern)})")
    return f"CASE WHEN ({_time(name, batch)}) IS NULL AND {dated} AND upper({own}) NOT IN ('AM', 'PM') THEN {own} END"


def refused_zone(connection: duckdb.DuckDBPyConnection, batch: Batch) -> str:
    """A sentence on the most frequent zone name that keeps times of the batch from being read, without its stop; "" where
    none does. Reads the batch anew: to be asked where times turned out to be unreadable."""
    each = [
        _most_frequent(connection, shape, [foreign_expression(name, shape) for name in _texts(shape)])
        for shape in batch.shapes
    ]
    found = max(filter(None, each), key=lambda named: named[1], default=None)
    if found is None:
        return ""
    name, rows = found
    own = batch.meaning.time_zone
    meant = [zone for zone in ZONES_MEANT.get(name.upper(), ()) if name.upper() in zone_of(zone).names]
    if "/" in name:
        what, do = "no time zone that is known", "see how it is spelt, a blank before it"
    else:
        zones = " or ".join(f'time_zone = "{zone}"' for zone in meant)
        what = f'no abbreviation of time_zone = "{own}"'
        do = f"set {zones or 'time_zone'} in [model.source]{'' if meant else ' to the zone that is meant'}"
    return f"{quantity(rows, 'time')} {_say(rows)} {name}, which is {what}: {do}, or write offsets such as +01:00"


def contrary_zone(connection: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[str, str] | None:
    """The most frequent abbreviation at a time of the year when clocks of the source's zone show another, such as CET in July
    in Berlin or GMT in London, which is taken at its word though local time may be meant; and a sentence on it. Reads the
    batch anew."""
    zone = zone_of(batch.meaning.time_zone)
    if zone.constant_offset is not None:
        return None
    names = [*_fixed(zone), "GMT"]
    shown = f"({_text_time(zone)}) AT TIME ZONE 'UTC' AT TIME ZONE {quote_text(zone.name)}"
    contrary = f"{_ends_in(names)} AND {shown} <> TRY_CAST(_text AS TIMESTAMP)"
    said = f"upper(regexp_extract(_text, {quote_text(_NAME)}, 1))"
    found = _most_frequent(
        connection,
        batch,
        [_let_text(quote_name(name), f"CASE WHEN {contrary} THEN {said} END") for name in _texts(batch)],
    )
    if found is None:
        return None
    name, rows = found
    offset = _fixed(zone).get(name, 0)
    return (
        name,
        f'{quantity(rows, "time")} {_say(rows)} {name} at a time of the year when clocks in time_zone = "{zone.name}" do not: '
        f"taken as {_written(offset)}, whatever the season; if local time is meant, leave {name} out",
    )


def _say(rows: int) -> str:
    return "says" if rows == 1 else "say"


def _written(offset: int) -> str:
    hours, seconds = divmod(abs(offset), 3600)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{seconds // 60:02}"


def _texts(batch: Batch) -> list[str]:
    return [name for name in ("observed_at", "labelled_at") if batch.types.get(name) == "VARCHAR"]


def _most_frequent(
    connection: duckdb.DuckDBPyConnection, batch: Batch, expressions: list[str]
) -> tuple[str, int] | None:
    if not expressions:
        return None
    found = connection.execute(
        f"SELECT name, count(*) FROM (SELECT unnest([{', '.join(expressions)}]) AS name FROM ({batch.relation})) "
        "WHERE name IS NOT NULL GROUP BY name ORDER BY count(*) DESC, name LIMIT 1"
    ).fetchall()
    return (str(found[0][0]), int(found[0][1])) if found else None


def _cut(name: str, batch: Batch, time: str) -> str:
    return cut_time(time, batch.meaning.time_precision if name == "observed_at" else None)


def cut_time(time: str, precision: timedelta | None) -> str:
    """SQL of a time (SQL) without what is finer than ``precision``."""
    if precision is None:
        return time
    micros = round(precision.total_seconds() * 1_000_000)
    return f"time_bucket(to_microseconds({micros}), {time}, TIMESTAMP '1970-01-01')"


def _time(name: str, batch: Batch) -> str:
    column, kind = quote_name(name), batch.types[name]
    zone = zone_of(batch.meaning.time_zone)
    if _carries_its_zone(kind):
        return f"make_timestamp(epoch_us({column}::TIMESTAMPTZ))"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return _earlier(_as_timestamp(column, kind), zone)
    if kind != "VARCHAR":
        return _since_1970(column, kind, batch.meaning.time_unit or "s")
    unit = batch.meaning.time_unit
    number = f"WHEN TRY_CAST({column} AS DOUBLE) IS NOT NULL THEN {_text_since_1970(column, unit)} " if unit else ""
    return (
        f"CASE WHEN strlen({column}) > {_LONGEST} AND {column}[-1] > ' ' THEN NULL "
        f"{number}WHEN regexp_full_match({column}, {quote_text(_NAIVE)}) "
        f"THEN {_earlier(f'TRY_CAST({column} AS TIMESTAMP)', zone)} "
        f"WHEN regexp_full_match({column}, {quote_text(_OWN_OFFSET)}) "
        f"THEN make_timestamp(epoch_us(TRY_CAST({column} AS TIMESTAMPTZ))) "
        f"ELSE {_let_text(column, _text_time(zone))} END"
    )


def _other(name: str, batch: Batch) -> str | None:
    """None where no value of the column can have two readings."""
    column, kind = quote_name(name), batch.types[name]
    zone = zone_of(batch.meaning.time_zone)
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return None if _carries_its_zone(kind) else _later(_as_timestamp(column, kind), zone)
    if kind != "VARCHAR":
        return None
    later = _later(f"TRY_CAST({column} AS TIMESTAMP)", zone)
    perhaps = [f"contains({column}, '/')"]  # Europe/Paris
    if later:
        perhaps += [f"{column} LIKE {quote_text(pattern)}" for pattern in _patterns(zone)]
    return (
        f"CASE WHEN strlen({column}) <= {_LONGEST} AND ({' OR '.join(perhaps)}) THEN CASE "
        f"WHEN regexp_full_match({column}, {quote_text(_NAIVE)}) THEN {later or 'NULL'} "
        f"WHEN regexp_full_match({column}, {quote_text(_OWN_OFFSET)}) THEN NULL "
        f"ELSE {_let_text(column, _text_other(zone))} END END"
    )


def _carries_its_zone(kind: str) -> bool:
    """Also TIMESTAMPTZ_NS, which is what Parquet's nanoseconds with a zone are."""
    return kind.startswith("TIMESTAMPTZ") or kind.endswith("WITH TIME ZONE")


def _as_timestamp(column: str, kind: str) -> str:
    return column if kind == "TIMESTAMP" else f"TRY_CAST({column} AS TIMESTAMP)"


def _earlier(wall: str, zone: Zone) -> str:
    """A local time of the zone in UTC."""
    if zone.constant_offset is not None:
        return f"({wall} - to_seconds({zone.constant_offset}))" if zone.constant_offset else wall
    # going back through AT TIME ZONE 'UTC' would cost as much again
    once = f"make_timestamp(epoch_us({wall} AT TIME ZONE {quote_text(zone.name)}))"
    if not zone.folds:
        return once
    cases = " ".join(
        f"WHEN {shown} THEN {wall} - to_seconds({before})" for shown, before, _ in _shown_twice(wall, zone)
    )
    return f"CASE {cases} ELSE {once} END"


def _later(wall: str, zone: Zone) -> str | None:
    """The later reading of a local time that the zone's clocks showed twice."""
    if not zone.folds:
        return None
    cases = " ".join(f"WHEN {shown} THEN {wall} - to_seconds({after})" for shown, _, after in _shown_twice(wall, zone))
    return f"CASE {cases} END"


def _months_and_hours(zone: Zone) -> tuple[list[int], list[int]]:
    times = [fold.local_time(seconds) for fold in zone.folds for seconds in range(0, fold.width, 1800)]
    return sorted({time.month for time in times}), sorted({time.hour for time in times})


def _shown_twice(wall: str, zone: Zone) -> list[tuple[str, int, int]]:
    """Conditions that hold for the times shown twice, each with the offsets of the first and the second time."""
    kinds: defaultdict[tuple[int, int, int], dict[int, int]] = defaultdict(dict)
    for fold in zone.folds:
        turn = 0  # of several in one year
        while fold.year in kinds[fold.before, fold.after, turn]:
            turn += 1
        kinds[fold.before, fold.after, turn][fold.year] = fold.start
    months, hours = _months_and_hours(zone)
    # quickly told of most times, of which nothing else is looked at then
    near = f"month({wall}) IN ({_joined(months)}) AND hour({wall}) IN ({_joined(hours)})"
    found = []
    for (before, after, _), starts in kinds.items():
        first = min(starts)
        listed = ",".join(str(starts.get(year, "NULL")) for year in range(first, max(starts) + 1))
        # the list has nothing for other years, or the time of a year that is far away
        since = f"epoch_us({wall}) - 1000000 * ('[{listed}]'::BIGINT[])[year({wall}) - {first - 1}]"
        found.append((f"{near} AND {since} BETWEEN 0 AND {(before - after) * 1_000_000 - 1}", before, after))
    return found


def _patterns(zone: Zone) -> list[str]:
    """LIKE patterns of which each text of a time shown twice has one."""
    months, hours = _months_and_hours(zone)
    if 0 in hours:  # also of midnight, which a text may leave out
        return [f"%{month}%" for month in months] if len(months) <= _MANY_PATTERNS else ["%"]
    both = [f"%{month}%{hour}:%" for month in months for hour in hours]
    return both if len(both) <= _MANY_PATTERNS else [f"%{hour}:%" for hour in hours]


def _let_text(column: str, expression: str) -> str:
    """The expression over ``_text``: the column as casts want it: T and Z in capitals, a decimal point."""
    return f"list_transform([translate(left({column}, {_LONGEST}), 'tz,', 'TZ.')], lambda _text: {expression})[1]"


def _text_time(zone: Zone) -> str:
    """The time in UTC of _text."""
    wall = "TRY_CAST(_text AS TIMESTAMP)"  # takes no notice of a name behind
    offset = f"regexp_replace(_text, {quote_text(_OFFSET)}, '\\1 GMT\\2')"
    fixed = " ".join(
        f"WHEN {_ends_in([name])} THEN {wall} - to_seconds({ahead})" for name, ahead in _fixed(zone).items()
    )
    return (
        f"CASE WHEN {_is_naive(zone)} THEN {_earlier(wall, zone)} WHEN {_ends_in(_UTC)} THEN {wall} "
        f"WHEN regexp_matches(_text, {quote_text(_OFFSET)}) THEN make_timestamp(epoch_us(TRY_CAST({offset} AS TIMESTAMPTZ))) "
        f"{fixed} WHEN regexp_full_match(_text, {quote_text(_NAMED)}) "
        f"THEN make_timestamp(epoch_us({_LATER_NAMED}) - CASE WHEN {_shown_twice_named()} THEN 3600000000 ELSE 0 END) END"
    )


def _text_other(zone: Zone) -> str:
    """The later reading of _text."""
    later = _later("TRY_CAST(_text AS TIMESTAMP)", zone)
    naive = f"WHEN {_is_naive(zone)} THEN {later} " if later else ""
    named = f"regexp_full_match(_text, {quote_text(_NAMED)}) AND {_shown_twice_named()}"
    return f"CASE {naive}WHEN {named} THEN make_timestamp(epoch_us({_LATER_NAMED})) END"


def _is_naive(zone: Zone) -> str:
    """Whether _text is a time in the source's own zone: without an offset, or with a name that may be one or another."""
    several = [zone.name] + [name for name, offsets in zone.names.items() if len(offsets) > 1]
    names = "|".join(re.escape(name) for name in several if name not in _UTC)
    named = rf"(?:\s*(?i:{names}))?" if names else ""
    pattern = rf"(?:{_DAY}|{_TIME}{named})\s*"
    return f"regexp_full_match(_text, {quote_text(pattern)})"


def _ends_in(names: Sequence[str]) -> str:
    """Whether _text is a time with one of the names behind."""
    pattern = rf"{_TIME}\s*(?i:{'|'.join(names)})\s*"
    return f"regexp_full_match(_text, {quote_text(pattern)})"


def _fixed(zone: Zone) -> dict[str, int]:
    """The zone's abbreviations that always stood for one offset."""
    own = {name: next(iter(offsets)) for name, offsets in zone.names.items() if len(offsets) == 1}
    return {name: offset for name, offset in own.items() if name not in _UTC}


def _shown_twice_named() -> str:
    """Whether clocks in the zone that _text names showed it twice, an hour apart; others than an hour are not looked for."""
    name = r"regexp_extract(_text, '[A-Za-z]+/\S+')"
    return f"TRY(timezone({name}, {_LATER_NAMED} - to_seconds(3600))) = TRY_CAST(_text AS TIMESTAMP)"


def _since_1970(column: str, kind: str, unit: str) -> str:
    if kind in _INTEGERS or kind.endswith(",0)"):
        return _whole_since_1970(f"TRY_CAST({column} AS BIGINT)", unit)
    if unit == "ns" and kind.startswith("DECIMAL"):
        return _whole_since_1970(f"TRY_CAST(floor({column}) AS BIGINT)", unit)
    return _fraction_since_1970(f"TRY_CAST({column} AS DOUBLE)", unit)


def _text_since_1970(column: str, unit: str) -> str:
    whole = _whole_since_1970(f"TRY_CAST({column} AS BIGINT)", unit)
    fraction = _fraction_since_1970(f"TRY_CAST({column} AS DOUBLE)", unit)
    return f"CASE WHEN regexp_full_match({column}, '\\s*[+-]?\\d+\\s*') THEN {whole} ELSE {fraction} END"


def _whole_since_1970(number: str, unit: str) -> str:
    """Exact: a DOUBLE has 53 bits, nanoseconds since 1970 take 61. Nanoseconds are cut down to microseconds."""
    if unit == "ns":  # // cuts towards 0
        return f"make_timestamp({number} // 1000 - ({number} % 1000 < 0)::BIGINT)"
    factor = _FACTORS[unit]
    bound = _LARGEST // factor
    return f"make_timestamp(CASE WHEN {number} BETWEEN -{bound} AND {bound} THEN {number} * {factor} END)"


def _fraction_since_1970(number: str, unit: str) -> str:
    """To the nearest microsecond, as a fraction is seldom exact."""
    if unit == "ns":  # DOUBLEs of today's nanoseconds lie 256 apart: half of that, so that a whole microsecond stays it
        return f"make_timestamp((TRY_CAST({number} AS BIGINT) + 128) // 1000)"
    micros = f"round({number} * {_FACTORS[unit]})"
    return f"make_timestamp(CASE WHEN abs({micros}) <= {_LARGEST} THEN TRY_CAST({micros} AS BIGINT) END)"


def _joined(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
