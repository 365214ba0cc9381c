"""How times are read, against Python's own zones: texts, typed columns, numbers, and names of zones."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from monitor.sources.times.expressions import (
    contrary_zone,
    foreign_expression,
    refused_zone,
)
from monitor.sources.times.zones import ZONES_MEANT, zone_of
from monitor.store.connection import quote_text
from tests.sources.times.readings import a_batch, read, readings, utc

ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul", "America/New_York",
    "America/St_Johns", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Asia/Tehran", "Asia/Jerusalem",
    "Australia/Lord_Howe", "Australia/Sydney", "Africa/Casablanca", "Atlantic/Azores", "Pacific/Apia", "Etc/GMT+5",
)  # fmt: skip


def moments(zone: str) -> list[datetime]:
    """Local times of many years and, thickly, of the hours around each change of the clocks of some."""
    draw = np.random.default_rng(7)
    some = [
        utc("1971-01-01") + timedelta(microseconds=int(each)) for each in draw.integers(0, 1_700_000_000_000_000, 300)
    ]
    around = [
        fold.local_time(minutes * 60)
        for fold in zone_of(zone).folds
        if 1995 < fold.year < 2025  # Python and DuckDB may have rules of different years for what is to come
        for minutes in range(-70, 140, 10)
    ]
    return some + around + [time + timedelta(days=182) for time in around[::3]]


def to_utc(time: datetime, zone: str, fold: int) -> datetime:
    return time.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC).replace(tzinfo=None)


def as_python_reads(time: datetime, zone: str) -> tuple[datetime, datetime | None]:
    """The earlier reading, and the later where the clocks went back."""
    first, second = to_utc(time, zone, 0), to_utc(time, zone, 1)
    return first, second if second > first else None


@pytest.mark.parametrize("kind", ["TIMESTAMP", "VARCHAR", "odd VARCHAR"])
@pytest.mark.parametrize("zone", ZONES)
def test_local_times_have_the_readings_that_python_gives_them(
    connection: duckdb.DuckDBPyConnection, zone: str, kind: str
) -> None:
    times = moments(zone)
    held = {"observed_at": np.array(times, dtype="datetime64[us]")}  # noqa: F841  # DuckDB finds it by its name
    written = {
        "TIMESTAMP": "observed_at",
        "VARCHAR": "strftime(observed_at, '%Y-%m-%d %H:%M:%S.%f')",
        "odd VARCHAR": "strftime(observed_at, ' %Y/%-m/%-dt%-H:%M:%S,%f')",
    }[kind]
    connection.execute(f"CREATE TABLE given AS SELECT {written} AS observed_at FROM held")
    batch = a_batch("SELECT * FROM given", kind.removeprefix("odd "), time_zone=zone)
    assert readings(connection, batch) == [as_python_reads(time, zone) for time in times]


def test_times_that_clocks_skip_count_on_from_the_offset_before(connection: duckdb.DuckDBPyConnection) -> None:
    assert read(connection, "2026-03-29 02:30", time_zone="Europe/Berlin") == utc("2026-03-29 01:30")  # 03:30 there


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31 14:33:05", "14:33:05"),
        ("2026-01-31T14:33:05", "14:33:05"),
        ("2026-01-31t14:33:05z", "14:33:05"),
        ("  2026-01-31 14:33:05 ", "14:33:05"),
        ("2026-01-31\t14:33:05", "14:33:05"),
        ("2026-01-31 14:33", "14:33"),
        ("2026-01-31", "00:00"),
        ("2026-1-31 4:3:5", "04:03:05"),
        ("2026/01/31 14:33:05", "14:33:05"),
        ("2026-01-31 14:33:05,123", "14:33:05.123"),
        ("2026-01-31T14:33:05,123Z", "14:33:05.123"),
        ("2026-01-31 14:33:05,123 +0100", "13:33:05.123"),
        ("2026-01-31 14:33:05.1234567", "14:33:05.123456"),
        ("2026-01-31 14:33:05.123456789", "14:33:05.123456"),
        ("2026-01-31T14:33:05.999999999Z", "14:33:05.999999"),
        ("2026-01-31 14:33:05 UTC", "14:33:05"),
        ("2026-01-31 14:33:05 utc", "14:33:05"),
        ("2026-01-31 14:33:05 GMT", "14:33:05"),
        ("2026-01-31 14:33:05 Z", "14:33:05"),
        ("2026-01-31 14:33:05+05", "09:33:05"),
        ("2026-01-31 14:33:05+5", "09:33:05"),
        ("2026-01-31 14:33:05+0530", "09:03:05"),
        ("2026-01-31 14:33:05 +5:30", "09:03:05"),
        ("2026-01-31 14:33:05 +05:30", "09:03:05"),
        ("2026-01-31 14:33:05 -3", "17:33:05"),
        ("2026-01-31 14:33:05 GMT+8", "06:33:05"),
        ("2026-01-31 14:33:05 GMT+2", "12:33:05"),
        ("2026-01-31T14:33:05GMT+08:00", "06:33:05"),
        ("2026-01-31 14:33:05 UTC-5", "19:33:05"),
        ("2026-01-31 14:33:05 utc-5", "19:33:05"),
        ("2026-01-31 14:33:05 UTC+05:30", "09:03:05"),
        ("2026-01-31 14:33:05 UTC+5:30", "09:03:05"),
        ("2026-01-31 14:33:05 UTC+00:00", "14:33:05"),
        ("2026-01-31 14:33:05 Etc/GMT+5", "19:33:05"),
        ("2026-01-31 14:33:05 Etc/GMT-8", "06:33:05"),
        ("2026-01-31 14:33:05 Europe/Paris", "13:33:05"),
        ("2026-01-31 14:33:05 america/new_york", "19:33:05"),
        ("2026-01-31 14:33:05.5 +0100 CET", "13:33:05.5"),
        ("2026-01-31 14:33:05 +0000 UTC", "14:33:05"),
        ("2026-01-31T14:33:05+01:00[Europe/Paris]", "13:33:05"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC"])
def test_texts_that_say_when_are_read(
    connection: duckdb.DuckDBPyConnection, zone: str, text: str, expected: str
) -> None:
    assert read(connection, text, time_zone=zone) == utc(f"2026-01-31 {expected}")


def test_twenty_four_hours_are_the_next_day(connection: duckdb.DuckDBPyConnection) -> None:
    assert read(connection, "2026-01-31 24:00:00") == utc("2026-02-01")


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "infinity", "epoch", "31/01/2026 14:33", "01/31/2026", "31.01.2026 14:33", "20260131",
        "2026-02-30 10:00", "2026-01-31 25:00", "2026-01-31 14:33:60", "Sat, 31 Jan 2026 14:33:05 +0000",
        "2026-01-31 2:33:05 PM", "2026-01-31 2:33 am", "2026-01-31 14:33:05 +15", "2026-01-31 14:33:05 +05:70",
        "2026-01-31 14:33:05 X", "2026-01-31 14:33:05 and then", "0044-03-15 (BC)", "1773136800",
    ],
)  # fmt: skip
def test_texts_that_may_mean_anything_are_unreadable(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    batch = a_batch(f"SELECT {quote_text(text)} AS observed_at", time_zone="Europe/Berlin")
    assert readings(connection, batch) == [(None, None)]
    assert refused_zone(connection, batch) == ""


@pytest.mark.parametrize(
    ("name", "zone", "remedy"),
    [
        ("BST", "UTC", 'set time_zone = "Europe/London" in [model.source], or write offsets such as +01:00'),
        ("CET", "UTC", 'set time_zone = "Europe/Berlin" or time_zone = "Europe/Paris" in [model.source]'),
        ("edt", "Europe/Berlin", 'set time_zone = "America/New_York" in [model.source]'),
        ("CST", "Europe/London", 'time_zone = "America/Chicago" or time_zone = "Asia/Shanghai"'),
        ("IST", "UTC", '"Asia/Kolkata" or time_zone = "Europe/Dublin" or time_zone = "Asia/Jerusalem"'),
        ("AST", "Asia/Riyadh", '"America/Halifax"'),
        ("XYZT", "UTC", "set time_zone in [model.source] to the zone that is meant"),
        ("Mars/Base", "UTC", "no time zone that is known: see how it is spelt"),
    ],
)
def test_names_of_other_zones_are_refused_with_the_remedy(
    connection: duckdb.DuckDBPyConnection, name: str, zone: str, remedy: str
) -> None:
    rows = (
        f"('2026-07-01 12:00:00 {name}'), ('2026-07-02 12:00 {name}'), ('2026-07-02 12:00'), ('2026-07-02 12:00 UTC')"
    )
    batch = a_batch(f"SELECT * FROM (VALUES {rows}) AS given(observed_at)", time_zone=zone)
    assert [time is None for time, _ in readings(connection, batch)] == [True, True, False, False]
    refused = refused_zone(connection, batch)
    assert refused.startswith(f"2 times say {name}, which is ")
    assert remedy in refused


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-07-01 12:00 CEST", "Europe/Berlin", "2026-07-01 10:00"),
        ("2026-01-01 12:00 CET", "Europe/Paris", "2026-01-01 11:00"),
        ("2026-01-01 12:00 cet", "Europe/Berlin", "2026-01-01 11:00"),
        ("2026-07-01 12:00 BST", "Europe/London", "2026-07-01 11:00"),
        ("2026-11-29 12:00 BST", "Europe/London", "2026-11-29 11:00"),
        ("2026-07-01 12:00 GMT", "Europe/London", "2026-07-01 12:00"),
        ("2026-07-01 12:00 EST", "America/New_York", "2026-07-01 17:00"),
        ("2026-07-01 12:00 EDT", "America/New_York", "2026-07-01 16:00"),
        ("2026-07-01 12:00 IST", "Asia/Kolkata", "2026-07-01 06:30"),
        ("2026-07-01 12:00 IST", "Europe/Dublin", "2026-07-01 11:00"),
        ("2026-07-01 12:00 IST", "Asia/Jerusalem", "2026-07-01 10:00"),
        ("2026-07-01 12:00 CST", "Asia/Shanghai", "2026-07-01 04:00"),
        ("2012-07-01 12:00 MSK", "Europe/Moscow", "2012-07-01 08:00"),
        ("2026-07-01 12:00 MSK", "Europe/Moscow", "2026-07-01 09:00"),
        ("2026-07-01 12:00 Europe/Moscow", "Europe/Moscow", "2026-07-01 09:00"),
    ],
)
def test_abbreviations_of_the_sources_own_zone_are_taken_at_their_word(
    connection: duckdb.DuckDBPyConnection, text: str, zone: str, expected: str
) -> None:
    assert read(connection, text, time_zone=zone) == utc(expected)


@pytest.mark.parametrize(
    ("text", "zone", "first", "second"),
    [
        ("2026-10-25 02:30", "Europe/Berlin", "00:30", "01:30"),
        ("2026-10-25 02:30 CEST", "Europe/Berlin", "00:30", None),
        ("2026-10-25 02:30 CET", "Europe/Berlin", "01:30", None),
        ("2026-10-25 02:30+02:00", "Europe/Berlin", "00:30", None),
        ("2026-10-25 02:30 Europe/Berlin", "Europe/Berlin", "00:30", "01:30"),
        ("2026-10-25 02:30 Europe/Paris", "UTC", "00:30", "01:30"),
        ("2026-10-25 01:30 GMT", "Europe/London", "01:30", None),
        ("2026-10-25 01:30 BST", "Europe/London", "00:30", None),
        ("2026-10-25 01:30 IST", "Europe/Dublin", "00:30", None),
    ],
)
def test_an_abbreviation_tells_which_of_two_times_is_meant(
    connection: duckdb.DuckDBPyConnection, text: str, zone: str, first: str, second: str | None
) -> None:
    batch = a_batch(f"SELECT {quote_text(text)} AS observed_at", time_zone=zone)
    expected = utc(f"2026-10-25 {first}"), second and utc(f"2026-10-25 {second}")
    assert readings(connection, batch) == [expected]


@pytest.mark.parametrize(
    ("text", "zone", "offset"),
    [
        ("2026-07-01 12:00 CET", "Europe/Berlin", "+01:00"),
        ("2026-01-01 12:00 EDT", "America/New_York", "-04:00"),
        ("2026-07-01 12:00 GMT", "Europe/London", "+00:00"),
        ("2026-11-29 12:00:00,5 BST", "Europe/London", "+01:00"),
    ],
)
def test_an_abbreviation_of_the_other_season_is_told(
    connection: duckdb.DuckDBPyConnection, text: str, zone: str, offset: str
) -> None:
    told = contrary_zone(connection, a_batch(f"SELECT {quote_text(text)} AS observed_at", time_zone=zone))
    assert told is not None
    name, sentence = told
    assert sentence.startswith(f"1 time says {name} ")
    assert f"taken as {offset}" in sentence


@pytest.mark.parametrize(
    "text", ["2026-07-01 12:00 CEST", "2026-01-01 12:00 CET", "2026-07-01 12:00 BST", "2026-07-01"]
)
def test_an_abbreviation_in_its_season_is_not_told(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert (
        contrary_zone(connection, a_batch(f"SELECT {quote_text(text)} AS observed_at", time_zone="Europe/Berlin"))
        is None
    )


def test_zones_proposed_for_an_abbreviation_use_it() -> None:
    for name in ("CET", "BST", "IST", "CST", "EST", "AEDT", "MSK", "PST"):
        assert ZONES_MEANT[name]
        assert all(name in zone_of(zone).names for zone in ZONES_MEANT[name])


def test_the_name_that_keeps_a_time_from_being_read_is_given_as_written(connection: duckdb.DuckDBPyConnection) -> None:
    batch = a_batch(
        "SELECT unnest(['2026-07-01 12:00 (Cest)', '2026-07-01 12:00', '2026-07-01 2:00 PM']) AS observed_at"
    )
    found = connection.execute(f"SELECT {foreign_expression('observed_at', batch)} FROM ({batch.relation})").fetchall()
    assert found == [("Cest",), (None,), (None,)]


def test_offsets_of_python_are_read_as_python_reads_them(connection: duckdb.DuckDBPyConnection) -> None:
    draw = np.random.default_rng(3)
    for minutes in draw.integers(-14 * 60, 14 * 60, 60).tolist():
        time = datetime(2026, 3, 10, 10, 5, tzinfo=timezone(timedelta(minutes=minutes)))
        expected = time.astimezone(UTC).replace(tzinfo=None)
        assert read(connection, time.isoformat(), time_zone="Asia/Tokyo") == expected
        assert read(connection, time.strftime("%Y-%m-%d %H:%M:%S %Z"), time_zone="Asia/Tokyo") == expected  # UTC+05:30
